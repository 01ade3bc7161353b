"""Hyperliquid's margin engine: market orders to the book, in parts where they are large, then the liquidator vault.

    E < M          market orders; a position above 100,000 USDC: 20 % of it, then 30 s in which orders are whole
    E < 2/3 M      the vault takes positions and margin, if the waterfall has a `backstop`
Source: hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations: "the positions are first attempted to be entirely closed
by sending market orders to the book", "larger than 100k USDC [...] only 20% of the position", "a cooldown period of 30
seconds", "drops below 2/3 of the maintenance margin [...] a backstop liquidation happens through the liquidator vault",
"there is no clearance fee on liquidations". No limit price is stated, so there is none here; a book that runs out of
quotes, which sales such an order in part, goes on with its last ones (assumption: `limit: bankruptcy` is the other extreme).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from delever.protocols.exchange import Exchange, Stage

STAGES = (
    Stage(stage="market", partial_above=100e3, partial_share=0.2, cooldown=30.0),
    Stage(stage="backstop", below=2 / 3),
)


class Hyperliquid(Exchange):
    """The stages of its documentation, unless others are given."""

    kind: ClassVar[str] = "hyperliquid"
    stages: tuple[Stage, ...] = Field(STAGES, min_length=1, description="from the first resort to the last")

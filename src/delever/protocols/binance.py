"""Binance's margin engine (USD-M): one immediate-or-cancel order at the bankruptcy price, with a fee on what it closes.

    E < M     market orders, no further than where the account's equity is gone; fee on the notional closed, at most E
What is not filled stays and is called again; an account below zero goes down the waterfall: insurance fund, then ADL.
Source: binance.com/en/support/faq/360033525271: "all orders for liquidations are Immediate or Cancel orders. The order will
fill as much as possible, and cancel the rest", "All orders will be issued at the bankruptcy price", "a liquidation fee [...]
will be charged on the amount liquidated only". Rates are set by symbol ("liquidationFee" of the exchange information): 1 % is
that of the example of developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information;
one rate for all symbols is an assumption (in 2020 it was 0.3 % on BTC, 0.5 % on others).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from delever.protocols.exchange import Exchange, Stage

STAGES = (Stage(stage="market", limit="bankruptcy", fee=0.01),)


class Binance(Exchange):
    """The stages of its documentation, unless others are given."""

    kind: ClassVar[str] = "binance"
    stages: tuple[Stage, ...] = Field(STAGES, min_length=1, description="from the first resort to the last")

"""One draw as a world: the exchange, its books, its vault, and the index, in two ways.

`index`: the index is that evening's observed spot; forced selling moves the perp books and the basis only, since what was
observed contains the feedback already. `impact on spot`, an upper bound: on top of what was observed, arbitrageurs carry what
displaces the perps to spot, whose books are as deep as the perps' in proportion to volumes and do not refill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import book
import evening
import numpy as np
import pyarrow as pa
from inputs import Inputs, Known

from delever.model.book import Book

WAYS = ("index", "impact on spot")
# Hyperliquid's stages, and one departure from its documentation, which names market orders without a limit (the rule set
# `hyperliquid` has none). Here an order goes no further from the mark than dYdX's fillable price, 1.5 times the margin at stake:
# assumption, not an estimate. Books here are quotes within 5 % and a guess beyond, and do not see a bargain: an order without
# limit would sweep a thin one to the wall below, three times or a third of the index, where real makers return long before.
STAGES = [{"stage": "market", "partial_above": 100e3, "partial_share": 0.2, "cooldown": 30.0},
          {"stage": "backstop", "below": 2 / 3}]
# Depth within these log moves over that within 1 %: assumption, 5 % is as far as data go.
FAR = ((6.0, 0.25), (12.0, 1.0))
ENDLESS = 1000.0  # times depth within 1 %, at the wall


@dataclass(frozen=True)
class Settings:
    """What is fixed in all draws: assumptions, not estimates, chosen after a look at early output."""

    limit: str = "fillable"  # price beyond which market orders do not go
    far: float = 1.0  # factor on the depth that FAR adds beyond 5 %
    wall: float = 1.1  # log move at which outsiders trade any amount: three times, or a third of, the index
    alarm: float = 0.02  # fall of the median coin's index [log] at which makers withdraw


CHOSEN = Settings()
# Arbitrageurs of the second way, assumptions: dollars of margin and of spot by open interest, gap they leave, leverage.
CAPITAL, GAP, LEVERAGE, FOOT = 0.1, 0.001, 5.0, 1e-4


def world_of(known: Known, drawn: Inputs, legs: pa.Table, prices: str, shape: np.ndarray, way: str,
             settings: Settings = CHOSEN) -> Mapping[str, Any]:
    """One draw as a world. prices: file of the index; shape: [levels] depth within 1, 2, ... % over that within 1 %."""
    perps = {coin: f"{coin}-PERP" for coin in known.coins}
    kept = drawn.depth_kept - 1.0
    alarm = float(np.argmax(np.median(drawn.index, axis=1) < -settings.alarm) * evening.STEP)
    units = known.depth * drawn.depth_level / known.price
    venues = {perp: {"kind": "depth_table", "pair": f"{perp}/USD", "half_life": drawn.refill,
                    **_levels(units[c], shape, settings)}
              for c, perp in enumerate(perps.values())}
    spot = {} if way == WAYS[0] else {coin: {"kind": "depth_table", "pair": f"{coin}/USD",
                                             **_levels(units[c] * known.spot_volume[c], shape, settings)}
                                      for c, coin in enumerate(perps)}
    stages = [STAGES[0] | {"limit": settings.limit}, *STAGES[1:]]
    return {
        "name": "perp_crash",
        "as_of": "2025-10-10T20:45:00Z",
        "assets": {coin: {"price": float(known.price[c])} for c, coin in enumerate(known.coins)}
        | {perp: {"perp": coin} for coin, perp in perps.items()},
        "protocols": {book.EXCHANGE: {
            "rules": {"kind": "hyperliquid", "stages": stages},
            "book": Book.from_table(legs if way == WAYS[0] else pa.concat_tables([legs, arbitrage_legs(known)])),
            "parameters": {perps[coin]: {"tiers": [{"floor": floor, "max_leverage": leverage}
                                                   for floor, leverage in known.tiers[c]]}
                           for c, coin in enumerate(known.coins)},
            "waterfall": [
                {"kind": "backstop", "equity": vault_equity(known, drawn), "reserve": drawn.reserve,
                 "half_life": drawn.unwinding},
                {"kind": "adl", "rule": "hyperliquid", "price": "bankruptcy"},
            ],
        }},
        "feeds": {perp: {"kind": "mark", "of": f"{perp}/USD", "formula": "hyperliquid"} for perp in perps.values()},
        "oracles": {book.EXCHANGE: {perp: perp for perp in perps.values()}},
        "venues": venues | spot,
        "actors": {coin: {"kind": "arbitrageurs", "exchange": book.EXCHANGE, "account": f"arbitrage-{coin}",
                                "spot": float(CAPITAL * known.open_interest[c] / known.price[c]), "threshold": GAP,
                                "leverage": LEVERAGE} for c, coin in enumerate(perps) if spot},
        "scenario": {
            "horizon": (len(drawn.index) - 1) * evening.STEP, "step": evening.STEP, "paths": 1, "seed": 0,
            "prices": {"kind": "replay", "data": prices},
            "events": [{"at": alarm, "kind": "depth", "change": {venue["pair"]: kept for venue in (venues | spot).values()}}],
        },
    }


def _levels(units: float, shape: np.ndarray, settings: Settings) -> dict[str, list[list[float]]]:
    """Bids and asks of a book with `units` within 1 % of the mid on each side."""
    known = float(shape[-1])
    sizes = [*zip(shape.tolist(), 0.01 * np.arange(1, len(shape) + 1), strict=True),
             *((known + settings.far * (size - known), move) for size, move in FAR), (ENDLESS, settings.wall)]
    return {side: [[float(units * size), float(np.exp(sign * move))] for size, move in sizes]
            for side, sign in (("bids", -1.0), ("asks", 1.0))}


def index_table(known: Known, drawn: Inputs) -> pa.Table:
    """The index as a table for the replay: seconds from 20:45, USD."""
    columns = {coin: known.price[c] * np.exp(drawn.index[:, c]) for c, coin in enumerate(known.coins)}
    return pa.table({"time": np.arange(len(drawn.index), dtype=float) * evening.STEP, **columns})


def vault_equity(known: Known, drawn: Inputs) -> float:
    """What of the vault stands behind liquidations [USD]."""
    return known.vault * drawn.vault_level * drawn.vault_usable


def arbitrage_legs(known: Known) -> pa.Table:
    """The accounts of the arbitrageurs: cash, and a foot in each perp."""
    accounts = [f"arbitrage-{coin}" for coin in known.coins for _ in range(2)]
    oi = known.open_interest
    amount = np.column_stack([CAPITAL * oi, -FOOT * oi / known.price]).ravel()
    return pa.table({
        "protocol": [book.EXCHANGE] * len(accounts), "account": accounts, "owner": accounts,
        "asset": [asset for coin in known.coins for asset in ("USD", f"{coin}-PERP")],
        "side": ["collateral", "position"] * len(known.coins),
        "amount": amount,
        "entry_price": pa.array([price for p in known.price.tolist() for price in (None, p)], pa.float64()),
    })

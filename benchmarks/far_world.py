"""The named worlds of the tail benchmarks: one lending market, a year of volatile days, a few loans deep.

`one loan` is one account deep: 10 ETH against a debt, prices move once a day for four days, and whoever may be called is called
whole at once. What is short is then a function of the first day on which the loan is below its threshold. `a cascade` sells what
is seized to makers, so that loans call each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import simulate
from delever.run.collect import numbers, together

PRICE = 1000.0  # USD
AT_ONCE = 8192  # paths


def loans(health: list[float], coins: float) -> Book:
    """ETH against USD, each with this health factor at the start (threshold 0.85)."""
    names = [f"a{i:02d}" for i in range(len(health))]
    return Book.from_table(pa.table({
        "account": names * 2, "side": ["collateral"] * len(names) + ["debt"] * len(names),
        "asset": ["ETH"] * len(names) + ["USD"] * len(names),
        "amount": [coins] * len(names) + [0.85 * coins * PRICE / one for one in health]}), protocol="pool")


def world(name: str, paths: int = 1000, seed: int = 1, tail: dict[str, Any] | None = None) -> World:
    """By name: `one loan` or `a cascade`."""
    one = name == "one loan"
    venues = {} if one else {"makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": 5000.0}}
    health = [1.10] if one else [1.05 + 0.05 * i for i in range(12)]
    return worlds.load({
        "name": name, "as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": PRICE}}, "venues": venues,
        "protocols": {"pool": {"rules": {"kind": "fixed_spread", "close_factor": 1.0}, "book": loans(health, 50.0),
                               "parameters": {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05},
                                              "USD": {"liquidation_threshold": 0.8, "incentive": 0.05}}}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "execution": {"mode": "batched", "rounds": 4},
        "scenario": {"horizon": "4 d", "step": "1 d", "paths": paths, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": "110 %"}}, "tail": tail}})


def shortfalls(model: Model, first: int, last: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(shortfall [USD], weight) of paths first .. last - 1, some at a time."""
    for at in range(first, last, AT_ONCE):
        paths = simulate(model, at, min(AT_ONCE, last - at), []).paths
        yield together(paths, "shortfall"), numbers(paths, "weight")

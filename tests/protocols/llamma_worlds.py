"""Small worlds with LLAMMA, and their bands as a test finds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.core.state import State
from delever.engine.step import Phases
from delever.model.book import Book
from delever.model.world import World
from delever.protocols.llamma import LlammaPhase
from delever.protocols.llamma_book import Market
from delever.run.assemble import assemble, phases
from delever.run.start import new_state

PRICE = 2000.0


def loans(*rows: tuple[float, float, int]) -> Book:
    """(ETH, USD owed, bands) of each, named a0, a1, ..."""
    legs = [{"account": f"a{i}", "asset": asset, "side": side, "amount": amount, "bands": n}
            for i, (held, owed, n) in enumerate(rows)
            for asset, side, amount in (("ETH", "collateral", held), ("USD", "debt", owed))]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="crvusd")


def some_loans(count: int, seed: int = 7) -> Book:
    """Log-normal sizes; debts of 10 to 100 % of what may be borrowed (assumptions)."""
    rng = np.random.default_rng(seed)
    held, n = rng.lognormal(1.0, 1.0, count), rng.choice([4, 10, 20, 50], count)
    most = {4: 0.88, 10: 0.85, 20: 0.82, 50: 0.7}
    return loans(*((float(y), float(y * PRICE * most[int(k)] * rng.uniform(0.1, 1.0)), int(k))
                   for y, k in zip(held, n, strict=True)))


def world(book: Book, **changes: Any) -> World:
    """One market, read as it stands, with a deep venue; changes by dotted path."""
    rules = {"kind": "llamma", **changes.pop("rules", {})}
    stated = {
        "as_of": "2024-01-12T00:00:00Z", "assets": {"ETH": {"price": PRICE}},
        "protocols": {"crvusd": {"rules": rules, "book": book, "parameters": {
            "ETH": {"liquidation_threshold": 0.94, "incentive": 0.0}}}},
        "feeds": {"eth_usd": {"kind": "market", "of": "ETH/USD"}}, "oracles": {"crvusd": {"ETH": "eth_usd"}},
        "venues": {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 1e5, "half_life": 600}},
        "actors": {"liquidators": {"kind": "liquidators"}},
        "scenario": {"horizon": "6 h", "step": "1 min", "paths": 4, "seed": 3,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.0}}}}
    made = worlds.load(stated)
    for path, value in changes.items():
        made = made.replace(path.replace("__", "."), value)
    return made


def started(stated: World, paths: int = 1) -> tuple[Phases, State, LlammaPhase]:
    """A chunk at its start."""
    model = assemble(stated)
    chunk = phases(model, paths, ())
    rules = next(phase for phase in chunk.rules if isinstance(phase, LlammaPhase))
    return chunk, new_state(model, 0, paths, chunk), rules


def held(market: Market, p: int = 0) -> tuple[float, float]:
    """(stablecoin, collateral) in all bands of a path."""
    return float(market.amm.x[p].sum()), float(market.amm.y[p].sum())

"""Small worlds with Liquity, and their systems as a test finds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.core.state import State
from delever.engine.step import Phases
from delever.model.book import Book
from delever.model.world import World
from delever.protocols.liquity import LiquityPhase
from delever.protocols.liquity_system import System, entire
from delever.run.assemble import assemble, phases
from delever.run.start import new_state

PRICE = 2000.0
DEEP = 1e12


def troves(*rows: tuple[float, float]) -> Book:
    """(ETH, collateral ratio at the start) of each, named t0, t1, ..."""
    legs = [{"account": f"t{i}", "asset": asset, "side": side, "amount": amount}
            for i, (held, ratio) in enumerate(rows)
            for asset, side, amount in (("ETH", "collateral", held), ("LUSD", "debt", held * PRICE / ratio))]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="liquity")


def sizes(count: int, seed: int = 7) -> list[tuple[float, float]]:
    """Log-normal collateral, ratios of 115 to 260 % (assumptions)."""
    rng = np.random.default_rng(seed)
    return [(float(held), float(ratio)) for held, ratio in
            zip(rng.lognormal(3.0, 1.0, count), rng.uniform(1.15, 2.6, count), strict=True)]


def some_troves(count: int) -> Book:
    """So many of them."""
    return troves(*sizes(count))


def totals(count: int) -> tuple[float, float]:
    """Collateral and debt of all of them."""
    return sum(held for held, _ in sizes(count)), sum(held * PRICE / ratio for held, ratio in sizes(count))


def stated(book: Book, rules: dict[str, Any], fall: float = 0.0, lusd: float = 1.0, depth: float = DEEP) -> dict[str, Any]:
    """One system at deep venues; ETH falls by so much in the first step. lusd: price of the stablecoin at the start [USD]."""
    return {
        "as_of": "2021-05-01T00:00:00Z", "assets": {"ETH": {"price": PRICE}, "LUSD": {"peg": "USD", "ratio": lusd}},
        "protocols": {"liquity": {"rules": {"kind": "liquity", "redemptions": False, **rules}, "book": book,
                                  "parameters": "liquity-v1"}},
        "feeds": {"eth_usd": {"kind": "market", "of": "ETH/USD"}, "one": {"kind": "fixed", "of": "LUSD/USD", "answer": 1.0}},
        "oracles": {"liquity": {"ETH": "eth_usd", "LUSD": "one"}},
        "venues": {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": DEEP, "half_life": 600},
                   "lusd": {"kind": "log_linear", "pair": "LUSD/USD", "depth": depth, "half_life": 600}},
        "actors": {"liquidators": {"kind": "liquidators"}},
        "scenario": {"horizon": "10 min", "step": "1 min", "paths": 2, "seed": 3,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.0, "LUSD": 0.0}},
                     "events": [{"kind": "price", "at": 0, "over": 60, "change": {"ETH": -fall}}] if fall else []}}


def world(book: Book, fall: float = 0.0, lusd: float = 1.0, **changes: Any) -> World:
    """The same, with changes by dotted path; `rules` and `depth` as stated."""
    made = worlds.load(stated(book, changes.pop("rules", {}), fall, lusd, changes.pop("depth", DEEP)))
    for path, value in changes.items():
        made = made.replace(path.replace("__", "."), value)
    return made


def started(stated: World, paths: int = 1) -> tuple[Phases, State, LiquityPhase]:
    """A chunk at its start."""
    model = assemble(stated)
    chunk = phases(model, paths, ())
    rules = next(phase for phase in chunk.rules if isinstance(phase, LiquityPhase))
    return chunk, new_state(model, 0, paths, chunk), rules


def standing(system: System, p: int = 0) -> dict[int, tuple[float, float]]:
    """(collateral, debt) of each open trove."""
    return {k: entire(p, k, system) for k in range(len(system.account)) if system.open[p, k]}

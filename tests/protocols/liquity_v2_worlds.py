"""Small worlds with Liquity v2, and their branches as a test finds them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa

from delever import worlds
from delever.core.seen_prices import price_all
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import residual
from delever.engine.step import Phases, step
from delever.model.book import Book
from delever.model.world import World
from delever.protocols.liquity_system import System, entire
from delever.protocols.liquity_v2 import LiquityV2Phase
from delever.protocols.liquity_v2_branch import Branch
from delever.run.assemble import assemble, phases
from delever.run.start import new_state

PRICE = {"WETH": 2000.0, "wstETH": 2400.0, "rETH": 2200.0}
DEEP = 1e12


class Trove(NamedTuple):
    """One trove of a book."""

    collateral: str
    held: float
    debt: float
    rate: float | None = 0.0


SAFE = (Trove("WETH", 100.0, 40_000.0), Trove("wstETH", 100.0, 40_000.0), Trove("rETH", 100.0, 40_000.0))


def troves(*rows: Trove) -> Book:
    """Named t0, t1, ..."""
    legs = [{"account": f"t{i}", "asset": asset, "side": side, "amount": amount, "interest_rate": trove.rate}
            for i, trove in enumerate(rows)
            for asset, side, amount in ((trove.collateral, "collateral", trove.held), ("BOLD", "debt", trove.debt))]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="bold")


def stated(book: Book, rules: dict[str, Any], change: dict[str, float], bold: float = 1.0, depth: float = DEEP) -> dict[str, Any]:
    """All three branches at deep venues; prices change so much in the first step. bold: price at the start [USD]."""
    return {
        "as_of": "2025-06-01T00:00:00Z",
        "assets": {**{name: {"price": price} for name, price in PRICE.items()}, "BOLD": {"peg": "USD", "ratio": bold}},
        "protocols": {"bold": {"rules": {"kind": "liquity_v2", "redemptions": False, **rules}, "book": book,
                               "parameters": "liquity-v2"}},
        "feeds": {**{name.lower(): {"kind": "market", "of": f"{name}/USD"} for name in PRICE},
                  "one": {"kind": "fixed", "of": "BOLD/USD", "answer": 1.0}},
        "oracles": {"bold": {**{name: name.lower() for name in PRICE}, "BOLD": "one"}},
        "venues": {name.lower(): {"kind": "log_linear", "pair": f"{name}/USD", "depth": size, "half_life": 600}
                   for name, size in (*dict.fromkeys(PRICE, DEEP).items(), ("BOLD", depth))},
        "actors": {"liquidators": {"kind": "liquidators"}},
        "scenario": {"horizon": "10 min", "step": "1 min", "paths": 2, "seed": 3,
                     "prices": {"kind": "lognormal", "volatility": {**dict.fromkeys(PRICE, 0.0), "BOLD": 0.0}},
                     "events": [{"kind": "price", "at": 0, "over": 60, "change": change}] if change else []}}


def world(*rows: Trove, change: dict[str, float] | None = None, bold: float = 1.0, depth: float = DEEP, rules: Any = None,
          **changes: Any) -> World:
    """The same, with changes by dotted path (`__` for a dot)."""
    made = worlds.load(stated(troves(*rows), rules or {}, change or {}, bold, depth))
    for path, value in changes.items():
        made = made.replace(path.replace("__", "."), value)
    return made


def started(made: World, paths: int = 1) -> tuple[Phases, State, LiquityV2Phase]:
    """A chunk at its start."""
    model = assemble(made)
    chunk = phases(model, paths, ())
    rules = next(phase for phase in chunk.rules if isinstance(phase, LiquityV2Phase))
    return chunk, new_state(model, 0, paths, chunk), rules


class Found(NamedTuple):
    """A branch, and who is in it."""

    system: System
    branch: Branch
    troves: dict[str, tuple[float, float]]  # (collateral, debt) of each open trove, by name
    surplus: dict[str, float]  # that owners may claim


def found(rules: LiquityV2Phase, p: int = 0) -> dict[str, Found]:
    """Branches by collateral. Accounts are t0, t1, ..."""
    out = {}
    for (system, _), branch in zip(rules.systems, rules.branches, strict=True):
        asset = rules.assets[system.of[0]]
        open_ones = {f"t{a}": entire(p, k, system) for k, a in enumerate(system.account) if system.open[p, k]}
        claims = {f"t{a}": float(system.surplus[p, k]) for k, a in enumerate(system.account) if system.surplus[p, k] > 0.0}
        out[asset] = Found(system, branch, open_ones, claims)
    return out


def run(made: World, steps: int = 1) -> tuple[dict[str, Found], State, LiquityV2Phase]:
    """Branches, state and rules after so many steps; value is conserved after each."""
    chunk, state, rules = started(made)
    for _ in range(steps):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-12
    price_all(state)
    return found(rules), state, rules


def said(state: State, rules: LiquityV2Phase, name: str, asset: str) -> float:
    """A column of a branch."""
    (value,) = (v for v in rules.columns(state) + rules.amounts(state)
                if v.column.name == name and v.asset == rules.assets.index(asset))
    return float(value.values[0])

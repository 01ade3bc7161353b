"""A mechanism from the examples of its own fields, in a small world of the names that these use."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.core.tables import SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.book import Book
from delever.model.replace import from_text
from delever.model.spec import Spec
from delever.model.world import World
from delever.networks.base import Link
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from run.small import book

PATHS = 3
HERE = Path(__file__).resolve().parent  # with prices.csv, which the example of a replay names

# Which hooks of core/phase.Phase the step calls of a role (run/assemble.py); another one would never be heard.
EVERY = {"adapt", "wake", "kinds", "amounts", "columns", "reserve", "row", "counted"}
HOOKS = {
    "events": EVERY | {"happen", "observe", "offer"},
    "networks": EVERY | {"offer"},
    "policies": EVERY | {"restrain", "offer", "afford"},
    "oracles": EVERY | {"observe"},  # of FeedPhase: in every block
    "protocols": EVERY | {"offer"},
    "rates": EVERY | {"accrue"},  # of RatesPhase: once a step
    "actors": EVERY | {"observe", "react", "bid", "offer", "afford", "trade"},
}


def example(spec: type[Spec], **others: Any) -> Spec:
    """The spec as its fields' first examples and defaults say."""
    first = {name: info.examples[0] for name, info in spec.model_fields.items() if info.examples}
    return spec(**{name: from_text(value) if isinstance(value, str) else value for name, value in first.items()} | others)


def loans() -> Book:
    """Ten borrowers against ETH and stETH, health factors from 1.01 up."""
    legs = []
    for i in range(10):
        collateral, worth = (("ETH", 2000.0), ("stETH", 1980.0))[i % 2]
        legs += [(f"b{i}", collateral, "collateral", 50.0), (f"b{i}", "USD", "debt", 50.0 * worth * 0.83 / (1.01 + 0.02 * i))]
    return book(legs, "aave")


def positions() -> Book:
    """Longs of those who borrow, shorts of others, and the account of whoever trades perp against spot."""
    rows = [{"account": f"{side}{i}", "owner": f"b{i}" if sign > 0.0 else f"{side}{i}", "instrument": "ETH-PERP",
             "size": sign * 20.0 * (i + 1), "entry_price": 2000.0, "margin_mode": "cross",
             "collateral": 20.0 * (i + 1) * 2000.0 * (0.045 + 0.03 * i)}
            for side, sign in (("long", 1.0), ("short", -1.0)) for i in range(5)]
    rows.append({"account": "basis", "owner": "basis", "instrument": "ETH-PERP", "size": -100.0, "entry_price": 2000.0,
                 "margin_mode": "cross", "collateral": 200_000.0})
    return Book.from_table(pa.Table.from_pylist(rows), protocol="hyperliquid")


BASE: dict[str, Any] = {
    "as_of": "2024-01-01T00:00:00Z",
    "assets": {"ETH": {"price": 2000.0}, "stETH": {"peg": "ETH", "ratio": 0.99, "rate": 1.0},
               "SIS": {"peg": "ETH", "ratio": 0.01}, "ETH-PERP": {"perp": "ETH"}},
    "protocols": {
        "aave": {"rules": "aave.v3_3", "parameters": {
            name: {"liquidation_threshold": 0.83, "incentive": 0.05, "borrow_rate": 0.05}
            for name in ("ETH", "stETH", "USD")}, "waterfall": ["socialised_loss"]},
        "hyperliquid": {"rules": "hyperliquid", "parameters": {"ETH-PERP": {"max_leverage": 25}}}},
    "feeds": {"eth_usd": {"kind": "push", "of": "ETH/USD", "heartbeat": 3600, "deviation": 0.005},
              "mark": {"kind": "mark", "of": "ETH-PERP/USD", "formula": "index"}},
    "oracles": {"aave": {"ETH": "eth_usd"}, "hyperliquid": {"ETH-PERP": "mark"}},
    "venues": {"eth": {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 2000, "USD": 4e6}, "half_life": 600},
               "steth": {"kind": "constant_product", "pair": "stETH/ETH", "reserves": {"stETH": 1000, "ETH": 990},
                         "half_life": 600},
               "sis": {"kind": "log_linear", "pair": "SIS/ETH", "depth": 1e5, "half_life": 600},
               "perp": {"kind": "log_linear", "pair": "ETH-PERP/USD", "depth": 3000, "half_life": 600}},
    "networks": {"ethereum": {"kind": "blocks", "block_time": 20, "room": 5, "base_fee": 20}},
    "actors": {"liquidators": {"kind": "liquidators"}},
    "scenario": {"horizon": 1200, "step": 60, "paths": PATHS, "seed": 5,
                 "prices": {"kind": "lognormal", "volatility": {"ETH": 0.9, "stETH": 0.2}},
                 "events": [{"at": 120, "over": 600, "kind": "price", "change": {"ETH": -0.25}}]},
}


def world_with(role: str, kind: str, times: int = 1) -> World:
    """The small world with a mechanism of this kind, or several. What the kind cannot stand beside is left out."""
    spec, stated = worlds.kinds(role)[kind], copy.deepcopy(BASE)
    stated["protocols"]["aave"]["book"], stated["protocols"]["hyperliquid"]["book"] = loans(), positions()
    names = {n: f"{kind}_{n}" for n in range(times)}
    if role == "protocols":
        home = "hyperliquid" if getattr(spec, "margin", False) else "aave"
        stated["protocols"][home]["rules"] = example(spec)
        if kind == "llamma":  # its loans may borrow more than the others': the discount is 6 %
            stated["protocols"][home]["parameters"] |= {
                name: {"liquidation_threshold": 0.94, "incentive": 0.0} for name in ("ETH", "stETH")}
        if not getattr(spec, "quoted", True):
            del stated["networks"]
            stated["actors"]["liquidators"]["rule"] = "always"
    elif role == "waterfall":
        stated["protocols"]["hyperliquid"]["waterfall"] = [example(spec)]
        if not spec.exchanges_only:  # type: ignore[attr-defined]
            stated["protocols"]["aave"]["waterfall"] = [example(spec)]
    elif role == "rates":
        stated["protocols"]["aave"] |= {"cash": {"USD": 1e5, "ETH": 500}, "rates": {
            asset: example(spec) for asset in ("USD", "ETH")[:times]}}
    elif role == "venues":
        made = example(spec)
        pair = made.pair  # type: ignore[attr-defined]
        stated["venues"] = {name: venue for name, venue in stated["venues"].items() if venue["pair"] != pair} | {"its": made}
    elif role == "oracles":
        made = example(spec)
        pair = made.of  # type: ignore[attr-defined]
        perp = pair == "ETH-PERP/USD"
        if made.parts():  # type: ignore[attr-defined]
            stated["oracles"]["aave"]["ETH"] = names[0]
            stated["feeds"][names[0]] = made
            made = stated["feeds"]["eth_usd"]
        if pair == "stETH/ETH":
            stated["feeds"]["its"], stated["oracles"]["aave"]["stETH"] = made, "its * eth_usd"
            made = stated["feeds"]["eth_usd"]
        stated["feeds"] |= {"mark" if perp else "eth_usd": made, **{names[n]: made for n in range(1, times)}}
    elif role == "networks" and issubclass(spec, Link):
        stated["networks"] |= {"base": {"kind": "blocks", "block_time": 20, "room": 5, "base_fee": 1}, "its": example(spec)}
        stated["protocols"]["aave"]["network"] = stated["feeds"]["eth_usd"]["network"] = "ethereum"
        stated["actors"]["keepers"] = {"kind": "keepers", "network": "ethereum", "capital": {"USD": 1e4, "ETH": 1},
                                       "elsewhere": {"base": {"USD": 1e6, "ETH": 1}}}
    elif role == "networks":
        stated["networks"]["ethereum"] = example(spec)
    elif role == "prices":
        stated["scenario"]["prices"] = example(spec)
    elif role == "events":
        stated["scenario"]["events"] += [example(spec, at=300)] * times
    else:
        if kind == "depositors":
            curve = {"kind": "kinked", "slope": 0.1, "steep": 5, "kink": 0.8}
            stated["protocols"]["aave"] |= {"cash": {"USD": 1e5}, "rates": {"USD": curve}}
        if kind == "vaults":
            stated["protocols"]["aave"]["cash"] = {"USD": 1e5}
        if kind == "peg_keepers":
            stated["venues"]["steth"] = {"kind": "stableswap", "pair": "stETH/ETH", "A": 30, "fee": 0.0004,
                                         "balances": {"stETH": 900, "ETH": 1000}, "half_life": 600}
        if kind == "venue_arbitrageurs":
            stated["liquidity"] = "fragmented"
            stated["venues"]["small"] = stated["venues"]["eth"] | {"reserves": {"ETH": 100, "USD": 2e5}}
        stated[role] = stated.get(role, {}) | {names[n]: example(spec) for n in range(times)}
    return worlds.load(stated).located(HERE, worlds.resolve)


def played(role: str, kind: str, chunk: int = PATHS) -> tuple[str, float]:
    """Hash of what each path of the small world ends with, and the worst residual after any step."""
    model, parts, worst = assemble(world_with(role, kind)), [], 0.0
    for first in range(0, PATHS, chunk):
        paths = min(chunk, PATHS - first)
        acting = phases(model, paths, ())
        state = new_state(model, first, paths, acting)
        for _ in range(model.steps):
            step(acting, state)
            worst = max(worst, float(residual(state, int(state.watch.counts[SLOTS])).max()))
        ledgers = state.ledgers
        tables = (ledgers.tokens, ledgers.booked, ledgers.totals, state.markets.price, state.feeds.answer, state.wake)
        parts += [b"".join(np.ascontiguousarray(table[..., p]).tobytes() for table in tables) for p in range(paths)]
    return hashlib.sha256(b"".join(parts)).hexdigest(), worst


@cache
def whole(role: str, kind: str) -> tuple[str, float]:
    """All paths at once."""
    return played(role, kind)


def every_kind() -> list[tuple[str, str]]:
    """(role, kind) of all mechanisms."""
    return [(role, kind) for role in worlds.ROLES for kind in worlds.kinds(role)]


def docstring(spec: type[Spec]) -> str:
    """That of the module in which a mechanism stands."""
    return ast.get_docstring(ast.parse(inspect.getsource(inspect.getmodule(spec)))) or ""  # type: ignore[arg-type]


__all__ = ["HERE", "HOOKS", "PATHS", "docstring", "every_kind", "example", "played", "whole", "world_with"]

"""Small worlds, written as a user would write them, for tests of the engine and of the run layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.core.phase import each_once
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state

Mapping = dict[str, Any]
Leg = tuple[str, str, str, float]  # account, asset, side, amount; a remainder's side begins with "rest of "

COLUMNS = pa.schema([("protocol", pa.string()), ("account", pa.string()), ("asset", pa.string()), ("side", pa.string()),
                     ("amount", pa.float64()), ("liquidation_threshold", pa.float64()), ("emode", pa.int32()),
                     ("label", pa.string())])


def book(legs: Iterable[Leg], protocol: str = "pool") -> Book:
    """A book of these legs. The threshold of a remainder on the collateral side is 0.5."""
    rows = []
    for account, asset, side, amount in legs:
        rest, kind = side.startswith("rest of "), side.removeprefix("rest of ")
        rows.append({"protocol": protocol, "account": account, "asset": asset, "side": kind, "amount": amount,
                     "liquidation_threshold": 0.5 if rest and kind == "collateral" else None, "emode": 0,
                     "label": "remainder" if rest else ""})
    return Book.from_table(pa.Table.from_pylist(rows, COLUMNS))


def loan(account: str, eth: float, usd: float) -> list[Leg]:
    """ETH against USD."""
    return [(account, "ETH", "collateral", eth), (account, "USD", "debt", usd)]


def one_market(legs: Iterable[Leg], **changes: Any) -> World:
    """ETH at 1000 USD, infinitely deep, seen as it trades; threshold 0.85, incentive 0.05; steps of a minute.

    Nothing moves but what a test adds. changes: parts of the world; those of `scenario` are merged.
    """
    scenario: Mapping = {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}
    scenario |= changes.pop("scenario", {})
    parameters: Mapping = {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05},
                           "USD": {"liquidation_threshold": 0.8, "incentive": 0.05}}
    for asset, more in changes.pop("parameters", {}).items():
        parameters[asset] = parameters.get(asset, {}) | more
    protocol = {"rules": changes.pop("rules", "aave.v3_0"), "parameters": parameters, "book": book(legs)}
    world: Mapping = {"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
                      "protocols": {"pool": protocol}, "scenario": scenario,
                      "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}}
    if "actors" not in changes:
        people = {name: {"kind": name, **changes.pop(name)} for name in ("liquidators", "borrowers") if changes.get(name)}
        world["actors"] |= people
    return worlds.load(world | changes)


def fall(share: float, at: float = 0.0, asset: str = "ETH") -> Mapping:
    """The outside price of an asset falls by a share, at so many seconds."""
    return {"at": at, "kind": "price", "change": {asset: -share}}


def pool(eth: float = 1000.0, usd: float = 1e6, **more: Any) -> Mapping:
    """A constant-product pool of ETH/USD."""
    return {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": eth, "USD": usd}, **more}


def everything(mode: str = "sequential", **scenario: Any) -> World:
    """A world in which everything happens at once, with more assets than a register holds numbers.

    Sequential: a chain with finite room, late push feeds, top-ups, liquidators who decline. Batched: rounds, no chain.
    Both: pools with a half-life, makers, a StableSwap pool, pegged and wrapped assets, interest, signed remainders,
    two protocols with different units, an order and a loss of depth.
    """
    assets: Mapping = {
        "ETH": {"price": 2000.0}, "BTC": {"price": 40_000.0}, "USDC": {"peg": "USD", "ratio": 1.0},
        "stETH": {"peg": "ETH", "ratio": 0.99}, "wstETH": {"wraps": "stETH", "rate": 1.13},
        "REST": {"price": 1.0, "seizable": False}}
    assets |= {f"T{i}": {"price": 10.0 + i} for i in range(4)}
    parameters = {name: {"liquidation_threshold": 0.83, "incentive": 0.05, "protocol_fee": 0.1, "supply_rate": 0.03,
                         "borrow_rate": 0.6} for name in (*assets, "USD")}
    worth = {"ETH": 2000.0, "BTC": 40_000.0, "USDC": 1.0, "stETH": 1980.0, "wstETH": 2237.4, "USD": 1.0, "REST": 1.0,
             **{f"T{i}": 10.0 + i for i in range(4)}}

    def held(name: str, protocol: str) -> Book:
        rng = np.random.default_rng([5, len(name)])
        legs: list[Leg] = []
        volatile = ["ETH", "stETH", "wstETH", "BTC", "T0", "T1", "T2", "T3"]
        for i in range(60):
            collateral = list(rng.choice(volatile, 1 + i % 2, replace=False))
            debt = "ETH" if collateral == ["wstETH"] else ("USDC", "USD")[i % 2]
            owed, size = 0.0, 10.0 ** rng.uniform(2.5, 5.5)
            for asset in collateral:
                legs.append((f"{name}{i}", asset, "collateral", size / worth[asset]))
                owed += 0.83 * size
            if i % 5 == 0:
                rest, side = size * rng.uniform(-0.1, 0.2), ("collateral", "debt")[i % 2]
                legs.append((f"{name}{i}", "REST", f"rest of {side}", rest))
                owed += 0.5 * rest if side == "collateral" else -rest
            legs.append((f"{name}{i}", debt, "debt", owed / rng.uniform(1.005, 1.4) / worth[debt]))
        return book(legs, protocol)

    sequential = mode == "sequential"
    late = {"heartbeat": 3600, "deviation": 0.005, "delay": 30}
    world: Mapping = {
        "name": mode, "as_of": "2024-01-01T00:00:00Z", "assets": assets,
        "protocols": {
            "first": {"rules": "aave.v3_3", "parameters": parameters, "book": held("a", "first"), "unit": "USD"},
            "other": {"rules": "aave.v2", "parameters": parameters, "book": held("bb", "other"), "unit": "ETH"}},
        "feeds": {"eth_usd": {"kind": "push", "of": "ETH/USD", **late},
                  "steth_eth": {"kind": "push", "of": "stETH/ETH", **late}},
        "oracles": {"first": {"ETH": "eth_usd", "stETH": "steth_eth * eth_usd", "REST": "1",
                              "wstETH": "rate * steth_eth * eth_usd"},
                    "other": {"stETH": "steth_eth"}},
        "venues": {
            "eth": {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 2000, "USD": 4e6}, "fee": 0.003,
                    "half_life": 600},
            "curve": {"kind": "stableswap", "pair": "stETH/ETH", "A": 30, "balances": {"stETH": 1200, "ETH": 1000},
                      "fee": 0.0004, "half_life": 3600},
            "btc": {"kind": "depth_table", "pair": "BTC/USD", "bids": [[20, 0.98], [60, 0.9]],
                    "asks": [[20, 1.02], [60, 1.1]], "half_life": 300},
            "t0": {"kind": "constant_product", "pair": "T0/USD", "reserves": {"T0": 1e5, "USD": 1e6}}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "profitable" if sequential else "always"}},
        "execution": {"mode": mode} if sequential else {"mode": mode, "rounds": 3},
        "scenario": {
            "horizon": 3600, "step": 300, "paths": 9, "seed": 11,
            "prices": {"kind": "lognormal", "volatility": {"ETH": 2.0, "BTC": 1.5, "stETH": 0.3, "T0": 1.0, "T1": 1.0},
                       "correlation": {"ETH/BTC": 0.8}},
            "events": [{"at": 900, "kind": "price", "over": 900,
                        "change": {"ETH": -0.3, "BTC": -0.2, "T0": -0.1, "T1": -0.1, "T2": -0.1, "T3": -0.1}},
                       {"at": 600, "kind": "order", "order": "sell 100 stETH", "over": 900},
                       {"at": 1200, "kind": "depth", "change": {"BTC/USD": -0.5}}],
            **scenario}}
    if sequential:
        world["networks"] = {"chain": {"block_time": 60, "room": 6, "base_fee": 20}}
        world["actors"]["borrowers"] = {"kind": "borrowers", "attentive": 0.5, "fee": 60}
    return worlds.load(world)


def steps(world: World, paths: int | None = None) -> Iterator[tuple[Model, State]]:
    """The state of a chunk with all paths after every step; the same object each time."""
    model = assemble(world)
    count = world.scenario.paths if paths is None else paths
    chunk = phases(model, count, ())
    state = new_state(model, 0, count, chunk)
    for _ in range(model.steps):
        step(chunk, state)
        yield model, state


def last(world: World) -> tuple[Model, State]:
    """The end of a run."""
    return list(steps(world))[-1]


def bits(table: pa.Table) -> dict[str, bytes]:
    """Every column as bytes: equal only if each number is the same to the last bit."""
    return {name: table[name].to_numpy().tobytes() if not pa.types.is_string(table.schema.field(name).type)
            else repr(table[name].to_pylist()).encode() for name in table.column_names}


def unlike(one: pa.Table, other: pa.Table) -> list[str]:
    """Columns that differ in a bit."""
    a, b = bits(one), bits(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def conserved(world: World) -> tuple[State, dict[str, np.ndarray]]:
    """All paths to the end, conserving value in every step; and columns by name, the last one's where several have it."""
    acting = phases(model := assemble(world), world.scenario.paths, ())
    state = new_state(model, 0, world.scenario.paths, acting)
    for _ in range(model.steps):
        step(acting, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    values = [value for one in each_once(vars(acting).values()) for value in (*one.columns(state), *one.counted(state))]
    return state, {value.column.name: value.values for value in values}

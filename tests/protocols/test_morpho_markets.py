"""Markets side by side: nothing of one is another's, suppliers of one bear its bad debt, and paths have the same bits alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.core.outcomes import DEFICITS
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.model.book import Book
from delever.model.world import World
from delever.run import start
from delever.run.assemble import assemble
from delever.run.chunk import simulate
from run.small import bits, conserved, fall, pool


def book(loans: dict[str, list[tuple[float, float]]]) -> Book:
    """Loans of USD on ETH by market: (units of ETH, USD owed); the same people in every market."""
    rows = [{"market": market, "account": f"a{i}", "asset": asset, "side": side, "amount": amount}
            for market, held in loans.items() for i, (eth, usd) in enumerate(held)
            for asset, side, amount in (("ETH", "collateral", eth), ("USD", "debt", usd))]
    return Book.from_table(pa.Table.from_pylist(rows), protocol="morpho")


def world(loans: dict[str, list[tuple[float, float]]], terms: dict[str, dict[str, Any]], **changes: Any) -> World:
    """ETH at 1000 USD; markets with these terms beside collateral and loan."""
    markets = {name: {"collateral": "ETH", "loan": "USD", "liquidation_threshold": 0.86} | terms.get(name, {}) for name in loans}
    scenario = {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}} | changes.pop("scenario", {})
    return worlds.load({"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
                        "protocols": {"morpho": {"rules": "morpho.v1", "book": book(loans), "markets": markets}},
                        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "scenario": scenario} | changes)


def supply(state: State, names: list[str], market: str) -> float:
    """Supply index of the market's loan asset on the first path."""
    reserves = state.reserves
    r = np.flatnonzero((reserves.protocol == names.index(f"morpho/{market}")) & (reserves.asset == 0))
    return float(reserves.supply_index[r[0], 0])


def test_collateral_in_one_market_backs_no_debt_in_another() -> None:
    """The same person has plenty in `rich`; his loan in `poor` is liquidated all the same, and the loss is booked there alone.

    1 ETH against 850 USD falls to 700: 700 x 0.958 = 670.6 is repaid, 179.4 is bad debt.
    """
    two = world({"rich": [(100.0, 10.0)], "poor": [(1.0, 850.0)]}, {}, scenario={"events": [fall(0.3)]})
    state, _ = conserved(two)
    totals = state.ledgers.totals[DEFICITS, :, 0]
    assert totals.tolist() == [0.0, pytest.approx(850.0 - 700.0 * 0.958, rel=1e-9)]


def test_suppliers_of_the_market_bear_it_and_those_of_others_do_not() -> None:
    """Claims: 1000 in cash and 850 lent out; 179.4 of them are gone."""
    two = world({"rich": [(100.0, 10.0)], "poor": [(1.0, 850.0)]}, {"poor": {"cash": 1000.0}, "rich": {"cash": 1000.0}},
                scenario={"events": [fall(0.3)]})
    state, _ = conserved(two)
    lost = 850.0 - 700.0 * 0.958
    assert supply(state, list(two.protocols), "poor") == pytest.approx(1.0 - lost / 1850.0, rel=1e-9)
    assert supply(state, list(two.protocols), "rich") == 1.0


def test_each_market_sees_by_its_own_oracle_and_calls_by_its_own_lltv() -> None:
    """A fall of 4 %: the market with 91.5 % calls; that with 86 % does not, nor that with an oracle that stands still."""
    loans = {"low": [(1.0, 800.0)], "high": [(1.0, 890.0)], "still": [(1.0, 890.0)]}
    terms = {"high": {"liquidation_threshold": 0.915}, "still": {"liquidation_threshold": 0.915, "oracle": "peg"}}
    three = world(loans, terms, feeds={"peg": {"kind": "fixed", "of": "ETH/USD", "answer": 1000.0}},
                  scenario={"events": [fall(0.04)]})
    state, _ = conserved(three)
    called = dict.fromkeys(three.protocols, False)
    for slot in range(int(state.watch.counts[SLOTS])):
        account, names = int(state.pool.touched.account[slot]), list(three.protocols)
        called[names[int(state.book.protocol[state.book.signature[account]])]] |= bool(state.pool.touched.flags[slot] & 1)
    assert called == {"morpho/low": False, "morpho/high": True, "morpho/still": False}


def many(paths: int) -> World:
    """Twenty markets through one pool, whose sales call each other; half of them with curves."""
    rng = np.random.default_rng(3)
    sizes, healths = rng.uniform(0.5, 5.0, (20, 8)), 1.005 + rng.exponential(0.1, (20, 8))
    loans = {f"m{i:02d}": [(eth, eth * 860.0 / health) for eth, health in zip(*both, strict=True)]
             for i, both in enumerate(zip(sizes, healths, strict=True))}
    terms = {name: {"cash": 2000.0, "rate": "adaptive"} if i % 2 else {"borrow_rate": 0.1} for i, name in enumerate(loans)}
    prices = {"kind": "lognormal", "volatility": {"ETH": 1.0}}
    return world(loans, terms, venues={"eth": pool(500.0, 5e5, half_life=3600)}, scenario={
        "paths": paths, "horizon": 1200, "prices": prices, "events": [fall(0.2, 120.0)]})


def test_a_world_of_many_markets_conserves_value_and_every_path_is_the_same_alone() -> None:
    model = assemble(many(4))
    together = simulate(model, 0, 4, []).paths
    alone = pa.concat_tables([simulate(model, p, 1, []).paths for p in range(4)])
    assert bits(together.combine_chunks()) == bits(alone.combine_chunks())
    figures = {name: together[name].to_numpy() for name in together.column_names}
    assert max(values.max() for name, values in figures.items() if name.startswith("residual.")) < 1e-9
    assert sum(values.sum() for name, values in figures.items() if name.startswith("liquidations.")) > 50.0


@pytest.mark.parametrize("vote", [False, True])
def test_markets_that_share_a_series_end_as_if_each_had_its_own(monkeypatch: pytest.MonkeyPatch, vote: bool) -> None:
    """Also where a vote moves the terms of one of them: from then on it moves by itself."""
    world = many(3)
    if vote:
        vote_on = worlds.resolve("events", "governance")(
            at=60.0, protocol="morpho/m03", parameters={"ETH": {"liquidation_threshold": 0.7}})
        world = world.replace("scenario", world.scenario.replace("events", [*world.scenario.events, vote_on]))
    shared = simulate(assemble(world), 0, 3, []).paths
    model = assemble(world)
    same = start.moving_alike(model, np.zeros(len(model.positions.reserves), np.int64))
    assert len(np.unique(same)) < len(same)
    monkeypatch.setattr(start, "moving_alike", lambda model, like: np.arange(2 * len(like)))
    assert bits(simulate(model, 0, 3, []).paths.combine_chunks()) == bits(shared.combine_chunks())

"""Runs with Liquity: the same bits in chunks of any size, several systems, interest, keepers, blocks that are full."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.analysis import criticality
from delever.core.tables import DEBTS, SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.book import Book
from delever.model.world import World
from delever.protocols.liquity import LiquityPhase
from delever.protocols.liquity_system import DEBT, OPEN, POOL
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from protocols.liquity_worlds import PRICE, some_troves, standing, started, stated, totals, world

PATHS = 4


def crash(**changes: Any) -> World:
    """Pool, redemptions, sales and recovery mode in one run of half an hour."""
    rules = {"stability_pool": {"ETH": 0.1 * totals(40)[1]}, "redemptions": True, "pool_sells": 0.5}
    made = world(some_troves(40), fall=0.35, lusd=0.98, depth=1e6, rules=rules, **changes)
    return made.replace("scenario.horizon", "30 min").replace("scenario.paths", PATHS).replace(
        "scenario.prices.volatility", {"ETH": 2.0, "LUSD": 0.2})


def bits(run: World, chunk: int) -> list[str]:
    """A hash of what each path ends with."""
    model, out = assemble(run), []
    for first in range(0, PATHS, chunk):
        acting = phases(model, chunk, ())
        state = new_state(model, first, chunk, acting)
        for _ in range(model.steps):
            step(acting, state)
            assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
        rules = next(phase for phase in acting.rules if isinstance(phase, LiquityPhase))
        s = rules.systems[0].system
        for p in range(chunk):
            ledgers = [np.ascontiguousarray(table[..., p]).tobytes() for table in (state.ledgers.tokens, state.ledgers.booked)]
            own = [table[p].tobytes() for table in (s.coll, s.debt, s.stake, s.surplus, s.sums)]
            out.append(hashlib.sha256(b"".join([*ledgers, *own])).hexdigest())
    return out


def test_chunks_of_any_size_end_with_the_same_bits() -> None:
    whole = bits(crash(), PATHS)
    assert len(set(whole)) == PATHS
    assert bits(crash(), 1) == whole and bits(crash(), 2) == whole


def test_two_collaterals_are_two_systems_with_a_pool_each() -> None:
    legs = [{"account": f"{asset}{i}", "asset": asset, "side": "collateral", "amount": held}
            for asset in ("ETH", "SOL") for i, held in enumerate((10.0, 100.0))]
    legs += [{"account": f"{asset}{i}", "asset": "LUSD", "side": "debt", "amount": held * PRICE / ratio}
             for asset in ("ETH", "SOL") for i, (held, ratio) in enumerate(((10.0, 1.2), (100.0, 3.0)))]
    given = stated(some_troves(3), {})
    given["assets"]["SOL"] = {"price": PRICE}
    terms = {"liquidation_threshold": 1.0 / 1.1, "incentive": 0.0}
    given["protocols"]["liquity"] |= {
        "book": Book.from_table(pa.Table.from_pylist(legs), protocol="liquity"),
        "parameters": {"ETH": terms, "SOL": terms, "LUSD": {"liquidation_threshold": 0.0, "incentive": 0.0}},
        "rules": {"kind": "liquity", "stability_pool": {"SOL": 50_000}, "redemptions": False}}
    given["feeds"]["sol"], given["oracles"]["liquity"]["SOL"] = {"kind": "market", "of": "SOL/USD"}, "sol"
    given["scenario"]["prices"]["volatility"]["SOL"] = 0.0
    given["scenario"]["events"] = [{"kind": "price", "at": 0, "over": 60, "change": {"ETH": -0.1, "SOL": -0.1}}]
    chunk, state, rules = started(worlds.load(given))
    step(chunk, state)
    eth, sol = (system for system, _ in rules.systems)
    assert eth.sums[0, OPEN] == sol.sums[0, OPEN] == 1.0
    assert standing(eth)[1][0] == pytest.approx(109.95) and standing(sol)[1][0] == 100.0  # redistributed; the pool's
    assert sol.sums[0, POOL] == pytest.approx(50_000.0 - 10.0 * PRICE / 1.2) and eth.sums[0, POOL] == 0.0
    names = [(value.column.name, value.asset) for value in rules.columns(state)]
    assert len(names) == len(set(names))


def test_debts_grow_with_interest_where_a_book_has_it() -> None:
    parameters = {"ETH": {"liquidation_threshold": 1.0 / 1.1, "incentive": 0.0},
                  "LUSD": {"liquidation_threshold": 0.0, "incentive": 0.0, "borrow_rate": 9.0}}
    dear = world(some_troves(40), fall=0.2, rules={"stability_pool": {"ETH": 0.3 * totals(40)[1]}},
                 protocols__liquity__parameters=parameters)
    chunk, state, rules = started(dear)
    for _ in range(10):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
    s = rules.systems[0].system
    index = state.reserves.borrow_index[s.of[3], 0]
    assert index > 1.0001 and s.sums[0, OPEN] < 40
    assert sum(debt for _, debt in standing(s).values()) == pytest.approx(s.sums[0, DEBT])
    assert state.ledgers.booked[DEBTS, s.of[3], 0] < 0.0


@pytest.mark.parametrize("room", [1, 3])
def test_full_blocks_let_so_many_troves_through(room: int) -> None:
    keepers = {"kind": "keepers", "capital": {"USD": 0.0, "ETH": 50.0, "LUSD": 1e5}}
    full = crash(networks={"chain": {"kind": "blocks", "block_time": 30, "room": room, "base_fee": 20}},
                 actors={"keepers": keepers, "liquidators": {"kind": "liquidators"}})
    chunk, state, rules = started(full)
    before = 40.0
    for _ in range(20):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
        now = rules.systems[0].system.sums[0, OPEN]
        assert before - now <= 2 * room  # two blocks a step
        before = now
    assert before < 40.0


def test_a_look_at_the_book_sells_what_depositors_do() -> None:
    found = {sells: criticality(world(some_troves(40), rules={"pool_sells": sells}), "ETH", "-40%..0%") for sells in (0.0, 0.5)}
    assert max(found[0.5].pace["forced_usd"].to_pylist()) > 0.0 == max(found[0.0].pace["forced_usd"].to_pylist())
    assert any("redistributed" in line for line in found[0.5].said)

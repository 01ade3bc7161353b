"""Auctions in random worlds: value is conserved after every step, limits hold, and no bit depends on how a run is cut."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import DEFICITS, LIQUIDATIONS
from delever.core.tables import COVERED, DEBTS, DEFICIT, SLOTS, TREASURY
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.world import World
from delever.run.stress import Run, stress
from protocols.clip_worlds import KEEPERS, Mapping, auctions, begin
from run.small import bits, fall, loan, pool, unlike

TESTS = Path(__file__).resolve().parents[1]
TERMS: Mapping = {"liquidation_threshold": 1 / 1.5}
CURVES: list[Mapping] = [{"curve": "stairstep", "cut": 0.97, "step": 70}, {"curve": "linear", "tau": 5000},
                         {"curve": "exponential", "cut": 0.9995}]
CLOCKS: list[Mapping] = [{"execution": {"mode": "batched", "rounds": 1}}, {"execution": {"mode": "batched", "rounds": 7}},
                         {"execution": {"mode": "sequential", "rounds": 3}},
                         {"networks": {"chain": {"block_time": 60, "room": 3, "base_fee": 5}}}]

terms = st.fixed_dictionaries({
    "curve": st.integers(0, 2), "buf": st.sampled_from([1.0, 1.2, 1.6]), "tail": st.sampled_from([200, 1000, 8400]),
    "cusp": st.sampled_from([0.0, 0.4, 0.8]), "tip": st.sampled_from([0, 5, 300]), "chip": st.sampled_from([0, 0.001, 0.05]),
    "dust": st.sampled_from([0, 300, 2000]), "hole": st.sampled_from([None, 4000, 20_000]),
    "hole_of_all": st.sampled_from([None, 9000])})
worlds = st.fixed_dictionaries({
    "terms": terms, "clock": st.integers(0, 3), "seed": st.integers(0, 10**6), "penalty": st.sampled_from([0.0, 0.13]),
    "vaults": st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.5, 0.66)), min_size=1, max_size=6),
    "fall": st.sampled_from([0.1, 0.3, 0.7]), "pool": st.booleans(), "keepers": st.integers(1, 2), "fund": st.booleans(),
    "always": st.booleans()})


def world_of(drawn: Mapping, paths: int = 2) -> World:
    """A world of five-minute steps over an hour and a half; keepers compete, owners of vaults add collateral."""
    rules = {name: value for name, value in drawn["terms"].items() if name != "curve"} | CURVES[drawn["terms"]["curve"]]
    legs = [leg for i, (eth, share) in enumerate(drawn["vaults"]) for leg in loan(f"v{i}", eth, 1000.0 * eth * share)]
    rule = "always" if drawn["always"] else "profitable"
    actors: Mapping = {f"k{i}": KEEPERS | {"rule": rule, "min_profit": i} for i in range(drawn["keepers"])}
    actors["owners"] = {"kind": "borrowers", "attentive": 0.3}
    world = auctions(legs, rules, actors=actors, parameters={"ETH": TERMS | {"incentive": drawn["penalty"]}},
                     venues={"pool": pool(300.0, 3e5, half_life=600)} if drawn["pool"] else {}, **CLOCKS[drawn["clock"]],
                     scenario={"horizon": 5400, "paths": paths, "seed": drawn["seed"], "events": [fall(drawn["fall"], 900)],
                               "prices": {"kind": "lognormal", "volatility": {"ETH": 3.0}}})
    fund = [{"kind": "insurance_fund", "start": {"USD": 500}}]
    return world.replace("protocols.pool.waterfall", fund) if drawn["fund"] else world


@settings(max_examples=300)
@given(worlds)
def test_value_is_conserved_and_limits_hold_after_every_step(drawn: Mapping) -> None:
    """What accounts owe and what lots owe is what was owed less DEBTS; what accounts and lots hold is what DEPOSITS says."""
    world = world_of(drawn)
    chunk, state, _ = begin(world, 2)
    book, lots_of = state.book, lambda column, p: float((column * (state.lots.open == 1) * (state.lots.path == p)).sum())
    first, owed = int(book.first_debt[0]), float(book.amount[:, int(book.first_debt[0])].sum())
    hole = min(drawn["terms"]["hole"] or np.inf, drawn["terms"]["hole_of_all"] or np.inf)
    for _ in range(world.scenario.steps):
        step(chunk, state)
        slots = int(state.watch.counts[SLOTS])
        assert residual(state, slots).max() < 1e-9
        touched, booked, lots = state.pool.touched, state.ledgers.booked, state.lots
        is_open = lots.open[:state.n_lots] == 1
        assert (np.minimum(lots.tab, lots.units)[:state.n_lots][is_open] > 0.0).all()
        assert ((lots.owed <= lots.tab * (1 + 1e-12))[:state.n_lots]).all()
        for p in range(2):
            mine = touched.path[:slots] == p
            change = float((touched.amount[:slots, first] - book.amount[touched.account[:slots], first])[mine].sum())
            left = owed + change + lots_of(lots.owed, p)
            assert left == pytest.approx(owed + booked[DEBTS, :, p].sum(), rel=1e-9, abs=1e-6)
            assert lots_of(lots.tab, p) <= hole + drawn["terms"]["dust"] * 1.13 + 1e-6
        assert (booked[DEFICIT] >= 0.0).all()
        assert (np.minimum(booked[DEFICIT], np.maximum(booked[TREASURY], 0.0)) <= 1e-9).all(), "surplus heals what is unpaid"
        assert booked[COVERED].sum() + booked[DEFICIT].sum() == pytest.approx(state.ledgers.totals[DEFICITS].sum(), abs=1e-6)


EVENTFUL: Mapping = {
    "terms": {"curve": 0, "buf": 1.2, "tail": 1000, "cusp": 0.4, "tip": 5, "chip": 0.001, "dust": 300, "hole": 9000,
              "hole_of_all": None},
    "seed": 5, "penalty": 0.13, "vaults": [(3.0 + i, 0.66 - 0.01 * i) for i in range(6)], "fall": 0.3, "pool": True, "keepers": 2,
    "fund": True, "always": False}
CUT = [(clock, curve) for clock in (1, 2, 3) for curve in (0, 1, 2)]


def eventful(clock: int, curve: int) -> World:
    """Kicks, takes, redos, reverts and holes that are full, on seven paths."""
    return world_of(EVENTFUL | {"clock": clock, "terms": EVENTFUL["terms"] | {"curve": curve}}, 7)


@cache
def whole(clock: int, curve: int) -> Run:
    return stress(eventful(clock, curve), keep=False, trace=[2], chunk=7, threads=1)


@pytest.mark.parametrize(("clock", "curve"), CUT)
def test_no_bit_depends_on_how_a_run_is_cut(clock: int, curve: int) -> None:
    """Rows of closed lots are used again, but only by their own path."""
    run = whole(clock, curve)
    for chunk in (1, 3):
        again = stress(eventful(clock, curve), keep=False, trace=[2], chunk=chunk, threads=2)
        assert [unlike(getattr(run, table), getattr(again, table)) for table in ("paths", "trace", "history")] == [[], [], []]


def test_the_worlds_of_these_tests_are_eventful() -> None:
    done, reverted, deficit = dict.fromkeys(("kick", "take", "redo"), 0), 0, 0.0
    for curve in (0, 1):
        chunk, state, diary = begin(eventful(2, curve), 7)
        while state.step < 18:
            step(chunk, state)
        for kind in done:
            done[kind] += len(diary.of(kind))
        reverted += len(diary.of("take", executed=False))
        deficit += state.ledgers.totals[DEFICITS].sum()
        assert state.n_lots < len(diary.of("kick")), "rows are used again"
        assert state.ledgers.totals[LIQUIDATIONS].min() > 0
    assert min(done.values()) > 20
    assert (reverted > 0, deficit > 0.0) == (True, True)


def floats(clock: int) -> list[str]:
    """Every value of a run, exactly."""
    run: Any = whole(clock, 0)
    return [f"{table} {name} {content.hex()}" for table in ("paths", "trace", "history")
            for name, content in bits(getattr(run, table)).items()]


@pytest.mark.parametrize("clock", [1, 2])
def test_the_compiler_changes_no_bit(clock: int) -> None:
    code = f"from protocols.test_clip_random import floats; print('\\n'.join(floats({clock})))"
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    interpreted = done.stdout.split("\n")[:-1]
    assert len(interpreted) > 40
    assert interpreted == floats(clock)

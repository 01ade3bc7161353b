"""Margin calls: who is told has time until the deadline, and is sold in the block at which it falls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.core.outcomes import LIQUIDATIONS, TOP_UPS
from delever.core.state import State
from delever.core.tables import DEFICIT, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.policies.margin_call import MarginCalls
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from delever.run.stress import stress
from run.exchange_small import exchange
from run.small import Mapping, bits, everything, fall, loan, one_market, unlike

TESTS = Path(__file__).resolve().parents[1]


def call(**more: Any) -> Mapping:
    """Owners of the pool have 150 s."""
    return {"desk": {"kind": "margin_call", "protocols": "pool", "grace": "150 s"} | more}


def run(world: World) -> tuple[State, MarginCalls, list[float], list[float]]:
    """The end; the policy; on path 0 the times of steps' last blocks, and liquidations by then."""
    model, paths = assemble(world), world.scenario.paths
    chunk = phases(model, paths, ())
    state = new_state(model, 0, paths, chunk)
    times, done = [], []
    for _ in range(model.steps):
        step(chunk, state)
        times.append(state.time)
        done.append(float(state.ledgers.totals[LIQUIDATIONS, :, 0].sum()))
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    found = next(phase for phase in chunk.everybody if isinstance(phase, MarginCalls))
    return state, found, times, done


def counts(found: MarginCalls) -> tuple[int, int, int]:
    """(calls, lapsed, sold) on path 0."""
    return tuple(int(column[0]) for column in found.counts)


def lending(*falls: tuple[float, float], policy: Mapping | None = None, **changes: Any) -> World:
    """One loan of 8000 USD against 10 ETH at 1000, four blocks a minute; ETH falls by these (share, at [s])."""
    return one_market(loan("a", 10.0, 8000.0), policies=call(**(policy or {})), execution={"rounds": 4},
                      scenario={"events": [fall(*one) for one in falls]}, **changes)


# ---- lending ----------------------------------------------------------------------------------------------------


def test_the_sale_is_in_the_block_at_which_the_deadline_falls() -> None:
    """Found unhealthy in the block at 75 s, so sold in that at 225 s; the path sleeps in between."""
    _, found, times, done = run(lending((0.1, 60.0)))
    assert done[:4] == [0.0, 0.0, 0.0, 1.0] and times[1] == 75.0
    assert times[3] == 240.0, "the block after a sale is looked at"
    assert counts(found) == (1, 0, 1)


@pytest.mark.parametrize(("grace", "step_of_sale"), [(15, 2), (105, 3), (106, 4), (150, 4), (166, 5)])
def test_a_deadline_between_two_blocks_is_met_by_the_next(grace: float, step_of_sale: int) -> None:
    done = run(lending((0.1, 60.0), policy={"grace": grace}))[3]
    assert done.index(1.0) + 1 == step_of_sale


def test_an_account_that_recovers_in_time_is_not_sold_and_a_new_fall_is_a_new_call() -> None:
    """Down at 60 s, up at 180 s; down again at 300 s: the second deadline is 315 + 150 s."""
    _, found, _, done = run(lending((0.1, 60.0), (-0.15, 180.0), (0.15, 300.0)))
    assert done == [0.0] * 7 + [1.0] * 3
    assert counts(found) == (2, 1, 1)


def test_an_account_that_falls_further_keeps_its_deadline() -> None:
    _, found, _, done = run(lending((0.1, 60.0), (0.02, 120.0), (0.02, 180.0)))
    assert done[3] == 1.0 and counts(found)[0] == 1


def test_owners_who_answer_are_not_sold() -> None:
    state, found, _, done = run(lending((0.1, 60.0), borrowers={"attentive": 1.0, "target": 1.05, "budget": 1.0}))
    assert state.ledgers.totals[TOP_UPS, 0, 0] == 1.0
    assert done[-1] == 0.0 and counts(found) == (1, 1, 0)


@pytest.mark.parametrize(("floor", "step_of_sale"), [("96 %", 2), ("95 %", 4)])
def test_below_the_floor_the_sale_is_at_once(floor: str, step_of_sale: int) -> None:
    """Health after the fall is 9000 x 0.85 / 8000 = 0.95625."""
    done = run(lending((0.1, 60.0), policy={"floor": floor}))[3]
    assert done.index(1.0) + 1 == step_of_sale


def test_only_named_protocols_wait() -> None:
    """With nobody named in a world of two, the other sells at once."""
    world = exchange(lending=True, paths=3)
    ours = run(world.replace("policies", call(grace="1 h")))[0]
    theirs = run(world.replace("policies", call(grace="1 h", protocols="perps")))[0]
    assert np.all(ours.ledgers.totals[LIQUIDATIONS, 1] > theirs.ledgers.totals[LIQUIDATIONS, 1])
    assert np.all(ours.ledgers.totals[LIQUIDATIONS, 0] < theirs.ledgers.totals[LIQUIDATIONS, 0])


# ---- exchanges --------------------------------------------------------------------------------------------------


def perp(policy: Mapping, *falls: tuple[float, float]) -> World:
    """A long of 10 ETH-PERP at 4000 on 4000 USD; maintenance margin 2 %; ETH falls by these."""
    book = [{"account": account, "instrument": "ETH-PERP", "size": size, "entry_price": 4000.0, "margin_mode": "cross",
             "collateral": cash} for account, size, cash in (("long", 10.0, 4000.0), ("short", -10.0, 40_000.0))]
    return worlds.load({
        "as_of": "2025-10-10T20:45:00Z", "assets": {"ETH": {"price": 4000.0}, "ETH-PERP": {"perp": "ETH"}},
        "protocols": {"perps": {"rules": {"kind": "exchange", "stages": [{"stage": "market"}]},
                                "book": Book.from_table(pa.Table.from_pylist(book), protocol="perps"),
                                "parameters": {"ETH-PERP": {"max_leverage": 25}}}},
        "execution": {"rounds": 4}, "policies": call(protocols="perps", **policy),
        "scenario": {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [fall(*one) for one in falls]}})


def test_an_exchange_waits_for_the_deadline_too() -> None:
    _, found, times, done = run(perp({}, (0.09, 60.0)))
    assert done[:4] == [0.0, 0.0, 0.0, 1.0] and times[1] == 75.0
    assert counts(found) == (1, 0, 1)


def test_waiting_below_zero_is_a_deficit_that_a_floor_prevents() -> None:
    """Equity 400 after the first fall, which is 55 % of the margin needed; below zero after the second."""
    waits = run(perp({}, (0.09, 60.0), (0.05, 120.0)))[0]
    floor = run(perp({"floor": "60 %"}, (0.09, 60.0), (0.05, 120.0)))[0]
    assert waits.ledgers.booked[DEFICIT].sum() == pytest.approx(-(4000.0 - 10.0 * (4000.0 - 4000.0 * 0.91 * 0.95)), rel=1e-9)
    assert floor.ledgers.booked[DEFICIT].sum() == 0.0


def test_a_margin_account_that_recovers_is_kept() -> None:
    _, found, _, done = run(perp({}, (0.09, 60.0), (-0.1, 180.0)))
    assert done[-1] == 0.0 and counts(found) == (1, 1, 0)


# ---- the same bits ----------------------------------------------------------------------------------------------


def eventful(mode: str, paths: int) -> World:
    """Grace on one of two protocols, in a world in which everything happens."""
    return everything(mode, paths=paths).replace("policies", call(protocols=["first"], grace="7 min", floor="80 %"))


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_no_bit_depends_on_the_chunk_size(mode: str) -> None:
    world = eventful(mode, 5)
    whole, cut = (stress(world, keep=False, trace=[2], chunk=chunk, threads=1) for chunk in (5, 2))
    for table in ("paths", "history", "trace", "summary"):
        assert unlike(getattr(whole, table), getattr(cut, table)) == [], table
    assert "liquidations.first" in unlike(whole.paths, stress(everything(mode, paths=5), keep=False, trace=[2]).paths)


def test_no_bit_of_an_exchange_depends_on_the_chunk_size() -> None:
    world = exchange(lending=True, paths=4).replace("policies", call(protocols=["perps", "pool"], grace="10 min"))
    whole, cut = (stress(world, keep=False, chunk=chunk, threads=1) for chunk in (4, 1))
    assert unlike(whole.paths, cut.paths) == []


def floats(mode: str) -> list[str]:
    """Every value of the run, exactly."""
    paths = stress(eventful(mode, 2), keep=False, threads=1).paths
    return [f"{name} {content.hex()}" for name, content in bits(paths).items()]


@pytest.mark.parametrize("mode", ["sequential"])
def test_the_compiler_changes_no_bit(mode: str) -> None:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    code = f"from policies.test_margin_call import floats; print('\\n'.join(floats({mode!r})))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == floats(mode)


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "message"), [
    ({"grace": "0 s"}, "policies.desk.grace is 0.0; it must be greater than 0"),
    ({"protocols": "pol"}, "policies.desk.protocols: unknown protocol: 'pol'; did you mean pool?"),
    ({"protocols": []}, "policies.desk.protocols is empty; it needs at least one entry"),
    ({"protocols": ["pool", "pool"]}, "policies.desk.protocols has two periods of grace: 'pool'; name it once: desk"),
    ({"floor": 1.5}, "policies.desk.floor is 1.5; it is a share, so 0.015"),
])
def test_a_mistake_is_one_line_that_says_where_and_what_to_do(policy: Mapping, message: str) -> None:
    with pytest.raises(InputError) as caught:
        lending((0.1, 60.0), policy=policy)
    line = str(caught.value)
    assert "\n" not in line and message in line, line


def test_two_policies_may_not_call_the_same_accounts() -> None:
    world = lending((0.1, 60.0))
    with pytest.raises(InputError, match=r"has two periods of grace: 'pool'; name it once: desk and other"):
        world.replace("policies", call() | {"other": call(grace="1 h")["desk"]})

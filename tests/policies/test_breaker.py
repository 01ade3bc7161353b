"""Circuit breakers: when they trip, what they halt and for how long; one that makes things worse, and one that helps."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delever.core.outcomes import DEFICITS, LIQUIDATIONS, REPAID, TOP_UPS
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.errors import InputError
from delever.model.world import World
from delever.policies.breaker import Armed, Breakers
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from delever.run.stress import stress
from run.exchange_small import exchange
from run.small import Mapping, bits, everything, fall, loan, one_market, unlike

TESTS = Path(__file__).resolve().parents[1]
NEVER = -np.inf


def breaker(**more: Any) -> Mapping:
    """Liquidations halt for five minutes when ETH has moved by 8 % within two."""
    given = {"kind": "breaker", "of": "ETH", "move": "8 %", "window": "2 min", "halts": "liquidations", "lasts": "5 min"} | more
    return {"halt": {name: value for name, value in given.items() if value is not None}}


def run(world: World) -> tuple[State, Armed, list[float], list[float]]:
    """The end; the breaker; after each step, on path 0: liquidations, and until when the first protocol's are halted."""
    model = assemble(world)
    chunk, state = phases(model, world.scenario.paths, ()), None
    state = new_state(model, 0, world.scenario.paths, chunk)
    done, until = [], []
    for _ in range(model.steps):
        step(chunk, state)
        done.append(float(state.ledgers.totals[LIQUIDATIONS, :, 0].sum()))
        until.append(float(state.halts.liquidation[0, 0]))
    found = next(phase for phase in chunk.everybody if isinstance(phase, Breakers))
    return state, found.breakers["halt"], done, until


def run_plain(world: World) -> State:
    """The end of any world."""
    model = assemble(world)
    chunk = phases(model, world.scenario.paths, ())
    state = new_state(model, 0, world.scenario.paths, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    return state


def lending(*falls: tuple[float, float], **changes: Any) -> World:
    """One loan of 8000 USD against 10 ETH at 1000; ETH falls by these (share, at [s])."""
    policy = breaker(**changes.pop("policy", {}))
    return one_market(loan("a", 10.0, 8000.0), policies=policy, scenario={"events": [fall(*one) for one in falls]}, **changes)


# ---- when it trips ----------------------------------------------------------------------------------------------


def test_a_halt_lasts_from_the_block_of_the_move_to_the_block_in_which_it_ends() -> None:
    """The fall at 120 s is seen in the block at 180 s; from 480 s on the account is called."""
    _, found, done, until = run(lending((0.1, 120.0)))
    assert until[1] == NEVER and until[2] == pytest.approx(480.0, rel=1e-11)
    assert done == [0.0] * 7 + [1.0] * 3
    assert found.trips.tolist() == [1] and found.halted.tolist() == [300.0]


def test_the_path_wakes_when_the_halt_ends_within_a_step() -> None:
    """Blocks of 15 s: seen at 135 s, over at 435 s, which is the first block of a step or not."""
    state, _, done, until = run(lending((0.1, 120.0), policy={"lasts": "200 s"}, execution={"rounds": 4}))
    assert until[2] == pytest.approx(335.0, rel=1e-11)  # the block at 345 s is the third of its step
    assert done[:6] == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT


@pytest.mark.parametrize(("window", "trips"), [("1 min", 0), ("2 min", 1), ("4 min", 1)])
def test_two_falls_of_five_per_cent_trip_if_the_window_holds_both(window: str, trips: int) -> None:
    """Together 9.75 %: the price before the first is that of the end of the step two before."""
    assert run(lending((0.05, 120.0), (0.05, 180.0), policy={"window": window}))[1].trips.tolist() == [trips]


@pytest.mark.parametrize(("move", "trips"), [("10 %", 1), ("10.01 %", 0)])
def test_a_fall_of_exactly_the_limit_trips(move: str, trips: int) -> None:
    assert run(lending((0.1, 60.0), policy={"move": move}))[1].trips.tolist() == [trips]


@pytest.mark.parametrize(("direction", "change", "trips"), [("down", 0.1, 1), ("down", -0.1, 0), ("up", -0.1, 1), ("up", 0.1, 0),
                                                           ("both", 0.1, 1), ("both", -0.1, 1)])
def test_only_moves_in_its_direction_count(direction: str, change: float, trips: int) -> None:
    assert run(lending((change, 60.0), policy={"direction": direction}))[1].trips.tolist() == [trips]


@pytest.mark.parametrize(("over", "trips"), [(1.0 - 1e-6, 1), (1.0 + 1e-6, 0)])
def test_realised_volatility_is_what_the_returns_of_the_window_add_up_to(over: float, trips: int) -> None:
    """Falls of 3 and 4 % in ten minutes: sqrt(ln(0.97)^2 + ln(0.96)^2) over 600 s, a year."""
    sigma = math.sqrt((math.log(0.97)**2 + math.log(0.96)**2) * 365.0 * 86400.0 / 600.0)
    policy = {"move": None, "window": "10 min", "volatility": f"{100 * sigma * over:.9f} %"}
    world = lending((0.03, 60.0), (0.04, 240.0), policy=policy)
    assert run(world)[1].trips.tolist() == [trips]


def test_liquidations_of_lending_are_counted_as_debt_repaid() -> None:
    """Half of 8000 is repaid at 120 s, which is seen at 180 s; the second call, due at 240 s, waits until 480 s."""
    legs = [*loan("a", 10.0, 8000.0), *loan("b", 10.0, 7500.0)]
    world = one_market(legs, policies=breaker(of="pool", move=None, liquidations="4000 USD", window="1 min"),
                       scenario={"events": [fall(0.1, 60.0), fall(0.05, 180.0)]})
    state, found, done, _ = run(world)
    assert done[1] == 1.0 and found.trips[0] >= 1
    assert done[2:7] == [1.0] * 5, "the second call waits for the halt"
    assert done[-1] >= 2.0 and state.ledgers.totals[REPAID].sum() > 4000.0
    assert run(world.replace("policies.halt.liquidations", "4001 USD"))[2][3] == 3.0, "without a trip it is called at once"


def test_liquidations_of_an_exchange_are_counted_as_positions_that_its_engine_closed() -> None:
    world = exchange(paths=2)
    closed = run_plain(world).flows.liquidated.sum(0)
    policy = breaker(of="perps", move=None, liquidations=f"{float(closed.min()) / 3:.0f} USD", window="1 h", lasts="1 h")
    state = run_plain(world.replace("policies", policy))
    assert np.all(state.flows.liquidated.sum(0) < closed)
    assert np.all(np.isfinite(state.halts.liquidation[0]))


def test_it_is_armed_again_after_its_cool_off_with_a_window_that_begins_there() -> None:
    """Falls of 10 % at 60, 300 and 540 s; a halt of two minutes from 120 s on, armed at 240 s or, with five minutes, at 540 s."""
    falls = ((0.1, 60.0), (0.1, 300.0), (0.1, 540.0))
    quick, late = (run(lending(*falls, policy={"lasts": "2 min", "window": "10 min", "cool_off": wait}))[1] for wait in (0, 300))
    assert quick.trips.tolist() == [3] and late.trips.tolist() == [2]
    assert quick.halted.tolist() == [120.0 + 120.0] and late.halted.tolist() == [120.0], "what lies beyond the end is not halted"


# ---- what it halts ----------------------------------------------------------------------------------------------


def test_owners_may_still_top_up_while_liquidations_are_halted() -> None:
    state, _, done, _ = run(lending((0.1, 120.0), borrowers={"attentive": 1.0, "target": 1.05, "budget": 1.0}))
    assert state.ledgers.totals[TOP_UPS, 0, 0] == 1.0 and done[-1] == 0.0


def test_a_breaker_on_liquidations_during_a_fall_makes_bad_debt() -> None:
    """30 % in ten minutes: called on the way nobody leaves a deficit; called after it, collateral of 7000 owes 8000."""
    world = one_market(loan("a", 10.0, 8000.0), rules="aave.v3_3", policies=breaker(move="10 %", window="5 min", lasts="6 min"),
                       scenario={"horizon": 1200, "events": [fall(0.3, 60.0) | {"over": 600}]})
    without = run_plain(world.replace("policies", {}))
    state, found, _, _ = run(world)
    assert found.trips[0] >= 1
    assert without.ledgers.totals[DEFICITS].sum() == 0.0
    assert state.ledgers.totals[DEFICITS].sum() > 200.0


def dislocation(**more: Any) -> World:
    """Somebody sells 150 ETH into a thin book, whose makers return within minutes; 40 loans could be sold into it too."""
    legs = [leg for i in range(40) for leg in loan(f"a{i}", 10.0, 7900.0 - 10.0 * i)]
    book = {"kind": "log_linear", "pair": "ETH/USD", "depth": 1500, "half_life": "1 min"}
    return one_market(
        legs, rules="aave.v3_3", venues={"book": book}, execution={"rounds": 4},
        scenario={"horizon": 1200, "events": [{"at": 60, "kind": "order", "order": "sell 150 ETH"}]}, **more)


def test_a_breaker_on_trading_contains_a_spiral_that_outside_prices_do_not_bear_out() -> None:
    without = run_plain(dislocation())
    state, found, done, _ = run(dislocation(policies=breaker(halts="trading", lasts="5 min")))
    assert without.ledgers.totals[LIQUIDATIONS].sum() > 40.0 and without.ledgers.totals[DEFICITS].sum() > 1000.0
    assert found.trips.tolist() == [1] and done[-1] == 0.0 and state.ledgers.totals[DEFICITS].sum() == 0.0
    for one in (without, state):
        assert float(residual(one, int(one.watch.counts[SLOTS])).max()) < LIMIT


def test_halts_of_several_kinds_fall_on_what_each_name_stands_for() -> None:
    world = exchange(lending=True, paths=2)
    chunk = phases(assemble(world.replace("policies", breaker(halts=["opening", "trading"], where=["perps", "ETH"]))), 2, ())
    found = next(phase for phase in chunk.everybody if isinstance(phase, Breakers)).breakers["halt"]
    assert found.protocols.tolist() == [0, 1], "the pool lists ETH, perps a perp of it"
    assert found.markets.tolist() == [0, 1], "ETH/USD, and the perp's"
    alone = phases(assemble(world.replace("policies", breaker(halts=["opening", "trading"], where=["pool", "perp"]))), 2, ())
    found = next(phase for phase in alone.everybody if isinstance(phase, Breakers)).breakers["halt"]
    assert (found.protocols.tolist(), found.markets.tolist()) == ([0], [1]), "a venue stands for its market"


# ---- the same bits ----------------------------------------------------------------------------------------------


def eventful(mode: str, paths: int) -> World:
    """Breakers of every trigger in a world in which everything happens."""
    return everything(mode, paths=paths).replace("policies", {
        "fall": breaker(of=["ETH", "BTC"], move="10 %", window="10 min", halts=["liquidations", "opening"],
                        where="first")["halt"],
        "swing": breaker(of="stETH/ETH", move=None, volatility="50 %", window="20 min", halts="trading")["halt"],
        "sales": breaker(of="other", move=None, liquidations="10k USD", window="5 min", lasts="7 min")["halt"]})


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_no_bit_depends_on_the_chunk_size(mode: str) -> None:
    world = eventful(mode, 5)
    whole, cut = (stress(world, keep=False, trace=[2], chunk=chunk, threads=1) for chunk in (5, 2))
    for table in ("paths", "history", "trace", "summary"):
        assert unlike(getattr(whole, table), getattr(cut, table)) == [], table
    assert "liquidations.other" in unlike(whole.paths, stress(everything(mode, paths=5), keep=False, trace=[2]).paths)


def floats(mode: str) -> list[str]:
    """Every value of the run, exactly."""
    paths = stress(eventful(mode, 2), keep=False, threads=1).paths
    return [f"{name} {content.hex()}" for name, content in bits(paths).items()]


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_the_compiler_changes_no_bit(mode: str) -> None:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    code = f"from policies.test_breaker import floats; print('\\n'.join(floats({mode!r})))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == floats(mode)


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "message"), [
    ({"of": "ETHH"}, "policies.halt.of: unknown name: 'ETHH'; did you mean ETH?"),
    ({"of": "USD/ETH"}, "policies.halt.of: no such market: 'USD/ETH'; did you mean ETH/USD?"),
    ({"of": "pool"}, "policies.halt.of is a protocol: 'pool'; it has no price: name an asset or a market"),
    ({"move": None, "liquidations": "1 USD"}, "policies.halt.of is an asset: 'ETH'; liquidations are counted by protocol"),
    ({"of": "ETH/USD"}, "policies.halt.of has no protocol whose liquidations could halt: 'ETH/USD'; name the protocols under"),
    ({"halts": "trading", "where": "pool"}, "policies.halt.where has no market whose trading could halt: 'pool'; name"),
    ({"where": ["pool", "ETH/USD"]}, "policies.halt.where has no liquidations to halt: 'ETH/USD'; it is a market: leave it out"),
    ({"halts": "everything"}, "policies.halt.halts is 'everything'; choose of liquidations, opening, trading"),
    ({"halts": []}, "policies.halt.halts has nothing to halt: []; choose of liquidations, opening, trading"),
    ({"window": "10 s"}, "policies.halt.window is 10 s, 0.166667 steps of 60 s; make it a whole number of steps, such as 60 s"),
    ({"window": "0 s"}, "policies.halt.window is 0.0; it must be greater than 0"),
    ({"lasts": "0 s"}, "policies.halt.lasts is 0"),
    ({"move": "100 %"}, "policies.halt.move is '100 %'; it must be less than 1"),
    ({"move": None}, "policies.halt has no trigger; give one of `move: 10 %`"),
    ({"volatility": "100 %"}, "policies.halt has move and volatility; give one of"),
    ({"move": None, "volatility": "100 %", "direction": "up"}, "policies.halt.direction has no meaning here: 'up'; it belongs"),
])
def test_a_mistake_is_one_line_that_says_where_and_what_to_do(policy: Mapping, message: str) -> None:
    with pytest.raises(InputError) as caught:
        lending((0.1, 60.0), policy=policy)
    line = str(caught.value)
    assert "\n" not in line and message in line, line

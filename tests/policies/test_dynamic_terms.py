"""Terms that answer the market: by hand, at the edges, and what a wall at the new terms names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from delever.analysis.valuation import health, legs_of
from delever.core.outcomes import LIQUIDATIONS
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.chunk import simulate
from delever.run.start import new_state
from run.exchange_small import exchange
from run.small import Mapping, fall, last, loan, one_market, pool, steps, unlike


def policy(term: str = "threshold", follows: str = "implied_volatility", **more: Any) -> Mapping:
    """In force at once, every step."""
    quotes = {"implied": [[0.0, 0.5], [180.0, 1.0]], "usual": 0.5} if follows == "implied_volatility" else {}
    return {"moves": {"kind": "dynamic_terms", "protocol": "pool", "term": term, "follows": follows, "every": 60.0, "least": 0.01,
                      "most": 100.0} | quotes | more}


def factors(world: World, term: int = 0, column: str = "counted") -> list[float]:
    """Of a term on path 0, at the end of each step."""
    return [float(getattr(state.reserves, column)[term, 0]) for _, state in steps(world)]


def lending(*events: Mapping, legs: list[Any] | None = None, **changes: Any) -> World:
    return one_market(legs or loan("a", 10.0, 8000.0), scenario={"events": list(events)}, **changes)


def test_the_factor_is_a_power_of_what_is_looked_at() -> None:
    """Volatility doubles at 180 s: thresholds are divided by 2^0.1 from the step that begins then."""
    world = lending(policies=policy(elasticity=-0.1))
    assert factors(world) == pytest.approx([1.0] * 3 + [2.0**-0.1] * 7, rel=1e-14)


@pytest.mark.parametrize(("bounds", "reached"), [({"least": 0.95}, 0.95), ({"least": 0.93}, 2.0**-0.1)])
def test_it_stops_at_the_floor(bounds: Mapping, reached: float) -> None:
    assert factors(lending(policies=policy(elasticity=-0.1, **bounds)))[-1] == pytest.approx(reached, rel=1e-14)


def test_notice_is_the_time_until_it_is_in_force() -> None:
    """Announced in the step that begins at 180 s, the fourth; in force two steps later."""
    world = lending(policies=policy(elasticity=-0.1, notice=120.0))
    assert factors(world) == pytest.approx([1.0] * 5 + [2.0**-0.1] * 5, rel=1e-14)


def test_it_moves_no_faster_than_its_speed() -> None:
    """60 % an hour of its log is 1 % a step."""
    world = lending(policies=policy(elasticity=-0.1, speed="60 %"))
    assert factors(world) == pytest.approx([1.0] * 3 + [math.exp(-0.01 * k) for k in range(1, 7)] + [2.0**-0.1], rel=1e-12)


def test_it_is_announced_only_so_often() -> None:
    """Every five minutes, from the start on: the doubling is noticed in the sixth step."""
    assert factors(lending(policies=policy(elasticity=-0.1, every=300.0))) == pytest.approx([1.0] * 5 + [2.0**-0.1] * 5)


def test_realised_volatility_fades_by_half_in_its_half_life() -> None:
    """One fall of 10 %, then nothing: variance 1/2 (usual^2) + 1/2 r^2 / dt, halved in every step after."""
    follows = policy(follows="realised_volatility", usual=0.5, elasticity=-0.05, half_life=60.0)
    world = lending(fall(0.1, at=60.0), policies=follows)
    year, variance, expected = 365.0 * 86400.0, 0.25, []
    for k in range(10):
        move = math.log(0.9) if k == 1 else 0.0
        variance = 0.5 * variance + 0.5 * move * move * year / 60.0
        expected.append((math.sqrt(variance) / 0.5) ** -0.05)
    assert factors(world) == pytest.approx(expected, rel=1e-12)


def test_an_incentive_that_follows_depth() -> None:
    """Half of the pool's bids are gone at 120 s: a call gives a bonus of 5 % x 2^0.5."""
    thin = {"at": 120.0, "kind": "depth", "change": {"ETH/USD": -0.5}}
    world = lending(thin, fall(0.08, at=300.0), venues={"pool": pool(1e6, 1e9)},
                    policies=policy("incentive", "depth", elasticity=-0.5))
    assert factors(world, column="bonus") == pytest.approx([1.0] * 2 + [2.0**0.5] * 8, rel=2e-3)
    state = last(lending(fall(0.08, at=300.0), policies=policy("incentive", elasticity=0.5)))[1]
    eth, usd = state.pool.touched.amount[0]
    assert usd == pytest.approx(4000.0)
    assert eth == pytest.approx(10.0 - 4000.0 * (1.0 + 0.05 * 2.0**0.5) / 920.0, rel=1e-12)


@pytest.mark.parametrize(("elasticity", "repaid"), [(-1.0, 0.25), (0.5, 0.5 * 2.0**0.5), (1.0, 1.0), (2.0, 1.0)])
def test_a_close_factor_that_follows_volatility(elasticity: float, repaid: float) -> None:
    """At twice the usual volatility; never more than everything."""
    world = lending(fall(0.08, at=300.0), policies=policy("close_factor", elasticity=elasticity))
    assert last(world)[1].pool.touched.amount[0, 1] == pytest.approx(8000.0 * (1.0 - repaid), abs=1e-6)


def test_a_vote_on_what_moves_is_what_is_stated_from_then_on() -> None:
    """Thresholds x 2^-0.1 from the fourth step on, and 0.75 / 0.85 of that from the seventh."""
    vote = {"at": 360.0, "kind": "governance", "protocol": "pool", "parameters": {"ETH": {"liquidation_threshold": 0.75}}}
    world = lending(vote, legs=loan("a", 10.0, 3000.0), policies=policy(elasticity=-0.1))
    assert factors(world) == pytest.approx([1.0] * 3 + [2.0**-0.1] * 3 + [2.0**-0.1 * 0.75 / 0.85] * 4, rel=1e-14)


def test_a_vote_between_two_announcements_is_in_force_at_once_times_the_factor() -> None:
    """Announced once, at the start: twice the usual volatility. Nothing is due when the vote comes into force."""
    vote = {"at": 360.0, "kind": "governance", "protocol": "pool", "parameters": {"ETH": {"liquidation_threshold": 0.75}}}
    follows = policy(elasticity=-0.1, every=3600.0, implied=[[0.0, 1.0]])
    world = lending(vote, legs=loan("a", 10.0, 3000.0), policies=follows)
    assert factors(world) == pytest.approx([2.0**-0.1] * 6 + [2.0**-0.1 * 0.75 / 0.85] * 4, rel=1e-14)


def thinly(count: int = 40) -> list[Any]:
    """Loans whose health factors go from 0.99 up to 1.4."""
    return [leg for i in range(count) for leg in loan(f"a{i}", 10.0, 8500.0 / (0.991 + 0.01 * i))]


@pytest.mark.parametrize("change", [0.8, 0.7, 0.62])
def test_a_threshold_that_falls_while_nobody_trades_makes_those_eligible_whom_a_wall_at_it_names(change: float) -> None:
    """By vote and by policy; no price moves, nobody is touched but those who are due."""
    at_new = one_market(thinly(), parameters={"ETH": {"liquidation_threshold": change}})
    named = {owner for owner, health in zip(*wall_at_now(at_new), strict=True) if health < 1.0}
    vote = {"at": 120.0, "kind": "governance", "protocol": "pool", "parameters": {"ETH": {"liquidation_threshold": change}}}
    by_policy = policy(elasticity=math.log(change / 0.85) / math.log(2.0))
    for world in (one_market(thinly(), scenario={"events": [vote]}, actors={"liquidators": None}),
                  one_market(thinly(), policies=by_policy, actors={"liquidators": None})):
        model, state = assemble(world), last(world)[1]
        slots = state.pool.touched.account[:int(state.watch.counts[SLOTS])]
        touched = {model.positions.accounts[int(account)] for account in slots}
        assert touched == named and len(named) > 3


def wall_at_now(world: World) -> tuple[list[str], list[float]]:
    """Accounts and their health now."""
    model = assemble(world)
    return list(model.positions.accounts), health(legs_of(model), model.seen_price()).factor.tolist()


def test_margins_that_rise_with_volatility_call_whom_a_fall_alone_would_not() -> None:
    """The same fall, margins as they are and twice as high; conserved, in the same bits for any chunk."""
    calm = exchange(fall=-0.02)
    tight = calm.replace("policies", policy("margin", protocol="perps", elasticity=1.0, most=3.0, usual=0.5))
    ends = [run(world) for world in (calm, tight)]
    called = [end.ledgers.totals[LIQUIDATIONS, 0] for end in ends]
    assert (called[1] > called[0]).all()
    assert ends[1].margins.counted[:, 0].max() == pytest.approx(2.0, rel=1e-12)


def test_margins_that_follow_open_interest_fall_with_it() -> None:
    """Positions are closed by the crash: what is asked of the others falls in proportion, to no less than half."""
    follows = policy("margin", "open_interest", protocol="perps", elasticity=1.0, least=0.5)
    world = exchange(fall=-0.3).replace("policies", follows)
    state = run(world)
    perp = int(np.flatnonzero(state.margins.perp)[0])
    held = np.abs(everybody(state)).sum(1)
    start = float(np.abs(state.book.amount[:, 1:]).sum())
    assert held + np.abs(state.safety.vault[perp]) == pytest.approx(start + state.ledgers.size[perp], rel=1e-9)
    assert (state.ledgers.size[perp] < 0.0).all()
    assert (state.margins.counted[perp] < 1.0).all()


def everybody(state: State) -> np.ndarray:
    """Positions of all accounts at the end [P, accounts]."""
    held = np.repeat(state.book.amount[None, :, 1], state.paths, axis=0)
    touched = state.pool.touched
    for slot in range(int(state.watch.counts[SLOTS])):
        held[touched.path[slot], touched.account[slot]] = touched.amount[slot, 1]
    return held


def run(world: World) -> State:
    model, paths = assemble(world), world.scenario.paths
    chunk = phases(model, paths, ())
    state = new_state(model, 0, paths, chunk)
    for _ in range(model.steps):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    return state


def test_no_bit_depends_on_the_chunk() -> None:
    world = exchange(lending=True, fall=-0.1).replace("policies", policy(
        "margin", "realised_volatility", protocol="perps", usual=0.9, elasticity=1.0, half_life=600.0) | {
        "loans": policy(follows="realised_volatility", usual=0.9, elasticity=-0.1, half_life=600.0)["moves"]})
    model = assemble(world)
    whole = simulate(model, 0, 7, []).paths
    for first in range(7):
        assert not unlike(whole.slice(first, 1), simulate(model, first, 1, []).paths)


@pytest.mark.parametrize(("change", "line"), [
    ({"usual": None}, "usual is missing"), ({"implied": []}, "implied is missing"),
    ({"follows": "depth"}, "implied is not looked at"), ({"term": "margin"}, "has no margin"),
    ({"assets": ["BTC"]}, "BTC"), ({"protocol": "pol"}, "did you mean pool"),
    ({"implied": [[60.0, 0.5]]}, "out of order"), ({"follows": "open_interest", "implied": []}, "is of perps alone"),
    ({"follows": "depth", "implied": [], "usual": None}, "has no depth to follow"),
    ({"follows": "depth", "implied": [], "usual": None, "assets": ["ETH"]}, "has no depth: 'ETH'; it trades on no venue"),
])
def test_bad_input_is_one_line(change: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        assemble(lending(policies={"moves": policy(elasticity=1.0)["moves"] | change}))
    assert len(str(error.value).splitlines()) == 1


def test_a_term_is_moved_by_one_policy() -> None:
    two = {name: policy(elasticity=1.0)["moves"] for name in ("one", "two")}
    with pytest.raises(InputError, match="is moved twice"):
        assemble(lending(policies=two))


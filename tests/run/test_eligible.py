"""Who is eligible at the start: monotone in the shock and in the threshold, the same in the wall and in a run."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.analysis.walls import wall
from delever.core.tables import HIT, SLOTS
from delever.model.world import World
from run.small import fall, loan, one_market, steps
from stated import some

HEALTHS = st.lists(st.floats(1.0001, 3.0), min_size=1, max_size=12)
SHARES = some(0.0, 0.7)


def borrowers(healths: list[float], threshold: float = 0.85, share: float = 0.0) -> World:
    """One ETH against USD each, of these health factors at a threshold of 0.85; ETH falls at once by a share."""
    legs = [leg for i, health in enumerate(healths) for leg in loan(f"a{i}", 1.0, 850.0 / health)]
    return one_market(legs, parameters={"ETH": {"liquidation_threshold": threshold}},
                      scenario={"horizon": 60, "events": [fall(share)] if share else []})


def eligible(world: World, share: float) -> set[str]:
    """By the wall."""
    return set(wall(world, "ETH", -share).accounts["account"].to_pylist())


@settings(max_examples=30)
@given(HEALTHS, SHARES, SHARES)
def test_a_deeper_fall_reaches_whom_a_shallower_one_reaches(healths: list[float], one: float, other: float) -> None:
    world = borrowers(healths)
    assert eligible(world, min(one, other)) <= eligible(world, max(one, other))


@settings(max_examples=30)
@given(HEALTHS, SHARES, st.floats(0.5, 0.85), st.floats(0.5, 0.85))
def test_a_lower_threshold_reaches_whom_a_higher_one_reaches(healths: list[float], share: float, one: float,
                                                             other: float) -> None:
    high, low = borrowers(healths, max(one, other)), borrowers(healths, min(one, other))
    assert eligible(high, share) <= eligible(low, share)


@settings(max_examples=30)
@given(HEALTHS, SHARES)
def test_a_fall_reaches_exactly_those_whose_health_it_takes_below_1(healths: list[float], share: float) -> None:
    clear = [health for health in healths if abs(health * (1.0 - share) - 1.0) > 1e-9]
    expected = {f"a{i}" for i, health in enumerate(clear) if health * (1.0 - share) < 1.0}
    if clear:
        assert eligible(borrowers(clear), share) == expected


@settings(max_examples=20)
@given(HEALTHS, SHARES)
def test_a_run_liquidates_first_whom_the_wall_shows(healths: list[float], share: float) -> None:
    clear = [health for health in healths if abs(health * (1.0 - share) - 1.0) > 1e-9] or [2.0]
    for model, state in steps(borrowers(clear, share=share)):
        touched, slots = state.pool.touched, int(state.watch.counts[SLOTS])
        hit = touched.account[:slots][(touched.flags[:slots] & HIT) > 0]
        assert {model.positions.accounts[a] for a in np.unique(hit)} == eligible(borrowers(clear), share)

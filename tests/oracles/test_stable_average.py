"""A stablecoin's price over pools: by hand, between its parts, with those that agree; stopped and lying parts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pegged import pegged_world
from delever.model.errors import InputError
from delever.model.world import World
from delever.oracles.stable_average import StableAverage
from run.small import steps


def price(prices: list[float], sizes: list[float], sigma: float = 0.001) -> float:
    """What it answers of pools at these prices."""
    spec = StableAverage(of="COIN/USD", feeds={f"f{i}": size for i, size in enumerate(sizes)}, sigma=sigma)
    return math.exp(spec.together([math.log(one) for one in prices]))


def test_pools_that_agree_are_answered_as_they_are() -> None:
    assert price([0.999, 0.999, 0.999], [1e6, 5e6, 2e7]) == pytest.approx(0.999, rel=1e-15)


def test_of_two_the_larger_decides_by_the_formula() -> None:
    """3m at 1.001, 1m at 0.999: q = 1.0005, e = (0.5^2, 1.5^2); the smaller counts e^-2 of what it holds."""
    small = math.exp(-2.0)
    assert price([1.001, 0.999], [3e6, 1e6]) == pytest.approx((3.0 * 1.001 + small * 0.999) / (3.0 + small), rel=1e-12)


def test_of_three_those_that_agree_decide() -> None:
    """One pool's dollar has lost 8 %: the coin is dear there, and the answer is not moved by a millionth."""
    assert price([1.0, 1.0002, 1.08], [1e6, 1e6, 1e6]) == pytest.approx(1.0001, abs=2e-4)
    assert price([1.0, 1.0, 1.08], [1e6, 1e6, 1e6]) == pytest.approx(1.0, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(1e3, 1e9)), min_size=1, max_size=8), st.floats(1e-4, 0.5))
def test_it_lies_between_its_parts(pools: list[tuple[float, float]], sigma: float) -> None:
    found = price([p for p, _ in pools], [d for _, d in pools], sigma)
    assert min(p for p, _ in pools) * (1 - 1e-12) <= found <= max(p for p, _ in pools) * (1 + 1e-12)


def world(**feed: Any) -> World:
    """Two pools of a coin, read as they stand."""
    feeds = {"first": {"kind": "market", "of": "COIN/USD", "venue": "coin"},
             "other": {"kind": "market", "of": "COIN/USD", "venue": "second"},
             "all": {"kind": "stable_average", "of": "COIN/USD", "feeds": {"first": 20e6, "other": 4e6}, **feed}}
    return pegged_world({}, second=(2e6, 2e6), feeds=feeds, scenario={"horizon": 600})


def test_in_a_world_it_reads_its_pools() -> None:
    for model, state in steps(world()):
        rows = [model.oracles.names.index(name) for name in ("first", "other", "all")]
        first, other, every = state.feeds.answer[rows, 0].tolist()
        assert math.exp(every) == pytest.approx(price([math.exp(first), math.exp(other)], [20e6, 4e6]), rel=1e-12)
        assert other == pytest.approx(0.0, abs=1e-12) and first > 1e-3


@pytest.mark.parametrize(("feed", "line"), [
    ({"feeds": {}}, "feeds"), ({"feeds": {"none": 1.0}}, "unknown feed"), ({"feeds": {"all": 1.0}}, "is made of feeds itself"),
    ({"sigma": 0.0}, "sigma")])
def test_bad_input_is_one_line(feed: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        world(**feed)

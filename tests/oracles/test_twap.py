"""An average over a window is behind by what a straight line says it is, and counts what it saw for as long as it stood."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from run.small import fall, loan, one_market, steps

MEANS = ["geometric", "arithmetic"]


def seen(feed: dict[str, Any], **changes: Any) -> list[float]:
    """What the protocol sees of ETH, 1000 USD at the start, at the end of each step of a minute."""
    world = one_market(loan("a", 1.0, 1.0), feeds={"eth": {"kind": "twap", "of": "ETH/USD", **feed}},
                       oracles={"pool": {"ETH": "eth"}}, scenario={"horizon": 1200, **changes.pop("scenario", {})}, **changes)
    return [math.exp(float(state.feeds.answer[0, 0])) for _, state in steps(world)]


def test_a_ramp_is_followed_half_a_window_and_half_a_step_behind() -> None:
    """u = -g t from the start: seen at t is the mean of the last five steps' prices but the newest."""
    prices = seen({"over": 300}, scenario={"events": [fall(0.5, 0) | {"over": 1200}]})
    g = math.log(2.0) / 20.0  # a step
    for k in range(6, 21):
        assert math.log(prices[k - 1] / 1000.0) == pytest.approx(-g * (k - 2.5 - 0.5), rel=1e-12)


def test_a_jump_counts_for_the_part_of_the_window_in_which_it_stood() -> None:
    """From step 2 on the price is 500: five minutes later nothing else is left in a window of five minutes."""
    jump = {"events": [fall(0.5, 60)]}
    by_log, by_price = (seen({"over": 300, "mean": mean}, scenario=jump) for mean in MEANS)
    parts = [min(max(k - 2, 0), 5) / 5 for k in range(1, 21)]
    assert by_log == pytest.approx([1000.0 * 0.5**part for part in parts], rel=1e-12)
    assert by_price == pytest.approx([1000.0 * (1.0 - 0.5 * part) for part in parts], rel=1e-12)


@pytest.mark.parametrize("mean", MEANS)
def test_while_it_is_halted_what_it_saw_last_counts_on(mean: str) -> None:
    """Halted from 3 to 7 min, across the jump at 4: it then knows of the jump only what comes after."""
    outage = {"at": 180, "lasting": 240, "kind": "feed", "feed": "eth", "does": "stops"}
    prices = seen({"over": 300, "mean": mean}, scenario={"events": [fall(0.5, 240), outage]})
    assert prices[:7] == pytest.approx([1000.0] * 7)
    later = seen({"over": 300, "mean": mean}, scenario={"events": [fall(0.5, 420)]})
    assert prices[7:] == pytest.approx(later[7:], rel=1e-12)


@settings(max_examples=40)
@given(window=st.floats(10.0, 2000.0) | st.sampled_from([60.0, 300.0]),
       moves=st.lists(st.integers(-20, 20).map(lambda percent: percent / 100.0), min_size=12, max_size=12),
       mean=st.sampled_from(MEANS), blocks=st.sampled_from([1, 3]))
def test_any_window_is_the_mean_of_what_stood_in_it(window: float, moves: list[float], mean: str, blocks: int) -> None:
    """Also one that is no whole number of steps, shorter than a step, or longer than the run. Nobody wakes the paths within a
    step, so it looks in the first block of each."""
    events = [fall(-math.expm1(move), 60.0 * k + 30.0) for k, move in enumerate(moves)]
    prices = seen({"over": window, "mean": mean}, scenario={"horizon": 720, "events": events}, execution={"rounds": blocks})
    level = np.concatenate([[0.0], np.cumsum(moves)])
    first = 60.0 / blocks  # a step's price is seen from its first block on
    change = np.array([60.0 * k + first for k in range(12)])
    for k, t in enumerate(change, 1):
        ends = np.append(change[change < t], t)
        begins = np.concatenate([[-np.inf], ends[:-1]])
        weight = np.maximum(ends - np.maximum(begins, t - window), 0.0) / window
        stood = level[: len(weight)]
        expected = float(weight @ stood) if mean == "geometric" else math.log(float(weight @ np.exp(stood)))
        exact = blocks == 1 or t <= window
        assert math.log(prices[k - 1] / 1000.0) == pytest.approx(expected, abs=1e-11 if exact else 0.25 * 20.0 / window)

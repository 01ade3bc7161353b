"""A push feed: what makes it answer, and whether an answer sets the clock of its heartbeat back."""

from __future__ import annotations

from typing import Any

import pytest

from run.small import fall, loan, one_market, steps


def answers(feed: dict[str, Any], **scenario: Any) -> list[float]:
    """When path 0 got an answer, to a step of a minute."""
    world = one_market(loan("a", 1.0, 1.0), feeds={"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": "1 h",
                                                           "deviation": "0.5 %", **feed}},
                       oracles={"pool": {"ETH": "eth"}}, scenario={"horizon": 3 * 3600, "step": 60, **scenario})
    updated = [float(state.feeds.updated[0, 0]) for _, state in steps(world)]
    return sorted(set(updated) - {0.0})


def test_every_answer_sets_the_heartbeat_back() -> None:
    assert answers({}, events=[fall(0.02, 2040)]) == pytest.approx([2040.0, 5640.0, 9240.0], abs=60.0)


@pytest.mark.parametrize("first", [1800, 5400])
def test_a_clock_of_its_own_is_set_back_by_none(first: float) -> None:
    """Any of its beats says when the others are."""
    assert answers({"first": first}, events=[fall(0.02, 2040)]) == pytest.approx([1800.0, 2040.0, 5400.0, 9000.0], abs=60.0)


def test_an_answer_that_lands_after_a_beat_is_that_beat_s() -> None:
    """Seen at 29 min and landed at 31: the beat of 30 min has nothing to add."""
    found = answers({"first": 1800, "delay": 120}, events=[fall(0.02, 1740)])
    assert found == pytest.approx([1860.0, 5520.0, 9120.0], abs=60.0)


def test_a_small_move_is_left_to_the_heartbeat() -> None:
    assert answers({}, events=[fall(0.0049, 600)]) == pytest.approx([3600.0, 7200.0, 10800.0], abs=60.0)


def test_a_path_wakes_for_beats_within_a_step() -> None:
    """Beats at 100 and 600 s of a step of 700 s with blocks of 100 s: both are answered, and nothing else is."""
    world = one_market(loan("a", 1.0, 1.0), feeds={"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": 500.0, "first": 100.0,
                                                           "deviation": "0.5 %"}},
                       oracles={"pool": {"ETH": "eth"}}, execution={"rounds": 7}, scenario={"horizon": 700, "step": 700})
    (found,) = [(float(state.feeds.updated[0, 0]), int(state.tally.answers[0])) for _, state in steps(world)]
    assert found == (600.0, 2)

"""Feeds that stop, stick or lie, by what liquidations then see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.core.outcomes import LIQUIDATIONS
from delever.core.state import Feeds
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from delever.oracles.push import await_answers
from run.small import Mapping, fall, last, loan, one_market, steps

PUSH: Mapping = {"kind": "push", "of": "ETH/USD", "heartbeat": "1 d", "deviation": "1 %"}
MARKET: Mapping = {"kind": "market", "of": "ETH/USD"}
KINDS = pytest.mark.parametrize("feed", [PUSH, MARKET], ids=["push", "market"])


def world(feed: Mapping, *events: Mapping, **more: Any) -> World:
    """An account that is liquidated once ETH is seen 6 % lower; steps of a minute, two blocks each."""
    return one_market(loan("a", 10.0, 8000.0), oracles={"pool": {"ETH": "eth"}}, feeds={"eth": feed},
                      execution={"rounds": 2}, scenario={"events": list(events)} | more)


def first_call(world: World) -> int | None:
    """The step in which somebody is liquidated first."""
    return next((state.step for _, state in steps(world) if state.ledgers.totals[LIQUIDATIONS, 0, 0] > 0), None)


def wrong(does: str, at: float = 60.0, lasting: float | None = 240.0, **more: Any) -> Mapping:
    return {"at": at, "kind": "feed", "feed": "eth", "does": does, "lasting": lasting, **more}


@KINDS
@pytest.mark.parametrize("does", ["stops", "sticks"])
def test_what_falls_while_a_feed_does_not_look_is_seen_when_it_does_again(feed: Mapping, does: str) -> None:
    assert first_call(world(feed, fall(0.1, 120.0))) == 3
    assert first_call(world(feed, fall(0.1, 120.0), wrong(does))) == 6  # halted in the blocks of 60 < t <= 300
    assert first_call(world(feed, fall(0.1, 120.0), wrong(does, lasting=None))) is None


@KINDS
def test_it_looks_again_in_the_block_behind_the_end_even_within_a_step(feed: Mapping) -> None:
    """Halted up to 270 s, the end of the first half of the fifth step: seen at 300 s, called then or one block on."""
    assert first_call(world(feed, fall(0.1, 120.0), wrong("stops", lasting=210.0))) == (5 if feed is MARKET else 6)
    assert first_call(world(feed, fall(0.1, 120.0), wrong("stops", lasting=180.0))) == 5


@KINDS
def test_an_answer_that_does_not_look_stays_to_the_bit(feed: Mapping) -> None:
    it = world(feed, fall(0.05, 120.0), wrong("stops"))
    answers = [float(state.feeds.answer[0, 0]) for _, state in steps(it)]
    assert len(set(answers[:5])) == 1 != len(set(answers))


def test_one_that_sticks_looks_fresh_and_one_that_stops_grows_old() -> None:
    for does, updated in (("stops", 0.0), ("sticks", 240.0)):
        assert [state.feeds.updated[0, 0] for _, state in steps(world(PUSH, wrong(does)))][4] == updated


def test_an_answer_in_flight_lands_although_the_feed_has_stopped() -> None:
    late = PUSH | {"delay": 60}
    it = world(late, fall(0.1, 0.0), wrong("stops", at=60.0))  # observed at 30 s, lands at 90 s
    assert first_call(it) == first_call(world(late, fall(0.1, 0.0))) == 2


@KINDS
def test_a_feed_that_lies_by_a_factor_liquidates_whom_the_market_would_not(feed: Mapping) -> None:
    lie = wrong("lies", factor=0.93)
    assert first_call(world(feed)) is None
    assert first_call(world(feed, lie)) == 2
    assert first_call(world(feed, lie | {"factor": 0.95})) is None  # 10 x 950 x 0.85 / 8000 = 1.009


@KINDS
def test_a_lie_ends_with_its_last_step_and_leaves_no_trace(feed: Mapping) -> None:
    honest = [state.feeds.answer.copy() for _, state in steps(world(feed))]
    lied = [state.feeds.answer.copy() for _, state in steps(world(feed, wrong("lies", factor=1.1)))]
    off = [float(a[0, 0] - b[0, 0]) for a, b in zip(lied, honest, strict=True)]
    assert off == pytest.approx([0.0] + 4 * [np.log(1.1)] + 5 * [0.0])
    assert off[5:] == 5 * [0.0]


def test_two_lies_about_one_feed_multiply() -> None:
    it = world(MARKET, wrong("lies", factor=2.0), wrong("lies", at=120.0, factor=3.0, lasting=60.0))
    seen = [float(np.exp(state.feeds.answer[0, 0])) for _, state in steps(it)]
    assert seen[:6] == pytest.approx([1000.0, 2000.0, 6000.0, 2000.0, 2000.0, 1000.0])


def test_a_stopped_feed_wakes_nobody_before_it_looks_again() -> None:
    one, rules = np.zeros((1, 1)), np.array([[0.0, 0.0, 60.0, 0.0, 0.0, np.nan]])
    feeds = Feeds(one[0], one.astype(int), one, one, one + 100.0, one, one + np.inf, np.zeros(1))
    for until, at in ((-np.inf, 160.0), (150.0, 160.0), (500.0, 500.0), (np.inf, np.inf)):
        wake = np.full(1, np.inf)
        await_answers(np.zeros(1, np.int64), rules, feeds, np.full((1, 1), until), wake)
        assert wake[0] == at
    feeds.land[0, 0] = 130.0  # what is in flight lands
    await_answers(np.zeros(1, np.int64), rules, feeds, np.full((1, 1), np.inf), wake)
    assert wake[0] == 130.0


def test_value_is_conserved_while_a_feed_lies() -> None:
    _, state = last(world(PUSH, wrong("lies", factor=0.5)))
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] > 0
    assert float(residual(state, 1).max()) < 1e-9


@pytest.mark.parametrize(("changes", "line"), [
    ({"feed": "eht"}, "did you mean eth"), ({"does": "dies"}, "does"), ({"does": "lies"}, "factor is missing"),
    ({"factor": 0.9}, "factor: means nothing where a feed stops"), ({"does": "lies", "factor": 0}, "factor is 0"),
    ({"lasting": 0}, "lasting is 0"), ({"feed": "flat"}, "looks at nothing"), ({"at": 900}, "the run ends"),
])
def test_bad_input_is_one_line(changes: Mapping, line: str) -> None:
    event = {"at": 60, "kind": "feed", "feed": "eth", "does": "stops", "lasting": 60} | changes
    with pytest.raises(InputError, match=line) as error:
        one_market(loan("a", 10.0, 1.0), oracles={"pool": {"ETH": "eth"}}, scenario={"events": [event]},
                   feeds={"eth": MARKET, "flat": {"kind": "fixed", "of": "ETH/USD"}})
    assert "\n" not in str(error.value)
    assert "scenario.events.0" in str(error.value)

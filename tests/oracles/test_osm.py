"""A price that is held back by a poke: what is seen is what was looked up an hour before."""

from __future__ import annotations

import math
from typing import Any

import pytest

from delever.analysis.soundness import check
from run.small import fall, loan, one_market, steps


def seen(world: Any) -> list[float]:
    """What the protocol sees of ETH at the end of each step, on path 0."""
    return [math.exp(float(state.feeds.answer[0, 0])) for _, state in steps(world)]


def fed(feed: dict[str, Any], **scenario: Any) -> Any:
    return one_market(loan("a", 1.0, 1.0), feeds={"eth": {"kind": "osm", "of": "ETH/USD", **feed}},
                      oracles={"pool": {"ETH": "eth"}}, scenario={"horizon": 3 * 3600, "step": 600, **scenario})


def test_a_fall_is_seen_at_the_second_poke_after_it() -> None:
    """At 30 min the market falls: the poke at 1 h queues it, that at 2 h shows it."""
    prices = seen(fed({}, events=[fall(0.2, 1800)]))
    assert prices == pytest.approx([1000.0] * 11 + [800.0] * 7)


def test_what_is_seen_and_queued_at_the_start_may_be_stated() -> None:
    prices = seen(fed({"answer": 1100.0, "queued": 1050.0, "first": 600}))
    assert prices == pytest.approx([1050.0] * 6 + [1000.0] * 12)


def test_a_poke_that_falls_into_an_outage_is_made_when_it_ends_and_the_others_keep_their_times() -> None:
    outage = {"at": 3000, "lasting": 1800, "kind": "feed", "feed": "eth", "does": "stops"}
    prices = seen(fed({}, events=[fall(0.2, 1800), outage]))
    assert prices == pytest.approx([1000.0] * 11 + [800.0] * 7), "queued at 80 min, seen at 2 h all the same"


@pytest.mark.parametrize(("rounds", "first"), [(1, 1000.0), (7, 800.0)])
def test_a_path_wakes_for_pokes_within_a_step(rounds: int, first: float) -> None:
    """Pokes at 200 and 400 s, in steps of 700 s: with blocks of 100 s both are made, with one block the first of them."""
    world = one_market(loan("a", 1.0, 1.0), feeds={"eth": {"kind": "osm", "of": "ETH/USD", "hop": 200.0}},
                       oracles={"pool": {"ETH": "eth"}}, execution={"rounds": rounds},
                       scenario={"horizon": 1400, "step": 700, "events": [fall(0.2, 0)]})
    assert seen(world) == pytest.approx([first, 800.0])


def test_a_check_says_how_old_what_is_seen_may_be() -> None:
    (row,) = [row for row in check(fed({})).prices.to_pylist() if row["asset"] == "ETH"]
    assert (row["heartbeat"], row["lag"]) == (3600.0, 3600.0)

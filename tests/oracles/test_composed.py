"""Feeds that are made of feeds: they answer when their parts do, and a minority that is wrong moves a median nowhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.analysis.soundness import check
from delever.core.state import Feeds
from delever.model.errors import InputError
from delever.model.world import World
from delever.oracles.median import Median, choose
from delever.run.asked import feeds_in_use
from run.small import fall, loan, one_market, steps

PUSH = {"kind": "push", "of": "ETH/USD", "heartbeat": 3600.0, "deviation": 0.005}


def world(feeds: dict[str, Any], **changes: Any) -> World:
    return one_market(loan("a", 1.0, 1.0), feeds=feeds, oracles={"pool": {"ETH": "seen"}}, **changes)


def seen(feeds: dict[str, Any], events: Sequence[Any] = (), **changes: Any) -> list[float]:
    """What the protocol sees of ETH, 1000 USD at the start, at the end of each minute."""
    found = []
    for model, state in steps(world(feeds, scenario={"events": list(events)}, **changes)):
        found.append(math.exp(float(state.feeds.answer[model.oracles.names.index("seen"), 0])))
    return found


def lies(feed: str, factor: float, at: float = 120.0, lasting: float = 240.0) -> dict[str, Any]:
    return {"at": at, "lasting": lasting, "kind": "feed", "feed": feed, "does": "lies", "factor": factor}


@given(honest=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=9), data=st.data())
def test_a_minority_that_answers_anything_leaves_a_median_among_the_honest(honest: list[float], data: st.DataObject) -> None:
    wrong = data.draw(st.lists(st.floats(-50.0, 50.0), max_size=len(honest) - 1))
    answers = data.draw(st.permutations([*honest, *wrong]))
    n = len(answers)
    assert len(wrong) <= math.ceil(n / 2) - 1
    answer = np.array([[0.0], *([one] for one in answers)])
    feeds = Feeds(np.zeros(n + 1), np.zeros((n + 1, 1), np.int64), np.ones((n + 1, 1)), answer, np.zeros((n + 1, 1)),
                  np.zeros((n + 1, 1)), np.zeros((n + 1, 1)), np.zeros(n + 1))
    choose(np.array([0]), np.array([0, n]), np.arange(1, n + 1), np.zeros(n), 60.0, np.ones(1, np.bool_), feeds,
           np.full((n + 1, 1), -np.inf))
    assert min(honest) <= answer[0, 0] <= max(honest)
    assert answer[0, 0] == sorted(answers)[n // 2]
    assert Median(of="ETH/USD", feeds=("x",)).together(answers) == answer[0, 0]


def test_half_of_them_is_too_many() -> None:
    """Of four, two that answer high are the upper one of the middle."""
    parts = dict.fromkeys("abcd", PUSH)
    feeds = {**parts, "seen": {"kind": "median", "of": "ETH/USD", "feeds": list(parts)}}
    assert seen(feeds, [lies("a", 1.5)]) == pytest.approx([1000.0] * 10)
    assert seen(feeds, [lies("a", 1.5), lies("b", 1.4)])[3] == pytest.approx(1400.0)


@pytest.mark.parametrize("mode", ["batched", "sequential"])
def test_it_answers_in_the_block_in_which_its_parts_do(mode: str) -> None:
    """Two of three feeds follow the fall when it comes; the third has stopped."""
    parts = dict.fromkeys("abc", PUSH)
    stops = {"at": 0, "lasting": 600, "kind": "feed", "feed": "a", "does": "stops"}
    median = seen({**parts, "seen": {"kind": "median", "of": "ETH/USD", "feeds": list(parts)}}, [fall(0.2, 300.0), stops],
                  execution={"mode": mode})
    assert median == pytest.approx(seen({"seen": PUSH}, [fall(0.2, 300.0)], execution={"mode": mode}))


def test_a_median_of_markets_reads_them_again_within_a_block() -> None:
    """What the first call sells the second is sized at, as with the market itself."""
    pool = {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 10.0, "USD": 10_000.0}, "half_life": 60.0}
    legs = [leg for n in range(4) for leg in loan(f"l{n}", 1.0, 700.0 + n)]
    outcomes = []
    for oracle in ({"seen": {"kind": "market", "of": "ETH/USD"}},
                   {"spot": {"kind": "market", "of": "ETH/USD"}, "seen": {"kind": "median", "of": "ETH/USD", "feeds": ["spot"]}}):
        made = one_market(legs, feeds=oracle, oracles={"pool": {"ETH": "seen"}}, venues={"eth": pool},
                          execution={"mode": "sequential"}, scenario={"events": [fall(0.2, 120.0)]})
        outcomes.append([state.ledgers.totals[:, :, 0].tolist() for _, state in steps(made)])
    assert outcomes[0] == outcomes[1] and np.any(np.array(outcomes[0][-1]) > 0.0)


def test_a_cap_holds_and_rises_in_a_straight_line() -> None:
    """A cap of 1000 USD that gains 525.6 a year gains 1 USD a minute; the market rises by half at 3 min."""
    capped = {"spot": {"kind": "market", "of": "ETH/USD"},
              "seen": {"kind": "bounded", "of": "ETH/USD", "feed": "spot", "most": 1000.0, "growth": "52560 %", "least": 990.0}}
    rises = {"at": 180.0, "kind": "price", "change": {"ETH": 0.5}}
    assert seen(capped, [rises]) == pytest.approx([1000.0] * 3 + [1000.0 + k for k in range(4, 11)])
    assert seen(capped, [fall(0.5, 180.0)]) == pytest.approx([1000.0] * 3 + [990.0] * 7)


def test_what_is_seen_at_the_start_is_what_its_parts_answer_then() -> None:
    parts = {name: PUSH | {"answer": answer} for name, answer in zip("abc", (900.0, 950.0, 1100.0), strict=True)}
    median = world({**parts, "seen": {"kind": "median", "of": "ETH/USD", "feeds": list(parts)}})
    rows = [row for row in check(median).prices.to_pylist() if row["asset"] == "ETH"]
    assert rows[0]["seen_usd"] == pytest.approx(950.0) and rows[0]["heartbeat"] == 3600.0
    assert feeds_in_use(median) >= {"a", "b", "c", "seen"}
    capped = world({"a": PUSH, "seen": {"kind": "bounded", "of": "ETH/USD", "feed": "a", "most": 960.0}})
    assert next(row for row in check(capped).prices.to_pylist() if row["asset"] == "ETH")["seen_usd"] == pytest.approx(960.0)


@pytest.mark.parametrize(("feeds", "words"), [
    ({"seen": {"kind": "median", "of": "ETH/USD", "feeds": ["a", "b"]}, "a": PUSH}, "feeds.seen.feeds.1: unknown feed"),
    ({"seen": {"kind": "median", "of": "ETH/USD", "feeds": ["seen"]}}, "is made of feeds itself"),
    ({"seen": {"kind": "bounded", "of": "ETH/USD", "feed": "a", "most": 1.0}, "a": PUSH | {"of": "USD/ETH"}}, "answers USD/ETH"),
    ({"seen": {"kind": "bounded", "of": "ETH/USD", "feed": "a"}, "a": PUSH}, "has no bound"),
    ({"seen": {"kind": "bounded", "of": "ETH/USD", "feed": "a", "least": 2.0, "most": 1.0}, "a": PUSH}, "is above most, 1"),
    ({"seen": {"kind": "bounded", "of": "ETH/USD", "feed": "a", "least": 2.0, "growth": 0.1}, "a": PUSH}, "has nothing to grow")])
def test_what_cannot_be_is_said(feeds: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        world(feeds)

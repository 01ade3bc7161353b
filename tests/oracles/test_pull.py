"""A pull feed answers an end of its interval, which widens with what the price has moved and may be too wide to be believed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from run.small import fall, loan, one_market, steps

SIGN = {"lower": -1, "middle": 0, "upper": 1}


def seen(feed: dict[str, Any], events: Any = ()) -> list[float]:
    """What the protocol sees of ETH, 1000 USD at the start, at the end of each minute."""
    world = one_market(loan("a", 1.0, 1.0), feeds={"eth": {"kind": "pull", "of": "ETH/USD", **feed}},
                       oracles={"pool": {"ETH": "eth"}}, scenario={"events": list(events)})
    return [math.exp(float(state.feeds.answer[0, 0])) for _, state in steps(world)]


@pytest.mark.parametrize("side", SIGN)
def test_an_end_of_the_interval_is_answered_from_the_start(side: str) -> None:
    found = seen({"takes": side, "confidence": 0.01}, [fall(0.2, 300.0)])
    assert found == pytest.approx([price * 1.01 ** SIGN[side] for price in [1000.0] * 5 + [800.0] * 5])


def test_the_interval_widens_with_a_move_and_forgets_it() -> None:
    """After a move m half of it is half of m, and e^(-1/2) of that a minute later."""
    found = seen({"takes": "lower", "widens": 0.5, "over": 60.0}, [fall(0.2, 300.0)])
    m = -math.log(0.8)
    expected = [800.0 / (1.0 + 0.5 * m * math.exp(-k / 2.0)) for k in range(5)]
    assert found == pytest.approx([1000.0] * 5 + expected, rel=1e-12)


def test_what_is_not_believed_leaves_the_last_answer_until_it_is_narrow_again() -> None:
    """Half of ln 1.25 is 11 % of the price: refused above 5 %, believed once e^(-k / 2) of it is below."""
    feed = {"takes": "middle", "widens": 0.5, "over": 60.0, "refused": 0.05}
    assert seen(feed, [fall(0.2, 300.0)]) == pytest.approx([1000.0] * 7 + [800.0] * 3)
    assert seen(feed, [fall(0.08, 300.0)]) == pytest.approx([1000.0] * 5 + [920.0] * 5), "half of ln(1 / 0.92) is 4.2 %"

"""The average of a price that jumps goes 1 - 1/e of the way in its averaging time, however often it looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from delever.core.state import Feeds
from delever.oracles.ema import look


def feed(paths: int) -> Feeds:
    one = np.zeros((1, paths))
    return Feeds(np.zeros(1), np.zeros((1, 1), np.int64), np.ones((1, 1)), one.copy(), one.copy(), one.copy(),
                 np.full((1, paths), np.inf), np.zeros(1))


@pytest.mark.parametrize("looks", [1, 7, 100])
def test_it_goes_its_way_however_often_it_looks(looks: int) -> None:
    feeds, halted = feed(2), np.array([[-np.inf, 1e9]])
    price = np.log(np.array([[1.1, 1.1]]))
    for n in range(looks):
        look(np.array([0]), np.array([600.0]), 600.0 * (n + 1) / looks, np.ones(2, np.bool_), feeds, halted, price)
    assert feeds.answer[0, 0] == pytest.approx((1.0 - math.exp(-1.0)) * math.log(1.1), rel=1e-12)
    assert feeds.answer[0, 1] == 0.0, "halted"


def test_a_path_that_sleeps_catches_up_with_what_it_finds() -> None:
    feeds, price = feed(2), np.log(np.array([[2.0, 2.0]]))
    look(np.array([0]), np.array([100.0]), 50.0, np.array([True, False]), feeds, np.full((1, 2), -np.inf), price)
    look(np.array([0]), np.array([100.0]), 100.0, np.array([True, True]), feeds, np.full((1, 2), -np.inf), price)
    assert feeds.answer[0, 0] == pytest.approx(feeds.answer[0, 1], rel=1e-12)

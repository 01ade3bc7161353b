"""exp and log: accurate, and exact where models rely on it."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from delever.core.elementary import FARTHEST, TICKS, exp_, log_, ticks_down, ticks_up

RANDOM = np.random.default_rng(20230620)


def relative_error(value: float, exact: Decimal) -> float:
    with localcontext() as context:
        context.prec = 50
        return float(abs(Decimal(value) / exact - 1))


@pytest.mark.parametrize("reach", [1e-9, 1e-3, 1.0, 40.0, 690.0])
def test_exp_is_within_3e_16_of_the_exact_value(reach: float) -> None:
    with localcontext() as context:
        context.prec = 50
        errors = [relative_error(exp_(x), Decimal(x).exp()) for x in RANDOM.uniform(-reach, reach, 1000).tolist()]
    assert max(errors) < 3e-16


@pytest.mark.parametrize("reach", [1e-9, 1e-3, 0.5, 5.0, 600.0])
def test_log_is_within_3e_16_of_the_exact_value(reach: float) -> None:
    with localcontext() as context:
        context.prec = 50
        points = np.exp(RANDOM.uniform(-reach, reach, 1000)).tolist()
        errors = [relative_error(log_(x), Decimal(x).ln()) for x in points if x != 1.0]
    assert max(errors) < 3e-16


def test_log_of_one_and_exp_of_zero_are_exact() -> None:
    assert log_(1.0) == 0.0
    assert exp_(0.0) == 1.0


def test_exp_undoes_log() -> None:
    for x in np.exp(RANDOM.uniform(-10.0, 10.0, 1000)).tolist():
        assert exp_(log_(x)) == pytest.approx(x, rel=3e-15)


@pytest.mark.parametrize("move", [0.0, 1e-12, -1e-12, 0.5, -3.25, 59.999, -59.999])
def test_ticks_stand_on_both_sides_of_a_move_and_at_most_one_apart(move: float) -> None:
    low, high = int(ticks_down(move)), int(ticks_up(move))
    assert low <= move * TICKS <= high and high - low <= 1


@pytest.mark.parametrize("move", [60.0, -60.0, 128.0, -220.0, 1e300, -1e300, np.inf, -np.inf, np.nan])
def test_what_ticks_cannot_hold_stands_at_the_farthest_and_two_moves_still_subtract(move: float) -> None:
    low, high = int(ticks_down(move)), int(ticks_up(move))
    assert low == high and abs(low) == FARTHEST * TICKS
    assert (low > 0) == (move > 0.0)
    assert 2 * abs(low) < np.iinfo(np.int32).max

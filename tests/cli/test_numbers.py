"""Numbers as people say them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from delever.report.numbers import duration, human, magnitude, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (7, "7"),
        (9_999, "9,999"),
        (12_345.6, "12.3k"),
        (999_600.0, "1M"),
        (999_400.0, "999k"),
        (12_345_678.0, "12.3M"),
        (-4.2e9, "-4.2B"),
        (1.5e12, "1.5T"),
        (0.123456, "0.123"),
        (0.00012, "1.20e-04"),
        (1719.57, "1.72k"),
        (math.nan, "–"),
        (math.inf, "∞"),
    ],
)
def test_magnitudes_keep_three_digits_and_a_letter(value: float, text: str) -> None:
    assert magnitude(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (12.0, "12 s"), (90.0, "1.5 min"), (86_400.0, "24 h"), (3 * 86_400.0, "3 d"), (math.inf, "never")],
)
def test_durations_use_the_largest_short_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_share_is_a_percentage() -> None:
    assert percent(0.0512) == "5.12 %"
    assert percent(7.5e-16) == "7.50e-14 %"
    assert human(0.5, "share") == "50 %"


def test_a_missing_figure_is_not_zero() -> None:
    assert human(None) == "–"
    assert human(float("nan"), "USD") == "–"


def test_dates_durations_truths_and_names_read_plainly() -> None:
    assert human(datetime(2023, 6, 20, 14, 20, tzinfo=UTC)) == "2023-06-20 14:20"
    assert human(timedelta(minutes=30)) == "30 min"
    assert human(True) == "yes"
    assert human("aave_v2") == "aave_v2"

"""Quantities are read with their unit, and refused without sense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from delever.model.errors import InputError
from delever.model.quantity import (
    CHANGE,
    SHARE,
    Amount,
    Count,
    Gwei,
    Instant,
    PerYear,
    Ratio,
    Seconds,
    Share,
    Usd,
)
from delever.model.spec import Spec


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        (Seconds, "24 h", 86400.0),
        (Seconds, "30 min", 1800.0),
        (Seconds, "12 s", 12.0),
        (Seconds, "2 days", 172800.0),
        (Seconds, "0.25s", 0.25),
        (Seconds, 60, 60.0),
        (Share, "50 %", 0.5),
        (Share, "0.5%", 0.005),
        (Share, "4 bp", 0.0004),
        (Share, 0.83, 0.83),
        (Usd, "1719.57 USD", 1719.57),
        (Usd, "3k USD", 3000.0),
        (Usd, "1.5 bn USD", 1.5e9),
        (Usd, 5, 5.0),
        (Gwei, "20 gwei", 20.0),
        (PerYear, "80 %", 0.8),
        (PerYear, "-3 % a year", -0.03),
        (PerYear, "150 %", 1.5),
        (Amount, "50,000", 50000.0),
        (Amount, "1,234,567.5", 1234567.5),
        (Amount, "50k", 50000.0),
        (Amount, "1e3", 1000.0),
        (Count, "10_000", 10000),
        (Count, "10,000", 10000),
        (Ratio, "1.1", 1.1),
    ],
)
def test_a_text_with_its_unit_is_the_number_in_the_kept_unit(kind: Any, text: object, number: float) -> None:
    assert read(kind, text) == number


@given(st.integers(0, 10_000))
def test_a_share_in_per_cent_is_the_nearest_float_to_the_share(hundredths: int) -> None:
    assert SHARE.read(f"{hundredths / 100} %") == hundredths / 100 / 100


class Sample(Spec):
    """One field of each kind."""

    time: Seconds = 0.0
    share: Share = 0.0
    growth: PerYear = 0.0
    money: Usd = 0.0
    amount: Amount = 0.0
    count: Count = 1
    ratio: Ratio = 1.0


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("share", 83, "Sample.share is 83; it is a share, so 0.83"),
        ("share", "83", "Sample.share is 83; it is a share, so 0.83"),
        ("share", "120 %", "Sample.share is 120 %; it is a share, from 0 to 1"),
        ("share", -0.1, "Sample.share is -0.1; it is a share, from 0 to 1"),
        ("growth", 80, "Sample.growth is 80; it is a share a year, so 0.8"),
        ("time", "24 USD", "Sample.time has the wrong unit: '24 USD'; it is a time: write '24 h', '30 min' or '12 s'"),
        ("time", "soon", "Sample.time is not a number: 'soon'; write '24 h', '30 min' or '12 s'"),
        ("time", "-3 s", "Sample.time is -3 s; it is a time, at least 0"),
        ("money", "20 gwei", "Sample.money has the wrong unit: '20 gwei'; it is an amount of USD: write "
         "'1719.57 USD' or '3k USD'"),
        ("amount", "1,5", "Sample.amount has the wrong unit: '1,5'; it is an amount of units: write '50,000' or '50k'"),
        ("amount", True, "Sample.amount is not a number: True; write '50,000' or '50k'"),
        ("amount", None, "Sample.amount is empty; write '50,000' or '50k'"),
        ("count", 0, "Sample.count is 0; at least 1 is needed"),
        ("count", "1.5", "Sample.count is not a whole number: '1.5'; write 100 or '10,000'"),
        ("ratio", 0, "Sample.ratio is 0; it is a ratio, above 0"),
    ],
)
def test_a_wrong_quantity_is_answered_with_its_remedy(field: str, value: object, line: str) -> None:
    with pytest.raises(InputError) as caught:
        Sample(**{field: value})
    assert str(caught.value) == line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "nan", "-inf"])
@pytest.mark.parametrize("field", ["time", "share", "growth", "money", "amount", "ratio"])
def test_nan_and_infinity_are_refused_everywhere(field: str, value: object) -> None:
    with pytest.raises(InputError, match=r"is NaN or infinite|is not a number"):
        Sample(**{field: value})


def test_a_change_may_exceed_all_of_it_only_with_its_sign() -> None:
    assert CHANGE.read("150 %") == 1.5
    assert CHANGE.read("-60%") == -0.6
    with pytest.raises(InputError, match=r"so -0\.6"):
        CHANGE.read(-60)
    with pytest.raises(InputError, match="above -1"):
        CHANGE.read("-100 %")


def test_an_instant_needs_its_zone_and_is_kept_in_utc() -> None:
    assert read(Instant, "2023-06-20T16:20:00+02:00") == datetime(2023, 6, 20, 14, 20, tzinfo=UTC)
    assert read(Instant, "2023-06-20") == datetime(2023, 6, 20, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"has no time zone.*write 2023-06-20T14:20:00Z"):
        read(Instant, datetime(2023, 6, 20, 14, 20))
    with pytest.raises(ValueError, match="is not a date"):
        read(Instant, "last June")

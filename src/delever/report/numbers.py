"""Numbers as people say them: 12.3M, 4.5 %, 30 min."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

NONE = "–"  # a figure that does not exist, as opposed to 0
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
SHARES = frozenset({"share", "share of 1"})  # units shown as a percentage
TIMES = frozenset({"s", "seconds"})  # units shown as a duration
TINY = 1e-6  # share that is rounding
_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def magnitude(value: float) -> str:
    """Three significant digits with k, M, B, T; whole numbers below 10,000 in full."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if size < 10_000 and float(value).is_integer():
        return f"{value + 0.0:,.0f}"  # minus zero is zero
    for scale, letter in _SCALES:
        # 999.6k is said as 1M, not as 1000k.
        if size >= scale * 0.9995:
            return f"{_three_digits(value / scale)}{letter}"
    if size < 0.001:
        return f"{value:.2e}"
    return _three_digits(value)


def price(value: float) -> str:
    """Six significant digits, so that two prices can be told apart: 1,719.12, 0.998123."""
    if not math.isfinite(value):
        return magnitude(value)
    value = float(f"{value:.6g}")  # 0.9999999 has as many digits before the point as 1
    before = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{min(10, max(0, 6 - before))}f}"


def signed_percent(share: float) -> str:
    """+0.0643 %; what is below a millionth is nothing."""
    if math.isnan(share) or abs(share) < TINY:
        return percent(0.0 if abs(share) < TINY else share)
    return ("+" if share > 0 else "") + percent(share)


def _three_digits(value: float) -> str:
    """123, 12.3, 1.23, 0.123: at least the digits before the point, three in all."""
    if value == 0.0:
        return "0"
    before = math.floor(math.log10(abs(value))) + 1
    text = f"{value:.{max(0, 3 - before)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """90 s, 30 min, 24 h, 3.5 d: the largest unit that leaves a short number; days from two on."""
    if math.isnan(seconds):
        return NONE
    if math.isinf(seconds):
        return "never" if seconds > 0 else "-∞"
    size = abs(seconds)
    for length, name in _TIMES:
        least = 2 * length if name == "d" else length
        if size >= least:
            return f"{_three_digits(seconds / length)} {name}"
    return f"{_three_digits(seconds)} s"


def moment(seconds: float) -> str:
    """A time from the start, to the second: 1 h 0 min 20 s is "1 h 20 s"; days from one on."""
    if not math.isfinite(seconds) or seconds < 1.0:
        return duration(seconds)
    left, parts = round(seconds), []
    for length, name in _TIMES:
        count, left = divmod(left, int(length))
        if count:
            parts.append(f"{count:,} {name}")
    return " ".join(parts)


def percent(share: float) -> str:
    """A share as a percentage."""
    return NONE if math.isnan(share) else f"{magnitude(share * 100)} %"


def human(value: object, unit: str = "") -> str:
    """A cell: numbers by their unit, dates to the minute, everything else as it is."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return duration(value.total_seconds())
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, (int, float)):
        if unit in SHARES:
            return percent(value)
        if unit in TIMES:
            return duration(value)
        return magnitude(value)
    return str(value)

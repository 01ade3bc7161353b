"""Numbers from outside, whoever wrote them: finite, and of a size with which sums and products stay finite."""

from __future__ import annotations

import math

LARGEST, SMALLEST = 1e30, 1e-60  # assumption: a supply in its smallest units is 1e27, dust of rounding at least 1e-50

DIGITS = 18  # of a count


def fault(value: float) -> str | None:
    """What is wrong with a number, as an error says it; None: nothing. 0 is as good as any.

    >>> [fault(value) for value in (0, -1e27, 5e-324, 10**400, float("nan"))]
    [None, None, 'is too small to reckon with', 'is too large to reckon with', 'is NaN or infinite']
    """
    try:
        size = abs(float(value))
    except OverflowError:  # a whole number of more than 308 digits
        return "is too large to reckon with"
    if not math.isfinite(size):
        return "is NaN or infinite"
    if size > LARGEST:
        return "is too large to reckon with"
    return "is too small to reckon with" if 0.0 < size < SMALLEST else None


def whole(text: str) -> int | None:
    """The whole number that a text of digits is; None: it is none, or has more than a count has.

    >>> whole("17"), whole("²"), whole("-1"), whole("9" * 5000)
    (17, None, None, None)
    """
    bare = text.strip()
    return int(bare) if bare.isdecimal() and len(bare) <= DIGITS else None


def limits() -> str:
    """The remedy."""
    return f"write a number between {SMALLEST:g} and {LARGEST:g} in size, or 0"

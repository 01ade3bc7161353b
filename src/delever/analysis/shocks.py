"""Shocks as people write them: "-5%", "x0.7", "-60%..0%", "-60%..0% by 2%", "-60%..0% in 13"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from delever.ingest.numbers import whole
from delever.model.errors import InputError
from delever.model.quantity import CHANGE

STEP = 0.05  # between the shocks of a range that names none, share
MOST = 10_000  # shocks in a range
RANGE = re.compile(r"(?P<low>.+?)\s*\.\.\s*(?P<high>.+?)(?:\s+(?P<how>by|in)\s+(?P<number>.+))?")
FACTOR = re.compile(r"[x×*]\s*(\d+(?:\.\d*)?|\.\d+)")
REMEDY = 'write "-5%", "-60%..0%", "-60%..0% by 2%" or "-60%..0% in 13"'

Shocks = str | float | Iterable[float]


@dataclass(frozen=True)
class Walk:
    """How a range that does not say so itself is walked: in steps of a size, or in so many shocks."""

    step: float | str | None = None  # share, or text such as "2 %"
    count: int | None = None

    def __post_init__(self) -> None:
        if self.step is not None and self.count is not None:
            raise InputError("are two ways to say one thing", "step and count", f"{self.step} and {self.count}", "give one")
        if self.count is not None and self.count < 1:
            raise InputError(f"is {self.count}", "count", self.count, "at least 1")


FIVES = Walk()


def parse_shocks(shocks: Shocks, where: str = "shock", walk: Walk = FIVES) -> list[float]:
    """Moves of a price as shares, in the order given; a range is walked from its first end to its last."""
    if isinstance(shocks, str):
        parts = [part for text in re.split(r"[;,]\s+", shocks.strip()) for part in _part(text, where, walk)]
    else:
        given = [shocks] if isinstance(shocks, (int, float)) else list(shocks)
        parts = [_change(value, where) for value in given]
    if not parts:
        raise InputError("names no shock", where, shocks, REMEDY)
    return parts


def _part(text: str, where: str, walk: Walk) -> list[float]:
    found = RANGE.fullmatch(text)
    if found is None:
        return [_change(text, where)]
    low, high = _change(found["low"], where), _change(found["high"], where)
    counted = found["how"] == "in" or (not found["how"] and walk.count is not None)
    if counted:
        count = _count(found["number"], where) if found["how"] else int(walk.count or 1)
    else:
        step = abs(_change(found["number"] if found["how"] else STEP if walk.step is None else walk.step, where))
        count = math.ceil(abs(high - low) / step - 1e-9) + 1 if step > 0.0 else MOST + 1
    if count > MOST:
        raise InputError(f"asks for more than {MOST:,} shocks", where, text, "take larger steps")
    if counted or count == 1:
        return _tidy(np.linspace(low, high, count))
    # whole steps from the first end; the last end itself closes the range
    return _tidy(np.append(low + math.copysign(step, high - low) * np.arange(count - 1), high))


def _tidy(values: np.ndarray) -> list[float]:
    """-0.15, not -0.15000000000000002; 0, not -0."""
    return [float(value) + 0.0 for value in np.round(values, 12)]


def _change(value: object, where: str) -> float:
    try:
        times = FACTOR.fullmatch(value.strip()) if isinstance(value, str) else None
        return CHANGE.read(value) if times is None else CHANGE.read(f"{round((float(times[1]) - 1.0) * 100.0, 10)!r} %")
    except InputError as error:
        raise error.at(where) from None


def _count(text: str, where: str) -> int:
    count = whole(text)
    if not count:
        raise InputError("is not a number of shocks", where, text, REMEDY)
    return count

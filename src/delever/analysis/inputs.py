"""The age of every input against the world's date: "depth is five months younger than the book"."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from delever.analysis.tables import Column, table
from delever.model.world import World

YEAR, MONTH, WEEK, DAY, HOUR, MINUTE = 365.25 * 86400.0, 365.25 / 12 * 86400.0, 604800.0, 86400.0, 3600.0, 60.0
UNITS = (("year", YEAR), ("month", MONTH), ("week", WEEK), ("day", DAY), ("hour", HOUR), ("minute", MINUTE))
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
BOOK, VENUE = "book:", "venue:"


class Input(NamedTuple):
    """One input."""

    name: str  # kind:NAME
    as_of: datetime | None
    age: float | None  # before the world's date [s]; negative: after it
    text: str


def inputs(world: World) -> list[Input]:
    """Every book and every venue, and what else the world gives a date for."""
    names = [*(BOOK + name for name in world.protocols), *(VENUE + name for name in world.venues)]
    names += [name for name in world.ages if name not in names]
    books = [moment for name, moment in world.ages.items() if name.startswith(BOOK)]
    return [_input(name, world, min(books) if books else world.as_of) for name in names]


def _input(name: str, world: World, book: datetime) -> Input:
    moment = world.ages.get(name)
    if moment is None:
        return Input(name, None, None, "no date is given")
    age = (world.as_of - moment).total_seconds()
    if name.startswith(VENUE):
        apart = (book - moment).total_seconds()
        return Input(name, moment, age, f"depth is {_words(apart, 'older', 'younger')} the book")
    return Input(name, moment, age, _words(age, "older", "newer") + " the world's date")


def _words(seconds: float, older: str, younger: str) -> str:
    """"five months younger than", or "as old as"."""
    size = abs(seconds)
    for unit, length in UNITS:
        count = round(size / length)
        if count >= 1 and size >= 0.95 * length:
            number = WORDS[count - 1] if count <= len(WORDS) else str(count)
            return f"{number} {unit}{'s' if count > 1 else ''} {older if seconds > 0 else younger} than"
    return "as old as"


def inputs_table(rows: list[Input]) -> pa.Table:
    """For people and machines."""
    return table(
        Column("input", "", [row.name for row in rows], kind=pa.string()),
        Column("as_of", "", [row.as_of for row in rows], kind=pa.timestamp("s", "UTC")),
        Column("age", "s", [row.age for row in rows], kind=pa.float64()),
        Column("text", "", [row.text for row in rows], kind=pa.string()),
    )

"""Numbers with a unit: text such as `24 h`, `50 %` or `20 gwei` is checked and kept as a float in one unit.

A plain number is taken in the unit that is kept: seconds, shares of one, USD, gwei, a year.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from delever.ingest.numbers import fault, limits

from .errors import InputError, show

NUMBER = re.compile(r"([+-]?(?:\d{1,3}(?:,\d{3})+|\d[\d_]*|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?)(.*)", re.DOTALL)
GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.0*)?")  # 1,5 is no whole number
MOST_WHOLE = 2**63 - 1
MULTIPLES = {"k": 1e3, "m": 1e6, "bn": 1e9}

TIME_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("week", "weeks"), 604800.0),
}
SHARE_UNITS = {"%": 0.01, "bp": 1e-4, "bps": 1e-4}
MOST_A_YEAR = 1000.0  # assumption: no rate or volatility is above 100,000 % a year
A_YEAR = ("", " a year", "/year", " per year", " p.a.")


@dataclass(frozen=True)
class Unit:
    """How one kind of quantity is written, checked and kept; stands in the annotation of a field."""

    unit: str  # of the number that is kept
    noun: str  # "a time"
    examples: str  # how it is written
    scales: Mapping[str, float] = field(default_factory=dict, hash=False)  # unit as written -> unit that is kept
    low: float = -math.inf  # allowed, inclusive
    high: float = math.inf
    largest_plain: float = math.inf  # size from which a number without unit is taken for per cent
    open_low: bool = False  # `low` itself is not allowed
    signed: bool = False  # a change itself: `-10 %` is its value, not a change of it (relative.py)

    def read(self, value: object) -> float:
        """The number in the unit that is kept."""
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise InputError("is not a number" if value is not None else "is empty", value=value, remedy=self._hint())
        number, plain = (value, True) if not isinstance(value, str) else self._from_text(value)
        wrong = fault(number)
        if wrong is not None:
            raise InputError(wrong, value=value, remedy=f"{limits()}: {self._hint()}")
        number = float(number)
        if plain and abs(number) > self.largest_plain:
            raise InputError(f"is {value}", value=value, remedy=f"it is {self.noun}, so {number / 100:g}")
        if number < self.low or number > self.high or (self.open_low and number == self.low):
            raise InputError(f"is {value}", value=value, remedy=f"it is {self.noun}, {self._range()}")
        return number

    def _from_text(self, text: str) -> tuple[float, bool]:
        """The number, and whether it stood without a unit."""
        found = NUMBER.fullmatch(text.strip())
        if found is None:
            raise InputError("is not a number", value=text, remedy=self._hint())
        number = float(found[1].replace(",", "").replace("_", ""))
        unit = " ".join(found[2].split()).lower()
        if unit in self.scales:
            # 0.5 % is 0.5 / 100, the nearest number to 0.005; times 0.01 can be one bit beside it
            scale = self.scales[unit]
            return (number / round(1 / scale) if scale < 1 else number * scale), False
        if unit == "":
            return number, True
        raise InputError("has the wrong unit", value=text, remedy=f"it is {self.noun}: {self._hint()}")

    def _hint(self) -> str:
        return f"write {self.examples}"

    def _range(self) -> str:
        if self.high == math.inf:
            return f"{'above' if self.open_low else 'at least'} {self.low:g}"
        return f"{'above' if self.open_low else 'from'} {self.low:g} {'up ' if self.open_low else ''}to {self.high:g}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def money(unit: str) -> dict[str, float]:
    """Spellings of an amount in `unit`: bare, in thousands, millions, billions."""
    scales: dict[str, float] = dict(MULTIPLES)
    for name, scale in {"": 1.0, **MULTIPLES}.items():
        scales[f"{name} {unit}".strip()] = scale
    return scales


SECONDS = Unit("s", "a time", "'24 h', '30 min' or '12 s'", TIME_UNITS, low=0)
SHARE = Unit("share of 1", "a share", "0.83 or '83 %'", SHARE_UNITS, low=0, high=1, largest_plain=1)
CHANGE = Unit("share of 1", "a change as a share", "-0.05 or '-5 %'", SHARE_UNITS, -1, largest_plain=1, open_low=True,
              signed=True)
AMOUNT = Unit("units", "an amount of units", "'50,000' or '50k'", MULTIPLES, low=0)
PER_YEAR = Unit(
    "per year",
    "a share a year",
    "0.8 or '80 %'",
    {unit + suffix: scale for unit, scale in SHARE_UNITS.items() for suffix in A_YEAR},
    low=-MOST_A_YEAR,
    high=MOST_A_YEAR,
    largest_plain=10,
)

Seconds = Annotated[float, SECONDS]
Share = Annotated[float, SHARE]  # from 0 to 1
Change = Annotated[float, CHANGE]  # of a price, above -100 %; more than +100 % needs its sign: '150 %'
DepthChange = Annotated[  # all may go
    float, Unit("share of 1", "a change as a share", "-0.5 or '-50 %'", SHARE_UNITS, -1, largest_plain=1,
                signed=True)]
PerYear = Annotated[float, PER_YEAR]  # may exceed 1; a plain number above 10 is taken for per cent
Usd = Annotated[float, Unit("USD", "an amount of USD", "'1719.57 USD' or '3k USD'", money("usd"))]
Gwei = Annotated[float, Unit("gwei", "a fee in gwei", "'20 gwei'", {"gwei": 1.0}, low=0)]
Amount = Annotated[float, AMOUNT]
Balance = Annotated[float, Unit("units", "an amount of units of either sign", "'50k' or '-50k'", MULTIPLES)]
Ratio = Annotated[float, Unit("1", "a ratio", "1.1", low=0, open_low=True)]  # one quantity by another, positive
Number = Annotated[float, Unit("1", "a number", "0.5")]


def _whole(least: int) -> BeforeValidator:
    def read(value: object) -> int:
        text = value.strip().replace("_", "") if isinstance(value, str) else value
        if isinstance(text, str) and GROUPED.fullmatch(text):
            text = text.replace(",", "")
        try:
            if isinstance(text, bool) or not isinstance(text, (int, float, str)) or float(text) != int(float(text)):
                raise ValueError
            number = int(text) if not isinstance(text, str) or text.lstrip("+-").isdecimal() else int(float(text))
        except (ValueError, OverflowError):
            raise InputError("is not a whole number", value=value, remedy="write 100 or '10,000'") from None
        if number > MOST_WHOLE:
            raise InputError(f"is {show(value)}", value=value, remedy=f"at most {MOST_WHOLE:,} is counted")
        if number < least:
            raise InputError(f"is {value}", value=value, remedy=f"at least {least} is needed")
        return number

    return BeforeValidator(read)


Count = Annotated[int, _whole(1)]  # at least one
Whole = Annotated[int, _whole(0)]  # zero or more


FIRST_YEAR, LAST_YEAR = 1970, 2200  # assumption: what people have data of, or an option that expires


def read_instant(value: object) -> datetime:
    """An instant in UTC; a bare date is its midnight, a time of day needs its zone."""
    remedy = "write 2023-06-20T14:20:00Z"
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value.strip()) == 10 else datetime.fromisoformat(value.strip())
        except ValueError:
            raise InputError("is not a date", value=value, remedy=remedy) from None
    if not isinstance(value, date):  # of which an instant is one
        raise InputError("is not a date", value=value, remedy=remedy)
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise InputError("is not of our time", value=value.isoformat(), remedy=f"write a year from {FIRST_YEAR} to {LAST_YEAR}")
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value.tzinfo is None:
        raise InputError("has no time zone", value=value.isoformat(), remedy=f"write {value.isoformat()}Z for UTC")
    return value.astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(read_instant)]


def read_text(value: object) -> object:
    """YAML reads `1` as a number; where text is meant it stands for itself."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(read_text)]


def check_label(text: object, where: str) -> None:
    """Refuse what no table or file can hold: no text, or half of a character."""
    if not isinstance(text, str) or text.encode("utf-8", "replace").decode("utf-8") != text:
        raise InputError("is no text", where, text if isinstance(text, (int, float)) else ascii(text), "write letters and digits")


NO_FILE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\]|^\.|^\s*$')  # what the name of a folder cannot have
LONGEST_NAME = 100  # characters of what results are called by; assumption: a folder's name is at most 255 bytes


def read_name(value: object) -> object:
    """A name that a folder can have: results of a run lie in one of that name."""
    name = read_text(value)
    if isinstance(name, str) and len(name.encode(errors="replace")) > LONGEST_NAME:
        raise InputError("is too long", value=name, remedy=f"at most {LONGEST_NAME} bytes")
    if isinstance(name, str) and NO_FILE.search(name):
        remedy = "results lie in runs/NAME-...: leave out slashes and dots in front"
        raise InputError("is no name of a folder", value=name, remedy=remedy)
    return name


Name = Annotated[str, BeforeValidator(read_name)]

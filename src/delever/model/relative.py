"""Changes of a value that are stated by how much: `+3 points`, `+50 bp`, `x0.5`, `-10 %`, `+5 min`.

    +3 points, -50 bp   are added to a share: 78 % becomes 81 %
    x0.5                is multiplied with
    +10 %, -10 %        are a tenth of what it is: 78 % becomes 85.8 %; in a field that is a change itself (of a price or a depth)
                        they are the value, as in a file
    +5 min, -50 USD     are added: any quantity with a sign and a unit
A plain number is a value, with or without a sign, and so is text without a sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from delever.ingest.numbers import fault, limits, whole

from .errors import InputError
from .quantity import NUMBER, Unit

TIMES = re.compile(r"[x×*]\s*(?P<number>\S.*)")
SIGNED = re.compile(r"(?P<sign>[+-])\s*(?P<rest>[\d.].*)", re.DOTALL)
POINTS = {"point": 0.01, "points": 0.01, "percentage points": 0.01, "pp": 0.01, "bp": 1e-4, "bps": 1e-4}
OF_SHARES = ("share of 1", "per year")


class Quantity(NamedTuple):
    """What stands at a path."""

    value: Any
    unit: Unit | None  # of a number, where its field says


def quantity_at(node: Any, keys: Sequence[str]) -> Quantity | None:
    """The value at a path and its unit; None where nothing stands there."""
    unit: Unit | None = None
    for key in keys:
        if isinstance(node, BaseModel):
            info = type(node).model_fields.get(key)
            if info is None:
                return None
            found = [entry for entry in info.metadata if isinstance(entry, Unit)] or list(units(info.annotation))
            unit, node = found[0] if found else None, getattr(node, key)
        elif isinstance(node, dict):
            name = key if key in node else whole(key)
            if name not in node:
                return None
            node = node[name]
        elif isinstance(node, tuple):
            kinds = [getattr(inner, "kind", "") for inner in node]
            place = kinds.index(key) if key in kinds else whole(key)
            if place is None or place >= len(node):
                return None
            node = node[place]
        else:
            return None
    return Quantity(node, unit)


def units(annotation: Any) -> Iterator[Unit]:
    """Units anywhere inside of an annotation: `dict[str, Share]`, `Seconds | None`."""
    if get_origin(annotation) is Annotated:
        yield from (entry for entry in annotation.__metadata__ if isinstance(entry, Unit))
    for inner in get_args(annotation):
        yield from units(inner)


def is_relative(text: str) -> bool:
    """Whether a text says by how much, whatever it is of."""
    if TIMES.fullmatch(text.strip()):
        return _number(TIMES.fullmatch(text.strip())["number"]) is not None  # type: ignore[index]
    found = SIGNED.fullmatch(text.strip())
    return found is not None and bool(_split(found["rest"])[1])


def resolved(node: Any, keys: Sequence[str], text: str) -> Any:
    """The value that a text means at a path of a spec: changed by how much it says, else the text itself."""
    if not is_relative(text):
        return text
    found = quantity_at(node, keys)
    number = isinstance(found.value, (int, float)) and not isinstance(found.value, bool) if found is not None else False
    if found is None or (not number and found.value is not None):
        return text  # a name such as x2, or a path that is refused elsewhere
    if found.value is None:
        raise InputError("has no value to change", path=tuple(keys), value=text, remedy="give the value itself")
    if found.unit is not None and found.unit.signed and not text.strip().startswith(("x", "×", "*")):
        return text
    return _checked(_changed(found, text.strip(), tuple(keys)), found, text, tuple(keys))


def _changed(found: Quantity, text: str, path: tuple[str, ...]) -> float:
    times = TIMES.fullmatch(text)
    if times is not None:
        factor = _number(times["number"])
        assert factor is not None
        return _scaled(found, factor, text, path)
    signed = SIGNED.fullmatch(text)
    assert signed is not None
    sign, (size, unit) = (-1.0 if signed["sign"] == "-" else 1.0), _split(signed["rest"])
    if unit == "%":
        return _scaled(found, (100.0 + sign * size) / 100.0, text, path)
    if unit in POINTS:
        if found.unit is None or found.unit.unit not in OF_SHARES:
            noun = "a plain number" if found.unit is None else found.unit.noun
            raise InputError(f"is {noun}", path=path, value=text, remedy="points are of shares: write x1.03 or +3 %")
        return float(found.value + sign * (size / round(1 / POINTS[unit])))
    if found.unit is None:
        raise InputError("has no unit", path=path, value=text, remedy="write x1.03, +3 % or the value itself")
    try:
        return float(found.value + sign * found.unit.read(f"{size!r} {unit}"))
    except InputError as error:
        raise error.at("", *path) from None


def _scaled(found: Quantity, factor: float, text: str, path: tuple[str, ...]) -> float:
    if found.value == 0:
        remedy = "a multiple of nothing is nothing: give the value itself, as a plain number"
        raise InputError("is 0", path=path, value=text, remedy=remedy)
    return float(found.value * factor)


def _checked(value: float, found: Quantity, text: str, path: tuple[str, ...]) -> Any:
    """The value as its field reads it; whole numbers stay whole."""
    unit, wrong = found.unit, fault(value)
    if wrong is not None:
        raise InputError(wrong, path=path, value=text, remedy=f"it is {found.value:g} before: {limits()}")
    if isinstance(found.value, int):
        if value != round(value):
            raise InputError(f"would be {value:g}", path=path, value=text, remedy=f"it is a whole number, {found.value} before")
        return round(value)
    value = float(f"{value:.15g}")  # 0.78 + 0.03 is 0.81
    if unit is not None and (value < unit.low or value > unit.high or (unit.open_low and value == unit.low)):
        raise InputError(f"would be {value:.6g}", path=path, value=text,
                         remedy=f"it is {unit.noun}, from {unit.low:g} to {unit.high:g}, and {found.value:.6g} before")
    if unit is not None and abs(value) > unit.largest_plain:
        return f"{value * 100.0!r} %"
    return value


def _split(text: str) -> tuple[float, str]:
    """A number and what stands behind it."""
    found = NUMBER.fullmatch(text.strip())
    if found is None:
        return 0.0, ""
    return float(found[1].replace(",", "").replace("_", "")), " ".join(found[2].split()).lower()


def _number(text: str) -> float | None:
    found = NUMBER.fullmatch(text.strip())
    return float(found[1].replace(",", "").replace("_", "")) if found is not None and not found[2].strip() else None

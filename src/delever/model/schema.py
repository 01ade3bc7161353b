"""Every field of every spec as a row: name, type, unit, default, meaning; the documentation is made of it."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .asset import Asset
from .book import Book
from .dump import plain
from .judged import Judged
from .market import Market
from .origin import Origin
from .quantity import Unit
from .relative import units
from .scenario import Tail
from .spec import Spec
from .world import (
    CollateralParameters,
    EmodeParameters,
    Execution,
    Funding,
    Order,
    PerpParameters,
    Protocol,
    ReserveParameters,
    Scenario,
    Tier,
    World,
)

MODEL = (World, Asset, Protocol, Market, ReserveParameters, EmodeParameters, PerpParameters, Tier, CollateralParameters, Funding,
         Execution, Scenario, Tail, Judged, Order, Origin)
NAMES: dict[Any, str] = {float: "number", int: "whole number", str: "text", bool: "true or false",
                         datetime: "instant", Book: "book", Spec: "mechanism"}


class Row(NamedTuple):
    """One field."""

    spec: str
    field: str
    type: str
    unit: str  # of the number that is kept; empty for texts
    default: str  # "required" where there is none
    meaning: str
    range: str = ""  # of a number; empty: any, or no number
    example: str = ""


def schema_rows(specs: Iterable[type[Spec]] = MODEL) -> list[Row]:
    """Fields of the model's own specs, or of others given, such as a role's."""
    return [
        Row(spec.kind or spec.__name__, name, _type(info.annotation), _unit(info), _default(info), _meaning(info), _range(info),
            str(info.examples[0]) if info.examples else "")
        for spec in specs
        for name, info in spec.model_fields.items()
    ]


def _meaning(info: FieldInfo) -> str:
    return info.description or ""


def _range(info: FieldInfo) -> str:
    """What numbers are allowed: by the unit, and by the field itself, which may be narrower."""
    unit, low, high, open_low, open_high = unit_of(info), -math.inf, math.inf, False, False
    if unit is not None:
        low, high, open_low = unit.low, unit.high, unit.open_low
    for bound in info.metadata:
        for name, value in ((name, getattr(bound, name, None)) for name in ("gt", "ge", "lt", "le")):
            if not isinstance(value, (int, float)):
                continue
            if name in ("gt", "ge") and (value > low or (value == low and name == "gt")):
                low, open_low = float(value), name == "gt"
            if name in ("lt", "le") and (value < high or (value == high and name == "lt")):
                high, open_high = float(value), name == "lt"
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f"{'above' if open_low else 'from'} {low:g}"
    return f"{'above' if open_low else 'from'} {low:g} {'to below' if open_high else 'to'} {high:g}"


def unit_of(info: FieldInfo) -> Unit | None:
    """The unit of a field's number; of several the first."""
    found = [entry for entry in info.metadata if isinstance(entry, Unit)] or list(units(info.annotation))
    return found[0] if found else None


def _unit(info: FieldInfo) -> str:
    found = unit_of(info)
    return found.unit if found is not None else "UTC" if info.annotation is datetime else ""


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        return " or ".join("null" if part is type(None) else _type(part) for part in inner)
    if origin is dict:
        return f"{_type(inner[1])} by {_type(inner[0]).replace('text', 'name')}"
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    return NAMES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "null"
    if isinstance(value, Spec):
        return ", ".join(f"{name}: {inner}" for name, inner in plain(value).items())
    return f"{value:g}" if isinstance(value, float) else str(value if value != () else [])

"""What readers of SQL services' results share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delever.model.errors import InputError


@dataclass(frozen=True)
class Envelope:
    """A service's result: how it is told, and its rows as records."""

    title: str
    told: Callable[[Any], bool]
    rows: Callable[[Any], list[Mapping[str, Any]]]


def whole_result(found: int, total: Any, remedy: str) -> None:
    """A result of fewer rows than the service has is refused: what is missing would be missing from the book."""
    if isinstance(total, int) and not isinstance(total, bool) and total > found:
        raise InputError(f"has {found} of {total} rows", remedy=remedy)


def as_records(rows: Any, columns: Any, title: str) -> list[Mapping[str, Any]]:
    """Rows as records: they are, or are lists in the order of the columns."""
    if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
        return rows
    names: Sequence[Any] = columns if isinstance(columns, list) else []
    if not isinstance(rows, list) or not names or not all(isinstance(row, list) for row in rows):
        raise InputError("has no rows that can be read", remedy=f"give the result as {title} sent it")
    width = len(names)
    wrong = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if wrong is not None:
        raise InputError(f"row {wrong + 1} has {len(rows[wrong])} cells and there are {width} columns", remedy="export it anew")
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]

"""Arrow tables whose columns say their unit and meaning, as the reports read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa


class Column(NamedTuple):
    """One column."""

    name: str
    unit: str  # "" where there is none
    values: Any  # array or list, one a row
    meaning: str = ""  # a line below the table, where the name does not say it all
    kind: pa.DataType | None = None  # where the values do not tell


def table(*columns: Column) -> pa.Table:
    """The columns as a table."""
    arrays = [pa.array(column.values, type=column.kind) for column in columns]
    schema = pa.schema([_field(column, array) for column, array in zip(columns, arrays, strict=True)])
    return pa.Table.from_arrays(arrays, schema=schema)


def named(names: Sequence[str], numbers: np.ndarray) -> pa.Array:
    """Names by their numbers, a row each."""
    return pa.array(names, pa.string()).take(pa.array(numbers))


def numbered(codes: np.ndarray, many: int) -> tuple[np.ndarray, np.ndarray]:
    """(codes that there are, ascending; place of each row's among them). codes: [rows] from 0 to many - 1, few of them."""
    there = np.flatnonzero(np.bincount(codes, minlength=many))
    place = np.zeros(many, np.int64)
    place[there] = np.arange(len(there))
    return there, place[codes]


def _field(column: Column, array: pa.Array) -> pa.Field:
    metadata = {"unit": column.unit, "meaning": column.meaning}
    return pa.field(column.name, array.type, metadata={key: text for key, text in metadata.items() if text})

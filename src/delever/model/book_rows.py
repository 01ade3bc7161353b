"""Checks of a book's rows. They are counted as a spreadsheet does: the header is row 1, the first leg row 2."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.ingest.numbers import LARGEST, SMALLEST, fault

from .errors import InputError, nearest
from .market import COLUMN, by_market

HEADER = 2  # row of the first leg
SIDES = ("collateral", "debt", "position")
ENTRY = "write what a unit was opened at, in USD"
KEY = ["protocol", "account", "asset", "side", "label"]  # one row each; of positions one each way


def row_error(what: str, where: str, row: int, column: str, value: object, remedy: str) -> InputError:
    """An error in a table; `row` is an index, from 0."""
    return InputError(what, f"{where}, row {row + HEADER}, column {column}", value, remedy)


def check_columns(table: pa.Table, where: str) -> None:
    """Every column stands once."""
    twice = next((name for name in table.column_names if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise InputError("a column stands twice", where, twice or "(without a name)", "keep one, or name them apart")


def conform(table: pa.Table, schema: pa.Schema, defaults: Mapping[str, Any], where: str) -> pa.Table:
    """The table with exactly the columns of the schema, defaults filled in; every value has its type."""
    for name in table.column_names:
        if name not in schema.names:
            raise InputError("unknown column", where, name, nearest(name, schema.names))
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            if field.name not in defaults:
                remedy = f"add it ({field.metadata[b'unit'].decode()}); columns here: {', '.join(table.column_names)}"
                raise InputError("a column is missing", where, field.name, remedy)
            columns.append(pa.chunked_array([pa.array([defaults[field.name]] * table.num_rows, field.type)]))
        else:
            columns.append(_cast(table[field.name], field, defaults.get(field.name), where))
    return pa.table(columns, schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field, default: Any, where: str) -> pa.ChunkedArray:
    """One column in its type; empty cells become the default where there is one."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        if not pa.types.is_string(field.type):
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    try:
        cast = column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _not_castable(column, field, where) from None
    if pa.types.is_floating(field.type):
        row = first(pc.or_(pc.invert(pc.is_finite(cast)), out_of_range(cast)))  # null stays null
        if row is not None:
            value = cast[row].as_py()
            raise row_error(fault(value) or "", where, row, field.name, value, "write a number or leave the row out")
    if default is not None:
        cast = pc.fill_null(cast, pa.scalar(default, field.type))
    empty = cast.is_null() if not pa.types.is_string(field.type) or default is not None else _blank(cast)
    row = None if field.nullable else first(empty)
    if row is not None:
        raise row_error("is empty", where, row, field.name, None, f"write its {field.metadata[b'unit'].decode()}")
    return cast


def out_of_range(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers that are too large or too small to reckon with."""
    size = pc.abs(column)
    return pc.or_(pc.greater(size, LARGEST), pc.and_(pc.greater(size, 0.0), pc.less(size, SMALLEST)))


def _blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_kleene(column.is_null(), pc.equal(column, ""))


def _not_castable(column: pa.ChunkedArray, field: pa.Field, where: str) -> InputError:
    """The first value that does not fit."""
    for row, value in enumerate(column.to_pylist()):
        try:
            pa.scalar(value, column.type).cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            noun = {"double": "a number", "int32": "a whole number"}.get(str(field.type), "text")
            return row_error(f"is not {noun}", where, row, field.name, value, f"write {noun} without unit or commas")
    return InputError("has the wrong type", f"{where}, column {field.name}", column.type, f"make it {field.type}")


def first(mask: pa.ChunkedArray) -> int | None:
    """Index of the first true value; null is not true."""
    row = int(pc.index(mask, True).as_py())
    return row if row >= 0 else None


def check_legs(legs: pa.Table, where: str, margin: bool = False) -> None:
    """Sides, signs, thresholds, one row a leg, and somebody who owes something.

    margin: the legs are of margin accounts, in which collateral below zero is what is owed.
    """
    if not legs.num_rows:
        raise InputError("has no rows", where, remedy="a book needs accounts")
    one_of(legs, "side", SIDES, where)
    one_of(legs, "label", ("", "remainder"), where)
    amount, threshold = legs["amount"], legs["liquidation_threshold"]
    position = pc.equal(legs["side"], "position")
    plain = pc.and_(pc.not_equal(legs["label"], "remainder"), pc.invert(position))
    row = first(pc.and_(pc.less(amount, 0.0), plain))
    if row is not None:
        remedy = "amounts are positive, the side says which way; only rows labelled remainder are signed"
        raise row_error("is negative", where, row, "amount", amount[row].as_py(), remedy)
    row = first(pc.or_(pc.less(threshold, 0.0), pc.greater(threshold, 1.0)))
    if row is not None:
        value = threshold[row].as_py()
        remedy = f"it is a share, so {value / 100:g}" if 1 < value <= 100 else "it is a share from 0 to 1"
        raise row_error(f"is {value:g}", where, row, "liquidation_threshold", f"{value:g}", remedy)
    _check_positions(legs, position, where)
    way = pc.if_else(pc.and_(position, pc.less(amount, 0.0)), "short position", legs["side"])  # a perp may be held both ways
    check_once(legs.set_column(legs.column_names.index("side"), "side", way), KEY, where)
    _check_owners(legs, where)
    owed = pc.and_(pc.less(amount, 0.0), margin)
    if first(pc.or_(pc.or_(position, owed), pc.and_(pc.equal(legs["side"], "debt"), pc.greater(amount, 0.0)))) is None:
        remedy = "nobody can be liquidated; add rows with side debt and an amount above 0"
        raise InputError("has no debt", where, remedy=remedy)


def _check_owners(legs: pa.Table, where: str) -> None:
    """An account has one owner, whatever rows it stands in."""
    both = legs.select(["protocol", "account", "owner"]).append_column("row", pa.array(range(legs.num_rows), pa.int64()))
    said = both.group_by(["protocol", "account", "owner"]).aggregate([("row", "min")])
    if _all_differ(said, ["protocol", "account"]):
        return
    grouped = said.group_by(["protocol", "account"]).aggregate([("row_min", "max"), ("owner", "count")])
    row = pc.min(grouped.filter(pc.greater(grouped["owner_count"], 1))["row_min_max"]).as_py()
    account, protocol, owner = (legs[name][row].as_py() for name in ("account", "protocol", "owner"))
    raise row_error(f"account {account} of {protocol} has two owners", where, row, "owner", owner,
                    "an account has one: name each of its rows alike, or give them two accounts")


def _check_positions(legs: pa.Table, position: pa.ChunkedArray, where: str) -> None:
    """Positions have a size and an entry price; nothing else has one."""
    amount, entry, label = legs["amount"], legs["entry_price"], legs["label"]
    mistakes = (
        (pc.and_(position, pc.equal(amount, 0.0)), "amount", "is 0", "leave out what is not held"),
        (pc.and_(position, entry.is_null()), "entry_price", "size without entry price", ENTRY),
        (pc.and_(position, pc.less_equal(entry, 0.0)), "entry_price", "is not above 0", ENTRY),
        (pc.and_(pc.invert(position), entry.is_valid()), "entry_price", "has no meaning here", "it belongs to side position"),
        (pc.and_(position, pc.not_equal(label, "")), "label", "has no meaning here", "a position is no remainder"),
    )
    for mask, column, what, remedy in mistakes:
        row = first(mask)
        if row is not None:
            raise row_error(what, where, row, column, shown(legs[column][row]), remedy)


def shown(cell: pa.Scalar) -> object:
    """A cell as an error shows it: numbers as they are written, nothing for an empty one."""
    value = cell.as_py()
    return f"{value:g}" if isinstance(value, float) else value or None


def one_of(legs: pa.Table, column: str, known: tuple[str, ...], where: str) -> None:
    row = first(pc.invert(pc.is_in(legs[column], pa.array(known))))
    if row is not None:
        value = legs[column][row].as_py()
        raise row_error(f"is {value!r}", where, row, column, value, nearest(value, [name for name in known if name]))


def check_once(table: pa.Table, key: list[str], where: str, row: pa.Array | None = None) -> None:
    """No two rows have the same key; `row` are their indices where the table is a part of what was read."""
    if _all_differ(table, key):
        return
    rows = pa.array(range(table.num_rows), pa.int64()) if row is None else row.cast(pa.int64())
    numbered = table.select(key).append_column("row", rows)
    groups = numbered.group_by(key).aggregate([("row", "min"), ("row", "max"), ("row", "count")])
    twice = groups.filter(pc.greater(groups["row_count"], 1))
    found = twice.sort_by("row_max").slice(0, 1).to_pylist()[0]
    what = f"account {found['account']} stands twice in {found['protocol']}"
    if "side" in key:
        what += f" with {found['side']} {found['asset']}"
    if "instrument" in key:
        what += f" with {found['margin_mode']} {found['instrument']}"
    remedy = f"keep one of rows {found['row_min'] + HEADER} and {found['row_max'] + HEADER}, or their sum"
    raise row_error(what, where, found["row_max"], "account", found["account"], remedy)


def own_rows(table: pa.Table | None, protocol: str, others: Collection[str], where: str) -> pa.Table:
    """The rows of a protocol: those that name it, and those that name none. others: protocols that read the same book.

    Rows of anybody else are nobody's, and are refused: a book of one protocol may be under another name, which is to be said.
    """
    if table is None or not {"protocol", COLUMN} & set(table.column_names) or not table.num_rows:
        return table
    table = by_market(table, protocol.partition("/")[0])
    named = pc.fill_null(table["protocol"].cast(pa.string()), "")
    own = pc.is_in(named, pa.array(["", protocol]))
    foreign = pc.is_in(named, pa.array(["", protocol, *others], pa.string()))
    row = int(pc.index(foreign, False).as_py())
    if row >= 0:
        remedy = f"a protocol of the world takes the rows that name it: call it {named[row].as_py()}, or take these rows out"
        raise row_error(f"is of another protocol than {protocol}", where, row, "protocol", named[row].as_py(), remedy)
    table = table.filter(own)
    return table.drop_columns("protocol").append_column("protocol", pa.array([protocol] * table.num_rows, pa.string()))


def _all_differ(table: pa.Table, key: list[str]) -> bool:
    """Whether keys are unique, on numbers in place of names: grouping by text is several times slower."""
    codes = np.zeros(table.num_rows, np.int64)  # [rows]
    for name in key:
        column = table[name].combine_chunks().dictionary_encode()
        codes = codes * max(1, len(column.dictionary)) + column.indices.to_numpy()
    codes.sort()
    return not bool((codes[1:] == codes[:-1]).any())

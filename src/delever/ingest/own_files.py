"""A table of one's own, of whatever file: CSV with any separator, Parquet, Excel, JSON lines, a JSON list; every cell as text."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from delever.ingest.files import content, json_of, table, unpacked
from delever.model.errors import InputError

SEPARATORS = (",", ";", "\t", "|")
HEADER = 2  # row of the first record, as a spreadsheet counts


@dataclass(frozen=True)
class Sheet:
    """The rows of a file as text; an empty cell is an empty text."""

    where: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def at(self, row: int, column: str) -> str:
        """The place of a cell, as errors name it."""
        return f"{self.where}, row {row + HEADER}, column {column}"


def read_file(path: str | Path, sheet: str | None = None) -> Sheet | Any:
    """A table; or of a .json file that is no list of records the value itself, an exchange's answer perhaps.

    sheet: name of a spreadsheet's sheet, the first if not given.
    """
    path = Path(path)
    name = path.name.lower().removesuffix(".gz")
    suffix = "." + name.rpartition(".")[2]
    readers: dict[str, Callable[[bytes], Any]] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".txt": _csv,
        ".parquet": _parquet,
        ".json": lambda content: json_of(content, str(path)),
        ".jsonl": _lines,
        ".ndjson": _lines,
        ".xlsx": lambda content: _excel(content, sheet),
        ".xlsm": lambda content: _excel(content, sheet),
    }
    if suffix not in readers:
        raise InputError("is no table that can be read", str(path), path.suffix, f"give one of {', '.join(readers)}")
    try:
        value = readers[suffix](unpacked(content(path), str(path)))
    except InputError as error:
        raise error.at(str(path)) from None
    except Exception as error:  # of a spreadsheet's reader, which has many
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError("cannot be read", str(path), reason, "look whether it is what its name says") from None
    if isinstance(value, Mapping) or (isinstance(value, list) and not _is_records(value)):
        return value
    if not isinstance(value, list):
        raise InputError("holds no table", str(path), value, "give a list of objects, or an exchange's answer")
    return _sheet(str(path), value)


def records(value: list[Mapping[str, Any]], where: str) -> Sheet:
    """A list of flat records as a table."""
    return _sheet(where, value)


def _is_records(value: list[Any]) -> bool:
    """Whether a list is a table with a header, made by a reader here, and not an answer's."""
    return bool(value) and isinstance(value[0], tuple)


def _csv(content: bytes) -> Sequence[Sequence[Any]]:
    text = _text(content)
    head = text.lstrip("\r\n").splitlines()[:1]
    separator = max(SEPARATORS, key=lambda one: head[0].count(one)) if head else ","
    rows = [
        tuple(row) for row in csv.reader(io.StringIO(text), delimiter=separator, strict=True) if any(cell.strip() for cell in row)
    ]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise InputError(
                f"row {number + 1} has {len(row)} cells and the header {len(rows[0])}",
                remedy=f"columns are told apart by {separator!r}: quote texts that have it in them",
            )
    return rows or [()]


def _text(content: bytes) -> str:
    for coding in ("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "cp1252"):
        try:
            return content.decode(coding)
        except UnicodeDecodeError:
            continue
    raise InputError("is not text", remedy="save it as UTF-8")


def _parquet(read: bytes) -> list[Sequence[Any]]:
    found = table(read, ".parquet", "")
    return [tuple(found.column_names), *zip(*(column.to_pylist() for column in found.columns), strict=True)]


def _lines(content: bytes) -> list[Any]:
    found = []
    for number, line in enumerate(_text(content).splitlines()):
        if line.strip():
            try:
                found.append(json_of(line, ""))
            except InputError as error:
                raise InputError(f"line {number + 1} {error.what}", value=error.value, remedy="write one object a line") from None
    return _as_rows(found)


def _as_rows(found: list[Any]) -> list[Any]:
    if not all(isinstance(one, Mapping) for one in found):
        raise InputError("is no list of objects", remedy="write one object a line")
    columns = tuple(dict.fromkeys(str(name) for one in found for name in one))
    return [columns, *(tuple(one.get(name) for name in columns) for one in found)]


def _excel(content: bytes, sheet: str | None) -> Sequence[Sequence[Any]]:
    if importlib.util.find_spec("openpyxl") is None:
        raise InputError(
            "is Excel, whose reader is not installed", remedy="install the extra `excel` (openpyxl), or save it as CSV"
        )
    openpyxl = importlib.import_module("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    if sheet is not None and sheet not in book.sheetnames:
        raise InputError("has no such sheet", value=sheet, remedy=f"known: {', '.join(book.sheetnames)}")
    rows = [tuple(row) for row in book[sheet or book.sheetnames[0]].iter_rows(values_only=True)]
    rows = [row for row in rows if any(cell is not None for cell in row)]
    return rows or [()]


def _sheet(where: str, value: list[Any]) -> Sheet:
    rows = value if _is_records(value) else _as_rows(value)
    columns = tuple(_cell(name) for name in rows[0])
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if not columns or len(rows) < 2:
        raise InputError("has no rows", where, remedy="a table has a header and a row for each position")
    if twice is not None:
        raise InputError("a column stands twice", where, twice or "(without a name)", "keep one, or name them apart")
    found = tuple(tuple(_cell(cell) for cell in row) for row in rows[1:])
    for number, row in enumerate((columns, *found)):
        try:
            "".join(row).encode()
        except UnicodeEncodeError:  # half a character, which JSON can write
            raise InputError(f"row {number + HEADER - 1} is not text", where, remedy="save it as UTF-8") from None
    return Sheet(where, columns, found)


def _cell(value: Any) -> str:
    """A cell as text; whole numbers of a spreadsheet without their `.0`."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping | Iterable) and not isinstance(value, str):
        return json.dumps(value, default=str)
    return str(value).strip()

"""Finds, reads and hashes the files a world names."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from delever.ingest import aave_steth
from delever.model.errors import InputError

DATA = "DELEVER_DATA"  # environment variable: the folder that holds data sets
# Columns of books that are text whatever they look like: an account may be called 007.
TEXTS = ("protocol", "account", "owner", "asset", "side", "label", "instrument", "margin_mode", "collateral_asset", "unit")
EMPTY = ["", "NA", "N/A", "n/a", "NULL", "null"]  # cells of a CSV file without a value; NaN is a wrong one
AS_TEXT = {name: pa.string() for name in TEXTS}

# Data sets that need a reader of their own: folder -> reader(table, part of the book) -> (legs, accounts).
READERS: dict[str, Callable[[Callable[[str], pa.Table], str], tuple[pa.Table, pa.Table]]] = {
    "aave_steth_2023-06": aave_steth.read,
}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a key that stands twice would be lost in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} stands twice in one object")
    return found


class BookTables(NamedTuple):
    """A book as read: one row a leg, and what the source itself says of each account (may be empty)."""

    legs: pa.Table
    accounts: pa.Table


class RowsRead(NamedTuple):
    """Of the book of one protocol."""

    protocol: str
    file: str
    read: int
    used: int
    left: str  # what of it was left out, and why


class Source:
    """Where a world's files are, and the hash of every one that was read.

    A name is looked up as it stands, then beside the world, then in the folder $DELEVER_DATA.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.hashes: dict[str, str] = {}  # name asked for -> sha256 of the bytes read
        self.notes: list[str] = []  # what readers left out, and could not know
        self.rows: list[RowsRead] = []  # of the books

    def path(self, name: str) -> Path:
        """The file or folder of that name."""
        candidates = [Path(name)] if Path(name).is_absolute() else []
        if not candidates:
            data = os.environ.get(DATA)
            candidates += [self.folder / name] if self.folder else []
            candidates += [Path(data) / name] if data else []
        for candidate in candidates:
            try:
                if candidate.exists():
                    return candidate
            except (OSError, ValueError) as error:  # a name that no file can have
                raise InputError("is no name of a file", "", name, getattr(error, "strerror", None) or str(error)) from None
        unset = "" if os.environ.get(DATA) else ", which is not set"
        raise InputError("file not found", "", name, f"set {DATA}{unset}, to the folder with it, or give a full path")

    def read(self, name: str) -> bytes:
        """The bytes of a file; they are what its hash is of."""
        path = self.path(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            remedy = "give a file that can be read"
            raise InputError("cannot be read", str(path), error.strerror, remedy) from error
        self.hashes[name] = hashlib.sha256(content).hexdigest()
        return content

    def json(self, name: str, lists: bool = False) -> Any:
        """A JSON file whose top is an object, or where `lists` may be a list of objects."""
        content = self.read(name)
        try:
            value = json.loads(content, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise InputError("is not JSON", str(self.path(name)), str(error), "mend the file") from error
        listed = lists and isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
        if not isinstance(value, dict) and not listed:
            raise InputError("is not a JSON object", str(self.path(name)), value, "write {...} at its top")
        return value

    def table(self, name: str, texts: Mapping[str, pa.DataType] | None = None) -> pa.Table:
        """A table in a .csv, .csv.gz or .parquet file. texts: types of columns of a CSV file, whatever they look like."""
        content = self.read(name)
        where = str(self.path(name))
        try:
            if name.endswith(".parquet"):
                return pyarrow.parquet.read_table(io.BytesIO(content))
            if not name.endswith((".csv", ".csv.gz")):
                raise InputError("is not a table", where, Path(name).suffix, "give a .csv, .csv.gz or .parquet file")
            if content[:2] == b"\x1f\x8b" and not name.endswith(".gz"):
                raise InputError("is compressed", where, remedy="end its name with .csv.gz")
            stream = io.BytesIO(content)
            table = pyarrow.csv.read_csv(pa.CompressedInputStream(stream, "gzip") if name.endswith(".gz") else stream,
                                        convert_options=pyarrow.csv.ConvertOptions(null_values=EMPTY, column_types=texts or {}))
            return table.rename_columns(table.column_names)  # which have to be text
        except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
            remedy = "it is damaged or not what its name says: fetch or write it again"
            reason = str(error).splitlines()[0].rpartition("'<Buffer>': ")[2]
            raise InputError("cannot be read as a table", where, reason, remedy) from error

    def book(self, name: str) -> BookTables:
        """A book of positions: a long-format .csv or .parquet file, or DATASET/PART with a reader of its own."""
        folder, _, part = name.rpartition("/")
        reader = READERS.get(folder.rpartition("/")[2])
        if reader is None:
            return BookTables(self.table(name, AS_TEXT), pa.table({}))
        return BookTables(*reader(lambda file: self.table(f"{folder}/{file}"), part))

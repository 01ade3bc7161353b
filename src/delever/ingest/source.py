"""Finds, reads and hashes the files a world names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from delever.ingest import aave_steth, compound_v2, inverse_frontier
from delever.ingest.files import AS_TEXT, content, exists, is_below, json_of, table
from delever.model.errors import InputError

DATA = "DELEVER_DATA"  # environment variable: the folder that holds data sets

# Data sets that need a reader of their own: folder -> reader(table, part of the book) -> (legs, accounts).
READERS: dict[str, Callable[[Callable[[str], pa.Table], str], tuple[pa.Table, pa.Table]]] = {
    "aave_steth_2023-06": aave_steth.read,
    compound_v2.FOLDER: compound_v2.read,
    inverse_frontier.FOLDER: inverse_frontier.read,
}


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

    A name is looked up beside the world, then in the folder $DELEVER_DATA. Only files below one of these are read, links
    followed, but for those that the user himself named.
    """

    def __init__(self, folder: Path | str | None = None, own: Iterable[str] | None = None) -> None:
        """own: names that may lead anywhere; None: all."""
        self.folder = None if folder is None else Path(folder)
        self.own = None if own is None else set(own)
        self.hashes: dict[str, str] = {}  # name asked for -> sha256 of the bytes read
        self.notes: list[str] = []  # what readers left out, and could not know
        self.rows: list[RowsRead] = []  # of the books

    def path(self, name: str) -> Path:
        """The file or folder of that name."""
        data = os.environ.get(DATA)
        folders = [*([self.folder] if self.folder else []), *([Path(data)] if data else [])]
        candidates = [Path(name)] if Path(name).is_absolute() else [folder / name for folder in folders]
        allowed = [one for one in candidates if self.is_own(name) or is_below(one, folders)]
        found = next((one for one in candidates if exists(one)), None)
        if found in allowed:
            return found
        if found is not None or (candidates and not allowed):
            raise InputError("is outside of the world's folder", "", name,
                             f"put it there or below {DATA}; --allow-outside reads it all the same, where you trust the world")
        unset = "" if data else ", which is not set"
        raise InputError("file not found", "", name, f"set {DATA}{unset}, to the folder with it, or give a full path")

    def is_own(self, name: str) -> bool:
        """Whether the user named it, or a folder that it is in, himself."""
        return self.own is None or any(name == own or name.startswith(f"{own}/") for own in self.own)

    def read(self, name: str) -> bytes:
        """The bytes of a file; they are what its hash is of."""
        found = content(self.path(name), remedy="give a file that can be read")
        self.hashes[name] = hashlib.sha256(found).hexdigest()
        return found

    def json(self, name: str, lists: bool = False) -> Any:
        """A JSON file whose top is an object, or where `lists` may be a list of objects."""
        where = str(self.path(name))
        value = json_of(self.read(name), where)
        listed = lists and isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
        if not isinstance(value, dict) and not listed:
            raise InputError("is not a JSON object", where, value, "write {...} at its top")
        return value

    def table(self, name: str, texts: Mapping[str, pa.DataType] | None = None) -> pa.Table:
        """A table in a .csv, .csv.gz or .parquet file. texts: types of columns of a CSV file, whatever they look like."""
        return table(self.read(name), name, str(self.path(name)), texts)

    def book(self, name: str) -> BookTables:
        """A book of positions: a long-format .csv or .parquet file, or DATASET/PART with a reader of its own."""
        folder, _, part = name.rpartition("/")
        reader = READERS.get(folder.rpartition("/")[2])
        if reader is None:
            return BookTables(self.table(name, AS_TEXT), pa.table({}))
        if self.own is not None and self.is_own(name):
            self.own.add(folder)
        return BookTables(*reader(lambda file: self.table(f"{folder}/{file}"), part))

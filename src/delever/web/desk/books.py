"""A book that was dropped on the page: read with guessed columns, shown before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from delever.ingest.own_columns import OURS
from delever.ingest.own_import import import_book
from delever.ingest.own_totals import totals_of
from delever.model.book import Book, write_table
from delever.model.errors import InputError
from delever.web.desk.state import Desk


def read(desk: Desk, files: Sequence[str], kind: str, protocol: str, mapping: Mapping[str, str], names: Mapping[str, str],
         out: str) -> dict[str, Any]:
    """Read it, write it to `out` as a world reads it; what was read, guessed and dropped, and its totals."""
    found = import_book(files, kind, mapping=dict(mapping), names=dict(names))
    Book.from_table(found.table, where="book as read", protocol=protocol)  # every row is checked as a world does
    write_table(found.table, Path(out))
    short = {file: Path(file).name for file in files}
    return {
        "read": [_short(line, short) for line in found.read],
        "columns": [(theirs, ours) for columns in found.columns.values() for theirs, ours in columns.items()],
        "ours": list(OURS[kind]),
        "dropped": [_short(line, short) for line in found.dropped],
        "unknown": found.unknown,
        "totals": totals_of(found.table),
        "stated": [(one.name, one.given, one.found, one.apart) for one in found.stated],
        "assets": sorted(set(found.table["asset" if "asset" in found.table.column_names else "instrument"].to_pylist())),
        "known": list(desk.loaded.assets),
        "out": out,
    }


def draft(desk: Desk, folder: str) -> str:
    """The world among files that were dropped together. InputError: there is none."""
    files = sorted(file for file in Path(folder).iterdir() if file.suffix.lower() in (".yaml", ".yml"))
    if len(files) != 1:
        raise InputError(f"has {len(files)} worlds", "files", None, "drop one .yaml file with the books that it names")
    return str(files[0])


def _short(line: str, names: Mapping[str, str]) -> str:
    """A line without the folders of files."""
    for path, name in names.items():
        line = line.replace(path, name)
    return line

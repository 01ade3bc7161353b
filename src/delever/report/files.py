"""Tables and texts on disk, whole or not at all; and JSON that any reader takes."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from delever import __version__
from delever.model.errors import InputError, StoppedError

CONCENTRATION = "concentration.parquet"  # beside the tables of a run: the figures without each of the largest owners

SCHEMA = 1  # of documents: one more whenever a key goes, or means something else; not where one is added


def check_target(path: Path | None, suffixes: Collection[str]) -> None:
    """Refuse a file that cannot be written, before the work."""
    if path is None:
        return
    wanted = " or ".join(sorted(suffixes))
    if path.suffix.lower() not in suffixes:
        raise InputError("cannot be written", "output file", str(path), f"end its name in {wanted}")
    if path.is_dir():
        raise InputError("cannot be written", "output file", str(path), "it is a folder; name a file")
    if not path.absolute().parent.is_dir():
        raise InputError("cannot be written", "output file", str(path), f"make the folder {path.parent} first")


def write_table(table: pa.Table, path: Path) -> None:
    """A table as CSV or Parquet, by the file's name."""
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix.lower() == ".parquet":
        replace(path, lambda temporary: pyarrow.parquet.write_table(table, temporary))
    else:
        replace(path, lambda temporary: pyarrow.csv.write_csv(table, temporary))


def write_text(text: str, path: Path) -> None:
    """A text in UTF-8."""
    replace(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[str], object]) -> None:
    """Write beside the target and move: a reader sees the old file or the new one, never half of one."""
    try:
        _replace(path, write)
    except OSError as error:
        raise StoppedError(f"{path} cannot be written: {error.strerror or error}; put that right and start the same command again"
                           ) from error


def _replace(path: Path, write: Callable[[str], object]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(temporary)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp's files are private; results are not
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def json_document(command: str, content: Mapping[str, object]) -> str:
    """What a command prints with --json: which schema it follows (docs/json.md), the program's version, its content."""
    return json_text({"schema": f"delever.{command}/{SCHEMA}", "version": __version__, **content})


def json_text(value: object) -> str:
    """Strict JSON: dates as ISO 8601, durations in seconds, what is not a number as null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, pa.Table):  # columns are keys: their words are joined
        return _plain(value.rename_columns([name.replace(" ", "_") for name in value.column_names]).to_pylist())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, (str, int)):
        return value
    return _scalar(value)


def _scalar(value: object) -> object:
    """NumPy's and Arrow's scalars by their value; anything else by its text."""
    for name in ("item", "as_py"):
        get = getattr(value, name, None)
        if callable(get):
            return _plain(get())
    return str(value)

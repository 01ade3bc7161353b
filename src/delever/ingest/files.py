"""Every file is opened here: a regular one of bounded size, as bytes, text, JSON or a table; and only where it may lie."""

from __future__ import annotations

import io
import json
import os
import stat
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from delever.model.errors import InputError

LARGEST = 4 * 2**30  # bytes of a file, and of what a compressed one holds; assumption: a book of 100 million legs is 3 GiB
LARGEST_TEXT = 16 * 2**20  # bytes of a world or another text; assumption: a thousand of our largest
MOST_CELLS = 2 * 10**9  # of a Parquet file, whose runs of one value take no bytes
GZIP, ZIP, ZSTD = b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
PACKED = {GZIP: "gzip", ZIP: "ZIP", ZSTD: "zstd"}  # first bytes -> how it is packed
EMPTY = ["", "NA", "N/A", "n/a", "NULL", "null"]  # cells of a CSV file without a value; NaN is a wrong one
# Columns of books that are text whatever they look like: an account may be called 007.
TEXTS = ("protocol", "market", "account", "owner", "asset", "side", "label", "instrument", "margin_mode", "collateral_asset",
         "unit")
AS_TEXT = {name: pa.string() for name in TEXTS}
HALF_A_SIGN = "\\ud"  # begins what JSON writes of a pair of surrogates, one of which is no character
ANEW = "it is damaged or not what its name says: get it anew"


def content(path: Path, where: str = "", remedy: str = "name a file that can be read", most: int = LARGEST) -> bytes:
    """The bytes of a regular file. where: names it in errors, itself if not given."""
    where = where or str(path)
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):
            what = "it is a folder" if stat.S_ISDIR(kind.st_mode) else "it is a device or a pipe, and no file"
            raise InputError("cannot be read", where, what, remedy)
        if kind.st_size > most:
            raise _too_large(where, most, f"{kind.st_size / 2**20:,.0f} MiB")
        with path.open("rb") as file:
            found = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if isinstance(error, InputError):
            raise
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None)
        raise InputError("cannot be read", where, reason or "no file can have such a name", remedy) from None
    if len(found) > most:  # it grew meanwhile, or its size is not what it says
        raise _too_large(where, most)
    return found


def _too_large(where: str, most: int, value: object = None) -> InputError:
    return InputError("is too large", where, value, f"at most {most / 2**20:,.0f} MiB are read")


def text(path: Path, where: str = "", remedy: str = "name a text file") -> str:
    """A text in UTF-8, with or without a mark at its start."""
    where = where or str(path)
    return decoded(content(path, where, remedy, LARGEST_TEXT), where, remedy)


def decoded(found: bytes, where: str, remedy: str = "save it as UTF-8") -> str:
    """Bytes as text; what is packed is named as such."""
    packed = next((kind for first, kind in PACKED.items() if found.startswith(first)), None)
    if packed is not None:
        raise InputError("is compressed", where, packed, "unpack it first")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("cannot be read", where, "it is not text", remedy) from None


def unpacked(found: bytes, where: str, most: int = LARGEST) -> bytes:
    """What a gzip file holds, or the bytes themselves where they are none; never more than `most`."""
    parts, size = [], 0
    while found.startswith(GZIP):
        stream = zlib.decompressobj(31)
        try:
            parts.append(stream.decompress(found, most + 1 - size))
        except zlib.error as error:
            raise InputError("cannot be unpacked", where, str(error), ANEW) from None
        size += len(parts[-1])
        if size > most:
            raise _too_large(where, most, "unpacked")
        if not stream.eof:
            raise InputError("cannot be unpacked", where, "it ends in the middle", ANEW)
        found = stream.unused_data
    return b"".join(parts) if parts else found


def json_of(found: bytes | str, where: str, remedy: str = "mend the file") -> Any:
    """What JSON says; a name that stands twice in an object is refused: the first would be lost in silence."""
    said = found if isinstance(found, str) else decoded(found, where)
    try:
        value = json.loads(said, object_pairs_hook=_object)
        if HALF_A_SIGN in said.lower() and not is_unicode(json.dumps(value, ensure_ascii=False)):
            raise InputError("has a sign that is no character", remedy=remedy)
        return value
    except RecursionError:
        raise InputError("is nested too deep", where, remedy=remedy) from None
    except InputError as error:
        raise error.at(where) from None
    except ValueError as error:
        raise InputError("is not JSON", where, str(error), remedy) from None


def is_unicode(said: str) -> bool:
    """Whether a text is made of characters alone: no halves of a pair, which no file can hold.

    >>> is_unicode("é"), is_unicode(chr(0xD800))
    (True, False)
    """
    try:
        said.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("stands twice in an object", value=twice, remedy="keep one")
    return found


def table(found: bytes, name: str, where: str, texts: Mapping[str, pa.DataType] | None = None) -> pa.Table:
    """A table of the bytes of a .csv, .csv.gz or .parquet file. texts: types of columns of a CSV, whatever they look like."""
    if not name.endswith((".csv", ".csv.gz", ".parquet")):
        raise InputError("is not a table", where, Path(name).suffix, "give a .csv, .csv.gz or .parquet file")
    if name.endswith(".csv") and found.startswith(GZIP):
        raise InputError("is compressed", where, remedy="end its name with .csv.gz")
    kind = "Parquet" if name.endswith(".parquet") else "CSV"
    try:
        read = _parquet(found, where) if kind == "Parquet" else _csv(unpacked(found, where), texts or {})
        twice = next((column for column in read.column_names if read.column_names.count(column) > 1), None)
        if twice is not None:
            raise InputError("a column stands twice", where, twice or "(without a name)", "keep one, or name them apart")
        return read
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rpartition("'<Buffer>': ")[2]
        raise InputError(f"cannot be read as {kind}", where, reason, ANEW) from None


def _csv(found: bytes, texts: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow.csv

    options = pyarrow.csv.ConvertOptions(null_values=EMPTY, column_types=texts)
    return pyarrow.csv.read_csv(io.BytesIO(found), convert_options=options)


def _parquet(found: bytes, where: str) -> pa.Table:
    import pyarrow.parquet as parquet  # with it much is loaded that a CSV does not need

    file = parquet.ParquetFile(io.BytesIO(found))
    if file.metadata.num_rows * max(1, file.metadata.num_columns) > MOST_CELLS:
        raise InputError("is too large", where, f"{file.metadata.num_rows:,} rows", f"at most {MOST_CELLS:,} cells are read")
    read = file.read()
    read.validate(full=True)  # texts that are none, offsets that lead nowhere
    return read


def exists(path: Path) -> bool:
    """Whether there is something of that name; a name that nothing can have is of nothing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_below(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path, links followed, lies in one of these folders."""
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return False
    return any(Path(real).is_relative_to(os.path.realpath(folder)) for folder in folders)

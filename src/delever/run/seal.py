"""What is believed of a run folder: regular files, whole, whose content is what was written. No link is followed.

A file is written to a neighbour and moved, so that it appears whole or not at all; what it must hold to be believed later is its
sha256, which stands in the manifest or in the file's own name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from delever.model.errors import InputError

READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
BEING_WRITTEN = re.compile(r".+\.(json|parquet)\.\d+\.part")  # names of neighbours, with the number of the process


def digest(content: bytes) -> str:
    """sha256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_file(path: Path) -> bytes:
    """The content of a regular file. OSError: there is none, or a link, a folder, a pipe or a device stands there."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    handle = os.open(path, READ)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes) -> str:
    """Whole or not at all, and on the disk when this returns; its digest. A link of that name is replaced, not followed."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:  # x: nothing stands there, a link neither
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if FOLDER:  # of names, where the system knows how
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return digest(content)


def as_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def write_table(path: Path, table: pa.Table) -> str:
    """A Parquet file, as write_file."""
    return write_file(path, as_parquet(table))


def read_table(path: Path, expected: str) -> pa.Table:
    """The table that was written. OSError: it cannot be read; ValueError: the file's digest is not the expected one."""
    content = read_file(path)
    if digest(content) != expected:
        raise ValueError("it is not what was written there")
    return pq.read_table(pa.BufferReader(content))


def is_folder(path: Path, remedy: str) -> bool:
    """Whether a folder stands there, False: nothing does. InputError with the remedy: something else, a link to a folder too."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(mode):
        raise InputError("is a symbolic link, and none is followed", str(path), None, remedy)
    if not stat.S_ISDIR(mode):
        raise InputError("is not a folder", str(path), None, remedy)
    return True

"""A run folder: a manifest, a part a finished chunk, and at the end the tables, with their digests in the manifest."""

from __future__ import annotations

import errno
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

from delever.model.book import Book
from delever.model.errors import InputError, RunWarning, StoppedError
from delever.run.chunk import ChunkResult
from delever.run.parts import SAFETY, NotOursError, read_part, write_part
from delever.run.seal import (
    BEING_WRITTEN,
    FOLDER,
    digest,
    is_folder,
    read_file,
    read_table,
    write_file,
    write_table,
)

MANIFEST, PARTS = "manifest.json", "parts"
SEAL = "seal"  # of the manifest: the digest of the rest of it
BESIDE = "beside"  # in the manifest: digests of tables that are made after the run, and made anew where they do not fit
MADE = "made"  # in the manifest: the command, when it began, how long it took
TABLES = ("paths", "history", "prices", "trace", "summary")
OTHER, AWAY = "name another with --out", "move it away"
ANEW = "name another folder with --out, or delete this one"
PATIENCE = 0.5  # [s]: workers of a run that was killed hold its lock for a moment
BUSY = (errno.EWOULDBLOCK, errno.EACCES)  # what a lock that somebody else holds answers
IDENTITY = {"world_hash": "world", "inputs": "state of the input files", "program": "version of the program",
            "trace": "choice of traced paths"}  # what tells runs apart, in words


def describe(value: Any) -> Any:
    """A spec as plain JSON: what two runs must share to be the same."""
    if isinstance(value, Book):
        return {"book": value.fingerprint()}
    if isinstance(value, BaseModel):
        fields = {name: describe(getattr(value, name)) for name in type(value).model_fields}
        kind = getattr(type(value), "kind", "")
        return {"kind": kind, **fields} if kind else fields
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def fingerprint(description: Any) -> str:
    """sha256 of plain JSON."""
    return digest(json.dumps(description, sort_keys=True).encode())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder, as it was written. OSError: it cannot be read; InputError: it is damaged."""
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = dict(json.loads(read_file(path).decode("utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError("is damaged", str(path), str(error), ANEW) from None
    if found.pop(SEAL, None) != fingerprint(found):
        raise InputError("is damaged", str(path), "it is not what was written there", ANEW)
    return found


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """With its own digest in it."""
    sealed = {**manifest, SEAL: fingerprint(manifest)}
    write_file(folder / MANIFEST, json.dumps(sealed, indent=1, sort_keys=True).encode())


def read_tables(folder: Path, manifest: Mapping[str, Any]) -> dict[str, pa.Table]:
    """The tables of a complete run, by name. InputError names the file that is no longer what was written."""
    found = {}
    for name, expected in manifest["tables"].items():
        path = folder / f"{name}.parquet"
        try:
            found[name] = read_table(path, expected)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError("has changed since the run", str(path), reason, "put it back, or delete the run's folder and run it "
                             "anew") from None
    return found


def keep_beside(folder: Path, manifest: dict[str, Any], name: str, table: pa.Table) -> None:
    """Write a table beside those of the run, and its digest into the manifest."""
    try:
        digests = {**manifest.get(BESIDE, {}), name: write_table(folder / name, table)}
        manifest[BESIDE] = digests
        write_manifest(folder, manifest)
    except OSError as error:
        raise StoppedError(f"{folder / name} cannot be written: {error.strerror}; the run beside it is complete") from error


def kept_beside(folder: Path, manifest: Mapping[str, Any], name: str) -> pa.Table | None:
    """Such a table, as it was written; None: there is none."""
    try:
        return read_table(folder / name, manifest.get(BESIDE, {})[name])
    except (KeyError, OSError, ValueError):
        return None


def is_leftover(path: Path) -> bool:
    """Whether it is a file that was being written when a run was killed."""
    return BEING_WRITTEN.fullmatch(path.name) is not None and not path.is_dir()


class Store:
    """The files of one run."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """identity: what tells this run from others; a folder of another run is refused."""
        self.folder, self.parts_folder = folder, folder / PARTS
        self.identity, self.key = dict(identity), fingerprint(dict(identity))
        self.manifest: dict[str, Any] = {**self.identity, "status": "running"}
        self.lock: int | None = None
        self.believed: list[Path] = []  # parts
        self.said: set[str] = set()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.lock is not None:
            os.close(self.lock)

    def open(self) -> bool:
        """Make the folder, or check that it is ours; True if the run is complete."""
        try:
            if "\0" in str(self.folder):
                raise OSError(errno.EINVAL, "it has a NUL in its name")
            if is_folder(self.folder, OTHER) and not self.found() and not all(map(is_leftover, self.folder.iterdir())):
                raise InputError("is not empty and holds no run", str(self.folder), None, "name another folder with --out")
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.complete:
                self.claim()
                if not self.found():
                    write_manifest(self.folder, self.manifest)
                self.check_places()
            else:
                self.look()
                self.tidy()  # it may have been killed just before
        except OSError as error:
            raise InputError("cannot be written", str(self.folder), error.strerror, OTHER) from None
        return self.complete

    @property
    def complete(self) -> bool:
        """Whether all tables stand."""
        return bool(self.manifest.get("status") == "complete")

    def found(self) -> bool:
        """Read the manifest, if there is one; it must be that of our run."""
        if not os.path.lexists(self.folder / MANIFEST):
            return False
        try:
            found = read_manifest(self.folder)
        except OSError as error:
            raise InputError("cannot be read", str(self.folder / MANIFEST), error.strerror, ANEW) from None
        for key, value in self.identity.items():
            if found.get(key) != value:
                raise InputError(f"is the run of another {IDENTITY.get(key, key)}", str(self.folder), None, ANEW)
        self.manifest = found
        return True

    def claim(self) -> None:
        """Keep other processes out until this one ends: a lock on the folder, which no kill leaves behind."""
        if fcntl is None:
            return
        self.lock = os.open(self.folder, os.O_RDONLY | FOLDER)
        until = monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in BUSY and monotonic() > until:
                    raise InputError("is being written by another process", str(self.folder), None,
                                     "wait for it, or name another folder with --out") from None
                if error.errno in BUSY:
                    sleep(0.02)
                    continue
            return  # also where the file system knows no locks

    def check_places(self) -> None:
        """Refuse at the start what could not be written at the end."""
        is_folder(self.parts_folder, AWAY)
        for name in (*TABLES, *SAFETY):
            path = self.folder / f"{name}.parquet"
            if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
                raise InputError("is no regular file, and a table of the run goes there", str(path), None, AWAY)

    def check_held(self) -> None:
        """OSError where the folder that was opened was deleted, moved or replaced while the run went on."""
        if self.lock is not None and not os.path.samestat(os.fstat(self.lock), self.folder.lstat()):
            raise OSError(errno.ENOENT, "it was replaced while the run went on", str(self.folder))

    def add(self, result: ChunkResult) -> None:
        """Keep a finished chunk."""
        self.check_held()
        if not is_folder(self.parts_folder, AWAY):
            self.parts_folder.mkdir()
        write_part(self.parts_folder, self.key, result)

    def look(self) -> tuple[list[ChunkResult], list[str]]:
        """Parts that are believed, in the order of their paths; and what is said of the others."""
        found, others = list[tuple[Path, ChunkResult]](), list[str]()
        for path in sorted(self.parts_folder.iterdir()) if is_folder(self.parts_folder, AWAY) else []:
            if is_leftover(path):
                continue
            try:
                part = read_part(path, self.key)
            except NotOursError as error:
                others.append(f"{path} {error}")
                continue
            if found and part.first_path < found[-1][1].end:
                others.append(f"{path} holds paths that another part holds too")
                continue
            found.append((path, part))
        self.believed = [path for path, _ in found]
        return [part for _, part in found], others

    def parts(self) -> list[ChunkResult]:
        """Finished chunks, in the order of their paths. What else lies there is named once, and left where it is."""
        found, others = self.look()
        for line in sorted({*others} - self.said):
            warnings.warn(f"{line}; it is left alone, and paths that are missing are simulated again", RunWarning, stacklevel=3)
        self.said |= {*others}
        return found

    def finish(self, tables: Mapping[str, pa.Table], more: Mapping[str, Any]) -> None:
        """Write the tables, then say so in the manifest, then drop the parts."""
        self.check_held()
        written = {name: write_table(self.folder / f"{name}.parquet", table) for name, table in tables.items()}
        self.manifest.update(more, status="complete", tables=written)
        write_manifest(self.folder, self.manifest)
        self.tidy()

    def tidy(self) -> None:
        """Drop what a complete run has no use for: its parts, and files that were being written when it was killed."""
        inside = self.parts_folder.iterdir() if is_folder(self.parts_folder, AWAY) else ()
        for path in (*self.believed, *filter(is_leftover, (*inside, *self.folder.iterdir()))):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # there is none, or it holds what is not ours
            self.parts_folder.rmdir()

    def tables(self) -> dict[str, pa.Table]:
        """The tables of a complete run, those that its manifest names."""
        return read_tables(self.folder, self.manifest)

"""A run folder: a manifest, a part a finished chunk, and at the end the tables. Every file appears whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

from delever.engine.probes import BINS, BUCKETS, HISTORIES
from delever.ingest.files import content, json_of
from delever.model.book import Book
from delever.model.errors import InputError
from delever.run.chunk import ChunkResult

MANIFEST, PARTS = "manifest.json", "parts"
TABLES = ("paths", "history", "trace", "summary")
SAFETY = ("timeline", "adl", "perps")  # besides, where a protocol's mechanisms declare amounts
PART = ".part"  # ends the name of a file that is being written
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
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """To a neighbour first, then moved."""
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_table(path: Path, table: pa.Table) -> None:
    """A Parquet file that appears whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_atomically(path, sink.getvalue().to_pybytes())


def packed(table: pa.Table) -> bytes:
    """A table as text that the metadata of another can hold."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return base64.b64encode(sink.getvalue())


def unpacked(text: bytes) -> pa.Table:
    """That table."""
    return pq.read_table(pa.BufferReader(base64.b64decode(text)))


class Store:
    """The files of one run."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """identity: what tells this run from others; a folder of another run is refused."""
        self.folder = folder
        self.identity = dict(identity)
        self.manifest: dict[str, Any] = {**self.identity, "status": "running"}
        self.lock: BinaryIO | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *raised: object) -> None:
        if self.lock is not None:
            self.lock.close()

    def open(self) -> bool:
        """Make the folder, or check that it is ours; True if the run is complete."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError("is not a folder", str(self.folder), None, "name another with --out")
        manifest = self.folder / MANIFEST
        if manifest.exists():
            self.manifest = self.checked(manifest)
            complete = bool(self.manifest.get("status") == "complete")
            if complete:
                self.tidy()  # it may have been killed just before
            else:
                self.claim()
            return complete
        if self.folder.exists() and any(path.suffix != PART for path in self.folder.iterdir()):
            raise InputError("is not empty and holds no run", str(self.folder), None, "name another folder with --out")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.save()
        except OSError as error:
            raise InputError("cannot be written", str(self.folder), error.strerror, "name another with --out") from None
        self.claim()
        return False

    def claim(self) -> None:
        """Keep other processes out until this one ends: a lock on the manifest, which no kill leaves behind."""
        if fcntl is None:
            return
        self.lock = (self.folder / MANIFEST).open("rb")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.lock.close()
            raise InputError("is being written by another process", str(self.folder), None,
                             "wait for it, or name another folder with --out") from None

    def checked(self, manifest: Path) -> dict[str, Any]:
        """The manifest, if it is that of our run."""
        anew = "name another folder with --out, or delete this one"
        found: Any = json_of(content(manifest), str(manifest), anew)
        if not isinstance(found, dict):
            raise InputError("is damaged", str(manifest), found, anew)
        for key, value in self.identity.items():
            if found.get(key) != value:
                raise InputError(f"is the run of another {IDENTITY.get(key, key)}", str(self.folder), None, anew)
        return found

    def save(self) -> None:
        """Write the manifest."""
        write_atomically(self.folder / MANIFEST, json.dumps(self.manifest, indent=1, sort_keys=True).encode())

    def add(self, result: ChunkResult) -> None:
        """Keep a finished chunk."""
        last = result.first_path + result.paths.num_rows
        extra = {b"history": base64.b64encode(result.history.tobytes()), b"trace": json.dumps(result.trace).encode(),
                 **{name.encode(): packed(table) for name, table in result.safety.items()}}
        table = result.paths.replace_schema_metadata(extra)
        (self.folder / PARTS).mkdir(exist_ok=True)
        write_table(self.folder / PARTS / f"{result.first_path:09d}-{last:09d}.parquet", table)

    def parts(self) -> list[ChunkResult]:
        """Finished chunks, in the order of their paths."""
        out = []
        for path in sorted((self.folder / PARTS).glob("*.parquet")):
            try:
                table = pq.read_table(path)
                meta = table.schema.metadata or {}
                history = np.frombuffer(base64.b64decode(meta[b"history"]), np.int64).reshape(len(HISTORIES), BINS, BUCKETS)
                trace = [tuple(row) for row in json.loads(meta[b"trace"])]
                safety = {name: unpacked(meta[name.encode()]) for name in SAFETY if name.encode() in meta}
            except (pa.ArrowException, OSError, ValueError, KeyError):
                path.unlink()  # it will be run again
                continue
            out.append(ChunkResult(int(path.name[:9]), table.replace_schema_metadata(None), history, trace, safety))
        return out

    def finish(self, tables: Mapping[str, pa.Table], more: Mapping[str, Any]) -> None:
        """Write the tables, then say so in the manifest, then drop the parts."""
        for name, table in tables.items():
            write_table(self.folder / f"{name}.parquet", table)
        self.manifest.update(more, status="complete", tables=list(tables))
        self.save()
        self.tidy()

    def tidy(self) -> None:
        """Drop what a complete run has no use for: its parts, and files that were being written when it was killed."""
        for path in (*(self.folder / PARTS).glob("*"), *self.folder.glob(f"*{PART}")):
            path.unlink()
        if (self.folder / PARTS).exists():
            (self.folder / PARTS).rmdir()

    def tables(self) -> dict[str, pa.Table]:
        """The tables of a complete run, those that its manifest names."""
        found = {}
        for name in self.manifest["tables"]:
            path = self.folder / f"{name}.parquet"
            try:
                found[name] = pq.read_table(path)
            except (pa.ArrowException, OSError) as error:
                reason = str(error).splitlines()[0].rpartition("': ")[2] if path.exists() else "there is no such file"
                raise InputError("cannot be read as a table", str(path), reason, "delete the run's folder and run it anew"
                                 ) from None
        return found

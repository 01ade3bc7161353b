"""A finished chunk as a file: FIRST-END-DIGEST.parquet, of paths FIRST to END - 1, the digest that of its content.

So a part proves itself: it is believed if it holds what its name says, of this run, and paths that no other part holds. What does
not is left where it lies, and its paths are simulated again.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from delever.engine.probes import BUCKETS, HISTORIES
from delever.run.chunk import ChunkResult
from delever.run.seal import as_parquet, digest, read_file, write_file

SAFETY = ("timeline", "adl", "perps")  # besides, where a protocol's mechanisms declare amounts
DIGITS = 16  # of the sha256, in the name
NAME = re.compile(r"(\d{9,})-(\d{9,})-([0-9a-f]{16})\.parquet")


class NotOursError(ValueError):
    """What lies there is not believed; the text says why."""


def write_part(folder: Path, run: str, result: ChunkResult) -> None:
    """Keep a finished chunk. run: what tells the run from others."""
    extra = {"run": run.encode(), "first": str(result.first_path).encode(),
             "history": base64.b64encode(result.history.tobytes()),
             "prices": base64.b64encode(result.prices.tobytes()), "trace": json.dumps(result.trace).encode(),
             **{name: base64.b64encode(as_parquet(table)) for name, table in result.safety.items()}}
    content = as_parquet(result.paths.replace_schema_metadata(extra))
    write_file(folder / f"{result.first_path:09d}-{result.end:09d}-{digest(content)[:DIGITS]}.parquet", content)


def read_part(path: Path, run: str) -> ChunkResult:
    """The chunk that was kept. NotOursError: it is no part of the run, or no longer what it was."""
    named = NAME.fullmatch(path.name)
    if named is None:
        raise NotOursError("is no part of a run")
    try:
        content = read_file(path)
    except OSError as error:
        raise NotOursError(f"cannot be read: {error.strerror}") from None
    if digest(content)[:DIGITS] != named[3]:
        raise NotOursError("is damaged: it does not hold what was written")
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        raise NotOursError("is no part of a run") from None
    meta = table.schema.metadata or {}
    if meta.get(b"run") != run.encode():
        raise NotOursError("is a part of another run")
    first = int(meta[b"first"])
    if (first, first + table.num_rows) != (int(named[1]), int(named[2])):
        raise NotOursError(f"holds paths {first} to {first + table.num_rows - 1}, not those of its name")
    history = np.frombuffer(base64.b64decode(meta[b"history"]), np.int64).reshape(2, len(HISTORIES), -1, BUCKETS)
    prices = np.frombuffer(base64.b64decode(meta[b"prices"]), np.int64).reshape(-1, 5)
    trace = [tuple(row) for row in json.loads(meta[b"trace"])]
    safety = {name: pq.read_table(pa.BufferReader(base64.b64decode(meta[name.encode()])))
              for name in SAFETY if name.encode() in meta}
    return ChunkResult(first, table.replace_schema_metadata(None), history, prices, trace, safety)

"""Why figures changed between two runs on the same paths, kept beside the first one: what lies between them is not run twice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa

from delever.analysis.change import SETTINGS, Change, Changing, change
from delever.analysis.change_ends import end_of
from delever.analysis.hybrids import GROUPS
from delever.core.jit import source_hash
from delever.run.store import fingerprint, keep_beside, kept_beside
from delever.run.stress import Run

KEPT = "change-{}.parquet"  # beside a run, by what the other run is
SAID = b"delever.change"  # metadata: what is no column
Tell = Callable[[str, int, int], None]


def change_of(run: Run, other: Run, progress: Tell | None = None, threads: int | None = None) -> Change:
    """`change` of two runs, kept beside the first and read again; nothing is kept where nothing had to be run."""
    known = kept_change(run, other)
    if known is not None:
        return known
    found = change(run, other, progress=progress, threads=threads)
    if run.folder is not None and between(run, other)[1]:
        said = {"names": found.names, "method": found.method, "order": found.order, "settings": found.settings.to_pylist(),
                "notes": found.notes, "worlds": found.worlds}
        metadata = {**(found.table.schema.metadata or {}), SAID: json.dumps(said).encode()}
        keep_beside(run.folder, run.manifest, place(other), found.table.replace_schema_metadata(metadata))
    return found


def kept_change(run: Run, other: Run) -> Change | None:
    """The change that lies beside a run; None: there is none."""
    table = None if run.folder is None else kept_beside(run.folder, run.manifest, place(other))
    if table is None:
        return None
    said = json.loads(table.schema.metadata[SAID])
    return Change((said["names"][0], said["names"][1]), said["method"], tuple(said["order"]), table,
                  pa.Table.from_pylist(said["settings"], schema=SETTINGS), tuple(said["notes"]), said["worlds"])


def place(other: Run) -> str:
    """Under which name it is kept: by world, inputs and program of the other run."""
    return KEPT.format(fingerprint({key: other.manifest.get(key) for key in ("world_hash", "inputs", "program")})[:12])


def between(run: Run, other: Run) -> tuple[list[str], int]:
    """(groups that differ, worlds that must be run to tell their parts apart, at most)."""
    ends, now = (end_of(run, "a"), end_of(other, "b")), source_hash()
    groups = [group for part in Changing(*ends, "sequential", GROUPS, None, None).parts for group in part]
    return groups, max(0, len(groups) - 1) + sum(end.program != now for end in ends)

"""The two ends of a change: worlds, runs, or folders of either, read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from delever.core.jit import source_hash
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.opened import read_folder
from delever.run.seal import is_folder
from delever.run.store import MANIFEST
from delever.run.stress import Run, open_run
from delever.worlds import load

Given = World | Run | str | Path


class Stage(NamedTuple):
    """Figures of one world, or of a run as it was written."""

    model: Model
    paths: pa.Table
    summary: pa.Table

    def values(self) -> dict[str, float]:
        """Figure -> value; nan where there is none."""
        return {row["figure"]: math.nan if row["value"] is None else float(row["value"]) for row in self.summary.to_pylist()}


class End(NamedTuple):
    """One of the two that are compared: its world, what stands of it, and whether the present program made that."""

    world: World
    stage: Stage | None  # None: to be run
    program: str
    known_as: str


def end_of(given: Given, name: str) -> End:
    """What is given, read."""
    now = source_hash()
    if isinstance(given, Run):
        found = Stage(given.model, given.paths, given.summary)
        return End(given.world, found, str(given.manifest.get("program", now)), _called(given.folder, given.world, name))
    if isinstance(given, World):
        return End(given, None, now, given.name if given.name != "world" else name)
    path = Path(given)
    if not (path / MANIFEST).exists():
        return End(load(path), None, now, str(given))
    is_folder(path, "name the folder of a run, or of a world")
    manifest, tables = read_folder(path)
    if manifest["program"] == now:
        run = open_run(path)
        return End(run.world, Stage(run.model, run.paths, run.summary), now, str(given))
    world = load(manifest["world"]).located(Path(manifest["folder"]) if manifest.get("folder") else None, None)
    model = assemble(world)
    for file, digest in model.source.hashes.items():
        if manifest["inputs"].get(file) != digest:
            raise InputError("has changed since the run", str(file), None, "put the file back as it was: positions and prices of "
                             "the run cannot be told apart without it")
    return End(world, Stage(model, tables["paths"], tables["summary"]), str(manifest["program"]), str(given))


def _called(folder: Path | None, world: World, name: str) -> str:
    return str(folder) if folder is not None else world.name if world.name != "world" else name

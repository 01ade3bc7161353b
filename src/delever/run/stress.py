"""A stress test: every path of a world's scenario, kept as it finishes, merged in the order of paths."""

from __future__ import annotations

import errno
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from delever.core.jit import source_hash
from delever.engine.price_counts import added
from delever.engine.probes import BUCKETS, HISTORIES, PER_DECADE, UNIT
from delever.model.errors import InputError, StoppedError
from delever.model.finding import Finding
from delever.model.world import World
from delever.run.asked import (
    Asked,
    asked_table,
    came_about,
    drawn_around,
    few_paths,
    findings_of,
    findings_table,
    notes_found,
    stated,
)
from delever.run.assemble import Model, assemble, chains
from delever.run.by_asset import by_asset
from delever.run.chunk import ChunkResult
from delever.run.figures import summarise
from delever.run.opened import opened
from delever.run.outcomes import ConservationError
from delever.run.parts import SAFETY
from delever.run.plots import exceedance
from delever.run.price_fans import price_quantiles, price_table
from delever.run.replay import replay_model, write_replay
from delever.run.result import Result
from delever.run.store import MADE, TABLES, Store, describe, fingerprint
from delever.run.work import Progress, run_chunks


@dataclass(frozen=True, repr=False)
class Run(Result):
    """Results of a stress test."""

    pictured: ClassVar[int] = 1
    model: Model
    paths: pa.Table  # one row a path
    history: pa.Table  # number of paths by time and size of a cumulative amount
    trace: pa.Table  # every step of the chosen paths
    summary: pa.Table  # figure, value, unit, interval, definition, horizon
    folder: Path | None
    manifest: dict[str, Any]
    prices: pa.Table = field(default_factory=lambda: pa.table({}))  # number of paths by series, time and price
    # of worlds in which a protocol's mechanisms declare amounts (core/columns.py); else without columns
    timeline: pa.Table = field(default_factory=lambda: pa.table({}))  # a row a path, time and protocol: cumulative use of layers
    adl: pa.Table = field(default_factory=lambda: pa.table({}))  # a row a position that ADL closed
    perps: pa.Table = field(default_factory=lambda: pa.table({}))  # figures of each perp of each exchange

    @property
    def world(self) -> World:
        """What was run."""
        return self.model.world

    @cached_property
    def done(self) -> list[Asked]:
        """What the world states, beside what came about of it."""
        return [*stated(self.model), *came_about(self.world, self.paths)]

    @property
    def asked(self) -> pa.Table:
        """The same as a table."""
        return asked_table(self.done)

    @cached_property
    def found(self) -> list[Finding]:
        """What had no effect or was left out, and what rests on few paths."""
        return [*findings_of(self.world, self.done), *notes_found(self.model.source.notes), *few_paths(self.summary),
                *drawn_around(self.paths, self.summary)]

    @property
    def findings(self) -> pa.Table:
        """The same as a table: level, code, what, where, value, remedy."""
        return findings_table(self.found)

    @property
    def main(self) -> pa.Table:
        """See Result: the figures."""
        return self.summary

    @cached_property
    def price_quantiles(self) -> pa.Table:
        """Of each market, outside price and stated feed over time: 5, 25, 50, 75 and 95 % of all paths, to within 0.05 %."""
        return price_quantiles(self.prices)

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: how much is exceeded on which share of paths; of a column, by default of losses."""
        return exceedance(alt, self.paths, *figures)

    def __repr__(self) -> str:
        where = "kept in memory" if self.folder is None else f"in {self.folder}"
        return f"Run of {self.world.name}: {self.summary.num_rows} figures of {self.paths.num_rows:,} paths, {where}"

    def outcomes(self) -> Any:
        """By what people are judged (delever.outcomes): time unhealthy, regret, markouts, loss by party, recovery, buffers."""
        return import_module("delever").outcomes(self)  # a layer above, by its public name

    def report(self, *others: Run, to: str | Path | None = None) -> Path:
        """Write the report as one HTML file, by default into the run's folder; others: variants on the same paths."""
        written: Path = import_module("delever").write_report(self, *others, to=to)  # a layer above, by its public name
        return written

    def twin(self, threads: int | None = None, progress: Progress | None = None) -> Run:
        """The same paths with nobody liquidated: what prices do less there is made by liquidations. See run/twin.py."""
        other: Run = import_module("delever").twin(self, threads, progress).run  # a layer above, by its public name
        return other

    @property
    def tables(self) -> dict[str, pa.Table]:
        """All that have columns, by name."""
        found = {name: getattr(self, name) for name in (*TABLES, *SAFETY)}
        return {name: table for name, table in found.items() if name in TABLES or table.num_columns}


def stress(world: World, out: str | Path | None = None, threads: int | None = None, memory: float | None = None,
           progress: Progress | None = None, trace: list[int] | None = None, chunk: int | None = None,
           keep: bool = True) -> Run:
    """Run every path of the world's scenario.

    out: run folder, by default runs/NAME-HASH; keep=False writes nothing. threads: workers, by default one a core;
    memory: budget of all of them [GiB]. chunk: paths at once
    (by default chosen). progress(stage, done, of) is called from this thread. Interrupted and called again it resumes.
    """
    for name, value in (("threads", threads), ("chunk", chunk)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}", "stress", value, "at least 1")
    if memory is not None and not 0.0 < memory < math.inf:
        raise InputError(f"memory is {memory}", "stress", memory, "write GiB, above 0")
    tell = progress or (lambda stage, done, of: None)
    tell("reading", 0, 1)
    begun = datetime.now(UTC)
    model = assemble(world)
    description, chosen = describe(world), sorted(set(trace or []))
    for path in chosen:
        if not isinstance(path, int) or not 0 <= path < world.scenario.paths:
            raise InputError(f"path {path} is not run", "trace", path, f"paths are numbered 0 to {world.scenario.paths - 1}")
    identity = {"world_hash": fingerprint(description), "inputs": dict(sorted(model.source.hashes.items())),
                "program": source_hash(), "trace": chosen}
    if not keep:
        with stopping(None):
            results = run_chunks(model, [(0, world.scenario.paths)], threads, memory, tell, chosen, chunk)
        return finished(model, results, None, {**identity, "world": description, MADE: made(begun)})
    folder = Path(out) if out is not None else Path("runs") / f"{world.name}-{fingerprint(identity)[:8]}"
    with Store(folder, identity) as store:
        if store.open():
            tell("simulating", world.scenario.paths, world.scenario.paths)
            return Run(model, **store.tables(), folder=folder, manifest=store.manifest)
        with stopping(folder):
            try:
                run_chunks(model, gaps(store.parts(), world.scenario.paths), threads, memory, tell, chosen, chunk, store.add)
            except ConservationError as error:
                written = write_replay(replay_model(model, error.path), folder, error.path)
                raise ConservationError(f"{error}; every transaction of the path stands in {written}", error.path) from error
            results = store.parts()
            if gaps(results, world.scenario.paths):
                raise OSError(errno.EIO, "parts were lost or damaged while the run went on", str(store.parts_folder))
            run = finished(model, results, folder, {**identity, "world": description, "version": version(),
                                                    "folder": str(world.folder) if world.folder else None})
            store.finish(run.tables, {**run.manifest, MADE: made(begun)})
    return replace(run, manifest=store.manifest)


def open_run(folder: str | Path) -> Run:
    """A finished run, from its folder. InputError: see run/opened.py."""
    manifest, tables, model = opened(Path(folder))
    return Run(model, **tables, folder=Path(folder), manifest=manifest)


@contextmanager
def stopping(folder: Path | None) -> Iterator[None]:
    """What ends a run from outside becomes one line that says how to go on. folder: where it is kept, None: nowhere."""
    try:
        yield
    except (BrokenExecutor, MemoryError, OSError) as error:
        kept = folder is not None and folder.is_dir()
        again = f"the same command {'goes on where it stopped' if kept else 'starts anew'}"
        if isinstance(error, OSError):
            line = f"{error.filename or folder}: {error.strerror or error}; put that right, and {again}"
        elif isinstance(error, MemoryError):
            line = f"not enough memory; {again}, with less --memory or fewer --threads"
        else:
            line = f"a worker was killed from outside; {again}, if memory ran out with less --memory or fewer --threads"
        raise StoppedError(f"the run has stopped: {line}") from error


def made(begun: datetime) -> dict[str, Any]:
    """By which command, when, and how long it took [s]; of a run that was resumed the last part of it."""
    called = Path(sys.argv[0])
    typed = called.stem == "delever" or (called.stem, called.parent.name) == ("__main__", "delever")
    return {"command": shlex.join(["delever", *sys.argv[1:]]) if typed else "delever.stress(world)",
            "begun": begun.isoformat(timespec="seconds"), "seconds": round((datetime.now(UTC) - begun).total_seconds(), 3)}


def version() -> str:
    """Of the installed package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("delever")
    except PackageNotFoundError:
        return "unknown"


def gaps(have: list[ChunkResult], paths: int) -> list[tuple[int, int]]:
    """Ranges of paths that no part holds."""
    out, at = [], 0
    for part in have:
        if part.first_path > at:
            out.append((at, part.first_path))
        at = max(at, part.end)
    return [*out, (at, paths)] if at < paths else out


def finished(model: Model, results: list[ChunkResult], folder: Path | None, manifest: dict[str, Any]) -> Run:
    """Merge chunks, in the order of their paths."""
    paths = pa.concat_tables([result.paths for result in results]).combine_chunks()
    counts = np.sum([result.history for result in results], axis=0)
    prices = added([result.prices for result in results])
    trace = [row for result in results for row in result.trace]
    safety = {name: pa.concat_tables([result.safety[name] for result in results]).combine_chunks() for name in results[0].safety}
    if safety:
        safety["perps"] = by_asset(model, paths)
    return Run(model, paths, history_table(model, counts), trace_table(model, trace), summarise(model, paths), folder, manifest,
               price_table(model, prices), **safety)


def history_table(model: Model, counts: np.ndarray) -> pa.Table:
    """Long format: quantity, time [s], at least [USD], paths, their weight."""
    q, t, size = np.nonzero(counts[0])
    time = np.round((t + 1) * model.steps / counts.shape[2]) * model.step_length
    return pa.table({"quantity": pa.array([HISTORIES[i] for i in q], pa.string()), "time": time,
                     "at_least": np.where(size == 0, 0.0, 10.0 ** ((size - 1) / PER_DECADE)), "paths": counts[0, q, t, size],
                     "weight": counts[1, q, t, size] / UNIT})


def trace_table(model: Model, rows: list[tuple[float, ...]]) -> pa.Table:
    """Every step of the chosen paths; step 0 is the start. See engine/probes.py."""
    protocols, networks = list(model.world.protocols), list(chains(model.world))
    names = ["path", "step", "time", *(f"{what}.{pair}" for what in ("price", "outside") for pair in model.layout.rows),
             *(f"{what}.{name}" for what in ("liquidations", "repaid_debt", "deficit") for name in protocols),
             *(f"seen.{protocol}.{asset}" for protocol, asset in model.positions.reserves),
             *(f"age.{feed}" for feed in model.oracles.names),
             *(f"{what}.{name}" for what in ("base_fee", "room") for name in networks),
             *(f"forced_sales.{asset}" for asset in model.layout.assets), "found_no_room", "repaid_debt", "deficit"]
    rows = sorted(rows, key=lambda row: (row[0], row[1]))
    columns = np.array(rows, float).reshape(len(rows), len(names)).T if rows else np.zeros((len(names), 0))
    return pa.table(dict(zip(names, columns, strict=True)))


__all__ = ["BUCKETS", "Run", "open_run", "stress"]

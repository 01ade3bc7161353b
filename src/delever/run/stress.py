"""A stress test: chunks of paths on threads, kept as they finish, the same bits whatever their size and number.

Chunks are handed out as threads come free; their size follows the memory budget and how many accounts a path
touched so far: many paths on a quiet day, few in a crash, so that what is touched stays in cache.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from delever.core.jit import source_hash
from delever.engine.probes import BINS, BUCKETS, HISTORIES, PER_DECADE
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.chunk import ChunkResult, simulate
from delever.run.figures import summarise
from delever.run.store import Store, describe, fingerprint

MEMORY = 2.0  # default budget [GiB]
FIRST, LEAST, LARGEST = 64, 8, 512  # paths in the first chunk of a thread, and in any
TOUCHED_AT_ONCE = 1_000_000  # accounts of a chunk that are copied: more leave the cache, fewer pay more calls a path
SLOT_BYTES = 400  # of a touched account: its copy, its place in two lists, its entries in the wheels

Progress = Callable[[str, int, int], None]  # (stage, done, of)


@dataclass(frozen=True)
class Run:
    """Results of a stress test."""

    model: Model
    paths: pa.Table  # one row a path
    history: pa.Table  # number of paths by time and size of a cumulative amount
    trace: pa.Table  # every step of the chosen paths
    summary: pa.Table  # figure, value, unit, interval, definition, horizon
    folder: Path | None
    manifest: dict[str, Any]

    @property
    def world(self) -> World:
        """What was run."""
        return self.model.world


def stress(world: World, out: str | Path | None = None, threads: int | None = None, memory: float | None = None,
           progress: Progress | None = None, trace: list[int] | None = None, chunk: int | None = None,
           keep: bool = True) -> Run:
    """Run every path of the world's scenario.

    out: run folder, by default runs/NAME-HASH; keep=False writes nothing. memory: budget [GiB]. chunk: paths at once
    (by default chosen). progress(stage, done, of) is called from this thread. Interrupted and called again it resumes.
    """
    if threads is not None and threads < 1:
        raise InputError("threads", "stress", threads, "at least 1")
    tell = progress or (lambda stage, done, of: None)
    tell("reading", 0, 1)
    model = assemble(world)
    description, chosen = describe(world), sorted(set(trace or []))
    for path in chosen:
        if not 0 <= path < world.scenario.paths:
            raise InputError(f"path {path} is not run", "trace", path, f"paths are numbered 0 to {world.scenario.paths - 1}")
    identity = {"world_hash": fingerprint(description), "inputs": dict(sorted(model.source.hashes.items())),
                "program": source_hash(), "trace": chosen}
    if not keep:
        results = run_chunks(model, [(0, world.scenario.paths)], threads, memory, tell, chosen, chunk, None)
        return finished(model, results, None, {**identity, "world": description})
    folder = Path(out) if out is not None else Path("runs") / f"{world.name}-{fingerprint(identity)[:8]}"
    store = Store(folder, identity)
    if store.open():
        tell("simulating", world.scenario.paths, world.scenario.paths)
        tables = store.tables()
        return Run(model, tables["paths"], tables["history"], tables["trace"], tables["summary"], folder, store.manifest)
    have = store.parts()
    missing = gaps(have, world.scenario.paths)
    run_chunks(model, missing, threads, memory, tell, chosen, chunk, store)
    run = finished(model, store.parts(), folder, {**identity, "world": description, "version": version()})
    store.finish({"paths": run.paths, "history": run.history, "trace": run.trace, "summary": run.summary}, run.manifest)
    return run


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
        at = max(at, part.first_path + part.paths.num_rows)
    return [*out, (at, paths)] if at < paths else out


class Dispenser:
    """Hands out the next range of paths; thread-safe."""

    def __init__(self, model: Model, ranges: list[tuple[int, int]], memory: float, threads: int, chunk: int | None) -> None:
        pairs, accounts = len(model.index.falling), len(model.positions.accounts)
        self.path_bytes = pairs * (256 * 4 + 12) + accounts / 8 + 4096
        self.budget = memory * 2**30 / threads
        self.chunk, self.ranges, self.lock = chunk, list(ranges), threading.Lock()
        self.touched, self.paths, self.threads = 0.0, 0, threads

    def size(self) -> int:
        """Paths of the next chunk."""
        if self.chunk is not None:
            return self.chunk
        if self.paths == 0:
            return min(FIRST, max(1, int(self.budget / self.path_bytes)))
        touched = self.touched / self.paths
        fits = self.budget / (self.path_bytes + touched * SLOT_BYTES)
        return max(1, int(min(LARGEST, fits, max(LEAST, TOUCHED_AT_ONCE / max(touched, 1e-9)))))

    def take(self) -> tuple[int, int] | None:
        """(first path, count), or nothing left."""
        with self.lock:
            if not self.ranges:
                return None
            first, last = self.ranges.pop(0)
            left = sum(b - a for a, b in self.ranges) + last - first
            even = max(min(FIRST, left), -(-left // self.threads))  # the last chunks end together, and none is tiny
            count = min(self.size(), last - first, even)
            if first + count < last:
                self.ranges.insert(0, (first + count, last))
            return first, count

    def learn(self, touched: float, paths: int) -> None:
        """What a finished chunk touched."""
        with self.lock:
            self.touched, self.paths = self.touched + touched, self.paths + paths


def run_chunks(model: Model, ranges: list[tuple[int, int]], threads: int | None, memory: float | None, tell: Progress,
               trace: list[int], chunk: int | None, store: Store | None) -> list[ChunkResult]:
    """Run the ranges of paths; parts go to the store, or are returned in the order of their paths."""
    workers = threads or min(os.cpu_count() or 1, 16)
    dispenser = Dispenser(model, ranges, memory or MEMORY, workers, chunk)
    total, todo = model.world.scenario.paths, sum(b - a for a, b in ranges)
    done, results = total - todo, []
    if todo == 0:
        return []
    tell("compiling", 0, 1)
    warm_up(model)
    tell("simulating", done, total)

    def work() -> ChunkResult | None:
        task = dispenser.take()
        if task is None:
            return None
        result = simulate(model, *task, trace)
        dispenser.learn(float(np.sum(result.paths["accounts_touched"])), task[1])
        return result

    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[ChunkResult | None]] = {pool.submit(work) for _ in range(workers)}
        while running:
            finished_now, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished_now:
                result = future.result()
                if result is None:
                    continue
                running.add(pool.submit(work))
                done += result.paths.num_rows
                if store is not None:
                    store.add(result)
                else:
                    results.append(result)
                tell("simulating", done, total)
    return sorted(results, key=lambda result: result.first_path)


def warm_up(model: Model) -> None:
    """Compile, or load, every kernel that this world needs before threads want them at once."""
    from delever.run.warm import every_kernel

    every_kernel(model)


def finished(model: Model, results: list[ChunkResult], folder: Path | None, manifest: dict[str, Any]) -> Run:
    """Merge chunks, in the order of their paths."""
    paths = pa.concat_tables([result.paths for result in results]).combine_chunks()
    counts = np.sum([result.history for result in results], axis=0)
    trace = [row for result in results for row in result.trace]
    return Run(model, paths, history_table(model, counts), trace_table(model, trace), summarise(model, paths), folder, manifest)


def history_table(model: Model, counts: np.ndarray) -> pa.Table:
    """Long format: quantity, time [s], at least [USD], paths."""
    q, t, size = np.nonzero(counts)
    time = np.round((t + 1) * model.steps / BINS) * model.step_length
    return pa.table({"quantity": pa.array([HISTORIES[i] for i in q], pa.string()), "time": time,
                     "at_least": np.where(size == 0, 0.0, 10.0 ** ((size - 1) / PER_DECADE)), "paths": counts[q, t, size]})


def trace_table(model: Model, rows: list[tuple[float, ...]]) -> pa.Table:
    """Every step of the chosen paths."""
    protocols = list(model.world.protocols)
    names = ["path", "step", "time", *(f"price.{pair}" for pair in model.layout.pairs),
             *(f"outside.{pair}" for pair in model.layout.pairs), *(f"liquidations.{name}" for name in protocols),
             "repaid_debt", "deficit"]
    rows = sorted(rows, key=lambda row: (row[0], row[1]))
    columns = np.array(rows, float).reshape(len(rows), len(names)).T if rows else np.zeros((len(names), 0))
    return pa.table(dict(zip(names, columns, strict=True)))


__all__ = ["BUCKETS", "Run", "stress"]

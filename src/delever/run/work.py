"""Chunks of paths on workers: the same bits whatever their size, number or kind.

Chunks are handed out as workers come free; their size follows the memory budget and how many accounts a path touched so
far: many paths on a quiet day, few in a crash, so that what is touched stays in cache.

Workers are forked processes on Linux, threads elsewhere. Kernels release the interpreter's lock, but the phases that
call them take it back some twenty times a step; on a quiet day two threads then wait for each other more than they work
(measured: 1.0 of two cores busy, against 1.9 with processes).
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from mmap import mmap

import numpy as np

from delever.core.elementary import TICKS
from delever.run.assemble import Model, phases
from delever.run.chunk import ChunkResult, simulate
from delever.run.warm import every_kernel

MEMORY = 2.0  # default budget [GiB]
LEAST, LARGEST = 8, 1024  # paths of a chunk
TOUCHED_AT_ONCE = 1_000_000  # accounts of a chunk that are copied: more leave the cache, fewer pay more calls a path
SLOT_BYTES = 400  # of a touched account: its copy, its place in two lists, its entries in the wheels
ALONE = 50_000  # path-steps below which one worker is quicker than making several, where nobody says how many
DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG

Progress = Callable[[str, int, int], None]  # (stage, done, of)
Keep = Callable[[ChunkResult], None]


def in_reach(model: Model) -> int:
    """Accounts that the scenario's events and the typical move of its prices put in reach."""
    known = [phase.moves.sum(axis=0) for phase in phases(model, 1, ()).everybody if phase.moves is not None]
    move = model.prices.spread(model.steps) + float(np.abs(np.sum(known, axis=0)).max(initial=0.0))
    return len(np.unique(model.index.account[model.index.bound <= move * TICKS]))


class Dispenser:
    """Hands out the next range of paths."""

    def __init__(self, model: Model, ranges: list[tuple[int, int]], memory: float, workers: int, chunk: int | None) -> None:
        """ranges: (first, last + 1) of the paths to run; memory: budget of all workers [GiB]; chunk: a size that is asked for."""
        pairs, accounts = len(model.index.falling), len(model.positions.accounts)
        self.path_bytes = pairs * (256 * 4 + 12) + accounts / 8 + 4096
        self.budget = memory * 2**30 / workers
        self.chunk, self.ranges, self.workers = chunk, list(ranges), workers
        self.touched, self.paths = float(in_reach(model)), 1  # a guess, until paths are done
        self.begun = False  # some chunk has finished

    def size(self) -> int:
        """Paths of the next chunk."""
        if self.chunk is not None:
            return self.chunk
        touched = self.touched / self.paths
        fits = self.budget / (self.path_bytes + touched * SLOT_BYTES)
        return max(1, int(min(LARGEST, fits, max(LEAST, TOUCHED_AT_ONCE / max(touched, 1e-9)))))

    def take(self, running: int) -> tuple[int, int] | None:
        """(first path, count), or nothing left. running: chunks handed out and not finished.

        Idle workers share what is left. Once some have finished, the last chunks are halved, so that all end together, but
        not below a quarter of a full one: each costs some calls a step.
        """
        if not self.ranges:
            return None
        first, last = self.ranges.pop(0)
        left, size = sum(b - a for a, b in self.ranges) + last - first, self.size()
        idle = self.workers - running if not self.begun else self.workers
        count = min(size, last - first, max(-(-left // idle), size // 4 if self.begun else 1, LEAST))
        if first + count < last:
            self.ranges.insert(0, (first + count, last))
        return first, count

    def learn(self, result: ChunkResult) -> None:
        """What a finished chunk touched."""
        self.begun = True
        self.touched += float(np.sum(result.paths["accounts_touched"].to_numpy()))
        self.paths += result.paths.num_rows


def run_chunks(model: Model, ranges: list[tuple[int, int]], workers: int | None = None, memory: float | None = None,
               tell: Progress = lambda stage, done, of: None, trace: list[int] | None = None, chunk: int | None = None,
               keep: Keep | None = None) -> list[ChunkResult]:
    """Run the ranges of paths; finished chunks go to `keep`, or are returned in the order of their paths."""
    total, todo = model.world.scenario.paths, sum(b - a for a, b in ranges)
    if todo == 0:
        return []
    small = workers is None and todo * model.steps < ALONE
    count = 1 if small else min(workers or os.cpu_count() or 1, todo)
    dispenser = Dispenser(model, ranges, memory or MEMORY, count, chunk)
    tell("compiling", 0, 1)
    every_kernel(model)
    done, results = total - todo, []
    tell("simulating", done, total)
    halt = memoryview(mmap(-1, 1))  # a byte that forked workers share
    with executor(model, trace or [], count, halt) as pool, halting(halt):
        running: set[Future[ChunkResult]] = set()
        while True:
            while len(running) < count and (task := dispenser.take(len(running))) is not None:
                with signals_wait():
                    running.add(pool.submit(work, *task) if isinstance(pool, ProcessPoolExecutor) else
                                pool.submit(simulate, model, *task, trace or [], halt))
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                result = future.result()
                dispenser.learn(result)
                done += result.paths.num_rows
                if keep is not None:
                    keep(result)
                else:
                    results.append(result)
                tell("simulating", done, total)
    return sorted(results, key=lambda result: result.first_path)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back for the time of a fork: an exception between its two halves is ignored by the interpreter."""
    if threading.current_thread() is not threading.main_thread():  # no handler runs in any other
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in (signal.SIGINT, signal.SIGTERM)
              if signal.getsignal(number) is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for caught in held:
        signal.raise_signal(caught)


@contextmanager
def halting(halt: memoryview) -> Iterator[None]:
    """Whatever ends this early ends the chunks that are being run, after the step that they are at."""
    try:
        yield
    except BaseException:
        halt[0] = 1
        raise


def executor(model: Model, trace: list[int], workers: int, halt: memoryview) -> Executor:
    """Processes that share the model as it is now, or threads. Nothing is gained by more than one for one worker."""
    if workers > 1 and sys.platform == "linux" and multiprocessing.parent_process() is None:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), begin, (model, trace, halt))
    return ThreadPoolExecutor(workers)


_shared: list[tuple[Model, list[int], memoryview]] = []  # of a worker process: what it was forked with


def begin(model: Model, trace: list[int], halt: memoryview) -> None:
    """In a new worker: leave interrupts to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    _shared[:] = [(model, trace, halt)]


def work(first_path: int, count: int) -> ChunkResult:
    """In a worker process: one chunk."""
    model, trace, halt = _shared[0]
    return simulate(model, first_path, count, trace, halt)

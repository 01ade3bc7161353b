"""One chunk of paths from start to end: what a thread does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.core.state import State
from delever.engine.probes import Extremes, History, Trace
from delever.engine.step import step
from delever.run.assemble import Model, new_state, phases
from delever.run.outcomes import tabulate_paths


@dataclass(frozen=True)
class ChunkResult:
    """One row a path, and what merges by adding."""

    first_path: int
    paths: pa.Table
    history: np.ndarray  # [quantities, BINS, BUCKETS] number of paths
    trace: list[tuple[float, ...]]


def simulate(model: Model, first_path: int, count: int, traced: list[int]) -> ChunkResult:
    """Paths first_path .. first_path + count - 1."""
    state, history, trace = run_state(model, first_path, count, traced)
    return ChunkResult(first_path, tabulate_paths(model, state), history.counts, trace.rows)


def run_state(model: Model, first_path: int, count: int, traced: list[int]) -> tuple[State, History, Trace]:
    """The state of a chunk at the end."""
    state = new_state(model, first_path, count)
    history, trace = History(model.steps), Trace(traced)
    chunk = phases(model, count, (Extremes(), history, trace) if traced else (Extremes(), history))
    for _ in range(model.steps):
        step(chunk, state)
    if chunk.arbitrageurs:
        state.naked = chunk.arbitrageurs.naked(state)
    return state, history, trace

"""One chunk of paths from start to end: what a thread does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from delever.core.state import State
from delever.engine.probes import Extremes, History, Probe, Timeline, Trace
from delever.engine.step import step
from delever.run.assemble import Model, new_state, phases
from delever.run.exchange_outcomes import deleveraged_positions, watched
from delever.run.outcomes import tabulate_paths
from delever.run.timeline import timeline_table


@dataclass(frozen=True)
class ChunkResult:
    """One row a path, and what merges by adding."""

    first_path: int
    paths: pa.Table
    history: np.ndarray  # [quantities, BINS, BUCKETS] number of paths
    trace: list[tuple[float, ...]]
    safety: dict[str, pa.Table] = field(default_factory=dict)  # `timeline` and `adl`, where the world has either


def simulate(model: Model, first_path: int, count: int, traced: list[int]) -> ChunkResult:
    """Paths first_path .. first_path + count - 1."""
    seen = watched(model)
    timeline = Timeline(model.steps, seen)
    state, history, trace = run_state(model, first_path, count, traced, [timeline] if seen else [])
    safety = {"timeline": timeline_table(model, first_path, timeline), "adl": deleveraged_positions(model, state)} if seen else {}
    return ChunkResult(first_path, tabulate_paths(model, state), history.counts, trace.rows, safety)


def run_state(model: Model, first_path: int, count: int, traced: list[int], more: Sequence[Probe] = ()
              ) -> tuple[State, History, Trace]:
    """The state of a chunk at the end. more: probes besides those that every run has."""
    history, trace = History(model.steps), Trace(traced)
    chunk = phases(model, count, (Extremes(), history, *([trace] if traced else []), *more))
    state = new_state(model, first_path, count, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    for phase in chunk.everybody:
        if hasattr(phase, "naked"):
            state.naked = phase.naked(state)
    return state, history, trace

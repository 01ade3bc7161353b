"""One chunk of paths from start to end: what a thread does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.core.jit import forget
from delever.core.phase import Phase
from delever.core.state import State
from delever.engine.probes import Extremes, History, Probe, Timeline, Trace
from delever.engine.step import step
from delever.run.assemble import Model, chains, phases
from delever.run.closings import deleveraged_positions
from delever.run.collect import mechanisms_of
from delever.run.judged import probes_of
from delever.run.outcomes import tabulate_paths
from delever.run.price_fans import probe as price_probe
from delever.run.start import new_state
from delever.run.timeline import timeline_table


@dataclass(frozen=True)
class ChunkResult:
    """One row a path, and what merges by adding."""

    first_path: int
    paths: pa.Table
    history: np.ndarray  # [2, quantities, times, BUCKETS] engine/probes.py
    prices: np.ndarray  # [rows, 5] engine/price_counts.py
    trace: list[tuple[float, ...]]
    safety: dict[str, pa.Table] = field(default_factory=dict)  # `timeline` and `adl`, where a protocol declares amounts

    @property
    def end(self) -> int:
        """The path behind its last."""
        return self.first_path + self.paths.num_rows


class Played(NamedTuple):
    """A chunk at the end."""

    state: State
    mechanisms: Sequence[Phase]
    history: History
    trace: Trace


def simulate(model: Model, first_path: int, count: int, traced: list[int], halt: Sequence[int] = (0,)) -> ChunkResult:
    """Paths first_path .. first_path + count - 1. halt: shared with whoever may end it, by another number than 0."""
    timeline, prices = Timeline(model.steps, model.world.scenario.paths), price_probe(model)
    state, mechanisms, history, trace = run_state(model, first_path, count, traced, [prices], timeline, halt)
    grown = timeline_table(model, first_path, timeline)
    safety = {} if grown is None else {"timeline": grown, "adl": deleveraged_positions(model, state)}
    return ChunkResult(first_path, tabulate_paths(model, mechanisms, state), history.counts(state.weight),
                       prices.counts(state.weight), trace.rows, safety)


def run_state(model: Model, first_path: int, count: int, traced: list[int], more: Sequence[Probe] = (),
              timeline: Timeline | None = None, halt: Sequence[int] = (0,)) -> Played:
    """A chunk, run to the end. more: probes besides those that every run has; timeline: filled where one is given.

    CancelledError: after the step in which `halt` was set.
    """
    history, trace = History(model.steps), Trace(traced, len(chains(model.world)))
    probes: list[Probe] = [Extremes(), *probes_of(model), history, *([trace] if traced else []),
                           *([timeline] if timeline else []), *more]
    chunk = phases(model, count, probes)
    state = new_state(model, first_path, count, chunk)
    mechanisms = mechanisms_of(chunk)
    trace.observe(state)
    if timeline is not None:
        timeline.mechanisms = mechanisms
    for _ in range(model.steps):
        step(chunk, state)
        if halt[0]:
            raise CancelledError
    forget()
    return Played(state, mechanisms, history, trace)

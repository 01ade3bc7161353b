"""Worlds that are measured beside each other: one chunk of each in turn, so that what the machine does falls on all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from delever.run.assemble import Model
from delever.run.chunk import simulate
from delever.run.warm import every_kernel


def in_turn(models: Mapping[str, Model], paths: int, repeat: int) -> tuple[dict[str, float], dict[str, pa.Table]]:
    """(CPU time a path and step of each [ns], median of `repeat` rounds; what happened on its paths)."""
    for model in models.values():
        every_kernel(model)
        simulate(model, 0, 2, [])
    taken: dict[str, list[float]] = {name: [] for name in models}
    happened = {}
    for _ in range(repeat):
        for name, model in models.items():
            begun = time.process_time()
            happened[name] = simulate(model, 0, paths, []).paths
            taken[name].append((time.process_time() - begun) / paths / model.steps * 1e9)
    return {name: statistics.median(times) for name, times in taken.items()}, happened


def means(table: pa.Table, *begin: str) -> dict[str, float]:
    """What happened on a path on average, of the columns whose names begin so."""
    return {name: round(float(np.mean(table[name].to_numpy())), 2) for name in table.column_names if name.startswith(begin)}

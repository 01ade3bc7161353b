"""Worlds side by side on the same random numbers: every figure, and how surely it differs from the baseline's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.tables import Column, table
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.figures import summarise
from delever.run.store import describe
from delever.run.stress import Run, stress

RESAMPLES = 400  # of the paths, for intervals
LEVEL = 0.95
LEFT_OUT = ("conservation_residual",)  # says that a run is sound, not how it went
MOST_CHANGES = 2  # named in a column's heading


def compare(world: World, *others: World, names: Sequence[str] | None = None) -> pa.Table:
    """The figures of a baseline and of other worlds: value, difference to the baseline, and its 95 % interval.

    All see the same paths, so differences are paired: the interval is that of a bootstrap which draws the same paths of
    both. names: of the others; by default what was changed in them.
    """
    labels = list(names) if names is not None else [changes(world, other) for other in others]
    if len(labels) != len(others):
        raise InputError("do not fit the worlds", "compare.names", labels, f"give {len(others)}, one a world")
    for other in others:
        for field in ("paths", "seed", "steps"):
            mine, theirs = getattr(world.scenario, field), getattr(other.scenario, field)
            if mine != theirs:
                raise InputError(f"has other {field} than the baseline", "compare", theirs,
                                 f"common random numbers need the same: {mine}")
    runs = [stress(each, keep=False) for each in (world, *others)]
    base = runs[0].summary
    columns = [Column("figure", "", base["figure"]), Column("unit", "", base["unit"]),
               Column("baseline", "", base["value"])]
    for label, run in zip(labels, runs[1:], strict=True):
        low, high = interval(runs[0], run, world.scenario.seed)
        value = _values(run, run.paths, base["figure"].to_pylist())
        columns += [Column(label, "", value), Column(f"{label}: difference", "", value - base["value"].to_numpy()),
                    Column(f"{label}: low", "", low), Column(f"{label}: high", "", high)]
    columns += [Column("definition", "", base["definition"]), Column("horizon", "", base["horizon"])]
    result = table(*columns)
    return result.filter(pa.array([name not in LEFT_OUT for name in base["figure"].to_pylist()]))


def interval(base: Run, other: Run, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the difference of every figure of the baseline, [figures] low and high; nan for a single path."""
    figures = base.summary["figure"].to_pylist()
    paths = base.paths.num_rows
    draw = np.random.Generator(np.random.PCG64(seed))
    differences = np.full((RESAMPLES, len(figures)), np.nan)
    for k in range(RESAMPLES if paths > 1 else 0):
        rows = pa.array(draw.integers(0, paths, paths))
        differences[k] = _values(other, other.paths.take(rows), figures) - _values(base, base.paths.take(rows), figures)
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def _values(run: Run, paths: pa.Table, figures: Sequence[str]) -> np.ndarray:
    """These figures of some paths, nan where a world has no such figure."""
    summary = summarise(run.model, paths)
    found = dict(zip(summary["figure"].to_pylist(), summary["value"].to_pylist(), strict=True))
    return np.array([found.get(name, np.nan) for name in figures], float)


def changes(world: World, other: World) -> str:
    """What is different in the other world, as one would set it: "actors.liquidators.rule=always"."""
    mine, theirs = _leaves(describe(world)), _leaves(describe(other))
    found = [f"{path}={theirs.get(path)}" for path in {**mine, **theirs} if mine.get(path) != theirs.get(path)]
    found = [text for text in found if not text.startswith("name=")] or found or ["the same"]
    more = f" and {len(found) - MOST_CHANGES} more" if len(found) > MOST_CHANGES else ""
    return ", ".join(found[:MOST_CHANGES]) + more


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> value."""
    if isinstance(value, list):
        value = {str(place): item for place, item in enumerate(value)}
    if not isinstance(value, dict):
        return {path: value}
    return {name: leaf for key, item in value.items()
            for name, leaf in _leaves(item, f"{path}.{key}" if path else key).items()}

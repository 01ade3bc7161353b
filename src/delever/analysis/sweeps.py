"""A field, or several, over a list of values: every figure of every combination, on the same random numbers.

Fields are paths of the world, or one of four quantities of the whole of it (quantities.py). Over two of them it is a phase
diagram: how large a cascade is, and between which neighbouring cells it answers steeply (steepness.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.comparison import Comparison, Owners, compare_runs
from delever.analysis.quantities import QUANTITIES, factor, multiplied
from delever.analysis.steepness import neighbours, steepness
from delever.model.errors import InputError
from delever.model.relative import quantity_at
from delever.model.world import World
from delever.run.plots import over_fields
from delever.run.result import Result
from delever.run.stress import Run

MOST = 400  # combinations


@dataclass(frozen=True)
class Sweep(Result):
    """Figures over values of fields.

    fields: those that vary; values: of each, as given.
    table: a row a combination and figure: a column a field, then figure, value, the difference to the world as it is, low and
    high end of its 95 % interval.
    comparison: the same as variants of the world.
    steps: a row a figure that moves and step between neighbouring cells: how steeply it answers, with its 95 % interval.
    verdicts: a row a figure: its steepest step, and whether it degrades gracefully.
    """

    pictured: ClassVar[int] = 1
    fields: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    table: pa.Table
    comparison: Comparison
    steps: pa.Table
    verdicts: pa.Table

    @property
    def findings(self) -> pa.Table:
        """As those of a comparison; that one value is the world's own is no finding, that no value makes a difference is one."""
        found = self.comparison.findings
        idle = pc.equal(found["code"], "variant.no_effect")
        return found if pc.sum(idle).as_py() == len(self.comparison.labels) else found.filter(pc.invert(idle))

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: a figure over the fields."""
        return over_fields(alt, self.table, self.fields, self.values, *figures)

    def __repr__(self) -> str:
        shape = " x ".join(str(len(values)) for values in self.values)
        return f"Sweep of {self.comparison.name} over {', '.join(self.fields)}: {shape} worlds on {self.comparison.paths} paths"


def sweep(world: World | Run, over: Mapping[str, Sequence[object]], owners: Owners = "stay",
          progress: Callable[[str, int, int], None] | None = None, threads: int | None = None) -> Sweep:
    """Run every combination of values. over: field -> values, as `World.replace` reads them: "80 %", "+3 points", "x0.5"; or
    volatility, depth, leverage, latency -> factors: "x0.5", "-50 %".

    world: also a run of it that stands already.
    """
    base, world = world, world.world if isinstance(world, Run) else world
    fields, count = tuple(over), 1
    for field, values in over.items():
        if not values:
            raise InputError("names no value", f"sweep.{field}", None, "give some: FIELD=70 %,75 %,80 %")
        if len({str(value) for value in values}) != len(values):
            raise InputError("names a value twice", f"sweep.{field}", ", ".join(map(str, values)), "give each once")
        count *= len(values)
    if not fields or count > MOST:
        raise InputError(f"asks for {count if fields else 0:,} worlds", "sweep", None, f"from 1 to {MOST} can be run")
    cells = list(product(*over.values()))
    worlds = []
    for cell in cells:
        other = world
        for field, value in zip(fields, cell, strict=True):
            try:
                other = multiplied(other, field, value) if field in QUANTITIES else other.replace(field, value)
            except InputError as error:
                raise error.at(f"--over {field}") from None
        worlds.append(other)
    names = [", ".join(f"{field}={value}" for field, value in zip(fields, cell, strict=True)) for cell in cells]
    comparison, runs = compare_runs(base, *worlds, names=names, owners=owners, progress=progress, threads=threads)
    of = dict(zip(comparison.labels, cells, strict=True))
    rows: list[dict[str, Any]] = [{**dict(zip(fields, map(str, of[row["variant"]]), strict=True)),
                                   **{key: row[key] for key in row if key not in ("variant", "protocol", "label")}}
                                  for row in comparison.differences.to_pylist()]
    steps, verdicts = _steep(world, over, worlds, runs[1:], comparison)
    return Sweep(fields, tuple(tuple(map(str, values)) for values in over.values()), pa.Table.from_pylist(rows), comparison,
                 steps, verdicts)


def _steep(world: World, over: Mapping[str, Sequence[object]], worlds: Sequence[World], runs: Sequence[Run],
           comparison: Comparison) -> tuple[pa.Table, pa.Table]:
    """Steps and verdicts of the figures that move from cell to cell."""
    fields, shape = tuple(over), [len(values) for values in over.values()]
    found: dict[str, set[float]] = {}
    for row in comparison.differences.to_pylist():
        found.setdefault(row["figure"], set()).add(row["value"])
    moving = [figure for figure, values in found.items() if len({value for value in values if not math.isnan(value)}) > 1]
    apart = np.arange(len(worlds)).reshape(shape)
    inputs = [[_input(worlds[int(apart.take(k, axis).ravel()[0])], field, value) for k, value in enumerate(over[field])]
              for axis, field in enumerate(fields)]
    return steepness(runs, moving, neighbours(fields, shape, inputs), list(product(*over.values())), fields, world.scenario.seed)


def _input(world: World, field: str, value: object) -> float | None:
    """The number that a value means; None: none. world: one that has it."""
    if field in QUANTITIES:
        return factor(field, value)
    found = quantity_at(world, field.split("."))
    plain = found is not None and isinstance(found.value, (int, float)) and not isinstance(found.value, bool)
    return float(found.value) if found is not None and plain else None

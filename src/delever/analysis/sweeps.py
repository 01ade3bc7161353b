"""A field, or several, over a list of values: every figure of every combination, on the same random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.comparison import Comparison, Owners, compare
from delever.model.errors import InputError
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
    """

    pictured: ClassVar[int] = 1
    fields: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    table: pa.Table
    comparison: Comparison

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
    """Run every combination of values. over: field -> values, as `World.replace` reads them: "80 %", "+3 points", "x0.5".

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
                other = other.replace(field, value)
            except InputError as error:
                raise error.at(f"--over {field}") from None
        worlds.append(other)
    names = [", ".join(f"{field}={value}" for field, value in zip(fields, cell, strict=True)) for cell in cells]
    comparison = compare(base, *worlds, names=names, owners=owners, progress=progress, threads=threads)
    of = dict(zip(comparison.labels, cells, strict=True))
    rows: list[dict[str, Any]] = [{**dict(zip(fields, map(str, of[row["variant"]]), strict=True)),
                                   **{key: row[key] for key in row if key not in ("variant", "protocol", "label")}}
                                  for row in comparison.differences.to_pylist()]
    return Sweep(fields, tuple(tuple(map(str, values)) for values in over.values()), pa.Table.from_pylist(rows), comparison)

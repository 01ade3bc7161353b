"""A run's figures with its remainder collateral held constant, and moving with the market: on the run's first paths."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.analysis.budget import Budget
from delever.analysis.remainders import remainder_worlds
from delever.analysis.samples import run_model
from delever.analysis.tables import Column, table
from delever.analysis.valuation import remainders
from delever.model.book import COLLATERAL
from delever.run.assemble import assemble
from delever.run.figures import summarise
from delever.run.store import describe
from delever.run.stress import Run


def remainder_figures(run: Run, paths: int | None = None) -> pa.Table | None:
    """Every figure under both treatments of the remainder collateral; None where the book has no such legs.

    The treatment that is the run's own is read off its first paths; only the other one is run, on the same paths.
    paths: by default as many as the run's own work allows (budget.py).
    """
    if not has_remainders(run):
        return None
    count = Budget(run).first() if paths is None else min(run.paths.num_rows, max(1, paths))
    own, found = describe(run.world), {}
    for name, world in remainder_worlds(run.world).items():
        same = describe(world) == own
        model = run.model if same else assemble(world)
        found[name] = summarise(model, run.paths.slice(0, count) if same else run_model(model, 0, count))
    first = next(iter(found.values()))
    values = {name: _by_figure(summary) for name, summary in found.items()}
    figures = first["figure"].to_pylist()
    result = table(
        Column("figure", "", figures),
        Column("unit", "", first["unit"]),
        *(Column(name, "", [values[name].get(figure, np.nan) for figure in figures]) for name in found),
        Column("horizon", "", first["horizon"]),
    )
    return result.replace_schema_metadata({"paths": str(count)})


def has_remainders(run: Run) -> bool:
    """Whether some collateral of the book is labelled remainder."""
    return any(COLLATERAL in sides for sides in remainders(run.model).values())


def _by_figure(summary: pa.Table) -> dict[str, float]:
    return dict(zip(summary["figure"].to_pylist(), summary["value"].to_pylist(), strict=True))

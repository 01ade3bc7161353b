"""What `delever stress` shows beside the figures: announced with its cost, bounded, and kept in the run's folder.

How much is a matter of the run alone, not of the clock: analysis/budget.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from delever.report.files import CONCENTRATION

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.model.scenario import Order
    from delever.model.world import World
    from delever.run.stress import Run

OWNERS = 10  # that are left out
WORTH_SAYING = 1e6  # path-steps, about a second
REMAINDER, CRITICAL = "remainder.parquet", "critical.json"


def concentration_beside(run: Run) -> pa.Table:
    """The figures without each of the largest owners."""
    from delever.analysis.largest import concentration

    def work_out() -> pa.Table:
        announce(run, 1 + OWNERS, f"figures without each of the {OWNERS} largest owners", "--no-concentration")
        return concentration(run, OWNERS, partial=True)

    return _kept(run, CONCENTRATION, work_out)


def remainder_beside(run: Run) -> pa.Table | None:
    """The figures with remainder collateral held constant, and moving."""
    from delever.analysis.treatments import has_remainders, remainder_figures

    def work_out() -> pa.Table | None:
        if not has_remainders(run):
            return None
        announce(run, 1, "figures with remainder collateral both ways", "--no-remainder")
        return remainder_figures(run)

    return _kept(run, REMAINDER, work_out)


def announce(run: Run, times: int, what: str, option: str) -> None:
    """Say what comes, where it takes a while. times: that each path is played at most."""
    from delever.analysis.budget import Budget

    budget = Budget(run)
    work = min(budget.allowed, times * budget.work(0, budget.most))
    if work >= WORTH_SAYING:
        print(f"delever: beside them: {what}, on at most {budget.most} of {run.paths.num_rows:,} paths: at most about "
              f"{work / budget.whole:.2g} times the work of the run ({option} leaves them out, Ctrl-C keeps what there is)",
              file=sys.stderr)


def critical_order(world: World, order: Order | str, run: Run) -> dict[str, Any]:
    """The search, and its result in the run's folder."""
    from delever.analysis.critical import find_critical
    from delever.report.files import json_text, write_text

    found = find_critical(world, order)
    if run.folder is not None:
        write_text(json_text(found), run.folder / CRITICAL)
    return found


def _kept(run: Run, name: str, work_out: Callable[[], pa.Table | None]) -> pa.Table | None:
    """The table in the run's folder, which is of this very world and program; what is not as it was written is made anew."""
    from delever.run.store import keep_beside, kept_beside

    if run.folder is None:
        return work_out()
    table = kept_beside(run.folder, run.manifest, name)
    if table is None:
        table = work_out()
        if table is not None and not is_partial(table):
            keep_beside(run.folder, run.manifest, name, table)
    return table


def is_partial(table: pa.Table | None) -> bool:
    """Whether Ctrl-C ended it."""
    return table is not None and (table.schema.metadata or {}).get(b"stopped") == b"interrupted"

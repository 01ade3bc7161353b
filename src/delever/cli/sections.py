"""What `delever stress` shows beside the figures: worked out once, then kept in the run's folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.model.scenario import Order
    from delever.model.world import World
    from delever.report import Extras
    from delever.run.stress import Run

SAMPLE = 50  # paths that these are worked out on: on a quiet day of the example 0.7 and 0.5 s
CONCENTRATION, REMAINDER, CRITICAL = "concentration.parquet", "remainder.parquet", "critical.json"


def beside(run: Run, concentration: bool, remainder: bool) -> Extras:
    """Concentration, and both treatments of remainders. One after the other: threads made it slower, measured."""
    from delever.analysis import concentration as largest
    from delever.analysis.treatments import remainder_figures
    from delever.report import Extras

    def largest_accounts() -> pa.Table:
        paths = min(SAMPLE, run.paths.num_rows)
        return largest(run, paths=paths).replace_schema_metadata({"paths": str(paths)})

    def both_ways() -> pa.Table | None:
        return remainder_figures(run, SAMPLE)

    return Extras(
        _kept(run, CONCENTRATION, largest_accounts) if concentration else None,
        _kept(run, REMAINDER, both_ways) if remainder else None,
    )


def critical_order(world: World, order: Order | str, run: Run) -> dict[str, Any]:
    """The search, and its result in the run's folder."""
    from delever.analysis import find_critical
    from delever.report import json_text, write_text

    found = find_critical(world, order)
    if run.folder is not None:
        write_text(json_text(found), run.folder / CRITICAL)
    return found


def _kept(run: Run, name: str, work_out: Callable[[], pa.Table | None]) -> pa.Table | None:
    """The table in the run's folder, which is of this very world and program; what cannot be read is made anew."""
    import pyarrow as pa
    import pyarrow.parquet

    from delever.report import write_table

    path = None if run.folder is None else run.folder / name
    if path is not None and path.exists():
        try:
            return pyarrow.parquet.read_table(path)
        except (pa.ArrowException, OSError):
            pass  # written anew below
    table = work_out()
    if path is not None and table is not None:
        write_table(table, path)
    return table

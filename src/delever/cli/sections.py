"""What `delever stress` shows beside the figures: announced with its cost, bounded, and kept in the run's folder.

    time allowed = largest of LEAST and SHARE x the run's own time
A few paths of the run, played once more, say what they cost; of as many as fit into that time at most SAMPLE are taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.model.scenario import Order
    from delever.model.world import World
    from delever.run.stress import Run

SAMPLE = 50  # paths that these are worked out on: on a quiet day of the example 0.7 and 0.5 s
SHARE, LEAST = 0.5, 10.0  # of the run's own time; [s]
OWNERS, FEW = 10, 8  # that are left out; paths that are timed
AGAIN = 0.5  # share of paths on which an owner is met, and which are played again without him (assumption, for the announcement)
WORTH_SAYING = 1.0  # [s]
CONCENTRATION, REMAINDER, CRITICAL = "concentration.parquet", "remainder.parquet", "critical.json"


class Beside:
    """How long they may take, and on how many paths."""

    def __init__(self, run: Run, took: float, a_path: float | None = None) -> None:
        """took: by the run [s]; a_path: by one worker for a path of it [s], where some were run."""
        self.run, self.allowed, self.a_path = run, max(LEAST, SHARE * took), a_path
        self.costs: tuple[float, float] | None = None  # of a first path and of each further one [s]

    def concentration(self) -> pa.Table:
        """The figures without each of the largest owners."""
        from delever.analysis.largest import concentration

        def work_out() -> pa.Table:
            what = f"figures without each of the {OWNERS} largest owners"
            paths = self.sample(1.0 + OWNERS * AGAIN, what, "--no-concentration")
            return concentration(self.run, OWNERS, paths=paths, until=monotonic() + self.allowed, partial=True)

        return _kept(self.run, CONCENTRATION, work_out)

    def remainder(self) -> pa.Table | None:
        """The figures with remainder collateral held constant, and moving."""
        from delever.analysis.treatments import has_remainders, remainder_figures

        def work_out() -> pa.Table | None:
            if not has_remainders(self.run):
                return None
            return remainder_figures(self.run, self.sample(1.0, "figures with remainder collateral both ways", "--no-remainder"))

        return _kept(self.run, REMAINDER, work_out)

    def sample(self, times: float, what: str, option: str) -> int:
        """Paths that fit, announced where they take a while. times: that each is played."""
        most = min(SAMPLE, self.run.paths.num_rows)
        first, further = self.costs = self.costs or costs(self.run, self.allowed, self.a_path)
        fit = 1 + int((self.allowed / times - first) / further) if self.allowed > times * first else 1
        paths = max(1, min(most, fit))
        seconds = times * (first + (paths - 1) * further)
        if seconds >= WORTH_SAYING or paths < most:
            fewer = f", fewer than the usual {most}" if paths < most else ""
            print(f"delever: beside them: {what}, on {paths} of {self.run.paths.num_rows:,} paths{fewer}: about {seconds:.0f} s, "
                  f"at most about {self.allowed:.0f} s ({option} leaves them out, Ctrl-C keeps what there is)", file=sys.stderr)
        return paths


def costs(run: Run, allowed: float, a_path: float | None) -> tuple[float, float]:
    """Seconds that the run's first path takes alone, and each further one beside it; after kernels are compiled.

    Paths beside each other share what a step costs by itself. What the run needed for one is known, unless it was read from its
    folder; then a few are timed, or where these would take a third of what is allowed each counts as the first.
    """
    from delever.analysis.samples import run_model
    from delever.run.warm import every_kernel

    def seconds(paths: int) -> float:
        start = monotonic()
        run_model(run.model, 0, paths)
        return max(monotonic() - start, 1e-6)

    every_kernel(run.model)
    first, several = seconds(1), min(FEW, run.paths.num_rows)
    if a_path is not None:
        return first, min(first, a_path)
    if several == 1 or several * first > 0.3 * allowed:
        return first, first
    return first, max((seconds(several) - first) / (several - 1), 1e-6)


def critical_order(world: World, order: Order | str, run: Run) -> dict[str, Any]:
    """The search, and its result in the run's folder."""
    from delever.analysis.critical import find_critical
    from delever.report.files import json_text, write_text

    found = find_critical(world, order)
    if run.folder is not None:
        write_text(json_text(found), run.folder / CRITICAL)
    return found


def _kept(run: Run, name: str, work_out: Callable[[], pa.Table | None]) -> pa.Table | None:
    """The table in the run's folder, which is of this very world and program; what cannot be read is made anew."""
    from delever.ingest.files import content, exists, table
    from delever.model.errors import InputError
    from delever.report.files import write_table

    path = None if run.folder is None else run.folder / name
    if path is not None and exists(path):
        try:
            return table(content(path), name, str(path))
        except InputError:
            pass  # written anew below
    found = work_out()
    if path is not None and found is not None and not is_partial(found):
        write_table(found, path)
    return found


def is_partial(table: pa.Table | None) -> bool:
    """Whether Ctrl-C ended it."""
    return table is not None and (table.schema.metadata or {}).get(b"stopped") == b"interrupted"

"""The twin of a run: the same paths with nobody liquidated, so that what the run's prices do more is made by liquidations.

Outside prices, orders, events, owners and answers of feeds draw the same random numbers. Accounts hold what they hold and nothing
of theirs is sold by force; who is under water stays there, and what he owes beyond his collateral counts as lost at the end.
"""

from __future__ import annotations

from dataclasses import replace

from delever.run.figures import summarise
from delever.run.store import keep_beside, kept_beside
from delever.run.stress import Run, finished
from delever.run.work import Progress, run_chunks

PATHS, PRICES = "twin-paths.parquet", "twin-prices.parquet"  # beside the tables of the run


def twin_of(run: Run, threads: int | None = None, progress: Progress | None = None) -> Run:
    """The twin, from beside the run where it is kept, else run and kept. threads: no figure depends on it."""
    known = kept_twin(run)
    if known is not None:
        return known
    model = replace(run.model, spared=tuple(run.world.protocols))
    results = run_chunks(model, [(0, run.paths.num_rows)], threads, None, progress or (lambda stage, done, of: None))
    twin = finished(model, results, None, {})
    if run.folder is not None:
        for name, table in ((PATHS, twin.paths), (PRICES, twin.prices)):
            keep_beside(run.folder, run.manifest, name, table)
    return twin


def kept_twin(run: Run) -> Run | None:
    """The twin that lies beside a run; None: there is none."""
    if run.folder is None:
        return None
    paths, prices = (kept_beside(run.folder, run.manifest, name) for name in (PATHS, PRICES))
    if paths is None or prices is None:
        return None
    model = replace(run.model, spared=tuple(run.world.protocols))
    empty = run.history.slice(0, 0)
    return replace(run, model=model, paths=paths, history=empty, trace=run.trace.slice(0, 0), prices=prices, folder=None,
                   summary=summarise(model, paths), manifest={}, timeline=empty.select([]), adl=empty.select([]),
                   perps=empty.select([]))

"""How much of one protocol's loss came from the forced selling of another.

The world is run as it is, and once more for every source with its accounts spared: they are there and hold what they hold,
but nobody of them is liquidated, so nothing of theirs is sold by force. All runs draw the same random numbers. Then

    from source to affected = figure(as it is) - figure(source spared)      a path, of two figures:

    liquidated  lending: collateral seized, at prices seen. Exchange: positions closed on the book or at a flat price, taken
                over by the vault, or closed against winners, at marks. What a vault loses in turn is counted again
    loss        lending: shortfall, so what was written off or is owed beyond the collateral at the end, at prices seen.
                Exchange: deficits, whoever bears them + haircuts of winners + what the vault has lost by the end, if it has

A difference may be negative: forced buying (a short's, a liquidator's of the debt asset) helps whoever sells the same. Sources
do not add up: of two that are each enough, neither alone makes a difference. Hence the row "the others", all spared at once.
The scenario's own shocks and orders stay, whoever's they are. Protocols that share no asset have a difference of exactly
0, if they share no network either: on one chain they also compete for room in blocks and wake each other's feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.samples import plainly
from delever.analysis.tables import Column, table
from delever.model.errors import InputError, nearest
from delever.model.world import World
from delever.run.asked import asked_table, came_about, findings_of, findings_table, notes_found, stated
from delever.run.assemble import Model, assemble
from delever.run.exchanges import stocks
from delever.run.figures import mean
from delever.run.result import Result
from delever.run.store import keep_beside, kept_beside
from delever.run.stress import Run
from delever.run.work import run_chunks

FIGURES = LIQUIDATED, LOSS = ("liquidated", "loss")
OTHERS = "the others"
PATHS = 100  # of a run, at most
KEPT = "contagion.parquet"  # beside a run
Groups = Mapping[str, Sequence[str]]  # name -> protocols that are one source, and one that is affected
Tell = Callable[[str, int, int], None]  # (stage, done, of)
Figures = dict[tuple[str, str], np.ndarray]  # (figure, group) -> [paths] USD


@dataclass(frozen=True, repr=False)
class Contagion(Result):
    """What came from whom.

    table: a row for each figure, affected group and source: what it is in all, without the source, and what came from there.
    paths: a row a path: columns `figure.affected` of the world as it is, `figure.affected.without.source` with it spared.
    asked, findings: what the world states beside what came about in it as it is, and what had no effect (run/asked.py).
    """

    table: pa.Table
    paths: pa.Table
    asked: pa.Table
    findings: pa.Table

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        sides = list(dict.fromkeys(self.table["affected"].to_pylist()))
        return f"Contagion between {', '.join(sides)}, of {self.paths.num_rows:,} paths"


def contagion(world: World, groups: Groups | None = None, progress: Tell | None = None, threads: int | None = None
              ) -> Contagion:
    """How much of each group's loss came from the forced selling of each other.

    groups: protocols that count as one, such as {"aave": ["aave_v2", "aave_v3"]}; others stand alone, under their names.
    """
    sides = sides_of(world, groups or {})
    model = assemble(plainly(world))
    runs = [("", list(sides), []), *((f".without.{source}", [name for name in sides if name != source], sides[source])
                                     for source in sides)]
    if len(sides) > 2:
        runs += [(f".without.{OTHERS}", [affected], [name for source in sides if source != affected for name in sides[source]])
                 for affected in sides]
    columns = [Column("path", "number", np.arange(world.scenario.paths))]
    rows = stated(model)
    for done, (ending, affected, spared) in enumerate(runs):
        if progress is not None:
            progress("simulating", done, len(runs))
        outcomes = run_paths(spare(model, spared), threads)
        rows += came_about(world, outcomes) if not ending else []  # of the world as it is
        found = figures_of(model, outcomes, {name: sides[name] for name in affected})
        columns += [Column(f"{figure}.{name}{ending}", "USD", values) for (figure, name), values in found.items()]
    paths = table(*columns)
    findings = [*findings_of(world, rows), *notes_found(model.source.notes)]
    return Contagion(summarise_contagion(paths), paths, asked_table(rows), findings_table(findings))


def contagion_of(run: Run, paths: int = PATHS, progress: Tell | None = None, threads: int | None = None) -> pa.Table:
    """The table of `contagion` on a run's first paths, kept beside it and read again. InputError: it has one protocol alone."""
    known = None if run.folder is None else kept_beside(run.folder, run.manifest, KEPT)
    if known is not None:
        return known
    count = min(paths, run.paths.num_rows)
    found = contagion(run.world.replace("scenario.paths", count), None, progress, threads).table
    found = found.replace_schema_metadata({"paths": f"{count:,}"})
    if run.folder is not None:
        keep_beside(run.folder, run.manifest, KEPT, found)
    return found


def sides_of(world: World, groups: Groups) -> dict[str, list[str]]:
    """Every protocol in exactly one group; those that no group names are their own."""
    taken: dict[str, str] = {}
    for group, names in groups.items():
        for name in names:
            if name not in world.protocols:
                raise InputError("unknown protocol", f"groups.{group}", name, nearest(name, world.protocols))
            if name in taken:
                raise InputError("stands in two groups", f"groups.{group}", name, f"leave it in {taken[name]} alone")
            taken[name] = group
    sides = {group: list(names) for group, names in groups.items()}
    for name in world.protocols:
        if name not in taken:
            if name in sides:
                raise InputError("is a protocol outside of the group of that name", "groups", name, "name the group otherwise")
            sides[name] = [name]
    if len(sides) < 2:
        raise InputError("has one side alone", "contagion", next(iter(sides)), "it takes two, one to lose by the other's selling")
    return sides


def spare(model: Model, protocols: Sequence[str]) -> Model:
    """The model in which nobody of these protocols is liquidated; nothing is read anew."""
    return replace(model, spared=tuple(protocols))


def run_paths(model: Model, threads: int | None = None) -> pa.Table:
    """Outcomes of all paths, a row each. threads: workers; no figure depends on it."""
    results = run_chunks(model, [(0, model.world.scenario.paths)], threads)
    return pa.concat_tables([result.paths for result in results]).combine_chunks()


def figures_of(model: Model, paths: pa.Table, sides: Mapping[str, Sequence[str]]) -> Figures:
    """Both figures of every group, of these outcomes."""
    start = vaults(model)
    out: Figures = {}
    for group, names in sides.items():
        out[LIQUIDATED, group] = np.sum([liquidated(paths, name) for name in names], axis=0)
        out[LOSS, group] = np.sum([loss(paths, name, start[name]) for name in names], axis=0)
    return out


def liquidated(paths: pa.Table, name: str) -> np.ndarray:
    """The first figure of a protocol [paths] USD."""
    if f"seized_collateral.{name}" in paths.column_names:
        return column(paths, f"seized_collateral.{name}")
    parts = [column(paths, f"{figure}.{name}") for figure in ("liquidated", "taken_over", "deleveraged")]
    return np.asarray(parts[0] + parts[1] + parts[2])


def loss(paths: pa.Table, name: str, vault: float) -> np.ndarray:
    """The second figure of a protocol [paths] USD. vault: its equity at the start [USD]."""
    if f"shortfall.{name}" in paths.column_names:
        return column(paths, f"shortfall.{name}")
    lost: np.ndarray = column(paths, f"deficit_booked.{name}") + column(paths, f"haircut.{name}")
    if f"vault_equity.{name}" in paths.column_names:
        lost = lost + np.maximum(vault - column(paths, f"vault_equity.{name}"), 0.0)
    return lost


def vaults(model: Model) -> dict[str, float]:
    """Equity of each protocol's backstop vault at the start [USD]; 0 where there is none."""
    reserves = model.positions.reserves
    cash = stocks(model.world, reserves)[1]
    return {name: float(sum(cash[r] for r, (of, _) in enumerate(reserves) if of == name)) for name in model.world.protocols}


def column(paths: pa.Table, name: str) -> np.ndarray:
    """One column as numbers."""
    return np.asarray(paths[name].to_numpy(), float)


def summarise_contagion(paths: pa.Table) -> pa.Table:
    """Means over paths; the interval is that of the paired differences."""
    rows: list[dict[str, Any]] = []
    for name in paths.column_names:
        whole, _, source = name.partition(".without.")
        if source:
            figure, _, affected = whole.partition(".")
            total, without = column(paths, whole), column(paths, name)
            came, low, high = mean(total - without)
            rows.append({"figure": figure, "affected": affected, "source": source, "total": float(total.mean()),
                         "without": float(without.mean()), "came": came, "low": low, "high": high,
                         "paths": float(np.mean(total != without)),
                         "share": came / float(total.mean()) if total.mean() != 0.0 else None})
    rows.sort(key=lambda row: (row["affected"], FIGURES.index(row["figure"])))  # stable: sources as they came

    def values(name: str) -> list[Any]:
        return [row[name] for row in rows]

    return table(
        Column("affected", "", values("affected"), kind=pa.string()),
        Column("figure", "", values("figure"), kind=pa.string()),
        Column("source", "", values("source"), kind=pa.string()),
        Column("in all", "USD", values("total"), "mean over paths of the affected one's figure, in the world as it is"),
        Column("without it", "USD", values("without"), "the same with nobody of the source liquidated"),
        Column("from there", "USD", values("came"), "the difference, path by path on the same random numbers"),
        Column("low", "USD", values("low"), "and high: 95 % interval of that mean, sampling error alone"),
        Column("high", "USD", values("high")),
        Column("share", "share", values("share"), "from there / in all; none where there is nothing", pa.float64()),
        Column("paths", "share", values("paths"), "paths on which it made any difference"),
    )


def notes(paths: int) -> tuple[str, ...]:
    """What a reader of the table must know."""
    return (
        "liquidated: lending: collateral seized, at prices seen; exchange: positions closed on the book, taken over by the vault "
        "or deleveraged, at marks.",
        "loss: lending: written off, or owed beyond the collateral at the end; exchange: deficits, whoever bears them, haircuts "
        "of winners, and what the vault has lost.",
        f"{paths:,} path{'s' if paths > 1 else ''}, the same random numbers in every run. Sources need not add up.",
    )

"""Worlds side by side on the same random numbers: every figure, and how surely it differs from the baseline's.

All see the same paths, so differences are paired: the interval of one is that of a bootstrap which draws the same paths of both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from delever.analysis.relevering import relevered
from delever.analysis.tables import Column, table
from delever.model.errors import InputError
from delever.model.finding import WARN, Finding
from delever.model.quantity import check_label
from delever.model.relative import OF_SHARES, quantity_at
from delever.model.world import World
from delever.run.asked import findings_table
from delever.run.figures import counted, made_of, name_of, resampled
from delever.run.plots import intervals as drawn_intervals
from delever.run.result import Result
from delever.run.store import describe
from delever.run.stress import Run, stress

RESAMPLES = 400  # of the paths, for intervals
AT_ONCE = 4_000_000  # numbers of samples that are looked at together
LEVEL = 0.95
LEFT_OUT = ("conservation_residual",)  # says that a run is sound, not how it went
MOST_CHANGES = 2  # named in a column's heading
TERMS = re.compile(r"\b(liquidation_threshold|haircut|maintenance|max_leverage|short_margin)$")  # what decides who is called
Owners = Literal["stay", "keep distance"]
ASSUMED: dict[Owners, str] = {
    "stay": "Nobody re-levers: every account holds and owes what it did, so it starts nearer to liquidation or farther from it; "
    "owners who answer later are those of the world's actors (--owners keep-distance assumes otherwise).",
    "keep distance": "Owners re-lever at the start until they are as far from liquidation as before (the same health factor): "
    "what they owe is scaled, what they borrow or repay for it comes and goes outside; accounts that were below 1 stay "
    "(--owners stay assumes otherwise).",
}
Tell = Callable[[str, int, int], None]  # (stage, done, of)


@dataclass(frozen=True)
class Comparison(Result):
    """Figures of a baseline and of variants of it.

    table: a row a figure; of each variant its value, the difference to the baseline, and low and high end of its 95 % interval.
    differences: the same, a row a variant and figure.
    settings: a row a variant and field that is not as in the baseline: before, after.
    assumptions: what must be said beside the figures.
    """

    pictured: ClassVar[int] = 8
    name: str
    labels: tuple[str, ...]
    paths: int
    table: pa.Table
    differences: pa.Table
    settings: pa.Table
    asked: pa.Table  # of the baseline: what is stated, beside what came about (run/asked.py)
    findings: pa.Table  # as those of a check: the baseline's, what variants have besides, and variants without effect
    assumptions: tuple[str, ...] = ()

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: differences with their intervals."""
        return drawn_intervals(alt, self.differences, figures)

    def __repr__(self) -> str:
        return f"Comparison of {self.name} with {', '.join(self.labels)}: {self.table.num_rows} figures on {self.paths} paths"


def compare(world: World | Run, *others: World, names: Sequence[str] | None = None, owners: Owners = "stay",
            progress: Tell | None = None, threads: int | None = None) -> Comparison:
    """The figures of a baseline and of other worlds: value, difference to the baseline, and its 95 % interval.

    world: also a run of it that stands already (`run = stress(world)`), which is not made again.
    names: of the others; by default what was changed in them. owners: where thresholds differ, whether accounts stay what they
    are ("stay") or re-lever to the health factor that they had ("keep distance").
    """
    return compare_runs(world, *others, names=names, owners=owners, progress=progress, threads=threads)[0]


def compare_runs(world: World | Run, *others: World, names: Sequence[str] | None = None, owners: Owners = "stay",
                 progress: Tell | None = None, threads: int | None = None) -> tuple[Comparison, list[Run]]:
    """The comparison, and the runs that it is of, the baseline's first."""
    base, world = world, world.world if isinstance(world, Run) else world
    labels = list(names) if names is not None else [changes(world, other) for other in others]
    if len(labels) != len(others):
        raise InputError("do not fit the worlds", "compare.names", labels, f"give {len(others)}, one a world")
    for label in labels:
        check_label(label, "compare.names")
    if owners not in ASSUMED:
        raise InputError("is unknown", "compare.owners", owners, f"choose one of {', '.join(ASSUMED)}")
    for other in others:
        for field in ("paths", "seed", "steps"):
            mine, theirs = getattr(world.scenario, field), getattr(other.scenario, field)
            if mine != theirs:
                raise InputError(f"has other {field} than the baseline", "compare", theirs,
                                 f"common random numbers need the same: {mine}")
    labels = distinct(labels)
    settings = [row for label, other in zip(labels, others, strict=True) for row in changed(world, other, label)]
    run_as = [relevered(world, other) if owners != "stay" and moves_terms(world, other) else other for other in others]
    runs: list[Run] = []
    for number, (label, each) in enumerate(zip(["baseline", *labels], [world, *run_as], strict=True)):
        tell = None if progress is None else said_of(label, progress)
        if number == 0 and isinstance(base, Run):
            runs.append(base)
        else:
            runs.append(stress(each, threads=threads, progress=tell, keep=False) if number == 0 or each != world else runs[0])
    return compared(world, labels, runs, settings, tuple(assumptions(world, others, owners))), runs


def compared(world: World, labels: Sequence[str], runs: Sequence[Run], settings: Sequence[dict[str, Any]],
             assumed: tuple[str, ...]) -> Comparison:
    """Of runs on the same paths, the baseline's first."""
    base = runs[0].summary.filter(pa.array([name not in LEFT_OUT for name in runs[0].summary["figure"].to_pylist()]))
    figures = base["figure"].to_pylist()
    low, high = intervals(runs, figures, world.scenario.seed)
    values = [_values(run, figures) for run in runs]
    columns = [Column(name, "", base[key]) for name, key in (("figure", "figure"), ("unit", "unit"), ("baseline", "value"))]
    long: list[dict[str, Any]] = []
    rows = base.to_pylist()
    for k, label in enumerate(labels, start=1):
        difference = values[k] - values[0]
        columns += [Column(label, "", values[k]), Column(f"{label}: difference", "", difference),
                    Column(f"{label}: low", "", low[k - 1]), Column(f"{label}: high", "", high[k - 1])]
        long += [{"variant": label, **{key: row[key] for key in ("figure", "label", "under", "unit", "protocol")},
                  "baseline": row["value"],
                  "value": float(values[k][i]), "difference": float(difference[i]), "low": float(low[k - 1][i]),
                  "high": float(high[k - 1][i]), "tail": row["tail"], "definition": row["definition"],
                  "horizon": row["horizon"]} for i, row in enumerate(rows)]
    columns += [Column("definition", "", base["definition"]), Column("horizon", "", base["horizon"])]
    schema = pa.schema([(name, pa.string()) for name in ("variant", "field", "before", "after")])
    return Comparison(world.name, tuple(labels), runs[0].paths.num_rows, table(*columns), pa.Table.from_pylist(long),
                      pa.Table.from_pylist(list(settings), schema=schema), runs[0].asked,
                      findings_table(beside(labels, runs, [values[k] - values[0] for k in range(1, len(runs))])), assumed)


def beside(labels: Sequence[str], runs: Sequence[Run], differences: Sequence[np.ndarray]) -> Iterator[Finding]:
    """What one should know of the runs, and of variants in which nothing differs. differences: [figures] of each variant."""
    yield from runs[0].found
    for label, run, difference in zip(labels, runs[1:], differences, strict=True):
        if not np.nan_to_num(difference).any():
            yield Finding(WARN, "variant.no_effect", label, "every figure is the baseline's",
                          "see that it changes something which this scenario reads")
        yield from (one._replace(where=f"{label}: {one.where}") for one in run.found if one not in runs[0].found)


def intervals(runs: Sequence[Run], figures: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the differences of every figure to the first run's: [runs - 1, figures] low and high; nan for a single path."""
    found = samples(runs, figures, seed)
    low, high = np.quantile(found[:, 1:] - found[:, :1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def samples(runs: Sequence[Run], figures: Sequence[str], seed: int) -> np.ndarray:
    """Figures on resampled paths, the same of every run: [samples, runs, figures]; nan for a single path."""
    paths = runs[0].paths.num_rows
    draw = np.random.Generator(np.random.PCG64(seed))
    found = np.full((RESAMPLES if paths > 1 else 1, len(runs), len(figures)), np.nan)
    made = [{name_of(one, figure): (one, figure, values) for one, figure, values, _ in made_of(run.model, run.paths)}
            for run in runs]
    weights = [counted(run.paths) for run in runs]
    some = max(1, AT_ONCE // paths)
    for first in range(0, RESAMPLES if paths > 1 else 0, some):
        rows = draw.integers(0, paths, (min(some, RESAMPLES - first), paths))
        for k, (of_run, w) in enumerate(zip(made, weights, strict=True)):
            for i, name in enumerate(figures):
                if name in of_run:
                    one, figure, values = of_run[name]
                    found[first:first + len(rows), k, i] = resampled(one, figure, values[rows], None if w is None else w[rows])
    return found


def _values(run: Run, figures: Sequence[str]) -> np.ndarray:
    """These figures of a run, nan where its world has no such figure."""
    found = dict(zip(run.summary["figure"].to_pylist(), run.summary["value"].to_pylist(), strict=True))
    return np.array([found.get(name, np.nan) for name in figures], float)


def said_of(label: str, progress: Tell) -> Tell:
    """Progress that says whose it is."""
    return lambda stage, done, of: progress(f"{label}: {stage}", done, of)


def distinct(labels: Sequence[str]) -> list[str]:
    """Labels of which no two are the same: the second of a kind is numbered."""
    out: list[str] = []
    for label in labels:
        again = sum(other == label or other.startswith(f"{label} (") for other in out)
        out.append(f"{label} ({again + 1})" if again else label)
    return out


def changes(world: World, other: World) -> str:
    """What is different in the other world, as one would set it: "actors.liquidators.rule=always"."""
    found = [f"{row['field']}={row['after']}" for row in changed(world, other, "")] or ["the same"]
    more = f" and {len(found) - MOST_CHANGES} more" if len(found) > MOST_CHANGES else ""
    return ", ".join(found[:MOST_CHANGES]) + more


def changed(world: World, other: World, label: str) -> list[dict[str, str]]:
    """Fields that differ, each with what it was and what it is."""
    mine, theirs = leaves(_described(world)), leaves(_described(other))
    return [{"variant": label, "field": path, "before": said(world, path, mine.get(path)),
             "after": said(other, path, theirs.get(path))}
            for path in {**mine, **theirs} if mine.get(path) != theirs.get(path) and path != "name"]


def _described(world: World) -> dict[str, Any]:
    """A world with parameter sets of the catalog written out: one that was entered is not another set."""
    for name in world.protocols:
        world = world.spelled_out(["protocols", name, "parameters", ""])
    return describe(world)


def said(world: World, path: str, value: Any) -> str:
    """A value with its unit where the field has one."""
    found = quantity_at(world, path.split("."))
    if isinstance(value, float) and found is not None and found.unit is not None and found.unit.unit in OF_SHARES:
        return f"{value * 100:.6g} %"
    return "nothing" if value is None else str(value)


def assumptions(world: World, others: Sequence[World], owners: Owners) -> Iterator[str]:
    """What a change of thresholds takes for granted."""
    if not any(moves_terms(world, other) for other in others):
        return
    yield ASSUMED[owners]
    own = accounts_with_terms_of_their_own(world)
    if own:
        yield (f"{own:,} legs of the book have a threshold of their own, which a change of parameters leaves as it is "
               "(a vote, `kind: governance`, scales it).")


def moves_terms(world: World, other: World) -> bool:
    """Whether what decides who is liquidated differs."""
    return any(TERMS.search(row["field"]) for row in changed(world, other, ""))


def accounts_with_terms_of_their_own(world: World) -> int:
    """Legs of collateral in the books whose threshold the book itself states."""
    from delever.run.assemble import assemble

    legs = assemble(world).positions.book.legs
    return int(legs.num_rows - legs["liquidation_threshold"].null_count)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> value."""
    if isinstance(value, list):
        value = {str(place): item for place, item in enumerate(value)}
    if not isinstance(value, dict):
        return {path: value}
    return {name: leaf for key, item in value.items()
            for name, leaf in leaves(item, f"{path}.{key}" if path else key).items()}

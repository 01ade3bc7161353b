"""Why a figure changed between two worlds or two runs: what prices, positions, parameters, scenario and program did, added up.

    sequential   groups go over from the one to the other in a stated order; a part is what a step does to the figure
    shapley      the mean of a group's part over every order in which groups can go over (Shapley 1953): no order is stated
    model        what a run says less what the present program says of the same world: what cannot be replayed
Parts add up to the difference exactly (adding_up.py). Intervals are paired, path by path: those of a bootstrap that draws the
same paths of all worlds; none where these have other paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from delever.analysis.adding_up import chain, quanta, quantum, shapley, share_out
from delever.analysis.change_ends import End, Given, Stage, end_of
from delever.analysis.comparison import LEVEL, RESAMPLES, changed
from delever.analysis.hybrids import GROUPS, POSITIONS, PRICES, group_of, hybrid
from delever.analysis.tables import Column, table
from delever.core.jit import source_hash
from delever.model.errors import InputError, nearest
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.figures import counted, made_of, name_of, resampled
from delever.run.result import Result
from delever.run.stress import stress

Method = Literal["sequential", "shapley"]
MODEL = "model"  # the part of the program's version
MAIN = ("bad_debt", "var", "expected_shortfall", "lar", "seized_collateral", "repaid_debt", "residual_shortfall",
        "deficit_booked", "liquidated", "deleveraged", "probability_of_any_bad_debt", "probability_of_adl", "deleveraging_event")
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, repr=False)
class Change(Result):
    """Why figures changed.

    table: a row a figure and part: value before and after it, its change, low and high end of the 95 % interval of that.
    settings: a row a field that differs: its group, before, after.
    """

    pictured: ClassVar[int] = 1
    names: tuple[str, str]
    method: Method
    order: tuple[str, ...]  # of the parts; groups that could not go over one by one stand together
    table: pa.Table
    settings: pa.Table
    notes: tuple[str, ...]
    worlds: int  # that were run or read

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        return f"Change from {self.names[0]} to {self.names[1]}: {', '.join(self.order)} ({self.method}, {self.worlds} worlds)"

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: a waterfall of a figure, by default the first that changed."""
        every = self.table.to_pylist()
        there = list(dict.fromkeys(row["figure"] for row in every))
        name = figures[0] if figures else next((row["figure"] for row in every if row["change"]), there[0])
        if name not in there:
            raise InputError("unknown figure", "plot", name, nearest(name, there))
        rows = [{key: row[key] for key in ("part", "before", "after", "change")} for row in every if row["figure"] == name]
        return alt.Chart(alt.Data(values=rows)).mark_bar().encode(
            x=alt.X("part:N", sort=list(self.order), title=None), y2="after:Q",
            y=alt.Y("before:Q", title=name.replace("_", " ")),
            color=alt.condition("datum.change > 0", alt.value("#D55E00"), alt.value("#009E73")),
            tooltip=["part:N", "before:Q", "after:Q", "change:Q"])


def change(a: Given, b: Given, figure: str | Sequence[str] | None = None, method: Method = "sequential",
           order: Sequence[str] = GROUPS, progress: Tell | None = None, threads: int | None = None) -> Change:
    """Why figures differ between a and b: by prices, positions, parameters, scenario and, of runs, the program that made them.

    a, b: worlds, runs, or where they lie: a run's folder, a world's folder or file. figure: names; by default the main ones.
    method: "sequential" goes over group by group in `order`; "shapley" takes the mean over all orders, at 2^n worlds for n groups
    that differ. A group that does not differ is not run, and its part is 0.
    """
    if sorted(order) != sorted(GROUPS):
        every = ", ".join(GROUPS)
        raise InputError("is no order of the groups", "change.order", ", ".join(order), f"name each once: {every}")
    if method not in ("sequential", "shapley"):
        raise InputError("is unknown", "change.method", method, "choose sequential or shapley")
    return Changing(end_of(a, "a"), end_of(b, "b"), method, tuple(order), progress, threads).result(
        [figure] if isinstance(figure, str) else figure)


class Changing:
    """The worlds between two ends, each run once."""

    def __init__(self, a: End, b: End, method: Method, order: tuple[str, ...], progress: Tell | None,
                 threads: int | None) -> None:
        self.a, self.b, self.method, self.order, self.progress, self.threads = a, b, method, order, progress, threads
        self.notes: list[str] = []
        self.rows = [{"group": group_of(row["field"], a.world, b.world), "field": row["field"], "before": row["before"],
                      "after": row["after"]} for row in changed(a.world, b.world, "")]
        differ = {row["group"] for row in self.rows}
        differ |= self._of_files()
        self.parts: list[tuple[str, ...]] = [(group,) for group in order if group in differ]
        self.known: dict[frozenset[str], Stage] = {}

    def _of_files(self) -> set[str]:
        """Groups of files that hold something else in both: a book is positions, what is no book's prices, else it is both."""
        mine, theirs = self._hashes(self.a), self._hashes(self.b)
        books = {protocol.book for end in (self.a, self.b) for protocol in end.world.protocols.values()
                 if isinstance(protocol.book, str)}
        folders = {book.partition("/")[0] for book in books if "/" in book}
        found: set[str] = set()
        for name in {*mine, *theirs}:
            if mine.get(name) != theirs.get(name):
                found |= {POSITIONS} if name in books else {PRICES, POSITIONS} if name.partition("/")[0] in folders else {PRICES}
        return found

    @staticmethod
    def _hashes(end: End) -> Mapping[str, str]:
        return (end.stage.model if end.stage is not None else assemble(end.world)).source.hashes

    def result(self, figures: Sequence[str] | None) -> Change:
        """Run what must be run, and take it apart."""
        self._merge()
        stages = {frozenset(taken): self._stage(taken) for taken in self._needed()}
        now_a, now_b = stages[frozenset()], stages[frozenset(range(len(self.parts)))]
        first = self.a.stage if self.a.stage is not None else now_a
        last = self.b.stage if self.b.stage is not None else now_b
        chosen = self._chosen(figures, first, last)
        labels = [" and ".join(part) for part in self.parts]
        order = [*(label for group in self.order for label in self._labels(group, labels)), MODEL]
        samples = Samples([first, last, *stages.values()], chosen, self.a.world.scenario.seed)
        rows: list[dict[str, Any]] = []
        for name in chosen:
            found = {key: stage.values().get(name, math.nan) for key, stage in stages.items()}
            ends = (first.values()[name], last.values()[name])
            rows += self._rows(name, ends, found, samples, list(stages), dict(zip(labels, range(len(labels)), strict=True)),
                               order)
        return Change((self.a.known_as, self.b.known_as), self.method, tuple(dict.fromkeys(order)), _table(rows, first, last),
                      pa.Table.from_pylist(self.rows, schema=SETTINGS), tuple(self.notes), len(stages))

    @staticmethod
    def _labels(group: str, labels: Sequence[str]) -> list[str]:
        """Under which a group stands: together with others, or by itself."""
        return [label for label in labels if group in label.split(" and ")] or [group]

    def _merge(self) -> None:
        """Groups that cannot go over one by one go together with the next: a mixture that no world can be."""
        k = 0
        while k < len(self.parts) - 1:
            subsets = [range(k + 1)] if self.method == "sequential" else [
                chosen for size in range(1, len(self.parts)) for chosen in combinations(range(len(self.parts)), size)]
            try:
                for chosen in subsets:
                    assemble(self._world(chosen))
            except InputError as error:
                at = min(k, len(self.parts) - 2) if self.method == "sequential" else 0
                joined = (*self.parts[at], *self.parts[at + 1])
                self.notes.append(f"{' and '.join(joined)} go over together: between them the world cannot stand ({error})")
                self.parts[at:at + 2] = [joined]
                k = 0
                continue
            k = k + 1 if self.method == "sequential" else len(self.parts)

    def _world(self, taken: Sequence[int] | range) -> World:
        return hybrid(self.a.world, self.b.world, self._groups(taken))

    def _groups(self, taken: Sequence[int] | range) -> list[str]:
        """Groups as in b: those taken, and where all are, also those that do not differ."""
        return list(GROUPS) if len(taken) == len(self.parts) else [group for k in taken for group in self.parts[k]]

    def _needed(self) -> list[tuple[int, ...]]:
        """Sets of parts that have gone over, of which a figure is asked."""
        n = len(self.parts)
        if self.method == "sequential":
            return [tuple(range(k)) for k in range(n + 1)]
        return [chosen for size in range(n + 1) for chosen in combinations(range(n), size)]

    def _stage(self, taken: Sequence[int]) -> Stage:
        """The present program's figures of a mixture."""
        now, end = source_hash(), self.a if not taken else self.b if len(taken) == len(self.parts) else None
        if end is not None and end.stage is not None and end.program == now:
            return end.stage
        if not self.parts and self.b.stage is not None and self.b.program == now:
            return self.b.stage
        words = ", ".join(group for k in taken for group in self.parts[k]) or "nothing"
        tell = self.progress
        said = None if tell is None else lambda stage, done, of: tell(f"{words} as in the second: {stage}", done, of)
        run = stress(end.world if end is not None else self._world(taken), threads=self.threads, progress=said, keep=False)
        return Stage(run.model, run.paths, run.summary)

    def _chosen(self, figures: Sequence[str] | None, first: Stage, last: Stage) -> list[str]:
        """Figures of both ends: those named, or the main ones that are not nothing in both."""
        mine, theirs = first.values(), last.values()
        there = [name for name in mine if name in theirs and not math.isnan(mine[name]) and not math.isnan(theirs[name])]
        for name in figures or ():
            if name not in there:
                raise InputError("is no figure of both", "change.figure", name, nearest(name, there))
        if figures:
            return list(dict.fromkeys(figures))
        main = [name for name in there if name.partition(".")[0] in MAIN and (mine[name] or theirs[name])]
        return main or there[:1]

    def _rows(self, name: str, ends: tuple[float, float], found: Mapping[frozenset[int], float], samples: Samples,
              keys: Sequence[frozenset[int]], place: Mapping[str, int], order: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The parts of one figure in their order, with the values between."""
        every, n = frozenset(range(len(self.parts))), len(self.parts)
        if any(math.isnan(value) for value in found.values()):
            raise InputError("has no value in one of the worlds between", "change.figure", name, "choose another figure or order")
        one = quantum([*ends, *found.values()])
        whole = {key: quanta(value, one) for key, value in found.items()}
        first, last = quanta(ends[0], one), quanta(ends[1], one)
        draws = samples.of(name)  # [worlds, samples]: both ends, then keys
        drawn = {key: draws[2 + i] for i, key in enumerate(keys)}
        weights = shapley(n) if self.method == "shapley" else chain(n)
        parts = share_out(weights, whole)
        said: dict[str, tuple[int, np.ndarray | None]] = {label: (parts[k], np.sum(
            [float(weight) * (drawn[key | {k}] - drawn[key]) for key, weight in weights[k].items()], axis=0))
            for label, k in place.items()}
        said[MODEL] = ((whole[frozenset()] - first) + (last - whole[every]),
                       drawn[frozenset()] - draws[0] + draws[1] - drawn[every])
        at = first
        for part in dict.fromkeys(order):
            size, spread = said.get(part, (0, None))
            low, high = ends_of(spread) if spread is not None and self._is_part(part) else (0.0, 0.0)
            yield {"figure": name, "part": part, "before": at * one, "after": (at + size) * one, "change": size * one,
                   "low": low, "high": high}
            at += size
        assert at == last

    def _is_part(self, part: str) -> bool:
        """Whether anything of it was run; else it is 0 for sure."""
        now = source_hash()
        return part != MODEL or any(end.stage is not None and end.program != now for end in (self.a, self.b))


class Samples:
    """Figures on the same resampled paths of several worlds."""

    def __init__(self, stages: Sequence[Stage], figures: Sequence[str], seed: int) -> None:
        paths = {stage.paths.num_rows for stage in stages}
        seeds = {stage.model.world.scenario.seed for stage in stages}
        self.stages, self.figures = stages, figures
        self.rows: np.ndarray | None = None
        if len(paths) == 1 and len(seeds) == 1 and (count := paths.pop()) > 1:
            self.rows = np.random.Generator(np.random.PCG64(seed)).integers(0, count, (RESAMPLES, count))
        self.made = [{name_of(one, figure): (one, figure, values) for one, figure, values, _ in made_of(stage.model, stage.paths)
                      if name_of(one, figure) in figures} for stage in stages]
        self.weights = [counted(stage.paths) for stage in stages]

    def of(self, name: str) -> np.ndarray:
        """A figure's value on each sample [worlds, samples]; nan where worlds have no common paths."""
        if self.rows is None:
            return np.full((len(self.stages), 1), np.nan)
        rows = self.rows
        return np.array([resampled(*one[name][:2], one[name][2][rows], None if w is None else w[rows]) if name in one
                         else np.full(len(rows), np.nan) for one, w in zip(self.made, self.weights, strict=True)])


def ends_of(spread: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of samples."""
    low, high = np.quantile(spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


SETTINGS = pa.schema([(name, pa.string()) for name in ("group", "field", "before", "after")])


def _table(rows: Sequence[dict[str, Any]], first: Stage, last: Stage) -> pa.Table:
    """The rows with unit, label and definition of their figures."""
    about = {row["figure"]: row for stage in (last, first) for row in stage.summary.to_pylist()}

    def said(key: str) -> list[str]:
        return [str(about[row["figure"]][key]) for row in rows]

    def numbers(key: str) -> list[float | None]:
        return [None if math.isnan(row[key]) else row[key] for row in rows]

    return table(
        Column("figure", "", [row["figure"] for row in rows]), Column("label", "", said("label")),
        Column("protocol", "", said("protocol")), Column("part", "", [row["part"] for row in rows]),
        Column("unit", "", said("unit")),
        *(Column(key, "", numbers(key), kind=pa.float64()) for key in ("before", "after", "change", "low", "high")),
        Column("definition", "", said("definition")))

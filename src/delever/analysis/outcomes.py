"""The outcomes people are judged by, of a run: who stood unhealthy for how long, what was closed and came back, who lost what.

    table      by protocol: time unhealthy, exposure shed, the deleveraging event, liquidations regretted or in error; of the
               whole: recovery
    parties    loss by party: borrowers and traders who were closed, winners, each layer, lenders, liquidators, venues and makers
    markouts   what was closed by force at later prices: + is a loss for who was closed, as a share of what was closed
    buffers    of each buffer how much was used before the next layer or bad debt was reached
Formulas stand with the probes: engine/unhealthy.py, engine/markouts.py, engine/deleveraging.py. Intervals are sampling alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.bearers import bearers
from delever.analysis.buffers import buffers_of
from delever.analysis.tables import Column, table
from delever.engine.deleveraging import WHAT
from delever.engine.markouts import KINDS, LAGS, NAMES
from delever.engine.unhealthy import END, OUTSIDE, WHEN, WINDOW
from delever.model.errors import InputError
from delever.model.judged import Judged
from delever.run.collect import numbers
from delever.run.estimates import Drawn, Estimate, among, each, mean, mean_at, quantile, ratio, share
from delever.run.figures import drawn_of, duration
from delever.run.judged import exposure
from delever.run.result import Result
from delever.run.stress import Run, open_run

NONE: Estimate = (np.nan, np.nan, np.nan)
CLOSED = {"loans": "borrowers", "longs": "longs", "shorts": "shorts", "adl_longs": "longs closed by ADL",
          "adl_shorts": "shorts closed by ADL"}
AT_ONCE = NAMES[0]


@dataclass(frozen=True, repr=False)
class Outcomes(Result):
    """See the tables of this module's text. judged: thresholds, windows and bands, which are assumptions."""

    table: pa.Table
    parties: pa.Table
    markouts: pa.Table
    buffers: pa.Table
    judged: Judged
    paths: int
    horizon: float  # [s]

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        return f"Outcomes of {self.paths:,} paths: {self.table.num_rows} figures, {self.buffers.num_rows} buffers"

    def _chart(self, alt: Any, figures: Any) -> Any:
        """See Result: markouts over time since the closing, a line a protocol and side."""
        rows = [{"who": f"{row['protocol']}: {row['who']}", **{key: row[key] for key in ("after", "loss", "low", "high")}}
                for row in self.markouts.to_pylist() if row["loss"] is not None]
        base = alt.Chart(alt.Data(values=rows)).encode(
            x=alt.X("after:O", title="after the closing [s]"), color=alt.Color("who:N"),
            tooltip=["who:N", "after:Q", "loss:Q", "low:Q", "high:Q"])
        y = alt.Y("loss:Q", axis=alt.Axis(format="%"), title="loss of who was closed, share of what was closed")
        return alt.layer(base.mark_line(point=True).encode(y=y), base.mark_rule().encode(y="low:Q", y2="high:Q"))


def outcomes(run: Run | str | Path) -> Outcomes:
    """By what people are judged, of a run or of its folder. Windows and bands are its world's `scenario.judged` (assumptions).

    InputError: the run did not keep them, since scenario.judged is null.
    """
    run = run if isinstance(run, Run) else open_run(run)
    scenario = run.world.scenario
    if scenario.judged is None:
        raise InputError("keeps no outcomes people are judged by", "a run" if run.folder is None else str(run.folder), None,
                         "run it again with them: delever stress WORLD --outcomes (scenario.judged: {})")
    drawn, of = drawn_of(run.model, run.paths), zip(run.world.protocols, exposure(run.model).tolist(), strict=True)
    rows = [row for name, base in of for row in _of_protocol(run, scenario.judged, name, base, drawn)]
    rows += list(_recoveries(run, drawn))
    return Outcomes(_figures(rows), _parties(run, drawn), _markouts(run, drawn), buffers_of(run), scenario.judged,
                    run.paths.num_rows, scenario.horizon)


Row = tuple[str, str, str, Estimate, str, str]  # protocol, name, label, estimate, unit, meaning


def _figures(rows: list[Row]) -> pa.Table:
    values = [row[3] for row in rows]
    return table(
        Column("protocol", "", pa.array([row[0] for row in rows], pa.string()), "empty: of the whole"),
        Column("outcome", "", pa.array([row[1] for row in rows], pa.string())),
        Column("label", "", pa.array([row[2] for row in rows], pa.string())),
        *ends(values, ("value", "low", "high"), ""),
        Column("unit", "", pa.array([row[4] for row in rows], pa.string())),
        Column("meaning", "", pa.array([row[5] for row in rows], pa.string())))


def ends(estimates: Sequence[Estimate], names: Sequence[str], unit: str, meaning: str = "") -> list[Column]:
    """Values and both ends of their intervals as columns; empty where there is no number."""
    return [Column(name, unit, [None if math.isnan(one[i]) else one[i] for one in estimates], "" if i else meaning, pa.float64())
            for i, name in enumerate(names)]


def _of_protocol(run: Run, judged: Judged, name: str, base: float, drawn: Drawn) -> Iterator[Row]:
    """What is said of one protocol."""
    lends = name in run.world.lending
    owed, limit = ("debt", "liquidation threshold") if lends else ("positions", "maintenance margin")

    def of(column: str, more: str = "") -> np.ndarray:
        return numbers(run.paths, f"{column}.{name}{more}")

    shed, depth, start = of("closed_by_force"), of("event_depth"), of("event_start")
    some = ~np.isnan(start)
    event = (f"{100.0 * judged.event_share:.4g} % of the {owed} at the start closed by force within "
             f"{duration(judged.event_within)} (assumption)")
    when_some = among(drawn, some)
    yield (name, "unhealthy_account_hours", "time unhealthy", mean(of("unhealthy_account_hours"), drawn), "account-hours",
           f"accounts below the {limit} at the end of a step, times its length; mean over paths")
    yield (name, "unhealthy_debt_hours", f"{owed} unhealthy", mean(of("unhealthy_debt_hours"), drawn), "USD-hours",
           f"{owed} of accounts below the {limit} at the end of a step, times its length; mean over paths")
    yield (name, "exposure_shed", "exposure shed", mean(shed / base, drawn) if base > 0.0 else NONE, "share",
           f"{owed} closed by force, of those at the start; mean over paths")
    yield (name, "deleveraging_event", "P(deleveraging event)", share(some, drawn), "share", f"paths on which {event}")
    yield (name, "event_start", "event starts", quantile(start[some], 0.5, when_some) if some.any() else NONE, "s",
           f"first step with {event}; median over paths with one")
    yield (name, "event_duration", "event lasts",
           quantile(of("event_duration")[some], 0.5, when_some) if some.any() else NONE, "s",
           "steps with so much closed within the time before; median over those paths")
    yield (name, "event_depth", "deepest shedding", mean(depth, drawn), "share",
           f"largest share of {owed} at the start closed within {duration(judged.event_within)}; mean over all paths")
    for when, words in ((WINDOW, f"{duration(judged.regret_after)} later (assumption)"), (END, "at the horizon's end")):
        place = f".{WHEN[when]}"
        count, usd = of("first_calls", place), of("first_calls_usd", place)
        yield (name, f"regretted_{WHEN[when]}", f"regretted {words.removesuffix(' (assumption)')}",
               within(ratio(of("regretted", place), count, drawn)), "share",
               f"of accounts called for the first time those that, had nobody called them, would be healthy {words}")
        yield (name, f"regretted_usd_{WHEN[when]}", "the same, by value", within(ratio(of("regretted_usd", place), usd, drawn)),
               "share",
               f"of the {owed} closed since those calls")
    place = f".{WHEN[OUTSIDE]}"
    yield (name, "erroneous", "called in error", within(ratio(of("erroneous", place), of("first_calls", place), drawn)), "share",
           "of accounts called for the first time those that were healthy at outside prices of the same step")
    yield (name, "erroneous_usd", "called in error, USD", mean(of("erroneous_usd", place), drawn), "USD",
           f"{owed} closed in the step of those calls; mean over paths")


def within(found: Estimate) -> Estimate:
    """A share: a normal interval knows no bounds."""
    return found[0], max(found[1], 0.0), min(found[2], 1.0)


def _recoveries(run: Run, drawn: Drawn) -> Iterator[Row]:
    """How long until things were back, over the paths on which something was closed by force."""
    hit = numbers(run.paths, "any_forced_closing") > 0.0
    for what in WHAT:
        never = numbers(run.paths, f"unrecovered_{what}")[hit] > 0.0
        time = numbers(run.paths, f"recovery_{what}")
        back = ~np.isnan(time)
        yield ("", f"recovery_{what}", f"{what} back after",
               quantile(time[back], 0.5, among(drawn, back)) if back.any() else NONE, "s",
               "from the first forced closing until they stayed within the band (assumption); median over paths where they did")
        yield ("", f"never_{what}", f"{what} never back", share(never, among(drawn, hit)) if len(never) else NONE, "share",
               "of paths with forced closings: out of the band at the horizon's end")


def _markouts(run: Run, drawn: Drawn) -> pa.Table:
    """A row a protocol, side and lag."""
    rows: list[tuple[str, str, float, Estimate, float]] = []
    for name in run.world.protocols:
        for kind in KINDS[:1] if name in run.world.lending else KINDS[1:]:
            for lag, said in zip(LAGS, NAMES, strict=True):
                loss, value = (numbers(run.paths, f"{column}.{name}.{kind}.{said}") for column in ("markout", "markout_value"))
                if value.any() or said == AT_ONCE:
                    rows.append((name, kind, lag, ratio(loss, value, drawn), float(mean_at(value, each(drawn)))))
                else:
                    rows.append((name, kind, lag, NONE, 0.0))
    values = [row[3] for row in rows]
    return table(
        Column("protocol", "", [row[0] for row in rows]), Column("who", "", [CLOSED[row[1]] for row in rows]),
        Column("after", "s", [row[2] for row in rows], "the end of the step in which they were closed; the first so much later"),
        *ends(values, ("loss", "low", "high"), "share", "of who was closed, of what was closed"),
        Column("value_usd", "USD", [row[4] for row in rows], "what is marked, mean over paths"))


def _parties(run: Run, drawn: Drawn) -> pa.Table:
    """A row a party and protocol. Losses of one are gains of another: they are not meant to add up."""
    found: list[tuple[str, str, Estimate]] = []
    for name in run.world.protocols:
        lends = name in run.world.lending
        kinds = KINDS[:1] if lends else KINDS[1:3]
        lost = sum((numbers(run.paths, f"markout.{name}.{kind}.{AT_ONCE}") for kind in kinds), np.zeros(run.paths.num_rows))
        found.append(("borrowers, by calls" if lends else "traders closed by the engine", name, mean(lost, drawn)))
    losses = bearers(run)
    found += [(who, name, mean(usd, drawn)) for name, who, usd in zip(losses.protocols, losses.who, losses.usd.T, strict=True)]
    for column, who in (("liquidator_profit", "liquidators"), ("provider_profit", "venues and makers")):
        found.append((who, "", mean(-numbers(run.paths, column), drawn)))
    return table(
        Column("who", "", [row[0] for row in found]), Column("protocol", "", [row[1] for row in found]),
        *ends([row[2] for row in found], ("loss", "low", "high"), "USD", "a gain is below 0; mean over paths"))

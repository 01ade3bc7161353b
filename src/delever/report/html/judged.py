"""By what people are judged: what a closing costs who is closed, seen a while later, and how long, how often, how much."""

from __future__ import annotations

import math
from typing import Any

from delever.analysis.outcomes import Outcomes, outcomes
from delever.report.html.figure import Figure, Given, html_table, pct
from delever.report.html.theme import C, chart, drawn, needed
from delever.report.mechanisms import interval, with_unit

LINES = ("c1", "c2", "c3", "alt", "c4")  # colours, one a protocol and side
SHARE = "replace(format(datum.value, '.1%'), '%', '\u00a0%')"  # of a label of an axis
WHEN = "datum.value == 0 ? 'at once' : datum.value < 3600 ? (datum.value / 60) + ' min' : (datum.value / 3600) + ' h'"
MOST = 10  # figures that are told


def judged(given: Given) -> Figure | None:
    """The figure; none where the run did not keep them."""
    if given.run.world.scenario.judged is None:
        return None
    return figure(given, outcomes(given.run))


def figure(given: Given, found: Outcomes) -> Figure:
    """A line a protocol and side."""
    told = [row for row in found.markouts.to_pylist() if row["loss"] is not None]
    names = list(dict.fromkeys((row["protocol"], row["who"]) for row in told))[:len(LINES)]
    tint = dict(zip(names, LINES, strict=False))
    rows = [{"x": row["after"], "y": row["loss"], "low": row["low"], "high": row["high"],
             "c": C[tint[row["protocol"], row["who"]]],
             "d": f"{row['who']} of {row['protocol']}, {row['after']:g} s after: {pct(row['loss'])}"}
            for row in told if (row["protocol"], row["who"]) in tint]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("x:O", title="after the closing", axis=alt.Axis(labelExpr=WHEN, labelAngle=0))
        y = alt.Y("y:Q", title="loss of who was closed", axis=alt.Axis(labelExpr=SHARE, tickCount=5))
        paint = alt.Color("c:N", scale=None)
        rule = chart(rows).mark_rule(strokeWidth=2, aria=False).encode(x=x, y="low:Q", y2="high:Q", color=paint)
        line = chart(rows).mark_line(strokeWidth=2, aria=False).encode(x=x, y=y, color=paint)
        dots = chart(rows).mark_point(size=50, filled=True).encode(x=x, y=y, color=paint, description="d:N")
        return alt.layer(rule, line, dots).properties(height=210 if narrow else 240)

    figures = [row for row in found.table.to_pylist() if row["value"] is not None and not math.isnan(row["value"])]
    return Figure(
        "judged", title(told),
        "Price a while after a closing against that of the closing, weighted by value, share; above 0 who was closed lost by it",
        drawn(make) if rows else "",
        (("Assumption", "windows, bands and thresholds: scenario.judged"), ("Horizon", given.horizon),
         ("Source", "delever outcomes")),
        html_table(found.table, "Outcomes, with 95 % intervals"),
        tuple((tint[name], f"{name[1]} of {name[0]}", "line") for name in names),
        tuple(f"{row['protocol'] + ': ' if row['protocol'] else ''}{row['label']} {with_unit(row['value'], row['unit'])}"
              f"{range_of(row)}" for row in figures[:MOST]))


def range_of(row: dict[str, Any]) -> str:
    """Its interval in brackets, where there is one."""
    said = interval(row["low"], row["high"], row["unit"])
    return f" ({said})" if said else ""


def title(told: list[dict[str, Any]]) -> str:
    """The longest look back that has most closed, where its interval leaves out nothing."""
    if not told:
        return "Nobody was closed whose price could be looked at later"
    last = max(row["after"] for row in told)
    rows = [row for row in told if row["after"] == last]
    row = max(rows, key=lambda one: abs(one["loss"]))
    sure = row["low"] is not None and row["high"] is not None and (row["low"] > 0.0 or row["high"] < 0.0)
    after = f"{last / 3600.0:g} h" if last >= 3600.0 else f"{last / 60.0:g} min"
    if not sure:
        return f"{after} after a closing prices say neither that it came too early nor too late"
    lost = "lost" if row["loss"] > 0.0 else "been spared"
    return f"{after} after a closing {row['who']} of {row['protocol']} have {lost} {pct(abs(row['loss']))} by it"

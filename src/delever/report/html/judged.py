"""By what people are judged: what a closing costs who is closed, seen a while later, and how long, how often, how much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from delever.analysis.outcomes import Outcomes, outcomes
from delever.report.html.figure import Figure, Given, html_table, pct, plain
from delever.report.html.theme import C, chart, drawn, needed
from delever.report.mechanisms import interval, with_unit
from delever.report.numbers import duration

LINES = ("c1", "c2", "c3", "alt", "c4")  # colours, one a protocol and side
SHARE = "replace(replace(format(datum.value, '.3~p'), '%', '\u00a0%'), '-', '−')"  # of a label of an axis
WHEN = "datum.value == 0 ? 'at once' : datum.value < 3600 ? (datum.value / 60) + ' min' : (datum.value / 3600) + ' h'"
MOST = 14  # sentences
SAID = {  # of a figure of the table, what it says; of the whole: the last six
    "unhealthy_account_hours": "accounts stand below their {limit} and are not closed yet for {value} in all, mean over paths",
    "exposure_shed": "{value} of the {owed} at the start is closed by force, mean over paths",
    "deleveraging_event": "on {value} of paths there is a wave of closings: {share} or more of the {owed} at the start closed by "
                          "force within {within}",
    "event_start": "the wave begins {value} after the start, median over those paths",
    "event_duration": "for {value} so much had been closed within the {within} before, median over those paths",
    "event_depth": "in the worst {within} {value} of the {owed} at the start is closed, mean over all paths",
    "regretted_window": "{value} of accounts that are called would be healthy {later} later had nobody called them: they were "
                        "closed for nothing, seen from then",
    "regretted_end": "{value} would be healthy at the end of the run",
    "recovery_prices": "{value} after the first closing markets stand within {price} of outside prices again, median over paths "
                       "where they do",
    "never_prices": "on {value} of paths they do not by the end",
    "recovery_health": "{value} after the first closing hardly anybody is left below his threshold (of all debt {health}), "
                       "median over paths where it is so",
    "never_health": "on {value} of paths it is not so by the end",
    "recovery_liquidity": "{value} after the first closing markets have their depth again, to {depth}, median over paths where "
                          "they do",
    "never_liquidity": "on {value} of paths they do not by the end",
}


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

    return Figure(
        "judged", title(told),
        "Price a while after a closing against that of the closing, weighted by value, share; above 0 who was closed lost by it",
        drawn(make) if rows else "",
        (("Assumption", "windows, bands and thresholds: scenario.judged"), ("Horizon", given.horizon),
         ("Source", "delever outcomes")),
        html_table(found.table, "Outcomes, with 95 % intervals"),
        tuple((tint[name], f"{name[1]} of {name[0]}", "line") for name in names),
        tuple(sentences(given, found))[:MOST])


def sentences(given: Given, found: Outcomes) -> Iterator[str]:
    """What figures say in words; those that have no value are left out, and that something never came back where it is 0."""
    judged = found.judged
    words = {"share": pct(judged.event_share), "within": plain(duration(judged.event_within)),
             "later": plain(duration(judged.regret_after)), "price": pct(judged.price_band), "health": pct(judged.health_band),
             "depth": pct(judged.depth_band)}
    for row in found.table.to_pylist():
        value, name = row["value"], row["protocol"]
        if value is None or math.isnan(value) or row["outcome"] not in SAID or (row["outcome"].startswith("never") and not value):
            continue
        lends = name in given.run.world.lending
        text = SAID[row["outcome"]].format(value=plain(with_unit(value, row["unit"])), owed="debt" if lends else "positions",
                                           limit="liquidation threshold" if lends else "maintenance margin", **words)
        of = f"{name}: " if name and len(given.run.world.protocols) > 1 else ""
        yield f"{of}{text if of else text[0].upper() + text[1:]}{range_of(row)}."


def range_of(row: dict[str, Any]) -> str:
    """Its interval in brackets, where there is one."""
    said = interval(row["low"], row["high"], row["unit"])
    return f" (95 % interval {said})" if said else ""


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

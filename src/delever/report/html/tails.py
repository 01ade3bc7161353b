"""Losses that come once in 1,000 paths: the share of paths beyond a loss, of the paths themselves and by a fitted tail.

Title: the loss that so few paths exceed, by the tail where its interval has both ends, else by the paths where theirs has; and by
how much it moves where fewer exceedances take it out of that interval. Where neither is bounded: that the paths do not tell it.
"""

from __future__ import annotations

import math
from typing import Any

from delever.analysis.tails import FITTED, Tails
from delever.report.html.figure import Figure, Given, html_table, pct, plain, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed
from delever.report.numbers import magnitude
from delever.report.tails import RULE

SHARE = "replace(format(datum.value, '.3~p'), '%', '\u00a0%')"  # of a label of an axis
LEAST = 0.5  # of the share of one path, or of what is told, at the lower end of the axis


def far_tail(given: Given) -> Figure | None:
    """The figure; none where no tail could be fitted."""
    found = given.tails
    if found is None:
        return None
    rare, worst = 1.0 - found.level, float(given.losses.total.max())
    least = LEAST * min(rare, 1.0 / found.paths)
    curve = [row for row in found.curve.to_pylist() if row["share"] >= least]
    decades = [10.0**k for k in range(math.floor(math.log10(least)), 1) if least <= 10.0**k]
    row = next(one for one in found.table.to_pylist() if one["method"] == FITTED)
    points = [{"x": row["value"], "y": rare, "low": row["low"] if bounded(row) else row["value"],
               "high": row["high"] if bounded(row) else row["value"], "d": f"{row['figure']} by the tail: {ends(row)}"}]
    last = [{"x": worst, "y": 1.0 / found.paths, "d": f"the worst path: {usd(worst)}"}]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("x:Q", title="loss, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4 if narrow else 6),
                  scale=alt.Scale(zero=False, nice=False))
        y = alt.Y("y:Q", title="paths that lose more", axis=alt.Axis(labelExpr=SHARE, values=decades),
                  scale=alt.Scale(type="log", domain=[least, 1.5 * found.fit.share], nice=False))
        lines = [chart([{"x": one["loss"], "y": one["share"]} for one in curve if (one["method"] == FITTED) is tail]).mark_line(
            color=C[tint], strokeWidth=2, interpolate="linear" if tail else "step-after", aria=False).encode(x=x, y=y)
            for tail, tint in ((False, "c1"), (True, "loss"))]
        span = chart(points).mark_rule(color=C["loss"], strokeWidth=2, aria=False).encode(x="low:Q", x2="high:Q", y="y:Q")
        dots = [chart(of).mark_point(color=C[tint], filled=True, size=90, opacity=1).encode(x="x:Q", y="y:Q", description="d:N")
                for of, tint in ((points, "loss"), (last, "c1"))]
        return alt.layer(*lines, span, *dots).properties(height=210 if narrow else 240)

    losing, low, high = found.losing
    return Figure(
        "far-tail", title(found, worst),
        f"Share of paths that lose more than so much within {given.horizon}, from the threshold on; dot: {row['figure']} by the "
        "tail, with its 95 % interval where it has one",
        drawn(make),
        (("Lose anything", f"{pct(losing)} of paths (95 % interval {pct(low)} to {pct(high)})"),
         ("Tail", f"{RULE} Here: {len(found.fit.excess):,} paths beyond {usd(found.fit.threshold)}, shape {shape(found)}"),
         *(("To know", text) for text in found.said),
         ("Axes", "losses begin at the threshold; shares are logarithmic"),
         ("Horizon", given.horizon), ("Paths", f"{found.paths:,}"), ("Source", "delever tails")),
        html_table(found.table, "Far out; sample: of the paths alone, tail: of the fitted tail")
        + html_table(found.thresholds, "The same tail from fewer exceedances"),
        (("c1", "the paths; dot: the worst", "line"), ("loss", "fitted tail", "line")))


def title(found: Tails, worst: float) -> str:
    """See the top of the file."""
    once = f"One path in {magnitude(round(1.0 / (1.0 - found.level)))}"
    rows = [row for row in found.table.to_pylist()[:2] if bounded(row)]
    if not rows:
        return (f"How much one path in {magnitude(round(1.0 / (1.0 - found.level)))} loses is not told by {found.paths:,} paths; "
                f"the worst of them loses {usd(worst)}")
    row = rows[0]
    others = found.thresholds["var"].to_pylist() if row["method"] == FITTED else []
    moves = [value for value in others if not row["low"] <= value <= row["high"]]
    by = f"by a tail fitted to the worst {len(found.fit.excess):,}" if row["method"] == FITTED else "by the paths themselves"
    hinges = f"; from fewer of them {usd(min(others), False)} to {usd(max(others))}" if moves else ""
    return f"{once} loses more than {ends(row)}, {by}{hinges}"


def bounded(row: dict[str, Any]) -> bool:
    """Whether an interval has both ends."""
    return all(row[end] is not None and math.isfinite(row[end]) for end in ("low", "high"))


def ends(row: dict[str, Any]) -> str:
    """A value with its interval, where it has one."""
    span = f" (95 % interval {usd(row['low'], False)} to {usd(row['high'])})" if bounded(row) else ""
    return usd(row["value"]) + span


def shape(found: Tails) -> str:
    """With its standard error, where there is one."""
    error = found.fit.shape_error
    return plain(f"{found.fit.shape:.2g}") + (f" ± {error:.2g}" if math.isfinite(error) else "")

"""What is the least that breaks a limit: the smallest fall or rise, sale and push of a feed, found by running them.

Title: the smallest shock of one asset alone, else of all, else what is found first, with its interval; and the cheapest way,
where one has a price. Where nothing breaks the limit, or nothing has to be done for it, that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from delever.analysis.joint_shocks import ALL
from delever.analysis.reverse import ALREADY, BREAKS, HOLDS, Reverse
from delever.analysis.reverse_beside import WITHOUT
from delever.report.html.figure import Figure, Given, html_table, pct, plain, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed
from delever.report.numbers import duration
from delever.report.reverse import drawn as on_axis
from delever.report.reverse import said

ROW, AXIS_SPACE = 34, 60  # [px]
SHARE = "replace(format(datum.value, '.3~p'), '%', '\u00a0%')"  # of a label of an axis
PANELS = ((("shock", "oracle"), "price moved by, logarithmic", SHARE), (("order",), "sold, USD, logarithmic", MONEY))
TINTS = {"shock": "loss", "oracle": "alt", "order": "c1"}
WORDS = {"shock": "a price moves", "oracle": "a feed is pushed, markets stay", "order": "a sale"}


def breaks(given: Given) -> Figure | None:
    """The figure; none where it was not asked."""
    return None if given.reverse is None else figure(given.reverse)


def figure(found: Reverse) -> Figure:
    """Dots with their intervals, a panel for shares of a price and one for USD."""
    rows = [row for row in found.table.to_pylist() if row["found"] == BREAKS]
    panels = [(name, label, [dot(row) for row in rows if row["by"] in kinds]) for kinds, name, label in PANELS]
    kinds = dict.fromkeys(row["by"] for row in rows)
    holds = [f"{done(row)} (up to {plain(said(row['largest_tried'], row['unit']))})" for row in found.table.to_pylist()
             if row["found"] == HOLDS]
    flat = found.table.drop_columns(["holds_again_at"])
    return Figure(
        "breaks", title(found),
        f"Smallest size at which “{found.limit}” is reached on {of_paths(found.share)}, of {found.paths} paths; line: 95 % "
        "interval; in brackets what it costs",
        "".join(drawn(panel(shown, name, label)) for name, label, shown in panels if shown),
        (("Reached", found.definition),
         ("Searched", "by running it: a coarse grid to its end, then halved to 1 %; the same random numbers for all sizes"),
         ("Costs", "what slippage and fees take where prices come back before the seller buys again, at the start’s depth; an "
                   "estimate. A push: of moving and holding the venue that the feed reads"),
         *((("Does not reach it", ", ".join(holds)),) if holds else ()),
         *(("To know", text) for text in found.said),
         ("Horizon", plain(duration(found.horizon))), ("Source", f'delever reverse --limit "{found.limit}"')),
        html_table(flat, f"What reaches “{found.limit}”"),
        tuple((TINTS[kind], WORDS[kind], "dot") for kind in kinds))


def dot(row: dict[str, Any]) -> dict[str, Any]:
    """What is drawn of one."""
    size, low, high = (value if value > 0.0 else math.nan for value in on_axis(row))
    low, high = (size if math.isnan(end) else end for end in (low, high))
    brief = f"{done(row)}: {plain(said(row['size'], row['unit']))}"
    cost = "" if math.isnan(row["cost_usd"]) else f" (costs {usd(row['cost_usd'])})"
    return {"at": f"{row['by']} {row['what']}", "x": size, "low": low, "high": high, "c": C[TINTS[row["by"]]], "brief": brief,
            "who": f"{brief}{again(row)}{cost}", "d": f"{brief}{interval(row)}{again(row)}{cost}"}


def done(row: dict[str, Any]) -> str:
    """What is done, without its size."""
    return f"all prices {'fall' if row['sign'] < 0 else 'rise'}" if row["of"] == ALL else str(row["what"])


def again(row: dict[str, Any]) -> str:
    """That a larger size does not reach it."""
    return "" if row["monotone"] else ", not at every larger size"


def panel(rows: Sequence[dict[str, Any]], name: str, label: str) -> Any:
    """One axis."""
    ends = [value for row in rows for value in (row["x"], row["low"], row["high"])]
    low, high = min(ends) / 1.3, max(ends) * 1.3
    marks = [n * 10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for n in (1.0, 2.0, 5.0)]

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("at:O", sort=None, title=None, axis=None)
        x = alt.X("x:Q", title=name, axis=alt.Axis(labelExpr=label, values=[mark for mark in marks if low <= mark <= high]),
                  scale=alt.Scale(type="log", domain=[low, high], nice=False))
        base, paint = chart([row | {"least": low} for row in rows]), alt.Color("c:N", scale=None)
        guide = base.mark_rule(yOffset=7, color=C["grid"], aria=False).encode(y=y, x="least:Q", x2="x:Q")
        line = base.mark_rule(yOffset=7, strokeWidth=2, aria=False).encode(y=y, x="low:Q", x2="high:Q", color=paint)
        dots = base.mark_point(yOffset=7, filled=True, size=90, opacity=1).encode(y=y, x=x, color=paint, description="d:N")
        text = base.mark_text(align="left", yOffset=-7).encode(y=y, x="least:Q", text="brief:N" if narrow else "who:N")
        return alt.layer(guide, line, dots, text).properties(height=ROW * len(rows) + AXIS_SPACE)

    return make


def title(found: Reverse) -> str:
    """See the top of the file."""
    rows = found.table.to_pylist()
    broken, on = [row for row in rows if row["found"] == BREAKS], of_paths(found.share)
    if any(row["found"] == ALREADY for row in rows):
        return f"“{found.limit}” is reached on {on} before anything is done"
    start = "Without the scenario’s events " if WITHOUT in found.said else ""
    if not broken:
        return f"{start}{'nothing' if start else 'Nothing'} that was tried reaches “{found.limit}” on {on}"
    shocks = [row for row in broken if row["by"] == "shock"]
    first = next((row for row in shocks if row["of"] != ALL), (shocks or broken)[0])
    cheap = found.cheapest.to_pylist()[:1]
    price = "".join(f"; the cheapest way, {cause(row)}, costs {usd(row['cost_usd'])}" for row in cheap)
    it = "it" if start else "It"
    return f"{start}{it} takes {cause(first)}{interval(first)} to reach “{found.limit}” on {on}{price}"


def cause(row: dict[str, Any]) -> str:
    """A thing that is done, with its size."""
    size, way = plain(said(row["size"], row["unit"])), "fall" if row["sign"] < 0 else "rise"
    if row["by"] == "order":
        return f"a sale of {size}"
    if row["by"] == "oracle":
        return f"a push of {row['of']} {'down' if row['sign'] < 0 else 'up'} by {size}"
    return f"a {way} of {'all prices' if row['of'] == ALL else row['of']} by {size}"


def interval(row: dict[str, Any]) -> str:
    """Of its size, where both ends are known."""
    if math.isnan(row["low"]) or math.isnan(row["high"]):
        return ""
    low, high = (plain(said(row[end], row["unit"])) for end in ("low", "high"))
    return f" (95 % interval {low} to {high})"


def of_paths(share: float) -> str:
    """In words."""
    return "half of paths" if share == 0.5 else f"{pct(share)} of paths"

"""Why figures differ between two runs: what prices, positions, parameters and scenario did, in waterfalls that add up.

Title: of the first figure that differs, by how much, and the part that makes most of it where its interval leaves out nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from delever.report.change import ADDS_UP, METHODS
from delever.report.comparison import in_points
from delever.report.comparison import signed as signed_by
from delever.report.html.figure import Figure, Given, html_table, plain
from delever.report.html.theme import MONEY, C, chart, drawn, needed
from delever.report.mechanisms import interval, with_unit
from delever.report.sections import label

if TYPE_CHECKING:
    from delever.analysis.change import Change

PANELS = 3  # figures that are drawn
ROW, AXIS_SPACE = 34, 60  # [px]
SHARE = "replace(format(datum.value, '.3~p'), '%', '\u00a0%')"  # of a label of an axis


def why(given: Given) -> list[Figure]:
    """One a run beside the first that differs from it in more than one way."""
    return [figure(given, name, found, n) for n, (name, found) in enumerate(given.changes.items())
            if any(row["change"] for row in found.table.to_pylist())]


def figure(given: Given, name: str, found: Change, number: int) -> Figure:
    """A waterfall a figure, the first ones that differ."""
    rows = found.table.to_pylist()
    differ = list(dict.fromkeys(row["figure"] for row in rows if row["change"]))
    panels = [[row for row in rows if row["figure"] == one] for one in differ[:PANELS]]
    hidden = len(differ) - len(panels)
    return Figure(
        f"why-{number}", title(panels[0], name),
        f"From this run to {name}: what each group of inputs changes; line: 95 % interval of a part",
        "".join(drawn(waterfall(panel, name)) for panel in panels),
        (("Groups", "prices: assets, venues, how prices move; positions: books and reserves; parameters: rules, terms, actors; "
                    "scenario: horizon, events; model: the program’s version"),
         ("Method", METHODS[found.method].removeprefix("Method: ")), ("Adds up", ADDS_UP),
         *(("To know", note) for note in found.notes),
         *((("Not drawn", f"{hidden} more figures that differ; see the table"),) if hidden else ()),
         ("Horizon", given.horizon), ("Source", "delever change")),
        html_table(found.table.drop_columns(["definition"]), f"Why figures differ in {name}"),
        (("loss", "more", "solid"), ("calm", "less", "solid"), ("mute", "the figure in each run", "solid")))


def waterfall(rows: Sequence[dict[str, Any]], name: str) -> Any:
    """The figure in this run, each part, the figure in the other."""
    unit, first, last = rows[0]["unit"], rows[0]["before"], rows[-1]["after"]
    ends = [bar("in this run", first, unit), *(part(row) for row in rows if moved(row)), bar(f"in {name}", last, unit)]
    axis = {"USD": MONEY, "share": SHARE}.get(unit, "format(datum.value, ',.3~r')")

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("at:O", sort=None, title=None, axis=None)
        x = alt.X("a:Q", title=f"{called(rows[0])}{'' if unit in ('', '1', 'share', 'count') else f', {unit}'}",
                  axis=alt.Axis(labelExpr=axis, tickCount=4), scale=alt.Scale(zero=True))
        base, paint = chart(ends), alt.Color("c:N", scale=None)
        bars = base.mark_bar(height=12, yOffset=7).encode(y=y, x=x, x2="b:Q", color=paint, description="d:N")
        line = chart([one for one in ends if one["low"] is not None]).mark_rule(strokeWidth=2, yOffset=7, aria=False).encode(
            y=y, x="low:Q", x2="high:Q")
        text = base.mark_text(align="left", yOffset=-8).encode(y=y, x="zero:Q", text="brief:N" if narrow else "who:N")
        return alt.layer(bars, line, text).properties(height=ROW * len(ends) + AXIS_SPACE)

    return make


def bar(what: str, value: float, unit: str) -> dict[str, Any]:
    """The figure in one of the runs."""
    said = f"{what}: {plain(with_unit(value, unit))}"
    return {"at": what, "a": 0.0, "b": value, "zero": 0.0, "low": None, "high": None, "c": C["mute"], "brief": said, "who": said,
            "d": said}


def part(row: dict[str, Any]) -> dict[str, Any]:
    """What a group does."""
    there = row["low"] is not None and (row["low"] or row["high"])
    said = f"{row['part']}: {change(row, row['change'])}"
    span = f" (95 % interval {spread(row)})" if there else ""
    return {"at": row["part"], "a": row["before"], "b": row["after"], "zero": 0.0, "brief": said, "who": said + span,
            "low": row["before"] + row["low"] if there else None, "high": row["before"] + row["high"] if there else None,
            "c": C["loss" if row["change"] > 0.0 else "calm"], "d": said + span}


def moved(row: dict[str, Any]) -> bool:
    """Whether a group did anything, or may have."""
    return bool(row["change"] or row["low"] or row["high"])


def title(rows: Sequence[dict[str, Any]], name: str) -> str:
    """See the top of the file."""
    whole, top = rows[-1]["after"] - rows[0]["before"], max(rows, key=lambda row: abs(row["change"]))
    start = f"{called(rows[0])[:1].upper()}{called(rows[0])[1:]} differs by {change(rows[0], whole)} in {name}"
    if top["low"] is None:
        return f"{start}: most by {top['part']}, {change(top, top['change'])}; paths are too few for an interval"
    if top["low"] <= 0.0 <= top["high"]:
        return f"{start}: no part of it is more than sampling"
    return f"{start}: most by {top['part']}, {change(top, top['change'])} (95 % interval {spread(top)})"


def called(row: dict[str, Any]) -> str:
    """A figure in words."""
    words = label(row["figure"].partition(".")[0])
    return f"{words} of {row['protocol']}" if row["protocol"] else words


def change(row: dict[str, Any], value: float) -> str:
    """A difference with its unit."""
    return plain(signed_by(value, row["unit"]))


def spread(row: dict[str, Any]) -> str:
    """Its 95 % interval."""
    return plain(in_points(interval(row["low"], row["high"], row["unit"]), row["unit"]))

"""Why figures changed: a waterfall of each, what differs, and its picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from delever.report.comparison import in_points, signed
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.mechanisms import interval, with_unit
from delever.report.sections import label
from delever.report.svg import FAINT, GREY, INK, page, text

if TYPE_CHECKING:
    from delever.analysis.change import Change

METHODS = {
    "sequential": "Method: groups go over from the first to the second one after the other, in the order of the rows; another "
                  "order gives other parts where groups act together (--order, --method shapley).",
    "shapley": "Method: the mean of each group's part over all orders in which groups can go over (Shapley)."}
ADDS_UP = ("Parts add up to the difference exactly. Intervals: 95 %, paired path by path, of sampling alone; none where both "
           "have other paths.")
MOST = 40  # fields that differ, shown
WIDTH, LEFT, RIGHT, TOP, ROW, HEAD = 960.0, 240.0, 150.0, 70.0, 24.0, 30.0
UP, DOWN = "#D55E00", "#0072B2"


def change_report(found: Change) -> Report:
    """For people: a section a figure, then the fields that differ."""
    rows = found.table.to_pylist()
    sections: list[Section | Remarks] = [waterfall(found, [row for row in rows if row["figure"] == name])
                                         for name in dict.fromkeys(row["figure"] for row in rows)]
    if found.notes:
        sections.append(Remarks("To know", tuple(Remark("", note) for note in found.notes)))
    if found.settings.num_rows:
        changed = found.settings.to_pylist()
        notes = (f"and {len(changed) - MOST} more; --json holds all",) if len(changed) > MOST else ()
        sections.append(Section("What differs", table_of(
            column("group", [row["group"] for row in changed[:MOST]]), column("field", [row["field"] for row in changed[:MOST]]),
            column("first", [row["before"] for row in changed[:MOST]], right=True),
            column("second", [row["after"] for row in changed[:MOST]], right=True)), notes))
    lead = f"from {found.names[0]} to {found.names[1]}"
    return Report("Why figures changed", tuple(sections), (METHODS[found.method], ADDS_UP), lead)


def waterfall(found: Change, rows: Sequence[dict[str, Any]]) -> Section:
    """One figure: its value in the first, each part, its value in the second."""
    unit, first, last = rows[0]["unit"], rows[0]["before"], rows[-1]["after"]
    names = ["in the first", *(row["part"] for row in rows), "in the second"]
    ends = [in_points(interval(row["low"], row["high"], unit), unit) if row["change"] or row["low"] or row["high"] else ""
            for row in rows]
    return Section(heading(rows), table_of(
        column("part", names), column("change", ["", *(signed(row["change"], unit) for row in rows), signed(last - first, unit)],
                                      right=True),
        column("95 % interval", ["", *ends, ""]),
        column("value", [with_unit(first, unit), *(with_unit(row["after"], unit) for row in rows), with_unit(last, unit)],
               right=True)),
        (str(rows[0]["definition"]),), totals=frozenset({0, len(names) - 1}))


def heading(rows: Sequence[dict[str, Any]]) -> str:
    """A figure in words, and what changed it most."""
    row = rows[0]
    known_as = label(row["figure"].partition(".")[0])
    name = f"{known_as} ({row['protocol']})" if row["protocol"] else known_as
    unit, last = row["unit"], rows[-1]["after"]
    top = max(rows, key=lambda one: abs(one["change"]))
    if not top["change"]:
        return f"{name}: unchanged"
    whole = f"{name}: {signed(last - row['before'], unit)}"
    sure = top["low"] is None or top["low"] > 0.0 or top["high"] < 0.0
    return f"{whole}, most by {top['part']} ({signed(top['change'], unit)})" if sure else f"{whole}, no part beyond sampling"


def change_json(found: Change) -> dict[str, Any]:
    """For machines."""
    return {"first": found.names[0], "second": found.names[1], "method": found.method, "order": list(found.order),
            "worlds": found.worlds, "notes": list(found.notes), "settings": found.settings.to_pylist(),
            "parts": found.table.to_pylist()}


def change_chart(found: Change, most: int = 4) -> str:
    """A waterfall a figure, as SVG: those that changed, the first ones."""
    rows = found.table.to_pylist()
    names = list(dict.fromkeys(row["figure"] for row in rows if row["change"])) or [rows[0]["figure"]]
    panels = [[row for row in rows if row["figure"] == name] for name in names[:most]]
    height = TOP + sum(HEAD + ROW * (len(panel) + 2) + 18.0 for panel in panels)
    return page(WIDTH, height, "\n".join(_body(found, panels)))


def _body(found: Change, panels: Sequence[Sequence[dict[str, Any]]]) -> Iterator[str]:
    yield text(24, 28, f"Why figures changed: {found.names[0]} to {found.names[1]}", size=18, weight="bold")
    said = "in this order" if found.method == "sequential" else "mean over all orders"
    yield text(24, 48, f"Parts add up exactly; {said}; lines: 95 % interval of a part", fill=GREY)
    y = TOP
    for panel in panels:
        yield from _panel(panel, y)
        y += HEAD + ROW * (len(panel) + 2) + 18.0


def _panel(rows: Sequence[dict[str, Any]], y: float) -> Iterator[str]:
    unit, first, last = rows[0]["unit"], rows[0]["before"], rows[-1]["after"]
    reach = [0.0, first, last, *(row["after"] for row in rows)]
    reach += [row["before"] + row[end] for row in rows for end in ("low", "high") if row[end] is not None]
    low, high = min(reach), max(reach)
    scale = (WIDTH - LEFT - RIGHT) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return LEFT + (value - low) * scale

    yield text(24, y + 16, heading(rows), weight="bold")
    bars = [("in the first", 0.0, first, INK, None), *((row["part"], row["before"], row["after"],
                                                        UP if row["change"] > 0 else DOWN, row)
                                                       for row in rows), ("in the second", 0.0, last, INK, None)]
    for place, (name, start, end, colour, row) in enumerate(bars):
        top = y + HEAD + ROW * place
        left, wide = min(x(start), x(end)), abs(x(end) - x(start))
        said = with_unit(end, unit) if row is None else signed(row["change"], unit)
        yield text(LEFT - 10, top + 15, name, anchor="end", weight="bold" if row is None else "normal")
        yield (f'<rect x="{left:.1f}" y="{top + 4:.1f}" width="{max(wide, 1.0):.1f}" height="{ROW - 8:g}" fill="{colour}">'
               f"<title>{name}: {said}</title></rect>")
        if row is not None and row["low"] is not None and (row["low"] or row["high"]):
            a, b, at = x(row["before"] + row["low"]), x(row["before"] + row["high"]), top + ROW / 2
            yield f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{at:.1f}" y2="{at:.1f}" stroke="{INK}" stroke-width="1.5"/>'
        yield text(WIDTH - RIGHT + 10, top + 15, said)
        yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{top + ROW:.1f}" y2="{top + ROW:.1f}" stroke="{FAINT}"/>'




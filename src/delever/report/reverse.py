"""What breaks a limit: by size, by cost, and what does not up to what was tried; as tables, as JSON, as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from delever.analysis.reverse import ALREADY, BREAKS, HOLDS
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import NONE, duration, magnitude, percent
from delever.report.svg import COLOURS, FAINT, GREY, page, text

if TYPE_CHECKING:
    from delever.analysis.reverse import Reverse

HEADINGS = {"shock": "Shocks to prices", "order": "Sales on venues", "oracle": "Pushes of feeds", "outage": "Outages",
            "congestion": "Crowded networks"}
COST = ("cost: what the attacker loses by slippage and fees where prices come back before he trades back; capital: what he must "
        "have at hand. Against makers alone, at the start's depth; an estimate")
DEVIATIONS = "deviations: of the scenario's own prices over its horizon; 5 or more it says hardly ever happens, if it is right"


def said(size: float, unit: str) -> str:
    """A size in its unit."""
    if math.isnan(size):
        return NONE
    if unit == "share":
        return percent(size)
    if unit == "s":
        return duration(size)
    return f"x{magnitude(size)}" if unit == "x" else f"{magnitude(size)} {unit}"


def between(low: float, high: float, unit: str) -> str:
    """A range of sizes; none where both ends are unknown."""
    return NONE if math.isnan(low) and math.isnan(high) else f"{said(low, unit)} .. {said(high, unit)}"


def headline(found: Reverse) -> str:
    """The finding, a sentence with a number."""
    rows = found.table.to_pylist()
    broken = [row for row in rows if row["found"] == BREAKS]
    if any(row["found"] == ALREADY for row in rows):
        return f"{found.limit}: broken before anything is done"
    if not broken:
        return f"{found.limit}: nothing that was tried breaks it"
    parts = []
    for by in dict.fromkeys(row["by"] for row in broken):
        first = next(row for row in broken if row["by"] == by)
        parts.append(f"{first['what']} {said(first['size'], first['unit'])}" if by != "oracle" else
                     f"{first['what']} by {said(first['size'], first['unit'])}")
    cheap = found.cheapest.to_pylist()
    price = f"; cheapest: {cheap[0]['what']}, {magnitude(cheap[0]['cost_usd'])} USD" if cheap else ""
    return f"{found.limit}: the smallest that break it are {', '.join(parts)}{price}"


def reverse_report(found: Reverse) -> Report:
    """For people."""
    rows = found.table.to_pylist()
    sections: list[Section | Remarks] = [
        Remarks("What was asked", tuple(Remark(label, line) for label, line in asked(found)))]
    for by in dict.fromkeys(row["by"] for row in rows):
        mine = [row for row in rows if row["by"] == by and row["found"] == BREAKS]
        sections += [_sizes(by, mine)] if mine else []
    cheap = found.cheapest.to_pylist()
    sections += [_costs(cheap)] if cheap else []
    holds = [row for row in rows if row["found"] == HOLDS]
    if holds:
        sections.append(Remarks("What does not break it", tuple(
            Remark(row["by"], f"{row['what']}: up to {said(row['largest_tried'], row['unit'])}") for row in holds)))
    if found.said:
        sections.append(Remarks("To know", tuple(Remark("", f"{line[0].upper()}{line[1:]}.") for line in found.said)))
    notes = ("Sizes: found by halving, known to 1 %, between sizes of a coarse grid of which each was looked at; the same random "
             "numbers for all.", "--csv and --json hold all rows with their intervals, and every size that was run.")
    return Report(f"Reverse stress of {found.name}", tuple(sections), notes, headline(found))


def asked(found: Reverse) -> Iterator[tuple[str, str]]:
    """What the figures are of."""
    yield "limit", f"{found.limit}: {found.definition}"
    yield "on", f"{percent(found.share)} of paths{' (the median)' if found.share == 0.5 else ''}, of {found.paths}"
    yield "when", (f"at {duration(found.timing.at)}; pushes and crowds last {duration(found.timing.lasting)}; "
                   f"within {duration(found.horizon)}")


def _sizes(by: str, rows: Sequence[dict[str, Any]]) -> Section:
    columns = [
        column("what", [row["what"] for row in rows]),
        column("smallest", [said(row["size"], row["unit"]) + ("" if row["monotone"] else " *") for row in rows], right=True),
        column("not yet at", [said(row["bracket_low"], row["unit"]) for row in rows], right=True),
        column("95 % interval", [between(row["low"], row["high"], row["unit"]) for row in rows], right=True),
        column("breaks on", [percent(row["share"]) for row in rows], right=True)]
    notes = ["breaks on: share of paths at that size"]
    if any(not row["monotone"] for row in rows):
        notes.append("* not monotone: at some larger size the limit holds again (below)")
    if by == "shock":
        columns.append(column("deviations", [magnitude(row["deviations"]) for row in rows], right=True))
        notes.append(DEVIATIONS)
    return Section(HEADINGS[by], table_of(*columns), tuple(notes))


def _costs(rows: Sequence[dict[str, Any]]) -> Section:
    return Section("By cost", table_of(
        column("what", [row["what"] for row in rows]),
        column("size", [said(row["size"], row["unit"]) for row in rows], right=True),
        column("cost", [row["cost_usd"] for row in rows], "USD"), column("capital", [row["capital_usd"] for row in rows], "USD"),
        column("of", [row["cost_of"] for row in rows])), (COST,), under="of")


def reverse_json(found: Reverse) -> dict[str, Any]:
    """For machines."""
    return {"world": found.name, "limit": found.limit, "definition": found.definition, "share_of_paths": found.share,
            "paths": found.paths, "horizon_s": found.horizon, "at_s": found.timing.at, "lasting_s": found.timing.lasting,
            "finding": headline(found), "levers": found.table.to_pylist(),
            "cheapest": [{key: row[key] for key in ("by", "what", "cost_usd")} for row in found.cheapest.to_pylist()],
            "points": found.points.to_pylist(), "to_know": list(found.said)}


# --- picture ---------------------------------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT, ROW, TOP, HEAD = 960.0, 200.0, 190.0, 26.0, 70.0, 34.0


def reverse_chart(found: Reverse) -> str:
    """The smallest sizes with their intervals, a panel a kind with a log axis of its own; the cost beside them."""
    rows = found.table.to_pylist()
    kinds = list(dict.fromkeys(row["by"] for row in rows))
    return page(WIDTH, TOP + ROW * len(rows) + HEAD * len(kinds) + 16.0, "\n".join(_panels(found, rows, kinds)))


def _panels(found: Reverse, rows: Sequence[dict[str, Any]], kinds: Sequence[str]) -> Iterator[str]:
    yield text(24, 28, f"{found.name}: what breaks “{found.limit}”", size=18, weight="bold")
    below = "smallest size, 95 % interval over paths; log axes, one a kind, of sales in USD; right: size, cost"
    yield text(24, 48, below, fill=GREY)
    y = TOP
    for number, by in enumerate(kinds):
        mine = [row for row in rows if row["by"] == by]
        yield text(24, y + 20, HEADINGS[by], weight="bold")
        y += HEAD
        for row in mine:
            yield from _row(row, y, _scale(mine), COLOURS[number % len(COLOURS)])
            y += ROW


def _scale(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Ends of a kind's axis: of all that is drawn on it."""
    sizes = [size for row in rows for size in drawn(row) if size > 0.0]
    return (min(sizes) / 1.2, max(sizes) * 1.2) if sizes else (1.0, 2.0)


def drawn(row: dict[str, Any]) -> list[float]:
    """Size, low and high as they stand on an axis: orders of several assets in USD at the start's price."""
    worth = row["capital_usd"] / row["size"] if row["by"] == "order" and row["found"] == BREAKS else 1.0
    return [row[key] * worth for key in ("size", "low", "high")]


def _row(row: dict[str, Any], y: float, scale: tuple[float, float], colour: str) -> Iterator[str]:
    def at(size: float) -> float:
        part = math.log(size / scale[0]) / math.log(scale[1] / scale[0])
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(part, 0.0), 1.0)

    middle = y + ROW / 2
    yield text(LEFT - 10, middle + 4, row["what"], anchor="end")
    yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y + ROW:.1f}" y2="{y + ROW:.1f}" stroke="{FAINT}"/>'
    if row["found"] != BREAKS:
        words = "broken already" if row["found"] == ALREADY else f"holds up to {said(row['largest_tried'], row['unit'])}"
        yield text(LEFT + 6, middle + 4, words, fill=GREY)
        return
    size, low, high = drawn(row)
    low, high = (low if low > 0.0 else size), (high if high > 0.0 else size)
    yield (f'<line x1="{at(low):.1f}" x2="{at(high):.1f}" y1="{middle:.1f}" y2="{middle:.1f}" '
           f'stroke="{colour}" stroke-width="3"/>')
    yield f'<circle cx="{at(size):.1f}" cy="{middle:.1f}" r="5" fill="{colour}"/>'
    cost = "" if math.isnan(row["cost_usd"]) else f", {magnitude(row['cost_usd'])} USD"
    yield text(WIDTH - RIGHT + 10, middle + 4, f"{said(row['size'], row['unit'])}{cost}")

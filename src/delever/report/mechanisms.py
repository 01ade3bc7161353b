"""What mechanisms declare, as sections: figures under the heading that they name, tables of labels, amounts over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from delever.actors.base import PROFIT
from delever.model.market import home_of
from delever.report.document import Remarks, Section, column, table_of
from delever.report.numbers import NONE, TIMES, TINY, human, moment
from delever.report.positions import adl_section, hardest_hit, perps_section
from delever.run.asked import FEWEST

if TYPE_CHECKING:
    from delever.run.stress import Run

Row = Mapping[str, Any]  # of the summary
INTERVAL = "95 % interval"
NEVER = "never"
LOSING = ("liquidator profit is below 0 though liquidators weigh what a call gains: each call by itself, at prices of the "
          "block's start. What others sell earlier in that block lowers the price, so a call fetches less than was bid for, or "
          "reverts and pays its fee all the same.")
SAID_ONCE = ("mean over paths of ", "paths on which ")  # how definitions begin


def declared_sections(rows: Sequence[Row], paths: int, run: Run | None = None) -> list[Section | Remarks]:
    """Figures of several protocols first, then protocol by protocol with what happened over time, then those of none.

    Isolated markets of one protocol stand together: a row each.

    run: for what stands in tables of its own.
    """
    sections: list[Section | Remarks] = []
    whole = [row for row in rows if not row["protocol"]]
    headings = list(dict.fromkeys(row["section"] for row in whole))
    for name in dict.fromkeys(home_of(row["protocol"]) or row["protocol"] for row in rows if row["protocol"]):
        mine = [row for row in rows if name in (row["protocol"], home_of(row["protocol"] or ""))]
        for heading in dict.fromkeys(row["section"] for row in mine):
            sections += section_of(heading, [row for row in mine if row["section"] == heading], paths)
        if run is not None and run.timeline.num_columns:
            hit = adl_section(run.adl, name, run.paths["weight"].to_numpy())
            of_tables = (over_time(run, name), perps_section(run.perps, name), hit)
            sections += [section for section in of_tables if section is not None]
    together: list[Section | Remarks] = []
    for heading in headings:
        partial = any(other.startswith(f"{heading} of ") for other in headings)
        found = [row for row in whole if row["section"] == heading]
        together += section_of(f"{heading} of all protocols" if partial else heading, found, paths)
    return [*together, *sections]


def section_of(heading: str, rows: Sequence[Row], paths: int) -> list[Section]:
    """Figures that have a value; those that stand under a column as a table of labels, others as notes below it."""
    table, rest = [row for row in rows if row["under"]], [row for row in rows if not row["under"]]
    if table:
        return [labels_section(heading, table, rest, paths)]
    shown = [row for row in rest if known(row["value"])]
    return [figures_section(heading or "Figures", shown, paths)] if shown else []


def known(value: float | None) -> bool:
    """Whether there is a number."""
    return value is not None and not math.isnan(value)


def figures_section(heading: str, rows: Sequence[Row], paths: int) -> Section:
    """A row a figure, its definition and horizon beside it."""
    columns = [
        column("figure", [row["label"] for row in rows]),
        column("value", [with_unit(row["value"], row["unit"] or "") for row in rows], right=True),
        column(INTERVAL, [interval(row["low"], row["high"], row["unit"] or "") for row in rows]) if paths > 1 else None,
        column("horizon", [row["horizon"] for row in rows]),
        column("definition", [row["definition"] for row in rows]),
    ]
    return Section(heading, table_of(*(c for c in columns if c is not None)), (*at_a_loss(rows), *few(rows, paths)),
                   under="definition")


def at_a_loss(rows: Sequence[Row]) -> tuple[str, ...]:
    """Why liquidators who act only where it pays end below zero, where the interval carries that."""
    high = [row["high"] for row in rows if row["figure"] == PROFIT.name]
    return (LOSING,) if any(known(one) and one < 0.0 for one in high) else ()


def few(rows: Sequence[Row], paths: int) -> tuple[str, ...]:
    """A warning where intervals rest on too few paths."""
    weak = [f"{row['label']} ({row['tail']})" for row in rows if row.get("tail") is not None and row["tail"] < FEWEST]
    if not weak or paths < 2:
        return ()
    return (f"Few paths: on fewer than {FEWEST} rest {', '.join(weak)}. Their intervals say little: run more paths.",)


def labels_section(heading: str, table: Sequence[Row], rest: Sequence[Row], paths: int) -> Section:
    """A row a label, in the order declared; the interval is that of the first column."""
    labels, unders = (list(dict.fromkeys(row[key] for row in table)) for key in ("label", "under"))
    cell = {(row["label"], row["under"]): row for row in table}

    def cells(under: str) -> list[str]:
        return [_cell(cell.get((label, under))) for label in labels]

    columns = [column("who", labels), column(unders[0], cells(unders[0]), right=True)]
    if paths > 1:
        ends = [cell.get((label, unders[0])) for label in labels]
        columns.append(column(INTERVAL, [interval(row["low"], row["high"], row["unit"]) if row else "" for row in ends]))
    columns += [column(under, cells(under), right=True) for under in unders[1:]]
    notes = [*(_said(under, [row for row in table if row["under"] == under]) for under in unders),
             *(f"{row['label']}: {with_unit(row['value'], row['unit'])}, {row['definition']}" for row in rest
               if known(row["value"]))]  # fmt: skip
    return Section(heading, table_of(*columns), tuple(notes))


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return NEVER if row["unit"] in TIMES and not known(row["value"]) else with_unit(row["value"], row["unit"])


def _said(under: str, rows: Sequence[Row]) -> str:
    """What a column means: once where it is the same for all, else label by label."""
    texts = {row["label"]: row["definition"] for row in rows}
    if len(set(texts.values())) == 1:
        return f"{under}: {next(iter(texts.values()))}"
    same = next((start for start in SAID_ONCE if all(text.startswith(start) for text in texts.values())), "")
    return f"{under}: {same}" + "; ".join(f"{text.removeprefix(same)} ({label})" for label, text in texts.items())


def with_unit(value: float | None, unit: str) -> str:
    """A number and its unit."""
    if unit in TIMES and value is not None:
        return moment(value)
    text = human(value, unit)
    unit = unit.removesuffix("s") if text == "1" else unit
    return text if text == NONE or unit in ("", "1", "share", "count") else f"{text} {unit}"


def interval(low: float | None, high: float | None, unit: str) -> str:
    """From low to high; empty where the paths are too few to say either."""
    shares = unit == "share"
    if unit in TIMES:
        finite = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
        return f"{moment(low)} to {moment(high)}" if finite and low != high else ""  # type: ignore[arg-type]
    ends = [human(0.0 if shares and end is not None and abs(end) < TINY else end, unit) for end in (low, high)]
    if NONE in ends:
        return "" if ends == [NONE, NONE] else f"at most {ends[1]}" if ends[0] == NONE else f"at least {ends[0]}"
    return " to ".join(ends)


def over_time(run: Run, name: str) -> Section | None:
    """Medians over paths at the times around which they change; columns in which nothing happens are left out."""
    from delever.run.figures import counted
    from delever.run.timeline import digest, uses

    if not run.timeline.num_columns or name not in run.timeline["protocol"].to_pylist():
        return None
    table, fields = digest(run.timeline, name, counted(run.paths)), uses(run.timeline, name)
    moved = {field.name: any(table[field.name].to_pylist()) for field in fields}
    if not any(moved[field.name] for field in fields if not field.metadata[b"stock"]):
        return None  # nothing happens on most paths
    label = {field.name: field.metadata[b"label"].decode() for field in fields}
    columns = [column("after", [moment(t) for t in table["time"].to_pylist()], right=True),
               *(column(label[use], table[use].to_pylist(), "USD") for use, some in moved.items() if some)]  # fmt: skip
    notes = ["medians over paths of what had been closed or borne up to then (USD at marks), and of what is held then; "
             "all times, path by path: timeline.parquet"]  # fmt: skip
    quiet = [label[use] for use, some in moved.items() if not some]
    if quiet:
        notes.append(f"0 on most paths throughout: {', '.join(quiet)}")
    return Section(f"{name} over time", table_of(*columns), tuple(notes))


def tables_json(run: Run) -> dict[str, Any]:
    """Tables besides the figures for machines; nothing in worlds without."""
    from delever.run.figures import counted
    from delever.run.timeline import medians

    if not run.timeline.num_columns:
        return {}
    w = counted(run.paths)
    names = list(dict.fromkeys(run.timeline["protocol"].to_pylist()))
    return {
        "perps": run.perps.to_pylist(),
        "timeline_medians": {name: medians(run.timeline, name, w).to_pylist() for name in names},
        "deleveraged": {name: [{key: value for key, value in row.items() if key != "on"}
                               for row in hardest_hit(run.adl, name, run.paths["weight"].to_numpy())] for name in names},
    }

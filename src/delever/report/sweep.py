"""Fields over values: a row a combination; with two fields a table of both and a heat map; where figures answer steeply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from delever import __version__
from delever.analysis.quantities import QUANTITIES
from delever.analysis.steepness import GRACEFUL
from delever.model.errors import InputError
from delever.report.asked import findings_remarks
from delever.report.comparison import PAIRED, any_moves, chosen_figures, comparison_json, few, label_of, surely
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.mechanisms import known, with_unit
from delever.report.numbers import magnitude
from delever.report.svg import GREY, INK, page, text

if TYPE_CHECKING:
    from delever.analysis.sweeps import Sweep

STEEP = ("steepest: relative change of the figure / relative change of the input, between neighbouring cells; below 1 % of its "
         "largest value, relative to that. Its interval: of the largest size of any step, of a paired bootstrap")
RULE = (f"graceful: no step above {GRACEFUL:g}, and the upper end of the interval not either; abrupt: the steepest step surely "
        f"above {GRACEFUL:g}, at a level divided by the number of steps; else the paths do not decide")
CASCADE = ("bad_debt", "deficit_booked", "seized_collateral", "liquidated", "cascade_length", "extra_fall")
SHOWN = 6  # figures that are shown where none is named
WIDTH, LEFT, TOP, CELL = 960.0, 190.0, 96.0, 44.0
PALEST, DEEPEST = (247, 247, 247), (178, 24, 43)  # of the least and the greatest value


def figures_of(result: Sweep, figures: Sequence[str]) -> list[str]:
    """Those named, else the main ones that some combination moves; over quantities of the whole world those of a cascade."""
    if figures:
        return list(figures)
    rows = result.comparison.differences.to_pylist()
    if QUANTITIES.keys() & set(result.fields):
        cascade = [name for name in result.comparison.table["figure"].to_pylist()
                   if name.partition(".")[0] in CASCADE and any_moves(rows, name)]
        if cascade:
            return cascade[:SHOWN]
    chosen = [name for name in chosen_figures(result.comparison) if any_moves(rows, name)]
    return (chosen or chosen_figures(result.comparison))[:SHOWN]


def short(field: str) -> str:
    """The last keys of a path: enough to be told apart by."""
    return ".".join(field.split(".")[-2:])


def sweep_report(result: Sweep, figures: Sequence[str] = ()) -> Report:
    """For people."""
    names = figures_of(result, figures)
    sections: list[Section | Remarks] = [*findings_remarks("Warnings", result.findings, "warn")]
    if result.comparison.assumptions:
        sections.append(Remarks("What this assumes", tuple(Remark("", said) for said in result.comparison.assumptions)))
    rows = result.comparison.differences.to_pylist()
    of = {(row["variant"], row["figure"]): row for row in rows}
    cells = result.table.filter(_first(result)).to_pylist()
    baseline = [of[result.comparison.labels[0], name] for name in names]
    columns = [column(short(field), ["as it is", *(cell[field] for cell in cells)], right=True) for field in result.fields]
    columns += [column(label_of(row), [with_unit(row["baseline"], row["unit"]), *(
        with_unit(of[variant, name]["value"], row["unit"]) + (" *" if surely(of[variant, name]) else "")
        for variant in result.comparison.labels)], right=True) for name, row in zip(names, baseline, strict=True)]
    notes = ("* surely differs from the world as it is: the 95 % interval of the paired difference leaves out 0", PAIRED)
    sections.append(Section("Figures by value", table_of(*columns), (*notes, *few(baseline)), keys=len(result.fields)))
    if len(result.fields) == 2:
        sections += [_crossed(result, of, name) for name in names]
    sections += _steepness(result, names, of)
    lead = f"{repr(result).removeprefix('Sweep of ')}, the same paths for all"
    return Report(f"Sweep (delever {__version__})", tuple(sections),
                  ("--figure NAME chooses others; --csv, --parquet and --json hold all with their intervals.",), lead)


def _steepness(result: Sweep, names: Sequence[str], of: dict[tuple[str, str], dict[str, Any]]) -> list[Section | Remarks]:
    """Whether each figure degrades gracefully, and its steepest steps."""
    called = {name: label_of(of[result.comparison.labels[0], name]) for name in names}
    rows = [row for row in result.verdicts.to_pylist() if row["figure"] in called]
    if not rows:
        return []
    steep = sorted((row for row in result.steps.to_pylist() if row["figure"] in called and abs(row["elasticity"]) > GRACEFUL),
                   key=lambda row: -abs(float(row["elasticity"])))
    notes = (STEEP, RULE, f"steps to more than {GRACEFUL:g} times the change of the input: {len(steep)} of "
             f"{len(names) * rows[0]['steps']}; --json holds all")
    return [Section("Where small changes have large effects", table_of(
        column("figure", [called[row["figure"]] for row in rows]), column("verdict", [row["verdict"] for row in rows]),
        column("steepest", [magnitude(row["steepest"]) for row in rows], right=True),
        column("95 % interval", [f"{magnitude(row['low'])} .. {magnitude(row['high'])}" for row in rows], right=True),
        column("at", [f"{short(row['field'])} {row['from']} to {row['to']}" + (f", {row['beside']}" if row["beside"] else "")
                      for row in rows])), notes, under="at")]


def _first(result: Sweep) -> Any:
    """Rows of the first figure: one a combination."""
    import pyarrow.compute as pc

    return pc.equal(result.table["figure"], result.table["figure"][0])


def _crossed(result: Sweep, of: dict[tuple[str, str], dict[str, Any]], name: str) -> Section:
    """One figure: first field down, second across."""
    (down, across), variants = result.values, iter(result.comparison.labels)
    grid = [[of[next(variants), name] for _ in across] for _ in down]
    columns = [column(f"{short(result.fields[0])} \\ {short(result.fields[1])}", list(down))]
    columns += [column(value, [with_unit(row[j]["value"], row[j]["unit"]) for row in grid], right=True)
                for j, value in enumerate(across)]
    return Section(label_of(grid[0][0]), table_of(*columns), (grid[0][0]["definition"],))


def sweep_chart(result: Sweep, figures: Sequence[str] = ()) -> str:
    """A heat map of one figure over two fields: the one named, else the first main one that moves."""
    if len(result.fields) != 2:
        raise InputError("is of one field" if len(result.fields) == 1 else "is of more than two fields", "--chart",
                         ", ".join(result.fields), "a heat map needs two: --over A=... --over B=...")
    down, _ = result.values
    height = TOP + CELL * len(down) + 60.0
    return page(WIDTH, height, "\n".join(_map(result, figures_of(result, figures)[0])))


def _map(result: Sweep, name: str) -> Iterator[str]:
    down, across = result.values
    rows = [row for row in result.comparison.differences.to_pylist() if row["figure"] == name]
    values = [row["value"] for row in rows if known(row["value"])]
    low, high = min(values, default=0.0), max(values, default=0.0)
    wide = min(140.0, (WIDTH - LEFT - 24.0) / len(across))
    yield text(24, 28, f"{label_of(rows[0])} of {result.comparison.name}", size=18, weight="bold")
    yield text(24, 48, f"{result.fields[0]} (down), {result.fields[1]} (across); as it is "
                       f"{with_unit(rows[0]['baseline'], rows[0]['unit'])}", fill=GREY)
    for j, value in enumerate(across):
        yield text(LEFT + wide * (j + 0.5), TOP - 10, value, anchor="middle")
    for i, value in enumerate(down):
        yield text(LEFT - 10, TOP + CELL * (i + 0.5) + 4, value, anchor="end")
        for j in range(len(across)):
            row = rows[i * len(across) + j]
            part = (row["value"] - low) / (high - low) if known(row["value"]) and high > low else 0.0
            shade = [round(a + (b - a) * part) for a, b in zip(PALEST, DEEPEST, strict=True)]
            x, y = LEFT + wide * j, TOP + CELL * i
            yield (f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide - 2:.1f}" height="{CELL - 2:.1f}" '
                   f'fill="rgb({shade[0]},{shade[1]},{shade[2]})"/>')
            yield text(x + wide / 2 - 1, y + CELL / 2 + 4, with_unit(row["value"], row["unit"]), anchor="middle",
                       fill="#ffffff" if part > 0.5 else INK, weight="bold" if surely(row) else "normal")
    yield from _ridge(result, name, wide)
    below = f"bold: surely differs from the world as it is (95 %, paired); line: answers more than {GRACEFUL:g} times as strongly"
    yield text(24, TOP + CELL * len(down) + 28, f"{below}, dashed: not surely", size=12, fill=GREY)


def _ridge(result: Sweep, name: str, wide: float) -> Iterator[str]:
    """A line between cells from one to the other of which the figure answers steeply."""
    columns = len(result.values[1])
    for step in result.steps.to_pylist():
        if step["figure"] != name or not abs(step["elasticity"]) > GRACEFUL:
            continue
        i, j = divmod(step["second"], columns)
        x, y = LEFT + wide * j - 1.0, TOP + CELL * i - 1.0
        x2, y2 = (x + wide, y) if step["field"] == result.fields[0] else (x, y + CELL)
        sure = min(abs(step["low"]), abs(step["high"])) > GRACEFUL and step["low"] * step["high"] > 0.0
        dashes = "" if sure else ' stroke-dasharray="4 4"'
        yield (f'<line class="ridge" x1="{x:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{INK}" '
               f'stroke-width="3"{dashes}/>')


def sweep_json(result: Sweep) -> dict[str, Any]:
    """For machines."""
    found = comparison_json(result.comparison)
    del found["differences"], found["variants"]
    return {**found, "findings": result.findings.to_pylist(),
            "fields": {field: list(values) for field, values in zip(result.fields, result.values, strict=True)},
            "steps": [{key: row[key] for key in row if key not in ("first", "second")} for row in result.steps.to_pylist()],
            "verdicts": result.verdicts.to_pylist(),
            "cells": [{"values": {key: row.pop(key) for key in result.fields}, **row} for row in result.table.to_pylist()]}

"""Variants beside a baseline: what was changed, what that assumes, and every figure with its paired difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from delever import __version__
from delever.analysis.bearers import BORE
from delever.model.errors import InputError, nearest
from delever.report.asked import findings_remarks
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.mechanisms import interval, known, with_unit
from delever.report.numbers import NONE
from delever.report.sections import MAIN, label
from delever.run.asked import FEWEST

if TYPE_CHECKING:
    from delever.analysis.comparison import Comparison

PAIRED = (
    "All worlds see the same paths (common random numbers). difference: to the baseline, path by path; its 95 % interval is that "
    "of a bootstrap that draws the same paths of both. bold: the interval leaves out 0. Intervals are sampling error alone."
)
ROUNDING = 1e-9  # of a figure, or in its unit where it is less than one
MOST = 14  # figures that are shown where none is named


def check_figures(result: Comparison, figures: Sequence[str]) -> None:
    """Refuse a figure that there is not."""
    there = result.table["figure"].to_pylist()
    for name in figures:
        if name not in there:
            raise InputError("unknown figure", "--figure", name, nearest(name, there))


def chosen_figures(result: Comparison, figures: Sequence[str] = ()) -> list[str]:
    """Those named; else the main ones and who bore what, then those that surely differ, up to a number."""
    if figures:
        return list(figures)
    rows = result.differences.to_pylist()
    differ = {row["figure"] for row in rows if surely(row)}
    there = {row["figure"] for row in rows if known(row["baseline"])}
    named = result.table["figure"].to_pylist()
    bore = dict.fromkeys(row["figure"] for row in rows if row["under"] == BORE and (row["baseline"] or row["value"]))
    main = [*(name for name in MAIN if name in there), *bore]
    return [*main, *[name for name in named if name in differ and name not in main][:max(MOST - len(main), 0)]] or named[:MOST]


def any_moves(rows: Sequence[dict[str, Any]], figure: str) -> bool:
    """Whether some variant moves a figure."""
    return any(row["figure"] == figure and row["difference"] for row in rows)


def surely(row: dict[str, Any]) -> bool:
    """Whether the interval of a difference leaves out 0, and the difference is more than what rounding makes."""
    low, high = row["low"], row["high"]
    size = max(abs(value) for value in (row["baseline"], row["value"], 1.0) if known(value))
    return known(low) and known(high) and (low > 0.0 or high < 0.0) and abs(row["difference"]) > ROUNDING * size


def comparison_report(result: Comparison, figures: Sequence[str] = ()) -> Report:
    """For people."""
    sections: list[Section | Remarks] = [*findings_remarks("Warnings", result.findings, "warn")]
    if result.assumptions:
        sections.append(Remarks("What this assumes", tuple(Remark("", text) for text in result.assumptions)))
    rows = result.settings.to_pylist()
    if rows:
        sections.append(Section("What was changed", table_of(
            column("variant", [row["variant"] for row in rows]), column("field", [row["field"] for row in rows]),
            column("before", [row["before"] for row in rows], right=True),
            column("after", [row["after"] for row in rows], right=True))))
    sections += figure_sections(result, chosen_figures(result, figures))
    shown = len(chosen_figures(result, figures))
    notes = [f"{shown} of {result.table.num_rows} figures; --figure NAME shows others, --csv, --parquet and --json hold all."]
    count = len(result.labels)
    lead = f"{count} variant{'s' if count > 1 else ''} of {result.name} on {result.paths:,} paths, the same for all"
    return Report(f"Comparison (delever {__version__})", tuple(sections), tuple(notes), lead)


def figure_sections(result: Comparison, figures: Sequence[str]) -> list[Section | Remarks]:
    """A table a variant: figure, baseline, value, difference, interval, definition."""
    rows = {(row["variant"], row["figure"]): row for row in result.differences.to_pylist()}
    sections: list[Section | Remarks] = []
    for name in result.labels:
        mine = [rows[name, figure] for figure in figures]
        sections.append(Section(name, table_of(
            column("figure", [label_of(row) for row in mine]),
            column("baseline", [with_unit(row["baseline"], row["unit"]) for row in mine], right=True),
            column("variant", [with_unit(row["value"], row["unit"]) for row in mine], right=True),
            column("difference", [signed(row["difference"], row["unit"]) for row in mine], right=True),
            column("95 % interval", [in_points(interval(row["low"], row["high"], row["unit"]), row["unit"])
                                     for row in mine]),
            column("horizon", [row["horizon"] for row in mine])),
            tuple(few(mine)) if name != result.labels[-1] else (PAIRED, *few(mine)),
            totals=frozenset(i for i, row in enumerate(mine) if surely(row))))
    return sections


def few(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where intervals rest on too few paths."""
    weak = [f"{label_of(row)} ({row['tail']})" for row in rows if row["tail"] is not None and row["tail"] < FEWEST]
    return [f"Few paths: on fewer than {FEWEST} rest {', '.join(weak)}; their intervals say little."] if weak else []


def label_of(row: dict[str, Any]) -> str:
    """A figure in words, with whose it is."""
    known_as = f"{row['label']} {row['under']}" if row["under"] else label(row["figure"].partition(".")[0])
    suffix = row["figure"].partition(".")[2]
    name = known_as if suffix in ("", row["protocol"]) else f"{known_as} {row['label']}"
    return f"{name} ({row['protocol']})" if row.get("protocol") else name


def signed(value: float | None, unit: str) -> str:
    """+1.2M USD; nothing for a figure that there is not."""
    if value is None or math.isnan(value):
        return NONE
    return ("+" if value > 0 else "") + in_points(with_unit(value, unit), unit)


def in_points(said: str, unit: str) -> str:
    """A difference of shares is in points: one of 5 % is easily read as a twentieth."""
    return said.replace(" %", " points").replace("\u00a0%", "\u00a0points") if unit == "share" else said


def comparison_json(result: Comparison) -> dict[str, Any]:
    """For machines."""
    return {
        "world": result.name,
        "paths": result.paths,
        "variants": list(result.labels),
        "assumptions": list(result.assumptions),
        "settings": result.settings.to_pylist(),
        "findings": result.findings.to_pylist(),
        "asked": result.asked.to_pylist(),
        "differences": result.differences.to_pylist(),
    }

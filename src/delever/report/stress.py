"""The result of a stress test: every risk figure with its definition and horizon beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever import __version__
from delever.report.document import Report, Section
from delever.report.files import write_text
from delever.report.numbers import NONE, human, magnitude

if TYPE_CHECKING:
    from delever.run.stress import Run

SUMMARY_FILE = "summary.md"
INTERVAL = "95 % interval"
_ORDER = ("figure", "value", INTERVAL, "unit", "horizon", "definition")  # as they are read


def stress_report(name: str, run: Run, critical: dict[str, Any] | None = None) -> Report:
    """The summary, who it hinges on, and how large an order may be."""
    sections = [Section("Summary", summary_table(run.summary))]
    concentration = getattr(run, "concentration", None)
    if concentration is not None and concentration.num_rows:
        note = "Each figure without the account named: one that falls away hinges on that account."
        sections.append(Section("Concentration: the largest accounts", concentration, (note,)))
    notes = [f"Over {run.paths.num_rows:,} paths. Modelled behaviour and liquidity: see the world's assumptions."]
    if critical is not None:
        notes += critical_lines(critical)
    if run.folder is not None:
        notes.append(f"Results, one row a path, and the manifest: {run.folder}")
    return Report(f"Stress test of {name} (delever {__version__})", tuple(sections), tuple(notes))


def summary_table(summary: pa.Table) -> pa.Table:
    """The figures as they are read: the interval in one column, the definition last."""
    if {"low", "high"} <= set(summary.column_names):
        ends = zip(*(summary[name].to_pylist() for name in ("low", "high", "unit")), strict=True)
        texts = [_interval(low, high, unit or "") for low, high, unit in ends]
        summary = summary.drop_columns(["low", "high"]).append_column(INTERVAL, pa.array(texts, pa.string()))
    return summary.select([name for name in _ORDER if name in summary.column_names])


def _interval(low: float | None, high: float | None, unit: str) -> str:
    """From low to high; empty where the paths are too few to say either."""
    ends = [human(end, unit) for end in (low, high)]
    return "" if ends == [NONE, NONE] else " to ".join(ends)


def critical_lines(critical: dict[str, Any]) -> list[str]:
    """How large an order may be, in two sentences."""
    asset = critical.get("asset", "")

    def size(key: str) -> str:
        found = critical.get(key)
        return "at no size searched" if found is None else f"from {magnitude(float(found))} {asset}"

    return [
        f"Critical order: the forced selling it sets off exceeds the order itself {size('runaway')}; "
        f"bad debt appears {size('bad_debt')}.",
    ]


def stress_json(name: str, run: Run, critical: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same for machines."""
    found: dict[str, Any] = {
        "version": __version__,
        "world": name,
        "folder": None if run.folder is None else str(run.folder),
        "paths": run.paths.num_rows,
        "figures": {row.pop("figure"): row for row in run.summary.to_pylist()},
    }
    concentration = getattr(run, "concentration", None)
    if concentration is not None:
        found["concentration"] = concentration.to_pylist()
    if critical is not None:
        found["critical_order"] = critical
    return found


def write_summary(report: Report, folder: Path) -> Path:
    """Leave the report in the run's folder, as text."""
    path = folder / SUMMARY_FILE
    write_text(report.markdown(), path)
    return path

"""Results for people and machines: terminal tables, Markdown, JSON, files. No modelling here."""

from __future__ import annotations

import pyarrow as pa

from delever.report.check import check_json, check_report, has_errors
from delever.report.document import Remark, Remarks, Report, Section
from delever.report.extras import Extras
from delever.report.files import check_target, json_text, write_table, write_text
from delever.report.stress import stress_json, stress_report, write_summary
from delever.report.wall import wall_json, wall_report

__all__ = [
    "Extras",
    "Remark",
    "Remarks",
    "Report",
    "Section",
    "check_json",
    "check_report",
    "check_target",
    "has_errors",
    "json_text",
    "show",
    "stress_json",
    "stress_report",
    "wall_json",
    "wall_report",
    "write_summary",
    "write_table",
    "write_text",
]


def show(table: pa.Table, title: str = "") -> None:
    """Print a table as the commands do: human numbers, units in the headings, definitions below."""
    Report(title, (Section("", table),)).print()

"""What was asked beside what was done, and what of it one should know: the same in checks, runs and what-ifs."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from delever.report.document import Remark, Remarks, Section, column, table_of
from delever.report.mechanisms import with_unit
from delever.report.numbers import NONE, percent

LEVELS = {"ok": "note", "warn": "warning", "error": "error"}
NOTES = ("done: of what the world states, what was read, used or came about, in the mean over paths; on paths: share of them on "
         "which any of it did. –: no amount is stated, or it says nothing of itself.",)


def findings_remarks(heading: str, findings: pa.Table, least: str = "ok") -> list[Remarks]:
    """A line a finding, its code behind it. least: `warn` leaves out notes."""
    rows = [row for row in findings.to_pylist() if least == "ok" or row["level"] != "ok"]
    return [Remarks(heading, tuple(_remark(row) for row in rows))] if rows else []


def _remark(row: dict[str, Any]) -> Remark:
    value = f": {row['value']}" if row.get("value") else ""
    code = f" [{row['code']}]" if row.get("code") else ""
    return Remark(LEVELS.get(row["level"], row["level"]), f"{row['what']} ({row['where']}){value}{code}", row.get("remedy") or "")


def asked_section(asked: pa.Table) -> Section:
    """A row a thing that is stated."""
    rows, runs = asked.to_pylist(), any(asked["ran"].to_pylist())
    return Section("Asked and done", table_of(
        column("where", [row["where"] for row in rows]),
        column("asked", [_amount(row["asked"], row["unit"]) for row in rows], right=True),
        column("done", [_amount(row["done"], row["unit"]) for row in rows], right=True),
        *([column("on paths", [_share(row["ran"]) for row in rows], right=True)] if runs else []),
        *([column("left out", [row["left"] for row in rows])] if any(row["left"] for row in rows) else []),
        column("what", [row["what"] for row in rows])), NOTES, under="what")


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)


def _amount(value: float | None, unit: str) -> str:
    """With its unit, unless that says no more than the first column does."""
    if value is None or math.isnan(value):
        return NONE
    return with_unit(value, "" if unit in ("rows", "accounts", "feeds", "venues", "assets") else unit)

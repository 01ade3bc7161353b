"""The result of a check: findings with remedies, who sees which price, the age of every input."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from delever import __version__
from delever.report.document import Report, Section

if TYPE_CHECKING:
    from delever.analysis import Check

AGE = "age: before the world's date; an input that is much older than the book describes another market."
LAG = "lag: how long a move may go unseen."


def check_report(name: str, as_of: datetime, check: Check) -> Report:
    """Findings first: what is wrong comes before what is so."""
    sections = []
    if check.findings.num_rows:
        sections.append(Section("Findings", check.findings))
    sections.append(Section("Who sees which price", check.prices, (LAG,)))
    sections.append(Section("Inputs", check.inputs, (AGE,)))
    closing = "No findings." if not check.findings.num_rows else f"{check.findings.num_rows:,} findings."
    return Report(f"Check of {name}, as of {as_of:%Y-%m-%d %H:%M} UTC", tuple(sections), (closing,))


def check_json(name: str, check: Check) -> dict[str, Any]:
    """The same for machines."""
    return {
        "version": __version__,
        "world": name,
        "findings": check.findings.to_pylist(),
        "prices": check.prices.to_pylist(),
        "inputs": check.inputs.to_pylist(),
    }


def has_errors(check: Check) -> bool:
    """Whether a finding makes the world unusable."""
    if "level" not in check.findings.column_names:
        return False
    return "error" in check.findings["level"].to_pylist()

"""The report of what is shown: its figures one below the other, or the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from delever.report.html.given import given_of
from delever.report.html.page import SECTIONS, figures_of, html_report
from delever.report.html.theme import needed
from delever.web.desk.state import Desk


def figures(desk: Desk) -> list[dict[str, Any]]:
    """Sections of the report that have figures: name, and each figure's texts and markup."""
    needed()
    (_, first), *others = desk.seen()
    found = figures_of(given_of(first, [run for _, run in others]))
    return [{"id": key, "name": name, "lede": lede, "figures": [asdict(figure) for figure in found[key]]}
            for key, name, lede in SECTIONS if found.get(key)]


def report(desk: Desk, labels: Sequence[str]) -> bytes:
    """The report of the first run, the others as variants of it, called so."""
    (_, first), *others = desk.seen()
    return html_report(first, *(run for _, run in others), labels=labels).encode()

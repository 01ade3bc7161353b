"""A network of protocols: its tables, and its figures for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever.report.asked import findings_remarks
from delever.report.document import Remarks, Report, Section
from delever.report.numbers import percent

if TYPE_CHECKING:
    from delever.analysis.network import Network

ASSUMED = (
    "Static: prices are those of the start, nobody acts, impact is linear: with large sales it is an index, no forecast.",
    "Assumptions: accounts that owe sell what they hold, pro rata; a perp and what it follows are one market of the depth of "
    "both; options are left out.",
)


def network_report(name: str, found: Network) -> Report:
    """For people."""
    sections: list[Section | Remarks] = [Section("Protocols", found.table), Section("Markets", found.markets)]
    if found.pairs.num_rows:
        sections.insert(1, Section("Who meets whom", found.pairs, keys=2))
    sections = [*findings_remarks("Warnings", found.findings, "warn"), *sections]
    growth = "losses grow from round to round" if found.eigenvalue > 1.0 else "losses die out from round to round"
    lead = (f"after {found.shock}, one round of sales takes {percent(found.aggregate)} of all equity (aggregate vulnerability); "
            f"largest eigenvalue of overlaps over equity {found.eigenvalue:.3g}: {growth}")
    left = (f"Left out, because nobody in them owes and holds what a market prices: {', '.join(found.left_out)}.",)
    said = (f"{text[0].upper()}{text[1:]}." for text in found.said)
    return Report(f"Network of {name}", tuple(sections), (*ASSUMED, *said, *(left if found.left_out else ())), lead)


def network_json(name: str, found: Network) -> dict[str, Any]:
    """The same for machines."""
    protocols = found.table.rename_columns([str(column).lower() for column in found.table.column_names])
    return {"world": name, "shock": found.shock, "aggregate_vulnerability": found.aggregate, "eigenvalue": found.eigenvalue,
            "protocols": protocols, "pairs": found.pairs, "markets": found.markets,
            "asked": found.asked.to_pylist(), "findings": found.findings.to_pylist(),
            "assumptions": [*ASSUMED, *found.said, *(f"left out: {one}" for one in found.left_out)]}

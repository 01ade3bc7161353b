"""The liquidation wall: by protocol, collateral and kind of debt, eligible beside liquidatable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever import __version__
from delever.report.document import Report, Section

if TYPE_CHECKING:
    from delever.analysis import Wall

ELIGIBLE = "Eligible: all that accounts whose health factor is below 1 after the shock hold and owe."
LIQUIDATABLE = (
    "Liquidatable: what the protocol's rules let one call per account repay and seize of it now; usually far less."
)
STATIC = "A wall is what the shock itself reaches: no sale, no feedback, no top-up. For these: delever stress."


def wall_report(name: str, asset: str, shock: str, wall: Wall) -> Report:
    """The table with the difference between its two halves spelled out."""
    section = Section("By protocol, collateral and kind of debt", wall.table, (ELIGIBLE, LIQUIDATABLE))
    legs = wall.accounts.num_rows
    notes = [STATIC]
    if legs:
        notes.append(f"Legs of eligible accounts: {legs:,}; --accounts FILE writes them.")
    else:
        notes.append("No account is eligible.")
    return Report(f"Liquidation wall of {name}: {asset} {shock}", (section,), tuple(notes))


def wall_json(name: str, asset: str, shock: str, wall: Wall) -> dict[str, Any]:
    """The same for machines."""
    return {"version": __version__, "world": name, "asset": asset, "shock": shock, "wall": wall.table.to_pylist()}

"""A recursive position: its rounds, the ways out of it, where it is called and where it is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever.report.document import Report, Section
from delever.report.numbers import magnitude, percent

if TYPE_CHECKING:
    from delever.analysis.looping import Loop

FRONTIER = ("Lost beyond: max(1 - 1/health, 1 - (1 + incentive) x threshold / health), a sudden fall of the collateral against "
            "the debt: from there on the collateral no longer pays debt and incentive, and a call leaves bad debt.")
ASSUMED = "Assumptions: seen prices stay, venues do not recover between rounds, nobody else trades."


def headline(found: Loop) -> str:
    """The finding."""
    rounds = found.rounds.num_rows - 1
    return (f"{rounds} round{'s' * (rounds != 1)} at {percent(found.ltv)}: leverage {found.leverage:.3g}, "
            f"health {found.health:.4g}; called from a fall of {percent(found.called)}, lost beyond {percent(found.lost)}; "
            f"entering costs {percent(found.entry_cost)} of the equity")


def loop_report(name: str, found: Loop) -> Report:
    """For people."""
    holds = (f"Holds {magnitude(found.held)} {found.collateral} and owes {magnitude(found.owed)} {found.debt} on "
             f"{found.protocol}; threshold {percent(found.threshold)}, incentive {percent(found.incentive)}.")
    return Report(f"Recursive position in {name}", (Section("Round by round", found.rounds), Section("Ways out", found.out)),
                  (holds, FRONTIER, ASSUMED), headline(found))


def loop_json(name: str, found: Loop) -> dict[str, Any]:
    """The same for machines."""
    single = {field: getattr(found, field) for field in (
        "protocol", "collateral", "debt", "ltv", "threshold", "incentive", "held", "owed", "leverage", "health", "called", "lost",
        "entry_cost")}
    return {"world": name, "finding": headline(found), **single, "rounds": found.rounds.to_pylist(), "out": found.out.to_pylist()}

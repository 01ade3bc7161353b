"""The outcomes people are judged by: a compact section of a stress test, four tables of a command, the same for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from delever.engine.markouts import LAGS, NAMES
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.mechanisms import INTERVAL, interval, known, with_unit
from delever.report.numbers import NONE, duration, magnitude, percent, signed_percent

if TYPE_CHECKING:
    from delever.analysis.outcomes import Outcomes

HEADING = "Outcomes"
SHOWN = ("unhealthy_debt_hours", "exposure_shed", "deleveraging_event", "event_start", "regretted_window", "regretted_end")
FIRST, LAST = 0.0, 3600.0  # lags of markouts that the section shows [s]
MARKOUT = ("Markout: what was closed by force is worth so much later, less what its owner had for it, at market prices; + is a "
           "loss for who was closed. 0 s is the end of the step in which it happened.")
ANSWERS = ("regretted_window", "regretted_end")  # said also where they are 0
Line = tuple[str, str, str, str, str]  # protocol, outcome, value, interval, definition


def outcomes_section(found: Outcomes, where: str = "") -> Section | Remarks:
    """What of it a stress test shows. where: how to see all of it."""
    lines = [*_figures(found), *_markouts(found), *_buffers(found)]
    if not lines:
        return Remarks(HEADING, (Remark("", "nothing was closed by force, and nobody stood below the threshold"),))
    columns = [column("of", [line[0] or "all" for line in lines]), column("outcome", [line[1] for line in lines]),
               column("value", [line[2] for line in lines], right=True),
               column(INTERVAL, [line[3] for line in lines]) if found.paths > 1 else None,
               column("horizon", [duration(found.horizon)] * len(lines)), column("definition", [line[4] for line in lines])]
    notes = [f"windows and bands are assumptions: {said(found)}"]
    notes += [where] if where else []
    return Section(HEADING, table_of(*(c for c in columns if c is not None)), tuple(notes), keys=2, under="definition")


def said(found: Outcomes) -> str:
    """The thresholds, windows and bands, in a line."""
    judged = found.judged
    return (f"an event is {percent(judged.event_share)} of debt or positions closed within {duration(judged.event_within)}; "
            f"regret after {duration(judged.regret_after)}; back within {percent(judged.price_band)} (prices), "
            f"{percent(judged.health_band)} of all debt (health), {percent(judged.depth_band)} of depth (liquidity); "
            "scenario.judged sets them")


def _figures(found: Outcomes) -> Iterator[Line]:
    """Those of SHOWN that are not nothing, then what never recovered."""
    for row in found.table.to_pylist():
        value = row["value"]
        if not known(value) or (row["outcome"] not in SHOWN if row["protocol"] else False):
            continue
        if value == 0.0 and not row["high"] and row["outcome"] not in ANSWERS:
            continue
        yield (row["protocol"], row["label"], with_unit(value, row["unit"]), interval(row["low"], row["high"], row["unit"]),
               row["meaning"])


def _markouts(found: Outcomes) -> Iterator[Line]:
    """At once and an hour later."""
    for row in found.markouts.to_pylist():
        if known(row["loss"]) and row["after"] in (FIRST, LAST):
            after = NAMES[LAGS.index(row["after"])]
            yield (row["protocol"], f"markout {after}, {row['who']}", signed_percent(row["loss"]),
                   interval(row["low"], row["high"], "share"), "what was closed by force is worth so much later, less what they "
                   "had for it, of what was closed, at market prices; + is their loss")


def _buffers(found: Outcomes) -> Iterator[Line]:
    """Those behind which losses stood."""
    for row in found.buffers.to_pylist():
        if row["paths"]:
            yield (row["protocol"], f"{row['buffer']} used", percent(row["used"]), interval(row["low"], row["high"], "share"),
                   f"of it when a later layer, or bad debt, was reached; mean over the {row['paths']} paths on which one was")


def outcomes_report(name: str, found: Outcomes) -> Report:
    """All four tables."""
    rows = found.table.to_pylist()
    figures = Section("By protocol, and of the whole", table_of(
        column("of", [row["protocol"] or "all" for row in rows]), column("outcome", [row["label"] for row in rows]),
        column("value", [with_unit(row["value"], row["unit"]) if known(row["value"]) else never(row) for row in rows],
               right=True),
        column(INTERVAL, [interval(row["low"], row["high"], row["unit"]) for row in rows]),
        column("meaning", [row["meaning"] for row in rows])), (f"assumptions: {said(found)}",), keys=2, under="meaning")
    parties = found.parties.to_pylist()
    losses = Section("Loss by party", table_of(
        column("who", [row["who"] for row in parties]), column("of", [row["protocol"] or "all" for row in parties]),
        column("mean loss", [row["loss"] for row in parties], "USD"),
        column(INTERVAL, [interval(row["low"], row["high"], "USD") for row in parties])),
        ("a gain is below 0; what one loses another gains, so they are not to be added up",
         "borrowers and traders: what being closed cost them at the market price of that step; liquidators, venues and makers: "
         "at prices of the end"))
    return Report(f"Outcomes of {name} over {duration(found.horizon)}", (
        figures, losses, markouts_table(found), buffers_table(found)), (MARKOUT,))


def never(row: dict[str, Any]) -> str:
    """A time that did not come about."""
    return "never" if row["unit"] == "s" else NONE


def markouts_table(found: Outcomes) -> Section:
    """A row a protocol and side, a column a lag."""
    rows = found.markouts.to_pylist()
    keys = [key for key in dict.fromkeys((row["protocol"], row["who"]) for row in rows)
            if any(known(row["loss"]) for row in rows if (row["protocol"], row["who"]) == key)]
    cell = {(row["protocol"], row["who"], row["after"]): row for row in rows}

    def at(key: tuple[str, str], lag: float) -> str:
        row = cell[*key, lag]
        if not known(row["loss"]):
            return NONE
        ends = interval(row["low"], row["high"], "share")
        return signed_percent(row["loss"]) + (f" ({ends})" if ends else "")

    closed = [magnitude(float(cell[*key, FIRST]["value_usd"])) for key in keys]
    return Section("Markouts", table_of(
        column("of", [key[0] for key in keys]), column("who was closed", [key[1] for key in keys]),
        column("closed, USD", closed, right=True),
        *(column(name, [at(key, lag) for key in keys], right=True) for lag, name in zip(LAGS, NAMES, strict=True))),
        ("in brackets: 95 % interval over paths; closed: mean over paths",), keys=2)


def buffers_table(found: Outcomes) -> Section:
    """How much of each buffer was used before what is behind it was reached."""
    rows = found.buffers.to_pylist()
    return Section("Buffers", table_of(
        column("of", [row["protocol"] for row in rows]), column("buffer", [row["buffer"] for row in rows]),
        column("losses behind it on", [row["passed"] for row in rows], "share"),
        column("used by then", [percent(row["used"]) if known(row["used"]) else NONE for row in rows], right=True),
        column(INTERVAL, [interval(row["low"], row["high"], "share") for row in rows]),
        column("unused then", [row["unused_usd"] for row in rows], "USD")),
        ("losses behind it: paths on which a later layer, or bad debt, was reached; what a buffer held then it did not bear",),
        keys=2)


def outcomes_json(found: Outcomes) -> dict[str, Any]:
    """The same for machines."""
    return {"horizon_s": found.horizon, "judged": found.judged.fields(), "figures": found.table.to_pylist(),
            "parties": found.parties.to_pylist(), "markouts": found.markouts.to_pylist(), "buffers": found.buffers.to_pylist()}

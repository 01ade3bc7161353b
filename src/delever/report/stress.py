"""The result of a stress test: every risk figure with its definition and horizon beside it, what matters first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever import __version__
from delever.actors.base import Actor
from delever.report.asked import asked_section, findings_remarks
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.files import write_text
from delever.report.mechanisms import INTERVAL, declared_sections, interval, tables_json, with_unit
from delever.report.numbers import TINY, duration, magnitude, percent
from delever.report.outcomes import HEADING, outcomes_json, outcomes_section
from delever.report.sections import NO_EXTRAS, Extras, extra_sections
from delever.run.measures import MEASURES, known_as

if TYPE_CHECKING:
    from delever.model.world import World
    from delever.run.stress import Run

SUMMARY_FILE = "summary.md"
EXTRA_FALL, EXTRAPOLATED, RESIDUAL = "extra_fall.", "extrapolated.", "conservation_residual"
ESTIMATES = (
    "Estimates from sampled paths; an interval is sampling error alone, and says nothing of whether the assumptions hold."
)


def stress_report(name: str, run: Run, extras: Extras = NO_EXTRAS) -> Report:
    """The summary, who it hinges on, what it hinges on, and what of it is assumed."""
    paths = run.paths.num_rows
    sections: list[Section | Remarks] = [*findings_remarks("Warnings", run.findings, "warn"),
                                         *summary_sections(run.summary, paths, run), *named_section(run.summary, paths),
                                         *extra_sections(extras)]
    if run.world.scenario.judged is not None:
        from delever.analysis.outcomes import outcomes

        everything = f"all of it: delever outcomes {run.folder}" if run.folder is not None else ""
        sections.append(outcomes_section(outcomes(run), everything))
    sections.append(asked_section(run.asked))
    sections.append(Remarks("What is estimated and what is assumed", tuple(assumptions(run.world))))
    notes = [f"{one.what[0].upper()}{one.what[1:]}: {one.value}." for one in run.found if one.code == "paths.weighted"]
    if run.folder is not None:
        notes.append(f"Run folder, with one row a path in paths.parquet: {run.folder}")
        notes += worst_path(run)
        if run.trace.num_rows:
            notes.append("Every step of the traced paths: trace.parquet there")
    return Report(f"Stress test of {name} (delever {__version__})", tuple(sections), tuple(notes), lead(run.world, paths))


def worst_path(run: Run) -> list[str]:
    """The path that loses most, and how to see it; empty where none loses a dollar."""
    from delever.analysis.bearers import bearers

    total = bearers(run).total
    worst = int(total.argmax()) if len(total) else 0
    if not len(total) or total[worst] < 1.0:
        return []
    return [f"Worst path: {worst} loses {magnitude(float(total[worst]))} USD; delever replay {run.folder} --path {worst}, or "
            f"delever report {run.folder}"]


def lead(world: World, paths: int) -> str:
    """What was run, in a line."""
    scenario = world.scenario
    events = f", {len(scenario.events)} event{'s' if len(scenario.events) > 1 else ''}" if scenario.events else ""
    return (
        f"{paths:,} path{'s' if paths > 1 else ''} of {duration(scenario.horizon)} in steps of "
        f"{duration(scenario.step)}, seed {scenario.seed}{events}, as of {world.as_of:%Y-%m-%d %H:%M} UTC"
    )


def summary_sections(summary: pa.Table, paths: int, run: Run | None = None) -> list[Section | Remarks]:
    """The figures by what they are about; markets that forced selling did not move are left out."""
    rows = {str(row["figure"]): row for row in summary.to_pylist()}
    markets = _markets({name: rows.pop(name) for name in list(rows) if name.startswith((EXTRA_FALL, EXTRAPOLATED))})
    rows = {name: row for name, row in rows.items() if row["section"] != HEADING}  # they have a section of their own
    residual = rows.pop(RESIDUAL, None)
    sections = [*declared_sections(list(rows.values()), paths, run), *markets]
    if residual is not None:
        text = f"{residual['value']:.1e} of turnover, {residual['definition'].split(', as')[0]}"
        sections.append(Remarks(residual["section"], (Remark("conservation", text),)))
    return sections


def named_section(summary: pa.Table, paths: int) -> list[Section]:
    """Figures by what others call them; nothing where nobody lends."""
    rows = {str(row["figure"]): row for row in summary.to_pylist()}
    found = [(one, rows[one.figure]) for one in MEASURES if one.figure in rows]
    if not found:
        return []
    shown = [
        column("measure", [f"{one.who} {one.called}" for one, _ in found]),
        column("figure", [row["label"] for _, row in found]),
        column("value", [with_unit(row["value"], row["unit"]) for _, row in found], right=True),
        column(INTERVAL, [interval(row["low"], row["high"], row["unit"]) for _, row in found]) if paths > 1 else None,
        column("their horizon", [one.horizon for one, _ in found]),
        column("horizon", [row["horizon"] for _, row in found]),
    ]
    asked = ", ".join(f'"{name}"' if " " in name else name for name in dict.fromkeys(one.who.casefold() for one, _ in found))
    note = f"Figures that come nearest, over the horizon of this run. Where a run differs from theirs: delever explain {asked}."
    return [Section("Named measures", table_of(*(c for c in shown if c is not None)), (note,))]


def _markets(rows: dict[str, dict[str, Any]]) -> list[Section | Remarks]:
    """A row a market that fell deeper on its venues than outside, or traded beyond its last quote."""
    pairs = [name.removeprefix(EXTRA_FALL) for name in rows if name.startswith(EXTRA_FALL)]
    fall = {pair: rows[EXTRA_FALL + pair] for pair in pairs}
    beyond = {pair: rows.get(EXTRAPOLATED + pair, {}).get("value") or 0.0 for pair in pairs}
    moved = [pair for pair in pairs if fall[pair]["value"] > TINY or beyond[pair] > 0.0]
    if not moved:
        return []
    note = "extra fall: " + str(fall[moved[0]]["definition"]).replace(moved[0], "the market")
    return [
        Section(
            "Markets that sales moved",
            table_of(
                column("market", moved),
                column("extra fall", [percent(fall[pair]["value"]) for pair in moved], right=True),
                column("paths beyond quotes", [percent(beyond[pair]) for pair in moved], right=True),
                column("horizon", [fall[pair]["horizon"] for pair in moved]),
            ),
            (note, "paths beyond quotes: traded beyond the last quote, where depth is extrapolated; trust them less"),
        )
    ]


def assumptions(world: World) -> list[Remark]:
    """What a reader must know before quoting a figure."""
    late = [name for name in world.ages if abs((world.as_of - world.ages[name]).total_seconds()) > 30 * 86_400.0]
    lends = bool(world.lending)
    found = [
        Remark("estimate", ESTIMATES),
        *(Remark(name, actor.says()) for name, actor in world.actors.items() if isinstance(actor, Actor)),
        *([Remark("liquidators", "nobody")] if lends and not any(getattr(actor, "bids", False) for actor in world.actors.values())
          else []),
        *([Remark("owners", "assumed: no owner answers a coming liquidation")] if lends and not any(
            getattr(actor, "answers", False) for actor in world.actors.values()) else []),
        *_protocol_assumptions(world),
        Remark("execution", f"{world.execution.mode}; where figures hinge on it, try --set execution.mode="
               + ("batched" if world.execution.mode == "sequential" else "sequential")),
        *(Remark("depth", text) for text in [_recovery(world)] if text),
    ]  # fmt: skip
    if late:
        found.append(Remark("age", f"inputs more than a month from the world's date: {', '.join(late)} (delever check)"))
    return found


def _protocol_assumptions(world: World) -> list[Remark]:
    """What the rules of protocols assume, and who bears nothing."""
    found = []
    for name, protocol in world.protocols.items():
        assumed = getattr(protocol.rules, "assumes", "")
        if assumed:
            found.append(Remark(name, f"assumed: {assumed}"))
        if assumed and not protocol.waterfall:
            found.append(Remark("", f"{name} has no default waterfall: what closed accounts owe stays as deficit"))
    return found


def _recovery(world: World) -> str:
    """How fast outside buyers draw each venue's price back."""
    lives = {name: getattr(venue, "half_life", None) for name, venue in world.venues.items()}
    texts = [f"{name} {'never' if life is None else duration(life)}" for name, life in lives.items()]
    return (f"a displaced price recovers, and a pool that no maker re-centres follows the outside, by half in: {', '.join(texts)}"
            if texts else "")


def stress_json(name: str, run: Run, extras: Extras = NO_EXTRAS) -> dict[str, Any]:
    """The same for machines."""
    scenario = run.world.scenario
    judged: dict[str, Any] = {}
    if scenario.judged is not None:
        from delever.analysis.outcomes import outcomes

        judged["outcomes"] = outcomes_json(outcomes(run))
    return {
        "world": name,
        "folder": None if run.folder is None else str(run.folder),
        "paths": run.paths.num_rows,
        "horizon_s": scenario.horizon,
        "step_s": scenario.step,
        "seed": scenario.seed,
        "findings": run.findings.to_pylist(),
        "asked": run.asked.to_pylist(),
        "figures": {row.pop("figure"): row for row in map(_named, run.summary.to_pylist())},
        **tables_json(run),
        **judged,
        **extras.for_json(),
    }


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """A figure, with what others call it."""
    return row | {"known_as": [f"{one.who} {one.called}" for one in known_as(row["figure"])]}


def write_summary(report: Report, folder: Path) -> Path:
    """Leave the report in the run's folder, as text."""
    path = folder / SUMMARY_FILE
    write_text(report.markdown(), path)
    return path

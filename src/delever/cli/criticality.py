"""`delever criticality`: at which prices selling feeds on itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from delever.cli.options import check_output, end_if_strict, load_world, parse_settings, user_errors


@dataclass(frozen=True)
class Way:
    """What falls, how far, in which steps."""

    asset: str | None  # None: the text names several
    shock: str
    step: str | None
    count: int | None


@dataclass(frozen=True)
class Targets:
    """Files the command writes."""

    csv: Path | None
    parquet: Path | None
    chart: Path | None


def run(text: str, settings: list[str], way: Way, targets: Targets, as_json: bool, strict: bool = False) -> None:
    """The command."""
    with user_errors():
        from delever.report.criticality import criticality_json, criticality_report
        from delever.report.files import json_document, write_table, write_text

        # Before the work, so that a mistyped file name costs nothing.
        check_output(targets.csv, {".csv"})
        check_output(targets.parquet, {".parquet"})
        check_output(targets.chart, {".svg"})
        world = load_world(text, parse_settings(settings))
        from delever.analysis.feedback import criticality
        from delever.report.branching_chart import criticality_chart

        found = criticality(world, way.asset, way.shock, way.step, way.count)
        chart = criticality_chart(world.name, found)
        for target in (targets.csv, targets.parquet):
            if target is not None:
                write_table(found.levels, target)
        if targets.chart is not None:
            write_text(chart, targets.chart)
        if as_json:
            typer.echo(json_document("criticality", criticality_json(world.name, found)))
        else:
            criticality_report(world.name, found).print()
        end_if_strict(found.findings.to_pylist(), strict)

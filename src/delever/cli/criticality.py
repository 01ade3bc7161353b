"""`delever criticality`: at which prices selling feeds on itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json, Outside, Set, Strict, WorldArgument
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


def criticality(
    world: WorldArgument,
    asset: Annotated[str | None, typer.Option(help="The asset that falls, e.g. ETH.")] = None,
    shock: Annotated[
        str,
        typer.Option(help='How far to look, "-30%", or "40%" for rises; without --asset of several: "ETH -30 %, WBTC -20 %", '
                     '"12 March 2020".'),
    ] = "-60%..0%",
    step: Annotated[str | None, typer.Option(metavar="SHARE", help='Between two prices, "2 %"; 1 % if not told.')] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Number of prices, in place of a step.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures by price as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures by price as Parquet.")] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the branching ratio by price (.svg).")] = None,
    settings: Set = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Say at which prices selling feeds on itself, how far it then runs, and along which loop."""
    targets = Targets(csv, parquet, chart)
    run(world, settings or [], Way(asset, shock, step, count), targets, as_json, strict)


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

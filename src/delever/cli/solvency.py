"""`delever solvency`: what protocols are worth at their oracles' prices, the market's, and at what collateral would fetch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Csv, Force, Json, Outside, Parquet, Set, WorldArgument
from delever.cli.options import check_output, load_world, parse_settings, user_errors


@dataclass(frozen=True)
class Asked:
    """What is shocked, and the files that the command writes."""

    asset: str | None
    shock: str | None
    csv: Path | None
    parquet: Path | None
    chart: Path | None


def solvency(
    world: WorldArgument,
    shock: Annotated[
        str | None,
        typer.Option(help='Also after a shock: "ETH -30 %", "all -20 %", "factor ETH -30 %", "12 March 2020", ranges too; with '
                     '--asset "-30%".'),
    ] = None,
    asset: Annotated[str | None, typer.Option(help="The asset that is shocked, e.g. ETH.")] = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw what is short by protocol (.svg).")] = None,
    settings: Set = None,
    force: Force = False,
    allow_outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Say what protocols are worth at the oracles' prices, the market's, and at what collateral would fetch."""
    run(world, settings or [], Asked(asset, shock, csv, parquet, chart), as_json)


def run(text: str, settings: list[str], asked: Asked, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document, write_table, write_text
        from delever.report.pictures import picture
        from delever.report.solvency import solvency_json, solvency_report

        # Before the work, so that a mistyped file name costs nothing.
        check_output(asked.csv, {".csv"})
        check_output(asked.parquet, {".parquet"})
        check_output(asked.chart, {".svg"})
        world = load_world(text, parse_settings(settings))
        from delever.analysis.solvency import solvency

        found = solvency(world, asked.shock, asked.asset)
        chart = picture(found)
        for target in (asked.csv, asked.parquet):
            if target is not None:
                write_table(found.table, target)
        if asked.chart is not None:
            write_text(chart, asked.chart)
        if as_json:
            typer.echo(json_document("solvency", solvency_json(world.name, found)))
        else:
            solvency_report(world.name, found).print()

"""`delever passage`: how probable and how soon it is that accounts are liquidated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json, Outside, Set, World
from delever.cli.options import check_output, load_world, parse_settings, user_errors


def add_to(app: typer.Typer) -> None:
    """The command of this file."""
    app.command()(passage)


def passage(
    world: World,
    asset: Annotated[
        str | None, typer.Option(help="Accounts that hang on its price, delta and gamma by it; else each by what moves it most.")
    ] = None,
    horizon: Annotated[
        str | None, typer.Option(metavar="TIME", help='Within which time, "12 h", instead of the scenario\'s.')
    ] = None,
    paths: Annotated[
        int | None, typer.Option(min=1, help="Price paths of what is simulated, instead of the scenario's number.")
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Also accounts that have a closed form.")] = False,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Closed forms as if somebody looked all the time, not once a step.")
    ] = False,
    no_events: Annotated[
        bool, typer.Option("--no-events", help="Without the scenario's price events: more closed forms.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row an account as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row an account as Parquet.")] = None,
    curve: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write distance and probability by leverage (.csv, .parquet).")
    ] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw both against leverage (.svg).")] = None,
    force: Force = False,
    settings: Set = None,
    allow_outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Say how probable and how soon each account reaches its liquidation boundary, and what leverage does to that."""
    with user_errors():
        from delever.report.files import json_document, write_table, write_text
        from delever.report.passage import passage_json, passage_report

        # Before the work, so that a mistyped file name costs nothing.
        check_output(csv, {".csv"})
        check_output(parquet, {".parquet"})
        check_output(curve, {".csv", ".parquet"})
        check_output(chart, {".svg"})
        loaded = load_world(world, parse_settings(settings or []))
        from delever.analysis.passage import first_passage
        from delever.report.passage_chart import passage_chart

        found = first_passage(loaded, horizon, asset, paths, simulate, continuous, not no_events)
        drawn = passage_chart(loaded.name, found) if chart is not None else ""
        for table, target in ((found.accounts, csv), (found.accounts, parquet), (found.curve, curve)):
            if target is not None:
                write_table(table, target)
        if chart is not None:
            write_text(drawn, chart)
        if as_json:
            typer.echo(json_document("passage", passage_json(loaded.name, found)))
        else:
            passage_report(loaded.name, found).print()

"""`delever heatmap`: at which prices what stands to be liquidated, over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Csv, Force, Json, Outside, Parquet, Set
from delever.cli.options import check_output, load_world, parse_settings, user_errors


def heatmap(
    source: Annotated[
        str, typer.Argument(metavar="RUN|WORLD", help="Folder of a run: one of its paths, played again. A world: its book, with "
                            "prices standing still.")
    ],
    asset: Annotated[str, typer.Option(help="The coin whose perps are looked at, e.g. BTC.")],
    path: Annotated[int | None, typer.Option(metavar="N", help="Path of the run; by default the one that loses most.")] = None,
    levels: Annotated[int, typer.Option(help="Price levels, alike in log price.")] = 60,
    times: Annotated[int, typer.Option(help="Columns, alike in time.")] = 24,
    low: Annotated[float | None, typer.Option(metavar="USD", help="Lowest price; by default a quarter below the path's.")
                   ] = None,
    high: Annotated[float | None, typer.Option(metavar="USD", help="Highest price; by default a quarter above the path's.")
                    ] = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it (.svg).")] = None,
    settings: Set = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show at which prices positions on exchanges stand to be liquidated, over time: longs, shorts, by leverage."""
    with user_errors():
        from delever.analysis.heat import heat_map
        from delever.model.errors import InputError
        from delever.report.files import json_document, write_table, write_text
        from delever.report.heat import heat_json, heat_report
        from delever.report.heat_chart import heat_chart
        from delever.run.store import MANIFEST

        for target, suffix in ((csv, ".csv"), (parquet, ".parquet"), (chart, ".svg")):
            check_output(target, {suffix})
        is_run = (Path(source) / MANIFEST).is_file()
        if is_run and settings:
            raise InputError("is of a run, which is what it is", "--set", settings[0], "set it for `delever stress`")
        given = Path(source) if is_run else load_world(source, parse_settings(settings or []))
        name = Path(source).name if isinstance(given, Path) else given.name
        found = heat_map(given, asset, path, levels, times, low, high)
        drawn = heat_chart(name, found) if chart is not None else ""
        for target in (csv, parquet):
            if target is not None:
                write_table(found.table, target)
        if chart is not None:
            write_text(drawn, chart)
        if as_json:
            typer.echo(json_document("heatmap", heat_json(name, found)))
        else:
            heat_report(name, found).print()

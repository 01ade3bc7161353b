"""`delever tails`: what a run says of losses that happen once in a thousand times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Csv, Force, Json, Parquet
from delever.cli.options import check_output, share, user_errors


def tails(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as `delever stress` makes it.")],
    level: Annotated[str, typer.Option(metavar="SHARE", help="Of paths that lose no more.")] = "99.9 %",
    of: Annotated[str, typer.Option(metavar="COLUMN", help="What is lost: all, or a column of the run in USD, such as shortfall.")
                  ] = "loss",
    csv: Csv = None,
    parquet: Parquet = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fit a generalised Pareto tail to a run's losses; print VaR and expected shortfall far out, with intervals."""
    with user_errors():
        from delever.analysis.tails import tails as fitted
        from delever.model.quantity import SHARE
        from delever.report.files import json_document, write_table
        from delever.report.tails import tails_json, tails_report

        check_output(csv, {".csv"})
        check_output(parquet, {".parquet"})
        found = fitted(run, share(level, "--level", SHARE), of)
        for target in (csv, parquet):
            if target is not None:
                write_table(found.table, target)
        if as_json:
            typer.echo(json_document("tails", tails_json(str(run), found)))
        else:
            tails_report(run.name, found).print()

"""`delever twin`: a run beside the same paths with nobody liquidated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Csv, Force, Json, Threads
from delever.cli.options import check_output, user_errors
from delever.cli.progress import bar


def twin(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    threads: Threads = None,
    csv: Csv = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run the same paths with nobody liquidated; print what liquidations made of prices and losses."""
    with user_errors():
        from delever.analysis.twin import twin as beside
        from delever.report.document import Report, Section
        from delever.report.files import json_document, write_table
        from delever.run.stress import open_run

        check_output(csv, {".csv"})
        run = open_run(folder)
        with bar() as tell:
            found = beside(run, threads, tell)
        if csv is not None:
            write_table(found.markets, csv)
        if as_json:
            rows = {name: [{key.replace(" ", "_"): value for key, value in row.items()} for row in table.to_pylist()]
                    for name, table in (("markets", found.markets), ("losses", found.losses))}
            typer.echo(json_document("twin", {"run": str(folder), "paths": run.paths.num_rows, "markets": rows["markets"],
                                              "losses": rows["losses"][0]}))
        else:
            notes = (f"{run.paths.num_rows:,} paths, the same random numbers in both.",)
            Report(f"{folder.name} beside its twin, in which nobody is liquidated", (
                Section("Deepest falls", found.markets, notes), Section("Losses", found.losses, keys=0))).print()

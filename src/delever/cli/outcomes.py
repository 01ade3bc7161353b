"""`delever outcomes`: the outcomes people are judged by, of a run that stands."""

from __future__ import annotations

from pathlib import Path

import typer

from delever.cli.options import check_output, user_errors


def run(folder: Path, csv: Path | None, parquet: Path | None, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.analysis.outcomes import outcomes
        from delever.report.files import json_document, write_table
        from delever.report.outcomes import outcomes_json, outcomes_report
        from delever.run.stress import open_run

        check_output(csv, {".csv"})
        check_output(parquet, {".parquet"})
        given = open_run(folder)
        found = outcomes(given)
        for target in (csv, parquet):
            if target is not None:
                write_table(found.table, target)
        if as_json:
            typer.echo(json_document("outcomes", {"world": given.world.name, "paths": found.paths, **outcomes_json(found)}))
        else:
            outcomes_report(given.world.name, found).print()

"""`delever replay`: one path of a run played again, transaction by transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json, Strict
from delever.cli.options import check_output, end_if_strict, user_errors

SHOWN = 60  # transactions that are printed; the file has all


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as stress made it.")],
    path: Annotated[int, typer.Option(help="The path that is played again.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where its transactions are written (.parquet), instead of into RUN.")
    ] = None,
    declined: Annotated[bool, typer.Option("--declined", help="Also what was offered and nobody took.")] = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Play one path of a run again, alone; print and write every transaction."""
    carry_out(run, path, out, declined, as_json, strict)


def carry_out(folder: Path, path: int, out: Path | None, declined: bool, as_json: bool, strict: bool = False) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document, write_table
        from delever.report.replay import replay_report
        from delever.run.asked import asked_table, findings_of, findings_table
        from delever.run.opened import opened
        from delever.run.replay import asked_of_path, replay_model, write_replay

        check_output(out, {".parquet"})
        run = opened(folder)
        table = replay_model(run.model, path, declined)
        rows = asked_of_path(run, path)
        asked, findings = asked_table(rows), findings_table(findings_of(run.model.world, rows))
        if out is not None:
            write_table(table, out)
        target = out if out is not None else write_replay(table, folder, path)
        if as_json:
            typer.echo(json_document("replay", {"run": str(folder), "path": path, "written": str(target),
                                                  "transactions": table.to_pylist(), "asked": asked.to_pylist(),
                                                  "findings": findings.to_pylist()}))
        else:
            replay_report(folder.name, path, table, str(target), SHOWN, asked, findings).print()
        end_if_strict(findings.to_pylist(), strict)

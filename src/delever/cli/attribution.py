"""`delever attribute`: what of a run's losses goes back to which first cause."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json
from delever.cli.options import check_output, parse_paths, user_errors
from delever.cli.progress import bar

SHOWN = 20  # first causes that are printed; --json has all


def attribute(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as `delever stress` makes it.")],
    path: Annotated[str | None, typer.Option(metavar="PATHS", help='Of these paths alone: "0,17".')] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture (.svg).")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Play paths of a run again; say which first causes its losses go back to."""
    with user_errors():
        from delever.analysis.attribution import attribution
        from delever.report.files import json_document, write_text

        check_output(chart, {".svg"})
        chosen = parse_paths(path, "--path") if path is not None else None
        with bar() as tell:
            found = attribution(run, chosen, tell)
        if chart is not None:
            from delever.report.pictures import picture

            write_text(picture(found), chart)
        if as_json:
            typer.echo(json_document("attribute", {
                "run": str(run), "paths": list(found.paths), "totals": found.totals, "by_kind": found.table,
                "first_causes": found.causes}))
            return
        from delever.report.document import Report, Section

        more = found.causes.num_rows - SHOWN
        notes = (f"The first {SHOWN} of {found.causes.num_rows:,}; --json has all.",) if more > 0 else ()
        means = f"Means over {len(found.paths):,} paths."
        Report(f"First causes of losses in {run.name}", (
            Section("By kind", found.table, keys=3), Section("One by one", found.causes.slice(0, SHOWN), notes, keys=3),
            Section("In all", found.totals)), (means if len(found.paths) > 1 else f"Path {found.paths[0]}.",)).print()

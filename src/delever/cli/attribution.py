"""`delever attribute`: what of one path's losses goes back to which first cause."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.options import user_errors

SHOWN = 20  # first causes that are printed; --json has all


def attribute(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as `delever stress` makes it.")],
    path: Annotated[int, typer.Option(min=0, help="Number of the path.")],
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture (.svg).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print machine-readable figures instead of tables.")] = False,
) -> None:
    """Play one path of a run again; say which first causes its losses go back to."""
    with user_errors():
        from delever.analysis.attribution import attribution
        from delever.report.files import check_target, json_text, write_text

        check_target(chart, {".svg"})
        found = attribution(run, path)
        if chart is not None:
            from delever.report.pictures import picture

            write_text(picture(found), chart)
        if as_json:
            typer.echo(json_text({"run": str(run), "path": path, "totals": found.totals, "by_kind": found.table,
                                  "first_causes": found.causes}))
            return
        from delever.report.document import Report, Section

        more = found.causes.num_rows - SHOWN
        notes = (f"The first {SHOWN} of {found.causes.num_rows:,}; --json has all.",) if more > 0 else ()
        Report(f"First causes on path {path} of {run.name}", (
            Section("By kind", found.table, keys=3), Section("One by one", found.causes.slice(0, SHOWN), notes, keys=3),
            Section("In all", found.totals))).print()

"""`delever explain`: the reference, by name."""

from __future__ import annotations

from typing import Annotated

import typer

from delever.cli.arguments import Json
from delever.cli.options import user_errors


def explain(
    name: Annotated[
        str, typer.Argument(metavar="[KIND|FIELD|FIGURE|CODE]", help="Of anything in a world or a result; `days` of the past.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what a kind, a field, a figure or a code of findings is: unit, default, range, example, definition."""
    run(name, as_json)


def run(name: str, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document
        from delever.report.reference import explain, reference_json

        if as_json:
            typer.echo(json_document("explain", reference_json(name)))
        else:
            explain(name).print()

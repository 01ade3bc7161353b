"""`delever explain`: the reference, by name."""

from __future__ import annotations

import typer

from delever.cli.options import user_errors


def run(name: str, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document
        from delever.report.reference import explain, reference_json

        if as_json:
            typer.echo(json_document("explain", reference_json(name)))
        else:
            explain(name).print()

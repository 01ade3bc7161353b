"""`delever init`: a folder with a commented world, a template book and a README, which run as they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from delever import templates
from delever.cli.options import user_errors

KINDS = ("lending", "perps", "both")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    lending: Annotated[bool, typer.Option("--lending", help="A lending protocol.")] = False,
    perps: Annotated[bool, typer.Option("--perps", help="A perpetual exchange; with --lending, both.")] = False,
) -> None:
    """Leave a commented world, a template of a book and a README, which run as they are."""
    run(folder, lending, perps)


def run(folder: Path, lending: bool, perps: bool) -> None:
    """The command."""
    with user_errors():
        from delever.model.errors import InputError

        kind = "both" if lending and perps else "lending" if lending else "perps" if perps else _asked()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError("is not empty", str(folder), remedy="name a new folder: nothing is written over")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in templates.files(kind).items():
                (folder / name).write_text(content, encoding="utf-8")
        except OSError as error:
            raise InputError("cannot be written", str(folder), error.strerror, "name another folder") from None
        typer.echo(f"{folder}: {', '.join(templates.files(kind))}")
        typer.echo(f"next: delever check {folder}, and read {folder / 'README.md'}")


def _asked() -> str:
    """The kind that somebody at a terminal says."""
    from delever.model.errors import InputError, nearest

    if not sys.stdin.isatty():
        raise InputError("say what is to be stressed", "init", remedy="write --lending, --perps or both flags")
    said = str(typer.prompt("A world of lending, perps or both?", default="lending")).strip().lower()
    if said not in KINDS:
        raise InputError("is no kind of world", "init", said, nearest(said, KINDS))
    return said

"""`delever serve`: the local page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from delever.cli.arguments import Threads
from delever.cli.options import user_errors


def serve(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORLD|RUN]", help="Worlds and folders of runs to choose from; of several runs the first is "
                       "compared with the others. Embedded worlds are there always."),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where it listens. Anything but this machine alone (0.0.0.0: every network) is "
                          "entered with the random token of the link that is printed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 8050,
    show: Annotated[bool, typer.Option("--show", help="Open it in the browser.")] = False,
    threads: Threads = None,
) -> None:
    """Open a page on this machine: walls that follow a slider, what-ifs, runs, and whom they reach. Ctrl-C stops it."""
    run(names or [], host, port, show, threads)


def run(names: Sequence[str], host: str, port: int, show: bool, threads: int | None) -> None:
    """The command."""
    with user_errors():
        page = import_module("delever.web.serve")  # a layer beside this one, which imports nothing of it
        page.serve(*names, host=host, port=port, show=show, threads=threads)

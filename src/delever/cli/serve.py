"""`delever serve`: the local page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from delever.cli.options import user_errors


def run(names: Sequence[str], host: str, port: int, show: bool, threads: int | None) -> None:
    """The command."""
    with user_errors():
        page = import_module("delever.web.serve")  # a layer beside this one, which imports nothing of it
        page.serve(*names, host=host, port=port, show=show, threads=threads)

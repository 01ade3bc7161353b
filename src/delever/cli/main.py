"""The commands and their options. Anything heavy is imported inside a command, so that `--help` is instant."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from delever import __version__
from delever.cli import (
    change,
    check,
    compare,
    contagion,
    criticality,
    explain,
    heatmap,
    import_command,
    init,
    limits,
    loop,
    monitor,
    outcomes,
    passage,
    replay,
    report,
    reverse,
    serve,
    shell,
    solvency,
    stress,
    systemic,
    twin,
    wall,
)
from delever.cli.options import heed_signals
from delever.cli.variants import InOrder

app = typer.Typer(
    name="delever",
    help="Stress tests of systemic deleveraging: how much breaks at which price, and does selling feed on itself?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"delever {__version__}")
        raise typer.Exit


@app.callback()
def delever(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The options of the command itself."""


app.command()(stress.stress)
app.command()(wall.wall)
app.command()(heatmap.heatmap)
app.command()(criticality.criticality)
app.command()(solvency.solvency)
app.command()(limits.limits)
app.command()(loop.loop)
app.command()(reverse.reverse)
app.command()(check.check)
app.command()(replay.replay)
app.command()(change.change)
app.command()(outcomes.outcomes)
app.command()(report.report)
app.command()(serve.serve)
app.command()(contagion.contagion)
app.command("import", epilog=import_command.EXAMPLES)(import_command.import_book)
app.command()(init.init)
app.command(cls=InOrder)(compare.compare)
app.command()(compare.sweep)
app.command()(explain.explain)
app.command()(shell.shell)
passage.add_to(app)
systemic.add_to(app)
app.command()(twin.twin)
monitor.add_to(app)


def main() -> None:
    """Entry point of the installed command; what a terminal has no sign for is written as its number."""
    heed_signals()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()

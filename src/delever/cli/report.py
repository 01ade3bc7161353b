"""`delever report`: the page of a run, as one HTML file, and on paper."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from delever.cli.arguments import Force, Json
from delever.cli.options import check_output, user_errors

if TYPE_CHECKING:
    from delever.run.stress import Run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PATIENCE = 120.0  # for a browser to print [s]


class More(NamedTuple):
    """What takes further runs; kept beside the first one's folder, it is not run twice."""

    twin: bool = False
    contagion: bool = False
    limit: str | None = None
    change: bool = False


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of a run; further ones are compared with the first.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it goes (.html), instead of report.html in RUN.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="NAME", help="What each further run is called.")] = None,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="The same on paper (.pdf), by an installed browser.")] = None,
    twin: Annotated[bool, typer.Option("--twin", help="Run it again with nobody liquidated; draw the difference.")] = False,
    contagion: Annotated[
        bool, typer.Option("--contagion", help="Run its first 100 paths with each protocol spared, and draw who infects whom.")
    ] = False,
    limit: Annotated[
        str | None, typer.Option(help='Search the least that breaks it, on 20 paths: "any bad debt", "liquidated > 20 %" and '
                                 'others, as of delever reverse.')
    ] = None,
    change: Annotated[
        bool, typer.Option("--change", help="Of runs that differ in several ways run what lies between; draw which made what.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write what a run says as one HTML file: the answer first, every figure defined."""
    run(runs, out, label or [], pdf, More(twin, contagion, limit, change), as_json)


def run(folders: Sequence[Path], out: Path | None, labels: Sequence[str], pdf: Path | None, more: More, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.model.errors import InputError
        from delever.report.files import json_document
        from delever.report.html.page import write_report
        from delever.run.stress import open_run

        check_output(out, (".html",))
        check_output(pdf, (".pdf",))
        if labels and len(labels) != len(folders) - 1:
            count = len(folders) - 1
            raise InputError("are not one a further run", "--label", ", ".join(labels), f"name {count}, in their order")
        if more.change and len(folders) == 1:
            raise InputError("needs a second run", "--change", remedy="name what it is compared with: delever report RUN OTHER")
        first, *others = [open_run(folder) for folder in folders]
        add(first, others, more)
        written = write_report(first, *others, to=out, labels=labels)
        if pdf is not None:
            print_page(written, pdf)
        if as_json:
            runs = [str(one) for one in folders]
            typer.echo(json_document("report", {"report": str(written), "pdf": str(pdf) if pdf else None, "runs": runs}))
        else:
            typer.echo(f"{written}: open it in a browser" + (f"; on paper: {pdf}" if pdf else ""))


def add(run: Run, others: Sequence[Run], more: More) -> None:
    """What was asked for beside the run."""
    from delever.analysis.change_beside import change_of
    from delever.analysis.contagion import contagion_of
    from delever.analysis.reverse_beside import reverse_of
    from delever.cli.progress import bar
    from delever.report.html.given import leading

    with bar() as tell:
        if more.twin:
            run.twin(progress=tell)
        if more.contagion:
            contagion_of(run, progress=tell)
        if more.limit is not None:
            reverse_of(run, more.limit, leading(run), tell)
        for other in others if more.change else ():
            change_of(run, other, tell)


def print_page(page: Path, pdf: Path) -> None:
    """The page on paper, by the browser that is installed. InputError: there is none, or it fails."""
    from delever.model.errors import InputError

    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise InputError("needs a browser", "--pdf", str(pdf), f"install Chromium or Chrome, or print {page} by hand")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                   f"--user-data-dir={profile}", f"--print-to-pdf={pdf.absolute()}", page.absolute().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError("could not be printed", "--pdf", str(pdf), f"{browser}: {error}; print {page} by hand") from None
    if done.returncode or not pdf.is_file():
        remedy = f"{browser} ended with {done.returncode}; print {page} by hand"
        raise InputError("could not be printed", "--pdf", str(pdf), remedy)

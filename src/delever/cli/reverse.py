"""`delever reverse`: the smallest and the cheapest thing that breaks a stated limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import typer

from delever.cli.options import check_output, interrupted, load_world, parse_settings, user_errors
from delever.cli.progress import bar

APART = re.compile(r",\s*(?=(?:shock|order|oracle|outage|congestion)\b)")


@dataclass(frozen=True)
class Asked:
    """Options, as typed."""

    limit: str
    by: list[str]
    share: str
    paths: int | None
    seed: int | None
    at: str
    lasting: str


@dataclass(frozen=True)
class Targets:
    """Files the command writes."""

    csv: Path | None
    parquet: Path | None
    chart: Path | None


def run(text: str, settings: list[str], asked: Asked, targets: Targets, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document, write_table, write_text

        # Before the work, so that a mistyped file name costs nothing.
        check_output(targets.csv, {".csv"})
        check_output(targets.parquet, {".parquet"})
        check_output(targets.chart, {".svg"})
        chosen = parse_settings(settings) | {f"scenario.{name}": str(value) for name, value in (
            ("paths", asked.paths), ("seed", asked.seed)) if value is not None}
        world, at, lasting = load_world(text, chosen), seconds(asked.at, "--at"), seconds(asked.lasting, "--lasting")
        from delever.analysis.reverse import USUAL, reverse
        from delever.report.reverse import reverse_chart, reverse_json, reverse_report

        by = [part.strip() for given in asked.by for part in APART.split(given) if part.strip()] or list(USUAL)
        try:
            with bar() as tell:
                found = reverse(world, asked.limit, by, asked.share, asked.paths, at, lasting, tell)
        except KeyboardInterrupt:
            raise interrupted("interrupted; nothing was written") from None
        flat = found.table.drop_columns(["holds_again_at"])  # a list is no cell of a CSV
        for target in (targets.csv, targets.parquet):
            if target is not None:
                write_table(flat, target)
        if targets.chart is not None:
            write_text(reverse_chart(found), targets.chart)
        if as_json:
            typer.echo(json_document("reverse", reverse_json(found)))
        else:
            reverse_report(found).print()


def seconds(text: str, option: str) -> float:
    """A time as it is typed."""
    from delever.model.errors import InputError
    from delever.model.quantity import TIME_UNITS, Unit

    try:
        return Unit("s", "a time", "'6 h', '30 min' or '12 s'", TIME_UNITS, low=0).read(text)
    except InputError as error:
        raise error.at(option) from None

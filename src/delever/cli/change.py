"""`delever change`: why figures changed between two worlds or two runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from delever.cli.options import check_output, interrupted, user_errors
from delever.cli.progress import bar


@dataclass(frozen=True)
class Way:
    """How the difference is taken apart."""

    figures: list[str]
    method: str
    order: str | None  # groups with commas
    threads: int | None


@dataclass(frozen=True)
class Targets:
    """Files the command writes."""

    csv: Path | None
    parquet: Path | None
    chart: Path | None


def run(first: str, second: str, way: Way, targets: Targets, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.analysis.change import change
        from delever.analysis.hybrids import GROUPS
        from delever.report.change import change_chart, change_json, change_report
        from delever.report.files import json_document, write_table, write_text

        for path, suffix in ((targets.csv, ".csv"), (targets.parquet, ".parquet"), (targets.chart, ".svg")):
            check_output(path, {suffix})
        order = GROUPS if way.order is None else tuple(name.strip() for name in way.order.split(","))
        try:
            with bar() as tell:
                found = change(given(first), given(second), way.figures or None, way.method, order, tell,  # type: ignore[arg-type]
                               way.threads)
        except KeyboardInterrupt:
            raise interrupted("interrupted; nothing was written") from None
        for target in (targets.csv, targets.parquet):
            if target is not None:
                write_table(found.table, target)
        if targets.chart is not None:
            write_text(change_chart(found), targets.chart)
        if as_json:
            typer.echo(json_document("change", change_json(found)))
        else:
            change_report(found).print()


def given(text: str) -> object:
    """A run's folder as it is; a world as every command finds one, examples by name among them."""
    from delever.cli.options import load_world
    from delever.run.store import MANIFEST

    return text if (Path(text) / MANIFEST).exists() else load_world(text, {})

"""`delever wall`: what breaks at which price."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from delever.cli.options import load_world, parse_settings, user_errors


@dataclass(frozen=True)
class Targets:
    """Files the command writes."""

    accounts: Path | None
    csv: Path | None
    parquet: Path | None


def run(text: str, settings: list[str], asset: str, shock: str, targets: Targets, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.report import check_target, json_text, wall_json, wall_report, write_table

        # Before the work, so that a mistyped file name costs nothing.
        check_target(targets.accounts, {".csv", ".parquet"})
        check_target(targets.csv, {".csv"})
        check_target(targets.parquet, {".parquet"})
        world = load_world(text, parse_settings(settings))
        from delever.analysis import wall

        result = wall(world, asset, shock)
        for table, target in (
            (result.accounts, targets.accounts),
            (result.table, targets.csv),
            (result.table, targets.parquet),
        ):
            if target is not None:
                write_table(table, target)
        if as_json:
            typer.echo(json_text(wall_json(world.name, asset, shock, result)))
        else:
            wall_report(world.name, asset, shock, result).print()

"""`delever wall`: what breaks at which price."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from delever.cli.options import load_world, parse_settings, user_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.model.world import World


@dataclass(frozen=True)
class Targets:
    """Files the command writes."""

    accounts: Path | None
    csv: Path | None
    parquet: Path | None
    chart: Path | None = None


def run(text: str, settings: list[str], asset: str, shock: str, targets: Targets, as_json: bool) -> None:
    """The command."""
    with user_errors():
        from delever.model.asset import price_usd
        from delever.report import check_target, json_text, wall_chart, wall_json, wall_report, write_table, write_text

        # Before the work, so that a mistyped file name costs nothing.
        check_target(targets.accounts, {".csv", ".parquet"})
        check_target(targets.csv, {".csv"})
        check_target(targets.parquet, {".parquet"})
        check_target(targets.chart, {".svg"})
        world = load_world(text, parse_settings(settings))
        from delever.analysis import wall

        result = wall(world, asset, shock)
        others = _both_ways(world, asset, shock)
        start = price_usd(asset, world.assets)
        # All files are made before the first is written: a mistake leaves none.
        chart = wall_chart(world.name, asset, result, start) if targets.chart is not None else ""
        for table, target in (
            (result.accounts, targets.accounts),
            (result.table, targets.csv),
            (result.table, targets.parquet),
        ):
            if target is not None:
                write_table(table, target)
        if targets.chart is not None:
            write_text(chart, targets.chart)
        if as_json:
            typer.echo(json_text(wall_json(world.name, asset, shock, result, others, start)))
        else:
            wall_report(world.name, asset, shock, result, others, start).print()


def _both_ways(world: World, asset: str, shock: str) -> dict[str, pa.Table]:
    """Totals with the remainder collateral held constant and moving; empty where the book has none."""
    from delever.analysis import remainder_worlds, wall

    return {name: wall(other, asset, shock).totals for name, other in remainder_worlds(world).items()}

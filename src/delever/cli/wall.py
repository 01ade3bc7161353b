"""`delever wall`: what breaks at which price."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delever.cli.arguments import Csv, Force, Json, Outside, Parquet, Set, Strict, WorldArgument
from delever.cli.options import check_output, end_if_strict, load_world, parse_settings, user_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.analysis.walls import Wall
    from delever.model.world import World


@dataclass(frozen=True)
class Shock:
    """What is shocked, how."""

    asset: str | None  # None: the text names several
    text: str
    step: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Targets:
    """Files the command writes."""

    accounts: Path | None
    csv: Path | None
    parquet: Path | None
    chart: Path | None = None
    positions: Path | None = None
    sort: str = "move"


def wall(
    world: WorldArgument,
    shock: Annotated[
        str,
        typer.Option(help='A price move, "-5%" or "x0.7", or a range of them, "-60%..0%"; without --asset of several at once: '
                     '"ETH -30 %, WBTC -20 %", "all -20 %", "factor ETH -30 %", or a day by date or name, "12 March 2020", "FTX" '
                     '(delever explain days).'),
    ],
    asset: Annotated[str | None, typer.Option(help="The asset that is shocked, e.g. ETH.")] = None,
    step: Annotated[str | None, typer.Option(metavar="SHARE", help='Step of a range, "2 %"; 5 % if not told.')] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Number of shocks of a range, in place of a step.")] = None,
    positions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every position with owner and liquidation price: if only this coin moves, and "
                     "along the shock (.csv, .parquet; .json: records of owner, liqPrice, collateral, collateralAmount)."),
    ] = None,
    sort: Annotated[str, typer.Option(metavar="COLUMN", help="Order of the positions.")] = "move",
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the eligible accounts, a row a leg (.csv or .parquet).")
    ] = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the wall of a range of shocks (.svg).")] = None,
    settings: Set = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Show what is liquidatable after a shock to one asset, or to several at once."""
    targets = Targets(accounts, csv, parquet, chart, positions, sort)
    run(world, settings or [], Shock(asset, shock, step, count), targets, as_json, strict)


def run(text: str, settings: list[str], shock: Shock, targets: Targets, as_json: bool, strict: bool = False) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document, json_text, write_table, write_text
        from delever.report.positions import records
        from delever.report.wall import wall_json, wall_report

        # Before the work, so that a mistyped file name costs nothing.
        check_output(targets.accounts, {".csv", ".parquet"})
        check_output(targets.csv, {".csv"})
        check_output(targets.parquet, {".parquet"})
        check_output(targets.chart, {".svg"})
        check_output(targets.positions, {".csv", ".json", ".parquet"})
        world = load_world(text, parse_settings(settings))
        from delever.analysis.walls import wall

        result = wall(world, shock.asset, shock.text, shock.step, shock.count)
        others = _both_ways(world, shock)
        # All files are made before the first is written: a mistake leaves none.
        chart = _chart(world, result) if targets.chart is not None else ""
        positions = _positions(world, shock, targets.sort) if targets.positions is not None else None
        if positions is not None and targets.positions is not None:
            if targets.positions.suffix.lower() == ".json":
                write_text(json_text(records(positions)), targets.positions)
            else:
                write_table(positions, targets.positions)
        for table, target in ((result.accounts, targets.accounts), (result.table, targets.csv), (result.table, targets.parquet)):
            if target is not None:
                write_table(table, target)
        if targets.chart is not None:
            write_text(chart, targets.chart)
        if as_json:
            names = ", ".join(result.assets)
            found = wall_json(world.name, names, shock.text, result, others, _start(world, result))
            typer.echo(json_document("wall", found))
        else:
            wall_report(world.name, shock.asset or "", shock.text, result, others, _start(world, result), positions).print()
        end_if_strict(result.findings.to_pylist(), strict)


def _start(world: World, result: Wall) -> float:
    """Price of the lead before the shock, USD."""
    from delever.model.asset import price_usd

    return price_usd(result.assets[0], world.assets)


def _chart(world: World, result: Wall) -> str:
    from delever.report.chart import wall_chart

    lead, *rest = result.assets
    return wall_chart(world.name, lead + (f" with {', '.join(rest)}" if rest else ""), result, _start(world, result))


def _positions(world: World, shock: Shock, sort: str) -> pa.Table:
    """Position by position where it is liquidated, sorted."""
    from delever.analysis.position_prices import prices_of, sorted_by
    from delever.analysis.shocks import Walk
    from delever.analysis.walls import joint_of
    from delever.model.errors import InputError, nearest
    from delever.run.assemble import assemble

    model = assemble(world)
    found = prices_of(model, joint_of(model, shock.asset, shock.text, Walk(shock.step, shock.count)))
    if sort not in found.column_names:
        raise InputError("unknown column", "--sort", sort, nearest(sort, found.column_names))
    return sorted_by(found, sort)


def _both_ways(world: World, shock: Shock) -> dict[str, pa.Table]:
    """Totals with the remainder collateral held constant and moving; empty where the book has none."""
    from delever.analysis.remainders import remainder_worlds
    from delever.analysis.walls import wall

    return {name: wall(other, shock.asset, shock.text, shock.step, shock.count).totals
            for name, other in remainder_worlds(world).items()}

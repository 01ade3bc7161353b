"""`delever limits`: terms of loans against oracles, spirals and depth; caps and collateral factors; who backs what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json, Outside, Set, Strict, WorldArgument
from delever.cli.options import check_output, end_if_strict, load_world, parse_settings, user_errors


@dataclass(frozen=True)
class Asked:
    """What caps are held against, and the files that the command writes."""

    share: str
    slippage: str | None
    shock: str | None
    asset: str | None
    caps: str | None
    csv: Path | None
    parquet: Path | None
    chart: Path | None


def limits(
    world: WorldArgument,
    share: Annotated[str, typer.Option(help="Of a cap, and of what is supplied: liquidated at once.")] = "25 %",
    slippage: Annotated[
        str | None, typer.Option(help="That this may lose; what the asset's incentive pays for, if not told.")
    ] = None,
    shock: Annotated[
        str | None, typer.Option(help='Before it, for collateral factors: "ETH -20 %", "12 March 2020"; all -20 % if not told.')
    ] = None,
    asset: Annotated[str | None, typer.Option(help="The only collateral whose factors are shown.")] = None,
    caps: Annotated[str | None, typer.Option(metavar="UNITS", help='Caps to try, of --asset: "10k, 20k, 50k".')] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the factors by cap as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the factors by cap as Parquet.")] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the factors by cap (.svg).")] = None,
    settings: Set = None,
    force: Force = False,
    allow_outside: Outside = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Hold loan terms and caps against oracles, spirals and depth; show which collateral backs which debt."""
    asked = Asked(share, slippage, shock, asset, caps, csv, parquet, chart)
    run(world, settings or [], asked, as_json, strict)


def run(text: str, settings: list[str], asked: Asked, as_json: bool, strict: bool) -> None:
    """The command."""
    with user_errors():
        from delever.report.files import json_document, write_table, write_text
        from delever.report.limits import limits_json, limits_report
        from delever.report.pictures import picture

        # Before the work, so that a mistyped file name costs nothing.
        check_output(asked.csv, {".csv"})
        check_output(asked.parquet, {".parquet"})
        check_output(asked.chart, {".svg"})
        world = load_world(text, parse_settings(settings))
        from delever.analysis.limits import static_checks

        found = static_checks(world, asked.share, asked.slippage, asked.shock, asked.asset, amounts(asked.caps))
        chart = picture(found) if asked.chart is not None else ""
        for target in (asked.csv, asked.parquet):
            if target is not None:
                write_table(found.factors, target)
        if asked.chart is not None:
            write_text(chart, asked.chart)
        if as_json:
            typer.echo(json_document("limits", limits_json(world.name, found)))
        else:
            limits_report(world.name, found).print()
        end_if_strict(found.findings.to_pylist(), strict)


def amounts(text: str | None) -> list[float] | None:
    """Units of a text such as 10k, 20k."""
    if text is None:
        return None
    from delever.model.errors import InputError
    from delever.model.quantity import AMOUNT

    try:
        return [AMOUNT.read(part) for part in re.split(r"[;,]\s+", text.strip())]
    except InputError as error:
        raise error.at("--caps") from None

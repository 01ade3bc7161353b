"""`delever loop`: what rounds of borrowing and buying make of some equity, where that is called and lost, and the ways out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Csv, Force, Json, Outside, Set, WorldArgument
from delever.cli.options import check_output, load_world, parse_settings, share, user_errors


def loop(
    world: WorldArgument,
    collateral: Annotated[str, typer.Option(help="What is held, e.g. stETH.")],
    debt: Annotated[str, typer.Option(help="What is borrowed and sold for it, e.g. ETH.")],
    equity: Annotated[str, typer.Option(metavar="UNITS", help='Of the collateral, to begin with: "500", "2k".')],
    protocol: Annotated[str | None, typer.Option(help="Where; the only lending protocol if not told.")] = None,
    rounds: Annotated[int, typer.Option(help="How often it borrows and buys.")] = 12,
    ltv: Annotated[str | None, typer.Option(metavar="SHARE", help="What a round borrows of what the last one added; the "
                                            "protocol's own LTV if not told.")] = None,
    csv: Csv = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the position as rows of a book (.csv).")] = None,
    accounts: Annotated[int, typer.Option(min=1, help="How many such accounts --out writes.")] = 1,
    settings: Set = None,
    force: Force = False,
    allow_outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Enter a recursive position at the venues of a world, round by round; where it is called and lost, and the ways out."""
    with user_errors():
        from delever.analysis.looping import loop as entered
        from delever.model.quantity import AMOUNT, SHARE
        from delever.report.files import json_document, write_table
        from delever.report.looping import loop_json, loop_report

        check_output(csv, {".csv"})
        check_output(out, {".csv"})
        units = share(equity, "--equity", AMOUNT)
        made = load_world(world, parse_settings(settings or []))
        found = entered(made, protocol, collateral, debt, units, rounds, None if ltv is None else share(ltv, "--ltv", SHARE))
        for target, rows in ((csv, found.rounds), (out, found.legs(accounts))):
            if target is not None:
                write_table(rows, target)
        if as_json:
            typer.echo(json_document("loop", loop_json(made.name, found)))
        else:
            loop_report(made.name, found).print()

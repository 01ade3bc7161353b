"""`delever deleverage` and `delever clear`: balance sheets without a world, who sells to keep a ratio and who can pay whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delever.cli.arguments import Force, Json
from delever.cli.attribution import attribute
from delever.cli.options import check_output, parse_settings, share, user_errors
from delever.cli.tails import tails

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.analysis.clearing import Clearing
    from delever.analysis.fire_sales import Rule, Sheets

Chart = Annotated[Path | None, typer.Option("--chart", metavar="FILE", help="Write a picture (.svg).")]

DEBTS, MEANS = ("debtor", "creditor", "amount"), ("name", "cash", "outside")


def add_to(app: typer.Typer) -> None:
    """The commands of this file, `delever attribute` and `delever tails`."""
    app.command()(deleverage)
    app.command()(clear)
    app.command()(attribute)
    app.command()(tails)


# --- deleverage --------------------------------------------------------------------------------------------------------


def deleverage(
    balances: Annotated[
        Path, typer.Argument(metavar="BALANCES", help="A table: name, cash, other, loans, owed, and a column an asset.")
    ],
    shock: Annotated[list[str], typer.Option(metavar="ASSET=CHANGE", help='Fall of a price at first, e.g. "bonds=-20 %".')],
    fall: Annotated[
        str, typer.Option(metavar="SHARES", help='Fall of a price when 5 % of all is sold; several: "0 %, 1 %, 5 %".')
    ] = "5 %",
    target: Annotated[str, typer.Option(help="Ratio of equity to assets that who sells comes back to.")] = "5 %",
    buffer: Annotated[str, typer.Option(help="Ratio below which he does; 100 %: at every loss.")] = "4 %",
    least: Annotated[str, typer.Option(help="Ratio below which he fails and sells all.")] = "3 %",
    steps: Annotated[int, typer.Option(min=1, help="Rounds of sales.")] = 6,
    chart: Chart = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Let prices fall and everybody sell who falls below his ratio; print who fails and what is sold."""
    with user_errors():
        from delever.analysis.fire_sales import Rule, by_fall, sheets_from
        from delever.model.quantity import SHARE
        from delever.report.files import json_document, write_text
        from delever.report.pictures import picture

        check_output(chart, {".svg"})
        falls = [share(text, "--fall", SHARE) for text in fall.split(",")]
        rule = Rule(*(share(text, f"--{name}", SHARE) for name, text in
                      (("target", target), ("buffer", buffer), ("least", least))))
        given = sheets_from(read_table(balances, ("name",), ("name",)), str(balances))
        shocks = changes(shock)
        found = by_fall(given, shocks, falls, rule, steps)
        if chart is not None:
            write_text(picture(found), chart)
        if as_json:
            more = {} if len(falls) > 1 else detail(given, shocks, falls[0], rule, steps)
            fell = {name: -value for name, value in shocks.items()}
            typer.echo(json_document("deleverage", {"of": len(given.names), "shock": fell, "steps": steps, "by_fall": found.table,
                                                    **more}))
        else:
            print_sales(str(balances), given, found.table, shocks, falls, rule, steps)


def detail(given: Sheets, shocks: dict[str, float], fall: float, rule: Rule, steps: int) -> dict[str, pa.Table]:
    """The tables of one fire sale."""
    from delever.analysis.fire_sales import depth_of, fire_sale, shocks_of

    found = fire_sale(given, shocks_of(given, shocks), depth_of(fall, given.held.sum(axis=0)), rule, steps)
    return {"holders": found.table, "by_step": found.steps, "assets": found.assets}


def print_sales(name: str, given: Sheets, table: pa.Table, shocks: dict[str, float], falls: Sequence[float], rule: Rule,
                steps: int) -> None:
    """For people: by impact, and of one impact holder by holder."""
    from delever.report.document import Report, Section

    sections = [Section("By price impact", table)]
    if len(falls) == 1:
        tables = detail(given, shocks, falls[0], rule, steps)
        sections += [Section("Step by step", tables["by_step"]), Section("Assets", tables["assets"]),
                     Section("Holders", tables["holders"])]
    said = ", ".join(f"{asset} {-100.0 * value:+.4g} %" for asset, value in shocks.items())
    ratios = ", ".join(f"{name} {100.0 * float(getattr(rule, name)):.4g} %" for name in ("target", "buffer", "least"))
    note = f"Equity / assets: {ratios}. What is ordered in a step is sold together in the next; nobody buys."
    Report(f"Deleveraging of {name}: {said}", tuple(sections), (note,)).print()


def changes(shocks: Sequence[str]) -> dict[str, float]:
    """`ASSET=-20 %` texts as shares of the price that are lost."""
    from delever.model.errors import InputError
    from delever.model.quantity import CHANGE

    found = {}
    for asset, text in parse_settings(shocks, "--shock").items():
        change = share(text, "--shock", CHANGE)
        if change > 0.0:
            raise InputError("is no fall", "--shock", f"{asset}={text}", "write it with a minus: bonds=-20 %")
        found[asset] = -change
    return found


# --- clear -------------------------------------------------------------------------------------------------------------


def clear(
    debts: Annotated[Path, typer.Argument(metavar="DEBTS", help="A table: debtor, creditor, amount.")],
    means: Annotated[Path, typer.Argument(metavar="MEANS", help="A table: name, cash, and outside, what is owed to others.")],
    alpha: Annotated[str, typer.Option(help="Share of his cash that a defaulter's creditors get.")] = "100 %",
    beta: Annotated[str, typer.Option(help="Share of what he receives that they get.")] = "100 %",
    chart: Chart = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say who can pay whom once everybody pays what he can: the greatest and the least clearing vector."""
    with user_errors():
        from delever.model.quantity import SHARE
        from delever.report.files import json_document, write_text

        check_output(chart, {".svg"})
        found = cleared(debts, means, share(alpha, "--alpha", SHARE), share(beta, "--beta", SHARE))
        if chart is not None:
            from delever.report.pictures import picture

            write_text(picture(found), chart)
        if as_json:
            typer.echo(json_document("clear", {"unique": found.unique, "debtors": found.table, "payments": found.payments}))
            return
        from delever.report.document import Report, Section

        one = "Both vectors are one." if found.unique else "The vectors differ: what is paid hinges on who is believed to pay."
        Report(f"Clearing of {debts}", (Section("Debtors", found.table), Section("Payments", found.payments, keys=2)),
               (one,)).print()


def cleared(debts: Path, means: Path, alpha: float, beta: float) -> Clearing:
    """Both files, cleared. Who stands in debts alone has no cash."""
    import numpy as np

    from delever.analysis.clearing import clear as clearing
    from delever.model.errors import InputError

    owed, have = read_table(debts, DEBTS[:2], DEBTS).to_pylist(), read_table(means, MEANS[:1], MEANS[:2]).to_pylist()
    named = [row["name"] for row in have]
    if len(set(named)) < len(named):
        raise InputError("stands twice", str(means), next(n for n in named if named.count(n) > 1), "write one row each")
    names = list(dict.fromkeys([*named, *(row[side] for row in owed for side in DEBTS[:2])]))
    of, matrix, values = {row["name"]: row for row in have}, np.zeros((len(names), len(names))), {}
    for row in owed:
        matrix[names.index(row["debtor"]), names.index(row["creditor"])] += row["amount"]
    for name in MEANS[1:]:
        values[name] = [of.get(debtor, {}).get(name, 0.0) for debtor in names]
    return clearing(matrix, values["cash"], values["outside"], alpha, beta, names)


# --- files -------------------------------------------------------------------------------------------------------------



def read_table(path: Path, words: Sequence[str], needed: Sequence[str]) -> pa.Table:
    """A table of a file: `words` are columns of text, all others of numbers, where an empty cell is 0."""
    import pyarrow as pa

    from delever.ingest.own_cells import number
    from delever.ingest.own_files import Sheet, read_file
    from delever.model.errors import InputError

    found = read_file(path)
    if not isinstance(found, Sheet) or not found.rows:
        raise InputError("holds no table", str(path), None, "give rows with a heading each: .csv, .parquet, .xlsx or .jsonl")
    for name in needed:
        if name not in found.columns:
            raise InputError("misses a column", str(path), name, f"it has {', '.join(found.columns)}")
    columns: dict[str, pa.Array] = {}
    for place, name in enumerate(found.columns):
        cells = [row[place] for row in found.rows]
        try:
            columns[name] = pa.array(cells, pa.string()) if name in words else pa.array(
                [number(cell, found.at(row, name)) or 0.0 for row, cell in enumerate(cells)], pa.float64())
        except InputError as error:
            raise InputError(error.what, error.root, error.value, "write a number, or nothing for 0") from None
    return pa.table(columns)

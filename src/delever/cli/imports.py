"""`delever import`: a book of whatever columns, or an exchange's answers, as a book that a world reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from delever.cli.options import user_errors

KINDS = ("lending", "perps")


@dataclass(frozen=True)
class Choice:
    """The options of the command."""

    kind: str
    out: Path | None
    mapping: Sequence[str]  # theirs=ours, columns
    fill: Sequence[str]  # ours=value
    names: Sequence[str]  # theirs=ours, assets and instruments
    totals: Sequence[str]  # name=number
    tolerance: str
    protocol: str | None
    account: str
    coin: str | None
    sheet: str | None
    as_json: bool


@dataclass
class Found:
    """One book, and what is to be said of it."""

    table: pa.Table
    read: list[str]
    columns: dict[str, dict[str, str]]  # file -> theirs: ours
    dropped: list[str]
    unknown: list[str]


def run(files: Sequence[str], choice: Choice) -> None:
    """The command."""
    with user_errors():
        from delever.ingest.own_cells import number
        from delever.ingest.own_totals import reconcile, totals_of
        from delever.model.book import Book, write_table
        from delever.model.errors import InputError, nearest
        from delever.report import json_text

        if choice.kind not in KINDS:
            raise InputError("is no kind of book", "--as", choice.kind, nearest(choice.kind, KINDS))
        found = _read(files, choice)
        if choice.protocol is not None:
            _only(found, choice.protocol)
        where = ", ".join(files)
        Book.from_table(found.table, where=where, protocol=choice.protocol or "own")  # every row is checked as a world does
        tolerance = number(choice.tolerance, "--tolerance") or 0.0
        totals = reconcile(found.table, pairs(choice.totals, "--total"), tolerance)
        if choice.out is not None:
            _may_be_written(choice.out, files)
            write_table(found.table, choice.out)
        if choice.as_json:
            typer.echo(
                json_text(
                    {
                        "files": list(files),
                        "as": choice.kind,
                        "out": str(choice.out) if choice.out else None,
                        "read": found.read,
                        "columns": found.columns,
                        "dropped": found.dropped,
                        "unknown": found.unknown,
                        "totals": totals_of(found.table),
                        "reconciled": [{"total": one.name, "given": one.given, "found": one.found} for one in totals],
                    }
                )
            )
            return
        _print(found, totals_of(found.table), totals, choice.out)


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`a=b` texts as a mapping; b may be empty. The last `=` parts them: names of columns may have one."""
    from delever.model.errors import InputError

    out: dict[str, str] = {}
    for text in texts:
        left, equals, right = text.rpartition("=")
        if not equals or not left.strip():
            raise InputError("is not NAME=VALUE", option, text, "write for example --map wallet=account")
        if left.strip() in out:
            raise InputError("says it twice", option, left.strip(), "keep one")
        out[left.strip()] = right.strip()
    return out


def _read(files: Sequence[str], choice: Choice) -> Found:
    """All files as one book: tables below each other, answers of an exchange together."""
    from delever.ingest.own_files import Sheet, read_file, records
    from delever.ingest.positions import is_export
    from delever.model.errors import InputError

    sheets: list[Sheet] = []
    answers: dict[str, Any] = {}
    for file in files:
        value = read_file(file, choice.sheet)
        if isinstance(value, Sheet):
            sheets.append(value)
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value) and not is_export(value):
            sheets.append(records(value, file))
        else:
            answers[file] = value
    if sheets and answers:
        remedy = "import them one by one"
        raise InputError("mixes tables and answers of an exchange", ", ".join(files), remedy=remedy)
    return _tables(sheets, choice) if sheets else _answers(answers, choice)


def _tables(sheets: Sequence[Any], choice: Choice) -> Found:
    from delever.ingest.own_book import lending, perps
    from delever.ingest.own_columns import OURS, match
    from delever.model.errors import InputError, nearest

    fill, said, names = pairs(choice.fill, "--fill"), pairs(choice.mapping, "--map"), pairs(choice.names, "--name")
    for own in fill:
        if own not in OURS[choice.kind]:
            raise InputError("is no column of a book", "--fill", own, nearest(own, OURS[choice.kind]))
    found = Found(pa.table({}), [], {}, [], [])
    tables = []
    for sheet in sheets:
        here = {theirs: own for theirs, own in said.items() if theirs in sheet.columns or len(sheets) == 1}
        columns = match(sheet.columns, choice.kind, here, sheet.where)
        made = (lending if choice.kind == "lending" else perps)(sheet, columns, fill)
        tables.append(_with_names(made.table, names))
        found.read.append(f"{sheet.where}: {made.read} rows")
        found.columns[sheet.where] = {theirs: own for own, theirs in columns.of.items()} | dict.fromkeys(columns.unused, "")
        found.dropped += [f"{sheet.where}: {text}" for text in made.dropped]
        found.dropped += [f"{sheet.where}: columns {', '.join(columns.unused)}"] if columns.unused else []
        found.unknown += [text for text in made.unknown if text not in found.unknown]
    odd = next((table for table in tables if table.schema.names != tables[0].schema.names), None)
    if odd is not None:
        raise InputError(
            "have different columns", ", ".join(sheet.where for sheet in sheets), remedy="import them one by one, or --fill"
        )
    found.table = pa.concat_tables(tables)
    return found


def _with_names(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Assets and instruments under other names."""
    for column in ("asset", "instrument", "collateral_asset"):
        if column in table.column_names:
            values = pa.array([names.get(value, value) for value in table[column].to_pylist()], pa.string())
            table = table.set_column(table.column_names.index(column), column, values)
    return table


def _answers(answers: Mapping[str, Any], choice: Choice) -> Found:
    from delever.ingest.positions import kinds_of, read_export
    from delever.model.errors import InputError

    if choice.kind != "perps":
        raise InputError("is an exchange's answer and no table", ", ".join(answers), remedy="write --as perps")
    if choice.mapping or choice.fill:
        raise InputError(
            "has no columns", ", ".join(answers), remedy="--map and --fill are for tables; --name BTCUSDT=BTC-PERP renames"
        )
    kinds = [kind for value in answers.values() for kind in set(kinds_of(value))]
    value: Any = next(iter(answers.values()))
    if len(answers) > 1:  # parts of one account, or accounts, told by whether something is there twice
        apart = len(kinds) != len(set(kinds)) or not kinds
        value = {Path(file).stem: one for file, one in answers.items()} if apart else list(answers.values())
    read = read_export(value, ", ".join(answers), account=choice.account, coin=choice.coin)
    names = pairs(choice.names, "--name")
    positions = sum(1 for name in read.table["instrument"].to_pylist() if name)
    owners = len(set((read.table["owner"] if "owner" in read.table.column_names else read.table["account"]).to_pylist()))
    said = [f"{', '.join(answers)}: {', '.join(read.exchanges)}, {owners} accounts, {positions} positions"]
    unknown = ["the world's names: symbols are as the exchange has them, see --name"] if not names else []
    return Found(_with_names(read.table, names), said, {}, list(read.notes), unknown)


def _only(found: Found, protocol: str) -> None:
    """The rows of one protocol, where the file says whose they are."""
    from delever.model.errors import InputError, nearest

    if "protocol" not in found.table.column_names:
        found.table = found.table.append_column("protocol", pa.array([protocol] * found.table.num_rows, pa.string()))
        return
    names = found.table["protocol"].to_pylist()
    mine = [not name or name == protocol for name in names]
    if not any(mine):
        raise InputError("no row is of it", "--protocol", protocol, nearest(protocol, {name for name in names if name}))
    if not all(mine):
        others = sorted({name for name in names if name and name != protocol})
        found.dropped.append(f"{len(names) - sum(mine)} rows of other protocols: {', '.join(others)}")
    found.table = found.table.filter(pa.array(mine))
    column = pa.array([protocol] * found.table.num_rows, pa.string())
    found.table = found.table.set_column(found.table.column_names.index("protocol"), "protocol", column)


def _may_be_written(out: Path, files: Sequence[str]) -> None:
    from delever.model.errors import InputError

    if any(out.resolve() == Path(file).resolve() for file in files):
        raise InputError("is what is read", "--out", str(out), "name another file")
    if not out.parent.is_dir():
        raise InputError("is in a folder that is not there", "--out", str(out), f"make {out.parent}")


def _print(found: Found, totals: Mapping[str, float], reconciled: Sequence[Any], out: Path | None) -> None:
    for line in found.read:
        typer.echo(f"read      {line}")
    for file, columns in found.columns.items():
        for theirs, own in columns.items():
            if own:
                typer.echo(f"column    {theirs} is {own}" + (f" ({file})" if len(found.columns) > 1 else ""))
    for label, lines in (("dropped", found.dropped), ("unknown", found.unknown)):
        for line in lines or ["nothing"]:
            typer.echo(f"{label:9s} {line}")
    given = {one.name: one for one in reconciled}
    for name, value in totals.items():
        beside = f", given {given[name].given:,.10g}: reconciled" if name in given else ""
        typer.echo(f"total     {name} {value:,.10g}{beside}")
    typer.echo(f"written   {out}" if out is not None else "written   nothing: name a file with --out book.parquet")

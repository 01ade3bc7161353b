"""A book of one's own, of whatever files: tables of any columns, or exchanges' answers, as one table that a book is read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from delever.ingest.own_book import lending, perps
from delever.ingest.own_columns import OURS, match
from delever.ingest.own_files import Sheet, read_file, records
from delever.ingest.positions import is_export, kinds_of, read_export
from delever.model.errors import InputError, nearest


@dataclass
class OwnBook:
    """One book, and what is to be said of it."""

    table: pa.Table  # a row a leg, or a row a position: what Book.from_table takes
    read: list[str]
    columns: dict[str, dict[str, str]]  # file -> theirs: ours, "" where it is not used
    dropped: list[str]
    unknown: list[str]


@dataclass(frozen=True)
class Choice:
    """What is said of the files; see `import_book`."""

    kind: str
    mapping: Mapping[str, str]
    fill: Mapping[str, str]
    names: Mapping[str, str]
    account: str
    coin: str | None
    sheet: str | None
    collateral: str | None


def import_book(
    files: Sequence[str | Path],
    kind: str,
    *,
    mapping: Mapping[str, str] | None = None,
    fill: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    protocol: str | None = None,
    account: str = "own",
    coin: str | None = None,
    sheet: str | None = None,
    collateral: str | None = None,
) -> OwnBook:
    """A book of tables of any columns, or of exchanges' answers; what it dropped and could not know stands beside it.

    kind: lending or perps. mapping: their columns -> ours, "" leaves one out. fill: our columns -> what is the same in all rows.
    names: their assets and instruments -> the world's. protocol: whose rows are wanted, or what all are of. account: who the
    one account of an answer is. coin: of contracts margined in coins whose account is meant. sheet: of a spreadsheet.
    collateral: whether a balance that stands in each cross row of an account counts once or each time.
    """
    if kind not in OURS:
        raise InputError("is no kind of book", "--as", kind, nearest(kind, OURS))
    found = _read(
        [str(file) for file in files], Choice(kind, mapping or {}, fill or {}, names or {}, account, coin, sheet, collateral)
    )
    if protocol is not None:
        _only(found, protocol)
    return found


def _read(files: Sequence[str], choice: Choice) -> OwnBook:
    """All files as one book: tables below each other, answers of an exchange together."""

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


def _tables(sheets: Sequence[Any], choice: Choice) -> OwnBook:

    fill, said, names = choice.fill, choice.mapping, choice.names
    for own in fill:
        if own not in OURS[choice.kind]:
            raise InputError("is no column of a book", "--fill", own, nearest(own, OURS[choice.kind]))
    found = OwnBook(pa.table({}), [], {}, [], [])
    tables = []
    for sheet in sheets:
        here = {theirs: own for theirs, own in said.items() if theirs in sheet.columns or len(sheets) == 1}
        columns = match(sheet.columns, choice.kind, here, sheet.where)
        made = lending(sheet, columns, fill) if choice.kind == "lending" else perps(sheet, columns, fill, choice.collateral)
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


def _answers(answers: Mapping[str, Any], choice: Choice) -> OwnBook:

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
    names = choice.names
    positions = sum(1 for name in read.table["instrument"].to_pylist() if name)
    owners = len(set((read.table["owner"] if "owner" in read.table.column_names else read.table["account"]).to_pylist()))
    said = [f"{', '.join(answers)}: {', '.join(read.exchanges)}, {owners} accounts, {positions} positions"]
    unknown = ["the world's names: symbols are as the exchange has them, see --name"] if not names else []
    return OwnBook(_with_names(read.table, names), said, {}, list(read.notes), unknown)


def _only(found: OwnBook, protocol: str) -> None:
    """The rows of one protocol, where the file says whose they are."""

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

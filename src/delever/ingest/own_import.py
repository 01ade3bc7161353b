"""A book of one's own, of whatever files: tables of any columns, answers of exchanges and of lending protocols, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from delever.ingest.lending import KNOWN, read_lending, reader_of
from delever.ingest.lending_answers import unwrapped
from delever.ingest.own_book import lending, perps
from delever.ingest.own_columns import OURS, match, squashed
from delever.ingest.own_files import Sheet, read_file, records
from delever.ingest.own_names import Note, alike_found, folded
from delever.ingest.own_totals import Reconciled
from delever.ingest.positions import is_export, kinds_of, read_export
from delever.ingest.query_results import EVENTS, rows_of
from delever.model.errors import InputError, nearest

BLOCKS = ("blocknumber", "block", "blockno", "blockheight")  # columns that say when a row is from, letters and digits alone


@dataclass
class OwnBook:
    """One book, and what is to be said of it."""

    table: pa.Table  # a row a leg, or a row a position: what Book.from_table takes
    read: list[str]
    columns: dict[str, dict[str, str]]  # file -> theirs: ours, "" where it is not used
    dropped: list[str]
    unknown: list[str]
    notes: list[Note] = field(default_factory=list)  # what was made of rows and names that are there more than once
    stated: list[Reconciled] = field(default_factory=list)  # the protocol's own totals beside those of the accounts read
    block: int | None = None  # that the book is of
    time: datetime | None = None  # of the block

    @property
    def as_of(self) -> dict[str, str]:
        """What is known of when the book is from, as it is written into its Parquet file."""
        known = {"block": self.block, "as_of": self.time.strftime("%Y-%m-%dT%H:%M:%SZ") if self.time else None}
        return {name: str(value) for name, value in known.items() if value is not None}


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
    fetched: Mapping[str, Any] | None = None,
) -> OwnBook:
    """A book of tables of any columns, or of answers; what it dropped and could not know stands beside it.

    kind: lending or perps. mapping: their columns -> ours, "" leaves one out. fill: our columns -> what is the same in all rows.
    names: their assets and instruments -> the world's. protocol: whose rows are wanted, or what all are of. account: who the
    one account of an answer is. coin: of contracts margined in coins whose account is meant. sheet: of a spreadsheet.
    collateral: whether a balance that stands in each cross row of an account counts once or each time. fetched: answers that are
    in no file, by what they are called.
    """
    if not files and not fetched:
        raise InputError("has nothing to read", "import", remedy="name a file, or --exchange NAME, or --rpc URL")
    if kind not in OURS:
        raise InputError("is no kind of book", "--as", kind, nearest(kind, OURS))
    choice = Choice(kind, mapping or {}, fill or {}, names or {}, account, coin, sheet, collateral)
    found = _read([str(file) for file in files], fetched or {}, choice)
    if protocol is not None:
        _only(found, protocol)
    if found.as_of:
        found.table = found.table.replace_schema_metadata(found.as_of)
    return found


def _read(files: Sequence[str], fetched: Mapping[str, Any], choice: Choice) -> OwnBook:
    """All files as one book: tables below each other, answers together."""

    sheets: list[Sheet] = []
    answers = dict(fetched)
    for file in files:
        value = read_file(file, choice.sheet)
        rows = rows_of(value, file)
        if isinstance(value, Sheet):
            sheets.append(value)
        elif isinstance(value, list) and value and all(reader_of(one) for one in value):
            answers |= {f"{file}, page {i + 1}": one for i, one in enumerate(value)}
        elif rows is not None:
            sheets.append(records(rows, file))
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value) and not is_export(value):
            sheets.append(records(value, file))
        else:
            answers[file] = value
    if sheets and answers:
        remedy = "import them one by one"
        raise InputError("mixes tables and answers of an exchange", ", ".join([*fetched, *files]), remedy=remedy)
    if sheets:
        return _tables(sheets, choice)
    if choice.mapping or choice.fill:
        raise InputError(
            "has no columns", ", ".join(answers), remedy="--map and --fill are for tables; --name BTCUSDT=BTC-PERP renames"
        )
    return _lent(answers, choice) if any(reader_of(value) for value in answers.values()) else _answers(answers, choice)


def _tables(sheets: Sequence[Any], choice: Choice) -> OwnBook:

    fill, said, names = choice.fill, choice.mapping, choice.names
    for own in fill:
        if own not in OURS[choice.kind]:
            raise InputError("is no column of a book", "--fill", own, nearest(own, OURS[choice.kind]))
    found = OwnBook(pa.table({}), [], {}, [], [])
    tables = []
    for sheet in sheets:
        _no_events(sheet, said)
        here = {theirs: own for theirs, own in said.items() if theirs in sheet.columns or len(sheets) == 1}
        columns = match(sheet.columns, choice.kind, here, sheet.where)
        made = (lending(sheet, columns, fill, names) if choice.kind == "lending"
                else perps(sheet, columns, fill, choice.collateral))
        tables.append(made.table if choice.kind == "lending" else _with_names(made.table, names))
        found.notes += made.notes
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
    people = {name for column in ("account", "owner") if column in found.table.column_names
              for name in found.table[column].unique().to_pylist()}
    found.notes += alike_found(people, ", ".join(sheet.where for sheet in sheets))
    _pin(found, sheets)
    return found


def _no_events(sheet: Sheet, said: Mapping[str, str]) -> None:
    """A table of transactions is no book: sums of what went in and out lack interest, and liquidations."""
    event = next((name for name in sheet.columns if squashed(name) in EVENTS and name not in said), None)
    if event is not None:
        remedy = f"query balances, a row an account and asset; if these are balances, leave the column out: --map {event}="
        raise InputError("is a table of transactions, not of balances", sheet.where, event, remedy)


def _pin(found: OwnBook, sheets: Sequence[Sheet]) -> None:
    """The block of all rows, where a column says it."""
    places = [(sheet, i) for sheet in sheets for i, name in enumerate(sheet.columns) if squashed(name) in BLOCKS]
    blocks = sorted({row[i] for sheet, i in places for row in sheet.rows}, key=lambda text: (len(text), text))
    if len(blocks) == 1 and blocks[0].isdecimal():
        found.block = int(blocks[0])
    elif blocks:
        found.unknown.append(f"one block of all rows: they are of {blocks[0] or 'none'} to {blocks[-1]}")


def _with_names(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Assets and instruments under other names."""
    names = {folded(theirs): own for theirs, own in names.items()}
    for column in ("asset", "instrument", "collateral_asset"):
        if column in table.column_names:
            values = pa.array([names.get(folded(value), value) for value in table[column].to_pylist()], pa.string())
            table = table.set_column(table.column_names.index(column), column, values)
    return table


def _lent(answers: Mapping[str, Any], choice: Choice) -> OwnBook:
    """Answers of a lending protocol, pages of one book."""
    if choice.kind != "lending":
        raise InputError("is a lending protocol's answer", ", ".join(answers), remedy="write --as lending")
    read = read_lending(answers, choice.names)
    accounts = len(set(read.table["account"].to_pylist()))
    said = f"{', '.join(answers)}: {read.title}, {accounts} accounts, {read.table.num_rows} legs"
    return OwnBook(read.table, [said], {}, list(read.dropped), list(read.unknown), [], list(read.stated), read.block,
                   read.time)


def _answers(answers: Mapping[str, Any], choice: Choice) -> OwnBook:

    if choice.kind != "perps":
        odd = next((file for file, value in answers.items() if not is_export(value)), None)
        if odd is not None:
            unwrapped(answers[odd], odd)
            raise InputError("is no answer of a lending protocol that is known", odd, remedy=f"known: {KNOWN}")
        raise InputError("is an exchange's answer and no table", ", ".join(answers), remedy="write --as perps")
    kinds = [kind for value in answers.values() for kind in set(kinds_of(value))]
    value: Any = next(iter(answers.values()))
    if len(answers) > 1:  # parts of one account, or accounts, told by whether something is there twice
        apart = len(kinds) != len(set(kinds)) or not kinds
        value = _by_name(answers) if apart else list(answers.values())
    read = read_export(value, ", ".join(answers), account=choice.account, coin=choice.coin)
    names = choice.names
    positions = sum(1 for name in read.table["instrument"].to_pylist() if name)
    owners = len(set((read.table["owner"] if "owner" in read.table.column_names else read.table["account"]).to_pylist()))
    said = [f"{', '.join(answers)}: {', '.join(read.exchanges)}, {owners} accounts, {positions} positions"]
    unknown = ["the world's names: symbols are as the exchange has them, see --name"] if not names else []
    return OwnBook(_with_names(read.table, names), said, {}, list(read.notes), unknown)


def _by_name(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers of several accounts by the names of their files; an account each folder where its files are parts of one answer,
    or where files have one name."""
    files = [Path(file) for file in answers]
    found: dict[str, list[Any]] = {}
    for file, one in zip(files, answers.values(), strict=True):
        found.setdefault(str(file.parent), []).append(one)
    kinds = {folder: [kind for one in parts for kind in set(kinds_of(one))] for folder, parts in found.items()}
    twice = [folder for folder, mine in kinds.items() if len(mine) != len(set(mine))]
    parted = len(found) > 1 and not twice and any(len(parts) > 1 for parts in found.values()) and all(kinds.values())
    if len({file.stem for file in files}) == len(files) and not parted:
        return {file.stem: one for file, one in zip(files, answers.values(), strict=True)}
    for folder in found:
        if folder in twice:
            raise InputError("has the same answer of two accounts, and other files are called so too", folder, None,
                             "give each account a folder, or each file a name of its own: accounts are called by them")
    short = [Path(folder).name for folder in found]
    names = short if len(set(short)) == len(short) else list(found)
    return dict(zip(names, found.values(), strict=True))


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

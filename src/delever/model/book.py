"""The book: who holds and owes what, as Arrow tables; every row is checked when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from delever.ingest.files import content, exists
from delever.ingest.files import table as parsed

from .book_positions import POSITIONS, is_positions, to_legs
from .book_rows import check_columns, check_legs, check_once, conform
from .errors import InputError
from .market import by_market

COLLATERAL, DEBT, POSITION = "collateral", "debt", "position"
REMAINDER = "remainder"  # label of the leg that holds what a snapshot's totals have beyond its known assets


def _column(name: str, kind: pa.DataType, unit: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, metadata={"unit": unit})


LEGS = pa.schema(
    [
        _column("protocol", pa.string(), "name"),
        _column("account", pa.string(), "name"),
        _column("owner", pa.string(), "name"),  # one owner may have several accounts
        _column("asset", pa.string(), "name"),
        _column("side", pa.string(), "collateral, debt or position"),
        _column("amount", pa.float64(), "units of the asset"),  # signed for remainders and positions
        _column("entry_price", pa.float64(), "USD a unit, of positions alone", nullable=True),
        _column("liquidation_threshold", pa.float64(), "share of 1", nullable=True),  # wins over the parameter set
        _column("emode", pa.int32(), "category, 0 none"),
        _column("label", pa.string(), "empty or remainder"),
        _column("bands", pa.int32(), "bands that a loan of LLAMMA lies in, 0 as its rules say"),
        _column("interest_rate", pa.float64(), "share a year, of a trove of Liquity v2; null: as rules say", nullable=True),
    ]
)
ACCOUNTS = pa.schema(
    [
        _column("protocol", pa.string(), "name"),
        _column("account", pa.string(), "name"),
        _column("emode", pa.int32(), "category, 0 none"),
        _column("reported_collateral", pa.float64(), "units of `unit`", nullable=True),
        _column("reported_debt", pa.float64(), "units of `unit`", nullable=True),
        _column("reported_threshold", pa.float64(), "share of 1", nullable=True),  # average over the collateral
        _column("reported_health", pa.float64(), "ratio", nullable=True),
        _column("unit", pa.string(), "asset the protocol counts in"),
    ]
)
EITHER = pa.schema([*LEGS, *(column for column in POSITIONS if column.name not in LEGS.names)])


@dataclass(frozen=True)
class Book:
    """Accounts of one or more protocols. Build it with `from_table` or `read`, which check every row.

    legs: a row per account, asset and side, columns of LEGS.
    accounts: what the source says of an account's totals, columns of ACCOUNTS; may be empty.
    """

    legs: pa.Table
    accounts: pa.Table

    @classmethod
    def from_table(
        cls, legs: pa.Table, accounts: pa.Table | None = None, where: str = "book", protocol: str | None = None
    ) -> Book:
        """A checked book; `where` names it in errors, `protocol` sales the column when the table has none.

        `legs` is a row a leg, or the plain long table of positions that `model.book_positions` describes.
        """
        for table in (legs, *([accounts] if accounts is not None else [])):
            check_columns(table, where)
        if protocol is not None:
            legs, accounts = _with_protocol(legs, protocol), _with_protocol(accounts, protocol)
        legs = _fill_owner(by_market(legs, protocol or ""))
        margin = is_positions(legs)
        if margin:
            legs = to_legs(legs, where)
        empty = {"emode": 0, "label": "", "liquidation_threshold": None, "entry_price": None, "bands": 0, "interest_rate": None}
        book = cls(
            conform(legs, LEGS, empty, where),
            ACCOUNTS.empty_table() if accounts is None else _conform_accounts(accounts, f"{where} (accounts)"),
        )
        check_legs(book.legs, where, margin)
        return book

    @classmethod
    def read(cls, path: str | Path, protocol: str | None = None) -> Book:
        """Read a .csv or .parquet file of legs or of positions; totals stand beside it as NAME.accounts.csv or .parquet."""
        path = Path(path)
        totals = _accounts_path(path)
        accounts = read_table(totals, ACCOUNTS) if exists(totals) else None
        return cls.from_table(read_table(path, EITHER), accounts, str(path), protocol)

    def write(self, path: str | Path) -> None:
        """Write legs, and totals beside them if there are any; each file appears whole or not at all."""
        path = Path(path)
        write_table(self.legs, path)
        if self.accounts.num_rows:
            write_table(self.accounts, _accounts_path(path))

    @classmethod
    def concat(cls, books: Iterable[Book], where: str = "book") -> Book:
        """One book of several; an account may stand in one of them only."""
        parts = list(books)
        if not parts:
            raise InputError("no books to join", where, remedy="give at least one")
        legs = pa.concat_tables([part.legs for part in parts])
        check_legs(legs, where, margin=True)  # somebody owes something in each
        return cls(legs, pa.concat_tables([part.accounts for part in parts]))

    def of(self, protocol: str) -> Book:
        """The accounts of one protocol."""
        same = pc.equal(self.legs["protocol"], protocol)
        return Book(self.legs.filter(same), self.accounts.filter(pc.equal(self.accounts["protocol"], protocol)))

    def without(self, account: str, protocol: str | None = None) -> Book:
        """The book without an account (of one protocol, or of all)."""

        def left(table: pa.Table) -> pa.Table:
            gone = pc.equal(table["account"], account)
            here = gone if protocol is None else pc.and_(gone, pc.equal(table["protocol"], protocol))
            return table.filter(pc.invert(here))

        return Book(left(self.legs), left(self.accounts))

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols, in the order of first appearance."""
        return [str(name) for name in self.legs["protocol"].unique().to_pylist()]

    @property
    def assets(self) -> list[str]:
        """Names of the assets, in the order of first appearance."""
        return [str(name) for name in self.legs["asset"].unique().to_pylist()]

    @property
    def number_of_accounts(self) -> int:
        """Accounts, counted by protocol."""
        return int(self.legs.group_by(["protocol", "account"]).aggregate([]).num_rows)

    def fingerprint(self) -> str:
        """sha256 of the content, the same for the same rows however they were read."""
        digest = hashlib.sha256()
        for table in (self.legs, self.accounts):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table.combine_chunks())
            digest.update(sink.getvalue())
        return digest.hexdigest()


def _with_protocol(table: pa.Table | None, protocol: str) -> pa.Table | None:
    if table is None or "protocol" in table.column_names:
        return table
    return table.append_column("protocol", pa.array([protocol] * table.num_rows, pa.string()))


def _fill_owner(legs: pa.Table) -> pa.Table:
    """Without an owner column every account is its own owner."""
    if "owner" in legs.column_names or "account" not in legs.column_names:
        return legs
    return legs.append_column("owner", legs["account"])


def _conform_accounts(accounts: pa.Table, where: str) -> pa.Table:
    empty = {name: None for name in ACCOUNTS.names if name.startswith("reported_")}
    table = conform(accounts, ACCOUNTS, {"emode": 0, "unit": "USD", **empty}, where)
    check_once(table, ["protocol", "account"], where)
    return table


def _accounts_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.accounts{path.suffix}")


def read_table(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """A .csv or .parquet file as it is; CSV columns named in `schema` are left as text, to be checked row by row."""
    if path.suffix not in (".csv", ".parquet"):
        raise InputError("is neither .csv nor .parquet", str(path), remedy="name the file by what is in it")
    types = {name: pa.string() for name in schema.names} if schema is not None else {}
    return parsed(content(path), path.name, str(path), types)


def write_table(table: pa.Table, path: Path) -> None:
    """Write .csv or .parquet by name, to a neighbour first and then moved, so that nothing half-written is left."""
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    writers = {".csv": csv.write_csv, ".parquet": parquet.write_table}
    if path.suffix not in writers:
        raise InputError("is neither .csv nor .parquet", str(path), remedy="end the name with one of them")
    part = path.with_name(path.name + ".part")
    writers[path.suffix](table, part)
    part.replace(path)

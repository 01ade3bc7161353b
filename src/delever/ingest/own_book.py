"""A book of one's own, of whatever columns, as the tables that a world reads: legs of lending, positions of an exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from delever.ingest.own_cells import number, word
from delever.ingest.own_columns import Columns, missing
from delever.ingest.own_files import HEADER, Sheet
from delever.ingest.own_names import Note, folded, listed, names_found, summed_found
from delever.model.errors import InputError

SIDES = {
    "collateral": ("collateral", "supply", "supplied", "deposit", "deposited", "lend", "asset", "atoken", "c", "supplier"),
    "debt": ("debt", "borrow", "borrowed", "loan", "liability", "variabledebt", "stabledebt", "owed", "d", "borrower"),
}
WAYS = {
    "long": ("long", "buy", "l", "bid", "1", "+1"),
    "short": ("short", "sell", "s", "ask", "-1"),
    "": ("both", "net", "oneway"),
}
MODES = {
    "cross": ("cross", "crossed", "c", "crossmargin", "false", "0"),
    "isolated": ("isolated", "iso", "i", "isolatedmargin", "true", "1"),
}
TERMS = {"liquidation_threshold": pa.float64(), "emode": pa.int32(), "bands": pa.int32(), "interest_rate": pa.float64()}
NUMBERS = ("amount", "collateral", "debt", "size", "entry_price", *TERMS)


@dataclass(frozen=True)
class Imported:
    """A book as it was read."""

    table: pa.Table
    read: int  # rows of the file
    dropped: tuple[str, ...]
    unknown: tuple[str, ...]  # what the file does not say
    notes: tuple[Note, ...] = ()  # what was made of rows and names that are there more than once


class Rows:
    """Cells by our names. fill: what is the same in all rows; names: their assets -> the world's."""

    def __init__(self, sheet: Sheet, columns: Columns, fill: Mapping[str, str], kind: str,
                 names: Mapping[str, str] | None = None) -> None:
        self.sheet, self.columns, self.fill, self.kind = sheet, columns, fill, kind
        self.names = {folded(theirs): own for theirs, own in (names or {}).items()}
        self.spellings: dict[str, None] = {}  # of accounts and owners
        self.place = {own: sheet.columns.index(theirs) for own, theirs in columns.of.items()}

    def has(self, own: str) -> bool:
        """Whether there is anything to read."""
        return own in self.place or own in self.fill

    def need(self, own: str) -> None:
        """Refuse where there is nothing to read."""
        if not self.has(own):
            raise missing(own, self.kind, self.sheet.where, self.columns)

    def text(self, row: int, own: str) -> str:
        """A cell; what is filled in where there is none."""
        found = self.sheet.rows[row][self.place[own]].strip() if own in self.place else ""
        return found or self.fill.get(own, "")

    def person(self, row: int, own: str) -> str:
        """An account or an owner; an address in small letters."""
        found = self.text(row, own)
        if found:
            self.spellings[found] = None
        return folded(found)

    def asset(self, row: int, own: str) -> str:
        """An asset under the world's name."""
        found = folded(self.named(row, own))
        return self.names.get(found, found)

    def at(self, row: int, own: str) -> str:
        """Its place in an error."""
        return self.sheet.at(row, self.columns.of.get(own, own))

    def number(self, row: int, own: str) -> float | None:
        """A cell as a number."""
        return number(self.text(row, own), self.at(row, own))

    def named(self, row: int, own: str) -> str:
        """A cell that must not be empty."""
        found = self.text(row, own)
        if not found:
            raise InputError("is empty", self.at(row, own), remedy=f"write its {own}, or --fill {own}=VALUE")
        return found


def lending(sheet: Sheet, columns: Columns, fill: Mapping[str, str], names: Mapping[str, str] | None = None) -> Imported:
    """Legs, of a row a leg or of a row a loan (what is pledged and what is owed beside each other).

    names: their assets -> the world's.
    """
    rows = Rows(sheet, columns, fill, "lending", names)
    wide = not rows.has("amount") and (rows.has("collateral") or rows.has("debt"))
    for own in ("account", *(("collateral_asset", "collateral", "debt_asset", "debt") if wide else ("asset", "amount"))):
        rows.need(own)
    legs: dict[tuple[str, ...], list[float | None]] = {}
    stands: dict[tuple[str, ...], list[tuple[int, float]]] = {}  # (row, units) of each leg
    nothing, signed = list[int](), 0
    for row in range(len(sheet.rows)):
        found = []
        for asset, side, amount in (
            (("collateral_asset", "collateral", "collateral"), ("debt_asset", "debt", "debt"))
            if wide
            else (("asset", "", "amount"),)
        ):
            units = rows.number(row, amount)
            if not side and rows.has("side"):
                side = word(rows.named(row, "side"), SIDES, rows.at(row, "side")) if units else "collateral"
            elif not side:
                side, units, signed = "debt" if (units or 0.0) < 0.0 else "collateral", abs(units or 0.0), signed + 1
            if units is not None and units < 0.0:
                raise InputError("is negative", rows.at(row, amount), units, "amounts are positive, the side says which way")
            if units:
                found.append((rows.asset(row, asset), side, units))
        nothing += [] if found else [row]
        for asset_name, side, units in found:
            rows.named(row, "account")
            account = rows.person(row, "account")
            key = (rows.text(row, "protocol"), account, rows.person(row, "owner") or account, asset_name, side)
            terms = [
                rows.number(row, own) if side == "collateral" or own in ("emode", "interest_rate") else None
                for own in TERMS
            ]
            before = legs.setdefault(key, [0.0, *terms])
            if before[1:] != terms:
                raise InputError(
                    f"{account} has {asset_name} twice on other terms",
                    rows.at(row, "account"),
                    remedy="give each an account of its own, such as account/market",
                )
            stands.setdefault(key, []).append((row, units))
            before[0] = (before[0] or 0.0) + units
    dropped = _said(nothing, "rows without an amount", rows)
    unknown: tuple[str, ...] = (
        () if not signed else ("the file names no sides: below zero was read as debt, above as collateral",)
    )
    if not rows.has("owner"):
        unknown += ("owners: each account counts as a person of its own",)
    if not rows.has("liquidation_threshold"):
        unknown += ("liquidation thresholds: those of the world's parameters",)
    return Imported(_legs(legs, rows), len(sheet.rows), dropped, unknown, (*_summed(stands, sheet), *_spelled(rows)))


def _summed(stands: Mapping[tuple[str, ...], list[tuple[int, float]]], sheet: Sheet) -> list[Note]:
    """Legs that stand in several rows."""
    twice = {key: at for key, at in stands.items() if len(at) > 1}
    same = sum(len(at) - len({units for _, units in at}) for at in twice.values())
    named = [(f"{account} {asset} {side}", [row for row, _ in at]) for (_, account, _, asset, side), at in twice.items()]
    return summed_found(named, same, sheet.where, lambda row: row + HEADER)


def _spelled(rows: Rows) -> list[Note]:
    """Addresses in several spellings."""
    return names_found(rows.spellings, rows.sheet.where)


def _legs(legs: Mapping[tuple[str, ...], list[float | None]], rows: Rows) -> pa.Table:
    names = ("protocol", "account", "owner", "asset", "side")
    table = {name: pa.array([key[i] for key in legs], pa.string()) for i, name in enumerate(names) if i or rows.has("protocol")}
    for i, (name, kind) in enumerate({"amount": pa.float64(), **TERMS}.items()):
        if name == "amount" or rows.has(name):
            values = [_whole(value[i], name, key[1], rows) if kind == pa.int32() else value[i] for key, value in legs.items()]
            table[name] = pa.array(values, kind)
    return pa.table(table)


def _whole(value: float | None, name: str, account: str, rows: Rows) -> int | None:
    if value is not None and (value != int(value) or not 0 <= value < 2**31):
        raise InputError(f"{name} is no whole number", rows.sheet.where, value, f"it is of account {account}: write 0 for none")
    return None if value is None else int(value)


def perps(sheet: Sheet, columns: Columns, fill: Mapping[str, str], collateral: str | None = None) -> Imported:
    """Positions, signed by a side where there is one; how margin is held is never guessed.

    collateral: whether a balance that an account states in each of its cross rows counts `once` or `each` time; None: it is
    asked.
    """
    if collateral not in (None, "once", "each"):
        raise InputError("is not known", "--collateral", collateral, "write once or each")
    rows = Rows(sheet, columns, fill, "perps")
    for own in ("account", "instrument", "size", "entry_price", "margin_mode", "collateral"):
        rows.need(own)
    names = [name for name in ("protocol", "owner", "collateral_asset") if rows.has(name)]
    out: dict[str, list[str | float | None]] = {
        name: [] for name in ("account", *names, "instrument", "size", "entry_price", "margin_mode", "collateral")
    }
    nothing = list[int]()
    for row in range(len(sheet.rows)):
        size, paid, instrument = rows.number(row, "size"), rows.number(row, "collateral"), rows.text(row, "instrument")
        if not size and not paid:
            nothing.append(row)
            continue
        if size and rows.has("side") and rows.text(row, "side"):
            size = _signed(size, word(rows.text(row, "side"), WAYS, rows.at(row, "side")), rows.at(row, "size"))
        if size and not instrument:
            raise InputError("is empty", rows.at(row, "instrument"), remedy="name what the size is of")
        rows.named(row, "account")
        out["account"].append(rows.person(row, "account"))
        for name in names:
            said = rows.person(row, name) if name == "owner" else rows.text(row, name)
            out[name].append(said or (out["account"][-1] if name == "owner" else ""))
        out["instrument"].append(instrument if size else "")
        out["size"].append(size or None)
        out["entry_price"].append(rows.number(row, "entry_price") if size else None)
        mode = word(rows.named(row, "margin_mode"), MODES, rows.at(row, "margin_mode")) if size else "cross"
        out["margin_mode"].append(mode)
        out["collateral"].append(paid or 0.0)
    repeated = _repeated(out, sheet.where, collateral)
    kinds = {name: pa.float64() if name in NUMBERS else pa.string() for name in out}
    unknown: tuple[str, ...] = () if rows.has("owner") else ("owners: each account counts as a person of its own",)
    if not rows.has("collateral_asset"):
        unknown += ("what collateral is held in: USD",)
    unknown += ("whether collateral has the profit of open positions in it: read as without (what was paid in)",)
    table = pa.table({name: pa.array(values, kinds[name]) for name, values in out.items()})
    dropped = _said(nothing, "rows without size and collateral", rows)
    if repeated:
        many = f"{len(repeated)} balances that were stated before"
        dropped += (f"{many}: {listed(list(dict.fromkeys(map(str, repeated))))}",)
    return Imported(table, len(sheet.rows), dropped, unknown, tuple(_spelled(rows)))


def _repeated(out: dict[str, list[str | float | None]], where: str, collateral: str | None) -> list[object]:
    """Balances of accounts that state one in each of their cross rows, as exports do: counted once, each time, or asked.

    Whose balances were left out, one for each.
    """
    nothing: list[str | float | None] = [""] * len(out["account"])
    cross: dict[tuple[object, ...], list[int]] = {}
    for row, mode in enumerate(out["margin_mode"]):
        if mode == "cross" and out["instrument"][row]:
            key = (out.get("protocol", nothing)[row], out["account"][row], out.get("collateral_asset", nothing)[row])
            cross.setdefault(key, []).append(row)
    left = list[object]()
    for (_, account, _), rows in cross.items():
        stated = {out["collateral"][row] for row in rows}
        if len(rows) < 2 or len(stated) > 1 or stated == {0.0} or collateral == "each":
            continue
        if collateral is None:
            remedy = "cross collateral adds up: write --collateral once if it is one balance, else --collateral each"
            raise InputError(
                f"{account} states the same collateral in each of its {len(rows)} cross rows", where, stated.pop(), remedy
            )
        for row in rows[1:]:
            out["collateral"][row] = 0.0
            left.append(account)
    return left


def _signed(size: float, way: str, where: str) -> float:
    if way == "long" and size < 0.0:
        raise InputError("is below zero and its side is long", where, size, "correct one of the two")
    return -abs(size) if way == "short" else size


def _said(left: list[int], what: str, rows: Rows) -> tuple[str, ...]:
    """How many rows were left out, and whose they are."""
    whose = [f"{folded(rows.text(row, 'account')) or 'nobody'} (row {row + HEADER})" for row in left]
    return (f"{len(left)} {what}: {listed(whose)}",) if left else ()

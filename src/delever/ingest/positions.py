"""Positions as exchanges export them, as the plain long table that a book is read from.

`read_positions` takes that table (.csv, .parquet), or exchanges' answers as JSON, which it tells by their shape. What each
answer has to have stands in the exchange's file: hyperliquid, binance (USD-M and COIN-M), bybit (linear, inverse,
unified), okx, bitmex, dydx (v4) and ccxt_unified. Answers that belong together stand in one object, `{"positions": ...,
"balance": ...}`; several accounts as `{"name of the account": its answers, ...}`. Numbers may be texts.

Collateral is what was paid in and realised, without the profit of open positions: equity then follows the mark. What an answer
does not say, or what the table cannot say, is refused by name; what backs no position is left out and named in the notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from delever.ingest.answers import DOLLARS, Account, Held, Reader, accounts_of
from delever.ingest.binance import BINANCE
from delever.ingest.bitmex import BITMEX
from delever.ingest.bybit import BYBIT
from delever.ingest.ccxt_unified import CCXT
from delever.ingest.dydx import DYDX
from delever.ingest.files import AS_TEXT, content, is_unicode, json_of, table
from delever.ingest.hyperliquid import HYPERLIQUID
from delever.ingest.okx import OKX
from delever.ingest.symbols import perp_of
from delever.model.errors import InputError

COLUMNS = pa.schema([
    ("account", pa.string()), ("instrument", pa.string()), ("size", pa.float64()), ("entry_price", pa.float64()),
    ("margin_mode", pa.string()), ("collateral", pa.float64()), ("collateral_asset", pa.string()),
])  # size [units of the perp, of an inverse one USD], entry_price [USD a unit], collateral [units of its asset]
READERS = (HYPERLIQUID, BINANCE, BYBIT, OKX, BITMEX, DYDX, CCXT)
# Keys under which the answers of one account may stand together.
KEYS = frozenset({"positionRisk", "balance", "balances", "positions", "wallet", "info", "state", "spot", "clearinghouseState",
                  "spotClearinghouseState", "abstraction", "account", "multiAssetsMargin", "mode", "config", "instruments",
                  "margin", "subaccounts"})
KNOWN = f"known are answers of {', '.join(reader.title for reader in READERS)}, see delever.ingest.positions"

Row = tuple[str, str, float | None, float | None, str, float, str]  # a row of COLUMNS
Names = Mapping[str, str]
Told = tuple[Reader, str, Any]  # an answer: whose, which part, itself


@dataclass(frozen=True)
class Reading:
    """An export, read."""

    table: pa.Table  # COLUMNS, and `owner` where an account of the exchange is several margin accounts
    exchanges: tuple[str, ...]
    notes: tuple[str, ...]  # what was left out, and what the answers do not say
    left: tuple[str, ...]  # units (USD, or a coin) of margin accounts with positions that were not asked for


def read_positions(source: pa.Table | str | Path | Mapping[str, Any] | list[Any], *, account: str = "own",
                   instruments: Names | None = None, collateral: Names | None = None, coin: str | None = None) -> pa.Table:
    """The plain long table for `Book.from_table(table, protocol=...)`: account, instrument, size, entry_price, ...

    account: who the one account of an export is. instruments: the exchange's symbol -> the perp in the world; without
    it symbols stay as they are. collateral: the exchange's asset -> the asset in the world, "" to leave it out; what it does not
    name is refused, and without it coins keep their names and dollars are USD. coin: of coin-margined accounts the one whose
    contracts and wallet are meant; not needed where positions are in one alone.
    """
    if isinstance(source, pa.Table):
        return source
    if isinstance(source, Mapping | list):
        return from_export(source, account=account, instruments=instruments, collateral=collateral, coin=coin)
    path, where = Path(source), str(source)
    if path.suffix not in (".csv", ".parquet", ".json"):
        raise InputError("is no table of positions", where, path.suffix, "give a .csv, .parquet or .json file")
    found = content(path, remedy="get it anew")
    if path.suffix != ".json":
        return table(found, path.name, where, AS_TEXT)
    value = json_of(found, where, "get it anew")
    return from_export(value, where, account=account, instruments=instruments, collateral=collateral, coin=coin)


def from_export(value: Any, where: str = "export", *, account: str = "own", instruments: Names | None = None,
                collateral: Names | None = None, coin: str | None = None) -> pa.Table:
    """The table of an exchange's answers, already parsed; `where` names them in errors."""
    return read_export(value, where, account=account, instruments=instruments, collateral=collateral, coin=coin).table


def read_export(value: Any, where: str = "export", *, account: str = "own", instruments: Names | None = None,
                collateral: Names | None = None, coin: str | None = None) -> Reading:
    """The same with what was left out and what could not be known."""
    rows: list[Row] = []
    owners: list[str] = []
    notes: list[str] = []
    titles: dict[str, None] = {}
    left: dict[str, None] = {}
    meant: dict[tuple[str, str], str] = {}  # (exchange, perp) -> symbol
    try:
        accounts = _by_account(value, account, where)
    except InputError as error:
        raise error if error.root else error.at(where) from None
    for name, answers in accounts.items():
        place = f"{where}, account {name}"
        try:
            reader, found = _read(answers, name, collateral)
            titles[reader.title] = None
            kept = _of_coin(found, coin, instruments is None)
            left |= dict.fromkeys(one.unit for one in found if one.positions and one.unit not in {other.unit for other in kept})
            for one in kept:
                notes += one.notes
                made = [row for held in one.positions for row in [_position(one, held, collateral)]]
                made = _renamed(made, instruments, reader.title, meant, notes)
                made += _cash(one, collateral)
                rows += made
                owners += [one.owner] * len(made)
        except InputError as error:
            raise error.at(place) from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            remedy = "give the answer as the exchange sent it"
            raise InputError("is not as documented", place, f"{type(error).__name__} {error}", remedy) from None
    if not rows:
        raise InputError("has no positions", where, remedy="export an account that holds some")
    odd = next((cell for row in rows for cell in row if isinstance(cell, str) and not is_unicode(cell)), None)
    if odd is not None:
        raise InputError("has a sign that is no character", where, ascii(odd), "give the answer as the exchange sent it")
    table = pa.table([list(column) for column in zip(*rows, strict=True)], schema=COLUMNS)
    if owners != [row[0] for row in rows]:
        table = table.append_column("owner", pa.array(owners, pa.string()))
    return Reading(table, tuple(titles), tuple(notes), tuple(left))


def is_export(value: Any) -> bool:
    """Whether a value is an exchange's answers."""
    try:
        _by_account(value, "own", "export")
    except InputError:
        return False
    return True


def kinds_of(value: Any) -> list[tuple[str, str]]:
    """(exchange, part) of the answers in a value that is of one account; empty where accounts are named, or nothing is known."""
    return [(reader.title, kind) for reader, kind, _ in _told(value)] if not _is_named(value) else []


def _by_account(value: Any, account: str, where: str) -> dict[str, list[Told]]:
    """Account -> answers: of the one account, or of each that is named."""
    told = _told(value) if not _is_named(value) else []
    if told:
        kinds = [kind for _, kind, _ in told]
        twice = next((kind for kind in ("state", "account", "subaccounts") if kinds.count(kind) > 1), None)
        if twice is not None and isinstance(value, list):
            raise InputError(f"is a list of several accounts ({twice})", where, remedy="name them: {\"name\": its answer, ...}")
        return {account: told}
    if isinstance(value, Mapping) and value:
        _not_an_error(value, where)
        named = {str(name): _told(answer) for name, answer in value.items()}
        if all(named.values()):
            return named
        if any(named.values()):
            wrong = next(name for name, answers in named.items() if not answers)
            _not_an_error(value[wrong], f"{where}, {wrong}")
            raise InputError(f"{wrong} is no answer that is known", where, remedy=KNOWN)
    raise InputError("is no export of positions", where, remedy=KNOWN)


def _is_named(value: Any) -> bool:
    """Whether an object's keys are names of accounts."""
    return isinstance(value, Mapping) and not any(reader.kind(value) for reader in READERS) and not value.keys() <= KEYS


def _told(value: Any) -> list[Told]:
    """The answers in a value: it is one, or a list of them, or an object with parts."""
    try:
        return list(_parts_of(value))
    except RecursionError:
        raise InputError("is nested too deep for an export", remedy=KNOWN) from None


def _parts_of(value: Any) -> Iterator[Told]:
    for reader in READERS:
        kind = reader.kind(value)
        if kind is not None:
            yield reader, kind, value
            return
    if isinstance(value, list):
        for one in value:
            yield from _parts_of(one)
    elif isinstance(value, Mapping) and value and value.keys() <= KEYS:
        for name, one in value.items():
            part = {name: one} if isinstance(one, bool) else one
            answers = list(_parts_of(part)) if part != value else []
            if not answers and one not in ([], {}, None):
                _not_an_error(one, name)
                raise InputError(f"{name} is no answer that is known", remedy=KNOWN)
            yield from answers


def _not_an_error(value: Any, where: str) -> None:
    """An exchange's refusal in place of an answer."""
    if not isinstance(value, Mapping):
        return
    code = value.get("retCode", value.get("code", 0))
    said = value.get("retMsg", value.get("msg", value.get("error")))
    if said and (str(code) != "0" or "error" in value):
        raise InputError("is an error of the exchange", where, str(said), "ask it again")


def _read(answers: list[Told], name: str, collateral: Names | None) -> tuple[Reader, list[Account]]:
    """The margin accounts of one account's answers."""
    reader = answers[0][0]
    other = next((one.title for one, _, _ in answers if one is not reader), None)
    if other is not None:
        remedy = "name each account: {\"name\": its answers, ...}"
        raise InputError(f"mixes answers of {reader.title} and {other}", remedy=remedy)
    parts: dict[str, list[Any]] = {}
    for _, kind, answer in answers:
        parts.setdefault(kind, []).append(answer)
    strict = None if collateral is None else [asset for asset, of in collateral.items() if of]
    return reader, [one for account in reader.read(parts, name) for one in accounts_of(account, strict)]


def _of_coin(accounts: list[Account], coin: str | None, alone: bool) -> list[Account]:
    """The accounts of one coin, where there are contracts margined in coins: each of these is an account of its own.

    alone: no world says what is meant.
    """
    units = sorted({one.unit for one in accounts if one.positions})
    if units in ([], ["USD"]) and coin in (None, "USD"):
        return accounts
    if coin is None and len(units) > 1 and (alone or "USD" not in units):
        raise InputError("has contracts margined in several coins", value=", ".join(units),
                         remedy=f"each coin is an account of its own: name one, such as coin={units[0]!r}")
    if coin is None:
        return accounts
    left = [held.symbol for one in accounts if one.unit != coin for held in one.positions]
    kept = [one for one in accounts if (one.unit == coin and one.positions) or (coin != "USD" and coin in one.balances)]
    note = (f"counted in other than {coin} and left out: {', '.join(left)}",) if left else ()
    if not kept:
        raise InputError(f"has no contracts margined in {coin}", value=", ".join(units), remedy=f"known: {', '.join(units)}")
    first = replace(kept[0], notes=kept[0].notes + note)
    return [replace(first, name=first.owner)] if len(kept) == 1 else [first, *kept[1:]]


def _position(account: Account, held: Held, collateral: Names | None) -> Row:
    mode = "isolated" if held.isolated else "cross"
    return account.name, held.symbol, held.size, held.entry, mode, held.paid, _counted(account, held.asset, collateral) or "USD"


def _counted(account: Account, asset: str, collateral: Names | None) -> str | None:
    """The world's asset for an exchange's; "": left out on purpose; None: not known."""
    if asset == account.unit:
        return asset
    if collateral is not None:
        return collateral.get(asset)
    return DOLLARS.get(asset, asset)


def _cash(account: Account, collateral: Names | None) -> list[Row]:
    """A row for each balance that is not nothing."""
    rows: list[Row] = []
    for asset, units in account.balances.items():
        of = _counted(account, asset, collateral)
        if units == 0.0 or of == "":
            continue
        if units < 0.0 and of not in ("USD", account.unit):
            remedy = "borrowed coins are not modelled: repay them, or leave that account out"
            raise InputError(f"owes {-units:g} {asset}", remedy=remedy)
        if of is None:
            remedy = (f"state what it counts for, `{asset}: {{haircut: 10 %}}` in the exchange's parameters (100 %: nothing) and "
                      "its price in assets")
            raise InputError(f"has {units:g} {asset} as collateral that the world does not know", remedy=remedy)
        rows.append((account.name, "", None, None, "cross", units, of))
    return rows


def _renamed(rows: Iterable[Row], instruments: Names | None, title: str, meant: dict[tuple[str, str], str],
             notes: list[str]) -> list[Row]:
    """Rows with the world's names; one row for each position."""
    out: list[Row] = []
    seen: set[tuple[str, str, str, bool]] = set()
    for account, symbol, size, entry, mode, paid, asset in rows:
        name, many = (symbol, 1.0) if instruments is None else perp_of(symbol, instruments)
        if meant.setdefault((title, name), symbol) != symbol:
            remedy = f"give the world a perp of each, such as `{symbol}: {{perp: ...}}` with parameters of its own"
            what = f"{meant[title, name]} and {symbol} are two instruments, and the world has one"
            raise InputError(what, value=name, remedy=remedy)
        short = (size or 0.0) < 0.0
        if (account, name, mode, short) in seen:
            remedy = "a perp is held once each way: net what stands on one side"
            raise InputError("has an instrument twice", value=symbol, remedy=remedy)
        seen.add((account, name, mode, short))
        if many != 1.0:
            notes.append(f"{account}: {symbol} counted as {many:g} {name} each")
            size, entry = (size or 0.0) * many, (entry or 0.0) / many
        out.append((account, name, size, entry, mode, paid, asset))
    return out

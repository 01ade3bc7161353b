"""What all readers of exchanges' answers share: accounts with positions and balances, numbers as text, who backs whom."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from delever.ingest.numbers import fault
from delever.model.errors import InputError

DOLLARS = dict.fromkeys(("USDT", "USDC", "FDUSD", "BUSD", "USD", "BFUSD", "USDH", "USDE"), "USD")
# Assumption, not an estimate: a dollar of a stablecoin is a dollar. An exchange's asset -> the world's.


@dataclass(frozen=True)
class Held:
    """A position."""

    symbol: str  # as the exchange calls it
    size: float  # units, of an inverse contract USD; short below 0
    entry: float  # USD a unit
    isolated: bool
    paid: float  # margin paid in, units of `asset`; of an isolated position
    asset: str  # that it is margined in, as the exchange calls it
    inverse: bool = False  # paid in its coin


@dataclass(frozen=True)
class Account:
    """One margin account as an exchange answers for it: what its cross positions share, and isolated ones beside."""

    name: str
    owner: str
    positions: tuple[Held, ...]
    balances: Mapping[str, float]  # exchange's asset -> units paid in and realised, without what isolated positions have
    notes: tuple[str, ...] = ()  # what was left out, or could not be known
    pooled: bool | None = False  # whether all balances back all positions; None: the answer does not say
    asks: str = ""  # what would say it

    @property
    def unit(self) -> str:
        """The coin that it counts in, USD unless contracts are paid in their coin."""
        return next((held.asset for held in self.positions if held.inverse), "USD")


Parts = Mapping[str, Sequence[Any]]  # answers of one account by what they are: "positions" -> those given


@dataclass
class Reader:
    """An exchange: how its answers are told, and what is read of them."""

    title: str  # as people say
    needs: str  # what to export, for errors
    kinds: dict[str, Any] = field(default_factory=dict)  # part -> test of an answer
    read: Any = None  # (parts, account) -> list of Account

    def kind(self, answer: Any) -> str | None:
        """Which part an answer is; None: no answer of this exchange."""
        return next((name for name, test in self.kinds.items() if test(answer)), None)


def number(row: Mapping[str, Any], name: str, empty: float | None = None) -> float:
    """A number that may be written as text; `empty` is what nothing means (an empty text, null, no field)."""
    value = row.get(name, "") if empty is not None else row[name]
    if value is None or (isinstance(value, str) and not value.strip()):
        if empty is None:
            raise InputError(f"{name} is empty", value=_of(row), remedy="give the answer as the exchange sent it")
        return empty
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    wrong = fault(found)
    if isinstance(value, bool) or wrong is not None:
        what = "is no number" if isinstance(value, bool) or math.isnan(found) else wrong
        raise InputError(f"{name} {what}", value=value, remedy=f"it is of {_of(row) or 'an answer'}: export it anew")
    return found


def text(row: Mapping[str, Any], name: str) -> str:
    """A name, which is there and is text."""
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} is no name", value=value, remedy="give the answer as the exchange sent it")
    return value


def truth(value: Any, empty: bool | None = None) -> bool | None:
    """True and false, also written as text."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), empty)
    return empty if value is None else bool(value)


def _of(row: Mapping[str, Any]) -> str:
    return next(
        (str(row[name]) for name in ("symbol", "coin", "instId", "market", "asset", "ccy", "currency") if row.get(name)), ""
    )


def rows_with(*names: str) -> Any:
    """The test of a bare list whose rows have these fields."""

    def test(answer: Any) -> bool:
        return (
            isinstance(answer, list)
            and bool(answer)
            and all(isinstance(row, Mapping) and row.keys() >= set(names) for row in answer)
        )

    return test


def refuse(what: str, value: object, remedy: str) -> InputError:
    """What cannot be carried, by name."""
    return InputError(what, value=value, remedy=remedy)


def flat(answers: Iterable[Any]) -> Iterator[Any]:
    """Rows of bare lists, one after the other."""
    for answer in answers:
        yield from answer if isinstance(answer, list) else [answer]


def accounts_of(account: Account, strict: Iterable[str] | None = None) -> list[Account]:
    """The margin accounts that one account of an exchange is: one for all that it shares, or one for each asset.

    strict: assets that the world counts as margin; of these none is left out while the answer does not say what is shared. None:
    there is no world, and it is noted.
    """
    cross = [held for held in account.positions if not held.isolated]
    coins = {held.asset for held in account.positions if held.inverse}
    if account.pooled:
        _only_coin(account, coins)
        return [account]
    isolated = [held for held in account.positions if held.isolated]
    backed = {held.asset for held in cross}
    notes, keep = list(account.notes), list(backed)
    for asset, units in account.balances.items():
        if units == 0.0 or asset in backed:
            continue
        if units < 0.0 or (not cross and not coins and asset in DOLLARS):
            keep.append(asset)  # it owes, or is all that is there
        elif account.pooled is None and strict is not None and asset in strict:
            raise refuse("does not say whether balances are shared", asset, account.asks)
        else:
            why = "backs no position" if account.pooled is not None else f"taken to back no position: {account.asks}"
            notes.append(f"{account.name}: {units:g} {asset} left out, {why}")
    keep += sorted({held.asset for held in isolated} - set(keep))
    if not coins and all(asset in DOLLARS for asset in keep) and (len(keep) < 2 or not cross):
        return [replace(account, balances=_some(account.balances, keep), notes=tuple(notes))]
    parts = [
        replace(
            account,
            name=account.name if len(keep) == 1 else f"{account.name}/{asset}",
            notes=(),
            pooled=False,
            positions=tuple(held for held in account.positions if held.asset == asset),
            balances=_some(account.balances, [asset]),
        )
        for asset in keep
    ]
    parts = parts or [replace(account, balances={})]
    return [replace(parts[0], notes=tuple(notes)), *parts[1:]]


def _some(balances: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    return {asset: units for asset, units in balances.items() if asset in set(names)}


def _only_coin(account: Account, coins: set[str]) -> None:
    """Contracts paid in a coin, on an account that shares everything, can be carried where that coin is everything."""
    if not coins:
        return
    others = sorted({held.asset for held in account.positions} | {asset for asset, units in account.balances.items() if units})
    if len(others) > 1:
        symbol = next(held.symbol for held in account.positions if held.inverse)
        raise refuse(
            f"has contracts paid in their coin that share margin with {', '.join(others)}",
            symbol,
            "an exchange here counts in one unit: leave these contracts out, or give the account that holds them alone",
        )

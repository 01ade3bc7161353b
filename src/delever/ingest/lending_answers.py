"""What all readers of lending protocols' answers share: legs, tokens by address, whole numbers, the protocol's own totals.

Amounts are whole numbers of a token's smallest unit, as contracts have them; texts, numbers and hexadecimal alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from delever.ingest.own_totals import Reconciled
from delever.model.errors import InputError

BPS = 10_000
# Smallest units that a total may be apart by rounding: contracts round each operation. Assumption, not an estimate.
ROUNDING = 100
ANSWER = "give the answer as it was sent"


@dataclass(frozen=True)
class Token:
    """A token: two of them may share a symbol, no two an address."""

    symbol: str
    decimals: int
    address: str = ""


@dataclass(frozen=True)
class Leg:
    """What an account holds or owes of a token."""

    account: str
    owner: str
    token: Token
    side: str  # collateral or debt
    raw: int  # smallest units
    threshold: float | None = None  # share; None: as the world says
    emode: int = 0


@dataclass
class Lent:
    """The book of one answer, and what the answer says of itself."""

    legs: list[Leg] = field(default_factory=list)
    stated: list[Reconciled] = field(default_factory=list)  # the protocol's own totals beside those of the accounts read
    dropped: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    block: int | None = None
    time: int | None = None  # of the block, seconds since 1970


@dataclass(frozen=True)
class LendingReader:
    """A source of lending books: how its answers are told, and what is read of them, pages together."""

    title: str  # as people say
    told: Callable[[Any], bool]
    read: Callable[[Sequence[Any], Callable[[Token], str]], Lent]  # (answers, names of tokens)


def unwrapped(value: Any, where: str = "") -> Any:
    """What a GraphQL answer holds; an answer with errors is none."""
    if isinstance(value, Mapping) and value.get("errors"):
        first = value["errors"][0] if isinstance(value["errors"], list) else value["errors"]
        said = first.get("message", first) if isinstance(first, Mapping) else first
        raise InputError("is an error in place of an answer", where, str(said), "mend the query, or ask again")
    return value["data"] if isinstance(value, Mapping) and isinstance(value.get("data"), Mapping) else value


def cell(row: Any, name: str, of: str) -> Any:
    """A field that has to be there; dots lead into it. of: whose it is, for errors."""
    for part in name.split("."):
        if not isinstance(row, Mapping) or row.get(part) is None:
            raise InputError(f"has no {name}", of, remedy=f"ask for {name} too: nothing stands in for it")
        row = row[part]
    return row


def whole(row: Any, name: str, of: str, empty: int | None = None) -> int:
    """A whole number; as text, hexadecimal or {"hex": ...} too. empty: what no field means.

    >>> [whole({"n": value}, "n", "") for value in (12, "12", "0x0c", {"type": "BigNumber", "hex": "0x0c"}, 12.0)]
    [12, 12, 12, 12, 12]
    """
    if empty is not None and (not isinstance(row, Mapping) or row.get(name) is None):
        return empty
    value = cell(row, name, of)
    inner: Any = value.get("hex") if isinstance(value, Mapping) else value
    try:
        if isinstance(inner, bool) or (isinstance(inner, float) and not (inner.is_integer() and abs(inner) < 2**53)):
            raise ValueError
        found = int(inner, 0) if isinstance(inner, str) and inner.lower().startswith("0x") else int(inner)
        if abs(found) >= 2**256:
            raise ValueError
        return found
    except (TypeError, ValueError, OverflowError):
        remedy = "amounts are whole numbers of the smallest unit, of 256 bits, as text where they are large"
        raise InputError(f"{name} is no whole number", of, str(value), remedy) from None


def real(row: Any, name: str, of: str) -> float:
    """A number with decimals, that may be a text."""
    value = cell(row, name, of)
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if isinstance(value, bool) or found != found or abs(found) == float("inf"):
        raise InputError(f"{name} is no number", of, str(value), ANSWER)
    return found


def token(row: Any, of: str) -> Token:
    """A token that says its symbol and decimals."""
    return Token(str(cell(row, "symbol", of)), decimals(row, of), str(row.get("address") or row.get("id") or "").lower())


def decimals(row: Any, of: str) -> int:
    """Decimals of a token: 256 bits have 77."""
    found = whole(row, "decimals", of)
    if not 0 <= found <= 77:
        raise InputError("decimals are out of reach", of, found, "a token has from 0 to 77")
    return found


def units(raw: int, of: Token) -> float:
    """Units of a token, rounded once."""
    return raw / 10**of.decimals


def beside(name: str, of: Token, given: int, found: int) -> Reconciled:
    """A total of the protocol beside that of the accounts read, in units; a few smallest ones are rounding."""
    return Reconciled(name, units(given, of), units(found, of), units(ROUNDING, of))


def one_of(values: Iterable[int | None], what: str) -> int | None:
    """What all pages say alike; None where none says it."""
    found = sorted({value for value in values if value is not None})
    if len(found) > 1:
        shown = ", ".join(str(value) for value in found)
        raise InputError(f"has pages of several {what}s", value=shown, remedy="ask for all pages at one block")
    return found[0] if found else None


def left_out(lent: Lent, why: str, legs: Iterable[tuple[str, Token, int]], name: Callable[[Token], str]) -> None:
    """Say by asset what was left out of the book. legs: (account, token, smallest units)."""
    sums: dict[Token, int] = {}
    accounts = set()
    for account, of, raw in legs:
        sums[of] = sums.get(of, 0) + raw
        accounts.add(account)
    if sums:
        shown = ", ".join(f"{units(raw, of):,.10g} {name(of)}" for of, raw in sums.items())
        lent.dropped.append(f"{why} of {len(accounts)} accounts: {shown}")


def table_of(lent: Lent, name: Callable[[Token], str]) -> pa.Table:
    """Legs as the table of a book; several of one account, asset and side are one."""
    sums: dict[tuple[str, str, str, str], tuple[int, Token, float | None, int]] = {}
    for leg in lent.legs:
        key = (leg.account, leg.owner, name(leg.token), leg.side)
        raw = sums[key][0] if key in sums else 0
        sums[key] = (raw + leg.raw, leg.token, leg.threshold, leg.emode)
    columns: dict[str, pa.Array] = {
        column: pa.array([key[i] for key in sums], pa.string()) for i, column in enumerate(("account", "owner", "asset", "side"))
    }
    columns["amount"] = pa.array([units(raw, of) for raw, of, _, _ in sums.values()], pa.float64())
    columns["liquidation_threshold"] = pa.array([threshold for _, _, threshold, _ in sums.values()], pa.float64())
    if any(emode for *_, emode in sums.values()):
        columns["emode"] = pa.array([emode for *_, emode in sums.values()], pa.int32())
    return pa.table(columns)

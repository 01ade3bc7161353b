"""Positions of a lending subgraph of Messari's standard schema, as The Graph answers.

`{ _meta { block { number timestamp } } markets { id inputToken { id symbol decimals } inputTokenBalance liquidationThreshold
variableBorrowedTokenBalance stableBorrowedTokenBalance } positions { id account { id } side isCollateral balance asset { id
symbol decimals } market { id liquidationThreshold } } }`, at one block (`block: {number: N}`), in pages (`first: 1000, where:
{id_gt: ...}`) that are several files. Positions may stand within markets or accounts as well. Balances are whole numbers of the
smallest unit; liquidationThreshold is in per cent.

A balance is that of the account's last transaction: interest since then is missing, which the markets' totals show. Markets of
several relations, or that lend another token than they take (isolated ones), are margined apart: accounts are then named
`user/0x3a85e619`, with one owner.
Source: github.com/messari/subgraphs, schema-lending-extended.graphql and subgraphs/aave-forks/schema.graphql (@025e20f); by that
schema, no live answer was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delever.ingest.lending_answers import (
    Leg,
    LendingReader,
    Lent,
    Token,
    beside,
    cell,
    left_out,
    one_of,
    real,
    token,
    units,
    unwrapped,
    whole,
)
from delever.ingest.own_totals import Reconciled
from delever.model.errors import InputError

SUPPLIES = ("COLLATERAL", "LENDER", "SUPPLIER")  # an isolated market's SUPPLIER lends and pledges nothing
SIDES = (*SUPPLIES, "BORROWER")
BORROWED = ("variableBorrowedTokenBalance", "stableBorrowedTokenBalance")
SHOWN = 10  # characters of a market's id in the name of an account


def told(value: Any) -> bool:
    """Positions with account, side and balance, at the top or within markets or accounts."""
    if isinstance(value, Mapping) and value.get("errors"):
        return False
    return any(row.keys() >= {"account", "side", "balance"} for row in _positions(unwrapped(value)))


@dataclass
class Sums:
    """What is added up on the way: by market in smallest units, by position what backs nothing."""

    supplied: dict[str, int] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    idle: list[tuple[str, Token, int]] = field(default_factory=list)
    lending: list[tuple[str, Token, int]] = field(default_factory=list)
    unsaid: int = 0  # supplies that do not say whether they are collateral
    modes: int = 0


def read(answers: Sequence[Any], name: Callable[[Token], str]) -> Lent:
    """Lenders' balances that are enabled as collateral, borrowers' as debt."""
    pages = [unwrapped(answer) for answer in answers]
    lent, sums = Lent(), Sums()
    metas = [page["_meta"] for page in pages if isinstance(page.get("_meta"), Mapping)]
    if any(meta.get("hasIndexingErrors") for meta in metas):
        raise InputError("has indexing errors", "_meta", remedy="its balances may be wrong: ask another subgraph")
    lent.block = one_of((whole(meta["block"], "number", "_meta.block") for meta in metas), "block")
    times = (whole(meta["block"], "timestamp", "_meta.block", -1) for meta in metas)
    lent.time = one_of((time if time >= 0 else None for time in times), "timestamp")
    rows = [row for page in pages for row in _positions(page)]
    markets = {str(cell(row, "id", "a market")): row for page in pages for row in _rows(page.get("markets"))}
    for row in rows:
        market = cell(row, "market", _place(row))
        markets[str(cell(market, "id", _place(row)))] = {**markets.get(str(market["id"]), {}), **market}
    several = len({_margin(terms) for terms in markets.values()}) > 1
    seen: set[str] = set()
    for row in rows:
        if row.get("id") in seen:
            raise InputError("is there twice", _place(row), remedy="pages overlap: page on with id_gt, at one block")
        seen |= {row["id"]} if row.get("id") is not None else set()
        _leg(lent, sums, row, markets[str(row["market"]["id"])], several)
    left_out(lent, "supplies that are no collateral", sums.idle, name)
    left_out(lent, "what is lent out and backs nothing", sums.lending, name)
    for market, terms in markets.items():
        lent.stated += _totals(terms, f"market {market}", sums.supplied.get(market, 0), sums.owed.get(market, 0), name)
    lent.unknown += ["interest since each account's last transaction: balances of a subgraph are as of then"]
    lent.unknown += [f"whether {sums.unsaid} supplies are collateral: read as such (ask for isCollateral)"] if sums.unsaid else []
    lent.unknown += [f"the efficiency mode of {sums.modes} positions: ordinary thresholds stand in"] if sums.modes else []
    lent.unknown += [f"whether more than {len(rows)} positions are there: a page ends there"] if _full(len(rows)) else []
    return lent


def _leg(lent: Lent, sums: Sums, row: Mapping[str, Any], terms: Mapping[str, Any], several: bool) -> None:
    """One position. several: accounts of markets that are margined apart are told apart."""
    place = _place(row)
    raw, side = whole(row, "balance", place), str(cell(row, "side", place))
    if side not in SIDES:
        raise InputError("side is not known", place, side, f"known: {', '.join(SIDES)}")
    if raw < 0:
        raise InputError("balance is negative", place, raw, "the side says which way")
    if not raw:
        return
    market, user = str(terms["id"]), str(cell(row, "account.id", place))
    account = f"{user}/{_margin(terms)[:SHOWN]}" if several else user
    asset = token(row.get("asset") or _asset(terms, side, place), place)
    sums.modes += bool(row.get("_eMode") or row["account"].get("_eMode"))
    if side == "BORROWER":
        sums.owed[market] = sums.owed.get(market, 0) + raw
        lent.legs.append(Leg(account, user, asset, "debt", raw))
        return
    if side == "SUPPLIER":
        sums.lending.append((user, asset, raw))
        return
    sums.supplied[market] = sums.supplied.get(market, 0) + raw
    sums.unsaid += row.get("isCollateral") is None and side != "COLLATERAL"
    threshold = real(terms, "liquidationThreshold", place) / 100.0 if terms.get("liquidationThreshold") is not None else None
    if row.get("isCollateral") is False or threshold == 0.0:
        sums.idle.append((user, asset, raw))
        return
    lent.legs.append(Leg(account, user, asset, "collateral", raw, threshold))


def _place(row: Mapping[str, Any]) -> str:
    return f"position {row.get('id', '')}".strip()


def _isolated(terms: Mapping[str, Any]) -> bool:
    """Whether a market lends another token than it takes as collateral."""
    inner, lent = terms.get("inputToken"), terms.get("borrowedToken")
    return isinstance(inner, Mapping) and isinstance(lent, Mapping) and inner.get("id") != lent.get("id")


def _margin(terms: Mapping[str, Any]) -> str:
    """What a market is margined with: the markets of one relation, itself, or all."""
    return str(terms.get("relation") or (terms["id"] if _isolated(terms) else ""))


def _full(count: int) -> bool:
    """Whether the rows may be a page that was cut off: The Graph gives 100 unless asked for more, at most 1000."""
    return count == 100 or (count > 0 and count % 1000 == 0)


def _positions(page: Any) -> Iterator[Any]:
    """Positions of a page; those within markets and accounts with what they stand in."""
    if not isinstance(page, Mapping):
        return
    yield from _rows(page.get("positions"))
    for parents, name in (("markets", "market"), ("accounts", "account")):
        for parent in _rows(page.get(parents)):
            yield from ({name: parent, **row} for row in _rows(parent.get("positions")))


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _asset(terms: Mapping[str, Any], side: str, place: str) -> Any:
    """The token of a position that does not say it: the market's, for a debt what the market lends where that is another."""
    borrowed = terms.get("borrowedToken") if side == "BORROWER" else None
    return borrowed if isinstance(borrowed, Mapping) else cell(terms, "inputToken", place)


def _totals(terms: Mapping[str, Any], place: str, supplied: int, owed: int, name: Callable[[Token], str]) -> Iterator[Reconciled]:
    """A market's own totals, in units where it says them, else in USD at its own price."""
    if not isinstance(terms.get("inputToken"), Mapping):
        return
    asset, apart = token(terms["inputToken"], place), _isolated(terms)
    loan = token(terms["borrowedToken"], place) if apart else asset
    where = f" in {place}" if apart else ""
    held = "totalCollateral" if apart and not terms.get("relation") else "inputTokenBalance"
    price = real(terms, "inputTokenPriceUSD", place) if terms.get("inputTokenPriceUSD") is not None else 0.0
    for side, of, units_of, worth, found in (
        ("supplied", asset, (held,), "totalDepositBalanceUSD", supplied),
        ("debt", loan, ("totalBorrow",) if apart else BORROWED, "totalBorrowBalanceUSD", owed),
    ):
        if terms.get(units_of[0]) is not None:
            given = sum(whole(terms, field, place, 0) for field in units_of)
            yield beside(f"{side}.{name(of)}{where}", of, given, found)
        elif terms.get(worth) is not None and price and not apart:
            yield Reconciled(f"{side}.{name(of)} in USD", real(terms, worth, place), units(found, of) * price)


MESSARI = LendingReader("a subgraph of Messari's schema", told, read)

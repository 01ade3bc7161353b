"""Positions in markets of Morpho, as its GraphQL API answers.

`{ marketPositions(first: 1000, skip: 0) { pageInfo { count countTotal } items { user { address } market { uniqueKey lltv
loanAsset { address symbol decimals } collateralAsset { address symbol decimals } state { blockNumber timestamp borrowAssets
borrowShares collateralAssets } } state { collateral borrowAssets borrowShares supplyAssets } } } }`, pages in several files;
`marketId` is the newer name of `uniqueKey`. Amounts are whole numbers of the smallest unit, lltv is in 1e-18.

Each market is margined by itself: of a user in several each is an account of its own, `user/0x3a85e619`, with one owner. What is
supplied to be lent backs nothing. Shares without assets are worth, rounded up as the contract does (SharesMathLib),
shares (borrowAssets + 1) / (borrowShares + 1e6) of the market.
Source: docs.morpho.org, API, "Get data"; github.com/morpho-org/morpho-blue, src/libraries/SharesMathLib.sol; by these, no live
answer was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from delever.ingest.lending_answers import (
    Leg,
    LendingReader,
    Lent,
    Token,
    beside,
    cell,
    left_out,
    token,
    unwrapped,
    whole,
)
from delever.model.errors import InputError

WAD = 10**18
VIRTUAL_ASSETS, VIRTUAL_SHARES = 1, 10**6
SHOWN = 10  # characters of a market's key in the name of an account


def _pages(value: Any) -> list[Mapping[str, Any]]:
    """Lists of positions in an answer: marketPositions, or those of one market or user."""
    found = unwrapped(value) if not (isinstance(value, Mapping) and value.get("errors")) else None
    page = found.get("marketPositions") if isinstance(found, Mapping) else None
    return [page] if isinstance(page, Mapping) and isinstance(page.get("items"), list) else []


def told(value: Any) -> bool:
    """marketPositions with items."""
    return bool(_pages(value))


def read(answers: Sequence[Any], name: Callable[[Token], str]) -> Lent:
    """Collateral and debt of every position."""
    lent = Lent()
    pages = [page for answer in answers for page in _pages(answer)]
    items = [item for page in pages for item in page["items"]]
    _complete(pages)
    markets: dict[str, Any] = {}
    owed: dict[str, int] = {}
    pledged: dict[str, int] = {}
    supplied: list[tuple[str, Token, int]] = []
    seen: set[tuple[str, str]] = set()
    for item in items:
        user = str(cell(item, "user.address", "a position"))
        place = f"position of {user}"
        market = cell(item, "market", place)
        key = str(market.get("marketId") or cell(market, "uniqueKey", place))
        account = f"{user}/{key[:SHOWN]}"
        if (user, key) in seen:
            raise InputError("is there twice", f"{place} in {key}", remedy="pages overlap: page on with skip")
        seen.add((user, key))
        markets.setdefault(key, market)
        state, loan = cell(item, "state", place), token(cell(market, "loanAsset", place), place)
        debt, collateral = _debt(state, market, place), whole(state, "collateral", place, 0)
        owed[key] = owed.get(key, 0) + debt
        pledged[key] = pledged.get(key, 0) + collateral
        if debt:
            lent.legs.append(Leg(account, user, loan, "debt", debt))
        if collateral:
            pledge = token(cell(market, "collateralAsset", place), place)
            threshold = whole(market, "lltv", place) / WAD
            lent.legs.append(Leg(account, user, pledge, "collateral", collateral, threshold))
        if whole(state, "supplyAssets", place, 0):
            supplied.append((user, loan, whole(state, "supplyAssets", place)))
    left_out(lent, "what is supplied to be lent and backs nothing", supplied, name)
    for key, market in markets.items():
        _totals(lent, key, market, pledged[key], owed[key], name)
    states = [market.get("state") or {} for market in markets.values()]
    lent.block = _last(lent, states, "blockNumber", "block")
    lent.time = _last(lent, states, "timestamp", "timestamp")
    return lent


def _last(lent: Lent, states: Sequence[Mapping[str, Any]], field: str, what: str) -> int | None:
    """The latest that markets say of when they are from; that they differ is told."""
    found = sorted({whole(state, field, "a market's state") for state in states if state.get(field) is not None})
    if len(found) > 1:
        lent.unknown.append(f"one {what} of all markets: their states are from {found[0]} to {found[-1]}")
    return found[-1] if found else None


def _complete(pages: Sequence[Mapping[str, Any]]) -> None:
    """All positions are there, where the API says how many there are; pages of one query say the same number."""
    found: dict[int, int] = {}  # positions that a query has -> positions that are here
    for page in pages:
        total = whole(page.get("pageInfo"), "countTotal", "pageInfo", 0)
        found[total] = found.get(total, 0) + len(page["items"])
    for total, here in found.items():
        if here < total:
            remedy = f"page on with skip: {here}, and give all pages as files"
            raise InputError(f"has {here} of {total} positions", "marketPositions", remedy=remedy)


def _debt(state: Mapping[str, Any], market: Mapping[str, Any], place: str) -> int:
    """What is owed: assets, or what the shares are worth in the market."""
    if state.get("borrowAssets") is not None:
        return whole(state, "borrowAssets", place)
    shares = whole(state, "borrowShares", place)
    if not shares:
        return 0
    assets = whole(market.get("state"), "borrowAssets", f"{place}: market.state") + VIRTUAL_ASSETS
    total = whole(market.get("state"), "borrowShares", f"{place}: market.state") + VIRTUAL_SHARES
    return -(-shares * assets // total)


def _totals(lent: Lent, key: str, market: Mapping[str, Any], pledged: int, owed: int, name: Callable[[Token], str]) -> None:
    """The market's own totals, where it says them."""
    state, place = market.get("state") or {}, f"market {key}"
    for label, field, asset, found in (
        ("debt", "borrowAssets", market["loanAsset"], owed),
        ("collateral", "collateralAssets", market.get("collateralAsset"), pledged),
    ):
        if state.get(field) is not None and asset is not None:
            of = token(asset, place)
            lent.stated.append(beside(f"{label}.{name(of)} in {key[:SHOWN]}", of, whole(state, field, place), found))


MORPHO = LendingReader("Morpho's API", told, read)

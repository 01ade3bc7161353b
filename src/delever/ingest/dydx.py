"""dYdX v4's positions, from an indexer: subaccounts, each a margin account of its own.

`GET /v4/addresses/{address}` {"subaccounts": [...]} or `.../subaccountNumber/{n}` {"subaccount": {...}}: subaccountNumber,
openPerpetualPositions {market: {side, size, entryPrice}}, assetPositions {USDC: {side, size}}. Isolated markets stand in
subaccounts from 128 on. The USDC of a subaccount has the cost of its positions taken off: paid in = quote balance + sum of
size x entryPrice.
https://docs.dydx.xyz/indexer-client/http
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from delever.ingest.answers import Account, Held, Parts, Reader, number, refuse, text

FIRST_ISOLATED = 128  # subaccount number


def is_subaccounts(answer: Any) -> bool:
    return next(_subaccounts(answer), None) is not None


def _subaccounts(answer: Any) -> Iterator[Mapping[str, Any]]:
    """The subaccounts of an answer, of a parent its children."""
    if not isinstance(answer, Mapping):
        return
    if "openPerpetualPositions" in answer:
        yield answer
    for name in ("subaccounts", "childSubaccounts"):
        for one in answer.get(name) or () if isinstance(answer.get(name), list) else ():
            yield from _subaccounts(one)
    yield from _subaccounts(answer.get("subaccount"))


def read(parts: Parts, name: str) -> list[Account]:
    """One account a subaccount that holds something, all of one owner."""
    found = [one for answer in parts["subaccounts"] for one in _subaccounts(answer)]
    accounts = []
    for one in found:
        held = tuple(_held(row) for row in one["openPerpetualPositions"].values() if row.get("status", "OPEN") == "OPEN")
        held = tuple(position for position in held if position.size)
        quote = 0.0
        for row in (one.get("assetPositions") or {}).values():
            if row["symbol"] != "USDC":
                raise refuse("holds an asset that is no margin there", row["symbol"], "only USDC is known: leave it out")
            quote += _signed(row)
        cash = quote + sum(position.size * position.entry for position in held)
        if held or cash:
            label = str(one.get("subaccountNumber", 0))
            own = name if label == "0" else f"{name}/{label}"
            accounts.append(Account(own, name, held, {"USDC": cash}))
    return accounts


def _signed(row: Mapping[str, Any]) -> float:
    if row["side"] not in ("LONG", "SHORT"):
        raise refuse("has a side that is not known", row["side"], "known are LONG and SHORT")
    return abs(number(row, "size")) * (1.0 if row["side"] == "LONG" else -1.0)


def _held(row: Mapping[str, Any]) -> Held:
    return Held(text(row, "market"), _signed(row), number(row, "entryPrice"), False, 0.0, "USDC")


DYDX = Reader("dYdX", "the indexer's subaccounts", {"subaccounts": is_subaccounts}, read)

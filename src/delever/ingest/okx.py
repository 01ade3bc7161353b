"""OKX's positions in swaps and futures.

`{"positions": GET /api/v5/account/positions, "balance": GET /api/v5/account/balance, "config": GET /api/v5/account/config,
"instruments": GET /api/v5/public/instruments?instType=SWAP}`: instId, pos (contracts), posSide, avgPx, mgnMode, margin, ccy;
details[] {ccy, cashBal, collateralEnabled}; acctLv; ctVal, ctMult, ctType, which say what a contract is.
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-balance
https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delever.ingest.answers import Account, Held, Parts, Reader, number, refuse, text, truth

ALL = (
    'give {"positions": ..., "balance": ..., "config": ..., "instruments": ...}: answers of account/positions, '
    "account/balance, account/config and public/instruments"
)
SHARED = {"1": False, "2": False, "3": True}  # acctLv: spot, single-currency margin, multi-currency margin


def _rows(answer: Any) -> list[Any]:
    if not isinstance(answer, Mapping) or "code" not in answer or not isinstance(answer.get("data"), list):
        return []
    return [row for row in answer["data"] if isinstance(row, Mapping)]


def _has(*names: str) -> Any:
    return lambda answer: bool(_rows(answer)) and all(row.keys() >= set(names) for row in _rows(answer))


def read(parts: Parts, name: str) -> list[Account]:
    """Of a linear contract a position is pos x ctVal x ctMult units; of an inverse one as many USD. `margin` was paid in."""
    level = next((str(row["acctLv"]) for answer in parts.get("config", ()) for row in _rows(answer)), None)
    if level == "4":
        raise refuse("is in portfolio margin", "acctLv 4", "its margin is not modelled: leave that account out")
    listed = {row["instId"]: row for answer in parts.get("instruments", ()) for row in _rows(answer)}
    held = tuple(
        _held(row, listed) for answer in parts.get("positions", ()) for row in _rows(answer) if number(row, "pos", 0.0) != 0.0
    )
    cross = next((position.symbol for position in held if not position.isolated), None)
    if cross is not None and not parts.get("balance"):
        raise refuse("has cross positions without balances", cross, ALL)
    balances, notes = balances_of([row for answer in parts.get("balance", ()) for row in _rows(answer)], name)
    if cross is not None and any(position.isolated for position in held):
        notes.append(f"{name}: could not know whether cashBal has margin of isolated positions in it; taken as without")
    asks = 'add "config": the answer of account/config, whose acctLv says it'
    return [Account(name, name, held, balances, tuple(notes), SHARED.get(level or ""), asks)]


def balances_of(rows: list[Any], name: str) -> tuple[dict[str, float], list[str]]:
    """cashBal by currency, below zero where it is borrowed; what is not enabled as collateral is named."""
    found: dict[str, float] = {}
    notes = []
    for row in (detail for answer in rows for detail in answer["details"]):
        units, currency = number(row, "cashBal", 0.0), text(row, "ccy")
        if units > 0.0 and truth(row.get("collateralEnabled"), True) is False:
            notes.append(f"{name}: {units:g} {currency} left out, it is not enabled as collateral")
        else:
            found[currency] = units
    return found, notes


def _held(row: Mapping[str, Any], listed: Mapping[str, Any]) -> Held:
    symbol = text(row, "instId")
    kind = row.get("instType", "SWAP")
    if kind not in ("SWAP", "FUTURES"):
        raise refuse(f"has a position of type {kind}", symbol, "swaps and futures are read: close it, or leave it out")
    terms = listed.get(symbol)
    if terms is None:
        raise refuse("counts contracts, and what one is stands in public/instruments", symbol, ALL)
    inverse = terms["ctType"] == "inverse"
    contract = number(terms, "ctVal") * number(terms, "ctMult", 1.0)
    size = number(row, "pos") * contract
    side = row.get("posSide", "net")
    if side not in ("net", "long", "short"):
        raise refuse("has a posSide that is not known", side, "known are net, long and short")
    size = size if side == "net" else abs(size) if side == "long" else -abs(size)
    if row["mgnMode"] not in ("cross", "isolated"):
        raise refuse("has a mgnMode that is not known", row["mgnMode"], "known are cross and isolated")
    isolated = row["mgnMode"] == "isolated"
    paid = number(row, "margin") if isolated else 0.0
    return Held(symbol, size, number(row, "avgPx"), isolated, paid, text(terms, "settleCcy"), inverse)


OKX = Reader(
    "OKX",
    "account/positions, account/balance, account/config and public/instruments",
    {
        "instruments": _has("instId", "ctVal", "ctType"),
        "positions": _has("instId", "pos", "mgnMode"),
        "balance": _has("details"),
        "config": _has("acctLv"),
    },
    read,
)

"""BitMEX's positions: `{"positions": GET /api/v1/position, "margin": GET /api/v1/user/margin?currency=all}`.

symbol, underlying, quoteCurrency, currency, currentQty (contracts), homeNotional, avgEntryPrice, crossMargin, posMargin;
currency, walletBalance. Wallets and margins are in whole small units: XBt is 1e-8 bitcoin, USDt 1e-6 USDT. An inverse
contract is one dollar.
https://www.bitmex.com/api/explorer/#!/Position/Position_get
https://www.bitmex.com/app/contract/XBTUSD
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delever.ingest.answers import Account, Held, Parts, Reader, flat, number, refuse, rows_with, text, truth

UNITS = {"XBt": ("BTC", 1e8), "USDt": ("USDT", 1e6)}  # currency -> (asset, small units of one)
BOTH = 'give {"positions": GET /api/v1/position, "margin": GET /api/v1/user/margin?currency=all}'


def is_margin(answer: Any) -> bool:
    rows = answer if isinstance(answer, list) else [answer]
    return bool(rows) and all(isinstance(row, Mapping) and row.keys() >= {"currency", "walletBalance"} for row in rows)


def read(parts: Parts, name: str) -> list[Account]:
    """The wallet holds the margin of isolated positions too (posMargin, without profit): the cross account has the rest."""
    held = tuple(_held(row) for row in flat(parts.get("positions", ())) if number(row, "currentQty", 0.0) != 0.0)
    cross = next((position.symbol for position in held if not position.isolated), None)
    if cross is not None and not parts.get("margin"):
        raise refuse("has cross positions without balances", cross, BOTH)
    balances: dict[str, float] = {}
    for row in flat(parts.get("margin", ())):
        if number(row, "walletBalance", 0.0) != 0.0:
            asset, units = _asset(row)
            balances[asset] = balances.get(asset, 0.0) + number(row, "walletBalance") / units
    for position in held:
        if position.isolated and position.asset in balances:
            balances[position.asset] -= position.paid
    return [Account(name, name, held, balances)]


def _asset(row: Mapping[str, Any]) -> tuple[str, float]:
    currency = row["currency"]
    if currency not in UNITS:
        raise refuse("has a currency that is not known", currency, f"known are {', '.join(UNITS)}: leave it out")
    return UNITS[currency]


def _held(row: Mapping[str, Any]) -> Held:
    symbol, (asset, units), quantity = text(row, "symbol"), _asset(row), number(row, "currentQty")
    base = {"XBT": "BTC"}.get(str(row.get("underlying")), row.get("underlying"))
    inverse = asset == "BTC"
    if inverse and base != "BTC":
        raise refuse(
            "has a quanto contract, paid in bitcoin for another coin", symbol, "known are inverse and linear ones: leave it out"
        )
    size = quantity if inverse else abs(number(row, "homeNotional")) * (1.0 if quantity > 0.0 else -1.0)
    cross = truth(row.get("crossMargin"))
    if cross is None:
        raise refuse("does not say whether margin is cross or isolated", symbol, BOTH)
    paid = 0.0 if cross else number(row, "posMargin") / units
    return Held(symbol, size, number(row, "avgEntryPrice"), not cross, paid, asset, inverse)


BITMEX = Reader(
    "BitMEX",
    "position and user/margin",
    {
        "positions": rows_with("symbol", "currentQty", "currency"),
        "margin": is_margin,
    },
    read,
)

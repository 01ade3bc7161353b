"""Binance's positions on USD-M and COIN-M.

`{"positionRisk": GET /fapi/v3/positionRisk, "balance": GET /fapi/v3/balance}`: symbol, positionAmt, entryPrice, isolatedWallet;
asset, crossWalletBalance. Or `GET /fapi/v2/account`, which has both as positions and assets; version 3 of the account has
no entry prices, and serves for its balances. Of COIN-M the same of /dapi/v1: symbols such as BTCUSD_PERP, positionAmt in
contracts of 100 USD (BTC) or 10 USD (any other coin), wallets in coins. What a wallet backs: `GET /fapi/v1/multiAssetsMargin`.
https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Position-Information-V3
https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Account-Information-V3
https://developers.binance.com/docs/derivatives/coin-margined-futures/account/rest-api/Account-Information
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from delever.ingest.answers import DOLLARS, Account, Held, Parts, Reader, flat, number, refuse, rows_with, text, truth

COIN_M = re.compile(r"(?P<coin>[0-9A-Z]+)USD_(PERP|\d{6})")  # symbols of COIN-M
CONTRACT, OF_BTC = 10.0, 100.0  # what one of its contracts is [USD]: "contractSize" of /dapi/v1/exchangeInfo
QUOTES = ("USDT", "USDC", "FDUSD", "BUSD")
BOTH = 'give {"positionRisk": GET /fapi/v3/positionRisk, "balance": GET /fapi/v3/balance}'
ASKS = 'add "multiAssetsMargin": {"multiAssetsMargin": false} or true beside positionRisk (GET /fapi/v1/multiAssetsMargin)'


def is_account(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.keys() >= {"positions", "assets"}


def is_mode(answer: Any) -> bool:
    return isinstance(answer, Mapping) and set(answer) == {"multiAssetsMargin"}


def read(parts: Parts, name: str) -> list[Account]:
    """isolatedWallet is the margin paid in, isolatedMargin has the profit in it."""
    accounts = parts.get("account", ())
    risks = list(flat(parts.get("positionRisk", ())))
    if "positionRisk" not in parts:
        risks = [row for account in accounts for row in account["positions"]]
        bare = next((row for row in risks if number(row, "positionAmt") != 0.0 and "entryPrice" not in row), None)
        if bare is not None:
            raise refuse("has no entry prices, which version 3 of the account leaves out", bare["symbol"], BOTH)
    held = tuple(_held(row) for row in risks if number(row, "positionAmt") != 0.0)
    balances = balances_of([*flat(parts.get("balance", ())), *(row for account in accounts for row in account["assets"])])
    cross = next((position.symbol for position in held if not position.isolated), None)
    if cross is not None and "balance" not in parts and not accounts:
        raise refuse("has cross positions without balances", cross, BOTH)
    said = [*parts.get("mode", ()), *accounts]
    pooled = next((truth(row["multiAssetsMargin"]) for row in said if "multiAssetsMargin" in row), None)
    if any(position.inverse for position in held):
        pooled = False  # on COIN-M each coin is a margin account of its own
    return [Account(name, name, held, balances, pooled=pooled, asks=ASKS)]


def balances_of(rows: list[Any]) -> dict[str, float]:
    """Cross wallets by asset. Of an asset that may not back anything (marginAvailable false) only what is owed."""
    found: dict[str, float] = {}
    for row in rows:
        units = number(row, "crossWalletBalance")
        if truth(row.get("marginAvailable"), True) or units < 0.0:
            found[text(row, "asset")] = units
    return found


def _held(row: Mapping[str, Any]) -> Held:
    symbol = text(row, "symbol")
    wallet, kind = number(row, "isolatedWallet", 0.0), str(row.get("marginType", "")).lower()
    isolated = bool(truth(row.get("isolated"), False)) or kind == "isolated" or wallet != 0.0
    isolated = isolated or number(row, "isolatedMargin", 0.0) != 0.0
    if isolated and wallet == 0.0:
        if number(row, "isolatedMargin", 0.0) == 0.0:
            remedy = "give {positionRisk: [...], balance: [...]}, whose rows have it"
            raise refuse("has an isolated position without isolatedWallet", symbol, remedy)
        profit = number(row, "unRealizedProfit" if "unRealizedProfit" in row else "unrealizedProfit")
        wallet = number(row, "isolatedMargin") - profit
    size, coin = number(row, "positionAmt"), COIN_M.fullmatch(symbol)
    size = -abs(size) if row.get("positionSide") == "SHORT" else size
    if coin:
        contract = OF_BTC if coin["coin"] == "BTC" else CONTRACT
        return Held(symbol, size * contract, number(row, "entryPrice"), isolated, wallet if isolated else 0.0, coin["coin"], True)
    quote = next((name for name in QUOTES if symbol.endswith(name) or f"{name}_" in symbol), None)
    asset = row.get("marginAsset") or quote
    if asset not in DOLLARS:
        raise refuse(
            "has a contract that is not paid in dollars", symbol, "known are contracts in USDT, USDC and, on COIN-M, in coins"
        )
    return Held(symbol, size, number(row, "entryPrice"), isolated, wallet if isolated else 0.0, asset)


BINANCE = Reader(
    "Binance",
    "positionRisk and balance",
    {
        "positionRisk": rows_with("symbol", "positionAmt", "entryPrice"),
        "balance": rows_with("asset", "crossWalletBalance"),
        "account": is_account,
        "mode": is_mode,
    },
    read,
)

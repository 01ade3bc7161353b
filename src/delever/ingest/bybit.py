"""Bybit's positions, linear and inverse, of unified and classic accounts.

`{"positions": GET /v5/position/list, "wallet": GET /v5/account/wallet-balance, "info": GET /v5/account/info}`: symbol,
side, size, avgPrice, positionBalance, tradeMode; coin, walletBalance, spotBorrow, collateralSwitch, marginCollateral;
marginMode. Several answers of position/list (USDT, USDC, inverse) as a list.
https://bybit-exchange.github.io/docs/v5/position
https://bybit-exchange.github.io/docs/v5/account/wallet-balance
https://bybit-exchange.github.io/docs/v5/account/account-info
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from delever.ingest.answers import DOLLARS, Account, Held, Parts, Reader, number, refuse, text, truth

INVERSE = re.compile(r"(?P<coin>[0-9A-Z]+?)USD([FGHJKMNQUVXZ]\d\d)?")  # BTCUSD, BTCUSDZ25: contracts of one dollar
ALL = 'give {"positions": ..., "wallet": ..., "info": ...}: answers of position/list, wallet-balance and account/info'


def _result(answer: Any, name: str) -> Any:
    return answer["result"].get(name) if isinstance(answer, Mapping) and isinstance(answer.get("result"), Mapping) else None


def is_positions(answer: Any) -> bool:
    rows = _result(answer, "list")
    return (
        isinstance(rows, list)
        and all(isinstance(row, Mapping) and "coin" not in row for row in rows)
        and (bool(rows) or "category" in answer["result"])
    )


def is_wallet(answer: Any) -> bool:
    rows = _result(answer, "list")
    return isinstance(rows, list) and any(isinstance(row, Mapping) and "coin" in row for row in rows)


def read(parts: Parts, name: str) -> list[Account]:
    """Of tradeMode "UTA2.0, UTA1.0 (except inverse): deprecated, always 0, check Get Account Info to know the margin mode".

    So `info` decides where it is given. positionBalance is initial margin plus closing fee, without profit. Of an account with
    isolated margin the rest of the wallet backs no position.
    """
    mode = next((answer["result"]["marginMode"] for answer in parts.get("info", ())), None)
    if mode == "PORTFOLIO_MARGIN":
        raise refuse("is in portfolio margin", mode, "its margin is not modelled: leave that account out")
    wallets = [row for answer in parts.get("wallet", ()) for row in answer["result"]["list"]]
    unified = any(row.get("accountType", "UNIFIED") == "UNIFIED" for row in wallets)
    held: list[Held] = []
    for answer in parts.get("positions", ()):
        held += _positions(answer, mode, unified)
    balances, notes = balances_of(wallets, name)
    if not all(position.isolated for position in held) and not wallets:
        raise refuse("has cross positions without a wallet", None, ALL)
    if held and all(position.isolated for position in held):
        left = [f"{units:g} {asset}" for asset, units in balances.items() if units > 0.0]
        notes += (
            [f"{name}: isolated margin, the rest of the wallet backs no position: {', '.join(left)} left out"] if left else []
        )
        balances = {asset: units for asset, units in balances.items() if units < 0.0}
    return [Account(name, name, tuple(held), balances, tuple(notes), pooled=unified)]


def _positions(answer: Mapping[str, Any], mode: str | None, unified: bool) -> list[Held]:
    result = answer["result"]
    category = result.get("category")
    if category == "option":
        raise refuse("has options", category, "positions in options are not read: leave that answer out")
    found = []
    for row in result["list"]:
        size = number(row, "size", 0.0)
        if size == 0.0:
            continue
        symbol, inverse = text(row, "symbol"), INVERSE.fullmatch(str(row["symbol"]))
        if (category == "inverse" and not inverse) or category not in (None, "linear", "inverse"):
            raise refuse("has contracts that are neither linear nor inverse", symbol, "known are linear and inverse")
        if row.get("side") not in ("Buy", "Sell"):
            raise refuse("has a size and no side", symbol, "side is Buy or Sell: give the answer as the exchange sent it")
        by_row = truth(str(row.get("tradeMode", "")))
        if mode is None and not by_row and (unified or by_row is None):
            raise refuse("does not say whether margin is cross or isolated", symbol, ALL)
        isolated = mode == "ISOLATED_MARGIN" if mode is not None and not (inverse and by_row) else bool(by_row)
        paid = (
            number(row, "positionBalance" if row.get("positionBalance") not in (None, "") else "positionIM") if isolated else 0.0
        )
        if inverse:
            asset = inverse["coin"]
        else:
            asset = "USDC" if symbol.endswith("PERP") or ("-" in symbol and "USDT" not in symbol) or "USDC" in symbol else "USDT"
        found.append(
            Held(symbol, size if row["side"] == "Buy" else -size, number(row, "avgPrice"), isolated, paid, asset, bool(inverse))
        )
    return found


def balances_of(wallets: list[Any], name: str) -> tuple[dict[str, float], list[str]]:
    """Coins of the wallet less what is borrowed of them; those that are switched off as collateral are not counted, but named."""
    found: dict[str, float] = {}
    notes = []
    for row in (coin for wallet in wallets for coin in wallet["coin"]):
        coin = text(row, "coin")
        units = number(row, "walletBalance", 0.0) - number(row, "spotBorrow", 0.0)
        on = truth(row.get("collateralSwitch"), True) and truth(row.get("marginCollateral"), True)
        if units > 0.0 and not on and coin not in DOLLARS:
            notes.append(f"{name}: {units:g} {coin} left out, it is switched off as collateral")
        else:
            found[coin] = found.get(coin, 0.0) + units
    return found, notes


BYBIT = Reader(
    "Bybit",
    "position/list, wallet-balance and account/info",
    {
        "info": lambda answer: _result(answer, "marginMode") is not None,
        "wallet": is_wallet,
        "positions": is_positions,
    },
    read,
)

"""Positions and balances as ccxt unifies them, of any exchange: `{"positions": fetch_positions(), "balance": fetch_balance()}`.

symbol (BASE/QUOTE:SETTLE), side, contracts, contractSize, entryPrice, marginMode, collateral, unrealizedPnl; total by
currency. Of an isolated position `collateral` is affected by profit, which is taken off. What is known of a wallet better
from the exchange's own answer, which ccxt keeps in `info`, is read from there.
https://docs.ccxt.com/#/README?id=position-structure
https://docs.ccxt.com/#/README?id=balance-structure
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from delever.ingest.answers import Account, Held, Parts, Reader, flat, number, refuse, rows_with, text
from delever.ingest.binance import BINANCE
from delever.ingest.binance import balances_of as of_binance
from delever.ingest.bybit import BYBIT
from delever.ingest.bybit import balances_of as of_bybit
from delever.ingest.hyperliquid import is_state
from delever.ingest.hyperliquid import read as of_hyperliquid
from delever.ingest.okx import OKX
from delever.ingest.okx import balances_of as of_okx

SYMBOL = re.compile(r"(?P<base>[^/:]+)/(?P<quote>[^/:]+):(?P<settle>[^-:]+)(-\d{6})?")
BOTH = 'give {"positions": fetch_positions(), "balance": fetch_balance()} as JSON'


def is_balance(answer: Any) -> bool:
    return isinstance(answer, Mapping) and isinstance(answer.get("total"), Mapping) and "free" in answer


def read(parts: Parts, name: str) -> list[Account]:
    """Every position says its margin mode, or is refused: isolated is never read as cross."""
    rows = [row for row in flat(parts.get("positions", ())) if number(row, "contracts", 0.0) != 0.0]
    held = tuple(_held(row) for row in rows)
    cross = next((position.symbol for position in held if not position.isolated), None)
    if cross is not None and not parts.get("balance"):
        raise refuse("has cross positions without balances", cross, BOTH)
    profit = sum(number(row, "unrealizedPnl", 0.0) for row, position in zip(rows, held, strict=True) if not position.isolated)
    unified = next((answer for answer in parts.get("balance", ()) if _is_unified(answer.get("info"))), None)
    if unified is not None and cross is not None:
        remedy = "ccxt calls every position of a unified account cross: give Bybit's own answers, with account/info"
        raise refuse("does not say whether margin is cross or isolated", cross, remedy)
    balances, notes = _balances(parts.get("balance", ()), name, profit)
    pooled = False if any(position.inverse for position in held) else None
    asks = "other coins count only where the exchange shares margin, which ccxt does not say: give the exchange's own answer"
    return [Account(name, name, held, balances, tuple(notes), pooled, asks)]


def _is_unified(own: Any) -> bool:
    """Whether a balance is that of a unified account of Bybit."""
    return BYBIT.kind(own) == "wallet" and any(row.get("accountType") == "UNIFIED" for row in own["result"]["list"])


def _held(row: Mapping[str, Any]) -> Held:
    symbol = text(row, "symbol")
    parsed = SYMBOL.fullmatch(symbol)
    if parsed is None:
        raise refuse(
            "has a position that is no swap or future", symbol, "known are symbols such as BTC/USDT:USDT and BTC/USD:BTC"
        )
    inverse = parsed["settle"] == parsed["base"]
    if (
        not inverse
        and parsed["settle"] != parsed["quote"]
        and not (parsed["quote"] == "USD" and parsed["settle"] in ("USDC", "USDT"))
    ):
        raise refuse("has a quanto contract", symbol, f"it is paid in {parsed['settle']}: leave it out")
    if row.get("side") not in ("long", "short"):
        raise refuse("has a position without a side", symbol, "side is long or short")
    if row.get("marginMode") not in ("cross", "isolated"):
        raise refuse("does not say whether margin is cross or isolated", symbol, 'add "marginMode": "cross" or "isolated" to it')
    if row.get("contractSize") is None:
        raise refuse("does not say what a contract is", symbol, "add its contractSize, as load_markets() has it")
    size = abs(number(row, "contracts")) * number(row, "contractSize") * (1.0 if row["side"] == "long" else -1.0)
    isolated = row["marginMode"] == "isolated"
    return Held(
        symbol, size, number(row, "entryPrice"), isolated, _paid(row, size) if isolated else 0.0, parsed["settle"], inverse
    )


def _paid(row: Mapping[str, Any], size: float) -> float:
    """Margin of an isolated position without profit: the exchange's own figure, or what ccxt says less the profit."""
    own = row.get("info")
    if isinstance(own, Mapping):
        if number(own, "isolatedWallet", 0.0) != 0.0:
            return number(own, "isolatedWallet")
        position = own.get("position")
        if isinstance(position, Mapping) and isinstance(position.get("leverage"), Mapping) and "rawUsd" in position["leverage"]:
            return number(position["leverage"], "rawUsd") + size * number(row, "entryPrice")
        if own.get("positionBalance") not in (None, "", "0"):
            return number(own, "positionBalance")
    return number(row, "collateral") - number(row, "unrealizedPnl")


def _balances(answers: Sequence[Any], name: str, profit: float) -> tuple[dict[str, float], list[str]]:
    """Wallets without profit, from the exchange's own answer where it is known; else `total`, which must not hinge on profit."""
    found: dict[str, float] = {}
    notes: list[str] = []
    for answer in answers:
        own = answer.get("info")
        if is_state(own):
            found |= of_hyperliquid({"state": [own]}, name)[0].balances
        elif BINANCE.kind(own) == "account":
            found |= of_binance(own["assets"])
        elif BINANCE.kind(own) == "balance":
            found |= of_binance(own)
        elif BYBIT.kind(own) == "wallet" or OKX.kind(own) == "balance":
            read_own, rows = (of_bybit, own["result"]["list"]) if "result" in own else (of_okx, own["data"])
            known, more = read_own(rows, name)
            found |= known
            notes += more
        else:
            found |= {coin: number(answer["total"], coin, 0.0) for coin in answer["total"]}
            if profit != 0.0:
                notes.append(
                    f"{name}: could not know whether totals have the profit of open positions ({profit:g}) in them; "
                    "taken as without it"
                )
    return found, notes


CCXT = Reader(
    "ccxt",
    "fetch_positions() and fetch_balance()",
    {
        "positions": rows_with("symbol", "contracts", "side"),
        "balance": is_balance,
    },
    read,
)

"""Hyperliquid's positions: `clearinghouseState`, and `spotClearinghouseState` where the account is unified.

`POST /info {"type": "clearinghouseState", "user": ...}`: assetPositions[].position {coin, szi, entryPx, leverage {type, rawUsd},
unrealizedPnl}, crossMarginSummary {accountValue}. Of a unified account the collateral is in spot: balances [{coin, total}].
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals
https://hyperliquid.gitbook.io/hyperliquid-docs/trading/account-abstraction-modes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delever.ingest.answers import Account, Held, Parts, Reader, number, refuse, text

BOTH = 'give {"state": clearinghouseState, "spot": spotClearinghouseState}'
UNIFIED = ("unifiedAccount", "dexAbstraction")


def is_state(answer: Any) -> bool:
    return isinstance(answer, Mapping) and answer.keys() >= {"assetPositions", "crossMarginSummary"}


def is_spot(answer: Any) -> bool:
    return (
        isinstance(answer, Mapping)
        and isinstance(answer.get("balances"), list)
        and all(isinstance(row, Mapping) and row.keys() >= {"coin", "total"} for row in answer["balances"])
    )


def read(parts: Parts, name: str) -> list[Account]:
    """rawUsd of an isolated position is its equity less its value, so the margin paid in = rawUsd + szi x entryPx. The
    cross account's = accountValue - sum of unrealizedPnl over its positions. All in USDC.
    """
    positions: list[Held] = []
    cash = 0.0
    mode = next((answer for answer in parts.get("abstraction", ())), None)
    if mode == "portfolioMargin":
        raise refuse("is in portfolio margin", mode, "its margin is not modelled: leave that account out")
    if not parts.get("state"):
        raise refuse("has no clearinghouseState", None, BOTH)
    empty = False
    for state in parts["state"]:
        found, profit = positions_of(state)
        value = number(state["crossMarginSummary"], "accountValue")
        empty |= value <= 0.0 and any(not held.isolated for held in found)
        positions += found
        cash += value - profit
    notes: tuple[str, ...] = ()
    spot = [row for answer in parts.get("spot", ()) for row in answer["balances"]]
    if empty or mode in UNIFIED:
        if not parts.get("spot"):
            raise refuse("has cross positions and no collateral: a unified account holds it in spot", None, BOTH)
        cash = sum(number(row, "total", 0.0) for row in spot if row["coin"] == "USDC")
        others = [
            f"{row['coin']} {number(row, 'total', 0.0):g}"
            for row in spot
            if row["coin"] != "USDC" and number(row, "total", 0.0) != 0.0
        ]
        notes += (f"{name}: unified, margin is the spot balance of USDC",)
        notes += (f"{name}: left out, back no position in USDC: {', '.join(others)}",) if others else ()
    elif spot:
        notes += (f"{name}: spot balances left out, the account is not unified and they back no position",)
    return [Account(name, name, tuple(positions), {"USDC": cash}, notes)]


def positions_of(state: Mapping[str, Any]) -> tuple[list[Held], float]:
    """Positions of a clearinghouseState, and the profit of the cross ones [USD]."""
    found, profit = [], 0.0
    for entry in state["assetPositions"]:
        position = entry["position"]
        size = number(position, "szi")
        if size == 0.0:
            continue
        price, kind = number(position, "entryPx"), position["leverage"]["type"]
        if kind not in ("isolated", "cross"):
            raise refuse("has a margin mode that is not known", kind, "known are isolated and cross")
        paid = number(position["leverage"], "rawUsd") + size * price if kind == "isolated" else 0.0
        profit += number(position, "unrealizedPnl") if kind == "cross" else 0.0
        found.append(Held(text(position, "coin"), size, price, kind == "isolated", paid, "USDC"))
    return found, profit


HYPERLIQUID = Reader(
    "Hyperliquid",
    "clearinghouseState",
    {
        "state": is_state,
        "spot": is_spot,
        "abstraction": lambda answer: answer in ("unifiedAccount", "portfolioMargin", "dexAbstraction", "disabled", "default"),
    },
    read,
)

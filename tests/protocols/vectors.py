"""Results of executing the real contracts, read as accounts and calls."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from protocols.one_account import Account, Collateral, Debt

ROOT = Path(__file__).resolve().parents[2]


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file; where the files are missing, CI fails and others skip."""
    path = Path(os.environ.get("DELEVER_VECTORS", ROOT.parent / "shared" / "vectors")) / f"{name}.json"
    if not path.exists():
        message = f"no contract vectors at {path}: set DELEVER_VECTORS to their folder"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    found: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    return found


def number(quantity: list[Any]) -> float:
    """The value of a [raw, human] pair."""
    return float(quantity[1])


def account(case: dict[str, Any], pair: tuple[str, str] | None = None) -> Account:
    """The account; with a pair only that (collateral, debt) may be called."""
    emode = case["emode"] or {"collateral_assets": []}
    collaterals, debts = [], []
    for reserve in case["reserves"]:
        asset, price = reserve["asset"], number(reserve["price"])
        rules = emode if asset in emode["collateral_assets"] else reserve
        if reserve["collateral"] and number(reserve["supplied"]) > 0.0:
            collaterals.append(Collateral(
                asset, number(reserve["supplied"]), price, rules["lt"] / 1e4, rules["bonus"] / 1e4 - 1.0,
                callable=pair is None or asset == pair[0], index=number(reserve.get("liquidity_index", ["", 1.0]))))
        if number(reserve["debt"]) > 0.0:
            debts.append(Debt(asset, number(reserve["debt"]), price, callable=pair is None or asset == pair[1],
                              index=number(reserve.get("borrow_index", ["", 1.0]))))
    return Account(tuple(collaterals), tuple(debts))


def raws(case: dict[str, Any]) -> dict[str, int]:
    """What a case gives, in the contract's integers."""
    return {name: int(value[0] if isinstance(value, list) else value) for name, value in case["in"].items()
            if isinstance(value, int) or (isinstance(value, list) and value and isinstance(value[0], str))}

"""Aave's rules against the executed contracts: v3.0.2 as version v3_0, v3.6 as version v3_3; aave_cases.py has the tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocols.aave_cases import OURS, called, check_call, health_gap, mended_or_none, seen_from_the_other_side
from protocols.vectors import account, cases, number

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

CALLS = [(contract, kind) for contract in OURS for kind in ("liquidation", "indexed")]


@pytest.mark.parametrize("contract", OURS)
def test_health_factors_are_the_contracts(contract: str) -> None:
    checked = 0
    for case in cases(f"aave_{contract}_account"):
        who, out = account(case["in"]), case["out"]
        if out["health_factor"] == "infinite" or not who.debts:
            assert who.health() == np.inf
            continue
        health = number(out["health_factor"])
        below, above = health_gap(contract, who, number(out["collateral_base"]), number(out["debt_base"]), health)
        assert -below <= who.health() - health <= above, case["id"]
        checked += 1
    assert checked > 37


@pytest.mark.parametrize(("contract", "kind"), CALLS)
def test_calls_repay_seize_and_keep_what_the_contracts_do(contract: str, kind: str) -> None:
    all_cases = cases(f"aave_{contract}_{kind}")
    edges, crossed, checked = 0, 0, 0
    for case in all_cases:
        given, out = case["in"], case["out"]
        who = account(given, (given["collateral_asset"], given["debt_asset"]))
        if case.get("edge"):
            edges += 1
        elif seen_from_the_other_side(contract, who, out["before"]):
            crossed += 1
        elif "revert" not in out:
            check_call(contract, case, called(contract, given, who))
            checked += 1
    assert edges <= 0.2 * len(all_cases)
    assert crossed <= 0.1 * len(all_cases)
    assert checked >= 0.4 * len(all_cases)


@pytest.mark.parametrize(("contract", "kind"), CALLS)
def test_what_the_contracts_refuse_is_not_called(contract: str, kind: str) -> None:
    refused, dust, crossed = 0, 0, 0
    for case in cases(f"aave_{contract}_{kind}"):
        given, out = case["in"], case["out"]
        reason = out.get("revert", "").replace("_", "").lower()
        who = account(given, (given["collateral_asset"], given["debt_asset"]))
        if case.get("edge") or not reason or "invalidburnamount" in reason:  # less than one scaled unit
            continue
        if seen_from_the_other_side(contract, who, out["before"]):
            crossed += 1
        elif reason == "mustnotleavedust":
            assert mended_or_none(contract, given, who), case["id"]
            dust += 1
        else:
            assert called(contract, given, who).repay == 0.0, case["id"]
            refused += 1
    assert refused >= 2
    assert crossed <= 0.2 * max(refused, 20)
    assert dust >= (1 if contract == "v3_6" else 0)


def check_case(contract: str, case: dict[str, Any]) -> None:
    """A call, or its refusal; of less than one scaled unit, which the contract refuses, nothing that counts is called here."""
    given, reason = case["in"], reason_of(case)
    who = account(given, (given["collateral_asset"], given["debt_asset"]))
    if not reason:
        check_call(contract, case, called(contract, given, who))
    elif reason == "mustnotleavedust":
        assert mended_or_none(contract, given, who), case["id"]
    elif "invalidburnamount" in reason or reason == "25":
        unit = 10.0 ** -next(r["decimals"] for r in given["reserves"] if r["asset"] == given["debt_asset"])
        assert called(contract, given, who).repay <= 5 * unit, case["id"]
    else:
        assert called(contract, given, who).repay == 0.0, case["id"]


def reason_of(case: dict[str, Any]) -> str:
    """Why the contract refused, nothing where it did not."""
    return str(case["out"].get("revert", "")).split()[0].replace("_", "").lower() if case["out"].get("revert") else ""

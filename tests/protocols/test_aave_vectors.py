"""Aave's rules against the executed contracts: v3.0.2 as version v3_0, v3.6 as version v3_3.

Tolerances, float64 against the contracts' integers. Amounts: 1e-9 relative, three of the token's smallest units, and
what three units of the other token and 3e-8 USD (the contracts' unit of account is 1e-8) are worth in it. Health:
1e-9 relative and 1e-8 USD a leg on either side; v3.0 also floors the average threshold to a basis point.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.core.tables import DEFICIT
from delever.protocols.aave import VERSIONS
from delever.protocols.fixed_spread import FixedSpreadPhase
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, setting
from protocols.vectors import account, cases, number

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

OURS = {"v3_0": "v3_0", "v3_6": "v3_3"}
CALLS = [(contract, kind) for contract in OURS for kind in ("liquidation", "indexed")]
BASIS_POINT, USD_UNIT = 1e-4, 1e-8


def health_gap(contract: str, who: Account, collateral: float, debt: float, health: float) -> tuple[float, float]:
    """How far below and above the contract's health factor ours may be."""
    legs = len(who.collaterals) + len(who.debts)
    near = health * (1e-9 + 2 * legs * USD_UNIT * (1.0 / debt + 1.0 / max(collateral, USD_UNIT))) + 2e-18
    return near, near + (BASIS_POINT * collateral / debt if contract == "v3_0" else 0.0)


def called(contract: str, given: dict[str, Any], who: Account, **changes: Any) -> Call:
    """A call by the version's rules, with the offer of the case as the most that is repaid."""
    fee = {reserve["asset"]: reserve["protocol_fee"] / 1e4 for reserve in given["reserves"]}
    most = 0.0 if given["debt_to_cover"] == "max" else number(given["debt_to_cover"])
    terms = VERSIONS[OURS[contract]]._replace(**changes)
    where = setting(("pool",), np.array([fee[name] for name in who.assets]))
    return call(FixedSpreadPhase(where, {"pool": terms}), who, most)


def seen_from_the_other_side(contract: str, who: Account, before: dict[str, Any]) -> bool:
    """v3.0 floors the average threshold, so its health can be across 1 or 0.95 from ours."""
    ours, theirs = who.health(), number(before["health_factor"])
    return contract == "v3_0" and any((ours < at) != (theirs < at) for at in (0.95, 1.0))


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
    assert checked > 150


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
    assert edges <= 0.06 * len(all_cases)
    assert crossed <= 0.05 * len(all_cases)
    assert checked >= 0.6 * len(all_cases)


def check_call(contract: str, case: dict[str, Any], done: Call) -> None:
    given, out, who = case["in"], case["out"], done.account
    reserve = {r["asset"]: r for r in given["reserves"]}

    def room(asset: str, value: float) -> float:
        worth = 3 * USD_UNIT + sum(3 * 10.0 ** -reserve[a]["decimals"] * number(reserve[a]["price"])
                                   for a in (given["collateral_asset"], given["debt_asset"]))
        return float(1e-9 * abs(value) + worth / number(reserve[asset]["price"]))

    def same(what: str, asset: str, ours: float, theirs: float) -> None:
        assert abs(ours - theirs) <= room(asset, theirs), f"{case['id']}: {what} is {ours!r}, contract {theirs!r}"

    taken, repaid = given["collateral_asset"], given["debt_asset"]
    assert done.settled, case["id"]
    same("seized", taken, done.seize - done.kept, number(out["seized"]))
    same("protocol fee", taken, done.kept, number(out["protocol_fee"]))
    same("repaid", repaid, done.repay, number(out["repaid"]))
    same("collateral left", taken, done.units_left(taken, Collateral), number(out["after"]["collateral_left"]))
    same("debt left", repaid, done.units_left(repaid, Debt), number(out["after"]["debt_left"]))
    for owed in done.account.debts:
        theirs = sum(number(d["amount"]) for d in out.get("deficit", []) if d["asset"] == owed.asset)
        same(f"deficit of {owed.asset}", owed.asset, done.booked(DEFICIT, owed.asset), theirs)
    assert imbalance(done) < 1e-12, case["id"]
    after = out["after"]
    debt = number(after["debt_base"])
    if after["health_factor"] != "infinite" and debt > 1.0:
        health = number(after["health_factor"])
        below, above = health_gap(contract, who, number(after["collateral_base"]), debt, health)
        slack = sum(room(a, 0.0) * number(reserve[a]["price"]) for a in (taken, repaid)) * (1.0 + health) / debt
        assert -below - slack <= done.health - health <= above + slack, case["id"]


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
    assert refused >= 8
    assert crossed <= 4
    assert dust >= (8 if contract == "v3_6" else 0)


def mended_or_none(contract: str, given: dict[str, Any], who: Account) -> bool:
    """The call as offered leaves dust; ours repays less and leaves none, or is none."""
    def left(done: Call) -> float:
        return min(done.units_left(leg.asset, type(leg)) * leg.price for leg in who.legs if leg.callable)

    asked = called(contract, given, who, least_left=0.0, writes_off=False)
    mended = called(contract, given, who)
    if not 0.0 < left(asked) < 1000.0:
        return False
    return mended.repay == 0.0 or (mended.repay < asked.repay and left(mended) >= 1000.0 * (1.0 - 1e-12))

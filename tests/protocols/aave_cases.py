"""Aave's rules held to what the contracts did: one account with one call on it, v3.0.2 as version v3_0, v3.6 as version v3_3.

Tolerances, float64 against the contracts' integers. Amounts: 1e-9 relative, three of the token's smallest units, and
what three units of the other token and 3e-8 USD (the contracts' unit of account is 1e-8) are worth in it. Health:
1e-9 relative and 1e-8 USD a leg on either side; v3.0 also floors the average threshold to a basis point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.core.tables import DEFICIT
from delever.protocols.aave import VERSIONS
from delever.protocols.fixed_spread import FixedSpreadPhase
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, setting
from protocols.vectors import number

OURS = {"v3_0": "v3_0", "v3_6": "v3_3"}
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


def mended_or_none(contract: str, given: dict[str, Any], who: Account) -> bool:
    """The call as offered leaves dust; ours repays less and leaves none, or is none."""
    def left(done: Call) -> float:
        return min(done.units_left(leg.asset, type(leg)) * leg.price for leg in who.legs if leg.callable)

    asked = called(contract, given, who, least_left=0.0, writes_off=False)
    mended = called(contract, given, who)
    if not 0.0 < left(asked) < 1000.0:
        return False
    return mended.repay == 0.0 or (mended.repay < asked.repay and left(mended) >= 1000.0 * (1.0 - 1e-12))

"""Compound v3 against the executed contract (Comet @d5a30b0): absorptions and the storefront.

Tolerance, float64 against the contract's integers: 1e-9 relative and five smallest units of the token. The contract counts
values in 1e-8 USD and floors the discounted price to 1e-8 USD: of a token worth 0.001 USD that alone is 1e-5 of the price. Five
of those are allowed too, by what they are worth in the case.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from delever.core.tables import DEBTS, DEPOSITS, EXECUTED, NOTHING, OFFERED, REVERTED, TREASURY
from protocols.one_comet import ABSORB, BUY, Held, OneComet, terms
from protocols.vectors import cases, number

USD = 1e-8  # smallest unit of prices and values
Case = dict[str, Any]


@cache
def comet() -> OneComet:
    return OneComet()


def near(theirs: float, unit: float) -> Any:
    return pytest.approx(theirs, rel=1e-9, abs=5 * unit)


def absorbed(case: Case) -> tuple[OneComet, int]:
    """The account of a case, and what became of its absorption."""
    given, one = case["in"], comet()
    names = ("amount", "price", "liquidate_collateral_factor", "liquidation_factor")
    held = [Held(*(number(c[name]) for name in names)) for c in given["collateral"]]
    one.set(held, max(-number(given["principal"]), 0.0), base_price=number(given["base_price"]),
            index=number(given["base_borrow_index"]), decimals=given["base_decimals"])
    offered = one.offered(ABSORB)[0]
    state, give, get = one.done(ABSORB)
    assert (offered, give, get) == (OFFERED if state == EXECUTED else NOTHING, 0.0, 0.0), case["id"]
    return one, state


def check_absorption(case: Case) -> None:
    """What is seized, credited and paid, or the refusal."""
    given, out = case["in"], case["out"]
    one, state = absorbed(case)
    assert one.leak() < 1e-15, case["id"]
    if "revert" in out:
        assert state == REVERTED, case["id"]
        return
    unit = 10.0 ** -given["base_decimals"]
    values = 5 * USD / number(given["base_price"])  # every collateral's value and credit are floored, and their sum converted
    debt, paid = number(out["debt"]), number(out["base_paid_out"])
    assert state == EXECUTED, case["id"]
    assert -one.booked(DEBTS) == near(debt, unit), case["id"]
    assert -one.booked(TREASURY) == near(paid, unit + values), case["id"]
    assert one.booked(TREASURY) == near(number(out["reserves_change"]), unit + values), case["id"]
    assert one.booked(DEPOSITS) == near(number(out["new_balance"]), unit + values), case["id"]
    for k, theirs in enumerate(out["seized"]):
        assert one.booked(TREASURY, k) == near(number(theirs), 10.0 ** -given["collateral"][k]["decimals"]), case["id"]
    assert not one.state.pool.touched.amount[0].any(), case["id"]


def test_absorptions_seize_credit_and_cost_reserves_what_the_contracts_do() -> None:
    found = [case for case in cases("comet_absorb") if not case.get("edge")]
    for case in found:
        check_absorption(case)
    assert len(found) > 37 and 0.1 < sum("revert" in case["out"] for case in found) / len(found) < 0.7


def stated(case: Case) -> tuple[OneComet, float]:
    """The storefront of a case, and the most that its buyer brings."""
    given, one = case["in"], comet()
    one.set([Held(0.0, number(given["asset_price"]), 0.5, number(given["liquidation_factor"]))], 0.0, **terms(given))
    one.stock(0, number(given["collateral_reserves"]))
    return one, number(given["base_amount"])


def asked(given: Case) -> float:
    """Storefront price in base, in the contract's integers."""
    one, scale = 10**18, 10**18
    discount = int(given["store_front_price_factor"][0]) * (one - int(given["liquidation_factor"][0])) // scale
    return float(Fraction(int(given["asset_price"][0]) * (one - discount) // scale, int(given["base_price"][0])))


def check_purchase(case: Case) -> None:
    """What a buyer brings and gets, or the refusal; of a unit of the base that buys nothing nothing is brought here."""
    given, out = case["in"], case["out"]
    revert = out.get("revert", "sold")
    one, offer = stated(case)
    least, place, there = number(given["min_amount"]), one.reserve[0], number(given["collateral_reserves"])
    highest = offer / least if least > 0.0 else float("inf")
    state, gave, got = one.done(BUY, place, offer, highest)
    if revert == "NotForSale":
        assert (state, one.offered(BUY, place)[0]) == (REVERTED, NOTHING), case["id"]
    elif revert == "TooMuchSlippage":
        assert state == REVERTED, case["id"]
    elif revert == "InsufficientReserves":  # who asks for too much gets what there is, for as much less
        assert (state, got) == (EXECUTED if there > 0.0 else REVERTED, there), case["id"]
        assert gave < offer, case["id"]
        assert got == 0.0 or gave / got == pytest.approx(asked(given), rel=1e-9), case["id"]
    else:
        unit, theirs = 10.0 ** -given["asset_decimals"], number(out["collateral_out"])
        assert gave == near(offer, 10.0 ** -given["base_decimals"]), case["id"]
        assert got == near(theirs, unit), case["id"]
        assert (state == EXECUTED) == (got > 0.0), case["id"]
        reserves = number(given["reserves"]) + one.booked(TREASURY)
        assert reserves == near(number(out["reserves_after"]), 10.0 ** -given["base_decimals"]), case["id"]
    assert one.leak() < 1e-12, case["id"]


def test_the_storefront_sells_refuses_and_asks_what_the_contracts_do() -> None:
    found, counted = [case for case in cases("comet_buy") if not case.get("edge")], Counter[str]()
    for case in found:
        counted[case["out"].get("revert", "sold")] += 1
        if 0 < int(case["in"]["min_amount"][0]) - int(case["out"].get("quote", ["0"])[0]) <= 5:
            continue  # what a buyer wants more than he is quoted is rounding
        check_purchase(case)
    assert len(found) > 37
    assert min(counted[what] for what in ("sold", "NotForSale", "InsufficientReserves", "TooMuchSlippage")) > 2, counted

"""Compound v3 against the executed contract (Comet @d5a30b0): absorptions and the storefront.

Tolerance, float64 against the contract's integers: 1e-9 relative and five smallest units of the token. The contract counts
values in 1e-8 USD and floors the discounted price to 1e-8 USD: of a token worth 0.001 USD that alone is 1e-5 of the price. Five
of those are allowed too, by what they are worth in the case.
"""

from __future__ import annotations

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


def test_absorptions_seize_credit_and_cost_reserves_what_the_contracts_do() -> None:
    found = [case for case in cases("comet_absorb") if not case.get("edge")]
    refused = 0
    for case in found:
        given, out = case["in"], case["out"]
        one, state = absorbed(case)
        assert one.leak() < 1e-15, case["id"]
        if "revert" in out:
            assert state == REVERTED, case["id"]
            refused += 1
            continue
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
    assert len(found) > 200 and 50 < refused < 150


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


def test_the_storefront_sells_refuses_and_asks_what_the_contracts_do() -> None:
    found = [case for case in cases("comet_buy") if not case.get("edge")]
    counted = {"sold": 0, "NotForSale": 0, "InsufficientReserves": 0, "TooMuchSlippage": 0}
    for case in found:
        given, out = case["in"], case["out"]
        revert = out.get("revert", "sold")
        counted[revert] += 1
        one, offer = stated(case)
        least, place = number(given["min_amount"]), one.reserve[0]
        highest = offer / least if least > 0.0 else float("inf")
        state, gave, got = one.done(BUY, place, offer, highest)
        if revert == "NotForSale":
            assert (state, one.offered(BUY, place)[0]) == (REVERTED, NOTHING), case["id"]
        elif revert == "TooMuchSlippage":
            if int(given["min_amount"][0]) - int(out["quote"][0]) > 5:  # nearer is rounding
                assert state == REVERTED, case["id"]
        elif revert == "InsufficientReserves":  # who asks for too much gets what there is, for as much less
            there = number(given["collateral_reserves"])
            assert (state, got) == (EXECUTED if there > 0.0 else REVERTED, there), case["id"]
            assert gave < offer, case["id"]
            assert got == 0.0 or gave / got == pytest.approx(asked(given), rel=1e-9), case["id"]
        else:
            unit, theirs = 10.0 ** -given["asset_decimals"], number(out["collateral_out"])
            assert (state, gave) == (EXECUTED, near(offer, 10.0 ** -given["base_decimals"])), case["id"]
            assert got == pytest.approx(theirs, rel=1e-9, abs=5 * unit), case["id"]
            reserves = number(given["reserves"]) + one.booked(TREASURY)
            assert reserves == near(number(out["reserves_after"]), 10.0 ** -given["base_decimals"]), case["id"]
        assert one.leak() < 1e-12, case["id"]
    assert len(found) > 180
    assert min(counted.values()) > 10, counted


def raw(quantity: list[Any]) -> int:
    return int(quantity[0])


def short_of(given: Case, debt: int) -> int:
    """Counted collateral less debt, in the contract's integers [1e-8 USD]: below 0 the account may be absorbed."""
    counted = sum(raw(c["amount"]) * raw(c["price"]) // 10 ** c["decimals"] * raw(c["liquidate_collateral_factor"]) // 10**18
                  for c in given["collateral"])
    return counted - debt * raw(given["base_price"]) // 10 ** given["base_decimals"]


def test_on_the_edge_absorptions_differ_by_less_than_one_unit_of_each_number_that_the_contract_floors() -> None:
    """The contract floors debts to base units, then every value and its share: in those units 1e-8 USD are left."""
    edges, alike = [case for case in cases("comet_absorb") if case.get("edge")], 0
    for case in edges:
        given, out = case["in"], case["out"]
        exact = short_of(given, raw(out["debt"]))
        assert (exact < 0) == out["liquidatable"], case["id"]
        whole = case | {"in": given | {"principal": ["", -number(out["debt"])], "base_borrow_index": ["", 1.0]}}
        same = (absorbed(whole)[1] == EXECUTED) == out["liquidatable"]
        alike += same
        assert same or abs(exact) <= 1 + 2 * len(given["collateral"]), case["id"]
    assert alike > 0.6 * len(edges)


def test_on_the_edge_the_storefront_differs_by_one_unit_of_the_collateral() -> None:
    """A float sees no difference between amounts that are a unit of 1e-18 apart, and nothing in a purchase of nothing."""
    edges, alike = [case for case in cases("comet_buy") if case.get("edge")], 0
    for case in edges:
        given, out = case["in"], case["out"]
        one, offer = stated(case)
        least = number(given["min_amount"])
        state, _, got = one.done(BUY, one.reserve[0], offer, offer / least if least > 0.0 else float("inf"))
        there = raw(given["collateral_reserves"])
        if out.get("revert") == "InsufficientReserves":
            same = got == number(given["collateral_reserves"])
        else:
            same = (state == EXECUTED) == ("revert" not in out)
        alike += same
        near_least = abs(raw(out.get("quote", ["0"])) - raw(given["min_amount"])) <= 1
        assert same or near_least or there == 0 or offer == 0.0, case["id"]
    assert alike > 0.5 * len(edges)

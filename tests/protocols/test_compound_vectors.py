"""Compound v2's rules against the executed contract (Venus 0.7.0, a fork). The tolerances are those of compound_cases.py. Of
edges: test_edges.py.
"""

from __future__ import annotations

import pytest

from protocols.compound_cases import (
    RELATIVE,
    USD_UNIT,
    Case,
    account,
    called,
    check_above_the_close_factor,
    check_accepted,
    check_healthy,
    check_too_much,
    market,
    outcome,
    room,
)
from protocols.vectors import cases, number

pytestmark = pytest.mark.usefixtures("tables_of_their_own")


def of(wanted: str) -> list[Case]:
    """Cases on no edge with this answer."""
    return [case for case in cases("compound_v2") if not case.get("edge") and outcome(case) == wanted]


def test_shortfalls_are_the_contracts() -> None:
    checked = 0
    for case in cases("compound_v2"):
        backing, debt = account(case).sides()
        gap = number(case["out"]["shortfall"]) - number(case["out"]["liquidity"])
        assert abs(debt - backing - gap) <= room(debt, USD_UNIT), case["id"]
        checked += 1
    assert checked >= 37


def test_accepted_calls_repay_and_seize_what_the_contract_does() -> None:
    accepted = of("accepted")
    for case in accepted:
        check_accepted(case)
    assert len(accepted) >= 15


def test_accounts_without_a_shortfall_are_not_called() -> None:
    healthy = of("INSUFFICIENT_SHORTFALL")
    for case in healthy:
        check_healthy(case)
    assert len(healthy) >= 5


def test_an_offer_above_the_close_factor_is_cut_down_to_it() -> None:
    above = of("TOO_MUCH_REPAY")
    for case in above:
        check_above_the_close_factor(case)
    assert len(above) >= 2


def test_an_offer_that_would_seize_too_much_takes_what_there_is_for_as_much_less() -> None:
    above = of("LIQUIDATE_SEIZE_TOO_MUCH")
    for case in above:
        check_too_much(case)
    assert len(above) >= 1


def test_where_the_ratio_has_digits_enough_calls_agree_to_1e_9_and_nowhere_worse_than_to_1e_5() -> None:
    apart = []
    for case in of("accepted"):
        rate, theirs = number(market(case, "collateral")["exchange_rate"]), number(case["out"]["seized_vtokens"])
        apart.append(abs(called(case).seize / rate / theirs - 1.0))
    assert max(apart) < 1e-5
    assert sum(gap <= RELATIVE for gap in apart) >= 0.4 * len(apart)

"""Morpho Blue's rules against the executed contract: incentives, calls, bad debt, what accrues. The tolerances are those of
morpho_cases.py. Of edges: test_edges.py.
"""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest

from protocols.morpho_cases import (
    BLUE,
    Case,
    account,
    accrues_alike,
    agrees,
    called,
    cut_to_what_there_is,
    refused,
    room_to_borrow,
)
from protocols.vectors import cases, number

pytestmark = pytest.mark.usefixtures("tables_of_their_own")


def of(kind: str) -> list[Case]:
    """Cases of a kind."""
    return [case for case in cases("morpho_blue") if case["kind"] == kind]


def test_incentives_are_the_contracts() -> None:
    checked = of("lif")
    for case in checked:
        ours = 1.0 + float(BLUE.incentives(np.array([number(case["in"]["lltv"])]))[0])
        assert isclose(ours, number(case["out"]["lif"]), rel_tol=1e-15), case["id"]
    assert len(checked) >= 5


def check_call(case: Case) -> None:
    """A call, its refusal, or the offer beyond the position that is cut to it here where the contract panics."""
    if not refused(case):
        assert agrees(case), f"{case['id']}: {called(case)}, contract {case['out']}"
    elif "Panic" in refused(case):
        assert cut_to_what_there_is(case), case["id"]
    else:
        assert not called(case).settled, case["id"]


def test_accepted_calls_repay_seize_and_write_off_what_the_contract_does() -> None:
    accepted = [case for case in of("liquidate") if not refused(case) and not case.get("edge")]
    for case in accepted:
        check_call(case)
    assert len(accepted) >= 15
    assert sum(number(case["out"]["bad_debt_assets"]) > 0.0 for case in accepted) >= 1


def test_healthy_positions_are_not_called() -> None:
    healthy = [case for case in of("liquidate") if refused(case) == "position is healthy" and not case.get("edge")]
    for case in healthy:
        check_call(case)
    assert len(healthy) >= 2


def test_an_offer_beyond_the_position_is_cut_to_what_there_is_where_the_contract_panics() -> None:
    beyond = [case for case in of("liquidate") if "Panic" in refused(case) and not case.get("edge")]
    for case in beyond:
        check_call(case)
    assert len(beyond) >= 2


def test_the_contracts_health_is_ours_but_for_one_unit() -> None:
    for case in of("liquidate"):
        if room_to_borrow(case) not in (-1, 0):
            backing, debt = account(case).sides()
            assert (backing < debt) == (room_to_borrow(case) < 0), case["id"]


def test_interest_is_the_contracts() -> None:
    checked = of("accrue")
    for case in checked:
        assert accrues_alike(case), case["id"]
    assert len(checked) >= 7

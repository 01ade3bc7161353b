"""Morpho's liquidation by hand: the incentive of an LLTV, calls in whole or in part, bad debt with the last collateral alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import DEFICITS
from delever.protocols.morpho import Morpho
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, ready

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

BLUE = Morpho(version="v1")


def incentive(lltv: float) -> float:
    found = BLUE.incentives(np.array([lltv]))
    return float(found[0])


def borrower(worth: float, owed: float, lltv: float = 0.8) -> Account:
    """Of ETH at 1000 against USDC."""
    return Account((Collateral("ETH", worth / 1000.0, 1000.0, lltv, incentive(lltv)),), (Debt("USDC", owed, 1.0),))


def liquidate(who: Account, most: float = 0.0) -> Call:
    return call(ready(BLUE, who), who, most=most)


@pytest.mark.parametrize(("lltv", "factor"), [(0.385, 1.15), (0.625, 1.0 / 0.8875), (0.86, 1.0 / 0.958), (0.98, 1.0 / 0.994),
                                              (1.0, 1.0)])
def test_the_incentive_is_what_the_lltv_implies_and_at_most_15_percent(lltv: float, factor: float) -> None:
    assert incentive(lltv) == pytest.approx(factor - 1.0, abs=1e-15)


def test_who_owes_exactly_what_he_may_is_not_called() -> None:
    assert not liquidate(borrower(1000.0, 800.0)).settled
    assert liquidate(borrower(1000.0, 800.0 * (1.0 + 1e-9))).settled


def test_a_call_may_repay_all_at_any_health_and_pays_the_incentive_of_the_lltv() -> None:
    """LLTV 0.8: LIF = 1 / 0.94; 801 USDC for 852.13 USD of ETH, where there are 1000."""
    done = liquidate(borrower(1000.0, 801.0))
    assert (done.repay, done.kept) == (801.0, 0.0)
    assert done.seize == pytest.approx(0.801 / 0.94, rel=1e-15)
    assert done.total(DEFICITS) == 0.0 and imbalance(done) < 1e-15


def test_the_liquidator_may_bring_less() -> None:
    done = liquidate(borrower(1000.0, 900.0), most=94.0)
    assert (done.repay, done.seize) == (94.0, pytest.approx(0.1, rel=1e-15))
    assert done.units_left("USDC", Debt) == 806.0


def test_bad_debt_is_written_off_with_the_last_of_the_collateral_and_not_before() -> None:
    """1000 USD of ETH pay 940 of 990: 50 are the suppliers' loss. Of one billionth less they stay owed."""
    whole = liquidate(borrower(1000.0, 990.0))
    assert whole.repay == pytest.approx(940.0, rel=1e-15) and whole.units_left("ETH", Collateral) == 0.0
    assert whole.total(DEFICITS) == pytest.approx(50.0, rel=1e-12) and whole.units_left("USDC", Debt) == 0.0
    part = liquidate(borrower(1000.0, 990.0), most=940.0 * (1.0 - 1e-9))
    assert 0.0 < part.units_left("ETH", Collateral) < 2e-9
    assert part.total(DEFICITS) == 0.0 and part.units_left("USDC", Debt) == pytest.approx(50.0, rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.05, 0.99), st.floats(0.5, 2.0), st.floats(0.01, 1.5))
def test_outside_whole_closes_a_call_lowers_health_where_health_is_below_lltv_times_factor(
        lltv: float, health: float, share: float) -> None:
    """Both sides of health 1 and of LLTV x LIF; a close that is whole clears debt or collateral."""
    owed, factor = 1000.0, 1.0 + incentive(lltv)
    who = borrower(health * owed / lltv, owed, lltv)
    done = liquidate(who, most=share * owed)
    if who.health() >= 1.0:
        assert not done.settled
        return
    assert done.repay <= owed and done.seize * 1000.0 == pytest.approx(done.repay * factor, rel=1e-9)
    left = done.units_left("ETH", Collateral), done.units_left("USDC", Debt)
    if min(left) > 1e-6 and abs(health / (lltv * factor) - 1.0) > 1e-6:
        assert (done.health < who.health()) == (who.health() < lltv * factor)
    assert (done.total(DEFICITS) > 0.0) == (left[0] == 0.0 and done.repay < owed)

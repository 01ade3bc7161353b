"""Euler v2's discount by hand: nothing at the edge, the account's own health below it, no more than the most."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import DEFICITS
from delever.protocols.euler import Euler
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, ready

pytestmark = pytest.mark.usefixtures("tables_of_their_own")


def liquidate(who: Account, **fields: float) -> Call:
    return call(ready(Euler(version="v2", **fields), who), who)


def borrower(health: float) -> Account:
    """8000 USDC against ETH at 1000; the stated bonus of 5 % does not count."""
    return Account((Collateral("ETH", health * 8000.0 / 0.8 / 1000.0, 1000.0, 0.8, 0.05),), (Debt("USDC", 8000.0, 1.0),))


@pytest.mark.parametrize(("health", "discount"), [(0.999, 0.001), (0.95, 0.05), (0.9, 0.1)])
def test_the_discount_is_what_health_lacks(health: float, discount: float) -> None:
    """All is repaid, for 8000 / (1 - discount) USD of ETH."""
    done = liquidate(borrower(health))
    assert done.repay == pytest.approx(8000.0, rel=1e-12)
    assert done.seize == pytest.approx(8000.0 / (1.0 - discount) / 1000.0, rel=1e-12)
    assert imbalance(done) < 1e-15


def test_it_is_at_most_the_most_discount() -> None:
    """Health 0.82: 15 %, 9411.76 USD for 8000 where there are 8200."""
    done = liquidate(borrower(0.82))
    assert done.seize == pytest.approx(8.2, rel=1e-12)
    assert done.repay == pytest.approx(0.85 * 8200.0, rel=1e-12)
    assert done.total(DEFICITS) == pytest.approx(8000.0 - 0.85 * 8200.0, rel=1e-12)


def borrower_at(value: float) -> Account:
    return Account((Collateral("ETH", value / 1000.0, 1000.0, 0.8, 0.0),), (Debt("USDC", 8000.0, 1.0),))


@settings(max_examples=100, deadline=None)
@given(st.floats(1.0, 9999.9), st.floats(0.01, 0.5))
def test_what_is_paid_for_is_never_more_than_there_is(value: float, most: float) -> None:
    done, health = liquidate(borrower_at(value), most_discount=most), 0.8 * value / 8000.0
    left = max(health, 1.0 - most)
    assert done.seize * 1000.0 == pytest.approx(min(8000.0 / left, value), rel=1e-9)
    assert done.repay == pytest.approx(done.seize * 1000.0 * left, rel=1e-9)
    taken_whole = done.seize * 1000.0 >= value * (1.0 - 1e-12)
    assert done.total(DEFICITS) == pytest.approx(8000.0 - done.repay if taken_whole else 0.0, abs=1e-6)

"""Pro-rata liquidation: the arithmetic of the dense baseline, bit for bit, and what goes beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import DEFICITS, LIQUIDATIONS, REPAID, SEIZED
from delever.protocols.pro_rata import ProRata
from protocols.one_account import LIQUIDATOR, Account, Call, Collateral, Debt, call, imbalance, ready

pytestmark = pytest.mark.usefixtures("tables_of_their_own")


def liquidate(who: Account, **fields: float) -> Call:
    return call(ready(ProRata(**fields), who), who)


def baseline(c0: float, c1: float, owed: float, p0: float, p1: float, close_factor: float, bonus: float, dust: float
             ) -> tuple[float, float, float, float, float]:
    """The plain rule: (collateral 0, collateral 1, debt) after, repaid, written off."""
    value = c0 * p0 + c1 * p1
    want = owed if owed <= dust else close_factor * owed
    if want * (1.0 + bonus) >= value:
        repay = value / (1.0 + bonus)
        return 0.0, 0.0, 0.0, repay, owed - repay
    part = want * (1.0 + bonus) / value
    return c0 - c0 * part, c1 - c1 * part, owed - want, want, 0.0


@settings(max_examples=300, deadline=None)
@given(st.floats(1e-3, 1e5), st.floats(0.0, 1.0), st.floats(0.3, 1.1), st.sampled_from([0.0, 1.0, 500.0]),
       st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from([0.0, 0.05, 0.1]))
def test_it_leaves_what_the_dense_baseline_leaves_to_the_last_bit(debt: float, split: float, health: float, dust: float,
                                                                close_factor: float, bonus: float) -> None:
    p0, p1, lt0, lt1 = 2311.7, 58123.9, 0.83, 0.78
    value = health * debt / (split * lt0 + (1.0 - split) * lt1)
    c0, c1 = value * split / p0, value * (1.0 - split) / p1
    who = Account((Collateral("ETH", c0, p0, lt0, bonus), Collateral("WBTC", c1, p1, lt1, bonus)),
                  (Debt("stable", debt, 1.0),))
    done = liquidate(who, close_factor=close_factor, dust=dust)
    if not c0 * p0 * lt0 + c1 * p1 * lt1 < debt:
        assert not done.settled
        return
    *after, repaid, written_off = baseline(c0, c1, debt, p0, p1, close_factor, bonus, dust)
    assert done.amount.tolist() == after
    assert done.total(REPAID) == pytest.approx(repaid, rel=1e-14)
    assert done.total(DEFICITS) == pytest.approx(written_off, rel=1e-12, abs=1e-14 * debt)
    assert imbalance(done) < 1e-14


def test_one_account_by_hand() -> None:
    """1 unit at 90, threshold 0.8, debt 75: repay 37.5, seize 41.25 / 90; at 30 all of it, 30 / 1.1 repaid."""
    def at(price: float) -> Call:
        return liquidate(Account((Collateral("ETH", 1.0, price, 0.8, 0.1),), (Debt("stable", 75.0, 1.0),)), dust=1.0)

    done = at(90.0)
    assert (done.total(REPAID), done.amount[1], done.total(DEFICITS)) == (37.5, 37.5, 0.0)
    assert 1.0 - done.amount[0] == pytest.approx(41.25 / 90.0, abs=1e-15)
    done = at(30.0)
    assert done.total(REPAID) == pytest.approx(30.0 / 1.1, rel=1e-15)
    assert done.total(DEFICITS) == pytest.approx(75.0 - 30.0 / 1.1, rel=1e-15)
    assert done.amount.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("health", "share"), [(0.951, 0.5), (0.949, 1.0)])
def test_below_a_health_everything_is_repaid(health: float, share: float) -> None:
    who = Account((Collateral("ETH", health * 8000.0 / 0.8 / 2000.0, 2000.0, 0.8),), (Debt("USDC", 8000.0, 1.0),))
    assert liquidate(who, full_below=0.95).total(REPAID) == pytest.approx(share * 8000.0)


def test_each_collateral_is_sold_against_each_debt_in_its_share_of_the_debt() -> None:
    who = Account((Collateral("ETH", 1.0, 1000.0, 0.8), Collateral("WBTC", 0.1, 30_000.0, 0.7)),
                  (Debt("USDC", 2250.0, 1.0), Debt("DAI", 750.0, 1.0, index=1.5)))
    done = liquidate(who)
    part = 1500.0 * 1.05 / 4000.0
    assert [fill[:2] for fill in done.sales] == [("ETH", "USDC"), ("ETH", "DAI"), ("WBTC", "USDC"), ("WBTC", "DAI")]
    assert [fill[2] for fill in done.sales] == pytest.approx(
        [part * 0.75, part * 0.25, 0.1 * part * 0.75, 0.1 * part * 0.25])
    assert done.tokens(LIQUIDATOR, "USDC") == pytest.approx(-1125.0)
    assert done.tokens(LIQUIDATOR, "DAI") == pytest.approx(-375.0)
    assert [done.total(SEIZED), done.total(LIQUIDATIONS)] == pytest.approx([1575.0, 1.0])
    assert imbalance(done) < 1e-14


def test_with_different_incentives_every_leg_pays_its_own() -> None:
    who = Account((Collateral("ETH", 1.0, 1050.0, 0.7, 0.05), Collateral("WBTC", 1.0, 1100.0, 0.7, 0.1)),
                  (Debt("USDC", 1600.0, 1.0),))
    done = liquidate(who)
    assert done.total(REPAID) == pytest.approx(800.0)
    assert done.amount[:2] == pytest.approx([0.6, 0.6])  # 0.4 of 1000 + 1000 is 800


def test_legs_that_cannot_be_called_stay_and_then_nothing_is_written_off() -> None:
    who = Account((Collateral("ETH", 1.0, 1000.0, 0.8), Collateral("rest", 1.0, 100.0, 0.8, callable=False)),
                  (Debt("USDC", 5000.0, 1.0),))
    done = liquidate(who)
    assert done.amount == pytest.approx([0.0, 1.0, 5000.0 - 1000.0 / 1.05])
    assert done.total(DEFICITS) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 100.0), min_size=4, max_size=4), st.floats(0.2, 0.99), st.booleans())
def test_a_call_takes_no_more_than_there_is_and_balances(units: list[float], health: float, whole: bool) -> None:
    collaterals = (Collateral("ETH", units[0], 1000.0, 0.8, 0.05, index=1.01),
                   Collateral("X", units[1], 10.0, 0.6, 0.1))
    backing = Account(collaterals, (Debt("USDC", 1.0, 1.0),)).sides()[0]
    scale = backing / health / (units[2] + units[3])
    who = Account(collaterals, (Debt("USDC", units[2] * scale, 1.0, index=1.1), Debt("DAI", units[3] * scale, 1.0)))
    done = liquidate(who, full_below=1.0 if whole else 0.0)
    assert done.settled
    assert (done.amount >= 0.0).all()
    assert imbalance(done) < 1e-13
    assert done.total(SEIZED) <= 1.1 * done.total(REPAID) * (1 + 1e-12)
    assert done.total(DEFICITS) == 0.0 or not done.amount.any()

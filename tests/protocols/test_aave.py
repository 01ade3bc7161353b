"""Aave's rules: worked by hand, at their edges, and as properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import ACCOUNTS_LIQUIDATED, DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.tables import CASH, DEBTS, DEFICIT, DEPOSITS, HIT, TREASURY
from delever.model.errors import InputError
from delever.protocols.aave import Aave
from protocols.one_account import LIQUIDATOR, Account, Call, Collateral, Debt, call, imbalance, ready

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

VERSIONS = ("v2", "v3_0", "v3_3")


def liquidate(who: Account, version: str, fee: float = 0.0, most: float = 0.0, **fields: float) -> Call:
    return call(ready(Aave(version=version, **fields), who, fee), who, most)


def one_pair(health: float, debt: float = 10_000.0, price: float = 2000.0, threshold: float = 0.8,
             incentive: float = 0.05) -> Account:
    """ETH against USDC with this health factor."""
    return Account((Collateral("ETH", health * debt / threshold / price, price, threshold, incentive),),
                   (Debt("USDC", debt, 1.0),))


def test_half_a_loan_is_repaid_and_its_worth_and_a_bonus_seized() -> None:
    """10 ETH at 1000, threshold 0.8, debt 8200: HF 0.9756. Repay 4100, seize 4.305 ETH, of the bonus 0.205 a tenth."""
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.8, 0.05),), (Debt("USDC", 8200.0, 1.0),))
    done = liquidate(who, "v3_0", fee=0.1)
    assert (done.repay, done.seize, done.kept) == pytest.approx((4100.0, 4.305, 0.0205), rel=1e-12)
    assert done.amount == pytest.approx([5.695, 4100.0], rel=1e-12)
    assert [fill[:2] for fill in done.sales] == [("ETH", "USDC")]
    assert done.sales[0][2] == pytest.approx(4.2845, rel=1e-12)
    assert done.tokens(LIQUIDATOR, "ETH") == pytest.approx(4.2845) == -done.tokens(CASH, "ETH")
    assert done.tokens(LIQUIDATOR, "USDC") == pytest.approx(-4100.0) == -done.tokens(CASH, "USDC")
    booked = [done.booked(DEPOSITS, "ETH"), done.booked(TREASURY, "ETH"), done.booked(DEBTS, "USDC")]
    assert booked == pytest.approx([-4.305, 0.0205, -4100.0])
    totals = [done.total(i) for i in (LIQUIDATIONS, ACCOUNTS_LIQUIDATED, REPAID, SEIZED, PROTOCOL_FEE, DEFICITS)]
    assert totals == pytest.approx([1, 1, 4100.0, 4305.0, 20.5, 0.0])
    assert done.touched.flags[0] & HIT
    assert imbalance(done) < 1e-15


def test_interest_is_repaid_at_the_index_and_kept_at_index_one() -> None:
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.8, 0.05, index=1.25),), (Debt("USDC", 8200.0, 1.0, index=1.6),))
    done = liquidate(who, "v3_0")
    assert (done.repay, done.seize) == pytest.approx((4100.0, 4.305), rel=1e-12)
    assert done.amount == pytest.approx([5.695 / 1.25, 4100.0 / 1.6], rel=1e-12)
    assert imbalance(done) < 1e-15


def test_the_same_asset_on_both_sides_is_booked_on_both() -> None:
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.8),), (Debt("ETH", 8.2, 1000.0),))
    done = liquidate(who, "v3_0", fee=0.1)
    assert done.tokens(LIQUIDATOR, "ETH") == pytest.approx(4.305 - 0.0205 - 4.1)
    assert imbalance(done) < 1e-15


@pytest.mark.parametrize("version", VERSIONS)
def test_health_of_exactly_one_is_safe_and_below_it_is_not(version: str) -> None:
    assert liquidate(one_pair(1.0, threshold=0.75, price=1024.0, debt=12288.0), version).repay == 0.0
    assert liquidate(one_pair(1.0 - 1e-12, threshold=0.75, price=1024.0, debt=12288.0), version).repay > 0.0


@pytest.mark.parametrize(("version", "health", "share"), [
    ("v2", 0.9, 0.5), ("v2", 0.951, 0.5), ("v3_0", 0.951, 0.5), ("v3_0", 0.949, 1.0), ("v3_3", 0.951, 0.5),
    ("v3_3", 0.949, 1.0)])
def test_the_close_factor_falls_away_below_a_health_of_095_except_in_v2(version: str, health: float, share: float
                                                                       ) -> None:
    assert liquidate(one_pair(health), version).repay == pytest.approx(share * 10_000.0, rel=1e-12)


def test_a_health_of_exactly_095_is_repaid_in_full() -> None:
    who = Account((Collateral("ETH", 95.0, 64.0, 0.5),), (Debt("USDC", 3200.0, 1.0),))
    assert who.sides() == (3040.0, 3200.0)  # 0.95 to the last bit
    assert liquidate(who, "v3_0").repay == 3200.0


@pytest.mark.parametrize(("debt", "share"), [(1999.9, 1.0), (2000.0, 0.5), (2500.0, 0.5)])
def test_v3_3_repays_a_leg_under_2000_usd_in_full(debt: float, share: float) -> None:
    assert liquidate(one_pair(0.99, debt), "v3_3").repay == pytest.approx(share * debt, rel=1e-12)
    assert liquidate(one_pair(0.99, debt), "v3_0").repay == pytest.approx(0.5 * debt, rel=1e-12)


def test_v3_3_repays_in_full_where_the_collateral_leg_is_under_2000_usd() -> None:
    who = Account((Collateral("ETH", 1.0, 1990.0, 0.8), Collateral("WBTC", 1.0, 30_000.0, 0.8, callable=False)),
                  (Debt("USDC", 26_000.0, 1.0),))
    done = liquidate(who, "v3_3")
    assert (done.seize, done.repay) == pytest.approx((1.0, 1990.0 / 1.05), rel=1e-12)


def test_v3_3_takes_the_close_factor_of_the_whole_debt_from_one_leg() -> None:
    who = Account((Collateral("ETH", 10.0, 2000.0, 0.8),), (Debt("USDC", 12_000.0, 1.0), Debt("DAI", 4500.0, 1.0)))
    assert liquidate(who, "v3_3").repay == pytest.approx(8250.0)  # half of 16500
    assert liquidate(who, "v3_0").repay == pytest.approx(6000.0)  # half of the leg


def test_v3_3_repays_less_where_that_leaves_no_dust() -> None:
    """Half of 5000 would leave 100 of the 2600 USDC: so 1600 are repaid and 1000 left. DAI 2400 can be cleared."""
    who = Account((Collateral("ETH", 3.0, 2050.0, 0.8),), (Debt("USDC", 2600.0, 1.0), Debt("DAI", 2400.0, 1.0)))
    only_usdc = replace(who, debts=(who.debts[0], replace(who.debts[1], callable=False)))
    done = liquidate(only_usdc, "v3_3")
    assert done.repay == pytest.approx(1600.0, rel=1e-12)
    assert done.units_left("USDC", Debt) == pytest.approx(1000.0, rel=1e-12)
    assert liquidate(who, "v3_3").debt == "DAI"  # clearing it pays more


def test_v3_3_a_pair_that_cannot_but_leave_dust_is_not_called() -> None:
    """An offer of part of 900 owed leaves less than 1000 whatever is repaid."""
    who = one_pair(0.97, debt=900.0)
    assert liquidate(who, "v3_3", most=100.0).repay == 0.0
    assert liquidate(who, "v3_0", most=100.0).repay == 100.0
    assert liquidate(who, "v3_3").repay == 900.0


def test_the_pair_that_earns_most_is_called_and_the_first_of_equals() -> None:
    debts = (Debt("USDC", 9000.0, 1.0), Debt("DAI", 9000.0, 1.0))
    rich = Account((Collateral("ETH", 5.0, 2000.0, 0.8, 0.05), Collateral("WBTC", 0.4, 30_000.0, 0.75, 0.1)), debts)
    done = liquidate(rich, "v3_0")
    assert (done.collateral, done.debt) == ("WBTC", "USDC")
    equal = Account((Collateral("ETH", 5.0, 2000.0, 0.8, 0.05), Collateral("stETH", 5.0, 2000.0, 0.8, 0.05)), debts)
    done = liquidate(equal, "v3_0")
    assert (done.collateral, done.debt) == ("ETH", "USDC")


def test_legs_equal_in_worth_compare_equal_whatever_their_units() -> None:
    """A collateral that is taken whole earns the same against every debt: rounding must not choose."""
    for price in np.linspace(0.1, 3.0, 59):
        debts = (Debt("USDC", 90_000.0 / price, float(price)), Debt("DAI", 90_000.0, 1.0))
        who = Account((Collateral("ETH", 7.0, 1999.7, 0.8, 0.05),), debts)
        assert liquidate(who, "v3_0").debt == "USDC"


def test_legs_that_are_not_callable_or_not_positive_are_left_alone() -> None:
    """A signed remainder counts in the health and cannot be touched."""
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.8), Collateral("rest", -0.2, 1000.0, 0.8, callable=False)),
                  (Debt("USDC", 8200.0, 1.0), Debt("left", -300.0, 1.0, callable=False)))
    assert who.sides() == pytest.approx((7840.0, 7900.0))
    done = liquidate(who, "v3_0")
    assert done.repay == pytest.approx(4100.0)
    assert done.amount[[1, 3]].tolist() == [-0.2, -300.0]


def test_an_account_without_debt_or_without_collateral_is_not_called() -> None:
    none_owed = Account((Collateral("ETH", 1.0, 1000.0, 0.8),), (Debt("USDC", 0.0, 1.0),))
    none_held = Account((Collateral("ETH", 0.0, 1000.0, 0.8),), (Debt("USDC", 10.0, 1.0),))
    for who in (none_owed, none_held):
        done = liquidate(who, "v3_0")
        assert not done.settled
        assert (done.repay, done.total(LIQUIDATIONS), done.sales) == (0.0, 0.0, [])


@pytest.mark.parametrize("version", VERSIONS)
def test_debt_without_collateral_is_a_deficit_in_v3_3_and_stays_before(version: str) -> None:
    """1 ETH at 1000 against 2500 and 100: all of it is seized for 1000 / 1.05."""
    debts = (Debt("USDC", 2500.0, 1.0), Debt("DAI", 100.0, 1.0, index=2.0))
    who = Account((Collateral("ETH", 1.0, 1000.0, 0.8),), debts)
    done = liquidate(who, version)
    assert done.amount[0] == 0.0
    assert done.repay == pytest.approx(1000.0 / 1.05, rel=1e-12)
    if version == "v3_3":
        assert done.amount.tolist() == [0.0, 0.0, 0.0]
        deficits = [done.booked(DEFICIT, "USDC"), done.booked(DEFICIT, "DAI"), done.total(DEFICITS)]
        assert deficits == pytest.approx([2500.0 - 1000.0 / 1.05, 100.0, 2600.0 - 1000.0 / 1.05])
    else:
        assert done.amount[1:] == pytest.approx([2500.0 - 1000.0 / 1.05, 50.0])
        assert done.total(DEFICITS) == 0.0
    assert imbalance(done) < 1e-15


@pytest.mark.parametrize("incentive", [0.05, 0.1])
@pytest.mark.parametrize("beyond", [-0.01, 0.01])
def test_a_liquidation_lowers_health_iff_the_loan_is_beyond_the_toxic_frontier(incentive: float, beyond: float) -> None:
    """The frontier is a loan-to-value of 1 / (1 + incentive)."""
    ltv, threshold = 1.0 / (1.0 + incentive) + beyond, 0.85
    who = one_pair(threshold / ltv, threshold=threshold, incentive=incentive)
    done = liquidate(who, "v2", close_factor=0.2)
    assert done.repay == pytest.approx(2000.0)
    assert (done.health < who.health()) == (beyond > 0.0)


@pytest.mark.parametrize("value", [0.0, 1.5, 50])
def test_a_close_factor_that_is_no_share_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="close_factor"):
        Aave(version="v2", close_factor=value)


def test_a_version_that_is_not_known_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="v3_3"):
        Aave(version="v3_4")


units = st.floats(0.01, 1e6)
prices = st.sampled_from([0.5, 1.0, 1.0001, 29.3, 1719.57])


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Up to three collaterals and two debts, the debt scaled to a health factor on either side of 1 and 0.95."""
    collaterals = tuple(Collateral(
        f"C{i}", draw(units), draw(prices), draw(st.floats(0.4, 0.95)), draw(st.sampled_from([0.0, 0.01, 0.05, 0.15])),
        index=draw(st.sampled_from([1.0, 1.03]))) for i in range(draw(st.integers(1, 3))))
    debts = [Debt(f"D{i}", draw(units), draw(prices), index=draw(st.sampled_from([1.0, 1.2])))
             for i in range(draw(st.integers(1, 2)))]
    health = draw(st.one_of(st.floats(0.2, 1.2), st.sampled_from([0.9499, 0.9501, 0.9999, 1.0001])))
    scale = Account(collaterals, tuple(debts)).health() / health
    return Account(collaterals, tuple(replace(d, units=d.units * scale) for d in debts))


@settings(max_examples=300, deadline=None)
@given(accounts(), st.sampled_from(VERSIONS), st.sampled_from([0.0, 0.1]))
def test_a_call_takes_no_more_than_there_is_and_balances(who: Account, version: str, fee: float) -> None:
    backing, debt = who.sides()
    done = liquidate(who, version, fee)
    assert done.settled == (done.repay > 0.0) == (backing < debt)
    if not done.settled:
        return
    assert (done.amount >= 0.0).all()
    assert imbalance(done) < 1e-12
    assert done.total(DEFICITS) == 0.0 or (version == "v3_3" and not done.amount.any())
    taken = next(leg for leg in who.collaterals if leg.asset == done.collateral)
    repaid = next(leg for leg in who.debts if leg.asset == done.debt)
    assert 0.0 < done.seize <= taken.units * (1 + 1e-15)
    assert done.repay <= repaid.units * (1 + 1e-15)
    assert 0.0 <= done.kept <= fee * taken.incentive * done.seize
    assert done.seize * taken.price == pytest.approx(done.repay * repaid.price * (1.0 + taken.incentive), rel=1e-9)
    limit = {"v2": 0.5, "v3_0": 0.5 if backing > 0.95 * debt else 1.0}.get(version, 1.0) * repaid.units
    assert done.repay <= limit * (1 + 1e-12)
    if version == "v3_3":
        check_v3_3(who, done, taken, repaid)


def check_v3_3(who: Account, done: Call, taken: Collateral, repaid: Debt) -> None:
    backing, debt = who.sides()
    held, owed, value = taken.units * taken.price, repaid.units * repaid.price, done.repay * repaid.price
    if backing > 0.95 * debt and held >= 2000.0 and owed >= 2000.0:
        assert value <= 0.5 * debt * (1 + 1e-12)
    rest_c, rest_d = held - done.seize * taken.price, owed - value
    cleared = min(rest_c / held, rest_d / owed) < 1e-12
    assert cleared or min(rest_c, rest_d) >= 1000.0 - 1e-9 * (held + owed)

"""Compound v2's rules worked by hand, in worlds, and what they share with Aave's; and rows that users state."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import DEFICITS, PROTOCOL_FEE
from delever.core.tables import CASH, TREASURY
from delever.model.errors import InputError
from delever.protocols.aave import Aave
from delever.protocols.compound import Compound
from delever.protocols.fixed_spread import FixedSpread
from delever.worlds import resolve
from protocols.one_account import LIQUIDATOR, Account, Call, Collateral, Debt, call, imbalance, ready
from protocols.test_aave import accounts
from run.small import loan, one_market

pytestmark = pytest.mark.usefixtures("tables_of_their_own")


def liquidate(who: Account, **fields: float) -> Call:
    return call(ready(Compound(version="v2", **fields), who), who)


def test_one_call_by_hand() -> None:
    """10 ETH as cTokens at exchange rate 1.25, 1000 USD each, factor 0.8, owes 8200 at 8 % incentive: 4100 for 4.428 ETH.

    2.8 % of that, 0.123984 ETH, goes to reserves, of cash that stays in the market.
    """
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.8, 0.08, index=1.25),), (Debt("USDC", 8200.0, 1.0),))
    done = liquidate(who, seize_share=0.028)
    assert (done.repay, done.seize, done.kept) == pytest.approx((4100.0, 4.428, 0.123984), rel=1e-14)
    assert done.amount == pytest.approx([(10.0 - 4.428) / 1.25, 4100.0], rel=1e-14)
    assert done.tokens(LIQUIDATOR, "ETH") == pytest.approx(4.304016, rel=1e-14) == -done.tokens(CASH, "ETH")
    assert done.booked(TREASURY, "ETH") == pytest.approx(0.123984, rel=1e-14)
    assert done.total(PROTOCOL_FEE) == pytest.approx(123.984, rel=1e-14)
    assert imbalance(done) < 1e-15


@pytest.mark.parametrize(("incentive", "treasury", "kept"), [(0.10, 0.5, 205.0), (0.08, 0.25, 82.0), (0.06, 1.0, 246.0)])
def test_venus_gives_the_treasury_its_share_of_the_bonus_alone(incentive: float, treasury: float, kept: float) -> None:
    """4100 repaid of 8200: of what is seized 4100 x incentive is the bonus, of which Liquidator.sol keeps a percent."""
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.8, incentive),), (Debt("USDC", 8200.0, 1.0),))
    done = call(ready(Compound(version="venus"), who, fee=treasury), who)
    assert (done.repay, done.seize) == pytest.approx((4100.0, 4.1 * (1.0 + incentive)), rel=1e-14)
    assert done.kept * 1000.0 == pytest.approx(kept, rel=1e-12)
    total, seized = round((1.0 + incentive) * 10**18), round(done.seize * 10**18)  # the contract's integers
    ours = seized * (total - 10**18) // total * round(treasury * 10**18) // 10**18
    assert done.kept == pytest.approx(ours / 10**18, rel=1e-12)
    assert done.booked(TREASURY, "ETH") == done.kept
    assert imbalance(done) < 1e-15


@pytest.mark.parametrize("health", [0.2, 0.9, 0.96, 0.9999])
def test_no_health_however_low_lifts_the_close_factor(health: float) -> None:
    """Against 0.95 in Aave 3: at any price with collateral enough, half."""
    who = Account((Collateral("ETH", health * 8000.0 / 0.1 / 2000.0, 2000.0, 0.1, 0.08),), (Debt("USDC", 8000.0, 1.0),))
    assert liquidate(who).repay == 4000.0
    assert liquidate(who, close_factor=0.25).repay == 2000.0


@pytest.mark.parametrize("debt", [1e-6, 10.0, 1999.0])
def test_a_small_borrow_is_halved_too(debt: float) -> None:
    who = Account((Collateral("ETH", 0.97 * debt / 0.8, 1.0, 0.8, 0.08),), (Debt("USDC", debt, 1.0),))
    assert liquidate(who).repay == 0.5 * debt


def test_what_the_last_collateral_does_not_cover_stays_owed() -> None:
    who = Account((Collateral("ETH", 1.0, 1000.0, 0.8, 0.08),), (Debt("USDC", 2500.0, 1.0), Debt("DAI", 100.0, 1.0)))
    done = liquidate(who)
    assert done.seize == 1.0
    assert done.amount.tolist() == pytest.approx([0.0, 2500.0 - 1000.0 / 1.08, 100.0], rel=1e-14)
    assert done.total(DEFICITS) == 0.0


@settings(max_examples=200, deadline=None)
@given(accounts(), st.sampled_from([0.0, 0.028, 0.5]))
def test_a_call_is_aaves_of_version_2_but_for_the_share_that_goes_to_reserves(who: Account, share: float) -> None:
    ours, aave = liquidate(who, seize_share=share), call(ready(Aave(version="v2"), who), who)
    assert ours.amount.tolist() == aave.amount.tolist()
    assert (ours.collateral, ours.debt, ours.repay, ours.seize) == (aave.collateral, aave.debt, aave.repay, aave.seize)
    assert (ours.kept, aave.kept) == (share * ours.seize, 0.0)
    assert imbalance(ours) < 1e-12


@settings(max_examples=100, deadline=None)
@given(accounts(), st.sampled_from(["v2", "v3_0", "v3_3"]))
def test_a_row_that_a_user_states_is_the_row_of_the_protocol(who: Account, version: str) -> None:
    stated = {"v2": {}, "v3_0": {"full_below": 0.95},
              "v3_3": {"full_below": 0.95, "of_whole_debt": True, "full_under": 2000.0, "least_left": 1000.0, "writes_off": True}}
    one, other = (call(ready(rules, who, fee=0.1), who) for rules in (FixedSpread(**stated[version]), Aave(version=version)))
    assert one.amount.tolist() == other.amount.tolist()
    assert (one.repay, one.seize, one.kept, one.total(DEFICITS)) == (other.repay, other.seize, other.kept, other.total(DEFICITS))


def test_kinds_are_found_by_their_names() -> None:
    assert [resolve("protocols", name) for name in ("aave", "compound", "fixed_spread")] == [Aave, Compound, FixedSpread]
    assert one_market(loan("ann", 1.0, 100.0), rules="compound.v2").protocols["pool"].rules == Compound(version="v2")


@pytest.mark.parametrize(("rules", "parameters", "message"), [
    ("compound.v2", {"ETH": {"protocol_fee": 0.1}},
     r"protocols\.pool\.parameters\.ETH\.protocol_fee has no meaning here: 0\.1; .*set `rules\.seize_share`"),
    ("compound.v3", {}, r"protocols\.pool\.rules\.version is 'v3'; .*rules of its own: `comet\.usdc`"),
    ("compound", {}, r"protocols\.pool\.rules\.version is missing"),
    ({"kind": "compound.v2", "seize_share": 1.0}, {}, r"protocols\.pool\.rules\.seize_share is 1"),
    ({"kind": "compound.v2", "close_factor": 50}, {}, r"protocols\.pool\.rules\.close_factor is 50"),
    ({"kind": "fixed_spread", "full_below": -1}, {}, r"protocols\.pool\.rules\.full_below is -1"),
])
def test_bad_input_is_one_line_that_says_where_and_what_to_do(rules: Any, parameters: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        one_market(loan("ann", 1.0, 100.0), rules=rules, parameters=parameters)
    assert "\n" not in str(raised.value)

"""Aave v4's rules: the worked cases of its own documents and tests, by hand, at their edges, against exact fractions.

Judged by documents, not by the contract, which no package has: aave/aave-v4 @726fe28 docs/features/LiquidationEngine.md and
@1168687 tests/unit/libraries/LiquidationLogic. The second implementation below follows the document and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from delever.core.outcomes import DEFICITS
from delever.core.tables import DEFICIT
from delever.protocols.aave import Aave
from delever.protocols.fixed_spread import FixedSpread, bonus_share
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, ready
from protocols.test_aave import accounts

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

DUST = 1000.0


def liquidate(who: Account, fee: float = 0.0, most: float = 0.0, **fields: float) -> Call:
    return call(ready(Aave(version="v4", **fields), who, fee), who, most)


def full(**fields: float) -> dict[str, float]:
    """Terms with which the whole incentive is paid at any health."""
    return {"least_bonus": 1.0, "full_bonus_at": 0.9, **fields}


# --- what the protocol's own documents and tests work out -------------------------------------------------------------------


@pytest.mark.parametrize(("health", "least", "full_at", "incentive", "paid"), [
    (0.95, 0.8, 0.85, 0.05, 0.04 + 0.01 / 3.0), (0.80, 0.8, 0.85, 0.05, 0.05),  # LiquidationEngine.md, examples 1 and 2
    (1.0 - 1e-15, 0.5, 0.8, 0.10, 0.05), (0.96, 0.5, 0.8, 0.10, 0.06),  # LiquidationBonus.t.sol
])
def test_the_bonus_is_that_of_the_worked_examples(health: float, least: float, full_at: float, incentive: float, paid: float
                                                  ) -> None:
    assert incentive * bonus_share(health, 1.0, least, full_at) == pytest.approx(paid, rel=1e-9)


def worked(collateral: float) -> Call:
    """LiquidationAmounts.t.sol: 10,000 USD owed at health 0.8, of it 5 at 2000 USD; of the bonus of 20 % a tenth is kept."""
    backs = 8000.0 - 0.5 * collateral  # other collateral, of which nothing may be taken
    who = Account((Collateral("USDC", collateral, 1.0, 0.5, 0.2), Collateral("rest", backs / 0.5, 1.0, 0.5, 0.0, callable=False)),
                  (Debt("ETH", 5.0, 2000.0),))
    return liquidate(who, fee=0.1, most=3.0, target_health=1.0, least_bonus=0.5, full_bonus_at=0.8)


def test_enough_collateral_repays_what_the_target_asks_for() -> None:
    """10,000 x 0.2 / (1 - 1.2 x 0.5) = 5000 USD, 2.5 ETH; 6000 USDC, of whose bonus of 1000 100 are kept."""
    done = worked(11_000.0)
    assert (done.repay, done.seize, done.kept) == pytest.approx((2.5, 6000.0, 100.0), rel=1e-12)


def test_insufficient_collateral_is_taken_whole_for_as_much_less() -> None:
    """3000 USDC pay for 2500 USD, 1.25 ETH; of the bonus of 500 50 are kept."""
    done = worked(3000.0)
    assert (done.repay, done.seize, done.kept) == pytest.approx((1.25, 3000.0, 50.0), rel=1e-12)


# --- by hand ----------------------------------------------------------------------------------------------------------------


def test_a_call_brings_the_account_to_its_target_and_no_further() -> None:
    """10 ETH at 2000, threshold 0.8, bonus 5 %, 16,500 owed: health 0.9697; 16,500 (1.2 - 0.9697) / (1.2 - 0.84) = 10,555.56."""
    who = Account((Collateral("ETH", 10.0, 2000.0, 0.8, 0.05),), (Debt("USDC", 16_500.0, 1.0),))
    done = liquidate(who, **full(target_health=1.2))
    assert done.repay == pytest.approx((1.2 * 16_500.0 - 16_000.0) / 0.36, rel=1e-12)
    assert done.seize == pytest.approx(done.repay * 1.05 / 2000.0, rel=1e-12)
    assert done.health == pytest.approx(1.2, rel=1e-12)
    assert imbalance(done) < 1e-15


def test_interest_counts_on_both_sides() -> None:
    who = Account((Collateral("ETH", 10.0, 2000.0, 0.8, 0.05, index=1.25),), (Debt("USDC", 16_500.0, 1.0, index=1.6),))
    done = liquidate(who, **full(target_health=1.2))
    assert done.repay == pytest.approx(3800.0 / 0.36, rel=1e-12)
    assert done.health == pytest.approx(1.2, rel=1e-12)


def test_an_edge_of_health_one_is_safe() -> None:
    who = Account((Collateral("ETH", 8.0, 1024.0, 0.75, 0.05),), (Debt("USDC", 6144.0, 1.0),))
    assert liquidate(who).repay == 0.0
    assert liquidate(replace(who, debts=(Debt("USDC", 6144.0 * (1.0 + 1e-12), 1.0),))).repay > 0.0


def test_debt_that_would_be_dust_is_repaid_beyond_the_target() -> None:
    """Two debts: what the target asks for leaves 900 of 3000 DAI, so all of it goes; of 3200 it leaves 1100, which stay."""
    def with_dai(dai: float) -> tuple[Account, float]:
        who = Account((Collateral("ETH", 10.0, 2000.0, 0.8, 0.05),),
                      (Debt("USDC", 16_100.0 - dai, 1.0, callable=False), Debt("DAI", dai, 1.0)))
        return who, 1.0 + (2100.0 * (1.0 - 0.84) - 100.0) / (16_100.0 - 2100.0)  # the target for which 2100 are repaid
    who, target = with_dai(3000.0)
    done = liquidate(who, **full(target_health=target))
    assert done.repay == pytest.approx(3000.0, rel=1e-12)
    assert done.units_left("DAI", Debt) == 0.0
    assert done.health > target
    who, target = with_dai(3200.0)
    done = liquidate(who, **full(target_health=target))
    assert done.repay == pytest.approx(2100.0, rel=1e-9)
    assert done.health == pytest.approx(target, rel=1e-12)


def test_collateral_that_would_be_dust_is_taken_whole_beyond_the_target() -> None:
    """What the target asks for takes 8400 of 9300 USD of ETH: all of it goes for 9300 / 1.05. Of 9500 USD 1100 stay."""
    def with_eth(eth: float) -> Account:
        held = Collateral("ETH", eth / 2000.0, 2000.0, 0.8, 0.05), Collateral("BTC", 1.0, 30_000.0, 0.8, callable=False)
        return Account(held, (Debt("USDC", (0.8 * (30_000.0 + eth)) / 0.99, 1.0),))
    who = with_eth(9300.0)
    target = (0.8 * 39_300.0 - 0.84 * 8000.0) / (who.sides()[1] - 8000.0)
    done = liquidate(who, **full(target_health=target))
    assert (done.seize, done.repay) == pytest.approx((4.65, 9300.0 / 1.05), rel=1e-12)
    assert done.units_left("ETH", Collateral) == 0.0
    who = with_eth(9500.0)
    target = (0.8 * 39_500.0 - 0.84 * 8000.0) / (who.sides()[1] - 8000.0)
    done = liquidate(who, **full(target_health=target))
    assert done.repay == pytest.approx(8000.0, rel=1e-9)
    assert done.units_left("ETH", Collateral) == pytest.approx(0.55, rel=1e-9)


def test_who_brings_less_than_dust_asks_for_repays_what_leaves_none() -> None:
    """Of 3000 owed the target asks for all; 2500 would leave 500: so 2000 are repaid. Of 900 part is no call at all."""
    who = Account((Collateral("ETH", 1.84, 2000.0, 0.8, 0.05),), (Debt("USDC", 3000.0, 1.0),))
    assert liquidate(who, **full(target_health=5.0)).repay == pytest.approx(3000.0)
    assert liquidate(who, most=2500.0, **full(target_health=5.0)).repay == pytest.approx(2000.0)
    assert liquidate(who, most=1500.0, **full(target_health=5.0)).repay == pytest.approx(1500.0)
    small = Account((Collateral("ETH", 0.55, 2000.0, 0.8, 0.05),), (Debt("USDC", 900.0, 1.0),))
    assert liquidate(small, **full()).repay == pytest.approx(900.0)
    assert liquidate(small, most=800.0, **full()).repay == 0.0


def test_what_the_last_collateral_does_not_cover_is_a_deficit_of_every_debt() -> None:
    """2 ETH at 1000 against 2500 and 100: all of it is seized for 2000 / 1.05."""
    who = Account((Collateral("ETH", 2.0, 1000.0, 0.8),), (Debt("USDC", 2500.0, 1.0), Debt("DAI", 100.0, 1.0, index=2.0)))
    done = liquidate(who)
    assert done.repay == pytest.approx(2000.0 / 1.05, rel=1e-12)
    assert done.amount.tolist() == [0.0, 0.0, 0.0]
    assert [done.booked(DEFICIT, "USDC"), done.booked(DEFICIT, "DAI")] == pytest.approx([2500.0 - 2000.0 / 1.05, 100.0])
    assert done.total(DEFICITS) == pytest.approx(2600.0 - 2000.0 / 1.05)


def test_where_no_call_brings_it_to_the_target_as_much_as_there_is_is_repaid() -> None:
    """Threshold 0.99 and 10 %: each unit repaid takes 1.089 of backing."""
    who = Account((Collateral("ETH", 10.0, 1000.0, 0.99, 0.1),), (Debt("USDC", 9950.0, 1.0),))
    done = liquidate(who, **full(target_health=1.05))
    assert (done.seize, done.repay) == pytest.approx((10.0, 10_000.0 / 1.1), rel=1e-12)


def test_what_a_user_states_of_it_is_the_row_of_the_protocol() -> None:
    who = Account((Collateral("ETH", 10.0, 2000.0, 0.8, 0.05),), (Debt("USDC", 16_500.0, 1.0),))
    row = FixedSpread(close_factor=1.0, least_left=DUST, clears_dust=True, writes_off=True, target_health=1.24, least_bonus=0.9,
                      full_bonus_at=0.9)
    stated, own = call(ready(row, who), who), liquidate(who)
    assert stated.amount.tolist() == own.amount.tolist()


# --- against the document, in exact fractions -------------------------------------------------------------------------------


class Amounts(NamedTuple):
    """Worth repaid and seized."""

    repaid: Fraction
    seized: Fraction


def by_the_document(who: Account, taken: Collateral, repaid: Debt, target_health: float, least_bonus: float, full_bonus_at: float
                    ) -> Amounts:
    """Steps 2 to 4 of the document's liquidation process, of who brings all that is asked for. Worth, without rounding."""
    worth = {leg: Fraction(leg.units) * Fraction(leg.price) for leg in who.legs}
    owes = sum((worth[leg] for leg in who.debts), Fraction(0))
    health = sum((worth[leg] * Fraction(leg.threshold) for leg in who.collaterals), Fraction(0)) / owes
    held, owed = worth[taken], worth[repaid]
    max_lb = 1 + Fraction(taken.incentive)
    min_lb, full_at, target = (max_lb - 1) * Fraction(least_bonus) + 1, Fraction(full_bonus_at), Fraction(target_health)
    lb = max_lb if health <= full_at else min_lb + (max_lb - min_lb) * (1 - health) / (1 - full_at)
    penalty, debt = lb * Fraction(taken.threshold), owed
    if penalty < target:
        debt = min(debt, owes * (target - health) / (target - penalty))
    if debt < owed and owed - debt < 1000:
        debt = owed
    seized = debt * lb
    if seized > held or (held - seized < 1000 and debt < owed):
        seized, debt = held, held / lb
    return Amounts(debt, seized)


terms = st.fixed_dictionaries({
    "target_health": st.sampled_from([1.0, 1.0442, 1.24, 2.0]), "least_bonus": st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    "full_bonus_at": st.sampled_from([0.0, 0.9, 0.99])})


@settings(max_examples=400, deadline=None)
@given(accounts(), terms, st.sampled_from([0.0, 0.1]))
def test_a_call_is_the_one_that_the_document_describes(who: Account, stated: dict[str, float], fee: float) -> None:
    """Of all pairs the one that pays most; its size as worked out in fractions, but where an edge is nearer than rounding."""
    backing, debt = who.sides()
    done = liquidate(who, fee=fee, **stated)
    assert done.settled == (done.repay > 0.0) == (backing < debt)
    if not done.settled:
        return
    assert imbalance(done) < 1e-12
    taken = next(leg for leg in who.collaterals if leg.asset == done.collateral)
    repaid = next(leg for leg in who.debts if leg.asset == done.debt)
    said = {(c, d): by_the_document(who, c, d, **stated) for c in who.collaterals for d in who.debts}
    assume(all(not near_an_edge(who, c, d, stated) for c, d in said))
    mine = said[taken, repaid]
    assert done.repay * repaid.price == pytest.approx(float(mine.repaid), rel=1e-9)
    assert done.seize * taken.price == pytest.approx(float(mine.seized), rel=1e-9)
    earns = [float(one.seized - one.repaid) for one in said.values()]
    assert float(mine.seized - mine.repaid) >= max(earns) * (1.0 - 1e-9)
    assert done.kept == pytest.approx(fee * (done.seize - done.seize * float(mine.repaid / mine.seized)), rel=1e-9, abs=1e-12)


def near_an_edge(who: Account, taken: Collateral, repaid: Debt, stated: dict[str, float]) -> bool:
    """Whether a change of a billionth in what is owed makes another call of it."""
    found = []
    for by in (-1e-9, 1e-9):
        other = replace(repaid, units=repaid.units * (1.0 + by))
        debts = tuple(other if leg == repaid else leg for leg in who.debts)
        found.append(by_the_document(replace(who, debts=debts), taken, other, **stated))
    return any(abs(a - b) > max(a, b) / 10**6 for a, b in zip(*found, strict=True))


@settings(max_examples=300, deadline=None)
@given(accounts(), terms)
def test_after_a_call_health_is_the_target_unless_a_leg_was_cleared(who: Account, stated: dict[str, float]) -> None:
    done = liquidate(who, **stated)
    assume(done.settled)
    cleared = 0.0 in (done.units_left(done.collateral, Collateral), done.units_left(done.debt, Debt))
    if cleared:
        return
    assert done.health == pytest.approx(stated["target_health"], rel=1e-9)
    for asset, side in ((done.collateral, Collateral), (done.debt, Debt)):
        price = next(leg.price for leg in who.legs if leg.asset == asset)
        assert done.units_left(asset, side) * price >= DUST * (1.0 - 1e-9)


@settings(max_examples=300, deadline=None)
@given(accounts(), terms, st.floats(0.02, 0.98))
def test_a_partial_call_lowers_health_iff_it_is_below_what_a_call_takes(who: Account, stated: dict[str, float], part: float
                                                                        ) -> None:
    """Outside capped and full closes: health < threshold (1 + paid)."""
    whole = liquidate(who, **stated)
    assume(whole.settled and whole.repay > 0.0)
    done = liquidate(who, most=part * whole.repay, **stated)
    assume(done.settled and done.units_left(done.collateral, Collateral) > 0.0 and done.units_left(done.debt, Debt) > 0.0)
    taken = next(leg for leg in who.collaterals if leg.asset == done.collateral)
    repaid = next(leg for leg in who.debts if leg.asset == done.debt)
    called, before = taken.threshold * done.seize * taken.price / (done.repay * repaid.price), who.health()
    assume(abs(before - called) > 1e-9 and done.repay * repaid.price > 1e-6 * who.sides()[1])
    assert (done.health < before) == (before < called)


@settings(max_examples=200, deadline=None)
@given(st.floats(0.01, 0.999999), st.floats(0.01, 0.999999), st.floats(0.0, 1.0), st.floats(0.0, 0.99))
def test_the_bonus_never_falls_as_health_does(one: float, other: float, least: float, full_at: float) -> None:
    better, worse = max(one, other), min(one, other)
    paid = [bonus_share(health, 1.0, least, full_at) for health in (better, worse)]
    assert least - 1e-12 <= paid[0] <= paid[1] + 1e-12 <= 1.0 + 2e-12


@settings(max_examples=200, deadline=None)
@given(st.floats(0.901, 0.9999), st.floats(0.5, 0.85), st.floats(0.0, 0.05), st.floats(0.01, 0.99))
def test_where_the_most_that_a_call_takes_is_not_above_the_full_bonus_no_first_part_makes_the_next_one_dearer(
        health: float, threshold: float, incentive: float, part: float) -> None:
    """(1 + incentive) x threshold <= full_bonus_at: the condition of the document, "Preventing Liquidation Splits"."""
    assume((1.0 + incentive) * threshold <= 0.9)
    held = Collateral("ETH", health * 1e5 / threshold / 1000.0, 1000.0, threshold, incentive)
    who = Account((held,), (Debt("USDC", 1e5, 1.0),))
    done = liquidate(who, most=part * liquidate(who).repay)
    assert done.health >= health * (1.0 - 1e-12)

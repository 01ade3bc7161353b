"""Liquity by hand: one trove falls and the pool burns it, or the others bear it; recovery mode, redemptions; what a run keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.core.seen_prices import price_all
from delever.core.tables import BANDS, DEBTS, DEPOSITS, SLOTS, TREASURY
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.world import World
from delever.protocols.liquity_formulas import decayed, portions, product_after, raised, redemption_fee
from delever.protocols.liquity_redeem import redeem, redeemed
from delever.protocols.liquity_system import (
    BASE_RATE,
    COLL,
    DEBT,
    GAINED,
    OFFSET,
    OPEN,
    POOL,
    POOL_COLL,
    PRODUCT,
    RATE_AT,
    REDEEMED,
    SPREAD,
    STAKES,
    System,
    entire,
)
from protocols.liquity_systems import TERMS, liquidated, opened, system
from protocols.liquity_worlds import PRICE, some_troves, standing, started, totals, troves, world
from reference.troves import ONE, Liquity, Reverted

LIQUIDATORS = -1  # the last row of the token ledger is the only actor's


def run(stated: World, steps: int = 3) -> tuple[System, Any, Any]:
    """The system, the state and the rules after so many steps; value is conserved after each."""
    chunk, state, rules = started(stated, 2)
    for _ in range(steps):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-12
    price_all(state)
    return rules.systems[0].system, state, rules


def said(state: Any, rules: Any) -> dict[str, np.ndarray]:
    """Columns by name."""
    return {value.column.name: value.values for value in rules.columns(state) + rules.amounts(state)}


# ------------------------------------------------------------- one trove falls

def test_a_pool_that_covers_it_burns_the_debt_and_gets_the_collateral_less_compensation() -> None:
    s, state, rules = run(world(troves((10.0, 1.2), (100.0, 3.0)), fall=0.1, rules={"stability_pool": {"ETH": 50_000}}))
    debt, tokens, asset = 10.0 * PRICE / 1.2, state.ledgers.tokens, {"ETH": s.of[0], "LUSD": s.of[1]}
    assert standing(s).keys() == {1} and standing(s)[1] == (100.0, pytest.approx(100.0 * PRICE / 3.0))
    assert s.sums[0, POOL] == pytest.approx(50_000.0 - debt) and s.sums[0, POOL_COLL] == pytest.approx(9.95)
    assert tokens[LIQUIDATORS, asset["ETH"], 0] == pytest.approx(0.05)
    assert tokens[LIQUIDATORS, asset["LUSD"], 0] == pytest.approx(200.0)
    assert tokens[BANDS, asset["LUSD"], 0] == pytest.approx(-debt - 200.0)  # the pool's, and what the trove had set aside
    got = said(state, rules)
    assert got["burned"][0] == pytest.approx(debt) and got["redistributed"][0] == 0.0
    assert got["unit_left"][0] == pytest.approx(1.0 - debt / 50_000.0) and got["unit_gained"][0] == pytest.approx(9.95 / 50_000.0)
    assert got["liquidations"][0] == 1.0 and got["shortfall"][0] == 0.0


def test_without_a_pool_the_others_bear_it_by_their_collateral() -> None:
    s, state, rules = run(world(troves((10.0, 1.2), (100.0, 3.0), (300.0, 4.0)), fall=0.1))
    debt = 10.0 * PRICE / 1.2
    assert standing(s)[1] == (pytest.approx(100.0 + 9.95 / 4), pytest.approx(100.0 * PRICE / 3.0 + debt / 4))
    assert standing(s)[2] == (pytest.approx(300.0 + 9.95 * 3 / 4), pytest.approx(300.0 * PRICE / 4.0 + debt * 3 / 4))
    assert said(state, rules)["redistributed"][0] == pytest.approx(debt) and not state.ledgers.booked[DEBTS].any()


def test_a_pool_that_covers_half_leaves_half_to_the_others() -> None:
    debt = 10.0 * PRICE / 1.2
    s, _, _ = run(world(troves((10.0, 1.2), (100.0, 3.0)), fall=0.1, rules={"stability_pool": {"ETH": debt / 2}}))
    assert s.told[OFFSET, 0] == pytest.approx(debt / 2) and s.told[SPREAD, 0] == pytest.approx(debt / 2)
    assert s.told[GAINED, 0] == pytest.approx(9.95 / 2) and standing(s)[1][0] == pytest.approx(100.0 + 9.95 / 2)
    assert s.sums[0, POOL] == 0.0


def test_who_bears_much_is_called_next_and_the_last_never() -> None:
    """A redistribution brings the next down in the block that follows; whoever is left stays, however deep."""
    s, state, _ = run(world(troves((100.0, 1.2), (10.0, 1.25), (12.0, 1.3)), fall=0.5), steps=2)
    assert len(standing(s)) == 1 and s.sums[0, OPEN] == 1.0
    assert state.ledgers.totals[0, 0, 0] == 2.0


def test_a_trove_at_the_edge_stays_and_just_below_it_goes() -> None:
    for ratio, left in ((1.1 * (1 + 1e-9), {0, 1}), (1.1 * (1 - 1e-9), {1})):
        s, _, _ = run(world(troves((10.0, ratio), (100.0, 3.0))), steps=1)
        assert set(standing(s)) == left


# ------------------------------------------------------------- recovery mode

def test_recovery_mode_takes_a_trove_above_mcr_at_110_percent_and_leaves_it_the_rest() -> None:
    s, state, rules = run(world(troves((10.0, 1.3), (100.0, 1.5)), fall=0.01, rules={"stability_pool": {"ETH": 50_000}}), steps=1)
    debt, price = 10.0 * PRICE / 1.3, PRICE * 0.99
    given_up = debt * 1.1 / price
    assert standing(s).keys() == {1} and s.surplus[0, 0] == pytest.approx(10.0 - given_up)
    assert s.sums[0, POOL_COLL] == pytest.approx(given_up * 0.995)
    assert said(state, rules)["recovery_mode"][0] == 60.0
    assert state.ledgers.booked[DEPOSITS, s.of[2], 0] == pytest.approx(-given_up)  # the surplus is still his claim


def test_recovery_mode_leaves_a_trove_alone_that_the_pool_does_not_cover() -> None:
    pool = 0.99 * 10.0 * PRICE / 1.3
    s, _, _ = run(world(troves((10.0, 1.3), (100.0, 1.5)), fall=0.01, rules={"stability_pool": {"ETH": pool}}), steps=1)
    assert standing(s).keys() == {0, 1}


def test_in_recovery_mode_a_trove_below_100_percent_does_not_touch_the_pool() -> None:
    s, _, _ = run(world(troves((10.0, 1.2), (100.0, 1.5)), fall=0.25, rules={"stability_pool": {"ETH": 20_000}}), steps=1)
    assert s.told[OFFSET, 0] == 0.0 and s.told[SPREAD, 0] == pytest.approx(10.0 * PRICE / 1.2) and s.sums[0, POOL] == 20_000.0


@given(st.floats(0.5, 2.0), st.floats(0.0, 2.0), st.floats(0.8, 1.6))
def test_a_trove_is_never_charged_more_than_it_owes_and_holds(ratio: float, covered: float, total: float) -> None:
    debt, price = 1000.0, 2.0
    coll = ratio * debt / price
    burned, given_up, surplus, may = portions(coll, debt, ratio, price, covered * debt, total if total < 1.5 else -np.inf, 1.1)
    assert 0.0 <= burned <= min(debt, covered * debt)
    if may:
        assert given_up + surplus == pytest.approx(coll) and given_up <= coll
        assert (surplus > 0.0) <= (ratio >= 1.1)
    else:
        assert (burned, given_up, surplus) == (0.0, 0.0, 0.0) and ratio >= 1.1


@given(st.floats(1e-9, 1.0), st.floats(1.0, 1e9), st.floats(1e-12, 1.0))
def test_the_product_of_the_pool_stays_in_its_scale(product: float, pool: float, share: float) -> None:
    after, scale, epoch = product_after(product, pool * share, pool)
    assert 1e-18 <= after <= 1.0 and not (scale and epoch)
    assert epoch == (pool * share == pool) or share > 1.0 - 1e-17


def test_a_call_after_which_nothing_would_be_left_of_the_product_is_refused_whole() -> None:
    """Of a product of 1e-18 a ten-thousandth of a millionth cannot be told from nothing: floats and integers refuse the call."""
    s, exact = system(2, TERMS), Liquity()
    exact.price = int(PRICE) * ONE
    for k, (coll, debt) in enumerate(((10, 19_000), (400, 100_000))):
        opened(s, k, float(coll), float(debt))
        exact.open(k, coll * ONE, debt * ONE)
    s.sums[0, PRODUCT], s.sums[0, POOL] = 1e-18, 19_000.0 * (1.0 + 1e-10)
    exact.product, exact.pool = 1, 19_000 * ONE + 19_000 * ONE // 10**10
    tables = (s.coll, s.debt, s.stake, s.open, s.surplus, s.sums)
    before = [table.copy() for table in tables]
    assert liquidated(s, [0], PRICE) == 0
    assert all((now == then).all() for now, then in zip(tables, before, strict=True))
    with pytest.raises(Reverted, match="P would be 0"):
        exact.liquidate(0)
    assert set(exact.troves) == {0, 1} and exact.stakes == 410 * ONE
    s.sums[0, POOL] = exact.pool = 0
    assert liquidated(s, [0], PRICE) == 1 and exact.liquidate(0).closed == [0]  # without a pool nothing stands against it


# ------------------------------------------------------------- redemption

def two() -> System:
    """t0 at 150 %, t1 at 300 %, at 2000."""
    s = system(2, TERMS)
    opened(s, 0, 3.0, 4000.0)
    opened(s, 1, 30.0, 20_000.0)
    return s


def test_redemption_takes_from_the_lowest_first_and_closes_it() -> None:
    s = two()
    paid, freed, drawn = redeem(0, 5000.0, PRICE, 1.0, True, s)
    assert (paid, freed, drawn) == (5000.0, 200.0, 2.5)
    assert s.surplus[0, 0] == pytest.approx(3.0 - 1.9) and standing(s)[1] == (pytest.approx(29.4), pytest.approx(18_800.0))
    assert s.sums[0, COLL] == pytest.approx(29.4) and s.sums[0, DEBT] == pytest.approx(18_800.0)
    assert s.sums[0, STAKES] == pytest.approx(29.4)


def test_a_redemption_ends_at_a_trove_that_would_keep_too_little() -> None:
    s = two()
    assert redeem(0, 2001.0, PRICE, 1.0, True, s)[0] == 0.0  # 1999 would be left
    assert redeem(0, 2000.0, PRICE, 1.0, True, s)[0] == 2000.0


@pytest.mark.parametrize("units", [2000.0, 2001.0, 5000.0, 30_000.0])
def test_what_troves_would_give_is_what_they_give_and_asking_takes_nothing(units: float) -> None:
    """In a transaction of several everything is asked before anything is done."""
    s = two()
    before = [part.copy() for part in (s.coll, s.debt, s.open, s.stake, s.surplus, s.sums)]
    asked = redeem(0, units, PRICE, 1.0, False, s)
    after = (s.coll, s.debt, s.open, s.stake, s.surplus, s.sums)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert redeem(0, units, PRICE, 1.0, True, s) == asked


def test_the_fee_rises_by_half_the_share_redeemed_and_the_base_rate_halves_in_twelve_hours() -> None:
    s = two()
    assert redeemed(0, 0.1, 0.0, s) == pytest.approx(0.055)
    assert redeemed(0, 0.0, 43_200.0, s) == pytest.approx(0.03) and s.sums[0, RATE_AT] == 43_200.0
    assert s.sums[0, BASE_RATE] == pytest.approx(0.025, rel=1e-12)
    assert decayed(0.05, 59.9, 43_200.0) == 0.05  # whole minutes count
    assert raised(0.99, 0.5, 2.0) == 1.0 and redemption_fee(1.0, 0.005) == 1.0


def test_below_the_peg_somebody_redeems_until_it_no_longer_pays() -> None:
    """The market is lifted to about 1 / (1 + fee); what was burned left the troves; the fee is the protocol's."""
    book = some_troves(40)
    rules = {"redemptions": True}
    s, state, _ = run(world(book, lusd=0.97, rules=rules, depth=1e6), steps=1)
    assert s.told[REDEEMED, 0] > 1000.0 and standing(s)[1][1] > 0.0
    price = float(np.exp(state.markets.price[1, 0]))
    fee = 0.005 + s.sums[0, BASE_RATE]
    assert 0.97 < price < 1.0 - fee + 1e-9
    troves_left = np.array(list(standing(s).values())).sum(0)
    owed, closed = state.ledgers.booked[DEBTS, s.of[3], 0], 40 - s.sums[0, OPEN]
    assert troves_left[1] == pytest.approx(s.sums[0, DEBT]) and owed == pytest.approx(-s.told[REDEEMED, 0] - 200.0 * closed)
    assert state.ledgers.booked[TREASURY, s.of[2], 0] > 0.0


def test_at_the_peg_nobody_redeems() -> None:
    s, _, _ = run(world(some_troves(40), lusd=0.996, rules={"redemptions": True}, depth=1e6), steps=2)
    assert s.told[REDEEMED, 0] == 0.0


# ------------------------------------------------------------- whole runs

@pytest.mark.parametrize("pool", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("per_call", [1, 5])
def test_what_troves_hold_and_owe_is_what_the_ledgers_say(pool: float, per_call: int) -> None:
    book = some_troves(60)
    held, owed = totals(60)
    rules = {"stability_pool": {"ETH": pool * owed}, "per_call": per_call, "redemptions": True, "pool_sells": 0.5}
    s, state, _ = run(world(book, fall=0.4, lusd=0.98, rules=rules, depth=1e6), steps=6)
    assert s.sums[0, OPEN] < 60
    for p in range(2):
        coll, debt = np.array(list(standing(s, p).values())).sum(0)
        claims, debts = state.ledgers.booked[DEPOSITS, s.of[2], p], state.ledgers.booked[DEBTS, s.of[3], p]
        assert coll + s.surplus[p].sum() == pytest.approx(held + claims, rel=1e-12)
        assert debt == pytest.approx(owed + debts, rel=1e-12)
        assert (coll, debt) == (pytest.approx(s.sums[p, COLL], rel=1e-9), pytest.approx(s.sums[p, DEBT], rel=1e-9))
        assert s.sums[p, STAKES] == pytest.approx((s.stake * s.open)[p].sum(), rel=1e-9)


def test_a_halt_holds_liquidations_off_until_it_ends() -> None:
    halt = [{"kind": "price", "at": 0, "over": 60, "change": {"ETH": -0.1}},
            {"kind": "pause", "at": 0, "protocol": "liquity", "lasting": 150}]
    stated = world(troves((10.0, 1.2), (100.0, 3.0))).replace("scenario.events", halt)
    chunk, state, rules = started(stated)
    left = []
    for _ in range(4):
        step(chunk, state)
        left.append(len(standing(rules.systems[0].system)))
    assert left == [2, 2, 1, 1]


def test_troves_of_one_call_bear_nothing_of_each_other() -> None:
    apart, together = (system(3, TERMS) for _ in range(2))
    for s in (apart, together):
        for k, (coll, debt) in enumerate(((10.0, 19_000.0), (20.0, 38_000.0), (400.0, 100_000.0))):
            opened(s, k, coll, debt)
    assert liquidated(together, [0, 1], PRICE) == 2
    assert liquidated(apart, [0], PRICE) == 1
    assert entire(0, 1, apart)[1] == pytest.approx(38_000.0 + 19_000.0 * 20 / 420)
    assert entire(0, 2, together) == (pytest.approx(400 + 30 * 0.995), pytest.approx(157_000.0))


def test_what_is_redistributed_is_not_seized() -> None:
    """Of two troves alike the pool takes one; of the other half a per cent goes to the caller, the rest to those who are left."""
    book = troves((10.0, 1.2), (10.0, 1.2 + 1e-9), (100.0, 3.0))
    _, state, rules = run(world(book, fall=0.1, rules={"stability_pool": {"ETH": 10.0 * PRICE / 1.2}}))
    got = said(state, rules)
    assert got["seized_collateral"][0] == pytest.approx(10.05 * 0.9 * PRICE, rel=1e-6)
    assert got["collateral_redistributed"][0] == pytest.approx(9.95, rel=1e-6)

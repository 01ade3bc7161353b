"""Redeemers: a sound coin mends, a reserve that runs dry ends at nothing, a queue has its pace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.redeem import COIN, DEEP, DUMPED, ETH, HOLDERS, USD, coin_world, ends, gained, price
from delever.core.tables import IN_FLIGHT, ISSUER
from delever.model.errors import InputError
from run.small import steps
from stated import some

LOW = 2.0 * math.log(DEEP / (DEEP + DUMPED))  # log price of the pool with DUMPED sold into it


def test_without_redeemers_the_coin_stays_where_the_sale_left_it() -> None:
    state, said = ends(coin_world())
    assert price(state) == pytest.approx(LOW, abs=1e-14)
    assert said["deepest_discount"] == pytest.approx([1.0 - math.exp(LOW)])
    assert said["discount"] == pytest.approx([1.0 - math.exp(LOW)])


def test_a_sound_coin_is_at_par_once_it_is_bought_and_its_redeemers_have_the_discount() -> None:
    state, said = ends(coin_world(redeemers={}))
    assert price(state) == pytest.approx(0.0, abs=1e-12)
    cost = DUMPED * DEEP / (DEEP + DUMPED)  # what the seller had from the pool
    assert said["redeemed"] == pytest.approx([DUMPED], rel=1e-12)
    assert gained(state, USD) == pytest.approx(DUMPED - cost, rel=1e-10)
    assert said["redeemers_earned"] == pytest.approx([DUMPED - cost], rel=1e-10)
    assert said["redemption_queue"] == [0.0]
    assert state.ledgers.tokens[ISSUER, [USD, COIN], 0] == pytest.approx([-DUMPED, DUMPED])


@pytest.mark.parametrize(("pool_fee", "fee"), [(0.003, 0.0), (0.0, 0.01), (0.003, 0.01)])
def test_it_mends_to_within_fees(pool_fee: float, fee: float) -> None:
    state, _ = ends(coin_world(redeemers={"fee": fee}, fee=pool_fee))
    assert price(state) == pytest.approx(math.log((1.0 - fee) * (1.0 - pool_fee)), abs=1e-9)


def test_a_delay_costs_carry_and_is_waited_for() -> None:
    world = coin_world(redeemers={"delay": 120, "carry": 10.0})
    waited = 120.0 / (365.0 * 86400.0)
    seen = []
    for _, state in steps(world):
        seen.append((price(state), float(state.backing.queued[0, 0]), float(state.ledgers.tokens[IN_FLIGHT, COIN, 0])))
    assert seen[0][0] == pytest.approx(-math.log1p(10.0 * waited), abs=1e-12)
    held = [queue > 0.0 for _, queue, _ in seen]
    assert held[:5] == [True, True, False, False, False]  # bought in the first block of 20 s, paid at 140 s
    assert all(queue == pytest.approx(flight, abs=1e-12) for _, queue, flight in seen)


def test_nobody_waits_longer_than_the_discount_pays_for() -> None:
    seconds, pace = 20_000.0, 0.005  # that the discount at the start pays for; units a second
    carry = (math.exp(-LOW) - 1.0) / seconds * 365.0 * 86400.0
    terms = {"capacity": pace * 86400.0, "carry": f"{100.0 * carry} %"}
    seen = [(state.time, float(state.backing.queued[0, 0])) for _, state in steps(
        coin_world(redeemers=terms, execution={"rounds": 1}, scenario={"horizon": 180}))]
    assert seen[1] == (120.0, pytest.approx(seconds * pace, rel=1e-9))  # sold at 60 s, bought at 120 s


def test_the_queue_pays_its_capacity_a_day() -> None:
    pace = 0.5  # units a second
    world = coin_world(redeemers={"capacity": pace * 86400.0}, scenario={"horizon": 900})
    paid = [float(state.ledgers.tokens[ISSUER, COIN, 0]) for _, state in steps(world)]
    assert paid[7] == 0.0  # all 250 were handed in as one, 20 s in: paid 500 s later
    assert paid[8] == pytest.approx(DUMPED, rel=1e-12)


def test_a_reserve_that_runs_dry_ends_at_exactly_nothing_and_the_peg_stays_broken() -> None:
    left = 100.0
    state, said = ends(coin_world(coin={"reserve": left}, redeemers={}))
    assert state.backing.reserve[0, 0] == 0.0
    assert said["reserve_left"] == [0.0]
    assert price(state) == pytest.approx(2.0 * math.log(DEEP / (DEEP + DUMPED - left)), abs=1e-10)
    assert said["redeemed"] == pytest.approx([left], rel=1e-10)


def test_what_the_queue_claims_of_a_reserve_is_not_bought_again() -> None:
    state, said = ends(coin_world(coin={"reserve": 100.0 / 3.0}, redeemers={"delay": 45, "capital": 7.0}))
    assert state.backing.reserve[0, 0] == 0.0 and said["redemption_queue"] == [0.0]
    assert said["redeemed"] == pytest.approx([100.0 / 3.0], rel=1e-10)


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_two_desks_share_one_reserve_and_the_faster_one_turns_his_capital_over(mode: str) -> None:
    world = coin_world(coin={"reserve": 120.0}, redeemers={"capital": 40.0, "delay": 250}, execution={"mode": mode, "rounds": 3})
    psm = {"kind": "redeemers", "asset": "COIN", "capital": 10.0, "threshold": 1e-9, "carry": 0.0}
    state, _ = ends(world.replace("actors", {**world.actors, "psm": psm}))
    slow, fast = state.ledgers.tokens[HOLDERS + 1:HOLDERS + 3, USD, 0]
    assert state.backing.reserve[0, 0] == pytest.approx(0.0, abs=1e-9)
    assert state.ledgers.tokens[ISSUER, COIN, 0] == pytest.approx(120.0, rel=1e-9)
    assert 0.0 < slow < 40.0 and fast > 10.0  # the fast one earns his capital several times over
    assert price(state) == pytest.approx(2.0 * math.log(DEEP / (DEEP + DUMPED - 120.0)), abs=1e-9)


def test_capital_bounds_what_is_bought_until_it_is_paid_back() -> None:
    state = next(iter(steps(coin_world(redeemers={"capital": 50.0, "delay": 3600}))))[1]
    assert gained(state, USD) == pytest.approx(-50.0)
    bought = DEEP + DUMPED - DEEP * DEEP / (DEEP * DEEP / (DEEP + DUMPED) + 50.0)
    assert state.backing.queued[0, 0] == pytest.approx(bought, rel=1e-12)


def test_above_par_they_mint_and_sell_down_to_what_minting_costs() -> None:
    world = coin_world(coin={"ratio": 1.0, "reserve": 0.0}, redeemers={"mint_fee": 0.01}, dumped=1e-9,
                       pool={"kind": "constant_product", "pair": "COIN/USD", "reserves": {"COIN": 1000, "USD": 1200}})
    state, said = ends(world)
    assert price(state) == pytest.approx(math.log(1.01), abs=1e-10)
    minted = math.sqrt(1.2e6 / 1.01) - 1000.0
    assert said["minted"] == pytest.approx([minted], rel=1e-6)
    assert state.backing.reserve[0, 0] == pytest.approx(1.01 * minted, rel=1e-6)
    assert state.ledgers.tokens[ISSUER, COIN, 0] == pytest.approx(-minted, rel=1e-6)


ROOM = 400.0  # units that can be sold until the pool has no more dollars
NARROW: dict[str, Any] = {"kind": "uniswap_v3", "pair": "COIN/USD", "fee": 0.0, "price": 1.05,
                          "positions": [[0, 954, ROOM / (1.0 - 1.0001**-477) * 1e18]]}  # all between 1 and 1.1


def test_what_a_market_has_no_dollars_for_is_not_minted() -> None:
    """In a batch others sell at the same time, and the pool ends at a price of 1."""
    world = coin_world(coin={"ratio": 1.0, "reserve": 0.0}, redeemers={"mint_fee": 0.0}, dumped=ROOM / 2.0, pool=NARROW,
                       execution={"mode": "batched", "rounds": 1}, scenario={"horizon": 60})
    state, said = ends(world)
    sold = float(state.markets.consumed[state.backing.market[0], 0])
    assert price(state) == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < said["minted"][0] < sold
    assert state.ledgers.tokens[HOLDERS + 1, COIN, 0] == pytest.approx(0.0, abs=1e-9), "no coin is left on his hands"
    assert state.backing.reserve[0, 0] == pytest.approx(said["minted"][0], rel=1e-12)
    assert -state.ledgers.tokens[ISSUER, COIN, 0] == pytest.approx(said["minted"][0], rel=1e-12)
    assert said["redeemers_earned"] == pytest.approx([gained(state, USD)], abs=1e-6)


def test_what_finds_no_coin_to_buy_is_money_still() -> None:
    """Both desks mean to buy all that is below the rate of 2, and share it."""
    rich = coin_world(coin={"ratio": 1.0, "rate": 2.0}, redeemers={"delay": 3600}, dumped=1e-9, pool=NARROW,
                      execution={"mode": "batched", "rounds": 1}, scenario={"horizon": 60})
    state, _ = ends(rich)
    alone = -gained(state, USD)
    again = {"kind": "redeemers", "asset": "COIN", "capital": 1e9, "carry": 0.0, "threshold": 1e-9, "delay": 3600}
    state, said = ends(rich.replace("actors", {**rich.actors, "again": again}))
    spent = -state.ledgers.tokens[HOLDERS + 1:HOLDERS + 3, USD, 0]
    assert spent == pytest.approx([alone / 2.0] * 2, rel=1e-9)
    assert said["redeemers_earned"] == pytest.approx(-spent[1:], abs=1e-6)  # the last of the two


@pytest.mark.parametrize("capital", [1.1, 2.2, 4.4])  # x (at a price of 0.503) costs an ulp less
def test_nobody_trades_the_crumbs_that_rounding_leaves_of_his_capital(capital: float) -> None:
    """All of it is spent in one transaction; each costs 400,000 gas at 20 gwei."""
    world = coin_world(coin={"ratio": 0.503}, redeemers={"delay": 3600, "capital": capital}, venues={}, networks={
        "chain": {"block_time": 20, "room": 100, "base_fee": 10, "native": "ETH"}}, execution={})
    state, _ = ends(world)
    assert state.ledgers.tokens[HOLDERS + 1, ETH, 0] == pytest.approx(-0.008)


def test_within_the_threshold_nothing_happens() -> None:
    state, said = ends(coin_world(redeemers={"threshold": 0.6}))
    assert price(state) == pytest.approx(LOW, abs=1e-14)
    assert said["redeemed"] == [0.0]


def test_a_freeze_holds_what_waits_and_what_would_be_bought() -> None:
    frozen = {"kind": "default", "asset": "COIN", "at": 0, "lasting": 300}
    prices = [price(state) for _, state in steps(coin_world(redeemers={}, events=[frozen]))]
    assert prices[:5] == pytest.approx([LOW] * 5, abs=1e-14)
    assert prices[5:] == pytest.approx([0.0] * 5, abs=1e-12)
    late = coin_world(redeemers={"delay": 15}, events=[frozen | {"at": 60, "lasting": 240}])
    queue = [float(state.backing.queued[0, 0]) for _, state in steps(late)]
    assert queue[:5] == [0.0] * 5  # paid before the freeze, at 55 s, by the block at 60 s
    held = coin_world(redeemers={"delay": 90}, events=[frozen | {"at": 60, "lasting": 240}])
    queue = [float(state.backing.queued[0, 0]) for _, state in steps(held)]
    assert queue[:5] == pytest.approx([DUMPED] * 5) and queue[5:] == [0.0] * 5


def test_what_waits_is_paid_at_the_lower_of_two_rates() -> None:
    cut = {"kind": "default", "asset": "COIN", "at": 60, "cut": -0.1, "freezes": False}
    state, said = ends(coin_world(redeemers={"delay": 300}, events=[cut]))
    grown, _ = ends(coin_world(coin={"growth": 5.0}, redeemers={"delay": 300}))
    first = next(iter(steps(coin_world(redeemers={"delay": 300}, events=[cut]))))[1].backing.queued[0, 0]
    assert said["redeemed"][0] >= first
    paid = -state.ledgers.tokens[ISSUER, USD, 0]
    assert paid == pytest.approx(0.9 * state.ledgers.tokens[ISSUER, COIN, 0], rel=1e-12)
    assert -grown.ledgers.tokens[ISSUER, USD, 0] < grown.ledgers.tokens[ISSUER, COIN, 0] * math.exp(
        grown.backing.log_rate[0, 0])


def test_two_paths_and_one_are_the_same() -> None:
    two, one = coin_world(redeemers={"delay": 60}, scenario={"paths": 2}), coin_world(redeemers={"delay": 60})
    a, b = list(steps(two))[-1][1], list(steps(one))[-1][1]
    assert a.ledgers.tokens[:, :, 0].tobytes() == b.ledgers.tokens[:, :, 0].tobytes()
    assert a.ledgers.tokens[:, :, 0].tobytes() == a.ledgers.tokens[:, :, 1].tobytes()


@settings(max_examples=20, deadline=None)
@given(dumped=st.floats(1.0, 3000.0), reserve=some(0.0, 3000.0), capital=st.floats(1.0, 5000.0),
       delay=st.sampled_from([0.0, 15.0, 200.0]), capacity=st.sampled_from([None, 1e5, 1e8]), fee=some(0.0, 0.05))
def test_nobody_is_paid_what_is_not_there(dumped: float, reserve: float, capital: float, delay: float, capacity: float | None,
                                          fee: float) -> None:
    terms: dict[str, Any] = {"capital": capital, "delay": delay, "capacity": capacity, "fee": fee, "carry": 0.1}
    state, said = ends(coin_world(coin={"reserve": reserve}, redeemers=terms, dumped=dumped))
    left = state.backing.reserve[0, 0]
    assert 0.0 <= left <= reserve
    paid = said["redeemed"][0] * (1.0 - fee)
    assert reserve - left == pytest.approx(paid, rel=1e-9, abs=1e-9)
    fallen = 2.0 * math.log(DEEP / (DEEP + dumped))
    assert fallen - 1e-9 <= price(state) <= max(math.log(1.0 - fee), fallen) + 1e-9
    bought = said["redeemed"][0] + said["redemption_queue"][0]
    assert bought <= dumped * (1.0 + 1e-9)
    assert np.isfinite(state.ledgers.tokens).all()
    assert state.ledgers.tokens[HOLDERS + 1, USD, 0] >= -capital * (1.0 + 1e-12)


def test_an_asset_that_is_redeemed_for_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"actors\.redeemers\.asset.*ETH.*name an asset with a `peg` and a `rate`"):
        coin_world(redeemers={"asset": "ETH"})

"""Peg keepers by hand and against the pool's contract: how much, when, what it earns, what holds them back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.pegged import COIN_HELD, PEG_HELD, PoolOfTwo, keeper, pegged_world
from actors.redeem import COIN, HOLDERS, USD, ends, price
from delever.core.state import State
from delever.core.tables import VENUES
from delever.model.errors import InputError
from run.small import steps
from stated import some

OFF = PEG_HELD - COIN_HELD
FIFTEEN = 900.0


def once(**more: Any) -> dict[str, Any]:
    """A keeper that acts once in an hour."""
    return {"keeper": keeper(delay=7200, **more)}


@pytest.mark.parametrize("fee", [0.0, 0.0004])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_above_the_peg_it_mints_its_share_of_the_imbalance_and_the_pool_is_the_contracts(share: float, fee: float) -> None:
    pool = PoolOfTwo(fee=fee)
    state, said = ends(pegged_world(once(share=share), fee=fee))
    grown = pool.change(share * OFF)
    assert said["keeper_minted"] == pytest.approx([share * OFF], rel=1e-12)
    assert said["keeper_actions"] == [1.0]
    assert math.exp(price(state)) == pytest.approx(pool.price(), abs=1e-12)
    assert said["keeper_profit"] == pytest.approx([grown - share * OFF - 0.2 * (grown - share * OFF - 1.0)], rel=1e-9)
    assert said["keeper_callers"] == pytest.approx([0.2 * (grown - share * OFF - 1.0)], rel=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_each_time_the_imbalance_is_less_by_its_share_not_sooner_than_its_delay(share: float) -> None:
    """Without a fee y stays: y - x is what is left of it, (1 - share)^k, k times in an hour of quarters."""
    minted = [float(state.ledgers.tokens[VENUES, COIN, 0]) for _, state in steps(pegged_world({"keeper": keeper(share=share)}))]
    for minute, units in enumerate(minted, 1):
        times = 1 + (minute * 60 - 20) // 900  # the first at 20 s: three blocks a step
        assert units == pytest.approx(OFF * (1.0 - (1.0 - share) ** times), rel=1e-12), minute


def test_below_the_peg_it_burns_what_it_has_out_and_no_more() -> None:
    pool = PoolOfTwo(12e6, 8e6)
    state, said = ends(pegged_world(once(debt=5e6), coin=12e6, peg=8e6))
    pool.change(-0.8e6)
    assert (said["keeper_burned"][0], said["keeper_debt"][0]) == pytest.approx((0.8e6, 4.2e6), rel=1e-12)
    assert math.exp(price(state)) == pytest.approx(pool.price(), abs=1e-12)
    assert state.ledgers.tokens[[HOLDERS + 1, VENUES], COIN, 0] == pytest.approx([0.8e6, -0.8e6])
    _, said = ends(pegged_world(once(debt=0.3e6), coin=12e6, peg=8e6))
    assert (said["keeper_burned"][0], said["keeper_debt"][0]) == (pytest.approx(0.3e6), 0.0)
    _, said = ends(pegged_world(once(), coin=12e6, peg=8e6))
    assert said["keeper_actions"] == [0.0]


def both_ways(**changes: Any) -> tuple[State, dict[str, np.ndarray]]:
    """Bought out of the pool for six million at the start, sold back into it after three hours."""
    events = [{"kind": "order", "order": "sell 6000 ETH for COIN"}, {"kind": "order", "order": "sell 9m COIN", "at": "3 h"}]
    return ends(pegged_world(changes.pop("keepers", None), coin=10e6, peg=10e6, fee=0.0004, **changes,
                             scenario={"horizon": "6 h", "events": events}))


def test_what_was_minted_is_burned_or_out_and_the_ledger_says_so() -> None:
    state, said = both_ways()
    assert said["keeper_minted"][0] > 1e6 < said["keeper_burned"][0]
    assert said["keeper_minted"] - said["keeper_burned"] == pytest.approx(said["keeper_debt"], rel=1e-12)
    assert state.ledgers.tokens[HOLDERS + 1, COIN, 0] == pytest.approx(-said["keeper_debt"][0], rel=1e-12)
    assert state.ledgers.tokens[HOLDERS + 1, USD, 0] == 0.0
    assert said["keeper_profit"][0] > 0.0 < said["keeper_callers"][0]


def test_the_peg_is_nearer_with_a_keeper_both_ways() -> None:
    """The same orders and draws: how far the price is from the peg, hour by hour."""
    events = [{"kind": "order", "order": "sell 6000 ETH for COIN"}, {"kind": "order", "order": "sell 9m COIN", "at": "3 h"}]
    off: list[list[float]] = []
    for keepers in ({}, None):
        world = pegged_world(keepers, coin=10e6, peg=10e6, fee=0.0004, scenario={"horizon": "6 h", "events": events})
        seen = [price(state) for _, state in steps(world)]
        off.append([seen[179], seen[359]])
    (above, below), (above_kept, below_kept) = off
    assert above > 10.0 * above_kept > 0.0
    assert below < -5e-4 and abs(below_kept) < abs(below)


@settings(max_examples=30)
@given(st.floats(2e6, 2e7), st.floats(2e6, 2e7), some(0.0, 0.01), some(0.0, 1.5e6))
def test_it_never_acts_at_a_loss_and_its_pool_is_the_contracts(coin: float, peg: float, fee: float, debt: float) -> None:
    state, said = ends(pegged_world(once(debt=debt), coin=coin, peg=peg, fee=fee, scenario={"horizon": 60}))
    pool = PoolOfTwo(coin, peg, fee)
    units = 0.2 * (peg - coin) if peg > coin else -min(0.2 * (coin - peg), debt)
    grown = pool.change(units) if units else 0.0
    acts = units != 0.0 and debt + grown >= 0.0
    assert bool(said["keeper_actions"][0]) == acts or abs(grown - units) < 1e-3
    if said["keeper_actions"][0]:
        assert math.exp(price(state)) == pytest.approx(pool.price(), abs=1e-11)
    assert said["keeper_profit"][0] >= min(grown - units, 0.0) - 1e-3  # below its crumb it may lose, as the contract's may
    assert said["keeper_callers"][0] >= 0.0
    assert said["keeper_minted"] - said["keeper_burned"] + debt == pytest.approx(said["keeper_debt"], abs=1e-6)


@settings(max_examples=25)
@given(st.lists(some(0.0, 3e6), min_size=3, max_size=3), some(0.0, 0.001))
def test_between_trades_of_others_it_acts_on_what_they_have_left(sold: list[float], fee: float) -> None:
    """Sales at 5, 20 and 35 min, times of its own at 20 s and every quarter of an hour after: all in the contract's order."""
    events = [{"kind": "order", "order": f"sell {units} COIN", "at": f"{minute} min"}
              for units, minute in zip(sold, (5, 20, 35), strict=True) if units > 1.0]
    state, said = ends(pegged_world({"keeper": keeper(rule="always")}, fee=fee, scenario={"horizon": "50 min", "events": events}))
    pool, debt, claim, edge = PoolOfTwo(fee=fee), 0.0, 0.0, False
    for quarter in range(4):
        off = float(pool.y - pool.x)
        edge |= abs(off) < 10.0
        units = 0.2 * off if off > 0.0 else -min(-0.2 * off, debt)
        before = (pool.x, pool.y, pool.d)
        grown = pool.change(units) if units else 0.0
        profit, then = max(claim - debt - 1.0, 0.0), max(claim + grown - debt - units - 1.0, 0.0)
        edge |= 0.0 < abs(then - profit) < 1.0
        if units and then >= profit and claim + grown >= 0.0:
            debt, claim = debt + units, claim + grown - 0.2 * (then - profit)
        else:
            pool.x, pool.y, pool.d = before
        if quarter < 3 and sold[quarter] > 1.0:
            pool.sell(sold[quarter])
    if edge:
        return
    assert said["keeper_debt"] == pytest.approx([debt], abs=50.0)
    assert math.exp(price(state)) == pytest.approx(pool.price(), abs=2e-6)


def test_it_stops_where_the_next_time_would_cost_it_profit() -> None:
    """By the contract: the first times gain, the one after the last would not."""
    fee = 0.002
    _, said = ends(pegged_world({"keeper": keeper(delay=60)}, coin=4e6, peg=16e6, fee=fee))
    pool, times = PoolOfTwo(4e6, 16e6, fee), int(said["keeper_actions"][0])
    units = []
    for _ in range(times + 1):
        units.append(0.2 * float(pool.y - pool.x))
        gained = pool.change(units[-1]) - units[-1]
        assert (gained > 0.0) == (len(units) <= times)
    assert 3 < times < 30
    assert said["keeper_minted"] == pytest.approx([sum(units[:-1])], rel=1e-12)


def test_with_no_profit_to_lose_it_acts_at_a_loss_as_the_contract_does() -> None:
    """Profit is not below 0, and so does not fall: a fee of 2 % costs more than the coin is dear."""
    _, said = ends(pegged_world(once(), fee=0.02))
    assert said["keeper_actions"] == [1.0]
    assert said["keeper_profit"][0] < 0.0 == said["keeper_callers"][0]


@pytest.mark.parametrize(("more", "units"), [
    ({"ceiling": 0.5e6}, 0.5e6),
    ({"ceiling": 2e6, "alpha": 0.5, "beta": 0.0}, 0.5e6),
    ({"ceiling": 8e6, "alpha": 0.5, "beta": 0.0}, 0.8e6),
    ({"ceiling": 2e6, "alpha": 0.5, "beta": 0.0, "debt": 0.6e6}, 0.0)])
def test_it_mints_no_more_than_its_ceiling_and_the_regulators_part_of_it(more: dict[str, float], units: float) -> None:
    assert ends(pegged_world(once(**more)))[1]["keeper_minted"] == pytest.approx([units])


def of_two(second: tuple[float, float] = (8e6, 12e6), other: dict[str, Any] | None = None, **more: Any) -> float:
    """What the keeper of the first pool mints; of the second pool another keeper has 4m of its 16m out."""
    others = keeper(venue="second", debt=4e6, ceiling=16e6, **{"delay": 7200, **(other or {})})
    state = list(steps(pegged_world(once(**more) | {"other": others}, second=second)))[-1][1]
    return -float(state.ledgers.tokens[HOLDERS + 1, COIN, 0])


def test_what_another_has_out_lets_it_mint_more() -> None:
    """(1/2 + 1/4 sqrt(4/16))^2 = 0.390625 of the ceiling, but that the contract counts a unit more below the root."""
    part = (0.5 + 0.25 * math.sqrt(4e6 / (16e6 + 1.0))) ** 2
    assert part == pytest.approx(0.390625, rel=1e-7)
    assert of_two(alpha=0.5, beta=0.25, ceiling=1e6) == pytest.approx(part * 1e6, rel=1e-12)
    assert of_two(alpha=0.5, beta=0.0, ceiling=1e6) == pytest.approx(0.25e6, rel=1e-12)


@pytest.mark.parametrize(("nearer", "acts"), [(-1.0, False), (1.0, True)])
def test_it_does_not_mint_where_the_coin_is_dearer_than_in_all_other_pools(nearer: float, acts: bool) -> None:
    """By a hair more than `worst`, and a hair less: then it is the peg of this pool that fails."""
    gap = PoolOfTwo().price() - PoolOfTwo(9e6, 11e6).price()
    assert gap > 1e-4
    units = of_two((9e6, 11e6), {"delay": 7200, "rule": "profitable", "caller_share": 0.0}, worst=gap + nearer * 1e-9)
    assert units == pytest.approx(0.2 * OFF if acts else 0.0)
    assert of_two((9e6, 11e6), worst=None) == pytest.approx(0.2 * OFF)


def test_far_from_its_average_it_does_neither() -> None:
    """The feed says what the price was at the start."""
    events = [{"kind": "order", "order": "sell 3000 ETH for COIN"}]
    for share, acts in ((1e-5, False), (None, True)):
        world = pegged_world(once(feed="average", deviation=share), feeds={"average": {"kind": "fixed", "of": "COIN/USD"}},
                             scenario={"horizon": 180, "events": events})
        assert (ends(world)[1]["keeper_minted"][0] > 0.0) == acts


@pytest.mark.parametrize(("said", "mints", "burns"), [(1.001, True, False), (1.0, True, True), (0.999, False, True)])
def test_it_mints_at_one_or_more_and_burns_at_one_or_less(said: float, mints: bool, burns: bool) -> None:
    """Whatever its own pool says: the feed of the coin's price in all pools decides, at one either way."""
    feeds = {"all": {"kind": "fixed", "of": "COIN/USD", "answer": said}}
    for coin, peg, acts in ((8e6, 12e6, mints), (12e6, 8e6, burns)):
        world = pegged_world(once(aggregate="all", debt=1e6), coin=coin, peg=peg, feeds=feeds, scenario={"horizon": 60})
        assert (ends(world)[1]["keeper_actions"][0] > 0.0) == acts


def test_a_caller_calls_only_where_his_share_pays_the_gas() -> None:
    """A fifth of the profit of one mint against 400,000 gas at a bid: a little below and a little above what it is worth."""
    gained = PoolOfTwo().change(0.2 * OFF) - 0.2 * OFF - 1.0
    worth = 0.2 * gained * PoolOfTwo().price()  # at the coin's price before
    for share, acts in ((0.999, True), (1.001, False)):
        bid = share * worth / (400_000 * 1e-9 * 1000.0)  # gwei: ETH is 1000 USD
        networks = {"chain": {"kind": "blocks", "block_time": 20, "room": 5, "base_fee": 0.0, "native": "ETH"}}
        world = pegged_world(once(rule="profitable", bid=bid), networks=networks, execution={"mode": "sequential"})
        _, said = ends(world)
        assert (said["keeper_actions"][0] > 0.0) == acts


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_of_two_keepers_of_one_pool_the_second_is_sized_at_what_the_first_left(mode: str) -> None:
    world = pegged_world({"keeper": keeper(delay=7200), "other": keeper(delay=7200)}, execution={"mode": mode, "rounds": 3})
    state, _ = ends(world)
    minted = -state.ledgers.tokens[[HOLDERS + 1, HOLDERS + 2], COIN, 0]
    assert minted == pytest.approx([0.2 * OFF, 0.2 * 0.8 * OFF], rel=1e-12)


def test_what_is_left_of_a_pool_is_what_it_works_on() -> None:
    """Half of the pool's providers have left: half the imbalance, half the units, the same price."""
    events = [{"kind": "depth", "change": {"COIN/USD": -0.5}, "at": 0}]
    state, said = ends(pegged_world(once(), scenario={"events": events}))
    assert said["keeper_minted"] == pytest.approx([0.1 * OFF], rel=1e-12)
    whole, _ = ends(pegged_world(once()))
    assert price(state) == pytest.approx(price(whole), abs=1e-14)


def test_while_trading_is_halted_it_waits() -> None:
    events = [{"kind": "outage", "venue": "coin", "at": 0, "lasting": "10 min"}]
    minted = [float(state.ledgers.tokens[VENUES, COIN, 0]) for _, state in steps(pegged_world(scenario={"events": events}))]
    assert minted[9] == 0.0 < minted[10]


WRONG = [
    ({"venue": "none"}, {}, r"actors\.keeper\.venue: unknown venue"),
    ({"debt": 9e6}, {}, r"actors\.keeper\.debt is more than 8e\+06.*at most its ceiling"),
    ({"debt": 2e6, "ceiling": 1e6}, {}, r"actors\.keeper\.debt is more than 1e\+06"),
    ({"feed": "none"}, {}, r"actors\.keeper\.feed: unknown feed"),
    ({"aggregate": "eth"}, {"feeds": {"eth": {"kind": "market", "of": "ETH/USD"}}}, r"aggregate is of another asset.*COIN"),
    ({"share": 0.6}, {}, r"actors\.keeper\.share"),
    ({}, {"venues": {"coin": {"kind": "constant_product", "pair": "COIN/USD", "reserves": {"COIN": 1, "USD": 1}}}},
     r"is no StableSwap pool of two assets with stated balances: 'coin'; write A"),
]


@pytest.mark.parametrize(("fields", "changes", "line"), WRONG)
def test_what_is_wrong_is_one_line(fields: dict[str, Any], changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        pegged_world(once(**fields), **changes)

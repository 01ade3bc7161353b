"""Cases solved by hand, through the whole engine: one account, one market."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.outcomes import LIQUIDATIONS, REPAID
from delever.core.tables import ARBITRAGEURS, CASH, HOLDERS, ORDER_OWNERS, SLOTS, VENUES
from delever.model.world import World
from delever.run.chunk import simulate
from run.small import Mapping, everything, fall, last, loan, one_market, pool, steps
from stated import some

ETH, USD = 1, 0
LIQUIDATORS = HOLDERS  # the first actor of these worlds
YEAR = 365 * 86400.0
STEP = {"horizon": 60}  # one step


def amounts(world: World) -> list[float]:
    """Collateral and debt of the first touched account at the end."""
    _, state = last(world)
    return list(state.pool.touched.amount[0])


# ---- one account, one pool --------------------------------------------------------------------------------------


def test_a_whole_liquidation_into_a_pool() -> None:
    """10 ETH against 8000 USD; ETH falls by 20 % and a pool of 1000 ETH / 1,000,000 USD follows at once (half-life 0.1 s).

    health          10 x 800 x 0.85 / 8000 = 0.85 <= 0.95: the whole debt may be repaid
    seize           8000 x 1.05 / 800 = 10.5 ETH, more than there is: all 10 ETH
    repay           10 x 800 / 1.05 = 7619.047619 USD; 380.952381 USD stay owed, with nothing behind them
    pool at 800     k = 1e9: ETH = sqrt(k / 800) = 1118.033989, USD = sqrt(k x 800) = 894427.191
    out             894427.191 x 10 / (1118.033989 + 10) = 7929.080151 USD
    price after     k / 1128.033989^2 = 785.878901
    profit          7929.080151 - 7619.047619 = 310.032532 USD
    """
    world = one_market(loan("a", 10.0, 8000.0), venues={"pool": pool(half_life=0.1)},
                       scenario={**STEP, "events": [fall(0.2)]})
    model, state = last(world)
    assert amounts(world) == pytest.approx([0.0, 8000.0 - 7619.047619047619], abs=1e-9)
    tokens, totals = state.ledgers.tokens[:, :, 0], state.ledgers.totals[:, 0, 0]
    assert tokens[LIQUIDATORS] == pytest.approx([310.03253208, 0.0], abs=1e-6)
    assert tokens[CASH] == pytest.approx([7619.047619047619, -10.0])
    assert tokens[ARBITRAGEURS] == pytest.approx([1e6 - 894427.19100, -118.03398875], abs=1e-4)
    assert tokens[VENUES] == pytest.approx(-tokens[[CASH, LIQUIDATORS, ARBITRAGEURS]].sum(0))
    assert math.exp(state.markets.price[0, 0]) == pytest.approx(1e9 / 1128.0339887498949**2, rel=1e-12)
    assert (totals[LIQUIDATIONS], totals[REPAID]) == (1, pytest.approx(7619.047619047619))
    row = simulate(model, 0, 1, []).paths.to_pylist()[0]
    assert row["deficit.pool"] == 0.0  # v3.0 writes nothing off
    assert row["bad_debt.pool"] == pytest.approx(380.952380952381)
    assert row["lowest.ETH/USD"] == pytest.approx(785.878901 / 1000 - 1, abs=1e-8)
    assert row["lowest_outside.ETH/USD"] == pytest.approx(-0.2)


def test_half_a_liquidation_on_a_deep_market() -> None:
    """ETH falls by 10 %: health 10 x 900 x 0.85 / 8000 = 0.95625 > 0.95, so half of the debt may be repaid.

    repay 4000 USD, seize 4000 x 1.05 / 900 = 4.666667 ETH of which the protocol keeps 10 % of the incentive:
    0.1 x (4.666667 - 4000 / 900) = 0.022222. Sold at 900: 4.644444 x 900 = 4180; profit 180 USD.
    Left: 5.333333 x 900 x 0.85 / 4000 = 1.02: healthy.
    """
    world = one_market(loan("a", 10.0, 8000.0), parameters={"ETH": {"protocol_fee": 0.1}},
                       scenario={"events": [fall(0.1)]})
    _, state = last(world)
    assert amounts(world) == pytest.approx([16 / 3, 4000.0])
    assert state.ledgers.tokens[LIQUIDATORS, :, 0] == pytest.approx([180.0, 0.0], abs=1e-9)
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == 1


def test_profitable_liquidators_wait_until_the_pool_can_pay() -> None:
    """A pool of 50 ETH / 50,000 USD holds 55.90 ETH / 44,721.36 USD at 800: 10 ETH bring 6786.07 USD < 7619.05 USD."""
    changes: Mapping = {"venues": {"pool": pool(50.0, 5e4, half_life=0.1)}, "scenario": {**STEP, "events": [fall(0.2)]}}
    always = last(one_market(loan("a", 10.0, 8000.0), **changes))[1].ledgers
    never = last(one_market(loan("a", 10.0, 8000.0), liquidators={"rule": "profitable"}, **changes))[1].ledgers
    assert always.tokens[LIQUIDATORS, USD, 0] == pytest.approx(6786.07 - 7619.05, abs=0.01)
    assert never.totals[LIQUIDATIONS, 0, 0] == 0


# ---- nothing happens --------------------------------------------------------------------------------------------


def test_no_liquidation_when_nothing_crosses() -> None:
    """Half of the fall that would be needed: 1 - 8000 / (10 x 1000 x 0.85) = 5.9 %."""
    model, state = last(one_market(loan("a", 10.0, 8000.0), scenario={"events": [fall(0.058)]}))
    assert int(state.watch.counts[SLOTS]) == 0
    assert not state.ledgers.tokens.any()
    row = simulate(model, 0, 1, []).paths.to_pylist()[0]
    assert (row["liquidations.pool"], row["accounts_touched"], row["health_checks"]) == (0, 0, 0)


def test_a_still_world_stands_still() -> None:
    """Healthy accounts, no volatility, no shock: nobody is ever looked at."""
    world = everything(prices={"kind": "lognormal"}, events=[], horizon=600).replace("feeds.eth_usd.heartbeat", "1 d")
    free = dict.fromkeys(("first", "other"), 0.0)
    for protocol in free:
        for asset in world.assets:
            world = world.replace(f"protocols.{protocol}.parameters.{asset}.borrow_rate", 0.0)
        world = world.replace(f"protocols.{protocol}.parameters.USD.borrow_rate", 0.0)
    _, state = last(world)
    assert int(state.watch.counts[SLOTS]) == 0
    assert not state.ledgers.totals.any()


@pytest.mark.parametrize(("debt", "expected"), [(5000.0, 0), (math.nextafter(5000.0, 6000.0), 1)])
def test_a_health_factor_of_exactly_one_is_healthy(debt: float, expected: int) -> None:
    """10,000 units at 1 USD, whose log is exactly 0, x 0.5 against 5000 USD; one bit more is too much."""
    world = one_market(loan("a", 10_000.0, debt), assets={"ETH": {"price": 1.0}},
                       parameters={"ETH": {"liquidation_threshold": 0.5}})
    assert last(world)[1].ledgers.totals[LIQUIDATIONS, 0, 0] == expected


# ---- interest ---------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.floats(1.00001, 1.0012), st.floats(2.0, 9.0), some(0.0, 1.0))
def test_interest_makes_an_account_eligible_at_the_known_time(health: float, borrow: float, supply: float) -> None:
    """h exp((supply - borrow) t) < 1 from t = ln h / (borrow - supply) on; steps of a minute."""
    terms = {"ETH": {"supply_rate": supply}, "USD": {"borrow_rate": borrow}}
    world = one_market(loan("a", 10.0, 8500.0 / health), parameters=terms, scenario={"horizon": 3600})
    due = math.log(health) / ((borrow - supply) / YEAR)
    first = next((state.step for _, state in steps(world) if state.ledgers.totals[LIQUIDATIONS, 0, 0]), None)
    expected = math.floor(due / 60.0) + 1
    assert first == (expected if expected <= 60 else None) or abs(due / 60.0 - round(due / 60.0)) < 1e-6


# ---- orders, depth, recovery ------------------------------------------------------------------------------------


VENUES_OF_ETH = {
    "constant product": pool(),
    "makers": {"kind": "depth_table", "pair": "ETH/USD", "bids": [[100, 0.95], [400, 0.8]],
               "asks": [[100, 1.05], [400, 1.2]]},
}
RICH = loan("a", 10.0, 100.0)  # a book needs a debt


def sale(venue: Mapping, amount: float, *events: Mapping, **order: float) -> tuple[float, float]:
    """What a sale of ETH in the first step brings [USD], and the log price after it."""
    world = one_market(RICH, venues={"venue": venue},
                       scenario={**STEP, "events": [*events, {"kind": "order", "order": f"sell {amount!r} ETH", **order}]})
    _, state = last(world)
    assert state.ledgers.tokens[ORDER_OWNERS, ETH, 0] == -amount
    return float(state.ledgers.tokens[ORDER_OWNERS, USD, 0]), float(state.markets.price[0, 0])


def test_an_order_into_a_pool_pays_what_its_formula_says() -> None:
    """1,000,000 x 250 / (1000 + 250) = 200,000 USD; the price falls to 1e9 / 1250^2 = 640."""
    paid, price = sale(pool(), 250.0)
    assert [paid, math.exp(price)] == pytest.approx([200_000.0, 640.0], rel=1e-12)
    with_fee, _ = sale(pool(fee=0.01), 250.0)
    assert with_fee == pytest.approx(1e6 * 247.5 / 1247.5, rel=1e-12)


def test_an_order_spread_over_steps_sells_equal_parts_that_sum_to_it() -> None:
    world = one_market(RICH, venues={"pool": pool()},
                       scenario={"events": [{"at": 120, "kind": "order", "order": "sell 100 ETH", "over": "5 min"}]})
    sold = [-float(state.ledgers.tokens[ORDER_OWNERS, ETH, 0]) for _, state in steps(world)]
    assert sold == pytest.approx([0, 0, 20, 40, 60, 80, 100, 100, 100, 100])
    whole, in_parts = sale(pool(), 100.0)[0], float(last(world)[1].ledgers.tokens[ORDER_OWNERS, USD, 0])
    assert in_parts == pytest.approx(whole, rel=1e-12)  # the pool does not recover: cutting up gains nothing


@settings(max_examples=30)
@given(st.sampled_from(sorted(VENUES_OF_ETH)), st.floats(0.1, 300.0), st.floats(0.05, 0.9))
def test_a_depth_shock_scales_the_depth(name: str, amount: float, left: float) -> None:
    """At a share `left` of the depth, a sale of left x q moves the price as q did, and brings left x as much."""
    shock = {"at": 0, "kind": "depth", "change": {"ETH/USD": left - 1.0}}
    whole, price = sale(VENUES_OF_ETH[name], amount)
    part, same = sale(VENUES_OF_ETH[name], amount * left, shock)
    assert same == pytest.approx(price, rel=1e-9, abs=1e-12)
    assert part == pytest.approx(whole * left, rel=1e-9)


def test_a_loss_of_asks_leaves_sales_alone() -> None:
    asks, bids = ({"at": 0, "kind": "depth", "change": {"ETH/USD": -0.5}, "side": side} for side in ("asks", "bids"))
    plain = sale(pool(), 100.0)
    assert sale(pool(), 100.0, asks) == plain
    assert sale(pool(), 100.0, bids)[1] == pytest.approx(sale(pool(), 200.0)[1])
    _, price = sale(pool(), 1e-9, bids, asks)
    assert price == pytest.approx(math.log(1000.0), abs=1e-9)  # a change of depth moves no price


@settings(max_examples=30)
@given(st.sampled_from(sorted(VENUES_OF_ETH)), st.floats(0.1, 1000.0), st.floats(0.2, 5.0), st.floats(1.0001, 10.0))
def test_the_price_after_a_fixed_sale_rises_with_depth(name: str, amount: float, size: float, more: float) -> None:
    def scaled(by: float) -> Mapping:
        venue = VENUES_OF_ETH[name]
        if "reserves" in venue:
            return venue | {"reserves": {asset: units * by for asset, units in venue["reserves"].items()}}
        return venue | {side: [[units * by, price] for units, price in venue[side]] for side in ("bids", "asks")}

    (small_paid, small), (large_paid, large) = sale(scaled(size), amount), sale(scaled(size * more), amount)
    assert small < large < math.log(1000.0)
    assert small_paid < large_paid < 1000.0 * amount


@pytest.mark.parametrize("name", sorted(VENUES_OF_ETH))
def test_a_displacement_halves_in_its_half_life(name: str) -> None:
    """An order in step 1, half-life of 5 steps: the quantity displaced is a half after 6 steps, a quarter after 11."""
    world = one_market(RICH, venues={"venue": VENUES_OF_ETH[name] | {"half_life": "5 min"}},
                       scenario={"horizon": 900, "events": [{"at": 0, "kind": "order", "order": "sell 100 ETH"}]})
    displaced = [float(state.markets.consumed[0, 0]) for _, state in steps(world)]
    assert displaced[0] == pytest.approx(100.0)
    assert displaced[5::5] == pytest.approx([50.0, 25.0])
    assert np.all(np.diff(displaced) < 0)


def test_without_a_half_life_a_displacement_stays() -> None:
    world = one_market(RICH, venues={"venue": pool()}, scenario={"events": [{"at": 0, "kind": "order", "order": "sell 100 ETH"}]})
    assert [float(state.markets.consumed[0, 0]) for _, state in steps(world)] == [100.0] * 10

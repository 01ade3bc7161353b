"""LLAMMA by hand: one borrower in one world, a fall through his bands and the way back; what many loans must keep."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from delever.core.elementary import exp_
from delever.core.tables import BANDS, DEFICIT, HOLDERS, SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.errors import InputError
from delever.protocols import llamma_loans
from delever.protocols.llamma_formulas import (
    Grid,
    effective,
    fee_of,
    price_of,
    sell_collateral,
    sell_stable,
    shape,
    upper,
    x_down,
)
from delever.run.assemble import assemble
from delever.run.chunk import simulate
from protocols.llamma_worlds import PRICE, held, loans, some_loans, started, world

A = 100.0
RATIO = math.log(A / (A - 1.0))
TERMS = np.array([A, 0.0, 0.0, 0.09, 0.06, RATIO])
ETH, USD = 1, 0


def grid(base: float, count: int) -> Grid:
    return Grid(np.arange(count), np.array([upper(base, RATIO, n) for n in range(count)]))


def slowly(bands: Grid, x: np.ndarray, y: np.ndarray, b: int, prices: np.ndarray, fee: float) -> tuple[int, float, float]:
    """Arbitrage in each price of a walk: the AMM's price follows the oracle's. (active band, x put in, y taken out), net."""
    paid, taken = 0.0, 0.0
    for p_o in prices:
        for sell in (sell_stable, sell_collateral):  # whichever moves the price towards the oracle
            low, high = 0.0, 1e7 if sell is sell_stable else 1e4
            for _ in range(80):
                units, a, c = 0.5 * (low + high), x.copy(), y.copy()
                brought, got, _, k = sell(units, b, p_o, 1.0, fee, bands, TERMS, a, c)
                price = marginal(bands, a, c, k, p_o)
                pays = got > 0.0 and (price <= p_o if sell is sell_stable else price >= p_o)
                low, high = (units, high) if pays else (low, units)
            if low > 1e-9:
                brought, got, _, b = sell(low, b, p_o, 1.0, fee, bands, TERMS, x, y)
                paid, taken = (paid + brought, taken + got) if sell is sell_stable else (paid - got, taken - brought)
    return b, paid, taken


def marginal(bands: Grid, x: np.ndarray, y: np.ndarray, b: int, p_o: float) -> float:
    return price_of(x[b], y[b], p_o, bands.edge[b], A)


def test_one_band_sold_slowly_brings_its_geometric_middle() -> None:
    """One unit in band 1: p_up = 1980. Sold while the price falls through it in small steps it brings p_up sqrt((A-1)/A)."""
    bands, x, y = grid(PRICE, 3), np.zeros(3), np.array([0.0, 1.0, 0.0])
    assert bands.edge[1] == pytest.approx(PRICE * 0.99)
    worth = x_down(0.0, 1.0, PRICE, bands.edge[1], A)
    assert worth == pytest.approx(1980.0 * math.sqrt(0.99), rel=1e-12)
    _, paid, taken = slowly(bands, x, y, 0, np.linspace(1980.0, 1950.0, 400), 0.0)
    assert y[1] == 0.0 and taken == pytest.approx(1.0)
    assert x[1] == pytest.approx(paid) and paid == pytest.approx(worth, rel=2e-4)
    assert paid < worth, "steps are not infinitely small: each loses a little to arbitrageurs"
    assert x_down(x[1], y[1], 1900.0, bands.edge[1], A) == x[1]


@pytest.mark.parametrize("fee", [0.0, 0.006])
def test_a_round_trip_through_a_band_returns_the_collateral_less_what_steps_lose(fee: float) -> None:
    bands, x, y = grid(PRICE, 3), np.zeros(3), np.array([0.0, 1.0, 0.0])
    walk = np.concatenate([np.linspace(1985.0, 1950.0, 150), np.linspace(1950.0, 1990.0, 150)])
    _, paid, taken = slowly(bands, x, y, 0, walk, fee)
    assert x.sum() == pytest.approx(paid, abs=1e-6) and y.sum() == pytest.approx(1.0 - taken)
    assert x.sum() < 1.0, "all of it has been bought back"
    assert y.sum() == pytest.approx(1.0, abs=2e-3 if fee == 0.0 else 2e-2)
    if fee == 0.0:
        assert y.sum() < 1.0


def test_a_deposit_lies_in_equal_parts_and_is_worth_what_a_loan_is_placed_by() -> None:
    _, _, rules = started(world(loans((10.0, 15_000.0, 10))))
    amm, lent, _ = rules.markets[0]
    assert len(amm.grid.number) == 11 and amm.y[0, 0] == 0.0, "an empty band lies above"
    np.testing.assert_allclose(amm.y[0, 1:], 1.0)
    n1 = int(amm.grid.number[lent.first[0]])
    worth = effective(10.0, 10, 0.09, A)
    assert worth * upper(PRICE, RATIO, n1) >= 15_000.0 > worth * upper(PRICE, RATIO, n1 + 1)
    whole = sum(x_down(0.0, 1.0, PRICE, edge, A) for edge in amm.grid.edge[1:])
    assert whole == pytest.approx(effective(10.0, 10, 0.0, A) * upper(PRICE, RATIO, n1))
    assert whole * 0.91 >= 15_000.0


def test_the_health_of_a_loan_in_a_world_is_that_of_its_bands() -> None:
    amm, lent, _ = started(world(loans((10.0, 15_000.0, 10))))[2].markets[0]
    whole = sum(x_down(0.0, 1.0, PRICE, edge, A) for edge in amm.grid.edge[1:])
    by_hand = (whole * 0.94 + (PRICE - amm.grid.edge[1]) * 10.0) / 15_000.0
    assert llamma_loans.health(0, 0, PRICE, 1.0, amm, lent) == pytest.approx(by_hand)


def test_a_slow_fall_sells_and_a_recovery_buys_back() -> None:
    events = [{"kind": "price", "at": "10 min", "over": "2 h", "change": {"ETH": "-25 %"}},
              {"kind": "price", "at": "3 h", "over": "2 h", "change": {"ETH": "35 %"}}]
    chunk, state, rules = started(world(loans((10.0, 16_000.0, 10)), scenario__events=events))
    least = 10.0
    for _ in range(state.step, 360):
        step(chunk, state)
        least = min(least, held(rules.markets[0])[1])
    x, y = held(rules.markets[0])
    assert least == 0.0, "it was all stablecoin"
    assert x == 0.0 and 9.0 < y < 10.0, "and all collateral again, less what arbitrageurs earned"
    assert rules.markets[0].loans.open[0, 0] == 1, "nobody had to pay the debt"
    assert state.ledgers.tokens[BANDS, ETH, 0] == pytest.approx(y - 10.0)


def test_what_bands_hold_is_what_the_ledger_says_and_nothing_is_lost() -> None:
    events = [{"kind": "price", "at": "10 min", "over": "2 h", "change": {"ETH": "-35 %"}},
              {"kind": "price", "at": "3 h", "over": "1 h", "change": {"ETH": "20 %"}}]
    chunk, state, rules = started(world(some_loans(60), scenario__events=events, rules={"admin_fee": 0.5},
                                        scenario__prices={"kind": "lognormal", "volatility": {"ETH": 1.5}}), 2)
    amm, lent, _ = rules.markets[0]
    y = amm.y[0].copy()
    for _ in range(360):
        step(chunk, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < 1e-9
    tokens = state.ledgers.tokens[BANDS]
    for p in range(2):
        x_now, y_now = held(rules.markets[0], p)
        assert tokens[USD, p] == pytest.approx(x_now, rel=1e-9, abs=1e-6)
        assert tokens[ETH, p] == pytest.approx(y_now - y.sum(), rel=1e-9, abs=1e-9)
        assert (amm.x[p] >= 0.0).all() and (amm.y[p] >= 0.0).all()
        shares = np.zeros(len(y))
        for k in np.flatnonzero(lent.open[p]):
            shares[lent.first[k]:lent.last[k] + 1] += lent.each[k]
        np.testing.assert_allclose(lent.shares[p], shares, atol=1e-12)
    assert (lent.open == 0).any() and (lent.open == 1).any(), "some were closed"


def test_nothing_more_is_to_be_had_right_after_a_trade() -> None:
    events = [{"kind": "price", "at": "10 min", "change": {"ETH": "-9 %"}}]
    stated = world(loans((10.0, 16_000.0, 10)), scenario__events=events, feeds={"eth_usd": {
        "kind": "push", "of": "ETH/USD", "heartbeat": "1 h", "deviation": "2 %"}})
    chunk, state, rules = started(stated.replace("execution.rounds", 3).replace("venues.eth.half_life", None))
    market = rules.markets[0]
    for _ in range(11):
        step(chunk, state)
    assert market.amm.told[0, 0] == 1.0 and market.loans.open[0, 0]
    p_o, k = exp_(state.seen.log_price[state.seen.like[market.amm.of[2]], 0]), int(market.amm.active[0])
    fee = fee_of(0.006, p_o, market.amm.grid.edge[k], A)
    inside = price_of(market.amm.x[0, k], market.amm.y[0, k], p_o, market.amm.grid.edge[k], A)
    met = inside / (1.0 - fee) / math.exp(state.markets.price[0, 0]) - 1.0
    assert 0.0 < met < 2e-5, "marginal prices met after fees; then the fee joined the band, and lifted its price a little"
    for _ in range(9):
        step(chunk, state)
    assert market.amm.told[0, 0] == 1.0


def test_a_loan_that_the_price_above_its_bands_keeps_falls_with_that_price() -> None:
    """Its bands are worth 0.94 x 17,281 all the while; the price gives it 6,000 more at 2600, and 1,970 at 2197."""
    events = [{"kind": "price", "at": 0, "change": {"ETH": "30 %"}},
              {"kind": "price", "at": "10 min", "change": {"ETH": "-15.5 %"}}]
    chunk, state, rules = started(world(loans((10.0, 18_500.0, 30)), scenario__events=events, venues={}))
    amm, lent, _ = rules.markets[0]
    whole = sum(x_down(0.0, 1.0 / 3.0, PRICE, edge, A) for edge in amm.grid.edge[1:])
    assert 0.94 * whole + 1.3 * PRICE * 10.0 - PRICE * 10.0 > 18_500.0 > 0.94 * whole + 1.3 * 0.845 * PRICE * 10.0 - PRICE * 10.0
    still = []
    for _ in range(12):
        step(chunk, state)
        still.append(bool(lent.open[0, 0]))
    assert still == [True] * 10 + [False] * 2


@pytest.mark.parametrize(("crumb", "ends"), [(5e-13, 1), (5e-12, 0)])
def test_what_a_trade_is_known_to_is_not_carried_into_another_band(crumb: float, ends: int) -> None:
    """All stablecoin of band 1 is taken, and as much brought beyond it as rounding might."""
    bands, x, y = grid(PRICE, 3), np.array([0.0, 0.73, 0.0]), np.array([0.0, 3.7, 0.0])
    f, g, i = shape(0.73, 3.7, 1975.0, bands.edge[1], A)
    whole = (i / f - g - 3.7) / (1.0 - fee_of(0.0, 1975.0, bands.edge[1], A))
    _, got, _, b = sell_collateral(whole + crumb * (g + 3.7), 1, 1975.0, 1.0, 0.0, bands, TERMS, x, y)
    assert got == 0.73 and b == ends


@pytest.mark.parametrize(("left", "trades"), [(5e-15, 0.0), (1e-6, 1.0)])
def test_nobody_trades_crumbs_of_a_band(left: float, trades: float) -> None:
    """The price has fallen below the band, which was sold but for so much of its collateral."""
    events = [{"kind": "price", "at": 0, "change": {"ETH": "-9 %"}}]
    chunk, state, rules = started(world(loans((10.0, 10.0, 10)), scenario__events=events))
    amm, _, _ = rules.markets[0]
    amm.x[:], amm.y[:], amm.active[:] = 0.0, 0.0, 1
    amm.grid.edge[:] *= 0.99 * PRICE / amm.grid.edge[1]
    amm.x[0, 1], amm.y[0, 1] = 2_000.0, left
    step(chunk, state)
    assert amm.told[0, 0] == trades


def test_loans_are_looked_at_whenever_one_of_them_may_have_fallen() -> None:
    """Looking at all of them in every block finds the same."""
    events = [{"kind": "price", "at": f"{at} min", "change": {"ETH": "-11 %"}} for at in (20, 100, 160)]
    ends, looks = [], 0
    for always in (False, True):
        chunk, state, rules = started(world(some_loans(40), scenario__events=events, protocols__crvusd__parameters={
            "ETH": {"liquidation_threshold": 0.94, "incentive": 0.0},
            "USD": {"liquidation_threshold": 0.9, "incentive": 0.0, "borrow_rate": 0.5}},
            scenario__prices={"kind": "lognormal", "volatility": {"ETH": 2.0}}))
        for _ in range(240):
            if always:
                rules.markets[0].loans.looked[:] = 0.0
            step(chunk, state)
            looks += bool(rules.markets[0].loans.looked[0, 0] == 1.0)
        ends.append((rules.markets[0].amm.x.tobytes(), rules.markets[0].loans.open.tobytes(), state.ledgers.tokens.tobytes()))
        assert (rules.markets[0].loans.open == 0).sum() > 1
    assert ends[0] == ends[1]
    assert looks < 480


def test_a_jump_below_all_bands_leaves_a_deficit() -> None:
    events = [{"kind": "price", "at": "10 min", "change": {"ETH": "-60 %"}}]
    for writes_off in (True, False):
        stated = world(loans((10.0, 16_000.0, 4)), rules={"writes_off": writes_off}, scenario__events=events)
        chunk, state, rules = started(stated)
        for _ in range(60):
            step(chunk, state)
        missing = state.ledgers.booked[DEFICIT].sum()
        if writes_off:
            assert missing > 3_000.0 and not rules.markets[0].loans.open[0, 0] and held(rules.markets[0]) == (0.0, 0.0)
        else:
            assert missing == 0.0 and rules.markets[0].loans.open[0, 0]
        assert residual(state, 0).max() < 1e-9


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_two_who_see_the_same_trade_do_not_both_get_it(mode: str) -> None:
    """The second finds what the first has left, which does not pay any more: one trade, or a second one without a loss."""
    events = [{"kind": "price", "at": "10 min", "change": {"ETH": "-9 %"}}]
    stated = world(loans((10.0, 16_000.0, 10)), scenario__events=events, execution__mode=mode).replace(
        "actors", {"one": {"kind": "liquidators"}, "two": {"kind": "liquidators"}})
    chunk, state, rules = started(stated)
    for _ in range(30):
        step(chunk, state)
    one, two = (state.ledgers.tokens[HOLDERS + i] @ np.ones(1) for i in range(2))
    price = math.exp(state.markets.price[0, 0])
    assert rules.markets[0].amm.told[0, 0] >= 1.0
    assert one[USD] + one[ETH] * price > 10.0
    assert abs(two[USD] + two[ETH] * price) < 1e-3, "what was left for him is nothing; in a batch both sell at one average price"
    assert residual(state, 0).max() < 1e-9


def test_keepers_trade_with_what_they_have() -> None:
    """A keeper who has little brings little, and never more than he has."""
    events = [{"kind": "price", "at": "10 min", "over": "1 h", "change": {"ETH": "-15 %"}}]
    chain = {"chain": {"kind": "blocks", "block_time": "12 s", "room": 5, "base_fee": 10, "native": "ETH"}}
    stated = world(loans((100.0, 160_000.0, 10)), scenario__events=events).replace("networks", chain).replace(
        "actors", {"keepers": {"kind": "keepers", "capital": {"USD": 2_000, "ETH": 1}}})
    chunk, state, rules = started(stated)
    for _ in range(120):
        step(chunk, state)
        assert state.ledgers.tokens[HOLDERS, USD, 0] >= -2_000.0 - 1e-6
    assert rules.markets[0].amm.told[0, 0] > 1.0 and residual(state, 0).max() < 1e-9


def test_loans_below_zero_wait_for_the_end_of_a_halt() -> None:
    events = [{"kind": "price", "at": "10 min", "change": {"ETH": "-14 %"}},
              {"kind": "pause", "at": 0, "lasting": "30 min", "protocol": "crvusd"}]
    chunk, state, rules = started(world(loans((10.0, 16_000.0, 10)), scenario__events=events))
    closed = []
    for _ in range(40):
        step(chunk, state)
        closed.append(not rules.markets[0].loans.open[0, 0])
    assert not any(closed[:29]) and closed[-1]


def test_a_protocol_that_is_left_out_of_a_comparison_sells_nothing() -> None:
    events = [{"kind": "price", "at": "10 min", "over": "1 h", "change": {"ETH": "-14 %"}}]
    model = replace(assemble(world(loans((10.0, 16_000.0, 10)), scenario__events=events)), spared=("crvusd",))
    table = simulate(model, 0, 1, []).paths
    assert table["arbitrages.crvusd.ETH"].to_pylist() == [0.0] and table["liquidations.crvusd"].to_pylist() == [0.0]


def test_governance_moves_fees_in_a_run_and_says_so_where_it_cannot() -> None:
    """A fee of 20 % leaves nothing to arbitrageurs in a fall of 14 %."""
    def events(**change: str) -> list[dict[str, object]]:
        return [{"kind": "price", "at": "10 min", "over": "1 h", "change": {"ETH": "-14 %"}},
                {"kind": "governance", "at": "5 min", "protocol": "crvusd", "change": change}]

    chunk, state, rules = started(world(loans((10.0, 16_000.0, 10)), scenario__events=events(fee="20 %")))
    for _ in range(60):
        step(chunk, state)
    assert rules.markets[0].amm.terms[1] == 0.2 and rules.markets[0].amm.told[0, 0] == 0.0
    with pytest.raises(InputError, match="changes nothing"):
        started(world(loans((10.0, 16_000.0, 10)), scenario__events=events(amplification="200")))

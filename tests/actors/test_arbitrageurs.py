"""Arbitrageurs: they move the basis to their threshold, as far as capital goes, and both legs add up."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.actors.arbitrageurs import Arbitrage, Arbitrageurs
from delever.core.empty import new_halts, new_ledgers, new_markets, new_reserves
from delever.core.exchange_tables import Margins
from delever.core.market import log_price_at
from delever.core.state import Watch
from delever.core.tables import (
    ARBITRAGEURS,
    CASH,
    COUNTERS,
    DEPOSITS,
    FUNDING,
    QUEUED,
    SLOTS,
    Accounts,
    BookTables,
    Liquidity,
)
from delever.engine.index import new_pool
from delever.ingest.source import Source
from delever.model.asset import Asset
from delever.model.errors import InputError
from delever.run.pricing import lay_out
from delever.venues.base import ProfileTable, stack
from delever.venues.log_linear import LogLinear
from stated import some

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

USD, ETH, WETH, PERP = range(4)  # assets: WETH is 2 ETH, the perp follows it
SPOT, BOOK = 0, 1  # markets
PRICE = 200.0  # of WETH and its perp [USD]
ASSETS: dict[str, Any] = {"ETH": {"price": 100.0}, "WETH": {"wraps": "ETH", "rate": 2.0}, "PERP": {"perp": "WETH"}}


def rules(**changes: Any) -> Arbitrageurs:
    """He has units enough for whatever these tests ask."""
    given: dict[str, Any] = {"exchange": "perps", "account": "basis", "spot": 1e6, "threshold": 0.01, "leverage": 1e6}
    return Arbitrageurs(**given | changes)


class Bench:
    """One exchange with one perp and two accounts, the second of them the arbitrageur's, on two paths."""

    def __init__(self, spec: Arbitrageurs, cash: float = 1e6, held: float = 0.0, gap: float = 0.0, paid: float = 0.0,
                 fee: float = 0.0, venue: bool = True, positions: int = 1, fee_out: float = 0.0, depth: float = 1.0) -> None:
        layout, z = lay_out({name: Asset(**fields) for name, fields in ASSETS.items()}), np.zeros

        def table(pair: str, depth: float) -> ProfileTable:
            return LogLinear(pair=pair, depth=depth, fee=fee).table(Source(None), PRICE)

        self.tree = layout.tree
        self.profiles = stack([table("ETH/USD", 1e5), table("PERP/USD", 1e3) if venue else None])
        outside = np.log([100.0, PRICE])  # [M]
        self.markets = new_markets(outside, outside, np.array([[fee] * 2, [fee_out] * 2]), 2)
        self.markets.depth[:] = depth
        self.margins = Margins(np.array([0, 1]), np.ones(2), np.array([0, 2]), z(1, int), np.array([0, 1]), z((2, 1)),
                               np.full((2, 1), 0.01), z((2, 1)), np.array([-1, BOOK]), z(3, int), z(0, int), z(0, int),
                               np.array([0, 1]), np.full((2, 2), paid), z((2, 2)), z((2, 2)), np.ones((1, 2)), np.ones((2, 2)))
        cost = held * (PRICE - paid)
        legs = 1 + positions
        self.book = BookTables(np.array([[50.0] + [1.0] * positions, [cash - cost] + [held] * positions]), z(2, int), z(1, int),
                               np.array([[0] + [1] * positions]), np.ones((1, legs)), z((1, legs)), z((1, legs), int),
                               np.array([1]), np.array([positions]), np.array([1]), np.array([2]),
                               np.array([[0.0] * legs, [0.0] + [cost] * positions]), np.array([[0] + [1] * positions]))
        self.reserves = new_reserves(z(2, int), np.array([USD, PERP]), (np.full(2, np.inf), z(2), z(2)), np.arange(2), 2)
        self.watch = Watch(z((1, 2)), z((1, 2)), z((1, 2, 1)), z((2, 1), np.int64), z((2, 2), np.int32), z(1, int),
                           z(COUNTERS, np.int64))
        self.pool, self.ledgers = new_pool(16, 4, legs, legs), new_ledgers(4, 2, 1, 1, 2)
        setting: Any = SimpleNamespace(account=lambda *_: 1, protocol=lambda *_: 0, book=self.book, margins=self.margins, paths=2,
                                       layout=SimpleNamespace(follows=((BOOK, WETH, 1.0),)))
        self.phase = Arbitrage({"one": spec}, setting)
        self.active = np.array([True, False])
        self.widen(gap)

    def widen(self, gap: float) -> None:
        """Others trade the perp on both paths until its log price stands so far above spot's."""
        if self.profiles.has_venue[BOOK]:
            self.markets.consumed[BOOK] = -gap * 1e3
            for p in range(2):
                self.markets.price[BOOK, p] = log_price_at(BOOK, p, -gap * 1e3, self.profiles, self.markets)
        else:
            self.markets.price[BOOK] = self.markets.exogenous[BOOK] + gap

    @property
    def state(self) -> Any:
        """What the phase sees of a state; marks are at PRICE."""
        seen = np.array([[1.0, PRICE]] * 2)
        return SimpleNamespace(
            paths=2, accounts=Accounts(self.pool.touched, self.book, self.reserves, self.margins, seen), book=self.book,
            liquidity=Liquidity(self.tree, self.profiles, self.markets), watch=self.watch, pool=self.pool,
            ledgers=self.ledgers, active=self.active, halts=new_halts(1, 2, 1, 0, 0, 2), time=0.0, tree=self.tree,
            room_for_slots=lambda slots, nodes=0: None)

    def trade(self) -> float:
        """A block; the units of the perp that he bought on path 0 (sold: negative)."""
        before = self.position()
        self.phase.trade(self.state)
        return self.position() - before

    def account(self) -> tuple[float, float, float]:
        """(cash, position, cost) on path 0."""
        if not self.watch.counts[SLOTS]:
            return (*self.book.amount[1, :2], self.book.cost[1, 1])
        slot, touched = int(self.watch.slot_of[0, 1]), self.pool.touched
        return (*touched.amount[slot, :2], touched.cost[slot, 1])

    def position(self) -> float:
        return self.account()[1]

    def equity(self) -> float:
        """At the mark [USD]."""
        cash, q, _ = self.account()
        return cash + q * (PRICE - self.margins.paid[1, 0])

    def gap(self) -> float:
        """Log price of the perp above that of what it follows."""
        return float(self.markets.price[BOOK, 0] - self.markets.price[SPOT, 0] - math.log(2.0))


def adds_up(bench: Bench) -> None:
    """Every asset over all holders; the exchange's books against its cash; turnover is what it is measured by."""
    tokens, booked = bench.ledgers.tokens, bench.ledgers.booked
    assert np.all(np.abs(tokens.sum(0)) <= 1e-12 * np.maximum(bench.ledgers.turnover, 1.0))
    assert tokens[CASH, USD] == pytest.approx(booked[DEPOSITS, 0], rel=1e-12, abs=1e-9)
    assert tokens[CASH, PERP] == pytest.approx(booked[DEPOSITS, 1], rel=1e-12, abs=1e-12)
    assert np.array_equal(bench.ledgers.scaled[0, 0], booked[DEPOSITS, 0])
    assert np.array_equal(bench.ledgers.scaled[1, 1], booked[DEPOSITS, 1])
    assert booked[DEPOSITS, 0, 0] == pytest.approx(bench.account()[0] - bench.book.amount[1, 0], rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("gap", [0.0, 0.0099, -0.0099])
def test_nothing_happens_within_the_threshold(gap: float) -> None:
    bench = Bench(rules(), gap=gap)
    assert bench.trade() == 0.0
    assert bench.watch.counts[SLOTS] == 0 and not bench.ledgers.tokens.any()


@pytest.mark.parametrize("gap", [0.05, -0.05])
def test_he_brings_the_perp_to_the_threshold_and_both_legs_are_equal(gap: float) -> None:
    bench, sign = Bench(rules(), gap=gap), math.copysign(1.0, gap)
    d = bench.trade()
    assert d == pytest.approx(-sign * 0.04 * 1e3, rel=1e-3)  # 4 % at 1000 units a unit of log price
    assert bench.markets.price[BOOK, 0] == pytest.approx(math.log(PRICE) + sign * 0.01, abs=1e-12)
    assert bench.phase.desks.spot[0] == pytest.approx([1e6 - d, 1e6], rel=1e-14)
    assert bench.ledgers.tokens[ARBITRAGEURS, WETH, 0] == pytest.approx(-d, rel=1e-14)
    assert bench.phase.naked(bench.state)["one"] == pytest.approx(np.full(2, 1e6), rel=1e-14)
    adds_up(bench)


def test_spot_gives_way_so_he_comes_nearer_than_his_threshold() -> None:
    bench = Bench(rules(), gap=0.05)
    bench.trade()
    assert 0.0 < bench.gap() < 0.01  # what he bought has lifted spot


def test_he_goes_a_share_of_the_way_each_block() -> None:
    whole, half = Bench(rules(), gap=0.05), Bench(rules(share=0.5), gap=0.05)
    assert half.trade() == pytest.approx(whole.trade() / 2.0, rel=1e-12)
    assert half.trade() < 0.0  # and goes on in the next


def test_he_sells_no_more_spot_than_he_has() -> None:
    bench = Bench(rules(spot=5.0), gap=-0.05)
    assert bench.trade() == 5.0
    assert bench.phase.desks.spot[0, 0] == 0.0
    assert bench.trade() == 0.0


@pytest.mark.parametrize("gap", [0.05, -0.05])
def test_leverage_bounds_his_position_at_the_mark(gap: float) -> None:
    bench = Bench(rules(leverage=2.0), cash=1000.0, gap=gap)
    assert abs(bench.trade()) * PRICE == pytest.approx(2.0 * 1000.0, rel=1e-12)


@pytest.mark.parametrize(("cash", "trades"), [(1e-11, False), (1e-4, True)])
def test_equity_that_is_rounding_allows_no_crumb(cash: float, trades: bool) -> None:
    """What is left of an account that was closed at its bankruptcy price; he would trade some tens of units."""
    bench = Bench(rules(leverage=2.0), cash=cash, gap=0.05)
    assert bool(bench.trade()) is trades


@pytest.mark.parametrize(("held", "gap"), [(8.0, 0.05), (-8.0, -0.05)])
def test_closing_is_allowed_with_nothing_left(held: float, gap: float) -> None:
    bench = Bench(rules(), cash=-100.0, held=held, gap=gap)
    assert bench.equity() == pytest.approx(-100.0)
    assert bench.trade() == -held
    assert bench.position() == 0.0 and bench.account()[2] == 0.0
    adds_up(bench)


def test_a_fill_costs_what_it_differs_from_the_mark_whatever_funding_was_paid() -> None:
    for paid in (0.0, 7.0):
        bench = Bench(rules(), held=-10.0, gap=0.05, paid=paid)
        before, d = bench.equity(), bench.trade()
        usd = -bench.ledgers.tokens[CASH, USD, 0] - bench.ledgers.tokens[FUNDING, USD, 0]  # that the market got
        assert bench.equity() - before == pytest.approx(d * PRICE - usd, rel=1e-9)
        assert bench.ledgers.tokens[FUNDING, USD, 0] == pytest.approx(-d * paid, rel=1e-12)
        assert bench.account()[2] == pytest.approx(-10.0 * (PRICE - paid) + usd - d * paid, rel=1e-12)
        adds_up(bench)


def test_trading_through_zero_closes_first_and_then_opens_at_the_fill() -> None:
    bench = Bench(rules(), held=10.0, gap=0.05, paid=3.0)
    d = bench.trade()
    assert d < -10.0 and bench.position() == pytest.approx(10.0 + d, rel=1e-12)
    price = bench.ledgers.tokens[CASH, USD, 0] + bench.ledgers.tokens[FUNDING, USD, 0]
    assert bench.account()[2] == pytest.approx((10.0 + d) * (price / -d - 3.0), rel=1e-12)
    adds_up(bench)


def test_fees_are_paid_on_both_legs_and_the_units_stay_equal() -> None:
    free, dear = Bench(rules(), gap=0.05), Bench(rules(), gap=0.05, fee=0.01)
    assert dear.trade() == pytest.approx(free.trade() / 0.99, rel=1e-12)  # what reaches the book is the same
    assert dear.markets.price[BOOK, 0] == pytest.approx(free.markets.price[BOOK, 0], abs=1e-12)
    assert dear.phase.desks.spot[0, 0] - 1e6 == pytest.approx(-dear.position(), rel=1e-9)
    assert dear.phase.desks.earned[0, 0] / dear.position() > free.phase.desks.earned[0, 0] / free.position()
    adds_up(dear)


@pytest.mark.parametrize("gap", [0.05, -0.05])
def test_he_reaches_the_same_price_on_a_thinner_book_with_less(gap: float) -> None:
    deep, thin = Bench(rules(), gap=gap), Bench(rules(), gap=gap, depth=0.25)
    assert thin.trade() == pytest.approx(deep.trade() / 4.0, rel=1e-12)
    assert thin.markets.price[BOOK, 0] == pytest.approx(math.log(PRICE) + math.copysign(0.01, gap), abs=1e-12)
    adds_up(thin)


@pytest.mark.parametrize("gap", [0.05, -0.05])
def test_he_reaches_the_same_price_where_the_fee_is_kept_of_what_he_gets(gap: float) -> None:
    bench = Bench(rules(), gap=gap, fee_out=0.02)
    bench.trade()
    assert bench.markets.price[BOOK, 0] == pytest.approx(math.log(PRICE) + math.copysign(0.01, gap), abs=1e-12)
    adds_up(bench)


def test_the_path_that_takes_no_part_is_left_alone() -> None:
    bench = Bench(rules(), gap=0.05)
    bench.trade()
    assert not bench.ledgers.tokens[:, :, 1].any() and bench.phase.desks.spot[0, 1] == 1e6
    assert bench.markets.price[BOOK, 1] == pytest.approx(math.log(PRICE) + 0.05, abs=1e-4)


def test_his_account_goes_back_on_watch_and_is_touched_once() -> None:
    bench = Bench(rules(share=0.5), gap=0.05)
    bench.trade()
    bench.trade()
    assert bench.watch.counts[SLOTS] == 1
    assert bench.pool.touched.flags[0] & QUEUED and bench.pool.touched.account[0] == 1


def test_a_perp_without_a_venue_has_no_basis_to_trade() -> None:
    bench = Bench(rules(), gap=0.05, venue=False)
    assert bench.trade() == 0.0 and not bench.ledgers.tokens.any()


@given(gap=st.floats(-0.2, 0.2), held=st.floats(-50.0, 50.0), cash=st.floats(-1e3, 1e5), spot=some(0.0, 100.0),
       leverage=st.floats(0.5, 20.0), share=st.floats(0.05, 1.0), fee=st.sampled_from([0.0, 0.003]))
def test_he_keeps_within_all_his_limits(gap: float, held: float, cash: float, spot: float, leverage: float, share: float,
                                        fee: float) -> None:
    bench = Bench(rules(spot=spot, leverage=leverage, share=share), cash=cash, held=held, gap=gap, fee=fee)
    equity, before, d = bench.equity(), bench.gap(), bench.trade()
    assert d == 0.0 if abs(before) <= 0.01 else d * before <= 0.0  # towards spot
    assert abs(bench.position()) * PRICE <= max(leverage * max(equity, 0.0), abs(held) * PRICE) * (1.0 + 1e-12)
    assert bench.phase.desks.spot[0, 0] >= 0.0
    after = bench.markets.price[BOOK, 0] - math.log(PRICE)  # against spot as it was
    assert abs(after) <= abs(before) + 1e-12 and after * before >= -1e-12
    if abs(before) > 0.01:
        assert abs(after) >= 0.01 - 1e-12
    adds_up(bench)


@pytest.mark.parametrize("positions", [0, 2])
def test_an_account_with_any_other_number_of_positions_is_refused(positions: int) -> None:
    with pytest.raises(InputError, match=rf"actors\.one\.account.*has {positions} positions.*holds one perp"):
        Bench(rules(), positions=positions)

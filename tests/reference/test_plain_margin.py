"""Margin exchanges of the plain implementation against cases solved by hand."""

from __future__ import annotations

import math

import pytest

from reference.exchange import Exchange
from reference.margin import Funding, Layer, Position, Sight, Stage, maintenance_of
from reference.marks import sample_mark
from reference.one_exchange import PERP, book, ended, run, setting, trader
from reference.pool import Market
from reference.setting import Feed

FUND = Layer("insurance_fund", start={"USD": 5000.0})

# ---- liquidation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "left"), [(47_369.0, 1.0), (47_368.0, 0.0)])
def test_a_long_of_ten_times_leverage_is_called_below_its_liquidation_price(price: float, left: float) -> None:
    # 5000 + p - 50,000 = 5 % of p at 45,000 / 0.95 = 47,368.42
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], price))
    assert sum(p.units for p in ended(result, "a").positions.values()) == left


def test_the_mirrored_short_is_called_above_its_own() -> None:
    # 5000 - (p - 50,000) = 5 % of p at 55,000 / 1.05 = 52,380.95
    assert run(setting([trader("a", -1.0, 50_000.0, 5000.0)], 52_380.0)).counts["called"] == 0
    result = run(setting([trader("a", -1.0, 50_000.0, 5000.0)], 52_381.0))
    assert ended(result, "a").cash == pytest.approx(2619.0, rel=1e-12) and not ended(result, "a").positions


def test_the_fee_goes_to_the_fund_if_there_is_one_else_to_the_treasury() -> None:
    stage = [Stage("market", fee=0.01)]
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], 47_000.0, [FUND], stage))
    assert ended(result, "a").cash == pytest.approx(2000.0 - 470.0, rel=1e-12)
    assert result.fund["ex", "USD"] == pytest.approx(5470.0, rel=1e-12)
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], 47_000.0, [], stage))
    assert result.exchanges["ex"].treasury == pytest.approx(470.0, rel=1e-12)
    # no more than 99.9 % of what is left: 100 of equity
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], 45_100.0, [], stage))
    assert ended(result, "a").cash == pytest.approx(0.1, rel=1e-9)
    assert result.exchanges["ex"].treasury == pytest.approx(99.9, rel=1e-9)


def test_maintenance_is_continuous_over_tiers() -> None:
    tiers = [(0.0, 0.01), (10_000.0, 0.02), (50_000.0, 0.05)]
    assert maintenance_of(10_000.0, tiers) == pytest.approx(100.0, rel=1e-14)
    # 10,000 x 1 % + 40,000 x 2 % + 50,000 x 5 %
    assert maintenance_of(100_000.0, tiers) == pytest.approx(3400.0, rel=1e-14)


def test_the_position_that_needs_most_margin_goes_first_and_alone_if_that_mends_it() -> None:
    account = trader("a", 1.0, 50_000.0, 3020.0)
    account.positions["ETH-PERP"], account.cash = Position(10.0, 10_000.0), account.cash - 10_000.0
    given = setting([account], 50_000.0)
    given.exchanges[0].tiers["ETH-PERP"], given.exchanges[0].underlying["ETH-PERP"] = [(0.0, 0.06)], "ETH"
    given.markets["ETH-PERP"] = Market("ETH-PERP", "USD", 0.0)
    result = run(given)  # 3020 < 2500 + 600; without BTC 600
    assert list(ended(result, "a").positions) == ["ETH-PERP"]


def test_a_large_position_goes_in_parts_and_whole_during_the_cool_down() -> None:
    stage = [Stage("market", partial_above=100_000.0, partial_share=0.2, cooldown=60.0)]
    big = trader("a", 10.0, 50_000.0, 20_000.0)
    result = run(setting([big], 50_000.0, stages=stage))
    assert ended(result, "a").positions[PERP].units == pytest.approx(8.0, rel=1e-14)  # 20,000 = 5 % of 400,000
    assert ended(result, "a").positions[PERP].cost == pytest.approx(400_000.0, rel=1e-14)
    big = trader("a", 10.0, 50_000.0, 19_000.0)
    result = run(setting([big], 50_000.0, stages=stage, blocks=2))
    assert not ended(result, "a").positions  # the second block lies in the cool-down
    big = trader("a", 10.0, 50_000.0, 17_000.0)
    result = run(setting([big], 50_000.0, stages=stage, steps=2, dt=60.0))
    assert ended(result, "a").positions[PERP].units == pytest.approx(6.4, rel=1e-14)  # which had ended


def test_orders_stop_at_the_bankruptcy_price() -> None:
    # 1 BTC at 46,000 with 1000 of equity: down to 45,000, which the book reaches after 2 depth (sqrt(46/45) - 1)
    given = setting([trader("a", 1.0, 50_000.0, 5000.0)], 46_000.0, stages=[Stage("market", limit="bankruptcy")],
                    profile=book(30.0))
    result = run(given)
    sold = 60.0 * (math.sqrt(46.0 / 45.0) - 1.0)
    assert ended(result, "a").positions[PERP].units == pytest.approx(1.0 - sold, rel=1e-12) and sold < 1.0
    assert math.exp(result.log_price[PERP]) == pytest.approx(45_000.0, rel=1e-12)
    assert result.counts["limited"] == 1


def test_the_fillable_price_gives_way_with_the_margin_ratio() -> None:
    # E 1000, MM 2300: A = 1 - 1000/2300, limit = 46,000 - 1.5 (1300/2300) 2300 = 44,050
    given = setting([trader("a", 1.0, 50_000.0, 5000.0)], 46_000.0, stages=[Stage("market", limit="fillable")],
                    profile=book(1.0))
    assert math.exp(run(given).log_price[PERP]) == pytest.approx(44_050.0, rel=1e-12)


def test_a_short_buys_exactly_what_it_owes() -> None:
    given = setting([trader("a", -1.0, 50_000.0, 2600.0)], 51_000.0, profile=book(30.0))
    result = run(given)
    w = 1.0 - 1.0 / 60.0  # 1/sqrt(price) after the purchase, in units of the outside price
    assert ended(result, "a").cash == pytest.approx(52_600.0 - 51_000.0 / w, rel=1e-12)
    assert result.consumed[PERP] == pytest.approx(-1.0, rel=1e-12)


def test_what_the_book_does_not_hold_costs_the_price_it_was_emptied_to() -> None:
    profile = book(1.0)  # from par to nothing at infinity: 2 units
    s, paid = profile.cost(0.0, 3.0)
    last = 0.5 / 1000.0
    held = 2.0 * (1.0 - last)
    assert s == pytest.approx(-held, rel=1e-12)
    assert paid == pytest.approx(held / last + (3.0 - held) / last**2, rel=1e-9)
    assert profile.cost(0.4, 1.3)[1] == pytest.approx(profile.sell(-0.9, 1.3)[1], rel=1e-14)


def test_flat_closing_is_beside_the_mark_and_touches_no_book() -> None:
    given = setting([trader("a", 1.0, 50_000.0, 5000.0)], 47_000.0, stages=[Stage("flat", slippage=0.01)],
                    profile=book(1.0))
    result = run(given)
    assert ended(result, "a").cash == pytest.approx(2000.0 - 470.0, rel=1e-12) and result.consumed[PERP] == 0.0


def test_collateral_is_sold_for_what_the_positions_left_owing() -> None:
    # cash -8000 after the close, ETH at 1000 counts 0.9: 8000/900 units are sold
    result = run(setting([trader("a", 1.0, 50_000.0, 0.0, ETH=10.0)], 42_000.0))
    assert ended(result, "a").collateral["ETH"] == pytest.approx(10.0 - 8000.0 / 900.0, rel=1e-12)
    assert ended(result, "a").cash == pytest.approx(8000.0 / 0.9 - 8000.0, rel=1e-12)
    assert result.deficit["ex", "USD"] == 0.0


# ---- funding and marks -------------------------------------------------------------------------------------------


def test_longs_pay_shorts_what_the_rate_says() -> None:
    given = setting([trader("a", 2.0, 50_000.0, 90_000.0), trader("b", -2.0, 50_000.0, 90_000.0)], 50_000.0, steps=2)
    given.exchanges[0].funding = Funding(120.0, 28_800.0, 0.0001, 0.0005, 0.04)
    result = run(given)
    exchange, sight = result.exchanges["ex"], Sight({}, {PERP: 50_000.0})
    paid = 0.0001 * (120.0 / 28_800.0) * 50_000.0  # no premium: interest, once
    assert exchange.paid[PERP] == pytest.approx(paid, rel=1e-14)
    assert exchange.equity(ended(result, "a"), sight) == pytest.approx(90_000.0 - 2.0 * paid, rel=1e-14)
    assert exchange.equity(ended(result, "b"), sight) == pytest.approx(90_000.0 + 2.0 * paid, rel=1e-14)


def test_closing_settles_the_funding_that_equity_held() -> None:
    exchange = setting([trader("a", 2.0, 50_000.0, 9000.0)], 50_000.0).exchanges[0]
    exchange.paid[PERP] = 30.0
    account, sight = exchange.accounts[0], Sight({}, {PERP: 51_000.0})
    assert exchange.equity(account, sight) == pytest.approx(10_940.0)
    exchange.close(account, PERP, 0.5, 51_000.0)
    assert exchange.equity(account, sight) == pytest.approx(10_940.0) and account.positions[PERP].cost == 75_000.0
    exchange.trade(account, PERP, -2.0, 51_000.0)  # through zero
    assert account.positions[PERP].units == -0.5 and exchange.equity(account, sight) == pytest.approx(10_940.0)
    assert exchange.profit(account, PERP, sight) == pytest.approx(0.0, abs=1e-9)


def test_a_premium_beyond_the_clamp_is_paid_and_the_cap_holds() -> None:
    for cap, rate in ((1.0, (0.01 - 0.0005) / 2.0), (0.001, 0.001)):
        given = setting([], 50_000.0, profile=book(10.0))
        given.markets[PERP].s = 20.0 * (1.01**-0.5 - 1.0)  # 1 % above
        given.exchanges[0].funding = Funding(60.0, 120.0, 0.0001, 0.0005, cap)
        assert run(given).exchanges["ex"].rate[PERP] == pytest.approx(rate, rel=1e-9)


@pytest.mark.parametrize(("formula", "mark"), [
    ("index", 100.0), ("hyperliquid", 100.0 + 2.0 * (1.0 - math.exp(-2.0))), ("binance", 101.0)])
def test_marks_are_medians(formula: str, mark: float) -> None:
    # the book 2 % above, where it was not before: its average 100 + 2 (1 - exp(-60/30)), that of the gap 2 (1 - exp(-60/150));
    # 1 % of funding to come in 3/4 of T
    x = Exchange({"BTC": Market("BTC", "USD", math.log(100.0)), PERP: Market(PERP, "USD", math.log(102.0))}, {})
    exchange = setting([], 100.0).exchanges[0]
    exchange.funding, exchange.rate[PERP] = Funding(240.0, 240.0, 0.0, 0.0, 1.0), 0.04 / 3.0
    feed = Feed("mark", PERP, "USD", index=("BTC", "USD"), formula=formula)
    feed.book = 100.0
    sample_mark(feed, x, exchange, 5, 60.0)
    assert math.exp(feed.answer) == pytest.approx(mark, rel=1e-12)


def test_a_mark_stands_for_its_step_and_spares_an_account_that_the_book_would_not() -> None:
    mark = Feed("mark", PERP, "USD", index=("BTC", "USD"), formula="index")
    sight = {("ex", PERP): (0.0, [("mark", 1)])}
    for feeds, called in (({}, 1), ({"mark": mark}, 0)):
        given = setting([trader("a", 1.0, 50_000.0, 5000.0)], 48_000.0, profile=book(10.0), feeds=feeds,
                        sight=sight if feeds else {})
        given.markets[PERP].s = 20.0 * (0.98**-0.5 - 1.0)  # the book 2 % below
        assert run(given).counts["called"] == called

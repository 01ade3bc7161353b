"""Exchanges of the plain implementation that count in a coin, and perps held both ways, against cases solved by hand."""

from __future__ import annotations

import math

import pytest

from reference.exchange import Exchange
from reference.margin import OTHER, Funding, Layer, MarginAccount, MarginExchange, Option, Position, Sight, Stage
from reference.marks import accrue_funding, follow
from reference.one_exchange import PERP, ended, run, setting, trader
from reference.pool import Market
from reference.setting import Setting

COIN = "BTC-COIN"


def dollars(name: str, usd: float, entry: float, coins: float) -> MarginAccount:
    """So many dollars of an inverse perp, long > 0, from so many USD a coin on."""
    return MarginAccount("ex", name, 0, coins + usd / entry, {}, {COIN: Position(-usd, -usd / entry)})


def of_coin(accounts: list[MarginAccount], price: float, waterfall: list[Layer] | None = None, **changes: object) -> Setting:
    """One exchange that counts in BTC, with an inverse perp of 5 % maintenance and no venue."""
    exchange = MarginExchange("ex", {COIN: [(0.0, 0.05)]}, {}, {COIN: "BTC"}, accounts, [Stage("market")], waterfall or [],
                              unit="BTC", inverse={COIN}, **changes)  # type: ignore[arg-type]
    return setting([], price, exchanges=[exchange], unit={"ex": "BTC"},
                   markets={"BTC": Market("BTC", "USD", math.log(price)), COIN: Market(COIN, "BTC", 0.0)})


@pytest.mark.parametrize(("price", "closed"), [(42_001.0, False), (41_999.0, True)])
def test_a_long_of_an_inverse_perp_is_called_where_its_coins_no_longer_cover_it(price: float, closed: bool) -> None:
    # 10,000 USD from 50,000 on with 0.05 BTC: 0.05 + 0.2 - 10,000/p = 500/p, p = 10,500 / 0.25 = 42,000
    result = run(of_coin([dollars("a", 10_000.0, 50_000.0, 0.05)], price))
    assert bool(ended(result, "a").positions) != closed
    if closed:
        assert ended(result, "a").cash == pytest.approx(0.25 - 10_000.0 / price, rel=1e-12)


def test_what_an_exchange_reports_of_coins_is_in_dollars() -> None:
    # at 38,000 0.25 - 10,000/38,000 = -1/76 BTC; 1 BTC of fund bears it
    result = run(of_coin([dollars("a", 10_000.0, 50_000.0, 0.05)], 38_000.0, [Layer("insurance_fund", start={"BTC": 1.0})]))
    assert result.fund["ex", "BTC"] == pytest.approx(75.0 / 76.0, rel=1e-12)
    assert result.served["ex", "insurance_fund"] == pytest.approx(500.0, rel=1e-10)
    assert result.exchanges["ex"].said["liquidated"] == pytest.approx(10_000.0, rel=1e-12)


def test_longs_of_an_inverse_perp_pay_shorts_in_the_coin() -> None:
    given = of_coin([dollars("long", 10_000.0, 50_000.0, 1.0), dollars("short", -10_000.0, 50_000.0, 1.0)], 50_000.0,
                    funding=Funding(60.0, 60.0, 0.001, 1.0, 1.0))
    result = run(given)
    exchange = result.exchanges["ex"]
    sight = Sight({}, {COIN: 1.0 / 50_000.0}, 50_000.0)
    assert exchange.equity(ended(result, "long"), sight) == pytest.approx(1.0 - 0.0002, rel=1e-12)  # 0.1 % of 0.2 BTC
    assert exchange.equity(ended(result, "short"), sight) == pytest.approx(1.0 + 0.0002, rel=1e-12)


def test_a_call_less_a_put_is_a_coin_less_the_strike() -> None:
    call, put = (Option(way, 60_000.0, 30.0 * 86400.0, 0.5, 0.075) for way in (False, True))
    assert call.value(50_000.0, 0.0) - put.value(50_000.0, 0.0) == pytest.approx(1.0 - 1.2, rel=1e-13)
    assert call.value(60_000.0, 0.0) == pytest.approx(math.erf(0.25 * math.sqrt(30.0 / 365.0) / math.sqrt(2.0)), rel=1e-13)
    assert call.value(1_000.0, 0.0) == 1e-6
    assert call.need(1.0, 0.1) == 0.0 and call.need(-2.0, 0.1) == pytest.approx(0.35)
    assert put.need(-2.0, 3.0) == pytest.approx(2.0 * (3.0 + 0.225))


def test_an_option_loses_with_the_clock() -> None:
    option = Option(False, 50_000.0, 60.0 * 86400.0, 0.5, 0.075)
    given = of_coin([], 50_000.0, options={COIN: option})
    given.exchanges[0].inverse.clear()
    given.steps, given.dt = 2, 86400.0
    assert math.exp(run(given).log_price[COIN]) == pytest.approx(option.value(50_000.0, 2.0 * 86400.0), rel=1e-13)


def test_both_ways_nothing_is_netted_and_one_way_may_go_alone() -> None:
    # long 1 and short 0.5 at 50,000: 2500 + 1250 are asked; 3000 pay for the short when the long, which needs most, is gone
    account = trader("a", 1.0, 50_000.0, 3000.0)
    account.positions[PERP + OTHER] = Position(-0.5, -25_000.0)
    account.cash += 25_000.0
    result = run(setting([account], 50_000.0))
    assert list(ended(result, "a").positions) == [PERP + OTHER] and ended(result, "a").cash == pytest.approx(28_000.0)
    # a vault nets what it takes
    account = trader("a", 1.0, 50_000.0, 3000.0)
    account.positions[PERP + OTHER] = Position(-0.5, -25_000.0)
    account.cash += 25_000.0
    result = run(setting([account], 50_000.0, [Layer("backstop", equity=1000.0, reserve=1.0)], [Stage("backstop")]))
    assert result.exchanges["ex"].vault.positions[PERP].units == pytest.approx(0.5)


def test_a_payment_that_nobody_balances_goes_to_makers() -> None:
    given = of_coin([dollars("a", 10_000.0, 50_000.0, 1.0)], 50_000.0, funding=Funding(60.0, 60.0, 0.001, 1.0, 1.0))
    x = Exchange(given.markets, {})
    follow(x, given.exchanges, 0.0)
    assert accrue_funding(given.exchanges[0], x, 1, 60.0) == 1
    assert x.ledger.change["makers", "BTC"] == pytest.approx(0.0002, rel=1e-12)

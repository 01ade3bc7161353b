"""Margin exchanges of the plain implementation against cases solved by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from reference.accounts import Account, Leg, Rules
from reference.adl import closings
from reference.books import check_books
from reference.exchange import Exchange
from reference.margin import Funding, Layer, MarginAccount, MarginExchange, Position, Sight, Stage, maintenance_of
from reference.marks import sample_mark
from reference.plain import Path, simulate
from reference.pool import Market, Profile
from reference.setting import Arbitrageur, Feed, Network, Result, Setting

PERP = "BTC-PERP"
FUND = Layer("insurance_fund", start={"USD": 5000.0})
VAULT = Layer("backstop", equity=1000.0, reserve=0.0)


def book(depth: float) -> Profile:
    """Makers with constant liquidity: 2 depth du units around the outside price."""
    return Profile([0.5, 1.0, 2.0], [2.0 * depth, 2.0 * depth], [-depth, 0.0, 2.0 * depth], 0.0, 0.0, True)


def trader(name: str, q: float, entry: float, wallet: float, **collateral: float) -> MarginAccount:
    positions = {PERP: Position(q, q * entry)} if q else {}
    return MarginAccount("ex", name, 0, wallet - q * entry, dict(collateral), positions)


def setting(accounts: list[MarginAccount], price: float, waterfall: list[Layer] | None = None,
            stages: list[Stage] | None = None, profile: Profile | None = None, **changes: object) -> Setting:
    """One exchange with one perp, 5 % maintenance, one step of one block; BTC at `price` [USD], without a venue."""
    exchange = MarginExchange("ex", {PERP: [(0.0, 0.05)]}, {"ETH": 0.9}, {PERP: "BTC"}, accounts,
                              stages or [Stage("market")], waterfall or [])
    given: dict[str, object] = dict(
        steps=1, dt=60.0, blocks=1, sequential=True,
        markets={"BTC": Market("BTC", "USD", math.log(price)), "ETH": Market("ETH", "USD", math.log(1000.0)),
                 PERP: Market(PERP, "USD", 0.0, profile)},
        wraps={}, moves=[{}] * 9, depth_shocks=[[]] * 9, feeds={}, sight={}, unit={"ex": "USD"}, rates={}, rules={},
        accounts=[], orders=[], network=Network(), profitable=False, min_profit=0.0, fee_share=0.0, attentive=0.0,
        exchanges=[exchange])
    return Setting(**{**given, **changes})  # type: ignore[arg-type]


def ended(result: Result, name: str) -> MarginAccount:
    return next(a for a in result.exchanges["ex"].accounts if a.name == name)


def run(given: Setting) -> Result:
    """The path, with the books checked after every block."""
    path = Path(given)
    start = check_books(path, None)

    def checked(first: bool, block=path.block) -> bool:  # type: ignore[no-untyped-def]
        again: bool = block(first)
        check_books(path, start)
        return again

    path.block = checked  # type: ignore[method-assign]
    return path.run()


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
    # the book 2 % above; gap averages 2 (1 - exp(-60/30)) and 2 (1 - exp(-60/150)); 1 % of funding to come in 3/4 of T
    x = Exchange({"BTC": Market("BTC", "USD", math.log(100.0)), PERP: Market(PERP, "USD", math.log(102.0))}, {})
    exchange = setting([], 100.0).exchanges[0]
    exchange.funding, exchange.rate[PERP] = Funding(240.0, 240.0, 0.0, 0.0, 1.0), 0.04 / 3.0
    feed = Feed("mark", PERP, "USD", index=("BTC", "USD"), formula=formula)
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


# ---- default waterfall -------------------------------------------------------------------------------------------


def bankrupt(waterfall: list[Layer], *others: MarginAccount, stages: list[Stage] | None = None, price: float = 44_000.0
             ) -> Result:
    """1 BTC long from 50,000 on 5000: 1000 short of zero at 44,000."""
    return run(setting([trader("a", 1.0, 50_000.0, 5000.0), *others], price, waterfall, stages))


def test_the_fund_pays_what_is_short() -> None:
    result = bankrupt([FUND])
    assert result.fund["ex", "USD"] == pytest.approx(4000.0) and result.deficit["ex", "USD"] == 0.0
    assert ended(result, "a").empty and ended(result, "a").cash == 0.0


def test_a_fund_that_is_too_small_does_not_serve_and_the_shortfall_stays_booked() -> None:
    result = bankrupt([replace(FUND, start={"USD": 300.0})])
    assert result.fund["ex", "USD"] == 300.0 and result.deficit["ex", "USD"] == pytest.approx(1000.0)
    assert result.dry["ex", "insurance_fund"] == 60.0


WINNERS = (trader("b", -0.75, 60_000.0, 20_000.0), trader("c", -1.0, 46_000.0, 30_000.0))
UNFILLED = [Stage("market", limit="bankruptcy")]  # the market stands below: nothing is sold


def winners() -> tuple[MarginAccount, ...]:
    return tuple(replace(w, positions={p: replace(held) for p, held in w.positions.items()}) for w in WINNERS)


def test_adl_closes_winners_in_the_order_of_their_score_at_the_bankruptcy_price() -> None:
    # b: 16/60 profit on 33,000/32,000 of leverage, before c: 2/46 on 44,000/32,000
    result = bankrupt([Layer("adl", rule="binance")], *winners(), stages=UNFILLED)
    assert [(c.account, c.units) for c in result.exchanges["ex"].closings] == [("b", -0.75), ("c", -0.25)]
    assert [c.haircut for c in result.exchanges["ex"].closings] == pytest.approx([750.0, 250.0], rel=1e-12)
    assert ended(result, "a").empty and ended(result, "a").cash == pytest.approx(0.0, abs=1e-9)
    assert ended(result, "b").cash == pytest.approx(20_000.0 + 0.75 * 15_000.0)  # closed at 45,000
    assert ended(result, "c").positions[PERP].units == -0.75
    assert result.deficit["ex", "USD"] == pytest.approx(0.0, abs=1e-9)


def test_adl_at_the_mark_leaves_the_loss_to_the_next_layer() -> None:
    result = bankrupt([Layer("adl", rule="binance", price="mark"), FUND], *winners(), stages=UNFILLED)
    assert [c.haircut for c in result.exchanges["ex"].closings] == [0.0, 0.0]
    assert result.fund["ex", "USD"] == pytest.approx(4000.0)


@pytest.mark.parametrize(("rule", "cap", "units"), [
    ("contract_pro_rata", 1.0, (0.75 / 1.75, 1.0 / 1.75)),
    ("wealth_pro_rata", 1.0, (0.75, 0.25)),  # 12,000 against 2000 of profit: b would close 6/7, and has 3/4
    ("capped_pro_rata", 0.5, (0.375, 0.5)),
    ("hyperliquid", 1.0, (0.0, 1.0)),  # 60/44 x 33/32 = 1.406 comes after 46/44 x 44/32 = 1.4375
    ("hyperliquid_v2", 1.0, (0.75, 0.25))])
def test_every_rule_shares_as_it_says(rule: str, cap: float, units: tuple[float, float]) -> None:
    result = bankrupt([Layer("adl", rule=rule, cap=cap)], *winners(), stages=UNFILLED)
    closed = {c.account: -c.units for c in result.exchanges["ex"].closings}
    assert (closed.get("b", 0.0), closed.get("c", 0.0)) == pytest.approx(units, rel=1e-12)
    assert ("adl" in {layer for _, layer in result.dry}) == (rule == "capped_pro_rata")


def test_wealth_pro_rata_is_the_papers_algebra() -> None:
    # w = (8, 4, 0.5) of 12.5; three fifths of each are closed if 0.6 of the wealth is called for
    accounts = [trader(n, -1.0, 100.0 + w, 1000.0) for n, w in (("b", 8.0), ("c", 4.0), ("d", 0.5))]
    exchange = setting(accounts, 100.0).exchanges[0]
    parts, whole = closings(exchange, PERP, 0.9, Layer("adl", rule="wealth_pro_rata"), Sight({}, {PERP: 100.0}))
    assert whole and [units for _, units in parts] == pytest.approx([0.9 * w / 12.5 for w in (8.0, 4.0, 0.5)], rel=1e-12)


@pytest.mark.parametrize(("over", "shares"), [("equity", (0.5, 0.5)), ("profit", (12.0 / 14.0, 2.0 / 14.0))])
def test_losses_are_socialised_pro_rata(over: str, shares: tuple[float, float]) -> None:
    result = bankrupt([Layer("socialised_loss", over=over)], *winners())
    for name, before, share in (("b", 65_000.0, shares[0]), ("c", 76_000.0, shares[1])):
        assert ended(result, name).cash == pytest.approx(before - 1000.0 * share, rel=1e-12)
    assert result.deficit["ex", "USD"] == pytest.approx(0.0, abs=1e-9)
    assert result.socialised["ex", "USD"] == pytest.approx(1000.0)


def test_the_vault_takes_the_account_below_its_stage_and_unwinds_it() -> None:
    stages = [Stage("market"), Stage("backstop", below=2.0 / 3.0)]
    vault = replace(VAULT, half_life=60.0)
    # E 1500 < 2/3 of 2325
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], 46_500.0, [vault], stages, steps=2))
    held = result.exchanges["ex"].vault
    assert ended(result, "a").empty and ended(result, "a").cash == 0.0
    assert held.positions[PERP].units == 0.5 and held.cash == pytest.approx(1000.0 - 45_000.0 + 23_250.0)
    assert result.counts["stage_market"] == 0


def test_a_vault_that_cannot_bear_it_leaves_it_to_the_stage_before() -> None:
    stages = [Stage("market"), Stage("backstop", below=2.0 / 3.0)]
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], 46_500.0, [replace(VAULT, reserve=2.0)], stages))
    assert not result.exchanges["ex"].vault.positions and ended(result, "a").cash == pytest.approx(1500.0)
    assert result.dry["ex", "backstop"] == 60.0
    result = run(setting([trader("a", 1.0, 50_000.0, 5000.0)], 46_500.0, [], stages))
    assert ended(result, "a").cash == pytest.approx(1500.0) and not result.dry


def test_a_fallen_vault_is_deleveraged_at_the_mark() -> None:
    given = setting([trader("b", -0.4, 60_000.0, 90_000.0)], 44_000.0, [VAULT, Layer("adl", rule="binance")])
    given.exchanges[0].vault.positions[PERP] = Position(1.0, 50_000.0)
    given.exchanges[0].vault.cash -= 50_000.0
    result = run(given)
    assert result.counts["vault_fell"] == 1
    assert result.exchanges["ex"].vault.positions[PERP].units == pytest.approx(0.6, rel=1e-14)
    assert ended(result, "b").cash == pytest.approx(90_000.0 + 0.4 * 16_000.0)


def test_lending_deficits_are_paid_by_the_fund_and_the_rest_by_suppliers() -> None:
    lender = Account("lender", "a", 0, [Leg("ETH", 1.0, threshold=0.8, incentive=0.1)], [Leg("USD", 2000.0)])
    layers = [Layer("insurance_fund", start={"USD": 400.0}), Layer("socialised_loss")]
    for waterfall, left in ((layers[:1], 2000.0 - 1000.0 / 1.1 - 400.0), (layers, 0.0)):
        account = replace(lender, collateral=[replace(lender.collateral[0])], debt=[replace(lender.debt[0])])
        result = run(replace(
            setting([], 44_000.0), unit={"lender": "USD", "ex": "USD"}, rules={"lender": Rules("v3_3")}, accounts=[account],
            rates={("lender", "ETH"): (0.0, 0.0), ("lender", "USD"): (0.0, 0.0)}, waterfalls={"lender": waterfall}))
        assert result.deficit["lender", "USD"] == pytest.approx(left, rel=1e-12)
        assert result.fund["lender", "USD"] == pytest.approx(0.0)


# ---- arbitrage ---------------------------------------------------------------------------------------------------


def test_arbitrage_buys_the_perp_and_sells_spot_down_to_its_threshold() -> None:
    one = Arbitrageur("arb", "ex", "arb", PERP, spot=5.0, threshold=0.01, share=1.0, leverage=50.0)
    given = setting([trader("arb", 0.0, 0.0, 50_000.0)], 50_000.0, profile=book(10.0), arbitrageurs=[one])
    given.markets[PERP].s = 1.0
    result = run(given)
    units = 1.0 - 20.0 * (math.exp(0.01 / 2.0) - 1.0)
    assert result.log_price[PERP] == pytest.approx(math.log(50_000.0) - 0.01, rel=1e-12)
    assert ended(result, "arb").positions[PERP].units == pytest.approx(units, rel=1e-12)
    assert result.spot["arb"] == pytest.approx(5.0 - units, rel=1e-12)
    assert one.outside == pytest.approx(50_000.0 * units, rel=1e-12)
    assert simulate(replace(given, arbitrageurs=[])).log_price[PERP] == pytest.approx(result.log_price[PERP])


@pytest.mark.parametrize(("spot", "leverage", "units"), [(0.2, 50.0, 0.2), (5.0, 0.3, 0.3)])
def test_his_capital_is_finite(spot: float, leverage: float, units: float) -> None:
    one = Arbitrageur("arb", "ex", "arb", PERP, spot, threshold=0.01, share=1.0, leverage=leverage)
    mark = Feed("mark", PERP, "USD", index=("BTC", "USD"), formula="index")
    given = setting([trader("arb", 0.0, 0.0, 50_000.0)], 50_000.0, profile=book(10.0), arbitrageurs=[one],
                    feeds={"mark": mark}, sight={("ex", PERP): (0.0, [("mark", 1)])})
    given.markets[PERP].s = 1.0
    assert ended(run(given), "arb").positions[PERP].units == pytest.approx(units, rel=1e-12)

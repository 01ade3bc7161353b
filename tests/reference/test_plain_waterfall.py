"""Default waterfalls and arbitrage of the plain implementation against cases solved by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from reference.accounts import Account, Leg, Rules
from reference.adl import closings
from reference.margin import Layer, MarginAccount, Position, Sight, Stage
from reference.one_exchange import PERP, book, ended, run, setting, trader
from reference.plain import simulate
from reference.setting import Arbitrageur, Feed, Result

FUND = Layer("insurance_fund", start={"USD": 5000.0})
VAULT = Layer("backstop", equity=1000.0, reserve=0.0)

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
    parts, whole = closings(exchange, PERP, 0.9, 100.0, Layer("adl", rule="wealth_pro_rata"), Sight({}, {PERP: 100.0}))
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

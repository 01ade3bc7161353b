"""What-ifs: paired differences, owners who keep their distance, joint shocks, liquidation prices position by position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import delever.templates
from delever.analysis import compare, liquidation_prices, sweep, wall
from delever.analysis.comparison import moves_terms
from delever.analysis.joint_shocks import parse_joint
from delever.analysis.position_prices import prices_of, sorted_by
from delever.analysis.relevering import relevered
from delever.analysis.valuation import health, legs_of
from delever.analysis.walls import joint_of
from delever.analysis.words import numbers, settings_of
from delever.examples import example
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.worlds import load

from .conftest import staked
from .test_margins import exchange

ETH, WBTC = "protocols.aave.parameters.ETH.liquidation_threshold", "protocols.aave.parameters.WBTC.liquidation_threshold"
LEGS = [("a", "collateral", "ETH", 10.0), ("a", "debt", "USDC", 12_000.0), ("b", "collateral", "wstETH", 5.0),
        ("b", "collateral", "USDC", 2_000.0), ("b", "debt", "ETH", 4.0), ("c", "collateral", "USDC", 9_000.0),
        ("c", "debt", "ETH", 2.0)]


def test_a_variant_is_compared_path_by_path_and_says_what_was_changed_and_assumed(first: World) -> None:
    world = first.replace("scenario.paths", 6)
    variants = world.replace(WBTC, "+3 points"), world.replace("actors.borrowers.attentive", 0.9)
    found = compare(world, *variants, names=["up", "awake"])
    assert found.labels == ("up", "awake")
    assert [tuple(row.values()) for row in found.settings.to_pylist()] == [
        ("up", WBTC, "78 %", "81 %"), ("awake", "actors.borrowers.attentive", "30 %", "90 %")]
    assert len(found.assumptions) == 1 and found.assumptions[0].startswith("Nobody re-levers")
    for row in found.differences.to_pylist():
        assert row["difference"] == pytest.approx(row["value"] - row["baseline"], nan_ok=True)
        assert not row["low"] > row["high"]
    assert compare(world, world.replace("actors.borrowers.attentive", 0.9)).assumptions == ()


def test_owners_who_keep_their_distance_have_the_health_factor_they_had(first: World) -> None:
    other = first.replace(WBTC, "+3 points")
    assert moves_terms(first, other)
    scaled = relevered(first, other)
    before, plain, after = (assemble(world) for world in (first, other, scaled))
    factors = [health(legs_of(model), model.seen_price()).factor for model in (before, plain, after)]
    np.testing.assert_allclose(factors[2], factors[0], rtol=1e-12)
    assert (factors[1] != factors[0]).any()
    found = compare(first.replace("scenario.paths", 2), other.replace("scenario.paths", 2), owners="keep distance")
    assert found.assumptions[0].startswith("Owners re-lever")


def test_a_sweep_runs_every_combination(first: World) -> None:
    found = sweep(first.replace("scenario.paths", 2), {ETH: ["-1 point", "82 %"], "actors.borrowers.attentive": ["x1", "x0.5"]})
    one = [row for row in found.table.to_pylist() if row["figure"] == "shortfall"]
    assert [(row[ETH], row["actors.borrowers.attentive"]) for row in one] == [
        ("-1 point", "x1"), ("-1 point", "x0.5"), ("82 %", "x1"), ("82 %", "x0.5")]
    assert one[0]["value"] == one[2]["value"]  # 83 % - 1 point is 82 %
    with pytest.raises(InputError, match="names a value twice"):
        sweep(first, {ETH: ["80 %", "80 %"]})


@pytest.mark.parametrize(("text", "path", "change"), [
    ("WBTC threshold +3 points", WBTC, "+3 points"),
    ("ETH volatility x1.5", "scenario.prices.volatility.ETH", "x1.5"),
    ("borrowers attentive to 50 %", "actors.borrowers.attentive", "50 %"),
    ("eth_pool half_life -10 %", "venues.eth_pool.half_life", "-10 %"),
    ("WBTC threshold 75 %", WBTC, "75 %"), ("WBTC LT 75 %", WBTC, "75 %"), ("wbtc lltv = 75 %", WBTC, "75 %"),
    ("WBTC bonus 8 %", "protocols.aave.parameters.WBTC.incentive", "8 %"),
    ("WBTC liquidation bonus +1 point", "protocols.aave.parameters.WBTC.incentive", "+1 point"),
    ("liquidation penalty of WBTC to 8 %", "protocols.aave.parameters.WBTC.incentive", "8 %"),
    ("WBTC LTV 70 %", "protocols.aave.parameters.WBTC.loan_to_value", "70 %"),
    ("WBTC loan to value 70 %", "protocols.aave.parameters.WBTC.loan_to_value", "70 %"),
    ("WBTC supply cap 1,000", "protocols.aave.parameters.WBTC.supply_cap", "1,000"),
    ("eth_pool fee 5 bp", "venues.eth_pool.fee", "5 bp"),
    ("WBTC protocol fee 12 %", "protocols.aave.parameters.WBTC.protocol_fee", "12 %"),
    ("base fee 1.5e2 gwei", "networks.ethereum.base_fee", "1.5e2 gwei"),
    ("close factor to 25 %", "protocols.aave.rules.close_factor", "25 %"),
    ("scenario events 0 change ETH -40 %", "scenario.events.0.change.ETH", "-40 %"),
    ("ETH vol 90 %", "scenario.prices.volatility.ETH", "90 %"), ("eth_pool half life 1 h", "venues.eth_pool.half_life", "1 h"),
    ("min profit 1,000 USD", "actors.liquidators.min_profit", "1,000 USD"),
])
def test_a_change_in_words_is_a_field_of_the_world(first: World, text: str, path: str, change: str) -> None:
    assert settings_of(first, text) == [(path, change)]


@pytest.mark.parametrize(("text", "line"), [
    ("threshold +3 points", "may mean"), ("gravity x2", "means no number"), ("WBTC threshold", "says no change"),
    ("WBTC threshold x", "says no change"), ("threshold 75 %", "may mean"),
    ("gravity 75 %", "nothing is called gravity; known fields: age, at, attentive, base_fee, "),
    ("WBTC heartbeat x2", "heartbeat stands in feeds"),
    ("WBTC treshold 75 %", "did you mean threshold[?]"),
    ("WBTC LTV +3 points", "means no number"),  # it is not stated, so there is nothing to add to
    ("eth_pool depth to 500", "is all that the pool holds: venues.eth_pool.reserves.ETH, venues.eth_pool.reserves.USD"),
])
def test_words_that_may_mean_several_fields_or_none_are_refused(first: World, text: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        settings_of(first, text)


def test_shocks_to_several_assets_at_once_are_those_of_their_product(first: World) -> None:
    both = wall(first, None, "ETH -30 %, WBTC x0.8")
    again = wall(first, None, {"ETH": -0.3, "WBTC": -0.2})
    assert both.totals.equals(again.totals)
    assert both.moves.to_pylist()[1] == {"shock": -0.3, "asset": "WBTC", "move": -0.2, "price_usd": pytest.approx(34_000.0)}
    alone = [set(wall(first, name, move).accounts["account"].to_pylist()) for name, move in (("ETH", -0.3), ("WBTC", -0.2))]
    assert alone[0] | alone[1] <= set(both.accounts["account"].to_pylist())


def test_all_and_a_factor_name_their_assets(first: World) -> None:
    model = assemble(first)
    everything = parse_joint("all -20 %, WBTC -40 %", model)
    assert dict(zip(everything.assets, everything.moves[0].tolist(), strict=True)) == {"WBTC": -0.4, "ETH": -0.2}
    factor = parse_joint("factor ETH -30 %", model)
    beta = 0.8 * 0.6 / 0.8
    assert factor.moves[0, factor.assets.index("WBTC")] == pytest.approx(0.7**beta - 1.0, rel=1e-11)
    assert parse_joint("ETH -60%..0%, WBTC -30%..0% by 10%", model).moves.shape == (13, 2)
    for text, line in (("all -5 %, factor ETH -5 %", "twice"), ("ETH -5 %, ETH -6 %", "twice"), ("EHT -5 %", "did you mean ETH")):
        with pytest.raises(InputError, match=line):
            parse_joint(text, model)


def test_a_day_of_the_past_takes_each_asset_to_its_low(first: World) -> None:
    """12 March 2020, from the bars: ETH 194.61 to 101.2, BTC 7,934.58 to 4,410 USD."""
    model = assemble(first)
    day = parse_joint("12 March 2020", model)
    assert dict(zip(day.assets, day.moves[0].tolist(), strict=True)) == {"ETH": -0.48, "WBTC": -0.444}
    assert len(day.said) == 1 and "WBTC as BTC; not named, so unmoved: USDC" in day.said[0]
    for text in ("Black Thursday, WBTC -60 %", "WBTC -60 %, 12 March 2020", "WBTC -60 %; day 2020-03-12"):
        mixed = parse_joint(text, model)
        assert dict(zip(mixed.assets, mixed.moves[0].tolist(), strict=True)) == {"WBTC": -0.6, "ETH": -0.48}
        assert "WBTC" not in mixed.said[0]
    assert parse_joint("usdc depeg", model).assets == ("ETH", "WBTC", "USDC")
    assert wall(first, None, "12 March 2020").totals.equals(wall(first, None, "ETH -48 %, WBTC -44.4 %").totals)


def test_on_a_day_what_is_pegged_follows_and_only_its_peg_moves_by_itself() -> None:
    model = assemble(staked(LEGS))
    joint = parse_joint("Celsius", model)
    assert dict(zip(joint.assets, joint.moves[0].tolist(), strict=True)) == {"ETH": -0.188, "stETH": -0.021}
    assert parse_joint("FTX", model).assets == ("ETH",)


@pytest.mark.parametrize(("text", "line"), [
    ("12 March 2021", r"no such day: '12 March 2021'; days are 2020-03-12 \(Black Thursday\), .*2025-10-10"),
    ("Black Friday", r"names no asset and its move: 'Black Friday'.*2022-11-08 \(FTX\)"),
    ("all -5 %, FTX", "shocked twice"), ("SVB; FTX", "shocked twice")])
def test_a_day_that_is_unknown_or_one_too_many_is_refused(first: World, text: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        parse_joint(text, assemble(first))
    with pytest.raises(InputError, match="'FTX'; leave out the asset"):
        wall(first, "ETH", "FTX")


def test_steps_and_count_of_a_wall_are_settings(first: World) -> None:
    assert wall(first, "ETH", "-40%..0%", step="20 %").totals["shock"].to_pylist() == [-0.4, -0.2, 0.0]
    assert wall(first, "ETH", "-40%..0%", count=5).totals["shock"].to_pylist() == [-0.4, -0.3, -0.2, -0.1, 0.0]


@pytest.mark.parametrize("shock", ["ETH -30 %", "ETH -30 %, stETH -5 %", "ETH +30 %"])
def test_at_its_liquidation_price_an_account_turns(shock: str) -> None:
    """A hair on either side of the price the wall finds it healthy and eligible; along the shock likewise."""
    model = assemble(staked(LEGS))
    world = model.world
    rows = prices_of(model, joint_of(model, None, shock)).to_pylist()
    assert {row["side"] for row in rows} == {"collateral", "debt"}
    seen = 0
    for row in rows:
        if row["move"] is not None and row["asset"] in ("ETH", "stETH"):
            for nudge, called in ((-1e-9, row["move"] < 0), (1e-9, row["move"] > 0)):
                reached = wall(world, row["asset"], row["move"] + nudge).accounts["account"].to_pylist()
                assert (row["account"] in reached) == called
            seen += 1
        if row["along_shock"] is not None:
            joint = joint_of(model, None, shock)
            for part, called in ((row["along_shock"] - 1e-9, False), (row["along_shock"] + 1e-9, True)):
                moves = {name: float(np.expm1(part * np.log1p(move)))
                         for name, move in zip(joint.assets, joint.moves[0], strict=True)}
                assert (row["account"] in wall(world, None, moves).accounts["account"].to_pylist()) == called
            seen += 1
    assert seen >= 2


def test_liquidation_prices_by_hand() -> None:
    """a: 10 ETH at 80 % back 12,000 USD: 1,500 USD. c: 9,000 USD at 80 % back 2 ETH: 3,600 USD."""
    rows = {(row["account"], row["asset"], row["side"]): row for row in liquidation_prices(staked(LEGS)).to_pylist()}
    assert rows["a", "ETH", "collateral"]["liquidation_price_usd"] == pytest.approx(1_500.0, rel=1e-12)
    assert rows["c", "ETH", "debt"]["liquidation_price_usd"] == pytest.approx(3_600.0, rel=1e-12)
    assert rows["a", "ETH", "collateral"]["owner"] == "a"
    table = sorted_by(liquidation_prices(staked(LEGS)), "value_usd")
    assert table["value_usd"].to_pylist() == sorted(table["value_usd"].to_pylist(), reverse=True)


@pytest.mark.parametrize("lends", [False, True])
def test_at_its_liquidation_price_a_margin_account_turns(lends: bool) -> None:
    world = exchange(lends)
    model = assemble(world)
    rows = [row for row in prices_of(model, joint_of(model, None, "ETH -20 %")).to_pylist()
            if row["side"] in ("long", "short") and row["move"] is not None]
    assert rows
    for row in rows[:4]:
        for nudge, called in ((-1e-6, row["move"] < 0), (1e-6, row["move"] > 0)):
            if row["move"] + nudge > -1.0:
                reached = wall(world, "ETH", row["move"] + nudge).accounts["account"].to_pylist()
                assert (row["account"] in reached) == called, row


def test_the_depth_of_a_pool_is_all_that_it_holds(first: World) -> None:
    assert settings_of(first, "eth_pool depth x0.5") == [
        ("venues.eth_pool.reserves.ETH", "x0.5"), ("venues.eth_pool.reserves.USD", "x0.5")]
    assert len(settings_of(first, "eth_pool depth -50 %")) == 2


def test_of_an_exchange_its_depth_and_its_fund_have_their_words() -> None:
    world = load(Path(delever.templates.FOLDER) / "perps")
    assert settings_of(world, "eth_perp depth 100k") == [("venues.eth_perp.depth", "100k")]
    fund = [("protocols.perps.waterfall.0.start.USD", "x2")]
    assert settings_of(world, "insurance fund x2") == settings_of(world, "fund x2") == fund
    assert settings_of(world, "ETH haircut 20 %") == [("protocols.perps.parameters.ETH.haircut", "20 %")]
    assert settings_of(world, "funding cap 1 %") == [("protocols.perps.funding.cap", "1 %")]


def test_every_number_of_a_world_is_meant_by_its_own_path(first: World) -> None:
    for path in numbers(first):
        assert settings_of(first, f"{path} x2") == [(path, "x2")]


@pytest.mark.parametrize("label", ["half \ud800", 7, None])
def test_a_label_that_no_table_can_hold_is_one_line(label: Any) -> None:
    first = load(example("first"), {"scenario.paths": "2"})
    with pytest.raises(InputError, match=r"compare\.names is no text"):
        compare(first, first, names=[label])

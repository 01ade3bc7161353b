"""Static checks: terms against oracles and spirals, caps against depth, the sandbox, who backs what; both sides of each edge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.analysis.limit_caps import factor, pays_for
from delever.analysis.limit_terms import toxic_frontier, worst_ltv
from delever.analysis.limits import Limits, static_checks
from delever.analysis.valuation import health, legs_of
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.worlds import load

PRICE, ETH = 2000.0, 1000.0
TERMS = {"liquidation_threshold": 0.83, "incentive": 0.05}
POOL = {"kind": "constant_product", "pair": "ETH/USD", "fee": 0, "reserves": {"ETH": ETH, "USD": ETH * PRICE}}
FOLLOWS = {**POOL, "follows": True}


def world(terms: dict[str, Any] | None = None, loans: tuple[tuple[float, float], ...] = ((100.0, 100_000.0),),
          venue: dict[str, Any] | None = None, feed: dict[str, Any] | None = None, **changes: Any) -> World:
    """Loans of USDC on ETH; terms: of ETH."""
    rows = [leg for i, (units, debt) in enumerate(loans) for leg in (
        {"account": f"a{i}", "asset": "ETH", "side": "collateral", "amount": units},
        {"account": f"a{i}", "asset": "USDC", "side": "debt", "amount": debt})]
    oracles = {"pool": {"USDC": "1", **({"ETH": "eth"} if feed else {})}}
    return load({
        "name": "limits", "as_of": "2024-01-15T12:00:00Z", "assets": {"ETH": {"price": PRICE}, "USDC": {"price": 1}},
        "protocols": {"pool": {"rules": "aave.v3_0", "book": Book.from_table(pa.Table.from_pylist(rows), protocol="pool"),
                               "parameters": {"ETH": {**TERMS, **(terms or {})}, "USDC": TERMS}}},
        "feeds": {"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": "1 h", **feed}} if feed else {}, "oracles": oracles,
        "venues": {"eth": venue or FOLLOWS}, "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": 1, "seed": 1,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.8}}}, **changes})


def codes(found: Limits) -> set[str]:
    return set(found.findings["code"].to_pylist()) if found.findings.num_rows else set()


def of(found: pa.Table, asset: str = "ETH") -> dict[str, Any]:
    return next(row for row in found.to_pylist() if row["asset"] == asset)


# --- the free option -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ltv", "free"), [(0.9951, True), (0.9949, False)])
def test_a_loan_is_free_from_the_deviation_on(ltv: float, free: bool) -> None:
    """Seen at 2000, the market may stand at 1990: 99.5 % of what is seen is all of it."""
    terms = {"loan_to_value": ltv, "liquidation_threshold": 0.996, "incentive": 0.001}
    found = static_checks(world(terms, feed={"deviation": 0.005}))
    assert of(found.terms)["worst"] == pytest.approx(ltv / 0.995)
    assert ("limit.free_option" in codes(found)) == free


def test_an_answer_on_its_way_adds_three_deviations_of_its_delay() -> None:
    found = static_checks(world(feed={"deviation": 0.005, "delay": "1 h"}))
    drift = math.exp(3.0 * 0.8 * math.sqrt(1.0 / 8760.0))
    assert of(found.terms)["down"] == pytest.approx(1.0 - 0.995 / drift)
    assert of(found.terms)["worst"] == pytest.approx(0.83 * drift / 0.995)


def test_worst_ltv_counts_both_sides() -> None:
    assert worst_ltv(0.8, 0.005, 0.0025) == pytest.approx(0.8 * 1.0025 / 0.995)
    assert worst_ltv(0.8, 0.0, 0.0) == 0.8
    assert worst_ltv(0.8, 1.0, 0.0) == math.inf


def test_a_price_that_is_never_renewed_is_noted() -> None:
    legs = pa.Table.from_pylist([{"account": "a", "asset": "USDC", "side": "collateral", "amount": 5e5},
                                 {"account": "a", "asset": "ETH", "side": "debt", "amount": 100.0}])
    fixed = world().replace("protocols.pool.book", Book.from_table(legs, protocol="pool"))
    assert "limit.fixed_price" in codes(static_checks(fixed))
    assert "limit.fixed_price" not in codes(static_checks(world()))


# --- the toxic frontier --------------------------------------------------------------------------------------------------


def test_the_frontier_is_that_of_the_literature() -> None:
    assert toxic_frontier(0.05) == pytest.approx(0.9524, abs=5e-5)
    assert toxic_frontier(0.05, 1e6, 2.0 / 4e7) == pytest.approx(1.0 / (1.05 * 1.05))  # lambda = 1 + 2 c / y


@pytest.mark.parametrize("collateral", [0.0, 2e5, 2e6])
@pytest.mark.parametrize("incentive", [0.0, 0.05, 0.15])
def test_a_small_call_lowers_health_beyond_the_frontier_alone(collateral: float, incentive: float) -> None:
    """Played: repay a little, take (1 + i) of it, sell that into x y = k, look at debt over collateral anew."""
    edge, eth, usd = toxic_frontier(incentive, collateral, 2.0 / (ETH * PRICE)), ETH, ETH * PRICE
    units = (collateral or 1e-3) / PRICE
    for ltv, worse in ((edge * 0.999, False), (edge * 1.001, True)):
        debt = ltv * units * PRICE
        repaid = 1e-5 * debt
        taken = repaid * (1.0 + incentive) / PRICE
        after = (usd - usd * taken / (eth + taken)) / (eth + taken) if collateral else PRICE
        assert ((debt - repaid) / ((units - taken) * after) > ltv) == worse


@pytest.mark.parametrize(("threshold", "spirals"), [(0.9525, True), (0.9523, False)])
def test_a_threshold_at_which_no_call_helps_is_found(threshold: float, spirals: bool) -> None:
    found = static_checks(world({"liquidation_threshold": threshold}, venue={**POOL, "reserves": {"ETH": 1e9, "USD": 2e12}}))
    assert ("limit.spiral" in codes(found)) == spirals
    assert of(found.terms)["called"] == pytest.approx(threshold * 1.05)


@pytest.mark.parametrize(("units", "spirals"), [(75.0, True), (73.0, False)])
def test_the_largest_loan_moves_its_own_price(units: float, spirals: bool) -> None:
    """Threshold 83 %: 1 / (1.05 (1 + 2 c / y)) = 0.83 at c = 147,447 USD, so 73.7 ETH."""
    found = static_checks(world(loans=((units, 1_000.0), (1.0, 100.0))))
    row = of(found.terms)
    assert row["largest_usd"] == pytest.approx(units * PRICE)
    assert row["frontier_largest"] == pytest.approx(1.0 / (1.05 * (1.0 + 2.0 * units / ETH)), rel=1e-3)
    assert ("limit.spiral_of_largest" in codes(found)) == spirals


# --- caps ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cap", "too_large"), [(445.0, True), (444.0, False)])
def test_a_cap_is_held_against_what_the_pool_takes(cap: float, too_large: bool) -> None:
    """10 % of slippage: q / (1000 + q) = 0.1 at 111.1 ETH, a quarter of 444.4."""
    found = static_checks(world({"supply_cap": cap}), "25 %", "10 %")
    row = of(found.caps)
    assert row["slippage_cap"] == pytest.approx(cap / 4.0 / (ETH + cap / 4.0))
    assert row["slippage_supplied"] == pytest.approx(25.0 / 1025.0)
    assert row["largest"] == pytest.approx(4.0 * ETH / 9.0)
    assert ("limit.cap_beyond_depth" in codes(found)) == too_large
    assert "limit.supply_beyond_depth" not in codes(found)


def test_if_not_told_slippage_is_what_the_incentive_pays_for() -> None:
    assert pays_for(0.05, 0.0) == pytest.approx(1.0 - 1.0 / 1.05)
    found = static_checks(world({"protocol_fee": 0.1}))
    assert of(found.caps)["allowed"] == pytest.approx(1.0 - 1.0 / 1.045)


def test_without_a_venue_any_cap_is_small_enough() -> None:
    endless = world({"supply_cap": 1e12}).replace("venues", {})
    found = static_checks(endless)
    assert of(found.caps)["largest"] == math.inf
    assert "limit.cap_beyond_depth" not in codes(found)


# --- the sandbox ---------------------------------------------------------------------------------------------------------


def test_the_highest_factor_by_hand() -> None:
    """-20 %, makers follow. 100 ETH of a cap of 400 lose 1/11; of 4000 no more than 111.1 ETH sell within 10 %."""
    found = static_checks(world(), "25 %", "10 %", "ETH -20 %", "ETH", [40.0, 400.0, 4000.0])
    small, middle, large = found.factors.to_pylist()
    assert small["factor"] == pytest.approx(0.8 / 1.05)  # slippage below the incentive: the call's own price counts
    assert middle["slippage"] == pytest.approx(100.0 / 1100.0)
    assert middle["factor"] == pytest.approx(0.8 * 10.0 / 11.0)
    assert large["sold"] == pytest.approx(111.1111 / 1000.0, rel=1e-4)
    assert large["factor"] == pytest.approx(0.8 * 0.1111111 * 0.9, rel=1e-4)


@pytest.mark.parametrize(("over", "bad"), [(-1e-4, False), (1e-4, True)])
def test_the_engine_leaves_bad_debt_above_that_factor_alone(over: float, bad: bool) -> None:
    """A loan at the factor, the shock, everything called at once into a deep market."""
    deep = {**FOLLOWS, "reserves": {"ETH": 1e9, "USD": 2e12}}
    whole = {"rules": {"kind": "fixed_spread", "close_factor": 1.0}}
    terms = {"liquidation_threshold": 0.79}
    f = static_checks(world(terms, venue=deep), shock="ETH -20 %").factors.to_pylist()[0]["factor"]
    assert f == pytest.approx(0.8 / 1.05, rel=1e-6)
    start = world(terms, ((100.0, (f + over) * 100.0 * PRICE),), deep)
    shocked = start.replace("protocols.pool.rules", whole["rules"]).replace(
        "scenario.events", [{"at": 0, "kind": "price", "change": {"ETH": -0.2}}]).replace("scenario.prices.volatility", {})
    lost = dl.stress(shocked, keep=False).paths["shortfall.pool"][0].as_py()
    assert (lost > 0.01) == bad


@pytest.mark.parametrize("seed", range(10))
def test_the_factor_never_rises_with_cap_share_or_fall_nor_falls_with_depth_or_slippage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    share, slippage, fall = rng.uniform(0.05, 0.9), rng.uniform(0.005, 0.5), rng.uniform(0.0, 0.7)
    terms = {"incentive": float(rng.uniform(0.0, 0.15))}
    venue = {**(POOL if seed % 2 else FOLLOWS), "fee": float(rng.choice([0.0, 0.003]))}
    caps = np.sort(rng.lognormal(6.0, 2.0, 6)).tolist()

    def factors(share: float = share, slippage: float = slippage, fall: float = fall, deep: float = 1.0) -> np.ndarray:
        reserves = {"ETH": ETH * deep, "USD": ETH * PRICE * deep}
        given = world(terms, venue={**venue, "reserves": reserves})
        found = static_checks(given, share, slippage, f"ETH -{fall * 100:.6f}%", "ETH", caps)
        return np.array(found.factors["factor"].to_pylist())

    base = factors()
    assert (np.diff(base) <= 1e-12).all()
    assert (factors(share=share * 1.1) <= base + 1e-12).all()
    assert (factors(fall=fall + 0.05) <= base + 1e-12).all()
    assert (factors(slippage=slippage * 1.2) >= base - 1e-12).all()
    assert (factors(deep=1.5) >= base - 1e-12).all()
    assert ((base >= 0.0) & (base <= 1.0)).all()


def test_the_factor_of_nothing_wanted_is_that_of_the_call() -> None:
    assert factor(0.8, 0.0, 0.0, 0.0, 0.05) == pytest.approx(0.8 / 1.05)


def test_a_stated_ltv_above_the_factor_is_found() -> None:
    high, low = (static_checks(world({"loan_to_value": ltv}), shock="ETH -20 %") for ltv in (0.77, 0.74))
    assert of(high.caps)["slippage_supplied"] == pytest.approx(25.0 / 1025.0)
    assert "limit.factor_exceeded" in codes(high)  # 0.8 / 1.05 = 0.762
    assert "limit.factor_exceeded" not in codes(low)


def test_a_pegged_collateral_is_measured_against_its_debt(real: Any) -> None:
    found = static_checks(real("world.yaml"), asset="wstETH", shock="ETH -20 %")
    for row in found.factors.to_pylist():
        assert 0.8 < row["left"] <= 1.0  # in part against ETH, which falls too


# --- who backs what ------------------------------------------------------------------------------------------------------


def test_the_matrix_adds_up_to_what_is_held_and_owed() -> None:
    legs = [("a", "collateral", "ETH", 10.0), ("a", "collateral", "USDC", 5_000.0), ("a", "debt", "USDC", 4_000.0),
            ("a", "debt", "ETH", 3.0), ("b", "collateral", "ETH", 7.0), ("b", "debt", "USDC", 6_000.0),
            ("c", "collateral", "ETH", 50.0)]
    columns = dict(zip(("account", "side", "asset", "amount"), map(list, zip(*legs, strict=True)), strict=True))
    given = world().replace("protocols.pool.book", Book.from_table(pa.table(columns), protocol="pool"))
    found = static_checks(given)
    rows = {(row["collateral"], row["debt"]): row for row in found.matrix.to_pylist()}
    assert rows["ETH", "ETH"]["collateral_usd"] == pytest.approx(20_000.0 * 6_000.0 / 10_000.0)  # of a, its share in ETH
    assert rows["USDC", "USDC"]["debt_usd"] == pytest.approx(4_000.0 * 5_000.0 / 25_000.0)
    by_asset = {row["asset"]: row for row in found.assets.to_pylist()}
    for asset, row in by_asset.items():
        assert sum(one["collateral_usd"] for key, one in rows.items() if key[0] == asset) == pytest.approx(row["pledged_usd"])
        assert sum(one["debt_usd"] for key, one in rows.items() if key[1] == asset) == pytest.approx(row["borrowed_usd"])
    assert by_asset["ETH"]["supplied_usd"] == pytest.approx(67.0 * PRICE)
    assert by_asset["ETH"]["pledged_usd"] == pytest.approx(17.0 * PRICE)


def test_the_matrix_of_real_books_adds_up(real: Any) -> None:
    given = real("world.yaml")
    model = assemble(given)
    found, standing = static_checks(given), health(legs_of(model), model.seen_price())
    assert sum(found.matrix["debt_usd"].to_pylist()) == pytest.approx(float(standing.debt.sum()), rel=1e-9)


def test_tables_say_their_units_and_mistakes_are_one_line() -> None:
    found = static_checks(world())
    for one in (found.terms, found.caps, found.factors, found.assets, found.matrix):
        for field in one.schema:
            assert b"unit" in (field.metadata or {}) or pa.types.is_string(field.type), field.name
    for given, said in (({"share": 0.0}, "is 0"), ({"share": "140 %"}, "share"), ({"asset": "WBTC"}, "nobody's collateral"),
                        ({"caps": [5.0]}, "of no asset"), ({"asset": "ETH", "caps": [-5.0]}, "is no cap"),
                        ({"shock": "ETH -20%..0%"}, "several steps"), ({"slippage": "x"}, "slippage")):
        with pytest.raises(InputError, match=said):
            static_checks(world(), **given)  # type: ignore[arg-type]


def test_the_plot_has_a_point_a_cap() -> None:
    pytest.importorskip("altair")
    found = static_checks(world())
    rows: Any = found.plot().to_dict()["data"]["values"]
    assert [row["factor"] for row in rows] == found.factors["factor"].to_pylist()

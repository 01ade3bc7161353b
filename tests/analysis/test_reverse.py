"""Reverse stress: closed forms of one loan and one pool, what a bracket means, depth against cost, limits as written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import delever as dl
from delever.analysis.edges import first_edge, relapses
from delever.analysis.levers import deviations
from delever.analysis.push_costs import push_cost, sale_cost
from delever.analysis.reverse import Reverse, reverse
from delever.analysis.samples import run_model
from delever.analysis.stated_limits import parse_limit
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.worlds import load

from .conftest import book

PRICE, THRESHOLD, COINS, DEBT, ETH = 2000.0, 0.8, 10.0, 12_000.0, 1000.0
FALL = 1.0 - DEBT / (COINS * THRESHOLD * PRICE)  # at which the loan may be called: 25 %
SOLD = ETH * (1.0 / math.sqrt(1.0 - FALL) - 1.0)  # units into the pool that take its price there
LOST = PRICE * SOLD**2 / (ETH + SOLD)  # of what they are worth, N p - y N / (x + N)
CLOSE = 0.0101  # of the bracket
ANY_CALL = "liquidations > 0.5"


def one_loan(eth: float = ETH, scenario: dict[str, Any] | None = None, **changes: Any) -> World:
    """A loan of USDC on ETH; a pool x y = k, centred on the outside price, is its venue and what its oracle reads."""
    pool = {"kind": "constant_product", "pair": "ETH/USD", "fee": 0, "follows": True,
            "reserves": {"ETH": eth, "USD": eth * PRICE}}
    terms = {"liquidation_threshold": THRESHOLD, "incentive": 0.05}
    return load({
        "name": "one loan", "as_of": "2024-01-15T12:00:00Z", "assets": {"ETH": {"price": PRICE}, "USDC": {"price": 1}},
        "protocols": {"pool": {"rules": "aave.v3_0", "parameters": {"ETH": terms, "USDC": terms}, "book": book(
            [("a", "collateral", "ETH", COINS), ("a", "debt", "USDC", DEBT)])}},
        "feeds": {"par": {"kind": "fixed", "of": "USDC/USD", "answer": 1.0}, "eth": {"kind": "market", "of": "ETH/USD"}},
        "oracles": {"pool": {"USDC": "par", "ETH": "eth"}}, "venues": {"uni": pool},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "execution": {"mode": "batched"},
        "scenario": {"horizon": "10 min", "step": "1 min", "paths": 2, "seed": 1, "prices": {"kind": "lognormal"},
                     **(scenario or {})}, **changes})


def only(found: Reverse) -> dict[str, Any]:
    row: dict[str, Any]
    row, = found.table.to_pylist()
    return row


def outcomes(world: World) -> Any:
    return run_model(assemble(world), 0, 1)


def test_the_smallest_shock_is_the_distance_of_the_loan() -> None:
    row = only(reverse(one_loan(), ANY_CALL, "shock ETH"))
    assert row["what"] == "ETH falls"
    assert row["bracket_low"] < FALL <= row["size"]
    assert row["size"] / row["bracket_low"] - 1.0 < CLOSE
    assert row["monotone"]
    assert row["share"] == 1.0


def test_the_smallest_order_and_its_cost_are_those_of_the_pool() -> None:
    row = only(reverse(one_loan(), ANY_CALL, "order ETH"))
    assert row["bracket_low"] < SOLD <= row["size"]
    size = row["size"]
    assert row["cost_usd"] == pytest.approx(PRICE * size**2 / (ETH + size), rel=1e-9)
    assert row["capital_usd"] == pytest.approx(PRICE * size, rel=1e-9)
    assert row["cost_usd"] == pytest.approx(LOST, rel=3 * CLOSE)


def test_a_push_of_the_feed_costs_what_moves_its_pool() -> None:
    down, up = reverse(one_loan(), ANY_CALL, "oracle").table.to_pylist()
    assert (down["what"], up["found"]) == ("eth pushed down", "holds")
    assert down["bracket_low"] < FALL <= down["size"]
    assert down["cost_usd"] == pytest.approx(LOST, rel=4 * CLOSE)
    assert push_cost(assemble(one_loan()), "eth", -FALL, 600.0).loss == pytest.approx(LOST, rel=1e-9)


def test_holding_a_price_against_makers_costs_what_they_bring_back() -> None:
    world = one_loan().replace("venues.uni.half_life", "10 min")
    once, held = (push_cost(assemble(world), "eth", -FALL, seconds) for seconds in (0.0, 600.0))
    assert once.loss == pytest.approx(LOST, rel=1e-9)
    assert held.capital - once.capital == pytest.approx(math.log(2.0) * SOLD * PRICE, rel=1e-9)
    assert held.loss - once.loss == pytest.approx(math.log(2.0) * SOLD * PRICE * FALL, rel=1e-9)


def test_a_rise_is_bought() -> None:
    change = 0.21  # 1.1 squared: x falls by a eleventh, y rises by a tenth
    cost = push_cost(assemble(one_loan()), "eth", change, 0.0)
    assert cost.capital == pytest.approx(0.1 * ETH * PRICE, rel=1e-9)
    assert cost.loss == pytest.approx(0.1 * ETH * PRICE - PRICE * ETH * (1.0 - 1.0 / 1.1), rel=1e-9)


def test_what_no_venue_moves_is_not_priced() -> None:
    world = one_loan(venues={}).replace("actors.liquidators.rule", "always")
    row = reverse(world, ANY_CALL, "oracle").table.to_pylist()[0]
    assert row["found"] == "breaks"
    assert math.isnan(row["cost_usd"])
    assert row["cost_of"] == "not priced: it reads no venue of this world"


@settings(max_examples=3, deadline=None)
@given(st.floats(0.3, 0.9), st.sampled_from(["shock ETH", "order ETH", "oracle eth"]))
def test_the_limit_breaks_at_the_size_found_and_not_at_the_lower_bracket(distance: float, by: str) -> None:
    """Both sides of the edge, by runs of their own."""
    world = one_loan().replace("protocols.pool.book", book(
        [("a", "collateral", "ETH", COINS), ("a", "debt", "USDC", COINS * THRESHOLD * PRICE * distance)]))
    row = reverse(world, ANY_CALL, by).table.to_pylist()[0]
    for size, breaks in ((row["size"], True), (row["bracket_low"], False)):
        event = {"shock ETH": {"kind": "price", "change": {"ETH": -size}},
                 "order ETH": {"kind": "order", "order": f"sell {size} ETH"},
                 "oracle eth": {"kind": "feed", "feed": "eth", "does": "lies", "factor": 1.0 - size, "lasting": "10 min"}}[by]
        assert bool(outcomes(world.replace("scenario.events", [event]))["liquidations.pool"][0].as_py()) is breaks


@settings(max_examples=8, deadline=None)
@given(st.floats(100.0, 1e6), st.floats(1.0, 50.0), st.floats(1e-3, 1.0))
def test_more_depth_never_makes_an_order_cheaper(eth: float, more: float, share: float) -> None:
    """The order that moves the price so far, and what it costs, rise with the depth of the pool."""
    costs = [push_cost(assemble(one_loan(depth)), "eth", -0.9 * share, 0.0) for depth in (eth, eth * more)]
    assert costs[0].loss <= costs[1].loss * (1.0 + 1e-9)
    assert costs[0].capital <= costs[1].capital * (1.0 + 1e-9)
    fixed = [sale_cost(assemble(one_loan(depth)), "ETH", 100.0 * share).loss for depth in (eth, eth * more)]
    assert fixed[1] <= fixed[0] * (1.0 + 1e-9)  # of an order of one size it is the other way round


def test_more_depth_asks_for_a_larger_order() -> None:
    thin, deep = (only(reverse(one_loan(eth), ANY_CALL, "order ETH")) for eth in (ETH, 3.0 * ETH))
    assert deep["bracket_low"] > thin["size"]
    assert deep["cost_usd"] > thin["cost_usd"]


# --- paths -------------------------------------------------------------------------------------------------------------


def test_a_larger_share_of_paths_asks_for_a_larger_shock_and_the_interval_holds_it() -> None:
    world = one_loan(scenario={"paths": 20, "horizon": "5 min", "prices": {"kind": "lognormal", "volatility": {"ETH": "3000 %"}}})
    sizes = []
    for share in (0.25, 0.75):
        row = only(reverse(world, ANY_CALL, "shock ETH", share=share))
        assert row["low"] <= row["size"] <= row["high"]
        assert row["share"] >= share
        sizes.append(row["size"])
    assert sizes[0] < sizes[1]


def test_sizes_are_those_of_each_path_ordered() -> None:
    """The median of the sizes that break each path by itself, found path by path."""
    world = one_loan(scenario={"paths": 9, "prices": {"kind": "lognormal", "volatility": {"ETH": "3000 %"}}})
    found = only(reverse(world, ANY_CALL, "shock ETH"))
    lowest = 1.0 + np.asarray(run_model(assemble(world), 0, 9)["lowest.ETH/USD"])
    alone = np.sort(1.0 - (1.0 - FALL) / lowest)  # the shock comes first: the price is then multiplied
    assert found["size"] == pytest.approx(alone[4], rel=2 * CLOSE)


def test_what_is_broken_before_anything_is_done_says_so() -> None:
    world = one_loan(scenario={"events": [{"kind": "price", "change": {"ETH": -0.5}}]})
    found = reverse(world, ANY_CALL, ["shock ETH", "order"])
    assert {row["found"] for row in found.table.to_pylist()} == {"already"}
    assert "scenario.events=[]" in found.said[0]


def test_a_shock_to_a_price_that_no_venue_follows_says_so() -> None:
    found = reverse(one_loan().replace("venues.uni.follows", False), "price of ETH < 1500", "shock ETH")
    assert only(found)["found"] == "holds"
    assert "a shock to ETH moves nothing there" in found.said[0]


def test_what_breaks_and_holds_again_is_said() -> None:
    grid = [1.0, 2.0, 3.0, 4.0, 5.0]
    edge = first_edge(grid, lambda size: 1.9 < size < 3.5 or size > 4.5)
    assert edge is not None
    assert edge[0] < 1.9 <= edge[1]
    assert relapses(grid, edge, lambda size: 1.9 < size < 3.5 or size > 4.5) == [4.0]


# --- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "breaks"), [
    ("any bad debt", lambda x: x["bad_debt"] > 1.0), ("bad debt > 1 % of debt", lambda x: x["bad_debt"] > 120.0),
    ("bad debt > 2k USD", lambda x: x["bad_debt"] > 2000.0), ("liquidated > 60 %", lambda x: x["repaid"] > 0.6 * DEBT),
    ("price of ETH < 1300", lambda x: x["price"] < 1300.0), ("seized.pool.ETH > 9", lambda x: x["seized"] > 9.0),
    ("var > 100", lambda x: x["bad_debt"] > 100.0)])
def test_limits_are_broken_where_a_run_says_so(limit: str, breaks: Any) -> None:
    world = one_loan()
    row = only(reverse(world, limit, "shock ETH"))
    assert row["found"] == "breaks"
    for size, does in ((row["size"], True), (row["bracket_low"], False)):
        paths = outcomes(world.replace("scenario.events", [{"kind": "price", "change": {"ETH": -size}}]))
        got = {"bad_debt": paths["bad_debt.pool"][0].as_py(), "repaid": paths["repaid_debt.pool"][0].as_py(),
               "price": PRICE * (1.0 + paths["lowest.ETH/USD"][0].as_py()), "seized": paths["seized.pool.ETH"][0].as_py()}
        assert bool(breaks(got)) is does


@pytest.mark.parametrize(("limit", "said"), [
    ("nonsense", "is no limit"), ("fund runs dry", "no protocol has a waterfall"),
    ("price of ETH < 3000", "is 2000 at the start"),
    ("price of EHT < 10", "did you mean ETH"), ("bad_dept > 5", "did you mean bad_debt"), ("bad debt > 5 apples", "is no number"),
    ("liquidated < 5", "write liquidated > 5")])
def test_bad_limits_are_answered(limit: str, said: str) -> None:
    model = assemble(one_loan())
    with pytest.raises(InputError, match=said):
        parse_limit(limit, model, run_model(model, 0, 1))


@pytest.mark.parametrize(("by", "said"), [
    ("shok", "did you mean shock"), ("shock EHT", "ETH"), ("order DAI", "unknown asset"), ("oracle par", "no feed that moves"),
    ("outage uno", "did you mean uni"), ("congestion x", "this world has none"), ("shock ETH -10%..0%", "is a range"),
    ("congestion", "finds nothing")])
def test_bad_levers_are_answered(by: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        reverse(one_loan(), ANY_CALL, by)


def test_a_direction_moves_all_and_its_plausibility_counts_correlation() -> None:
    world = dl.load(dl.example("first")).replace("scenario.events", "[]")
    model = assemble(world)
    sigma = math.sqrt(1.0 / 365.0)
    assert deviations(model, ["ETH"], np.array([-0.1])) == pytest.approx(0.1 / (0.8 * sigma))
    a, b, rho = 0.1 / (0.8 * sigma), 0.1 / (0.6 * sigma), 0.8
    assert deviations(model, ["ETH", "WBTC"], np.array([-0.1, -0.1])) == pytest.approx(
        math.sqrt((a * a - 2 * rho * a * b + b * b) / (1 - rho**2)))
    assert math.isnan(deviations(model, ["USDC"], np.array([-0.1])))


def test_an_outage_matters_only_as_long_as_it_lasts() -> None:
    """A feed that stops hides a fall: whoever would have been called is called when it speaks again."""
    world = one_loan(scenario={"events": [{"at": "2 min", "kind": "price", "change": {"ETH": -0.3}}], "paths": 1})
    found = reverse(world, "liquidations < 0.5", "outage eth")
    row = only(found)
    assert row["found"] == "breaks"
    assert row["size"] == 600.0 or row["bracket_low"] >= 480.0  # to the end, or nearly

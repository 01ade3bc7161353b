"""Phase diagrams: four quantities of a world multiplied, elasticities of known laws, what is called graceful and why."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.analysis import sweep
from delever.analysis.margins import MarginBook
from delever.analysis.quantities import factor, multiplied
from delever.analysis.samples import run_model
from delever.analysis.steepness import Step, elasticities, judge, neighbours
from delever.analysis.valuation import health, legs_of
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.sweep import sweep_chart, sweep_report
from delever.run.assemble import assemble

from .test_margins import exchange
from .test_reverse import ETH, one_loan

# --- quantities ------------------------------------------------------------------------------------------------------


def test_leverage_divides_the_health_of_loans_and_of_nothing_else(first: World) -> None:
    before, after = (assemble(world) for world in (first, multiplied(first, "leverage", "x1.25")))
    was, now = (health(legs_of(model), model.seen_price()) for model in (before, after))
    np.testing.assert_allclose(now.factor, was.factor / 1.25, rtol=1e-12)
    np.testing.assert_array_equal(now.backing, was.backing)


def test_leverage_divides_what_is_posted_on_exchanges() -> None:
    before, after = (MarginBook(assemble(world)) for world in (exchange(), multiplied(exchange(), "leverage", "x0.5")))
    np.testing.assert_array_equal(after.size, before.size)
    books = [book.model.positions.book.legs for book in (before, after)]
    posted, doubled = ([row["amount"] for row in legs.to_pylist() if row["side"] == "collateral"] for legs in books)
    np.testing.assert_allclose(doubled, 2.0 * np.array(posted), rtol=1e-12)
    with pytest.raises(InputError, match="leverage above the tier"):  # what the exchange would not have let them open
        multiplied(exchange(), "leverage", "x2")


def test_depth_makes_a_sale_fall_less() -> None:
    world = one_loan().replace("scenario.events", [{"kind": "order", "order": f"sell {ETH / 2} ETH"}])
    for times in (0.5, 1.0, 4.0):
        lowest = run_model(assemble(multiplied(world, "depth", f"x{times}")), 0, 1)["lowest.ETH/USD"][0].as_py()
        if times >= 4.0:  # the loan is not called: the fall is the order's own
            assert 1.0 + lowest == pytest.approx((times * ETH / (times * ETH + ETH / 2)) ** 2, rel=1e-9)
        assert lowest < 0.0


def test_volatility_and_latency_are_those_of_the_fields(first: World) -> None:
    prices: Any = multiplied(first, "volatility", "x2").scenario.prices
    assert prices.volatility == {"ETH": 1.6, "WBTC": 1.2}
    late: Any = multiplied(first, "latency", "-50 %")
    assert [feed.heartbeat for feed in late.feeds.values()] == [1800.0, 1800.0]
    assert multiplied(first, "latency", "x1") is first


@pytest.mark.parametrize(("quantity", "value", "said"), [
    ("depth", "0.5", "says no factor"), ("leverage", "-100 %", "-100 %"),
    ("volatility", "x2", "prices state none"), ("latency", "x2", "no feed of this world is late")])
def test_what_cannot_be_multiplied_is_answered(quantity: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        multiplied(one_loan(), quantity, value)


def test_factors_as_written() -> None:
    assert [factor("depth", text) for text in ("x0.5", "×2", "-25 %", "+50 %")] == [0.5, 2.0, 0.75, 1.5]


# --- steepness -------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.floats(-3.0, 3.0), st.floats(1.01, 1.2), st.floats(0.1, 10.0))
def test_the_elasticity_of_a_power_is_its_exponent(power: float, ratio: float, start: float) -> None:
    """Of y = x^a over a small step; exactly 1 of what is proportional, however large the step."""
    x = start * np.array([1.0, ratio])
    steps = neighbours(["x"], [2], [x.tolist()])
    found = float(elasticities((x**power)[:, None], steps, np.zeros(1))[0, 0])
    assert found == pytest.approx(power, abs=abs(power) * (power**2 + 1.0) * math.log(ratio) ** 2 / 12.0 + 1e-9)
    assert float(elasticities((7.0 * x)[:, None], steps, np.zeros(1))[0, 0]) == pytest.approx(1.0)


def test_steps_join_neighbours_along_each_field_that_is_a_number() -> None:
    steps = neighbours(["a", "b"], [2, 3], [[1.0, 2.0], [None, 1.0, 3.0]])
    assert [(step.field, step.first, step.second) for step in steps] == [
        ("a", 0, 3), ("a", 1, 4), ("a", 2, 5), ("b", 1, 2), ("b", 4, 5)]


@pytest.mark.parametrize(("true", "noise", "step", "verdict"), [
    (1.0, 0.1, 0.2, "graceful"), (1.9, 0.2, 0.2, "not decided"), (3.0, 0.1, 0.2, "abrupt"), (3.0, 2.0, 0.2, "not decided"),
    (0.5, 0.01, 1.2, "steps too coarse")])
def test_graceful_is_claimed_only_where_the_interval_carries_it(true: float, noise: float, step: float, verdict: str) -> None:
    drawn = np.random.default_rng(1).normal([true, 0.1], [noise, 0.01], (400, 2))
    steps = [Step("a", 0, 1, step), Step("a", 1, 2, step)]
    said, (low, high) = judge(np.array([true, 0.1]), drawn, steps)
    assert said == verdict
    assert low <= high


def test_steep_steps_are_lines_of_the_map(first: World) -> None:
    """How much deeper the price falls than outside: far at a quarter of the depth, hardly at four times."""
    world = first.replace("scenario.events", "[{kind: price, change: {ETH: -25 %}}]").replace("scenario.paths", 4).replace(
        "scenario.horizon", "20 min").replace("actors.liquidators.rule", "always")
    found = sweep(world, {"depth": ["x0.25", "x1", "x4"], "leverage": ["x1", "x1.1"]})
    name = "extra_fall.ETH/USD"
    value = {(row["depth"], row["leverage"]): row["value"] for row in found.table.to_pylist() if row["figure"] == name}
    assert value["x0.25", "x1.1"] > value["x4", "x1.1"]
    row = next(row for row in found.verdicts.to_pylist() if row["figure"] == name)
    assert row["steps"] == 2 * 2 + 3
    assert row["verdict"] != "graceful"  # steps to four times the depth are too coarse, if not steep
    steep = [step for step in found.steps.to_pylist() if step["figure"] == name and abs(step["elasticity"]) > 2.0]
    assert sweep_chart(found, [name]).count('class="ridge"') == len(steep) > 0
    assert "Where small changes have large effects" in sweep_report(found).markdown()
    assert "extra fall" in sweep_report(found).markdown()  # figures of a cascade, unless others are named


def test_a_figure_that_is_proportional_is_graceful() -> None:
    """The slippage of a sale into an even book: what a fall costs grows with its size alone."""
    world = one_loan(scenario={"paths": 3}).replace("scenario.events", [{"kind": "order", "order": "sell 1 ETH"}])
    found = sweep(world, {"depth": ["x1", "x1.5", "x2"]})
    row = next(row for row in found.verdicts.to_pylist() if row["figure"] == "extra_fall.ETH/USD")
    assert row["verdict"] == "graceful"
    assert row["steepest"] == pytest.approx(-1.0, abs=0.01)  # 2 x 1 ETH / (depth x 1000)

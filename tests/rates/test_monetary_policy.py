"""The rate of crvUSD: at the peg, off it, by what peg keepers have out; and what a run makes of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pegged import keeper, pegged_world
from actors.redeem import COIN, ends
from delever.engine.step import step
from delever.model.errors import InputError
from delever.model.world import World
from delever.rates.base import YEAR
from delever.rates.monetary_policy import rate_by_peg
from delever.run.collect import collect, mechanisms_of
from protocols.llamma_worlds import loans, started
from protocols.llamma_worlds import world as llamma_world
from run.small import book, steps
from stated import some

RATE0, SIGMA, TARGET = 0.1, 0.02, 0.1


def rate(price: float = 1.0, fraction: float = 0.0, filled: float = -1.0, extra: float = 0.0) -> float:
    """A year."""
    return rate_by_peg(price, fraction, filled, RATE0 / YEAR, SIGMA, TARGET, extra / YEAR) * YEAR


def test_at_the_peg_with_nothing_out_it_is_rate0() -> None:
    assert rate() == pytest.approx(RATE0, rel=1e-15)


@pytest.mark.parametrize(("price", "fraction", "times"), [
    (0.98, 0.0, math.e), (1.02, 0.0, 1.0 / math.e), (1.0, 0.1, 1.0 / math.e), (1.0, 0.2, math.exp(-2.0)),
    (0.98, 0.1, 1.0), (0.99, 0.05, 1.0)])
def test_two_points_below_are_e_times_as_much_and_a_tenth_out_is_an_eth(price: float, fraction: float, times: float) -> None:
    assert rate(price, fraction) == pytest.approx(RATE0 * times, rel=1e-12)


def test_it_counts_a_thousandfold_at_most_and_nothing_far_above() -> None:
    """(1 - p) / sigma = ln 1000 at p = 0.86184; below -41.446 the contract's exponential is 0."""
    edge = 1.0 - SIGMA * math.log(1000.0)
    assert rate(edge + 1e-6) < 1000.0 * RATE0 == pytest.approx(rate(edge - 1e-6), rel=1e-12)
    assert rate(0.0) == pytest.approx(1000.0 * RATE0)
    last = 1.0 + SIGMA * 41.446531673892821
    assert rate(last - 1e-9) > 0.0 == rate(last + 1e-9)


@pytest.mark.parametrize(("filled", "times"), [(0.0, 1.0), (0.5, 1.1), (0.9, 1.9)])
def test_towards_the_ceiling_of_its_market_it_is_dearer(filled: float, times: float) -> None:
    assert rate(filled=filled) == pytest.approx(RATE0 * times, rel=1e-12)
    assert rate(filled=filled, extra=0.03) == pytest.approx((RATE0 + 0.03) * times, rel=1e-12)


def test_a_full_market_pays_three_hundred_per_cent_a_year_at_most() -> None:
    """43,959,106,799 / 1e18 a second, compounded: e^(that x a year) - 1 = 3."""
    assert rate(filled=1.0) == rate(filled=2.0)
    assert math.expm1(rate(filled=1.0)) == pytest.approx(3.0, rel=1e-7)


@given(some(0.5, 1.5), some(0.0, 1.0), some(0.5, 1.5), some(0.0, 1.0), st.sampled_from([-1.0, 0.0, 0.5, 1.0]))
def test_it_falls_with_the_price_and_with_what_keepers_have_out(p: float, f: float, q: float, g: float, filled: float) -> None:
    low, high = sorted((p, q)), sorted((f, g))
    assert rate(low[0], high[0], filled) >= rate(low[1], high[0], filled) >= 0.0
    assert rate(low[0], high[0], filled) >= rate(low[0], high[1], filled) >= 0.0


def owing(units: float = 40e6, keepers: Any = None, policy: Any = None, **changes: Any) -> World:
    """A borrower of so many coins against ETH, at a rate by the peg; the pool is 8m against 12m unless a test says otherwise."""
    legs = [("a", "ETH", "collateral", 1e6), ("a", "COIN", "debt", units)]
    world = pegged_world(keepers, **changes)
    terms = {name: {"liquidation_threshold": 0.8, "incentive": 0.05} for name in ("ETH", "COIN")}
    return world.replace("protocols.pool", {"rules": "aave.v3_0", "book": book(legs), "parameters": terms, "rates": {
        "COIN": {"kind": "monetary_policy", "rate0": RATE0, **(policy or {})}}})


def test_what_keepers_have_out_lowers_the_rate_step_by_step() -> None:
    """No fee, price of a fixed feed: after a mint of 0.8m, 0.64m, ... of 40m owed."""
    feeds = {"coin": {"kind": "fixed", "of": "COIN/USD", "answer": 1.0}}
    world = owing(policy={"keepers": ["keeper"], "feed": "coin"}, feeds=feeds)
    logs, out = [0.0], [0.0]
    for _, state in steps(world):
        logs.append(float(state.reserves.log_borrow[list(state.reserves.asset).index(COIN), 0]))
        out.append(-float(state.ledgers.tokens[-1, COIN, 0]))
    assert out[-1] == pytest.approx(4e6 * (1.0 - 0.8**4), rel=1e-12)
    for k in (1, 2, 17, 40, 60):
        owed = 40e6 * math.exp(logs[k - 1])
        expected = RATE0 * math.exp(-out[k - 1] / owed / TARGET) / YEAR * 60.0
        assert logs[k] - logs[k - 1] == pytest.approx(expected, rel=1e-9), k


def test_what_is_out_at_the_start_counts() -> None:
    _, said = ends(owing(keepers={"keeper": keeper(debt=4e6)}, coin=10e6, peg=10e6, policy={"keepers": ["keeper"]}))
    assert said["keepers_part"] == pytest.approx([0.1], rel=1e-4)
    assert said["borrow_rate"] == pytest.approx([RATE0 / math.e], rel=1e-3)


def test_without_a_feed_it_is_the_market_price() -> None:
    state, said = ends(owing(keepers={}))
    p = math.exp(float(state.markets.price[state.backing.market[0], 0]))
    assert p > 1.0005
    assert said["borrow_rate"] == pytest.approx([RATE0 * math.exp((1.0 - p) / SIGMA)], rel=1e-12)


def test_the_average_of_what_is_out_follows_it() -> None:
    """Begins at nothing; 0.8m of 40m are out from the second step on, averaged over ten minutes."""
    world = owing(keepers={"keeper": keeper(delay=7200)}, policy={"keepers": ["keeper"], "averaged": "10 min"},
                  scenario={"horizon": 1200})
    _, said = ends(world)
    assert said["keepers_part"] == pytest.approx([0.02 * (1.0 - math.exp(-19 / 10))], rel=1e-5)


def test_nobody_who_supplies_earns() -> None:
    for _, state in steps(owing()):
        assert np.all(state.reserves.supply_index == 1.0)


@pytest.mark.parametrize(("policy", "line"), [
    ({"keepers": ["none"]}, "keepers: unknown actor"), ({"keepers": ["liquidators"]}, "keepers is no peg keeper of COIN"),
    ({"feed": "none"}, "feed: unknown feed"), ({"reserve_factor": 0.1}, "reserve_factor has no part in it"),
    ({"target": 0.0}, "target is 0.0; it must be greater than 0"),
    ({"rate0": 2.0}, "rate0 is 2.0; it must be less than or equal to 1.4")])
def test_what_is_wrong_is_one_line(policy: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        owing(policy=policy)


def soft(curve: dict[str, Any]) -> World:
    """One loan of LLAMMA in USD whose rate is this curve's."""
    return llamma_world(loans((10.0, 9000.0, 10)), protocols__crvusd__rates={"USD": curve})


def test_loans_in_bands_grow_by_it_and_nothing_else_does() -> None:
    """USD is its own peg: rate0 for six hours."""
    acting, state, _ = started(soft({"kind": "monetary_policy", "rate0": RATE0}))
    for _ in range(360):
        step(acting, state)
    index = math.exp(RATE0 / YEAR * 6 * 3600.0)
    assert state.reserves.borrow_index[:, 0].max() == pytest.approx(index, rel=1e-12)
    values = {value.column.name: value.values for value in collect(mechanisms_of(acting), state)}
    assert values["borrow_rate"] == pytest.approx([RATE0], rel=1e-12)


def test_what_asks_for_a_reserve_is_refused_where_coins_are_minted() -> None:
    with pytest.raises(InputError, match="rates is of lending protocols; nothing is lent out by llamma"):
        soft({"kind": "kinked", "slope": 0.1, "steep": 1.0, "kink": 0.8})

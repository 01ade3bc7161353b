"""A coin that is burned for its sister: what she can bear, exactly, and what lies on either side of that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.redeem import DEEP, HOLDERS, USD, coin_world, ends, price
from delever import worlds
from delever.core.tables import ISSUER, MAKERS
from delever.model.errors import InputError
from delever.model.world import World

SISTER, LUNA, DEPTH = 3, 80.0, 10.0  # her number, her price, units whose sale divides her price by e
DUMPED = 500.0
LOW = (DEEP / (DEEP + DUMPED)) ** 2  # price of the coin with DUMPED sold
# In a block nobody burns more than P D ln(1/p), which lowers her price P by P (1 - p): in such lumps she bears this times P0 D.
LUMPS = math.log(1.0 / LOW) / (1.0 - LOW)


def pair(*, depth: float = DEPTH, dumped: float = DUMPED, horizon: float = 3600.0, fixed: float | None = None, rounds: int = 3,
         feeds: dict[str, Any] | None = None, venues: dict[str, Any] | None = None, **terms: Any) -> World:
    """A coin of 1 USD and its sister. fixed: ratio of a coin that trades without end; else a pool of DEEP units on each side."""
    base = coin_world(dumped=dumped, scenario={"horizon": horizon})
    burners = {"kind": "algorithmic", "asset": "COIN", "sister": "LUNA", "supply": 1e5, "capital": 20.0, "threshold": 1e-6}
    venues = {} if fixed is not None else venues or dict(base.venues)
    coin = {"peg": "USD", "ratio": 1.0 if fixed is None else fixed, "rate": 1.0}
    return worlds.load({**base.fields(), "assets": {"ETH": {"price": 1000.0}, "COIN": coin, "LUNA": {"price": LUNA}},
                        "venues": venues | {"luna": {"kind": "log_linear", "pair": "LUNA/USD", "depth": depth}},
                        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}, "burners": burners | terms},
                        "feeds": feeds or {}, "execution": {"rounds": rounds}})


def sister(state: Any) -> float:
    """Her market price."""
    return math.exp(float(state.markets.price[2, 0]))


def test_burning_v_in_small_parts_takes_the_sister_from_p0_to_p0_less_v_by_depth() -> None:
    state, said = ends(pair(fixed=0.999, dumped=1e-9, capital=0.4))
    v = said["burned"][0]
    assert v > 30.0
    assert sister(state) == pytest.approx(LUNA - v / DEPTH, rel=1e-4)


def test_selling_what_x_is_minted_for_divides_her_price_by_e_to_the_x_by_her_capitalisation() -> None:
    state, said = ends(pair(fixed=0.8, dumped=1e-9, capital=8.0, horizon=60))  # bought and burned, sold, bought and burned
    first, brought = 8.0 / 0.8, LUNA * DEPTH * (1.0 - math.exp(-10.0 / (LUNA * DEPTH)))
    assert said["burned"] == pytest.approx([first + brought / 0.8], rel=1e-4)
    assert sister(state) == pytest.approx(LUNA * math.exp(-first / (LUNA * DEPTH)), rel=3e-5)  # the profile's own error
    assert said["sister_held"] == pytest.approx([brought / 0.8 / sister(state)], rel=1e-4)


def test_sisters_that_nobody_buys_are_held_and_offered_again() -> None:
    """Nobody bids for her from the start; the coin is bought at 0.8 with all the capital, burned for 10 USD of sisters at 80."""
    base = pair(fixed=0.8, dumped=1e-9, capital=8.0, horizon=60)
    events = [*base.scenario.events, worlds.load(base.fields() | {"scenario": base.scenario.fields() | {"events": [
        {"kind": "depth", "at": 0, "change": {"LUNA/USD": "-100 %"}, "side": "bids"}]}}).scenario.events[0]]
    state, said = ends(base.replace("scenario.events", events))
    assert said["sister_minted"] == pytest.approx([0.125], rel=1e-12)
    assert said["sister_held"] == said["sister_minted"]
    assert state.ledgers.tokens[HOLDERS + 1, SISTER, 0] == pytest.approx(0.125, rel=1e-12)


@pytest.mark.parametrize("bears", [1.3, 2.0])
def test_a_sister_who_can_bear_what_must_be_burned_mends_the_coin(bears: float) -> None:
    state, said = ends(pair(depth=bears * DUMPED / LUNA, capital=5.0, horizon=14400))
    assert price(state) == pytest.approx(0.0, abs=1e-3)
    assert said["burned"] == pytest.approx([DUMPED], rel=2e-3)
    assert LUNA * (1.0 - 1.0 / bears) <= sister(state) <= LUNA * (1.0 - 1.0 / (bears * LUMPS))


@pytest.mark.parametrize("bears", [0.2, 0.6])
def test_one_who_cannot_is_worth_nothing_and_the_coin_stays_broken(bears: float) -> None:
    state, said = ends(pair(depth=bears * DUMPED / LUNA, capital=5.0, horizon=14400))
    assert bears * LUMPS < 1.0 and sister(state) < 0.01 * LUNA
    assert 0.99 * bears * DUMPED < said["burned"][0] <= bears * LUMPS * DUMPED
    assert price(state) == pytest.approx(2.0 * math.log(DEEP / (DEEP + DUMPED - said["burned"][0])), abs=1e-9)
    assert price(state) < math.log(0.9)


def test_a_virtual_pool_limits_what_is_burned_to_what_its_spread_leaves() -> None:
    pool = 100.0
    world = pair(fixed=0.81, dumped=1e-9, capital=1e4, depth=1e9, pool=pool, recovery=1e12, horizon=60)
    _, said = ends(world)
    assert said["burned"][0] == pytest.approx(pool * (1.0 / 0.9 - 1.0), rel=1e-4)  # (B / (B + d))^2 = 0.81


def test_the_pool_drains() -> None:
    pool, recovery = 100.0, 600.0
    _, said = ends(pair(fixed=0.81, dumped=1e-9, capital=1e4, depth=1e9, pool=pool, recovery=recovery, horizon=600))
    full = pool * (1.0 / 0.9 - 1.0)
    assert said["burned"][0] == pytest.approx(full * (1.0 + 9 * (1.0 - math.exp(-60.0 / recovery))), rel=1e-2)


def test_above_its_rate_the_sister_is_burned_and_the_coin_minted_until_it_is_worth_its_rate() -> None:
    pool = {"kind": "constant_product", "pair": "COIN/USD", "reserves": {"COIN": 1000, "USD": 1200}}
    state, said = ends(pair(dumped=1e-9, capital=1e4, depth=1e6, venues={"coin": pool}))
    minted = math.sqrt(1.2e6) - 1000.0
    assert price(state) == pytest.approx(0.0, abs=1e-4)
    assert said["coined"] == pytest.approx([minted], rel=1e-3)
    assert state.ledgers.tokens[ISSUER, SISTER, 0] == pytest.approx(minted / LUNA, rel=1e-3)
    assert sister(state) == pytest.approx(LUNA * math.exp(minted / LUNA / 1e6), rel=1e-5)


def test_the_virtual_pool_is_one_of_both_ways() -> None:
    size = 100.0  # (B / (L + v))^2 = 1 / 1.21 with L = B: v = 0.1 B, and d = -out = -B (1 - 1 / 1.1)
    _, said = ends(pair(fixed=1.21, dumped=1e-9, capital=1e4, depth=1e9, pool=size, recovery=1e12, horizon=60))
    assert said["coined"] == pytest.approx([size * (1.0 - 1.0 / 1.1)], rel=1e-4)


def test_in_a_batch_it_mends_as_well() -> None:
    world = pair(depth=2.0 * DUMPED / LUNA, capital=5.0, horizon=14400)
    state, said = ends(world.replace("execution.mode", "batched"))
    assert price(state) == pytest.approx(0.0, abs=1e-3)
    assert said["burned"] == pytest.approx([DUMPED], rel=2e-3)


def test_no_more_is_burned_than_there_is() -> None:
    assert ends(pair(supply=7.0))[1]["burned"] == pytest.approx([7.0], rel=1e-12)


@pytest.mark.parametrize(("answer", "minted"), [(LUNA / 2.0, 20.0 / LUNA), (1.3 * LUNA, 0.0)])
def test_the_oracle_says_how_many_are_minted_and_a_high_one_ends_it(answer: float, minted: float) -> None:
    feeds = {"luna": {"kind": "fixed", "of": "LUNA/USD", "answer": answer}}
    world = pair(fixed=0.8, dumped=1e-9, capital=8.0, horizon=60, rounds=1, feeds=feeds, feed="luna")
    assert ends(world)[1]["sister_minted"] == pytest.approx([minted], rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(depth=st.floats(0.5, 30.0), dumped=st.floats(1.0, 2000.0), capital=st.floats(1.0, 1000.0), spread=st.floats(0.0, 0.05),
       pool=st.sampled_from([None, 50.0, 1e4]))
def test_she_never_brings_more_than_her_capitalisation(depth: float, dumped: float, capital: float, spread: float,
                                                       pool: float | None) -> None:
    state, said = ends(pair(depth=depth, dumped=dumped, capital=capital, spread=spread, pool=pool, horizon=600))
    sold = said["sister_minted"][0] - said["sister_held"][0]
    assert 0.0 <= -state.ledgers.tokens[MAKERS, USD, 0] <= LUNA * depth * (1.0 + 1e-3)  # what her makers paid for her
    if sold < 7.9 * depth:  # as far as the nodes of her profile go
        assert sister(state) == pytest.approx(LUNA * math.exp(-sold / depth), rel=1e-4)
    assert price(state) <= math.log(1.0 - spread) + 1e-6 or price(state) == pytest.approx(
        2.0 * math.log(DEEP / (DEEP + dumped)), abs=1e-9)
    assert np.isfinite(state.ledgers.tokens).all()
    assert state.ledgers.tokens[ISSUER, SISTER, 0] == pytest.approx(-said["sister_minted"][0])
    assert state.ledgers.tokens[HOLDERS + 1, SISTER, 0] == pytest.approx(said["sister_held"][0], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("terms", "line"), [
    ({"sister": "COIN"}, r"actors\.burners\.sister has no market against USD: 'COIN'"),
    ({"asset": "ETH"}, r"actors\.burners\.asset is redeemed for nothing: 'ETH'"),
    ({"feed": "none"}, r"actors\.burners\.feed: unknown feed: 'none'"),
])
def test_a_pair_that_is_none_is_refused(terms: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        pair(**terms)

"""Arbitrage between venues of a pair: the closed form of two pools, capital, delay, halts, and what unification is worth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.tables import HOLDERS, ORDER_OWNERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.errors import InputError
from delever.model.world import World
from run.small import last, loan, one_market, pool, steps

RICH = {"ETH": 1e9, "USD": 1e12}


def apart(venues: dict[str, Any], capital: dict[str, float] | None = None, **changes: Any) -> World:
    """These venues of ETH/USD, each with its own price, and one who trades between them where he has capital."""
    actor = {"kind": "venue_arbitrageurs", "pair": "ETH/USD", "capital": capital, **changes.pop("rules", {})}
    actors = {"liquidators": {"kind": "liquidators"}} | ({"between": actor} if capital else {})
    return one_market(loan("a", 1.0, 100.0), venues=venues, liquidity="fragmented", actors=actors, **changes)


def ends(world: World) -> tuple[Any, Any]:
    """The end of a run that has conserved value in every step."""
    for _, state in steps(world):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    return last(world)


pools = settings(deadline=None, max_examples=40)
fees = st.one_of(st.just(0.0), st.floats(1e-9, 0.01))  # a world refuses numbers below 1e-60


@pools
@given(st.floats(10.0, 1e5), st.floats(10.0, 1e5), st.floats(1.0005, 3.0), fees, st.booleans())
def test_two_pools_meet_where_the_closed_form_says(x1: float, x2: float, ratio: float, fee: float, swapped: bool) -> None:
    """Of pools x y = k with a fee on the input; bought with D on the one, sold on the other: A D / (B + C D) - D is greatest."""
    y1, y2, kept = x1 * 1000.0, x2 * 1000.0 * ratio, 1.0 - fee
    venues = {"cheap": pool(x1, y1, fee=fee), "dear": pool(x2, y2, fee=fee)}
    world = apart(dict(reversed(venues.items())) if swapped else venues, RICH, rules={"threshold": 0.0})
    model, state = ends(world)
    a, b, c = kept * kept * x1 * y2, x2 * y1, kept * x2 + kept * kept * x1
    spent = max((math.sqrt(a * b) - b) / c, 0.0)
    units = kept * x1 * spent / (y1 + kept * spent)
    got = a * spent / (b + c * spent)
    cheap, dear = model.layout.venues["cheap"], model.layout.venues["dear"]
    assert -state.markets.consumed[cheap, 0] == pytest.approx(units, rel=1e-6, abs=1e-9 * x1)
    assert state.markets.consumed[dear, 0] == pytest.approx(kept * units, rel=1e-6, abs=1e-9 * x1)
    assert state.ledgers.tokens[HOLDERS + 1, 0, 0] == pytest.approx(got - spent, rel=1e-5, abs=1e-12 * y1)
    if spent > 0.0:
        gap = state.markets.price[dear, 0] - state.markets.price[cheap, 0]
        assert gap == pytest.approx(-2.0 * math.log(kept), abs=1e-8)


def sold(units: float, **more: Any) -> dict[str, Any]:
    return {"at": 0, "kind": "order", "order": f"sell {units:g} ETH", **more}


def test_capital_in_either_asset_limits_a_block_and_the_next_one_goes_on() -> None:
    venues = {"one": pool(1000.0, 1e6), "two": pool(1000.0, 1.21e6)}
    for capital, first in (({"ETH": 2.0, "USD": 1e12}, 2.0), ({"ETH": 1e9, "USD": 3000.0}, None)):
        world = apart(venues, capital, execution={"rounds": 1})
        seen = [float(-state.markets.consumed[model.layout.venues["one"], 0]) for model, state in steps(world)]
        assert seen[0] == pytest.approx(first or 1000.0 * 3000.0 / 1_003_000.0, rel=1e-9)
        assert seen[0] < seen[1] < seen[2]
        if first:
            assert seen[1] == pytest.approx(2 * first, rel=1e-9)


def test_who_is_late_trades_at_what_he_finds_then() -> None:
    venues = {"one": pool(1000.0, 1e6), "two": pool(1000.0, 1.21e6)}
    world = apart(venues, RICH, rules={"delay": "2 min"})
    moved = [float(-state.markets.consumed[0, 0]) for _, state in steps(world)]
    assert moved[0] == moved[1] == 0.0  # seen at the end of the first block, due two minutes later: in the third
    assert moved[2] == pytest.approx(1000.0 * (1.0 - 1.0 / 1.05), rel=1e-4)


def test_who_cannot_trade_on_a_venue_leaves_it_out() -> None:
    venues = {"one": pool(1000.0, 1e6), "two": pool(1000.0, 1.21e6), "three": pool(1000.0, 1.1e6)}
    world = apart(venues, RICH, scenario={"events": [{"at": 0, "kind": "outage", "venue": "two", "lasting": "3 min"}]})
    prices = [np.exp(state.markets.price[:, 0]) for _, state in steps(world)]
    assert prices[0][0] == pytest.approx(prices[0][2], rel=2e-4)
    assert prices[0][1] == pytest.approx(1210.0)
    assert prices[-1] == pytest.approx(prices[-1][0], rel=3e-4)


def test_a_maker_book_and_a_pool_share_a_pair_and_meet() -> None:
    book = {"kind": "log_linear", "pair": "ETH/USD", "depth": 5000}
    world = apart({"book": book, "pool": pool(1000.0, 1e6)}, RICH,
                  scenario={"events": [{"at": 60, "kind": "price", "change": {"ETH": -0.2}}, sold(20.0)]})
    _, state = ends(world)
    assert state.markets.price[0, 0] == pytest.approx(state.markets.price[1, 0], abs=1.1e-4)
    assert 800.0 < math.exp(state.markets.price[0, 0]) < 1000.0
    alone = ends(apart({"book": book, "pool": pool(1000.0, 1e6)}, scenario={
        "events": [{"at": 60, "kind": "price", "change": {"ETH": -0.2}}]}))[1]
    assert np.exp(alone.markets.price[:, 0]) == pytest.approx([800.0, 1000.0])


def test_unification_is_worth_what_a_sale_brings_more() -> None:
    """Whole to the best venue; halved over two alike; and between the two where somebody ties them together."""
    venues = {"one": pool(1000.0, 1e6), "two": pool(1000.0, 1e6)}
    events = [sold(100.0, over="5 min")]

    def brought(world: World) -> float:
        return float(ends(world)[1].ledgers.tokens[ORDER_OWNERS, 0, 0])

    unified = brought(apart(venues, scenario={"events": events}).replace("liquidity", "unified"))
    fragmented = brought(apart(venues, scenario={"events": [sold(100.0, over="5 min", venue="one")]}))
    tied = brought(apart(venues, RICH, scenario={"events": [sold(100.0, over="5 min", venue="one")]}))
    assert unified == pytest.approx(2e6 * 50.0 / 1050.0, rel=1e-9)
    assert fragmented == pytest.approx(1e6 * 100.0 / 1100.0, rel=1e-9)
    assert fragmented < tied < unified


@pytest.mark.parametrize(("rules", "message"), [
    ({"pair": "ETH/BTC"}, "unknown asset: 'BTC'"),
    ({"capital": {"ETH": 1.0}}, "capital.USD is missing; give units of ETH and of USD"),
    ({"capital": {"ETH": 1.0, "USD": 1.0, "ETHH": 1.0}}, "is not one of the pair"),
])
def test_bad_input_is_answered_in_a_line(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        apart({"one": pool(), "two": pool()}, RICH, rules=rules)


def test_venues_that_are_one_market_have_nobody_between_them() -> None:
    with pytest.raises(InputError, match="has no venues that are apart: 'ETH/USD'; write `liquidity: fragmented`"):
        apart({"one": pool(), "two": pool()}, RICH).replace("liquidity", "unified")
    with pytest.raises(InputError, match="he needs two of that pair"):
        apart({"one": pool()}, RICH)

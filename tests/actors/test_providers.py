"""Providers who withdraw: from one venue and not the other, as far as nothing on a side, and what a trade then finds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.tables import ORDER_OWNERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.errors import InputError
from delever.model.world import World
from run.small import fall, loan, one_market, pool, steps


def market(actors: dict[str, Any], *events: dict[str, Any], **changes: Any) -> World:
    """Two alike pools of ETH/USD, apart, and what happens."""
    venues = {"one": pool(1000.0, 1e6), "two": pool(1000.0, 1e6)}
    return one_market(loan("a", 1.0, 100.0), actors={"liquidators": {"kind": "liquidators"}, **actors},
                      **({"venues": venues, "liquidity": "fragmented"} | changes), scenario={"events": list(events)})


def order(units: float, at: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"at": at, "kind": "order", "order": f"sell {units:.9f} ETH", **more}


def run(world: World) -> tuple[Any, list[Any]]:
    """(model, depth of bids of each market after every step, units sold so far, USD got so far); conserving value."""
    seen: list[Any] = []
    for model, state in steps(world):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        tokens = state.ledgers.tokens[ORDER_OWNERS]
        seen.append((state.markets.depth[:, :, 0].copy(), -float(tokens[model.layout.asset("ETH"), 0]), float(tokens[0, 0])))
    return model, seen


LEAVES = {"kind": "providers", "venue": "one", "share": 1.0, "side": "bids", "fall": 0.1}


def test_they_leave_one_venue_and_not_the_other_once_prices_have_fallen() -> None:
    _, seen = run(market({"lps": LEAVES | {"delay": 60}}, fall(0.15, at=60)))
    bids = [depth[0].tolist() for depth, *_ in seen]
    assert bids[0] == bids[1] == [1.0, 1.0]  # the fall comes in the second step, they have left a minute later
    assert bids[2] == bids[-1] == [0.0, 1.0]
    assert all((depth[1] == 1.0).all() for depth, *_ in seen)


def test_they_come_back_after_calm() -> None:
    world = market({"lps": LEAVES | {"share": 0.4, "side": "both", "window": 60, "returns": 180}}, fall(0.15, at=60))
    _, seen = run(world)
    assert [float(depth[0, 0]) for depth, *_ in seen][:6] == [1.0, 0.6, 0.6, 0.6, 1.0, 1.0]


def test_a_sale_goes_where_somebody_buys() -> None:
    _, seen = run(market({"lps": LEAVES}, fall(0.15), order(10.0, at=120)))
    assert seen[-1][1:] == pytest.approx((10.0, 1e6 * 10.0 / 1010.0))


def test_what_meets_an_empty_side_waits_and_is_sold_when_somebody_is_back() -> None:
    lps = LEAVES | {"window": 60, "returns": 240}
    _, seen = run(market({"lps": lps}, fall(0.15), order(10.0, at=60, venue="one")))
    assert [sold for _, sold, _ in seen][:3] == [0.0] * 3
    assert seen[-1][1:] == pytest.approx((10.0, 1e6 * 10.0 / 1010.0))


def test_where_both_sides_of_everything_are_empty_nothing_trades_and_nothing_divides_by_zero() -> None:
    gone = {"at": 0, "kind": "depth", "change": {"ETH/USD": -1.0}}
    for changes in ({}, {"liquidity": "unified"}):
        with np.errstate(all="raise"):
            _, seen = run(market({}, gone, order(10.0), order(5.0, venue=None), **changes))
        assert seen[-1][1:] == (0.0, 0.0)


def test_liquidators_leave_what_nobody_buys() -> None:
    gone = {"at": 0, "kind": "depth", "change": {"ETH/USD": -1.0}}
    world = one_market(loan("a", 1.0, 840.0), venues={"one": pool()}, scenario={"events": [gone, fall(0.05)]},
                       actors={"liquidators": {"kind": "liquidators", "rule": "profitable"}})
    for _, state in steps(world):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    assert state.ledgers.totals[0].sum() == 0.0


TICKS = [(63_978, 69_082, 1e21)]  # 600.6 to 1000.5 USD, so nothing below


@settings(deadline=None, max_examples=30)
@given(st.floats(0.1, 500.0), st.floats(0.1, 500.0))
def test_positions_that_end_take_a_part_and_the_rest_is_left(first: float, second: float) -> None:
    v3 = {"kind": "uniswap_v3", "pair": "ETH/USD", "positions": TICKS, "fee": 0.0}
    _, seen = run(market({}, order(first), order(second, at=60), venues={"v3": v3}))
    node = [1.0 / math.sqrt(1.0001 ** tick) for tick in (63_978,)]
    most = 1e3 * (node[0] - 1.0 / math.sqrt(1000.0))
    assert seen[-1][1] == pytest.approx(min(first + second, most), abs=1e-8)
    assert seen[0][1] == pytest.approx(min(first, most), abs=1e-8)


def test_a_wrapped_rest_is_wrapped_again() -> None:
    assets = {"ETH": {"price": 1000.0}, "wETH": {"wraps": "ETH", "rate": 1.25}}
    v3 = {"kind": "uniswap_v3", "pair": "ETH/USD", "positions": TICKS, "fee": 0.0}
    world = market({}, {"at": 0, "kind": "order", "order": "sell 40 wETH"}, assets=assets, venues={"v3": v3})
    for found, state in steps(world):
        model = found
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    most = 1e3 * (1.0 / math.sqrt(1.0001 ** 63_978) - 1.0 / math.sqrt(1000.0))
    assert -state.ledgers.tokens[ORDER_OWNERS, model.layout.asset("wETH"), 0] == pytest.approx(most / 1.25, rel=1e-9)
    assert state.ledgers.tokens[ORDER_OWNERS, model.layout.asset("ETH"), 0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("fields", "message"), [
    ({"venue": "three"}, "unknown venue: 'three'; known: one, two"),
    ({"fall": None}, "never leave; give `fall`, `volatility` or both"),
    ({"share": 1.5}, "share"),
])
def test_bad_input_is_answered_in_a_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        market({"lps": LEAVES | fields})


def test_who_provides_on_one_of_several_needs_venues_that_are_apart() -> None:
    with pytest.raises(InputError, match="is one market with two; write `liquidity: fragmented`"):
        market({"lps": LEAVES}, liquidity="unified")
    with pytest.raises(InputError, match=r"is -1\.5; it is a change as a share"):
        market({}, {"at": 0, "kind": "depth", "change": {"one": -1.5}})

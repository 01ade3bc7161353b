"""A default: what it cuts, loses and freezes, and what sees it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.redeem import USD, coin_world, ends, price
from delever.core.tables import ISSUER, OUTSIDE
from delever.model.errors import InputError
from run.small import steps

SLASHED = {"kind": "default", "asset": "COIN", "at": 120, "cut": -0.08, "freezes": False}


def test_a_cut_moves_the_rate_and_a_market_without_a_venue_with_it() -> None:
    world = coin_world(dumped=1e-9, events=[SLASHED], venues={})
    seen = [(float(state.backing.log_rate[0, 0]), price(state)) for _, state in steps(world)]
    assert seen[1] == (0.0, 0.0)
    assert seen[2] == pytest.approx((math.log(0.92), math.log(0.92)), abs=1e-15)


def test_a_pool_stands_where_it_stood_until_somebody_trades_it_there() -> None:
    state, said = ends(coin_world(dumped=1e-9, events=[SLASHED]))
    assert price(state) == pytest.approx(0.0, abs=1e-9)
    assert said["discount"] == pytest.approx([1.0 - 1.0 / 0.92], rel=1e-6)  # a premium
    deep = {"kind": "constant_product", "pair": "COIN/USD", "reserves": {"COIN": 1000, "USD": 1000}, "half_life": 1}
    assert price(ends(coin_world(dumped=1e-9, events=[SLASHED], pool=deep))[0]) == pytest.approx(math.log(0.92), abs=1e-9)


def test_what_is_lost_of_a_reserve_is_outside() -> None:
    failed = {"kind": "default", "asset": "COIN", "lost": 0.25, "freezes": False}
    state, said = ends(coin_world(coin={"reserve": 400.0}, events=[failed]))
    assert said["reserve_left"] == [300.0]
    assert state.ledgers.tokens[[ISSUER, OUTSIDE], USD, 0].tolist() == [-100.0, 100.0]


def test_a_freeze_without_an_end_is_for_ever() -> None:
    frozen = {"kind": "default", "asset": "COIN"}
    state, said = ends(coin_world(redeemers={}, events=[frozen]))
    assert said["redeemed"] == [0.0]
    assert state.backing.frozen[0, 0] > state.time


def test_a_rate_grows_and_the_market_with_it() -> None:
    year = 365.0 * 86400.0
    state, said = ends(coin_world(dumped=1e-9, coin={"growth": 4.0}, venues={}))
    assert state.backing.log_rate[0, 0] == pytest.approx(4.0 * 600.0 / year, rel=1e-12)
    assert said["rate"] == pytest.approx([math.exp(4.0 * 600.0 / year)], rel=1e-12)
    assert price(state) == pytest.approx(state.backing.log_rate[0, 0], abs=1e-14)


@pytest.mark.parametrize(("event", "line"), [
    ({"asset": "ETH"}, r"asset is redeemed for nothing: 'ETH'"),
    ({"lost": 0.1}, r"lost: loses from a reserve without end: 0\.1; state assets\.COIN\.reserve"),
    ({"freezes": False}, r"does nothing"),
    ({"freezes": False, "cut": -0.1, "lasting": 60}, r"lasting has no meaning here: 60"),
])
def test_a_default_that_means_nothing_is_refused(event: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        coin_world(events=[{"kind": "default", "asset": "COIN", **event}])

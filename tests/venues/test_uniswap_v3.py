"""Concentrated liquidity: the contract's swaps across ticks, gaps and ends, and what bad positions are answered."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delever.core.empty import new_markets
from delever.core.market import log_price_at, sale
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.venues.base import combine, stack
from delever.venues.constant_product import ConstantProduct
from delever.venues.uniswap_v3 import UniswapV3
from protocols.vectors import cases
from venues.swaps import check


@pytest.mark.parametrize("base", ["token0", "token1"])
def test_swaps_are_those_of_the_uniswap_v3_contract(base: str) -> None:
    found = cases("uniswap_v3")
    for case in found:
        check(case, base)
    assert len(found) >= 25


GAP = UniswapV3(pair="A/B", fee=0.0, price=1.0, positions=[(-200, -100, 1e21), (-50, 50, 2e21)])


def traded(spec: UniswapV3, q: float) -> tuple[float, float, float]:
    """Sell so much: (base taken, quote received, price afterwards)."""
    table = spec.table(Source(), 1.0)
    markets = new_markets(np.zeros(1), np.zeros(1), np.zeros((2, 1)), 1)
    after, got, done = sale(0, 0, q, stack([table]), markets)
    return done, got, math.exp(log_price_at(0, 0, after, stack([table]), markets))


def test_a_sale_goes_on_behind_a_gap_and_ends_where_the_liquidity_does() -> None:
    def root(tick: int) -> float:
        return 1.0001 ** (tick / 2)

    upper, lower = 2e3 * (1.0 / root(-50) - 1.0), 1e3 * (1.0 / root(-200) - 1.0 / root(-100))
    paid = 2e3 * (1.0 - root(-50)) + 1e3 * (root(-100) - root(-200))
    done, got, price = traded(GAP, 1e9)
    assert (done, got, price) == pytest.approx((upper + lower, paid, 1.0001**-200), rel=1e-12)
    assert traded(GAP, upper * (1.0 + 1e-9))[2] == pytest.approx(1.0001**-100, rel=1e-8)  # through the gap
    assert traded(GAP, upper * 0.5)[0] == upper * 0.5


def test_beside_another_pool_positions_that_end_add_nothing_beyond() -> None:
    v2 = ConstantProduct(pair="A/B", reserves={"A": 1000.0, "B": 1000.0})
    joint = combine([GAP.table(Source(), 1.0), v2.table(Source(), 1.0)])
    assert not joint.bounded
    beyond = joint.liquidity[joint.node_w[:-1] >= 1.0001 ** (200 / 2) * (1 - 1e-12)]
    assert (beyond == 1000.0).all()
    tick = joint.log_price / math.log(1.0001)
    gap = joint.liquidity[(tick[:-1] <= -50 + 1e-8) & (tick[1:] >= -100 - 1e-8)]
    assert (gap == 1000.0).all()
    assert len(gap)


def test_a_table_of_ticks_says_the_same_as_positions(tmp_path: Path) -> None:
    (tmp_path / "ticks.csv").write_text("tick,liquidity_net\n50,-2e21\n-200,1e21\n-100,-1e21\n-50,2e21\n")
    ours, theirs = GAP.table(Source(), 1.0), UniswapV3(
        pair="A/B", fee=0.0, price=1.0, data="ticks.csv").table(Source(tmp_path), 1.0)
    assert (ours.node_w == theirs.node_w).all()
    assert (ours.liquidity == theirs.liquidity).all()


@pytest.mark.parametrize(("fields", "message"), [
    (dict(positions=[(10, -10, 1e18)]), r"positions\.0:? goes from tick 10 to -10; the lower tick comes first"),
    (dict(positions=[(-10, 10, 0.0)]), r"positions\.0:? has liquidity 0"),
    (dict(positions=[]), "has neither data nor positions"),
    (dict(data="ticks.csv"), "has data and positions"),
])
def test_positions_that_are_none_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        UniswapV3(**{"pair": "A/B", "positions": [(-10, 10, 1e18)], **fields})


def test_a_price_far_from_every_position_is_refused() -> None:
    with pytest.raises(InputError, match=r"no position is near the price 2000; positions go from 0\.98"):
        UniswapV3(pair="A/B", positions=[(-200, 200, 1e18)]).table(Source(), 2000.0)

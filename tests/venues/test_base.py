"""Venues of one pair as one, and all markets as arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.profile import buy, inverse_root, sell
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.venues.base import ProfileTable, combine, stack, table_from_liquidity, table_from_sold
from delever.venues.constant_product import ConstantProduct
from delever.venues.depth_table import DepthTable
from delever.venues.stableswap import StableSwap

compiled = settings(deadline=None)  # the first call compiles


def product(base: float, quote: float, fee: float = 0.003, half_life: float | None = None) -> ProfileTable:
    reserves = {"A": base, "B": quote}
    return ConstantProduct(pair="A/B", reserves=reserves, fee=fee, half_life=half_life).table(Source(), 1.0)


def stable(base: float, quote: float) -> ProfileTable:
    return StableSwap(pair="A/B", A=50, balances={"A": base, "B": quote}, fee=0.0004).table(Source(), 1.0)


def book(depth: float) -> ProfileTable:
    bids, asks = ((depth, 0.99), (3.0 * depth, 0.9)), ((depth, 1.02),)
    return DepthTable(pair="A/B", bids=bids, asks=asks).table(Source(), 1.0)


def w_after(table: ProfileTable, s: float) -> float:
    cells, node_w, sold, _, liquidity = table.rows()
    return inverse_root(s, cells, node_w, sold, liquidity)


def test_two_equal_pools_are_one_of_twice_the_size() -> None:
    joint, twice = combine([product(100.0, 400.0), product(100.0, 400.0)]), product(200.0, 800.0)
    for q in (1e-6, 1.0, 50.0, 1e4):
        assert sell(0.0, q, *joint.rows()) == pytest.approx(sell(0.0, q, *twice.rows()), rel=1e-13)
        assert buy(0.0, q, *joint.rows()) == pytest.approx(buy(0.0, q, *twice.rows()), rel=1e-13)
    assert joint.quoted == twice.quoted


@compiled
@given(st.floats(1.0, 1e4), st.floats(0.01, 3.0))
def test_what_is_sold_to_several_is_what_each_takes_down_to_the_same_price(size: float, share: float) -> None:
    parts = [book(size), book(500.0), book(20.0)]
    joint = combine(parts)
    q = share * size
    w = w_after(joint, sell(0.0, q, *joint.rows())[0])
    nodes = [np.interp(w, table.node_w, table.sold) if w < table.node_w[-1]
             else table.sold[-1] + (w - table.node_w[-1]) * table.liquidity[-1] for table in parts]
    digits = 4e-16 * w * float(joint.liquidity.max())  # what the last bits of w are worth in base
    assert sum(nodes) == pytest.approx(q, abs=10 * digits)
    paid = sum(sell(0.0, float(s), *table.rows())[1] for s, table in zip(nodes, parts, strict=True))
    assert sell(0.0, q, *joint.rows())[1] == pytest.approx(paid, abs=10 * digits)


@compiled
@given(st.floats(0.7, 1.4), st.floats(10.0, 1000.0))
def test_pools_that_stand_apart_meet_where_no_base_is_left_over(ratio: float, size: float) -> None:
    parts = [product(size, size * ratio), stable(300.0, 310.0)]
    joint = combine(parts)
    starts = sorted(table.start_log_price for table in parts)
    assert joint.sold[joint.start] == 0.0
    assert starts[0] - 1e-12 <= joint.start_log_price <= starts[1] + 1e-12
    w = float(joint.node_w[joint.start])
    moved = [(w - parts[0].node_w[0]) * parts[0].liquidity[0], np.interp(w, parts[1].node_w, parts[1].sold)]
    assert sum(moved) == pytest.approx(0.0, abs=1e-10 * size)


def test_the_joint_fee_is_the_mean_by_liquidity() -> None:
    joint = combine([product(100.0, 100.0, fee=0.003), product(300.0, 300.0, fee=0.001)])
    assert joint.fee_in == pytest.approx(0.0015, rel=1e-14)


def test_the_joint_range_is_where_all_have_data() -> None:
    joint = combine([book(100.0), book(50.0)])
    assert joint.quoted == (-150.0, 450.0)
    wide = book(100.0)
    narrow = table_from_sold(np.array([0.999, 1.0, 1.001]), np.array([-1.0, 0.0, 1.0]), 1, anchored=True)
    low, high = combine([wide, narrow]).quoted
    assert w_after(combine([wide, narrow]), low) == pytest.approx(0.999, rel=1e-12)
    assert w_after(combine([wide, narrow]), high) == pytest.approx(1.001, rel=1e-12)


def test_makers_and_pools_cannot_share_a_pair() -> None:
    with pytest.raises(InputError, match="liquidity: fragmented"):
        combine([product(1.0, 1.0), book(1.0)])


def test_venues_of_a_pair_recover_together() -> None:
    with pytest.raises(InputError, match="same half_life"):
        combine([product(1.0, 1.0, half_life=60.0), product(1.0, 1.0)])


@compiled
@given(st.integers(0, 8), st.lists(st.floats(0.1, 1e3), min_size=8, max_size=8))
def test_a_table_from_points_and_from_liquidity_are_the_same(start: int, liquidity: list[float]) -> None:
    node_w = np.exp(np.linspace(-0.4, 0.4, 9))
    made = table_from_liquidity(node_w, np.array(liquidity), start)
    again = table_from_sold(node_w, made.sold, start)
    assert np.allclose(again.liquidity, made.liquidity, rtol=1e-10)
    assert np.allclose(again.paid, made.paid, rtol=1e-10)
    assert np.all(np.diff(made.log_price) < 0.0)


def test_stacked_markets_trade_as_their_tables_do() -> None:
    tables = [stable(100.0, 90.0), None, product(5.0, 7.0), book(10.0)]
    profiles = stack(tables)
    assert profiles.has_venue.tolist() == [1, 0, 1, 1]
    assert profiles.anchored.tolist() == [0, 0, 0, 1]
    assert np.isfinite(profiles.node_w).all()
    assert (profiles.liquidity > 0.0).all()
    for m, table in enumerate(tables):
        if table is None:
            continue
        row = (int(profiles.cells[m]), profiles.node_w[m], profiles.sold[m], profiles.paid[m], profiles.liquidity[m])
        for q in (0.01, 3.0, 500.0):
            assert sell(0.0, q, *row) == sell(0.0, q, *table.rows())
            assert buy(0.0, q, *row) == buy(0.0, q, *table.rows())
        assert bool(profiles.bounded[m]) is table.bounded
        assert tuple(profiles.quoted[m]) == table.quoted


def test_no_markets_stack_to_empty_arrays() -> None:
    profiles = stack([])
    assert profiles.node_w.shape == (0, 2)
    assert profiles.quoted.shape == (0, 2)


def test_reading_venues_does_not_load_the_compiler() -> None:
    code = "import sys, delever.venues.stableswap, delever.venues.depth_table; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

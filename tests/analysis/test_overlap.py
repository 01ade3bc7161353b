"""Overlaps weighted by liquidity and aggregate vulnerability: by hand, by the matrices of the papers, by selling for real."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.analysis.overlap import impact, market_depth, overlap, vulnerability
from delever.model.errors import InputError

HELD, DEPTH = [[10.0, 0.0], [20.0, 30.0], [0.0, 40.0]], [100.0, 50.0]


def test_overlaps_by_hand() -> None:
    found = overlap(HELD, DEPTH, ["a", "b", "c"], ["eth", "btc"])
    # a and b share eth: 10 x 20 / 100; b and c btc: 30 x 40 / 50.
    assert found.matrix.tolist() == [[1.0, 2.0, 0.0], [2.0, 22.0, 24.0], [0.0, 24.0, 32.0]]
    assert found.pairs.to_pylist() == [{"one": "b", "other": "c", "overlap": 24.0, "through": "btc"},
                                       {"one": "a", "other": "b", "overlap": 2.0, "through": "eth"}]
    assert found.table["takes"].to_pylist() == [2.0, 26.0, 24.0]
    assert found.assets["share"].to_pylist() == pytest.approx([2.0 / 26.0, 24.0 / 26.0])


def test_the_direction_is_the_eigenvector() -> None:
    found = overlap(HELD, DEPTH)
    part = np.asarray(found.table["centrality"])
    turned = found.matrix @ part
    np.testing.assert_allclose(turned / turned.sum(), part, rtol=1e-10)
    assert part.sum() == pytest.approx(1.0)


def test_those_who_share_nothing_have_no_pairs_and_no_part() -> None:
    found = overlap([[10.0, 0.0], [0.0, 5.0]], DEPTH)
    assert found.pairs.num_rows == 0
    assert found.table["takes"].to_pylist() == [0.0, 0.0]
    assert overlap([[0.0], [0.0]], 1.0).table["centrality"].to_pylist() == [0.0, 0.0]


def test_depth_and_impact_of_cont_and_schaanning() -> None:
    assert float(market_depth(2e6, 0.04, days=9, factor=0.25)) == pytest.approx(0.25 * 2e6 / 0.04 * 3.0)
    # At first 1 / D a dollar, in the end 1 - B.
    assert float(impact(1e-6, 100.0)) == pytest.approx(1e-8, rel=1e-6)
    assert float(impact(1e9, 100.0, floor=0.4)) == pytest.approx(0.6)
    assert float(impact(50.0, 100.0, floor=0.0)) == pytest.approx(1.0 - np.exp(-0.5))
    assert float(impact(50.0, 100.0, floor=1.0)) == 0.0


def test_vulnerability_by_hand() -> None:
    # a: 100 of x, equity 20, so leverage 4; x falls by 5 %: a loses 5, sells 20. b: 60 x and 40 y, equity 50: loses 3, sells 3,
    # of which 1.8 x. Impact: x 21.8 / 1000, y 1.2 / 400.
    found = vulnerability([[100.0, 0.0], [60.0, 40.0]], [20.0, 50.0], [0.05, 0.0], [1000.0, 400.0])
    assert found.table["sells"].to_pylist() == pytest.approx([20.0, 3.0])
    assert found.assets["sold"].to_pylist() == pytest.approx([21.8, 1.2])
    assert found.table["direct"].to_pylist() == pytest.approx([0.25, 0.06])
    hurt = [100.0 * 0.0218, 60.0 * 0.0218 + 40.0 * 0.003]
    assert found.table["indirect"].to_pylist() == pytest.approx([hurt[0] / 20.0, hurt[1] / 50.0])
    assert found.aggregate == pytest.approx(sum(hurt) / 70.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6))
def test_vulnerability_is_the_papers_product_of_matrices(n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    held, own = random.uniform(1.0, 100.0, (n, k)), random.uniform(1.0, 50.0, n)
    fall, depth = random.uniform(0.0, 0.2, k), random.uniform(1e3, 1e5, k)
    found = vulnerability(held, own, fall, depth)
    size = held.sum(axis=1)
    a, m, b = np.diag(size), held / size[:, None], np.diag(np.maximum(size - own, 0.0) / own)
    returns = m @ fall
    product = np.ones(n) @ a @ m @ np.diag(1.0 / depth) @ m.T @ b @ a @ returns / own.sum()
    assert found.aggregate == pytest.approx(product, rel=1e-12)
    assert sum(found.table["systemicness"].to_pylist()) == pytest.approx(product, rel=1e-12)
    indirect = a @ m @ np.diag(1.0 / depth) @ m.T @ b @ a @ returns / own
    np.testing.assert_allclose(found.table["indirect"], indirect, rtol=1e-12)


def test_cash_is_an_asset_whose_depth_has_no_end() -> None:
    held = [[90.0, 10.0]]
    found = vulnerability(held, [10.0], [0.1, 0.0], [1000.0, np.inf])
    # Loses 9, sells 81, a tenth of it cash.
    assert found.assets["sold"].to_pylist() == pytest.approx([72.9, 8.1])
    assert found.assets["impact"].to_pylist() == pytest.approx([0.0729, 0.0])
    beside = vulnerability([[90.0]], [10.0], [0.1], [1000.0], other=[10.0])  # or is not sold
    assert beside.assets["sold"].to_pylist() == pytest.approx([81.0])


@pytest.mark.parametrize(("arguments", "says"), [
    ((HELD, [100.0, 0.0]), "depth is 0: 1; give USD above 0"),
    ((HELD, [100.0]), "depth has another shape: '?1'?; give 2, one each"),
    (([1.0, 2.0], 1.0), "held has another shape: '?2'?; give a table"),
    ((HELD, DEPTH, ["a", "b"]), "names must be 3 different ones"),
])
def test_what_does_not_fit_is_said_in_a_line(arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        overlap(*arguments)  # type: ignore[arg-type]


def test_depth_needs_a_volatility() -> None:
    with pytest.raises(InputError, match="volatility is not above 0"):
        market_depth(1e6, 0.0)

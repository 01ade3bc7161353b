"""Aggregator quotes become a monotone depth; the pool file is checked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.ingest import aggregator_quotes, curve_pool
from delever.ingest.source import Source
from delever.model.errors import InputError


def test_the_price_of_ether_falls_with_what_is_sold_and_the_quotes_end_where_they_end(source: Source) -> None:
    depth = aggregator_quotes.read(lambda name: source.table(f"crvusd_2023-11/{name}"), "ETH", "USD")
    for side, sign in ((depth.bids, 1.0), (depth.asks, -1.0)):
        quantity, price = np.array(side.levels).T
        assert (np.diff(quantity) > 0).all()
        assert (sign * np.diff(price) < 0).all()
    bids = np.array(depth.bids.levels)
    assert bids[-1, 0] == pytest.approx(72_750, rel=0.01)
    paid = np.concatenate([[0.0], np.cumsum(np.diff(bids[:, 0]) * np.sqrt(bids[1:, 1] * bids[:-1, 1]))])
    lost = [1.0 - np.interp(q, bids[:, 0], paid) / q + depth.bids.spread for q in (1_000.0, 10_000.0, 72_750.0)]
    assert lost == pytest.approx([0.0015, 0.0094, 0.072], rel=0.07)  # the data set's note on these sizes


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_pooling_gives_a_monotone_series_with_the_same_mean(values: list[float]) -> None:
    raw, weights = np.array(values), np.ones(len(values))
    fitted = aggregator_quotes.monotone(raw, weights)
    assert (np.diff(fitted) >= -1e-12).all()
    assert fitted.mean() == pytest.approx(raw.mean())
    if (np.diff(raw) >= 0).all():
        assert fitted == pytest.approx(raw)


def test_the_pool_file_gives_its_numbers(source: Source) -> None:
    pool = curve_pool.read(source.json("aave_steth_2023-06/curve_pool.json"), "pool")
    assert pool == {"A": 30.0, "fee": 0.0004, "balances": {"ETH": 235285.0, "stETH": 241954.0}}


@pytest.mark.parametrize("change", [{"A": 0}, {"fee": -1}, {"balances": {"ETH": 1.0}}, {"balances": {"ETH": 1.0, "X": 0.0}}])
def test_a_pool_file_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        curve_pool.read({"A": 30, "fee": 0.0004, "balances": {"ETH": 1.0, "X": 1.0}, **change}, "pool")

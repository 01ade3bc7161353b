"""Prices over time on all paths: counts that no chunk size changes, and quantiles that are those of the paths."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.engine.price_counts import MOST, PER_E, added, counted
from delever.engine.probes import UNIT
from delever.run.price_fans import LEVELS, WITHIN, price_quantiles
from delever.run.stress import stress
from run.small import everything, fall, loan, one_market


def test_quantiles_are_those_of_every_path_traced() -> None:
    """Against the trace of all paths, at every time that the table has, for markets and outside prices alike."""
    paths = 40
    run = stress(everything(paths=paths), keep=False, trace=list(range(paths)), threads=1)
    trace, found = run.trace, run.price_quantiles.to_pylist()
    step, compared = trace["time"].to_numpy(), 0
    for row in found:
        if row["time"] == 0.0 or row["series"].startswith("feed."):
            continue
        seen = np.sort(trace[row["series"]].to_numpy()[step == row["time"]])
        for level in LEVELS:
            exact = seen[max(int(np.ceil(level * paths - 1e-9)), 1) - 1]
            assert row[f"q{round(100 * level):02d}"] == pytest.approx(exact, rel=WITHIN * 1.001)
            compared += 1
    assert compared > 500


def test_at_the_start_every_path_stands_at_the_start() -> None:
    run = stress(everything(paths=3), keep=False, threads=1)
    begun = {row["series"]: row for row in run.prices.to_pylist() if row["time"] == 0.0}
    assert begun["price.BTC/USD"]["price"] == pytest.approx(40_000.0) and {row["paths"] for row in begun.values()} == {3}
    assert {"price.ETH/USD", "outside.ETH/USD", "feed.eth_usd", "feed.steth_eth"} <= begun.keys()
    assert begun["feed.steth_eth"]["quote"] == "ETH"
    assert "outside.T2/USD" not in begun  # nobody can trade there: it is the market


def test_a_price_that_does_not_move_is_said_exactly() -> None:
    run = stress(one_market(loan("a", 1.0, 100.0), scenario={"paths": 2}), keep=False, threads=1)
    assert all(row["q05"] == row["q95"] == pytest.approx(1000.0, rel=1e-12) for row in run.price_quantiles.to_pylist())


def test_a_fall_is_seen_where_it_falls() -> None:
    run = stress(one_market(loan("a", 1.0, 100.0), scenario={"events": [fall(0.2, 300.0)]}), keep=False, threads=1)
    rows = [row for row in run.price_quantiles.to_pylist() if row["series"] == "price.ETH/USD"]
    assert all(row["q50"] == pytest.approx(1000.0 if row["time"] <= 300.0 else 800.0, rel=WITHIN) for row in rows)
    assert {row["time"] for row in rows} == {60.0 * k for k in range(11)}


@given(st.lists(st.lists(st.integers(-3000, 3000), min_size=1, max_size=8), min_size=1, max_size=5))
def test_counts_add_up_however_they_are_cut(chunks: list[list[int]]) -> None:
    def rows_of(levels: list[int]) -> np.ndarray:
        level, paths = np.unique(levels, return_counts=True)
        return np.column_stack([np.zeros((len(level), 2), np.int64), level, paths, UNIT * paths])

    every = [level for chunk in chunks for level in chunk]
    assert added([rows_of(chunk) for chunk in chunks]).tolist() == rows_of(every).tolist()


@given(st.lists(st.lists(st.integers(-30, 30), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(0, 1))
def test_levels_are_counted_alike_in_place_and_sorted(levels: list[list[int]], far: int) -> None:
    """far: one of them so far away that those that occur are sorted."""
    level = np.array(levels)
    level[0, 0] += far * 2 * MOST
    series, found, paths = counted(level)
    expected = {(s, int(one)): int((row == one).sum()) for s, row in enumerate(level) for one in row}
    assert dict(zip(zip(series.tolist(), found.tolist(), strict=True), paths.tolist(), strict=True)) == expected
    assert sorted(expected) == list(zip(series.tolist(), found.tolist(), strict=True))


@given(st.lists(st.integers(-2000, 2000), min_size=1, max_size=60))
def test_a_quantile_is_the_lowest_price_that_so_many_do_not_exceed(levels: list[int]) -> None:
    level, paths = np.unique(levels, return_counts=True)
    table = pa.table({"series": ["price.A/B"] * len(level), "quote": ["B"] * len(level), "time": np.zeros(len(level)),
                      "price": np.exp(level / PER_E), "paths": paths, "weight": paths.astype(float)})
    row, every = price_quantiles(table).to_pylist()[0], np.exp(np.sort(levels) / PER_E)
    for share in LEVELS:
        found = row[f"q{round(100 * share):02d}"]
        assert (every <= found).mean() >= share - 1e-9 and (every < found).mean() < share


def test_nothing_counted_has_no_quantiles() -> None:
    empty = stress(one_market(loan("a", 1.0, 100.0)), keep=False, threads=1).prices.slice(0, 0)
    assert price_quantiles(empty).num_rows == 0 and price_quantiles(empty).column_names[0] == "series"


def test_a_trace_begins_at_the_start_and_says_what_protocols_see() -> None:
    """Seen prices follow the market only at answers, which are as old as the heartbeat at most; parts add up to the whole."""
    run = stress(everything(paths=2), keep=False, trace=[1], threads=1)
    rows = run.trace.to_pylist()
    assert [row["step"] for row in rows] == list(range(13)) and rows[0]["time"] == 0.0
    assert rows[0]["price.BTC/USD"] == pytest.approx(40_000.0) and rows[0]["seen.first.ETH"] == pytest.approx(2000.0, rel=1e-3)
    assert rows[0]["forced_sales.ETH"] == rows[0]["repaid_debt"] == 0.0
    assert all(0.0 <= row["age.eth_usd"] <= 3600.0 + 300.0 for row in rows)
    assert any(row["seen.first.ETH"] != pytest.approx(row["price.ETH/USD"], rel=1e-6) for row in rows)
    last, told = rows[-1], run.paths.slice(1, 1).to_pylist()[0]
    assert last["repaid_debt"] == pytest.approx(last["repaid_debt.first"] + last["repaid_debt.other"])
    assert last["repaid_debt"] > 0.0
    assert last["forced_sales.ETH"] == told["forced_sales.ETH"] and last["found_no_room"] == told["found_no_room"]
    assert {row["room.chain"] for row in rows} == {6.0} and {row["base_fee.chain"] for row in rows} == {20.0}

"""What a run tells over time where paths are drawn around a move: prices, sizes, medians and the twin count paths by weight."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from delever.analysis.attribution import attribution
from delever.analysis.passage import first_passage
from delever.analysis.reverse import reverse
from delever.analysis.twin import twin
from delever.engine.price_counts import UNIT, weighed
from delever.engine.probes import HISTORIES, bucket
from delever.model.world import World
from delever.report.positions import hardest_hit
from delever.run.estimates import ordered_at
from delever.run.price_fans import LEVELS, WITHIN
from delever.run.stress import Run, stress
from delever.run.timeline import medians
from run.exchange_small import exchange
from run.small import loan, one_market

STEPS, S = 4, 0.06  # a day each; standard deviation of a day's log move
TAIL = {"change": {"ETH": "-25 %"}}


def world(paths: int, tail: dict[str, Any] | None = None, **more: Any) -> World:
    """Loans that are called as ETH falls; makers who quote a slope, so that calls move the market."""
    prices = {"kind": "lognormal", "volatility": {"ETH": f"{S * math.sqrt(365.0):.4%}"}}
    legs = [leg for i in range(8) for leg in loan(f"a{i}", 20.0, 20.0 * 850.0 / (1.05 + 0.05 * i))]
    return one_market(legs, venues={"makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": 1000.0}}, scenario={
        "horizon": STEPS * 86_400, "step": 86_400, "paths": paths, "prices": prices, "tail": tail}, **more)


@pytest.fixture(scope="module")
def run() -> Run:
    return stress(world(400, TAIL), keep=False, threads=1, trace=list(range(400)))


def test_quantiles_of_prices_are_the_closed_form_and_those_of_paths_as_drawn_are_not() -> None:
    """Outside prices are log-normal: ln P / P0 has mean -s^2 t / 2 and standard deviation s sqrt(t)."""
    found = stress(world(4000, TAIL), keep=False, threads=1)
    rows = {(row["series"], row["time"]): row for row in found.price_quantiles.to_pylist()}
    last = rows["outside.ETH/USD", STEPS * 86_400.0]
    s = S * math.sqrt(STEPS)
    for level in LEVELS:
        exact = 1000.0 * math.exp(-0.5 * s**2 + s * NormalDist().inv_cdf(level))
        assert last[f"q{round(100 * level):02d}"] == pytest.approx(exact, rel=0.02)
    drawn = found.prices.filter(pc.and_(pc.equal(found.prices["series"], "outside.ETH/USD"),
                                        pc.equal(found.prices["time"], STEPS * 86_400.0)))
    middle = drawn["price"].to_numpy()[np.searchsorted(np.cumsum(drawn["paths"].to_numpy()), 2000)]
    assert middle < 0.9 * last["q50"]


def test_quantiles_of_prices_are_the_weighted_ones_of_every_path_traced(run: Run) -> None:
    w = np.rint(run.paths["weight"].to_numpy() * UNIT)
    trace, compared = run.trace, 0
    for row in run.price_quantiles.to_pylist():
        if row["time"] == 0.0 or row["series"].startswith("feed."):
            continue
        seen = trace[row["series"]].to_numpy()[trace["time"].to_numpy() == row["time"]]
        for level in LEVELS:
            exact = float(ordered_at(seen, level, w))
            assert row[f"q{round(100 * level):02d}"] == pytest.approx(exact, rel=WITHIN * 1.001)
            compared += 1
    assert compared == 2 * STEPS * len(LEVELS)


def test_sizes_over_time_hold_the_weights_of_their_paths(run: Run) -> None:
    trace, w = run.trace, run.paths["weight"].to_numpy()
    for name in HISTORIES[:2]:
        for step in range(1, STEPS + 1):
            size = bucket(trace[name].to_numpy()[trace["step"].to_numpy() == step])
            rows = run.history.filter(pc.and_(pc.equal(run.history["quantity"], name),
                                              pc.equal(run.history["time"], step * 86_400.0)))
            assert rows["paths"].to_pylist() == np.bincount(size)[np.unique(size)].tolist()
            assert rows["weight"].to_numpy() == pytest.approx(np.bincount(size, w)[np.unique(size)], abs=400 / UNIT)


def test_no_chunk_changes_a_bit_of_it(run: Run) -> None:
    other = stress(world(400, TAIL), keep=False, threads=1, chunk=37)
    assert other.prices.equals(run.prices) and other.history.equals(run.history)


def test_levels_weigh_what_their_paths_do() -> None:
    rows = weighed(np.array([[3, 5, 3], [0, 0, -1]]), 7, np.array([10, 20, 40]))
    assert rows.tolist() == [[0, 7, 3, 2, 50], [0, 7, 5, 1, 20], [1, 7, -1, 1, 40], [1, 7, 0, 2, 30]]


def test_medians_over_time_and_whom_adl_hits_count_by_weight() -> None:
    found = stress(exchange(paths=24, tail={"change": {"ETH": "-8 %"}}), keep=False, threads=1)
    w = found.paths["weight"].to_numpy()
    assert np.ptp(w) > 0.1
    last = medians(found.timeline, "perps", w).to_pylist()[-1]
    assert last["liquidated"] == float(ordered_at(found.paths["liquidated.perps"].to_numpy(), 0.5, w))
    rows = hardest_hit(found.adl, "perps", w)
    haircut = sum(w[row["path"]] * row["haircut"] for row in found.adl.to_pylist()) / w.sum()
    assert sum(row["haircut_usd"] for row in rows) == pytest.approx(haircut) != 0.0
    assert all(0.0 < row["on"] < 1.0 + 1e-12 for row in rows)


def test_first_causes_are_means_by_weight() -> None:
    found = stress(world(12, TAIL), keep=False, threads=1)
    w = found.paths["weight"].to_numpy()
    alone = [attribution(found, path).totals["liquidated"][0].as_py() for path in range(12)]
    assert attribution(found).totals["liquidated"][0].as_py() == pytest.approx(float(w @ alone / w.sum())) != 0.0


def test_the_twin_weighs_its_paths_and_says_what_plain_paths_do(run: Run) -> None:
    found = twin(run)
    w = run.paths["weight"].to_numpy()
    assert found.run.paths["weight"].equals(run.paths["weight"])
    deeper = found.run.paths["lowest.ETH/USD"].to_numpy() - run.paths["lowest.ETH/USD"].to_numpy()
    row = found.markets.to_pylist()[0]
    assert row["made by liquidations"] == pytest.approx(float(w @ deeper / w.sum()))
    assert row["deeper on"] == pytest.approx(float(w[deeper > 0.0].sum() / w.sum()))
    plain = twin(stress(world(4000), keep=False, threads=1)).markets.to_pylist()[0]
    assert row["low"] < plain["made by liquidations"] < row["high"]
    assert float(deeper.mean()) > row["high"]  # as drawn they would tell of too much


def test_what_counts_paths_leaves_the_move_out() -> None:
    """First passage and reverse stress say of a world with `tail` what they say of it without."""
    tailed, plain = world(20, TAIL), world(20)
    assert first_passage(tailed, simulate=True).accounts.equals(first_passage(plain, simulate=True).accounts)
    found = [reverse(one, "liquidations > 1.5", by="shock ETH").table.to_pylist() for one in (tailed, plain)]
    assert repr(found[0]) == repr(found[1]) and found[0][0]["size"] > 0.0

"""Far tails of losses: the fit beside scipy's, mass at zero, refusals, and what a run's tail says."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import genpareto

import delever as dl
from delever.analysis.gpd import fit, shortfall_factor, var_factor
from delever.analysis.tails import Tails, fitted, tails
from delever.model.errors import InputError
from delever.report.tails import tails_json, tails_report
from delever.run.estimates import Weights
from delever.run.stress import Run, stress
from run.small import loan, one_market


@pytest.mark.parametrize("shape", [-0.3, -0.05, 0.2, 0.6, 1.6])
def test_the_likeliest_tail_is_scipy_s(shape: float) -> None:
    y = genpareto.rvs(shape, scale=2.0, size=400, random_state=np.random.default_rng(5))
    found = fit(y + 7.0, 7.0)
    theirs, _, scale = genpareto.fit(y, floc=0.0)
    assert found.shape == pytest.approx(theirs, abs=1e-3) and found.scale == pytest.approx(scale, rel=1e-3)
    assert found.shape_error == pytest.approx((1.0 + shape) / 20.0, rel=0.2)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4])
def test_quantiles_and_means_beyond_are_those_of_the_distribution(shape: float) -> None:
    """Of a tail that a tenth of paths exceeds: by scipy's quantile, and by its mean beyond it."""
    zeta, level, scale = 0.1, 0.999, 2.0
    var = scale * float(var_factor(np.array(shape), np.array(zeta), level))
    assert var == pytest.approx(genpareto.ppf(0.99, shape, scale=scale))
    beyond = genpareto.expect(lambda y: y, (shape,), scale=scale, lb=var) / 0.01
    assert scale * float(shortfall_factor(np.array(shape), np.array(zeta), level)) == pytest.approx(beyond, rel=1e-3)


def test_mass_at_zero_enters_by_its_share_alone() -> None:
    """Nine paths in ten lose nothing: the tail is that of the tenth alone, and its quantile lies where that says."""
    y = genpareto.rvs(0.1, scale=100.0, size=400, random_state=np.random.default_rng(6))
    with_zeros, alone = fit(np.append(np.zeros(3600), y), 50.0), fit(y, 50.0)
    assert (with_zeros.shape, with_zeros.scale) == (alone.shape, alone.scale)
    assert with_zeros.share == pytest.approx(alone.share / 10.0)
    assert with_zeros.var(0.999)[0] == pytest.approx(alone.var(0.99)[0])


def test_a_path_that_counts_twice_is_two() -> None:
    y = genpareto.rvs(0.2, scale=1.0, size=200, random_state=np.random.default_rng(8))
    twice = fit(y, 0.0, Weights(np.where(np.arange(200) < 100, 2.0, 1.0), np.arange(200) % 4 == 3))
    copied = fit(np.append(y, y[:100]), 0.0)
    assert (twice.shape, twice.scale) == pytest.approx((copied.shape, copied.scale), rel=1e-6)
    assert twice.alike == pytest.approx(300**2 / 500)  # not 300: two of one are no two


def test_intervals_hold_the_truth() -> None:
    """Of an exponential tail, 24 times: at most four miss where one or two should."""
    rng, truth = np.random.default_rng(9), 1.0 + math.log(100.0)
    held = []
    for _ in range(24):
        x = np.where(rng.random(1000) < 0.1, 1.0 + rng.exponential(size=1000), 0.0)
        value, low, high = fit(x, 1.0).var(0.999)
        assert low < value < high
        held.append(low <= truth <= high)
    assert sum(held) >= 20


def test_what_has_no_mean_has_no_shortfall() -> None:
    y = genpareto.rvs(1.6, scale=1.0, size=500, random_state=np.random.default_rng(1))
    found = fit(y, 0.0)
    assert found.shape > 1.0 and found.expected_shortfall(0.999)[0] == math.inf and math.isfinite(found.var(0.999)[0])


@pytest.mark.parametrize(("losses", "level", "said"), [
    (np.zeros(1000), 0.999, "no path loses anything"),
    (np.append(np.zeros(980), np.arange(1.0, 21.0)), 0.999, "a tail takes 50"),
    (np.append(np.zeros(400), np.arange(1.0, 601.0)), 0.85, "lies before the threshold")])
def test_where_there_is_no_tail_that_is_said(losses: np.ndarray, level: float, said: str) -> None:
    losing = float((losses > 1.0).mean())
    with pytest.raises(InputError, match=said):
        fitted(losses, min(0.1, 0.5 * losing), level, losing, None)


@pytest.fixture(scope="module")
def run() -> Run:
    """Four days of 6 % and thirty loans near the edge; a shortfall is drawn in place of what the paths came to."""
    legs = [leg for i in range(3) for leg in loan(f"a{i}", 10.0, 8000.0 - 300.0 * i)]
    made = stress(one_market(legs, scenario={"horizon": 86_400, "step": 86_400, "paths": 800}), keep=False, threads=1)
    x = np.where(np.arange(800) % 5 == 0, 50.0 * genpareto.ppf((np.arange(800) + 0.5) / 800, 0.2), 0.0)
    at = made.paths.column_names.index("shortfall.pool")
    return SimpleNamespace(paths=made.paths.set_column(at, made.paths.schema.field(at), pa.array(x)), model=made.model,
                           world=made.world)  # type: ignore[return-value]


@pytest.fixture
def found(run: Run, monkeypatch: pytest.MonkeyPatch) -> Tails:
    monkeypatch.setattr("delever.analysis.tails.Run", SimpleNamespace)
    return tails(run, of="shortfall")


def test_a_run_s_tail_is_beside_the_sample_and_says_what_it_assumes(found: Tails) -> None:
    rows = found.table.to_pylist()
    assert [(row["figure"], row["method"]) for row in rows] == [
        ("VaR (99.9 %)", "tail"), ("VaR (99.9 %)", "sample"), ("ES (99.9 %)", "tail"), ("ES (99.9 %)", "sample")]
    assert found.losing[0] < 0.2 and found.fit.share == pytest.approx(0.5 * found.losing[0], abs=0.002)
    assert rows[0]["low"] < rows[0]["value"] < rows[0]["high"]
    first, second = found.thresholds["exceedances"].to_pylist()  # half would be fewer than 50
    assert first == len(found.fit.excess) and second == pytest.approx(0.75 * first, abs=1.0)
    assert "beyond the worst path" in found.said[0]
    text = tails_report("it", found).markdown()
    assert "VaR (99.9 %) of shortfall" in text and "Far out" in text
    said: dict[str, Any] = tails_json("it", found)
    assert said["tail"]["exceedances"] == len(found.fit.excess) and len(said["figures"]) == 4
    assert found.plot() is not None
    dl.show(found)


def test_an_unknown_column_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delever.analysis.tails.Run", SimpleNamespace)
    with pytest.raises(InputError, match="did you mean shortfall"):
        tails(run, of="shortfal")
    with pytest.raises(InputError, match="a share of paths"):
        tails(run, level=0.2)

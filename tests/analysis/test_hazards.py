"""Hazards of a panel are those that made it, within the errors that are said; and a panel that tells nothing is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from delever.analysis.hazards import fit_factor, fit_hazard, fit_watching
from delever.model.errors import InputError

TRUE = np.array([0.01, 0.3, 0.04])  # far, near [1/day], scale


def panel(seed: int, rows: int = 20_000, owners: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x, days, acted, owner) of accounts up to 50 % above; owners: whose rates differ by a factor, log-normal of mean 1."""
    rng = np.random.default_rng(seed)
    x, days = rng.uniform(0.001, 0.5, rows), rng.uniform(0.2, 2.0, rows)
    owner = rng.integers(0, owners, rows) if owners else np.arange(rows)
    factor = rng.lognormal(-0.5 * 1.0**2, 1.0, owners)[owner] if owners else 1.0
    hazard = factor * (TRUE[0] + TRUE[1] * np.exp(-x / TRUE[2]))
    return x, days, rng.random(rows) < -np.expm1(-hazard * days), owner


def test_what_made_a_panel_is_found_within_its_errors() -> None:
    """Over thirty panels the misses are standard normal: three logs each."""
    misses = []
    for seed in range(30):
        x, days, acted, _ = panel(seed)
        found = fit_hazard(x, days, acted)
        misses.append((np.log([found.far, found.near, found.scale]) - np.log(TRUE)) / found.errors)
    z = np.array(misses)
    assert np.abs(z.mean(axis=0)).max() < 4.0 / math.sqrt(30.0)
    assert 0.6 < z.std() < 1.4 and (np.abs(z) < 1.96).mean() > 0.85


def test_it_is_the_top_of_the_likelihood() -> None:
    from delever.analysis.hazards import _log_likelihood

    x, days, acted, _ = panel(1)
    found = fit_hazard(x, days, acted)
    top = np.log([found.far, found.near, found.scale])
    for k in range(3):
        for by in (-0.02, 0.02):
            assert _log_likelihood(top + by * np.eye(3)[k], x, days, acted, np.ones(len(x))) < found.log_likelihood


def test_owners_that_differ_widen_the_errors() -> None:
    """Rows of one owner belong together: twenty of them with rates a factor apart."""
    x, days, acted, owner = panel(3, owners=20)
    alone, together = fit_hazard(x, days, acted), fit_hazard(x, days, acted, [owner])
    assert (alone.far, alone.near, alone.scale) == (together.far, together.near, together.scale)
    assert together.errors[1] > 1.5 * alone.errors[1]
    assert together.acts == int(acted.sum()) and together.rows == len(x)
    assert together.at(0.0) == pytest.approx(together.far + together.near)


def test_a_panel_that_tells_nothing_is_refused() -> None:
    x = np.array([0.1, 0.2])
    with pytest.raises(InputError, match="has 0 acts in 2 rows"):
        fit_hazard(x, 1.0, np.array([False, False]))
    with pytest.raises(InputError, match="has 2 acts in 2 rows"):
        fit_hazard(x, 1.0, np.array([True, True]))
    with pytest.raises(InputError, match="not above 0"):
        fit_hazard(np.array([0.0, 0.2]), 1.0, np.array([True, False]))


def test_what_multiplies_a_hazard_is_found_within_its_error() -> None:
    """Thirty panels of hazards times e^(0.3 + 0.2 z)."""
    misses = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        expected, z = 0.02 * rng.uniform(0.5, 2.0, 10_000), rng.normal(0.0, 1.5, 10_000)
        found, error = fit_factor(expected, z, rng.random(10_000) < -np.expm1(-expected * np.exp(0.3 + 0.2 * z)))
        misses.append((found - 0.2) / error)
    assert abs(np.mean(misses)) < 4.0 / math.sqrt(30.0) and 0.6 < np.std(misses) < 1.4


def test_a_factor_of_a_constant_is_refused() -> None:
    with pytest.raises(InputError, match="one value throughout"):
        fit_factor(np.full(3, 0.1), np.ones(3), np.array([True, False, False]))


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_who_never_acts_is_told_from_who_had_no_time_to(share: float) -> None:
    """1,000 owners with 1 to 60 days each, two kinds of act: 95 % intervals hold the share, and hazards are the watchers'."""
    held, near = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        owner = np.repeat(np.arange(1000), rng.integers(1, 61, 1000))
        x, watches = rng.uniform(0.001, 0.3, len(owner)), (rng.random(1000) < share)[owner]
        hazard = TRUE[0] + TRUE[1] * np.exp(-x / TRUE[2])
        acts = [watches & (rng.random(len(owner)) < -np.expm1(-by * hazard)) for by in (1.0, 0.5)]
        found = fit_watching(x, 1.0, acts, owner)
        held.append(found.low <= share <= found.high)
        near.append([one.near for one in found.hazards])
        assert found.low - 0.01 <= found.share <= found.high and found.owners == 1000
        assert found.idle == 1000 - len(np.unique(owner[acts[0] | acts[1]]))
        assert (found.gain > 10.0) == (share < 1.0) and (found.idle > 1.3 * found.alone) == (share < 1.0)
    assert sum(held) >= 5
    assert np.mean(near, axis=0) == pytest.approx([TRUE[1], 0.5 * TRUE[1]], rel=0.12)


def test_nobody_who_acts_is_refused() -> None:
    with pytest.raises(InputError, match="has 0 acts in 3 rows"):
        fit_watching(np.full(3, 0.1), 1.0, [np.zeros(3, bool)], np.arange(3))

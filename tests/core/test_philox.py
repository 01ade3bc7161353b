"""Random numbers: the published words, fair draws, the same for every path whatever the chunk."""

from __future__ import annotations

import math

import numpy as np
import pytest

from delever.core.philox import LOW, PRICES, cos_of_turn, draw_normals, philox, uniform

# Known answers of philox4x32, 10 rounds, from Random123 1.14 (tests/kat_vectors): counter, key, words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
SEED = np.array([7, 0], dtype=np.uint64)


def words(text: str) -> list[np.uint64]:
    return [np.uint64(int(word, 16)) for word in text.split()]


def normals(step: int, first_path: int, paths: int, rows: int = 8, seed: np.ndarray = SEED) -> np.ndarray:
    out = np.empty((rows, paths))
    draw_normals(step, first_path, seed, PRICES, np.empty((4, paths), dtype=np.uint64), out)
    return out


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_known_answers(counter: str, key: str, answer: str) -> None:
    assert [int(word) for word in philox(*words(counter), *words(key))] == [int(word) for word in words(answer)]


def test_uniform_stays_inside_the_open_unit_interval() -> None:
    assert 0.0 < uniform(np.uint64(0)) < uniform(LOW) < 1.0


def test_cosine_of_a_turn_is_accurate() -> None:
    for word in np.random.default_rng(1).integers(0, 2**32, 2000, dtype=np.uint64):
        assert cos_of_turn(word) == pytest.approx(math.cos(2.0 * math.pi * int(word) / 2.0**32), abs=1e-15)


def test_a_path_draws_the_same_in_every_chunk() -> None:
    whole = normals(3, 0, 64)
    parts = np.concatenate([normals(3, 0, 17), normals(3, 17, 47)], axis=1)
    assert np.array_equal(whole, parts)


def test_steps_paths_rows_and_seeds_draw_differently() -> None:
    draws = np.concatenate([normals(1, 0, 500), normals(2, 0, 500), normals(1, 0, 500, seed=SEED + np.uint64(1))])
    assert len(np.unique(draws)) == draws.size


def test_normals_are_standard_and_independent() -> None:
    # 400,000 draws: standard errors are 0.0016 (mean), 0.0022 (variance), 0.016 (fourth moment); bounds at five
    draws = normals(1, 0, 50_000)
    assert abs(draws.mean()) < 0.008
    assert abs(draws.var() - 1.0) < 0.011
    assert abs((draws**4).mean() - 3.0) < 0.08
    correlation = np.corrcoef(draws) - np.eye(8)
    assert np.abs(correlation).max() < 5.0 / math.sqrt(50_000)

"""DebtRank: published figures, and what follows from the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.analysis.debtrank import debtrank, spread
from delever.model.errors import InputError

# The worked example of the R package NetworkRiskMeasures (its README of 2016): assets, buffers, sizes of a, b, c.
LENT, BUFFER, SIZE = [[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2], [10, 100, 30]


def test_the_published_example_of_the_first_debtrank() -> None:
    found = debtrank(LENT, BUFFER, SIZE, "once", names=["a", "b", "c"])
    np.testing.assert_allclose(found.table["weight"], [0.07142857, 0.21428571 * 10 / 3, 0.21428571], atol=5e-9)
    np.testing.assert_allclose(found.table["DebtRank"], [0.9285714, 0.25, 0.6642857], atol=5e-8)
    assert found.table["wiped out"].to_pylist() == [2, 1, 0]


def test_the_published_shock_of_a_tenth_to_all() -> None:
    shock = np.full(3, 0.1)
    end = spread(LENT, BUFFER, shock, "once")
    np.testing.assert_allclose(end, [0.15, 0.26, 0.3], rtol=1e-14)  # b: .1 + 1 x .1 + 3/5 x .1; so the others
    assert (end - shock) @ np.array(SIZE) / 140.0 == pytest.approx(0.1607, abs=5e-5)


def test_a_circle_is_passed_once_or_until_it_dies_out() -> None:
    # Each has lent half its equity to the other. Once: the first passes 1/2, which comes back as nothing more than 1.
    circle = [[0.0, 50.0], [50.0, 0.0]]
    np.testing.assert_allclose(spread(circle, 100.0, [0.2, 0.0], "once"), [0.25, 0.1], rtol=1e-14)
    # Until it dies out: .2 (1 + 1/4 + 1/16 ...) = .2 x 4/3, and half of that.
    np.testing.assert_allclose(spread(circle, 100.0, [0.2, 0.0]), [0.2 * 4 / 3, 0.2 * 2 / 3], rtol=1e-12)


def test_a_debt_may_lose_less_at_first_than_its_debtors_equity() -> None:
    # One step: the creditor loses A/E h exp(a (h - 1)); all of it at h = 1, whatever the convexity.
    chain = [[0.0, 0.0], [30.0, 0.0]]
    assert spread(chain, 100.0, [0.5, 0.0], convexity=2.0)[1] == pytest.approx(0.3 * 0.5 * np.exp(-1.0), rel=1e-14)
    assert spread(chain, 100.0, [1.0, 0.0], convexity=2.0)[1] == pytest.approx(0.3, rel=1e-14)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6))
def test_small_losses_end_at_the_inverse(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    lent = random.uniform(0.0, 1.0, (n, n)) * (random.uniform(0.0, 1.0, (n, n)) < 0.6)
    np.fill_diagonal(lent, 0.0)
    own = random.uniform(1.0, 2.0, n) * n  # every row of A/E below 1
    shock = random.uniform(0.0, 1e-3, n)
    end = np.linalg.solve(np.eye(n) - lent / own[:, None], shock)
    np.testing.assert_allclose(spread(lent, own, shock), end, rtol=1e-9)
    assert np.all(spread(lent, own, shock, "once") <= end * (1.0 + 1e-9))
    assert debtrank(lent, own, np.ones(n)).eigenvalue < 1.0


def test_weights_are_what_each_has_lent_and_losses_are_of_equity() -> None:
    found = debtrank([[0, 10, 0], [0, 0, 30], [0, 0, 0]], [20, 40, 10])
    assert found.table["weight"].to_pylist() == [0.25, 0.75, 0.0]
    # 2 fails: 1 loses 30 of 40, so 0 loses 3/4 of 10, of 20.
    assert found.table["DebtRank"].to_pylist()[2] == pytest.approx(0.75 * 0.75 + 0.25 * 0.375)
    assert found.table["loss"].to_pylist()[2] == pytest.approx(37.5)
    assert found.eigenvalue == 0.0


@pytest.mark.parametrize(("arguments", "says"), [
    ((LENT, [2, 0, 2]), "equity is 0: 1; leave out who has failed already"),
    ((LENT, [2, 1]), "equity has another shape"),
    (([[0, 0], [0, 0]], [1, 1]), "weights: add up to 0"),
    ((LENT, BUFFER, SIZE, "twice"), "method is unknown: 'twice'; choose once or linear"),
    ((LENT, BUFFER, SIZE, "linear", -1.0), "convexity is negative"),
])
def test_what_makes_no_sense_is_said_in_a_line(arguments: tuple[object, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        debtrank(*arguments)  # type: ignore[arg-type]


def test_losses_that_hardly_die_out_are_counted_to_the_end_of_somebody() -> None:
    # Leverage of exactly 1 in a circle: .1 goes round for ever, until equity is gone.
    np.testing.assert_allclose(spread([[0.0, 1.0], [1.0, 0.0]], 1.0, [0.1, 0.0]), [1.0, 1.0])

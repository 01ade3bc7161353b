"""The algebra of auto-deleveraging: the paper's worked cases to 1e-12, its axioms, and what the kernels do."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from delever.analysis.adl import (
    capped_pro_rata,
    contract_pro_rata,
    coverable,
    endowments,
    fund_after,
    leverage_pro_rata,
    measure,
    queue,
    residual,
    share_out,
    shortfalls,
    wealth_pro_rata,
)
from delever.core.adl import fill_pro_rata, fill_queue
from delever.model.errors import InputError

Floats = NDArray[np.float64]
TIGHT = 1e-12

amounts = st.one_of(st.just(0.0), st.integers(1, 9).map(float), st.floats(1e-3, 1e6))
shares = st.one_of(st.sampled_from([0.0, 0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 2.0]), st.floats(1e-6, 2.0))


@st.composite
def winners(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Endowments and a second number each (score, contracts, leverage), zeros and ties included."""
    n = draw(st.integers(1, 12))
    lists = st.lists(amounts, min_size=n, max_size=n)
    return np.array(draw(lists)), np.array(draw(lists))


# --- worked cases --------------------------------------------------------------------------------------------------


def test_the_papers_numerical_example() -> None:
    # arXiv 2512.01112, "Numerical example" of section 2.4, in its profit-only version: endowments 8, 4, .5 of winners who
    # started with 2, 1, .5; D = 15, severity 1/2; queue order (2, 1).
    w, started, budget = np.array([8.0, 4.0, 0.5]), np.array([2.0, 1.0, 0.5]), 0.5 * 15.0
    np.testing.assert_allclose(queue(w, budget, [2.0, 3.0, 1.0]), [0.4375, 1.0, 0.0], rtol=0, atol=TIGHT)
    haircut = wealth_pro_rata(w, budget)
    np.testing.assert_allclose(haircut, 0.6, rtol=0, atol=TIGHT)
    np.testing.assert_allclose(started + (1.0 - haircut) * w, [5.2, 2.6, 0.7], rtol=0, atol=TIGHT)


def test_the_papers_first_version_of_the_example() -> None:
    # The same section in version 1 haircuts equity (10, 5, 1, -3, -12): h = (.25, 1, 0); pro-rata factor 15/32, leaving
    # (170, 85, 17)/32.
    equity = np.array([10.0, 5.0, 1.0, -3.0, -12.0])
    w, owed = endowments(equity)[:3], shortfalls(equity)
    assert owed.sum() == 15.0
    np.testing.assert_allclose(queue(w, 7.5, [2.0, 3.0, 1.0]), [0.25, 1.0, 0.0], rtol=0, atol=TIGHT)
    np.testing.assert_allclose((1.0 - wealth_pro_rata(w, 7.5)) * w, np.array([170, 85, 17]) / 32, rtol=0, atol=TIGHT)


def test_the_example_measured_by_hand() -> None:
    w, owed = np.array([8.0, 4.0, 0.5]), np.array([3.0, 12.0])
    by_queue = measure(w, owed, queue(w, 7.5, [2.0, 3.0, 1.0]), needed=5.0)
    # Kept (4.5, 0, .5): 4.5 / 7.5, 4.5 / (15 - 7.5), 4.5 / (1/2 x 12); |7.5 - 5|; |1 - 5/12.5| x 5.
    np.testing.assert_allclose(astuple(by_queue), [7.5, 0.5, 0.6, 1.0, 0.6, 0.6, 0.75, 2.5, 3.0], rtol=0, atol=TIGHT)
    shared = measure(w, owed, wealth_pro_rata(w, 7.5), needed=7.5)
    # Kept (3.2, 1.6, .2).
    np.testing.assert_allclose(astuple(shared), [7.5, 0.5, 0.6, 0.6, 3.2 / 7.5, 3.2 / 7.5, 3.2 / 6, 0, 0], rtol=0, atol=TIGHT)


def test_ratios_without_a_divisor_are_not_numbers() -> None:
    nothing = measure([4.0], [0.0], [0.0], needed=0.0)
    assert np.isnan([nothing.severity, nothing.ptsr, nothing.residual_ptsr, nothing.pmr]).all()
    assert (nothing.profit_taken, nothing.overshoot, nothing.fairness_regret) == (0.0, 0.0, 0.0)


def test_a_solvent_exchange_may_be_unable_to_cover() -> None:
    profit, equity = np.array([1.0, 2.0, -20.0]), np.array([30.0, 40.0, -5.0])  # winners hold collateral
    w, deficit = endowments(profit), float(shortfalls(equity).sum())
    assert equity.sum() > 0.0
    assert not coverable(w, deficit)
    assert coverable(w, 0.6 * deficit)
    assert measure(w, shortfalls(equity), wealth_pro_rata(w, deficit), deficit).raised == 3.0


@given(st.floats(0.0, 1e9), st.floats(0.0, 1e6), st.floats(0.0, 1e9))
def test_fund_and_residual_pay_the_deficit_together(fund: float, fees: float, deficit: float) -> None:
    paid = fund + fees - fund_after(fund, fees, deficit)
    assert paid + residual(fund, deficit) == pytest.approx(deficit, rel=TIGHT, abs=1e-6)
    assert fund_after(fund, fees, deficit) >= 0.0
    assert residual(fund, deficit) == 0.0 or fund_after(fund, fees, deficit) == pytest.approx(fees, abs=1e-6)


# --- what holds for all policies -----------------------------------------------------------------------------------


@given(winners(), shares)
def test_every_policy_raises_the_budget_or_all_it_may(book: tuple[Floats, Floats], share: float) -> None:
    w, second = book
    budget = share * float(w.sum())
    able = {queue: w, contract_pro_rata: w[second > 0.0], leverage_pro_rata: w[second > 0.0]}
    for policy, room in able.items():
        h = policy(w, budget, second)
        assert np.all((h >= 0.0) & (h <= 1.0))
        assert np.sum(h * w) == pytest.approx(min(budget, room.sum()), rel=TIGHT)
    h = wealth_pro_rata(w, budget)
    np.testing.assert_allclose(h[w > 0.0], min(share, 1.0), rtol=1e-12)


@given(winners(), shares, st.floats(1e-3, 1.0))
def test_capped_pro_rata_keeps_every_cap(book: tuple[Floats, Floats], share: float, least: float) -> None:
    w, second = book
    cap = np.clip(least + second / 10.0, 0.0, 1.0)
    room = float(np.sum(cap * w))
    budget = share * room
    h = capped_pro_rata(w, budget, cap)
    assert np.all(h <= cap * (1.0 + TIGHT))
    assert np.sum(h * w) == pytest.approx(min(budget, room), rel=TIGHT)
    free = (w > 0.0) & (h < cap * (1.0 - 1e-9))
    if free.any():  # one eta for all who are below their cap, and no cap below it is exceeded
        eta = h[free].max()
        np.testing.assert_allclose(h[free], eta, rtol=TIGHT)
        assert np.all(h <= eta * (1.0 + TIGHT))


@given(winners(), shares, st.floats(0.01, 100.0))
def test_pro_rata_is_scale_invariant_and_keeps_the_order_of_winners(book: tuple[Floats, Floats], share: float, k: float) -> None:
    w = book[0]
    budget = share * float(w.sum())
    h = capped_pro_rata(w, budget, 0.7)
    np.testing.assert_allclose(capped_pro_rata(k * w, k * budget, 0.7), h, rtol=1e-9)
    kept = ((1.0 - h) * w)[np.argsort(w, kind="stable")]
    assert np.all(np.diff(kept) >= -1e-9 * w.max())


def test_haircuts_are_in_proportion_to_leverage_up_to_all() -> None:
    w, leverage = np.array([8.0, 4.0, 2.0]), np.array([1.0, 2.0, 10.0])
    # 2 of 2 from the third; lambda (8 + 2 x 4) = 6 - 2 for the others.
    np.testing.assert_allclose(leverage_pro_rata(w, 6.0, leverage), [0.25, 0.5, 1.0], rtol=0, atol=TIGHT)


def test_a_queue_turns_the_order_of_winners_around() -> None:
    w = np.array([8.0, 4.0])
    kept = (1.0 - queue(w, 7.0, [2.0, 1.0])) * w
    assert kept[0] < kept[1]


@given(winners(), shares, st.floats(0.05, 0.95))
def test_splitting_an_account_changes_nothing_pro_rata(book: tuple[Floats, Floats], share: float, part: float) -> None:
    w, contracts = book
    budget = share * float(w.sum())
    split = [np.concatenate([[part * x[0], (1.0 - part) * x[0]], x[1:]]) for x in (w, contracts)]
    whole = contract_pro_rata(w, budget, contracts) * w
    parts = contract_pro_rata(split[0], budget, split[1]) * split[0]
    np.testing.assert_allclose([parts[0] + parts[1], *parts[2:]], whole, rtol=1e-9, atol=1e-9 * max(budget, 1e-3))
    whole = capped_pro_rata(w, budget, 0.6) * w
    parts = capped_pro_rata(split[0], budget, 0.6) * split[0]
    np.testing.assert_allclose([parts[0] + parts[1], *parts[2:]], whole, rtol=1e-9, atol=1e-9 * max(budget, 1e-3))


def test_a_queue_by_size_rewards_splitting() -> None:
    whole = queue([8.0, 5.0], 8.0, [8.0, 5.0])
    parts = queue([4.0, 4.0, 5.0], 8.0, [4.0, 4.0, 5.0])
    assert whole[0] * 8.0 == 8.0
    assert (parts[0] + parts[1]) * 4.0 == 3.0


@given(winners(), shares)
def test_no_policy_has_a_smaller_largest_haircut_than_wealth_pro_rata(book: tuple[Floats, Floats], share: float) -> None:
    w, second = book
    budget = min(share, 1.0) * float(w.sum())
    fairest = measure(w, [1.0], wealth_pro_rata(w, budget), budget)
    assert fairest.fairness_regret == pytest.approx(0.0, abs=1e-12 * max(budget, 1.0))
    assert measure(w, [1.0], queue(w, budget, second), budget).largest_haircut >= fairest.largest_haircut - TIGHT


# --- the kernels ---------------------------------------------------------------------------------------------------


@given(winners(), shares)
def test_kernels_and_algebra_agree(book: tuple[Floats, Floats], share: float) -> None:
    size, key = book
    budget = share * float(size.sum())
    out = np.empty(len(size))
    fill_queue(len(size), key, size, budget, out)
    np.testing.assert_allclose(queue(size, budget, key) * size, out, rtol=1e-12, atol=1e-12 * size.sum())
    fill_pro_rata(len(size), key, size, budget, out)
    np.testing.assert_allclose(share_out(key, size, budget) * size, out, rtol=1e-12, atol=1e-12 * size.sum())


# --- bad input -----------------------------------------------------------------------------------------------------


def test_bad_input_names_the_thing_and_the_value() -> None:
    with pytest.raises(InputError, match=r"endowment must be finite and not negative: -1\.0"):
        wealth_pro_rata([3.0, -1.0], 1.0)
    with pytest.raises(InputError, match="budget must be a finite amount, 0 or more: nan"):
        wealth_pro_rata([3.0], float("nan"))
    with pytest.raises(InputError, match=r"cap is above 1: 83\.0"):
        capped_pro_rata([3.0], 1.0, 83.0)
    with pytest.raises(InputError, match="score has not one value a winner"):
        queue([3.0, 4.0], 1.0, [1.0])
    with pytest.raises(InputError, match="haircut is above 1"):
        measure([3.0], [1.0], [1.5], 1.0)

"""Who is deleveraged: the published ranks, and allocations that are exact on both sides of every edge."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from delever.core import adl
from delever.core.adl import (
    BINANCE,
    CAPPED_PRO_RATA,
    CONTRACT_PRO_RATA,
    HYPERLIQUID,
    HYPERLIQUID_V2,
    RULES,
    WEALTH_PRO_RATA,
    fill_pro_rata,
    fill_queue,
    is_queue,
    score,
)

Floats = NDArray[np.float64]
QUEUES = [HYPERLIQUID, HYPERLIQUID_V2, BINANCE]
TIGHT = 1e-12

EDGES = [0.0, 1e-9, 0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 3.0]  # of the capacity: nothing, just enough, too much


def fill(how: Callable[..., float], keys: Floats, size: Floats, wanted: float) -> tuple[float, Floats]:
    """Units closed in all and of each; two entries behind the n that count must stay untouched."""
    n = len(keys)
    out = np.full(n + 2, -7.0)
    behind = np.full(2, 99.0)
    closed = how(n, np.concatenate([keys, behind]), np.concatenate([size, behind]), wanted, out)
    assert np.all(out[n:] == -7.0)
    return closed, out[:n]


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Keys with ties and zeros, sizes with zeros and of unlike magnitude."""
    n = draw(st.integers(1, 40))
    key = st.one_of(st.integers(0, 3).map(float), st.floats(1e-3, 1e3))
    size = st.one_of(st.just(0.0), st.integers(1, 5).map(float), st.floats(1e-4, 1e6))
    return (np.array(draw(st.lists(key, min_size=n, max_size=n))), np.array(draw(st.lists(size, min_size=n, max_size=n))))


wanted_shares = st.one_of(st.sampled_from(EDGES), st.floats(1e-6, 2.0))
positions = st.tuples(st.sampled_from([-1.0, 1.0]), st.floats(0.01, 100.0), st.floats(1.0, 1e5), st.floats(-5.0, 5.0),
                      st.floats(1.0, 1e5), st.floats(0.1, 1e6))  # side, size, mark, paid, entry, equity


# --- ranks ---------------------------------------------------------------------------------------------------------


def test_hyperliquid_ranks_by_the_index_of_its_documentation() -> None:
    # hyperliquid.gitbook.io, Auto-deleveraging: "The specific sorting index to determine the affected users in profit is
    # (mark_price / entry_price) * (notional_position / account_value)".
    long = score(HYPERLIQUID, 3.0, 120.0, 0.0, 3.0 * 80.0, 90.0)
    assert long == pytest.approx((120 / 80) * (3 * 120 / 90), rel=TIGHT)
    # Read literally a short in profit would rank below one at a loss; the ratio is turned for shorts, so that profit ranks first.
    gained, lost = (score(HYPERLIQUID, -3.0, 120.0, 0.0, -3.0 * entry, 90.0) for entry in (160.0, 100.0))
    assert gained == pytest.approx((160 / 120) * (3 * 120 / 90), rel=TIGHT)
    assert gained > lost


def test_hyperliquid_v2_puts_all_who_lose_last() -> None:
    assert score(HYPERLIQUID_V2, 2.0, 110.0, 0.0, 200.0, 44.0) == pytest.approx((220 / 44) * (20 / 200), rel=TIGHT)
    assert score(HYPERLIQUID_V2, 2.0, 90.0, 0.0, 200.0, 1.0) == 0.0


def test_profit_percentage_times_leverage_gives_the_order_of_a_published_table() -> None:
    # ZUBR, "Auto-Deleverage Ranking Calculation" (help.zubr.io, article 360011816240): rank = PnL% x leverage, ten clients.
    percent = [10.0, 5.0, 20.0, 5.0, 15.0, 3.0, 12.0, 6.0, 11.0, 7.0]
    leverage = [4.0, 0.5, 1.2, 10.0, 2.0, 4.0, 5.0, 0.8, 11.0, 6.0]
    rank = [0.4, 0.025, 0.24, 0.5, 0.3, 0.12, 0.6, 0.048, 1.21, 0.42]
    order = [5, 10, 7, 3, 6, 8, 2, 9, 1, 4]
    mark, size = 50.0, 7.0
    for side in (1.0, -1.0):
        scores = np.array([
            score(BINANCE, side * size, mark, 0.0, side * size * mark / (1.0 + side * p / 100.0), size * mark / x)
            for p, x in zip(percent, leverage, strict=True)])
        np.testing.assert_allclose(scores, rank, rtol=1e-12)
        assert np.argsort(np.argsort(-scores)).tolist() == [place - 1 for place in order]


def test_the_bitmex_example_closes_accounts_two_and_five() -> None:
    # testnet.bitmex.com/app/autoDeleveragingExamples: six longs, a short of 20 is liquidated. "Account 2 will have
    # their entire position of 10 contracts closed, while the remaining 10 contracts ... will be assigned to account 5."
    closed, out = fill(fill_queue, np.array([3.0, 6, 1, 4, 5, 2]), np.array([10.0, 10, 20, 30, 20, 10]), 20.0)
    assert closed == 20.0
    assert out.tolist() == [0, 10, 0, 0, 10, 0]


@given(positions)
def test_binance_is_the_rank_that_bitmex_publishes_for_linear_contracts(position: tuple[float, ...]) -> None:
    # "Effective Leverage = abs(Mark Value) / (Mark Value - Bankrupt Value)"; "PNL Percentage = (Mark Value - Avg Entry Value)
    # / abs(Avg Entry Value)"; product if > 0, quotient if < 0 (support.bitmex.com, "What is Auto-Deleveraging").
    side, size, mark, _, entry, equity = position
    q, m, e, cost = (Fraction(x) for x in (side * size, mark, equity, side * size * entry))
    bankruptcy = m - e / q  # the mark at which nothing is left
    leverage = abs(q * m) / (q * m - q * bankruptcy)
    percent = (q * m - cost) / abs(cost)
    expected = percent * leverage if percent > 0 else percent / leverage
    result = score(BINANCE, side * size, mark, 0.0, side * size * entry, equity)
    rounding = 1e-14 * (mark / entry + 1.0) * float(max(leverage, 1 / leverage))  # profit is a difference
    assert result == pytest.approx(float(expected), rel=TIGHT, abs=rounding)


def test_weights_are_profit_and_size() -> None:
    assert score(WEALTH_PRO_RATA, -2.0, 90.0, 0.5, -200.0, 50.0) == 2.0 * 100.0 - 2.0 * 89.5
    assert score(WEALTH_PRO_RATA, 2.0, 90.0, 0.5, 200.0, 50.0) == 0.0
    for rule in (CONTRACT_PRO_RATA, CAPPED_PRO_RATA):
        assert score(rule, -2.0, 90.0, 0.5, -200.0, 50.0) == 2.0


def test_the_first_three_rules_are_queues() -> None:
    assert [name for rule, name in enumerate(RULES) if is_queue(rule)] == [RULES[rule] for rule in QUEUES]
    assert [getattr(adl, name.upper()) for name in RULES] == list(range(6))


@given(positions, st.sampled_from(QUEUES), st.floats(0.01, 100.0))
def test_ranks_have_no_unit(position: tuple[float, ...], rule: int, k: float) -> None:
    side, size, mark, paid, entry, equity = position
    q, cost = side * size, side * size * entry
    plain = score(rule, q, mark, paid, cost, equity)
    rounding = 1e-13 * (1.0 + (mark + abs(paid)) / entry) * (1.0 + size * mark / equity + equity / (size * mark))
    larger = score(rule, k * q, mark, paid, k * cost, k * equity)  # k such accounts as one
    dearer = score(rule, q, k * mark, k * paid, k * cost, k * equity)  # another currency
    assert larger == pytest.approx(plain, rel=1e-11, abs=rounding)
    assert dearer == pytest.approx(plain, rel=1e-11, abs=rounding)


@pytest.mark.parametrize("rule", range(6))
def test_positions_without_value_cost_or_equity_have_finite_scores(rule: int) -> None:
    for q, mark, cost, equity in [(0.0, 10.0, 0.0, 5.0), (1.0, 10.0, 0.0, 5.0), (-1.0, 0.0, -10.0, 5.0), (1.0, 10.0, 10.0, 0.0)]:
        assert np.isfinite(score(rule, q, mark, 0.0, cost, equity))


# --- queue -----------------------------------------------------------------------------------------------------------


@given(candidates(), wanted_shares)
def test_a_queue_closes_what_is_wanted_or_all_there_is(book: tuple[Floats, Floats], share: float) -> None:
    keys, size = book
    wanted = share * size.sum()
    closed, out = fill(fill_queue, keys, size, wanted)
    assert closed == pytest.approx(min(wanted, size.sum()), rel=TIGHT)
    assert out.sum() == pytest.approx(closed, rel=TIGHT)
    assert closed <= wanted
    assert np.all((out >= 0.0) & (out <= size))


@given(candidates(), wanted_shares)
def test_nobody_in_a_queue_is_closed_before_those_ahead_are_gone(book: tuple[Floats, Floats], share: float) -> None:
    keys, size = book
    out = fill(fill_queue, keys, size, share * size.sum())[1]
    touched = np.flatnonzero(out > 0.0)
    for i in touched:
        ahead = (keys > keys[i]) | ((keys == keys[i]) & (np.arange(len(keys)) < i))
        assert np.all(out[ahead] == size[ahead])
    assert np.count_nonzero(out[touched] < size[touched]) <= 1


# --- pro rata ----------------------------------------------------------------------------------------------------------


@given(candidates(), wanted_shares)
def test_pro_rata_closes_what_is_wanted_or_all_there_is(book: tuple[Floats, Floats], share: float) -> None:
    weight, size = book
    able = size[weight > 0.0].sum()
    wanted = share * able
    closed, out = fill(fill_pro_rata, weight, size, wanted)
    assert closed == pytest.approx(min(wanted, able), rel=TIGHT)
    assert out.sum() == pytest.approx(closed, rel=TIGHT)
    assert closed <= wanted
    assert np.all((out >= 0.0) & (out <= size))
    assert np.all(out[weight == 0.0] == 0.0)


@given(candidates(), wanted_shares)
def test_one_lambda_serves_all_who_are_not_used_up(book: tuple[Floats, Floats], share: float) -> None:
    weight, size = book
    out = fill(fill_pro_rata, weight, size, share * size[weight > 0.0].sum())[1]
    free = (weight > 0.0) & (out < size)
    used = (weight > 0.0) & (out == size) & (size > 0.0)
    levels = out[free] / weight[free]
    if levels.size:
        assert np.ptp(levels) <= TIGHT * levels.max()
        assert np.all(size[used] / weight[used] <= levels.max() * (1.0 + TIGHT))


@given(candidates(), wanted_shares, st.floats(0.01, 100.0), st.floats(0.01, 100.0))
def test_pro_rata_depends_on_no_unit(book: tuple[Floats, Floats], share: float, k: float, unit: float) -> None:
    weight, size = book
    wanted = share * size[weight > 0.0].sum()
    plain, scaled = fill(fill_pro_rata, weight, size, wanted)[1], fill(fill_pro_rata, unit * weight, k * size, k * wanted)[1]
    np.testing.assert_allclose(scaled, k * plain, rtol=1e-9, atol=1e-12 * k * size.sum())


@pytest.mark.parametrize("how", [fill_queue, fill_pro_rata])
@given(book=candidates(), share=wanted_shares, more=st.floats(1.0, 2.0))
def test_who_wants_more_takes_no_less_from_anybody(how: Any, book: tuple[Floats, Floats], share: float, more: float) -> None:
    keys, size = book
    wanted = share * size.sum()
    less, greater = fill(how, keys, size, wanted)[1], fill(how, keys, size, more * wanted)[1]
    assert np.all(greater >= less - TIGHT * size.sum())


@given(candidates(), wanted_shares, st.floats(0.05, 1.0))
def test_a_cap_is_kept_and_binds_nobody_else(book: tuple[Floats, Floats], share: float, cap: float) -> None:
    size = book[1]
    wanted = share * size.sum()
    closed, out = fill(fill_pro_rata, size, cap * size, wanted)  # capped pro rata: weight |q|, size cap x |q|
    assert np.all(out <= cap * size)
    assert closed == pytest.approx(min(wanted, cap * size.sum()), rel=TIGHT)
    np.testing.assert_allclose(out, min(share, cap) * size, rtol=TIGHT)


# --- splitting an account ----------------------------------------------------------------------------------------------


def deleverage(rule: int, book: list[tuple[float, float, float]], mark: float, wanted: float) -> Floats:
    """Units closed of longs (q, cost, equity) in turn."""
    keys = np.array([score(rule, q, mark, 0.0, cost, equity) for q, cost, equity in book])
    size = np.array([q for q, _, _ in book])
    return fill(fill_queue if is_queue(rule) else fill_pro_rata, keys, size, wanted)[1]


@pytest.mark.parametrize("rule", [WEALTH_PRO_RATA, CONTRACT_PRO_RATA, CAPPED_PRO_RATA])
@given(split=st.floats(0.05, 0.95), margin=st.floats(0.05, 0.95), share=st.floats(0.0, 1.2))
def test_splitting_an_account_changes_nothing_pro_rata(rule: int, split: float, margin: float, share: float) -> None:
    others = [(3.0, 240.0, 50.0), (5.0, 450.0, 400.0)]
    q, cost, equity = 4.0, 330.0, 100.0
    halves = [(split * q, split * cost, margin * equity), ((1 - split) * q, (1 - split) * cost, (1 - margin) * equity)]
    whole = deleverage(rule, [(q, cost, equity), *others], 100.0, share * 12.0)
    parts = deleverage(rule, [*halves, *others], 100.0, share * 12.0)
    assert parts[0] + parts[1] == pytest.approx(whole[0], rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(parts[2:], whole[1:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", QUEUES)
def test_moving_margin_between_two_halves_escapes_a_queue(rule: int) -> None:
    rival = (4.0, 330.0, 100.0)
    whole = deleverage(rule, [(4.0, 330.0, 90.0), rival], 100.0, 4.0)
    parts = deleverage(rule, [(2.0, 165.0, 10.0), (2.0, 165.0, 80.0), rival], 100.0, 4.0)
    assert whole.tolist() == [4.0, 0.0]  # more leverage than the rival
    assert parts.tolist() == [2.0, 0.0, 2.0]  # the half that holds the margin stands behind him


# --- compiled and interpreted -----------------------------------------------------------------------------------------


def plain(function: Any) -> Any:
    """The function as Python runs it."""
    return getattr(function, "py_func", function)


@given(candidates(), wanted_shares)
def test_allocations_have_the_same_bits_compiled_and_interpreted(book: tuple[Floats, Floats], share: float) -> None:
    keys, size = book
    wanted = share * size.sum()
    for how in (fill_queue, fill_pro_rata):
        fast, slow = fill(how, keys, size, wanted), fill(plain(how), keys, size, wanted)
        assert float(fast[0]).hex() == float(slow[0]).hex()
        assert fast[1].tobytes() == slow[1].tobytes()


@given(positions, st.integers(0, 5))
def test_scores_have_the_same_bits_compiled_and_interpreted(position: tuple[float, ...], rule: int) -> None:
    side, size, mark, paid, entry, equity = position
    values = (rule, side * size, mark, paid, side * size * entry, equity)
    assert float(score(*values)).hex() == float(plain(score)(*values)).hex()

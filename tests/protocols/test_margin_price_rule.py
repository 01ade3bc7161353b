"""Liquidation and bankruptcy prices solve the account rule: equity = maintenance margin, or nothing left."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.analysis.margin_prices import (
    MarginTiers,
    bankruptcy_price,
    liquidation_price_binance,
    liquidation_price_hyperliquid,
    maintenance,
    margin_tiers,
)
from delever.model.errors import InputError

BTC = margin_tiers([0, 150e6], [0.0125, 0.025])


@st.composite
def some_tiers(draw: st.DrawFn) -> MarginTiers:
    steps = draw(st.lists(st.tuples(st.floats(1e3, 1e6), st.floats(0.0, 0.08)), max_size=6))
    floors = np.cumsum([0.0, *(width for width, _ in steps)])
    rates = np.cumsum([draw(st.floats(0.002, 0.4)), *(rise for _, rise in steps)])
    return margin_tiers(floors.tolist(), rates.tolist())


def gap(price: float, mark: float, size: float, equity: float, tiers: MarginTiers, other: float) -> float:
    """E - M with this perp at the price."""
    return float(equity + size * (price - mark) - other - maintenance(abs(size) * price, tiers))


def bisected(mark: float, size: float, equity: float, tiers: MarginTiers, other: float) -> float:
    """Where E - M changes sign, found without any of the formulas; nan if nowhere above 0."""
    low, high = mark * 1e-9, mark * 1e6
    low_sign, high_sign = (math.copysign(1.0, gap(p, mark, size, equity, tiers, other)) for p in (low, high))
    if low_sign == high_sign:
        return math.nan
    for _ in range(200):
        middle = math.sqrt(low * high)
        if math.copysign(1.0, gap(middle, mark, size, equity, tiers, other)) == low_sign:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


@given(
    tiers=some_tiers(),
    mark=st.floats(0.01, 1e5),
    notional=st.floats(10.0, 5e6),
    side=st.sampled_from([1.0, -1.0]),
    share=st.floats(-0.2, 1.5),
    other=st.floats(0.0, 0.1),
    move=st.floats(0.7, 1.4),
)
def test_both_formulas_solve_the_account_rule(
    tiers: MarginTiers, mark: float, notional: float, side: float, share: float, other: float, move: float
) -> None:
    """Formula: E = M solved for the mark, also where the answer lies in another tier than the position does now."""
    size, equity, rest = side * notional / mark, share * notional, other * notional
    expected = bisected(mark, size, equity, tiers, rest)
    entry = mark / move
    wallet = equity - size * (mark - entry)
    hyperliquid = liquidation_price_hyperliquid(mark, size, equity, tiers, rest)
    binance = liquidation_price_binance(wallet, size, entry, tiers, rest)
    if math.isnan(expected):
        assert math.isnan(hyperliquid) or hyperliquid < 1e-7 * mark
        return
    assert hyperliquid == pytest.approx(expected, rel=1e-9, abs=1e-9 * mark)
    assert binance == pytest.approx(expected, rel=1e-9, abs=1e-9 * mark)
    if expected > 1e-3 * mark:
        assert gap(hyperliquid * (1 + 1e-6 * side), mark, size, equity, tiers, rest) > 0.0
        assert gap(hyperliquid * (1 - 1e-6 * side), mark, size, equity, tiers, rest) < 0.0


@given(
    marks=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=5),
    sizes=st.lists(st.floats(-10.0, 10.0).filter(lambda q: abs(q) > 0.1), min_size=5, max_size=5),
    share=st.floats(-0.5, 0.3),
)
def test_closing_all_at_bankruptcy_prices_leaves_nothing(marks: list[float], sizes: list[float], share: float) -> None:
    """Formula: sum of q (x - m) = -E over the positions of a cross account."""
    m, q = np.array(marks), np.array(sizes[: len(marks)])
    notional = np.abs(q) @ m
    x = np.asarray(bankruptcy_price(m, q, np.full(len(m), share * notional), np.full(len(m), notional)))
    assert q @ (x - m) + share * notional == pytest.approx(0.0, abs=1e-12 * notional)


def test_arrays_give_what_numbers_give() -> None:
    mark, size, equity = np.array([100e3, 100e3, 90e3]), np.array([2_000.0, -1_400.0, 1.0]), np.array([60e6, 20e6, 9e3])
    together = liquidation_price_hyperliquid(mark, size, equity, BTC)
    alone = [liquidation_price_hyperliquid(*row, BTC) for row in zip(mark, size, equity, strict=True)]
    assert np.array_equal(together, np.array(alone))
    assert isinstance(alone[0], float)


def test_no_position_needs_no_margin() -> None:
    assert maintenance(0.0, BTC) == 0.0


def test_a_long_that_owes_nothing_has_no_liquidation_price() -> None:
    """Binance: "If the liquidation price is less than 0, the UI display would be '--'"."""
    assert math.isnan(liquidation_price_binance(200.0, 1.0, 100.0, margin_tiers([0.0], [0.01])))


@pytest.mark.parametrize(
    ("floors", "rates", "message"),
    [
        ([0, 100, 50], [0.01, 0.02, 0.03], "tiers out of order"),
        ([0, 100], [0.02, 0.01], "tiers out of order"),
        ([10], [0.02], "first floor 0"),
        ([0, 100], [0.02], "one rate a floor"),
        ([0], [1.25], "not a share below 1"),
    ],
)
def test_wrong_tiers_are_refused(floors: list[float], rates: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        margin_tiers(floors, rates)


def test_a_closed_position_has_no_price() -> None:
    with pytest.raises(InputError, match="size of a position is 0"):
        bankruptcy_price(100.0, 0.0, 10.0)

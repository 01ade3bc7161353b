"""What an option is worth: against the error function of the library, parity, and limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.core.options import LEAST, Options, value_at

YEAR = 365.0 * 86400.0


def worth(put: float, spot: float, strike: float, volatility: float, left: float) -> float:
    """Through the kernel: coins a contract. left: time to expiry [years]."""
    one = Options(np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([put]), np.array([math.log(strike)]),
                  np.array([volatility]), np.array([left * YEAR]), np.zeros((1, 1)))
    out = np.zeros(1)
    value_at(one, 0.0, np.array([math.log(spot)]), out)
    return float(out[0])


def black(put: float, spot: float, strike: float, volatility: float, left: float) -> float:
    """Black (1976) in dollars, over the price of the coin; N of the library."""
    s = volatility * math.sqrt(left)
    first = math.log(spot / strike) / s + s / 2.0

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2.0))

    if put:
        return (strike * normal(s - first) - spot * normal(-first)) / spot
    return (spot * normal(first) - strike * normal(first - s)) / spot


@given(put=st.sampled_from([0.0, 1.0]), moneyness=st.floats(0.2, 5.0), volatility=st.floats(0.1, 3.0), left=st.floats(0.001, 2.0))
def test_an_option_is_worth_what_black_says(put: float, moneyness: float, volatility: float, left: float) -> None:
    expected = max(black(put, 50_000.0, 50_000.0 * moneyness, volatility, left), LEAST)
    found = worth(put, 50_000.0, 50_000.0 * moneyness, volatility, left)
    assert found == pytest.approx(expected, rel=1e-9, abs=2e-14 * (1.0 + moneyness))


@given(moneyness=st.floats(0.5, 2.0), volatility=st.floats(0.2, 2.0), left=st.floats(0.01, 1.0))
def test_a_call_less_a_put_is_a_coin_less_the_strike(moneyness: float, volatility: float, left: float) -> None:
    call, put = (worth(side, 1.0, moneyness, volatility, left) for side in (0.0, 1.0))
    if min(call, put) > LEAST:
        assert call - put == pytest.approx(1.0 - moneyness, abs=1e-14)


def test_a_call_is_never_worth_more_than_its_coin_and_a_put_may_be() -> None:
    assert worth(0.0, 1e6, 1.0, 1.0, 1.0) <= 1.0
    assert worth(1.0, 10_000.0, 50_000.0, 0.5, 0.1) == pytest.approx(4.0, rel=1e-6)


def test_what_is_worth_next_to_nothing_still_has_a_price() -> None:
    assert worth(0.0, 1.0, 100.0, 0.2, 0.01) == LEAST

"""Inverse contracts: exchanges' own worked examples, and liquidation prices found by hand, in formulas and in the engine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.analysis.margin_prices import (
    bankruptcy_price_inverse,
    liquidation_price_bybit_inverse,
    liquidation_price_inverse,
    maintenance,
    margin_tiers,
)

# Binance, "Leverage and Margin in Coin-Margined Futures Contracts", BTCUSD; floors in BTC.
FLOORS, RATES = [0, 5, 10, 20, 50, 100, 200], [0.004, 0.005, 0.01, 0.025, 0.05, 0.1, 0.125]
BTCUSD = margin_tiers(FLOORS, RATES)


def test_binances_maintenance_amount_of_300_btc_is_its_own() -> None:
    """"if the BTCUSD contract position is 300 BTC, the Maintenance Amount would be 11.605 BTC" (12.5 %)."""
    assert BTCUSD.amount[6] == pytest.approx(11.605, rel=1e-12)
    assert maintenance(300.0, BTCUSD) == pytest.approx(300.0 * 0.125 - 11.605, rel=1e-12)


def test_binances_maintenance_margin_of_100_contracts_is_its_own() -> None:
    """"100 * 100 / 25,000 = 0.4 BTC [...] 0.4% - 0 = 0.0016 BTC"."""
    assert maintenance(100 * 100 / 25_000, BTCUSD) == pytest.approx(0.0016, rel=1e-12)


def test_the_liquidation_price_that_binance_showed() -> None:
    """101 BTC, long 100,000 contracts of 100 USD from 45,000: it showed 33,599.40 (dev.binance.vision, 6292).

    By hand: 10m x 1.125 / (101 + 10m / 45,000 + 11.605) = 11.25m / 334.8272.
    """
    price = liquidation_price_inverse(101.0, 10e6, 45_000.0, BTCUSD)
    assert price == pytest.approx(11.25e6 / (112.605 + 10e6 / 45_000), rel=1e-14)
    assert price == pytest.approx(33_599.40, abs=0.05)


def test_bybits_example_of_ten_times_leverage() -> None:
    """60,000 USD at 50,000, 10x, 0.5 %: position value 1.2, initial 0.12, maintenance 0.006 BTC."""
    tiers = margin_tiers([0.0], [0.005])
    assert liquidation_price_bybit_inverse(50_000.0, -60_000.0, 0.12, tiers) == pytest.approx(60_000 / (1.2 - 0.114), rel=1e-14)
    assert liquidation_price_bybit_inverse(50_000.0, 60_000.0, 0.12, tiers) == pytest.approx(60_000 / (1.2 + 0.114), rel=1e-14)


def test_a_long_at_leverage_one_goes_bankrupt_at_half_its_entry() -> None:
    """It loses its coin when dollars are worth twice as much of it: 1/x = 2/e."""
    assert bankruptcy_price_inverse(50_000.0, 50_000.0, 1.0) == pytest.approx(25_000.0, rel=1e-15)


def test_a_short_that_its_coin_covers_has_no_liquidation_price() -> None:
    """One coin and a short of what it is worth is a constant number of dollars: no price ends it."""
    assert math.isnan(liquidation_price_inverse(1.0, -50_000.0, 50_000.0, margin_tiers([0.0], [0.0])))
    assert math.isnan(bankruptcy_price_inverse(50_000.0, -50_000.0, 1.0))


@given(entry=st.floats(1e2, 1e6), side=st.sampled_from([1.0, -1.0]), coins=st.floats(0.1, 400.0), share=st.floats(0.02, 1.5))
def test_at_the_liquidation_price_the_balance_is_the_maintenance_margin(entry: float, side: float, coins: float, share: float
                                                                        ) -> None:
    """Formula: W + Q (1/e - 1/m) = MM(|Q| / m), all in the coin, whatever the tier there."""
    size, wallet = side * coins * entry, share * coins
    price = liquidation_price_inverse(wallet, size, entry, BTCUSD)
    if math.isnan(price):
        assert side < 0.0 and wallet >= coins * 0.999
        return
    balance = wallet + size * (1.0 / entry - 1.0 / price)
    assert balance == pytest.approx(maintenance(abs(size) / price, BTCUSD), rel=1e-9, abs=1e-9 * coins)
    for move, healthy in ((1.0 + 1e-6 * side, True), (1.0 - 1e-6 * side, False)):
        at = price * move
        spare = wallet + size * (1.0 / entry - 1.0 / at) - maintenance(abs(size) / at, BTCUSD)
        assert (spare > 0.0) == healthy


def test_arrays_give_what_numbers_give() -> None:
    wallet, size, entry = np.array([101.0, 1.0]), np.array([10e6, -100e3]), np.array([45_000.0, 40_000.0])
    together = liquidation_price_inverse(wallet, size, entry, BTCUSD)
    assert np.array_equal(together, [liquidation_price_inverse(*row, BTCUSD) for row in zip(wallet, size, entry, strict=True)])

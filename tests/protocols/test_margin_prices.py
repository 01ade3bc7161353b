"""Liquidation, bankruptcy and fillable prices: the worked examples of the exchanges' own documentation."""

from __future__ import annotations

import numpy as np
import pytest

from delever.analysis.margin_prices import (
    MarginTiers,
    bankruptcy_price,
    bankruptcy_price_isolated,
    fillable_price,
    liquidation_price_binance,
    liquidation_price_bybit,
    liquidation_price_hyperliquid,
    maintenance,
    margin_tiers,
)
from delever.core.adl import BINANCE, fill_queue, score

# Binance's brackets of 2020-21, as the FAQ's examples use them: floors and rates as
# gist.github.com/crackcomm/e29582030d9eeac6c6124a7503cd0ac2 keeps them; BTC's 2.5 % as the FAQ's own example has it.
BTC_2021 = margin_tiers([0, 50e3, 250e3, 1e6, 5e6], [0.004, 0.005, 0.01, 0.025, 0.05])
ETH_2021 = margin_tiers([0, 10e3, 100e3, 500e3, 1e6, 2e6, 5e6], [0.005, 0.0065, 0.01, 0.02, 0.05, 0.10, 0.125])
BTC_HYPERLIQUID = margin_tiers([0, 150e6], [0.0125, 0.025])


def flat(rate: float) -> MarginTiers:
    return margin_tiers([0.0], [rate])


# --- Binance ---------------------------------------------------------------------------------------------------


def test_binances_maintenance_amounts() -> None:
    """ "For example, the Maintenance Amount on Level 5 = 5,000,000 USDT * (5% -2.5%) +16,300 USDT = 141,300 USDT"
    (FAQ of 2020, binance.zendesk.com/hc/en-us/articles/360033525271-Liquidation); "= 250,000 * (1% - 0.5%) + 50 USDT =
    1,300 USDT" (www.binance.com/au/support/faq/b3c689c1f50a44cabb3a84e663b81d93). 135,365: the next test's.
    """
    assert BTC_2021.amount == pytest.approx([0.0, 50.0, 1_300.0, 16_300.0, 141_300.0], rel=1e-12)
    assert ETH_2021.amount[5] == pytest.approx(135_365.0, rel=1e-12)


def test_binances_maintenance_of_an_account() -> None:
    """ "Maintenance Margin of ETHUSDT = 356,512.508 (4918775.081 * 10.00% - 135365)", "Maintenance Margin of BTCUSDT =
    71200.81144 (3500032.458 * 2.50% - 16300)"

    The FAQ's example as midiamania.com/summer-of-lkfkp/binance-futures-liquidation-formula copies it.
    """
    assert maintenance(4_918_775.081, ETH_2021) == pytest.approx(356_512.508, abs=1e-3)
    assert maintenance(3_500_032.458, BTC_2021) == pytest.approx(71_200.81144, abs=1e-3)


def test_binances_short_in_a_cross_account() -> None:
    """ "=[10.72 - 1.3 + 0.47 + 0 -(-1*0.005*9,451.53)]/[(0.005*0.004) - (-1*0.005)] = 11,383.99 USDT"

    FAQ of 2020, binance.zendesk.com/hc/en-us/articles/360033525271-Liquidation.
    """
    price = liquidation_price_binance(10.72, -0.005, 9_451.53, BTC_2021, other_maintenance=1.3, other_profit=0.47)
    assert price == pytest.approx(11_383.99, abs=0.005)


def test_binances_long_in_a_cross_account() -> None:
    """ "=[10.72 - 0.19 - 0.06 + 0 -(1*1*199.53)]/[(1*0.0065) - (1*1)] = 190.29 USDT (difference due to rounding off)"

    Same page. 190.297: the page cuts the third digit off.
    """
    price = liquidation_price_binance(10.72, 1.0, 199.53, flat(0.0065), other_maintenance=0.19, other_profit=-0.06)
    assert price == pytest.approx(190.29, abs=0.01)


@pytest.mark.parametrize(
    ("size", "entry", "tiers", "other_maintenance", "other_profit", "printed"),
    [
        (109.488, 32_481.98, BTC_2021, 356_512.508, -448_192.89, 26_316.89),
        (3_683.979, 1_456.84, ETH_2021, 71_200.81144, -56_354.57, 1_153.26),
    ],
)
def test_binances_large_account(
    size: float, entry: float, tiers: MarginTiers, other_maintenance: float, other_profit: float, printed: float
) -> None:
    """Wallet 1,535,443.01, 3,683.979 ETH from 1,456.84 at 1,335.18, 109.488 BTC from 32,481.98 at 31,967.27: 1,153.26, 26,316.89.

    The FAQ's second example, as freqtrade's tests (tests/exchange/test_binance.py, "From calc example") carry it. The profit of
    ETH is taken at those marks (3,683.979 x (1,335.18 - 1,456.84) = -448,192.89), which gives the price that is stated; the copy
    of the page that was read prints -447,482.10, which would give 26,310.23.
    """
    price = liquidation_price_binance(1_535_443.01, size, entry, tiers, other_maintenance, other_profit)
    assert price == pytest.approx(printed, abs=0.005)


@pytest.mark.parametrize(
    ("size", "entry", "tiers", "printed"),
    [(3_683.979, 1_456.84, ETH_2021, 1_114.78), (109.488, 32_481.98, BTC_2021, 18_778.73)],
)
def test_binances_isolated_positions(size: float, entry: float, tiers: MarginTiers, printed: float) -> None:
    """No worked example of an isolated position found: freqtrade's numbers for the same positions ("TMM=0, UPNL=0")."""
    assert liquidation_price_binance(1_535_443.01, size, entry, tiers) == pytest.approx(printed, abs=0.005)


# --- Bybit -----------------------------------------------------------------------------------------------------


def test_bybits_long() -> None:
    """ "1 BTC at 20,000 USDT with 50x leverage [...] MMR is 0.5% [...] LP = 20,000 USDT - (400 - 100) = 19,700 USDT"

    https://testnet.bybit.com/en-US/help-center/s/article/Liquidation-Price-USDT-Contract
    """
    assert liquidation_price_bybit(20_000.0, 1.0, 400.0, flat(0.005)) == pytest.approx(19_700.0, rel=1e-12)


@pytest.mark.parametrize("size", [1.0, -1.0])
def test_bybit_counts_maintenance_at_entry_and_so_lies_above_the_account_rule(size: float) -> None:
    """Formula; the account rule, with maintenance at the mark, has the long of the example at 19,698.49."""
    printed = liquidation_price_bybit(20_000.0, size, 400.0, flat(0.005))
    rule = liquidation_price_binance(400.0, size, 20_000.0, flat(0.005))
    assert printed - rule == pytest.approx(0.005 * abs(20_000.0 - rule), rel=1e-9)


def test_bybits_bankruptcy_price() -> None:
    """ "traders hold a 1BTC Long position with an entry price at 10,000USDT, leverage is 50x. Bankruptcy Price= 10,000 × (1 -
    2%) = 9,800 USDT"

    https://www.bybitx.global/fil-PH/help-center/search-result?page=46&pageSize=10&query=trade
    """
    assert bankruptcy_price_isolated(10_000.0, 1.0, 50.0) == pytest.approx(9_800.0, rel=1e-12)


def test_bybits_bankruptcy_price_in_a_cross_account() -> None:
    """ "Bankruptcy Price [(500×100)-1,000-100]/100 = $489": long 100 from 500, mark 400, margin 1,000, wallet 100.

    A retelling of Bybit's article on ADL: wuyelx.com/6291.html. The equity at the mark is 1,000 + 100 - 100 x 100.
    """
    assert bankruptcy_price(400.0, 100.0, 1_100.0 - 10_000.0) == pytest.approx(489.0, rel=1e-12)


# --- dYdX v4 ---------------------------------------------------------------------------------------------------


def test_dydxs_isolated_short() -> None:
    """ "p' = (1000 + 9000) / (0.15 + 3) = 10000 / 3.15 ≈ 3174.60 [...] remaining equity [...] 3 * 3174.6 * 0.05 ≈ 476.2"

    github.com/dydxprotocol/v4-documentation @df2cc99, docs/pages/concepts/trading/liquidations.mdx
    """
    price = liquidation_price_hyperliquid(3_000.0, -3.0, 1_000.0, flat(0.05))
    assert price == pytest.approx(3_174.60, abs=0.005)
    assert maintenance(3.0 * price, flat(0.05)) == pytest.approx(476.2, abs=0.05)
    assert 1_000.0 - 3.0 * (price - 3_000.0) == pytest.approx(476.2, abs=0.05)


def test_dydxs_short_in_a_cross_account() -> None:
    """ "p' = (1000 + 4500 - 175) / 1.575 ≈ 3380.95" (1.5 ETH short at 3,000; 1,000 STRK at 1.75 need 10 %). Same page."""
    price = liquidation_price_hyperliquid(3_000.0, -1.5, 1_000.0, flat(0.05), other_maintenance=1_000 * 1.75 * 0.10)
    assert price == pytest.approx(3_380.95, abs=0.005)


def test_dydxs_bankruptcy_price() -> None:
    """ "B deposits $100 and goes short 500 ABC contracts at $1. The price jumps from $1 to $2 [...] $-400 [...] B's bankruptcy
    price is $1.2"

    https://dydx-documentation-six.vercel.app/concepts/trading/contract-loss-mechanism
    """
    assert bankruptcy_price(2.0, -500.0, -400.0) == pytest.approx(1.2, rel=1e-12)
    assert bankruptcy_price_isolated(1.0, -500.0, leverage=5.0) == pytest.approx(1.2, rel=1e-12)


def test_dydxs_fillable_price_reaches_the_price_of_the_example() -> None:
    """ "A deposits $100 and goes long 500 ABC contracts at $1 with a maintenance margin fraction (MMF) of 3% [...] ABC's price
    drops to $0.801 [...] A's equity is now $0.50 [...] The protocol liquidates A's position at $0.77". Same page.

    The page prints no fillable price; by its formula, P x (1 - SMMR x MMF x BA x (1 - Q)), it is 0.7664: 0.77 may be filled.
    """
    margin = maintenance(500 * 0.801, flat(0.03))
    limit = fillable_price(0.801, 500.0, 0.50, margin, margin)
    assert limit == pytest.approx(0.801 * (1.0 - 1.5 * 0.03 * (1.0 - 0.50 / margin)), rel=1e-12)
    assert 0.76 < limit < 0.77


def test_dydxs_largest_spread() -> None:
    """ "The maximum liquidation spread is determined by 1.5 (default genesis parameters) x a given market's Maintenance Margin
    Requirement. So in this example, 1.5 x 5% = 7.5%"

    https://help.dydx.trade/en/articles/166973-contract-loss-mechanisms-on-dydx-chain
    """
    margin = maintenance(3 * 3_000.0, flat(0.05))
    assert fillable_price(3_000.0, 3.0, 0.0, margin, margin) == pytest.approx(3_000.0 * (1 - 0.075), rel=1e-12)
    assert fillable_price(3_000.0, -3.0, -5.0, margin, margin) == pytest.approx(3_000.0 * (1 + 0.075), rel=1e-12)


# --- Hyperliquid -----------------------------------------------------------------------------------------------


def test_hyperliquids_maintenance_by_leverage() -> None:
    """ "Example: $10,000 position on 20x max leverage asset [...] Maintenance margin = $250"

    The community's wiki: hyperliquid-co.gitbook.io/wiki/architecture/hypercore/dex/clearinghouse/margin-management.
    """
    assert maintenance(10_000.0, flat(0.5 / 20)) == pytest.approx(250.0, rel=1e-12)


def test_hyperliquids_maintenance_is_continuous_between_tiers() -> None:
    """ "having the total maintenance margin be a continuous function of position size"; formula, no worked example found.

    https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers
    """
    below, above = maintenance(np.array([150e6 * (1 - 1e-12), 150e6]), BTC_HYPERLIQUID)
    assert below == pytest.approx(above, rel=1e-9)
    assert maintenance(200e6, BTC_HYPERLIQUID) == pytest.approx(150e6 * 0.0125 + 50e6 * 0.025, rel=1e-12)


@pytest.mark.parametrize(
    ("size", "equity", "tier_now", "tier_then"),
    [(2_000.0, 60e6, 1, 0), (-1_400.0, 20e6, 0, 1)],
)
def test_the_tier_is_that_of_the_position_at_the_liquidation_price(
    size: float, equity: float, tier_now: int, tier_then: int
) -> None:
    """ "maintenance leverage depends on the unique margin tier corresponding to the position value at the liquidation price";
    formula, no worked example found. A long that shrinks out of its tier, a short that grows into the next one.

    https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations
    """
    mark = 100e3
    price = liquidation_price_hyperliquid(mark, size, equity, BTC_HYPERLIQUID)
    tiers = [int(abs(size) * p >= BTC_HYPERLIQUID.floor[1]) for p in (mark, price)]
    assert tiers == [tier_now, tier_then]
    assert equity + size * (price - mark) == pytest.approx(maintenance(abs(size) * price, BTC_HYPERLIQUID), rel=1e-9)


# --- BitMEX: rank and size of auto-deleveraging ----------------------------------------------------------------


def test_bitmexs_queue_closes_the_size_matched_and_no_more() -> None:
    """ "a short position that has been liquidated with size 20 [...] Account 2 will have their entire position of 10 contracts
    closed, while the remaining 10 contracts from the short liquidation will be assigned to account 5. Account 5 will thus
    have 10 contracts remaining (from 20)."

    https://www.bitmex.com/app/autoDeleveragingExamples
    """
    quantity = np.array([10.0, 10.0, 20.0, 30.0, 20.0, 10.0])
    ranking = np.array([3.0, 6.0, 1.0, 4.0, 5.0, 2.0])
    closed = np.empty(6)
    assert fill_queue(6, ranking, quantity, 20.0, closed) == 20.0
    assert closed.tolist() == [0.0, 10.0, 0.0, 0.0, 10.0, 0.0]


@pytest.mark.parametrize(("size", "mark"), [(2.0, 110.0), (2.0, 95.0), (-2.0, 90.0), (-2.0, 104.0)])
def test_bitmexs_rank_is_that_of_the_queue(size: float, mark: float) -> None:
    """ "Ranking = PNL Percentage * Effective Leverage (if PNL percentage > 0) = PNL Percentage / Effective Leverage [...]
    where Effective Leverage = abs(Mark Value) / (Mark Value - Bankrupt Value)"; formula, no worked example found.

    https://support.bitmex.com/hc/en-gb/articles/18589621443357-What-is-Auto-Deleveraging
    """
    entry, margin = 100.0, 40.0
    equity = margin + size * (mark - entry)
    bankrupt = bankruptcy_price(mark, size, equity)
    leverage = abs(size * mark) / (size * mark - size * bankrupt)
    gain = size * (mark - entry) / abs(size * entry)
    expected = gain * leverage if gain > 0 else gain / leverage
    assert score(BINANCE, size, mark, 0.0, size * entry, equity) == pytest.approx(expected, rel=1e-12)

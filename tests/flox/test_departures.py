"""Where flox does otherwise than exchanges say they do: what it does, what delever's rules do, the sentence between them.

Entry prices are 100, the one mark is 90 unless said otherwise, closing costs nothing, so that every number can be worked out
by hand. Sentences are quoted from the exchanges' own pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delever.core.state import State
from delever.core.tables import DEFICIT
from flox.books import Book
from flox.replica import Rules
from flox.rival import Day, flox_day
from flox.worlds import cash_of, exchange_world, run, units_of

BITMEX = [{"kind": "adl", "rule": "binance"}]  # profit % x leverage: the rank that BitMEX publishes; at the bankruptcy price


def book_of(*rows: tuple[float, float, float]) -> Book:
    """Transactions of quantity, entry price and equity."""
    return Book(*np.array(rows).T)


def both(book: Book, mark: float, folder: Path, engine: Any = "binance", waterfall: Any = (), fund: float = 0.0,
         rules: Rules | None = None, start: float = 100.0) -> tuple[Day, State]:
    """flox and delever's own rules after one mark."""
    rules = rules or Rules(slippage=0.0)
    layers = [{"kind": "insurance_fund", "start": {"USD": fund}}, *waterfall]
    tiers = ((0.0, rules.maintenance), *rules.tiers)
    _, state = run(exchange_world(book, np.array([mark]), folder, engine, layers, start, tiers))
    return flox_day(book, np.array([mark]), fund, rules), state


FALLEN = (10.0, 100.0, 5.0)  # at 90 it lacks 95 USD; bankrupt at 99.5


def test_a_winner_is_closed_by_the_size_of_the_bankrupt(tmp_path: Path) -> None:
    """BitMEX, https://www.bitmex.com/app/autoDeleveragingExamples: "Account 2 will have their entire position of 10
    contracts closed, while the remaining 10 contracts from the short liquidation will be assigned to account 5. Account 5
    will thus have 10 contracts remaining (from 20)."
    """
    book = book_of(FALLEN, (-20.0, 100.0, 100.0))
    flox, state = both(book, 90.0, tmp_path, waterfall=BITMEX)
    assert flox.outcomes[0].deleveraged == [1]
    risen = flox_day(book, np.array([90.0, 120.0]), 0.0, Rules(slippage=0.0)).outcomes[1]
    assert risen.liquidated == []  # at 120 the 10 units that should be left would not survive: flox closed all 20
    assert (units_of(0, state), units_of(1, state)) == (0.0, -10.0)


def test_a_winner_is_closed_at_the_bankruptcy_price(tmp_path: Path) -> None:
    """BitMEX, https://support.bitmex.com/hc/en-gb/articles/18589621443357-What-is-Auto-Deleveraging: "The price at which a
    trader's position is closed out is the Bankruptcy Price of the initial liquidated order."
    Binance, https://www.binance.com/zh-CN/support/announcement/360033525471: "The trader's positions will be closed out at
    the bankruptcy price of the initial liquidated order, no trading fee will be charged."
    """
    flox, state = both(book_of(FALLEN, (-20.0, 100.0, 100.0)), 90.0, tmp_path, waterfall=BITMEX)
    assert flox.outcomes[0].absorbed == pytest.approx([95.0])
    assert 90.0 + flox.outcomes[0].absorbed[0] / 20.0 == 94.75  # what giving up 95 USD makes of the price
    assert state.closings.price[0] == pytest.approx(99.5, rel=1e-12)
    assert state.closings.haircut[0] == pytest.approx(95.0, rel=1e-12)


def test_winners_stand_on_the_other_side(tmp_path: Path) -> None:
    """Hyperliquid, https://hyperliquid.gitbook.io/hyperliquid-docs/trading/auto-deleveraging: "the users on the opposite
    side of the position are ranked by unrealized pnl and leverage used."
    Bybit, https://bybit.nl/nl-NL/help-center/article/Auto-Deleveraging-ADL: "This process entails closing out profitable
    positions on the opposing side to offset the remaining losses."
    """
    book = book_of(FALLEN, (10.0, 80.0, 100.0), (-10.0, 100.0, 1000.0))
    flox, state = both(book, 90.0, tmp_path, waterfall=BITMEX)
    assert flox.outcomes[0].deleveraged == [1]  # a long, for a long
    assert (units_of(1, state), units_of(2, state)) == (10.0, 0.0)


def test_deleveraging_leaves_no_bad_debt(tmp_path: Path) -> None:
    """Hyperliquid, https://hyperliquid.gitbook.io/hyperliquid-docs/trading/auto-deleveraging: "Those traders' positions are
    closed at the previous mark price against the now underwater user, ensuring that the platform has no bad debt."
    """
    flox, state = both(book_of(FALLEN, (-10.0, 91.0, 100.0)), 90.0, tmp_path, waterfall=BITMEX)
    assert flox.outcomes[0].absorbed == pytest.approx([10.0])  # all the profit there is; of the other 85 nothing is heard
    assert flox.outcomes[0].fund_delta == 0.0
    assert state.ledgers.booked[DEFICIT].sum() == pytest.approx(0.0, abs=1e-9)
    assert cash_of(1, state) == pytest.approx(100.0 + 10.0 - 95.0)


def test_the_rank_is_of_profit_by_collateral_and_not_of_profit(tmp_path: Path) -> None:
    """Binance, https://www.binance.com/zh-CN/support/announcement/360033525471: "traders will be ranked by their margin ratio
    and unrealized PnL as a percentage of their collateral."
    """
    small, large = (-2.0, 100.0, 20.0), (-100.0, 100.0, 5000.0)  # 100 % of its collateral at leverage 9, 20 % at 1.8
    flox, state = both(book_of((2.0, 100.0, 1.0), small, large), 90.0, tmp_path, waterfall=BITMEX,
                       rules=Rules(slippage=0.0, ranking="binance"))
    assert flox.outcomes[0].deleveraged == [2]
    assert state.closings.account[:state.n_closings].tolist() == [1]


def test_margin_that_is_left_belongs_to_somebody(tmp_path: Path) -> None:
    """Hyperliquid, https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations: "If the positions are entirely or
    partially closed such that the maintenance margin requirements are met, any remaining collateral remains with the trader."
    """
    flox, state = both(book_of((10.0, 100.0, 50.0)), 95.3, tmp_path, engine="hyperliquid", fund=7.0)
    assert flox.outcomes[0].liquidated == [0]
    assert (flox.outcomes[0].fund_delta, flox.funds) == (0.0, [7.0])  # 3 USD are gone
    assert units_of(0, state) == 0.0
    assert cash_of(0, state) == pytest.approx(3.0)


def test_liquidations_feed_the_fund(tmp_path: Path) -> None:
    """Binance, https://www.binance.com/en/support/articles/360033525371-Insurance-Fund: "The insurance fund will collect
    liquidation fees from clients that do not result in client bankruptcy."
    Bybit, https://www.bybit.com/en/help-center/article/Insurance-Fund: "When liquidations can be executed in the market at a
    price better than the bankruptcy price, the remaining margin will be added to the insurance fund."
    """
    engine = {"kind": "binance", "stages": [{"stage": "market", "limit": "bankruptcy", "fee": 0.001}]}
    flox, state = both(book_of((10.0, 100.0, 50.0)), 95.3, tmp_path, engine, fund=7.0)
    assert flox.outcomes[0].liquidated == [0]
    assert flox.funds == [7.0]
    assert state.safety.fund.sum() == pytest.approx(7.0 + 0.953)  # the fee on 953 USD, of the 3 that are left


def test_a_tier_deducts_what_lower_tiers_ask_less(tmp_path: Path) -> None:
    """Hyperliquid, https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers: "maintenance_margin =
    notional_position_value * maintenance_margin_rate - maintenance_deduction".
    Binance, https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93: "= [ Floor of Position Bracket on Level
    n * difference between Maintenance Margin Rate on Level n and Maintenance Margin Rate on Level n-1) ] + Maintenance Amount
    on Level n-1".
    """
    rules = Rules(slippage=0.0, tiers=((50_000.0, 0.01),))
    flox, state = both(book_of((600.0, 100.0, 500.0)), 100.0, tmp_path, rules=rules)  # of 60,000 USD: 600, or 600 - 250
    assert flox.outcomes[0].liquidated == [0]
    assert units_of(0, state) == 600.0


def test_a_large_position_is_sold_in_parts(tmp_path: Path) -> None:
    """Hyperliquid, https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations: "For liquidatable positions larger
    than 100k USDC [...], only 20% of the position will be sent as a market liquidation order to the book."
    """
    flox, state = both(book_of((2_100.0, 100.0, 21_940.0)), 90.0, tmp_path, engine="hyperliquid")  # must keep 945, has 940
    assert flox.outcomes[0].liquidated == [0]  # whole
    assert units_of(0, state) == pytest.approx(0.8 * 2_100.0)
    assert cash_of(0, state) + 90.0 * units_of(0, state) == pytest.approx(940.0)

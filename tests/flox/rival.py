"""flox's own engine, in a process of its own.

Its extension module wants room for thread-local storage that other libraries (pyarrow) may have used up, so it must be
the first to be loaded. The worker lives as long as the tests do.
"""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

from flox.books import Book
from flox.replica import Floats, Outcome, Replica, Rules


@dataclass(frozen=True)
class Day:
    """What an engine made of the same marks."""

    outcomes: list[Outcome]
    funds: list[float]  # [mark] USD after it


def replayed(book: Book, marks: Floats, fund: float, rules: Rules) -> Day:
    """The replica's day."""
    replica = Replica(book.quantity, book.entry, book.equity, fund, rules)
    outcomes, funds = [], []
    for mark in marks.tolist():
        outcomes.append(replica.on_mark(mark))
        funds.append(replica.fund)
    return Day(outcomes, funds)


def engine_of(book: Book, fund: float, rules: Rules) -> Any:
    """Return flox's engine with the book open."""
    import flox_py

    engine = flox_py.LiquidationEngine()
    for floor, share in ((0.0, rules.maintenance), *rules.tiers):
        engine.add_tier(floor, share)
    engine.set_insurance_fund_capital(fund)
    engine.set_adl_enabled(rules.adl)
    engine.set_adl_ranking(rules.ranking)
    engine.set_liquidation_slippage_bps(rules.slippage * 1e4)
    for account, row in enumerate(zip(book.quantity.tolist(), book.entry.tolist(), book.equity.tolist(), strict=True)):
        engine.open_position(account, 1, *row)
    return engine


def flox_day(book: Book, marks: Floats, fund: float, rules: Rules) -> Day:
    """Flox's own day; it does not tell what it leaves uncovered."""
    return worker().submit(_flox_day, book, marks, fund, rules).result()


@cache
def worker() -> ProcessPoolExecutor:
    """One process that has loaded nothing but NumPy."""
    return ProcessPoolExecutor(1, get_context("spawn"))


def _flox_day(book: Book, marks: Floats, fund: float, rules: Rules) -> Day:
    engine, outcomes, funds = engine_of(book, fund, rules), [], []
    for mark in marks.tolist():
        paid = len(engine.deficits_paid_by_adl())
        out = engine.on_mark(1, mark)
        outcomes.append(Outcome(out["liquidated"], out["adl_closed_out"], out["insurance_fund_delta"],
                                engine.deficits_paid_by_adl()[paid:], math.nan))
        funds.append(engine.insurance_fund_balance())
    return Day(outcomes, funds)

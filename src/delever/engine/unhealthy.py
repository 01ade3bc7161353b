"""How long accounts stand unhealthy, how much they owe meanwhile, and which liquidations would not have been needed.

    account-hours    accounts left below their threshold at the end of a step, x the length of the step
    debt-hours       what they owe then x the length of the step; of exchanges the size of their positions
    regretted        an account that was called for the first time, and that would be healthy so long after (or at the end) with
                     what it held before the call, at what its protocol then sees: interest and funding counted, terms as they
                     then are
    erroneous        an account that was called for the first time, and that was healthy with what it held before the call at
                     outside prices of the same step: its feed, or a market that was pushed, was wrong

Accounts without any collateral left are bad debt, and stand nowhere. LLAMMA's loans are watched by their own rules and not looked
at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.columns import OF, Column, Value, mean_of
from delever.core.elementary import exp_
from delever.core.empty import longer
from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.margin import equity_of
from delever.core.phase import Phase
from delever.core.route import usd_price
from delever.core.seen_prices import value_coins
from delever.core.state import State
from delever.core.tables import HIT, STANDING, Accounts, BookTables, SeenPrices, Touched, Tree

HOUR = 3600.0  # [s]
SECTION = "Outcomes"  # of a report
STOOD = Column("unhealthy_account_hours", "account-hours", "time that accounts stood below their threshold or maintenance "
               "margin, as looked at at the end of each step, added up over accounts", mean_of(
                   "unhealthy_account_hours", "account-hours below the threshold or maintenance margin"), "sum", SECTION)
OWED = Column("unhealthy_debt_hours", "USD-hours", "the same, each account weighted with what it owed then; of exchanges with "
              "the size of its positions", mean_of("unhealthy_debt_hours", "the same times what they owed, or their positions"),
              "sum", SECTION)
WINDOW, END, OUTSIDE = range(3)  # when a liquidation is judged; or at once, at outside prices
WHEN = ("window", "end", "outside")
JUDGED = Column("first_calls", "count", f"accounts of {OF} called for the first time that are judged so much later")
JUDGED_USD = Column("first_calls_usd", "USD", f"debt or positions of {OF} closed since those calls, at prices seen then")
REGRETTED = Column("regretted", "count", f"of those accounts of {OF} the ones that would then be healthy, had nobody called them")
REGRETTED_USD = Column("regretted_usd", "USD", f"debt or positions of {OF} that were closed since those calls, for nothing")
ERRONEOUS = Column("erroneous", "count", f"accounts of {OF} called for the first time that were healthy at outside prices")
ERRONEOUS_USD = Column("erroneous_usd", "USD", f"debt or positions of {OF} closed in the step of those calls")
NAMED = ((JUDGED, JUDGED_USD, REGRETTED, REGRETTED_USD), (JUDGED, JUDGED_USD, REGRETTED, REGRETTED_USD),
         (JUDGED, JUDGED_USD, ERRONEOUS, ERRONEOUS_USD))  # columns of the outcomes, by when


class Levels(NamedTuple):
    """Seen prices of the reserves that somebody was looked at for; a log price that stands is not raised again."""

    was: np.ndarray  # [P, R] log price
    raised: np.ndarray  # [P, R] of it, in the protocol's unit
    price: np.ndarray  # [P, R] USD


@helper
def see_legs(p: int, g: int, book: BookTables, seen: SeenPrices, tree: Tree, market: np.ndarray, levels: Levels) -> None:
    """Price what an account of signature g on path p has and owes, as core/seen_prices.py prices a whole path."""
    last, in_usd, debts = 0, 1.0, book.first_debt[0]
    for k in range(debts + book.debts[g]):
        if book.collaterals[g] <= k < debts:
            continue
        r = book.reserve[g, k]
        if seen.unit[r] != last:
            last = seen.unit[r]
            in_usd = usd_price(last, p, tree, market)
        now = seen.log_price[seen.like[r], p]
        if now != levels.was[p, r]:
            levels.was[p, r], levels.raised[p, r] = now, exp_(now)
        levels.price[p, r] = levels.raised[p, r] * in_usd


@helper
def price_outside(p: int, g: int, accounts: Accounts, tree: Tree, outside: np.ndarray, price: np.ndarray) -> None:
    """Price what an account of signature g has and owes on path p at outside prices [M, P] (log). price: [P, R], written."""
    book, debts, number = accounts.book, accounts.book.first_debt[0], accounts.book.protocol[g]
    unit = accounts.margins.in_usd[number, p] if book.margin[g] else 1.0
    for k in range(debts + book.debts[g]):
        if book.collaterals[g] <= k < debts:
            continue
        r = book.reserve[g, k]
        price[p, r] = usd_price(accounts.reserves.asset[r], p, tree, outside) / unit


@kernel
def dwell(n: int, standing: np.ndarray, accounts: Accounts, seen: SeenPrices, tree: Tree, market: np.ndarray, levels: Levels,
          hours: float, owed: np.ndarray, stood: np.ndarray) -> None:
    """Add so many hours for each account that stands unhealthy.

    stood: [2, protocols, P] as columns; owed: [protocols, P] what they owe now [USD].
    """
    touched, book, reserves, margins = accounts.touched, accounts.book, accounts.reserves, accounts.margins
    first = book.first_debt[0]
    owed[:] = 0.0
    for j in range(n):
        slot = standing[j]
        p, g = int(touched.path[slot]), book.signature[touched.account[slot]]
        see_legs(p, g, book, seen, tree, market, levels)
        number, total = book.protocol[g], 0.0
        for k in range(first, first + book.debts[g]):
            r = book.reserve[g, k]
            if book.margin[g]:
                total += abs(touched.amount[slot, k]) * levels.price[p, r] * margins.in_usd[number, p]
            else:
                total += max(touched.amount[slot, k], 0.0) * reserves.borrow_index[r, p] * levels.price[p, r]
        stood[0, number, p] += hours
        stood[1, number, p] += total * hours
        owed[number, p] += total


class Copies(NamedTuple):
    """Accounts as they were before their first call, a row each; their legs stand one after the other in an array."""

    slot: np.ndarray  # [copies]
    path: np.ndarray  # [copies]
    signature: np.ndarray  # [copies]
    when: np.ndarray  # [copies] step
    start: np.ndarray  # [copies + 1] where the legs of each begin


@helper
def pack(slot: int, g: int, touched: Touched, book: BookTables, legs: np.ndarray, at: int) -> int:
    """Put the legs that an account has one after the other, from `at` on; the place behind them."""
    for k in range(book.collaterals[g]):
        legs[at] = touched.amount[slot, k]
        at += 1
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        legs[at] = touched.amount[slot, k]
        at += 1
    return at


@helper
def unpack(g: int, book: BookTables, legs: np.ndarray, at: int, row: np.ndarray) -> None:
    """The same legs in their places again: the first row of `row` [1, legs]."""
    for k in range(book.collaterals[g]):
        row[0, k] = legs[at]
        at += 1
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        row[0, k] = legs[at]
        at += 1


@kernel
def note(slots: np.ndarray, touched: Touched, book: BookTables, noted: np.ndarray, step: int, copies: Copies, legs: np.ndarray,
         at: int) -> int:
    """Copy accounts that are called and were never liquidated, each once a step; where the next copy goes."""
    for slot in slots:
        if touched.flags[slot] & HIT != 0 or noted[slot] == step:
            continue
        g = book.signature[touched.account[slot]]
        noted[slot], copies.slot[at], copies.path[at], copies.signature[at], copies.when[at] = (
            step, slot, touched.path[slot], g, step)
        copies.start[at + 1] = pack(slot, g, touched, book, legs, copies.start[at])
        at += 1
    return at


@kernel
def keep_hit(first: int, last: int, touched: Touched, copies: Copies, legs: np.ndarray) -> int:
    """Of copies first..last-1 those whose account was liquidated stay; where the next one goes."""
    at, begin, start = first, copies.start[first], copies.start
    for i in range(first, last):
        slot, end = copies.slot[i], start[i + 1]
        if touched.flags[slot] & HIT != 0:
            if at < i:
                copies.slot[at], copies.path[at], copies.signature[at] = slot, copies.path[i], copies.signature[i]
                copies.when[at] = copies.when[i]
                for k in range(end - begin):
                    legs[start[at] + k] = legs[begin + k]
            start[at + 1] = start[at] + (end - begin)
            at += 1
        begin = end
    return at


@kernel
def judge(first: int, last: int, copies: Copies, legs: np.ndarray, row: np.ndarray, accounts: Accounts,
          seen: SeenPrices, tree: Tree, market: np.ndarray, levels: Levels, when: int, outcome: np.ndarray) -> None:
    """Whether accounts first..last-1 would be healthy now as they were before. outcome: [3, 4, protocols, P] as columns.

    market: [M, P] log market prices, outside ones where that is asked for.
    """
    touched, book, reserves, margins = accounts.touched, accounts.book, accounts.reserves, accounts.margins
    out, debts = outcome[when], book.first_debt[0]
    for i in range(first, last):
        slot, p, g = copies.slot[i], int(copies.path[i]), copies.signature[i]
        if when == OUTSIDE:
            price_outside(p, g, accounts, tree, market, levels.price)
        else:
            see_legs(p, g, book, seen, tree, market, levels)
        number, closed = book.protocol[g], 0.0
        unpack(g, book, legs, copies.start[i], row)
        if book.margin[g]:
            backing, burden = equity_of(0, p, g, row, book, margins, levels.price)
        else:
            backing, burden = account_health(0, p, g, row, book, reserves, levels.price)
        for k in range(debts, debts + book.debts[g]):
            r = book.reserve[g, k]
            if book.margin[g]:
                units = abs(row[0, k]) - abs(touched.amount[slot, k])
                closed += max(units, 0.0) * levels.price[p, r] * margins.in_usd[number, p]
            else:
                units = (row[0, k] - touched.amount[slot, k]) * reserves.borrow_index[r, p]
                closed += max(units, 0.0) * levels.price[p, r]
        out[0, number, p] += 1.0
        out[1, number, p] += closed
        if backing >= burden:
            out[2, number, p] += 1.0
            out[3, number, p] += closed


class Unhealthy(Phase):
    """Accounts that stand unhealthy, and those that were called for the first time."""

    def __init__(self, window: int) -> None:
        """window: steps after which a liquidation is judged."""
        self.window = window
        self.called = False  # whether anybody was about to be called in this step
        self.owed = np.zeros((0, 0))  # [protocols, P] owed by accounts that stand unhealthy now [USD]

    def _begin(self, state: State) -> None:
        shape = (len(state.ledgers.totals[0]), state.paths)
        self.stood, self.owed = np.zeros((2, *shape)), np.zeros(shape)
        self.noted = np.zeros(64, np.int64)
        size = (state.paths, len(state.reserves.protocol))
        self.levels = Levels(np.full(size, np.nan), np.zeros(size), np.zeros(size))
        self.outcome = np.zeros((len(WHEN), 4, *shape))
        self.copies = Copies(*(np.zeros(64, np.int64) for _ in Copies._fields))
        self.legs, self.scratch = np.zeros(64), np.zeros((1, state.book.amount.shape[1]))
        self.kept = self.copied = self.judged = 0  # accounts liquidated; with those called in this step; judged after the window
        self.some = False  # somebody stands

    def note(self, state: State, first: int, last: int) -> None:
        """In a block: rows first..last-1, and exchanges' called accounts, are about to be called."""
        if not len(self.owed):
            self._begin(state)
        pool, size = state.pool, last - first + state.n_called
        self.called = True
        if len(self.noted) < len(pool.due):
            self.noted = longer((self.noted,), len(pool.due))[0]
        self.copies = longer(self.copies, self.copied + size + 1)
        self.legs = longer((self.legs,), int(self.copies.start[self.copied]) + size * self.scratch.shape[1])[0]
        if last > first:
            self._note(state, state.transactions.ref[first:last])
        if state.n_called:
            self._note(state, pool.called[:state.n_called].astype(np.int64))

    def _note(self, state: State, slots: np.ndarray) -> None:
        """Copy the accounts in these slots."""
        self.copied = note(slots, state.pool.touched, state.book, self.noted, state.step, self.copies, self.legs, self.copied)

    def observe(self, state: State) -> None:
        """Once a step."""
        if not len(self.owed):
            self._begin(state)
        standing = int(state.watch.counts[STANDING])
        if standing or self.some:
            self._dwell(state, standing)
        if self.copied > self.kept:
            before, self.kept = self.kept, keep_hit(self.kept, self.copied, state.pool.touched, self.copies, self.legs)
            self.copied = self.kept
            self._judge(state, before, self.kept, OUTSIDE)
        if self.judged < self.kept and self.copies.when[self.judged] <= state.step - self.window:
            due = int(np.searchsorted(self.copies.when[:self.kept], state.step - self.window, "right"))
            self._judge(state, self.judged, due, WINDOW)
            self.judged = due

    def _dwell(self, state: State, standing: int) -> None:
        self.some = standing > 0
        value_coins(state)
        dwell(standing, state.pool.standing, state.accounts, state.seen, state.tree, state.markets.price, self.levels,
              state.step_length / HOUR, self.owed, self.stood)

    def _judge(self, state: State, first: int, last: int, when: int) -> None:
        value_coins(state)
        market = state.markets.exogenous if when == OUTSIDE else state.markets.price
        judge(first, last, self.copies, self.legs, self.scratch, state.accounts, state.seen, state.tree, market, self.levels,
              when, self.outcome)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        if not len(self.owed):
            self._begin(state)
        self.outcome[END] = 0.0
        if self.kept:
            self._judge(state, 0, self.kept, END)
        return [value for n in range(len(self.owed)) for value in (
            Value(STOOD, self.stood[0, n], n), Value(OWED, self.stood[1, n], n),
            *(Value(column, self.outcome[when, i, n], n, of=name) for when, name in enumerate(WHEN)
              for i, column in enumerate(NAMED[when])))]

"""The rules of flox's LiquidationEngine, so that the two can be compared mark by mark. No exchange's rules.

Whoever is below the maintenance margin is closed whole at the mark less a slippage. What these accounts lack is one sum a
block: the fund pays what it has, winners the rest, in the order of a score, then of the book. A winner gives up
min(what is left, his profit) and is closed whole all the same, whichever side he is on. What a closed account has left is
credited to nobody (it goes to makers outside), so that nothing ever feeds the fund.
Source: flox-py 0.10.1, https://github.com/FLOX-Foundation/flox, src/backtest/liquidation_engine.cpp. It knows isolated
positions in one symbol; here the perps of an exchange are one queue. `binance` and `bybit` are names that flox gives to
one formula; neither exchange publishes it.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from delever.core.exchange_tables import ADL, INSURANCE, Closings, Safety
from delever.core.jit import helper, kernel
from delever.core.margin import book_deficit, close_leg, move_cash
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, LIQUIDATIONS
from delever.core.state import Pool, State, Watch
from delever.core.tables import CASH, COVERED, DEFICIT, FUND, HIT, MAKERS, SLOTS, Accounts, BookTables, Ledgers, Moment, Records
from delever.core.touch import enter_slots, slot_of, touch
from delever.model.errors import InputError
from delever.model.quantity import Share
from delever.protocols.exchange import SLIPPAGE, Stage, close_flat
from delever.protocols.margin import ExchangePhase, ExchangeRules

RANKINGS = ("pnl_ratio", "binance", "bybit", "position_size")
PNL_RATIO, BINANCE, BYBIT, POSITION_SIZE = range(4)
ACCOUNT, LEG = range(2)  # rows of Winners.who
SCORE, PROFIT = range(2)  # rows of Winners.terms


class Winners(NamedTuple):
    """Scratch: positions in profit, and their order."""

    who: np.ndarray  # [2, holders] account, leg
    terms: np.ndarray  # [2, holders] score, profit
    heap: np.ndarray  # [holders]


def new_winners(holders: int) -> Winners:
    """Room for so many positions."""
    return Winners(np.zeros((2, holders), np.int64), np.zeros((2, holders)), np.zeros(holders, np.int64))


class Flox(ExchangeRules):
    """flox's engine; its fund is the start of the exchange's `insurance_fund` layer."""

    kind: ClassVar[str] = "flox"
    slippage: Share = Field(0.0025, ge=0, lt=1, description="loss against the mark of what is liquidated")
    ranking: Literal["pnl_ratio", "binance", "bybit", "position_size"] = Field(
        "pnl_ratio", description="profit / margin posted; profit x leverage (binance, bybit); or size in units")

    def compile(self, number: int) -> FloxPhase:
        """The engine of the exchange of that number."""
        return FloxPhase(number, self.slippage, RANKINGS.index(self.ranking))


@helper
def score(ranking: int, q: float, mark: float, profit: float, posted: float) -> float:
    """Rank of a position in profit [USD] on the margin posted [USD]; flox's own expressions."""
    if ranking == POSITION_SIZE:
        return abs(q)
    if ranking == PNL_RATIO:
        return profit / posted if posted > 0.0 else profit
    return profit * (abs(q) * mark / posted) if posted > 0.0 else 0.0


@helper
def posted_by(i: int, g: int, amount: np.ndarray, cost: np.ndarray, book: BookTables) -> float:
    """Margin paid in by row i of `amount` [USD]: cash = posted - sum of costs."""
    usd: float = amount[i, 0]
    first = book.first_debt[0]
    for k in range(first, first + book.debts[g]):
        usd += cost[i, k]
    return usd


@helper
def goes_before(a: int, b: int, score: np.ndarray) -> bool:
    """Whether candidate a is closed before candidate b. score: [candidates]."""
    return score[a] > score[b] or (score[a] == score[b] and a < b)


@helper
def sift(i: int, n: int, heap: np.ndarray, score: np.ndarray) -> None:
    """Let the candidate at place i of heap[:n] sink to where it belongs."""
    while 2 * i + 1 < n:
        below = 2 * i + 1
        if below + 1 < n and goes_before(heap[below + 1], heap[below], score):
            below += 1
        if not goes_before(heap[below], heap[i], score):
            return
        heap[i], heap[below] = heap[below], heap[i]
        i = below


@kernel
def liquidate(called: np.ndarray, n_called: int, number: int, stage: np.ndarray, time: float, accounts: Accounts,
              records: Records, owed: np.ndarray) -> None:
    """Close the called accounts of exchange `number`; the fund pays; owed [P]: what it could not [USD].

    stage: a row of the table of stages, for its slippage.
    """
    touched, book, ledgers, safety, tally = accounts.touched, accounts.book, records.ledgers, records.safety, records.tally
    cash, last = accounts.margins.cash[number], -1
    owed[:] = 0.0
    for j in range(n_called):
        slot = called[j]
        p, g = int(touched.path[slot]), book.signature[touched.account[slot]]
        if book.protocol[g] != number:
            continue
        if last >= 0 and p != last:
            insure(last, cash, number, time, ledgers, safety, owed)
        last = p
        close_flat(slot, p, g, stage, accounts, records)
        owed[p] += book_deficit(slot, p, g, touched, book, ledgers)
        left = touched.amount[slot, 0]
        move_cash(slot, p, g, -left, touched, book, ledgers)
        ledgers.tokens[CASH, 0, p] -= left
        ledgers.tokens[MAKERS, 0, p] += left
        tally.called[p] += 1
        tally.executed[p] += 1
        safety.first[0, number, p] = min(safety.first[0, number, p], time)
        ledgers.totals[LIQUIDATIONS, number, p] += 1.0
        if touched.flags[slot] & HIT == 0:
            ledgers.totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0
        touched.flags[slot] |= HIT
    if last >= 0:
        insure(last, cash, number, time, ledgers, safety, owed)


@helper
def insure(p: int, cash: int, number: int, time: float, ledgers: Ledgers, safety: Safety, owed: np.ndarray) -> None:
    """The fund pays what the block's accounts owe, as far as it goes."""
    paid = min(owed[p], safety.fund[cash, p])
    safety.fund[cash, p] -= paid
    ledgers.tokens[FUND, 0, p] -= paid
    ledgers.tokens[CASH, 0, p] += paid
    ledgers.booked[DEFICIT, cash, p] -= paid
    ledgers.booked[COVERED, cash, p] += paid
    safety.served[INSURANCE, number, p] += paid
    owed[p] -= paid
    if owed[p] > 0.0:
        safety.dry[INSURANCE, number, p] = min(safety.dry[INSURANCE, number, p], time)


@helper
def winners(p: int, number: int, ranking: int, accounts: Accounts, watch: Watch, found: Winners) -> int:
    """Positions of the exchange that are in profit: their number. Fills `found`, by perp, in the book's order."""
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    n, who, terms = 0, found.who, found.terms
    for r in range(margins.first[number], margins.first[number + 1]):
        mark, paid = price[p, r], margins.paid[r, p]
        for h in range(margins.position_first[r], margins.position_first[r + 1]):
            account, k = margins.position_account[h], margins.position_leg[h]
            slot, g = slot_of(p, account, watch), book.signature[account]
            if slot >= 0:
                q, profit = touched.amount[slot, k], touched.amount[slot, k] * (mark - paid) - touched.cost[slot, k]
                posted = posted_by(slot, g, touched.amount, touched.cost, book) if profit > 0.0 else 0.0
            else:
                q, profit = book.amount[account, k], book.amount[account, k] * (mark - paid) - book.cost[account, k]
                posted = posted_by(account, g, book.amount, book.cost, book) if profit > 0.0 else 0.0
            if q != 0.0 and profit > 0.0:
                who[ACCOUNT, n], who[LEG, n] = account, k
                terms[SCORE, n], terms[PROFIT, n] = score(ranking, q, mark, profit, posted), profit
                n += 1
    return n


@kernel
def deleverage(start: int, number: int, ranking: int, now: Moment, owed: np.ndarray, accounts: Accounts, watch: Watch,
               pool: Pool, records: Records, closings: Closings, n_closings: int, found: Winners) -> tuple[int, int]:
    """Winners pay what is owed on the paths from `start` on: (where room was too small, or the end; closings noted).

    owed: [P] USD.
    """
    touched, book, price = accounts.touched, accounts.book, accounts.price
    ledgers, flows, safety = records.ledgers, records.flows, records.safety
    who, terms, heap = found.who, found.terms, found.heap
    cash, most = accounts.margins.cash[number], heap.shape[0]
    for p in range(start, owed.shape[0]):
        if not owed[p] > 0.0:
            continue
        if pool.due.shape[0] - watch.counts[SLOTS] < most or closings.path.shape[0] - n_closings < most:
            return p, n_closings
        n = winners(p, number, ranking, accounts, watch, found)
        for i in range(n):
            heap[i] = i
        for i in range(n // 2 - 1, -1, -1):
            sift(i, n, heap, terms[SCORE])
        while n > 0 and owed[p] > 0.0:
            best = heap[0]
            n -= 1
            heap[0] = heap[n]
            sift(0, n, heap, terms[SCORE])
            account, k, given = who[ACCOUNT, best], who[LEG, best], min(owed[p], terms[PROFIT, best])
            slot, g = touch(p, account, book, watch, pool), book.signature[account]
            r, q = book.reserve[g, k], touched.amount[slot, k]
            close_leg(slot, p, g, k, q, price[p, r], MAKERS, accounts, ledgers)
            move_cash(slot, p, g, -given, touched, book, ledgers)
            owed[p] -= given
            ledgers.booked[DEFICIT, cash, p] -= given
            ledgers.booked[COVERED, cash, p] += given
            safety.served[ADL, number, p] += given
            ledgers.turnover[0, p] += abs(q) * price[p, r]
            flows.deleveraged[r, p] += abs(q) * price[p, r]
            flows.haircut[r, p] += given
            closings.path[n_closings], closings.step[n_closings], closings.account[n_closings] = p, now.step, account
            closings.reserve[n_closings], closings.units[n_closings] = r, q
            closings.price[n_closings], closings.haircut[n_closings] = price[p, r] - given / q, given
            n_closings += 1
            safety.first[1, number, p] = min(safety.first[1, number, p], now.time)
        if owed[p] > 0.0:
            safety.dry[ADL, number, p] = min(safety.dry[ADL, number, p], now.time)
    return owed.shape[0], n_closings


class FloxPhase(ExchangePhase):
    """flox's engine of one exchange, ready to run."""

    def __init__(self, number: int, slippage: float, ranking: int) -> None:
        """slippage: share of the mark; ranking: its number in RANKINGS."""
        super().__init__(number)
        self.ranking = ranking
        self.stage = np.array(Stage(stage="flat", slippage=slippage).row())
        assert self.stage[SLIPPAGE] == slippage
        self.owed = np.zeros(0)  # [P] USD
        self.found = new_winners(0)

    def liquidate(self, state: State) -> None:
        """Close the unhealthy accounts of this block, then ask the fund and the winners."""
        if len(self.owed) != state.paths:
            self._make_room(state)
        liquidate(state.pool.called, state.n_called, self.number, self.stage, state.time, state.accounts, state.records,
                  self.owed)
        done = 0 if self.owed.any() else state.paths
        if done == 0:
            enter_slots(state)
        while done < state.paths:
            done, state.n_closings = deleverage(
                done, self.number, self.ranking, state.now, self.owed, state.accounts, state.watch, state.pool, state.records,
                state.closings, state.n_closings, self.found)
            if done < state.paths:
                state.room_for_slots(int(state.watch.counts[SLOTS]) + len(self.found.heap))
                state.room_for_closings(len(self.found.heap))

    def _make_room(self, state: State) -> None:
        """Scratch for the holders of the exchange's perps, which all may be winners."""
        margins, book = state.margins, state.book
        if (book.collaterals[book.protocol == self.number] > 1).any():
            raise InputError("flox knows no collateral but USD", "protocols", "flox", "take other collateral out of the book")
        begin, end = margins.position_first[margins.first[self.number]], margins.position_first[margins.first[self.number + 1]]
        self.owed, self.found = np.zeros(state.paths), new_winners(int(end - begin))

"""The small program to compare with: isolated positions of one symbol, sorted by liquidation price, a cursor from each side.

The rules are flox's, for one maintenance tier and its default ranking (profit / equity, then account). A mark that reaches
nobody costs two comparisons. A position is tested with flox's own expression, not by its liquidation price, so that ids agree
to the last bit: the price only says where to look. Winners are ranked only at marks at which the fund runs dry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

NEAR = 1e-10  # relative error that a liquidation price may have
BLOCK = 512  # positions whose best score is kept


class Book(NamedTuple):
    """Positions in the order of their accounts, and the two orders in which marks reach them."""

    quantity: np.ndarray  # [position] units, long > 0; a multiple of 1e-8, as are entry and equity
    entry: np.ndarray  # [position] USD a unit
    equity: np.ndarray  # [position] USD
    long_at: np.ndarray  # [long] liquidation prices [USD], falling
    long_who: np.ndarray  # [long] whose
    short_at: np.ndarray  # [short] liquidation prices [USD], rising
    short_who: np.ndarray  # [short] whose


class Events(NamedTuple):
    """What happened on one path. Ids of mark t stand at [first[t] : first[t + 1]]."""

    liquidated: np.ndarray  # [events] accounts
    first_liquidated: np.ndarray  # [marks + 1]
    deleveraged: np.ndarray  # [events] accounts
    first_deleveraged: np.ndarray  # [marks + 1]
    fund: np.ndarray  # [marks] USD after the mark


def sort_book(quantity: np.ndarray, entry: np.ndarray, equity: np.ndarray, maintenance: float) -> Book:
    """Long: equity + q (m - e) < q m mm at m < (e - equity / q) / (1 - mm); short: the other way round."""
    sides = []
    for sign in (1.0, -1.0):
        who = np.flatnonzero(sign * quantity > 0.0)
        at = (entry[who] - equity[who] / quantity[who]) / (1.0 - sign * maintenance)
        order = np.argsort(-sign * at, kind="stable")
        sides += [at[order], who[order]]
    return Book(quantity, entry, equity, *sides)


@njit(cache=True)
def under(i: int, mark: float, maintenance: float, book: Book) -> bool:
    """Whether a position is below its maintenance margin."""
    profit = book.quantity[i] * (mark - book.entry[i])
    below: bool = book.equity[i] + profit < abs(book.quantity[i]) * mark * maintenance
    return below


@njit(cache=True)
def best_of(block: int, score: np.ndarray) -> int:
    """The position of the highest score in a block, the first of equals."""
    best = block * BLOCK
    for i in range(best + 1, min(best + BLOCK, len(score))):
        if score[i] > score[best]:
            best = i
    return best


@njit(cache=True)
def deleverage(mark: float, deficit: float, live: np.ndarray, score: np.ndarray, book: Book, ids: np.ndarray, n: int) -> int:
    """Close winners, the highest score first, until the deficit is covered; the new number of ids."""
    for i in range(len(score)):
        profit = book.quantity[i] * (mark - book.entry[i])
        share = profit / book.equity[i] if book.equity[i] > 0.0 else profit
        score[i] = share if live[i] and profit > 0.0 else -1.0
    blocks = (len(score) + BLOCK - 1) // BLOCK
    best = np.empty(blocks, np.int64)
    for b in range(blocks):
        best[b] = best_of(b, score)
    while deficit > 0.0:
        top = 0
        for b in range(1, blocks):
            if score[best[b]] > score[best[top]]:
                top = b
        winner = best[top]
        if score[winner] < 0.0:
            break
        ids[n] = winner
        n += 1
        deficit -= min(deficit, book.quantity[winner] * (mark - book.entry[winner]))
        live[winner], score[winner] = False, -1.0
        best[top] = best_of(top, score)
    return n


@njit(cache=True)
def reached(at: np.ndarray, who: np.ndarray, cursor: int, side: float, mark: float, maintenance: float, live: np.ndarray,
            book: Book, ids: np.ndarray, n: int) -> tuple[int, int]:
    """Note whom the mark liquidates on one side; (the first position not behind us, the new number of ids)."""
    i, edge = cursor, side * mark * (1.0 - side * NEAR)
    while i < len(at) and side * at[i] > edge:
        if live[who[i]] and under(who[i], mark, maintenance, book):
            live[who[i]] = False
            ids[n] = who[i]
            n += 1
        if i == cursor and not live[who[i]]:
            cursor += 1
        i += 1
    return cursor, n


@njit(cache=True)
def sweep(marks: np.ndarray, fund: float, maintenance: float, slippage: float, book: Book, live: np.ndarray,
          score: np.ndarray, events: Events) -> None:
    """One path: marks [marks] USD; live and score [position] are room to work in."""
    long, short, n, closed = 0, 0, 0, 0
    live[:] = book.quantity != 0.0
    for t in range(len(marks)):
        mark, begin = marks[t], n
        events.first_liquidated[t], events.first_deleveraged[t] = n, closed
        long, n = reached(book.long_at, book.long_who, long, 1.0, mark, maintenance, live, book, events.liquidated, n)
        short, n = reached(book.short_at, book.short_who, short, -1.0, mark, maintenance, live, book, events.liquidated, n)
        if n > begin:
            events.liquidated[begin:n].sort()
            deficit = 0.0
            for i in events.liquidated[begin:n]:
                price = mark * (1.0 - (slippage if book.quantity[i] > 0.0 else -slippage))
                deficit += max(0.0, -(book.equity[i] + book.quantity[i] * (price - book.entry[i])))
            paid = min(deficit, fund)
            fund -= paid
            if deficit - paid > 0.0:
                closed = deleverage(mark, deficit - paid, live, score, book, events.deleveraged, closed)
        events.fund[t] = fund
    events.first_liquidated[-1], events.first_deleveraged[-1] = n, closed


def replay(book: Book, marks: np.ndarray, fund: float, maintenance: float = 0.005, slippage: float = 0.0025) -> Events:
    """What a path of marks [marks] does to a book."""
    n, t = len(book.quantity), len(marks)
    events = Events(np.empty(n, np.int64), np.empty(t + 1, np.int64), np.empty(n, np.int64), np.empty(t + 1, np.int64),
                    np.empty(t))
    sweep(marks, fund, maintenance, slippage, book, np.empty(n, np.bool_), np.empty(n), events)
    return events

"""The boundary index at rest: its lists, and the empty tables that paths fill. engine/boundary.py says how it works."""

from __future__ import annotations

import numpy as np

from delever.core.elementary import TICKS
from delever.core.empty import new_touched
from delever.core.exchange_tables import Margins
from delever.core.jit import kernel
from delever.core.margin import reach_of
from delever.core.state import NEVER, Index, Pool, Watch
from delever.core.tables import COUNTERS, NODES, BookTables

SHIFT, BUCKETS, MASK = 14, 256, 255  # 2^14 ticks (0.1 %) a bucket, 256 of them (25 %) before the wheel wraps
BOUND, SLOT, VISIT, NEXT = range(4)  # columns of Pool.node
FAR = 60.0  # log health that is for ever


EITHER = 2  # BookTables.margin of accounts whose positions may change sides


@kernel
def margin_reaches(book: BookTables, margins: Margins, price: np.ndarray, health: np.ndarray) -> None:
    """Distance of every margin account [log]; -FAR where it is unhealthy, however far its series have moved in its favour.

    price: [1, R]; health: [accounts].
    """
    for i in range(book.signature.shape[0]):
        g = book.signature[i]
        if book.margin[g]:
            equity, margin, radius = reach_of(i, 0, g, book.amount, book, margins, price)
            health[i] = radius if equity >= margin else -FAR


def make_index(book: BookTables, price: np.ndarray, margins: Margins, unwatched: np.ndarray | None = None) -> Index:
    """Sort every account into the list of each of its pairs, but those that their rules watch themselves.

    price: [R] seen at the start, at index 1; unwatched: [accounts].

    Pairs of a lending account are what backs it against what burdens it; of a margin account each of its series against
    the exchange's cash, one side of a box.
    """
    amount, sig, first_debt = book.amount, book.signature, int(book.first_debt[0])
    legs = amount.shape[1]
    side = (np.arange(legs) >= first_debt).astype(int)  # [legs]
    series = 2 * book.reserve + side  # [signatures, legs]
    weight = np.where(side, 1.0, book.threshold)  # [signatures, legs]
    held = np.where(side, np.arange(legs) - first_debt < book.debts[:, None], np.arange(legs) < book.collaterals[:, None])
    value = amount * price[book.reserve[sig]] * weight[sig]
    signed = np.where(side, -value, value)  # backing is positive
    negative = np.zeros(held.shape, bool)  # legs that some account of the signature holds with the other sign
    np.logical_or.at(negative, sig, (amount < 0) & held[sig])
    backs = held & ((side == 0) ^ negative)
    name: dict[tuple[int, int], int] = {}
    most = 1
    listed: list[list[int]] = []
    for g in range(len(series)):
        if book.margin[g]:
            wanted = box_sides(book, g, first_debt, negative[g])
        else:
            a, b = sorted(set(series[g][backs[g]].tolist())), sorted(set(series[g][held[g] & ~backs[g]].tolist()))
            wanted = [(i, j) for i in a for j in b if i != j]
        pairs = [name.setdefault(both, len(name)) for both in wanted]
        most = max(most, len(pairs))
        listed.append(pairs)
    pair = np.full((len(series), most), -1)
    for g, pairs in enumerate(listed):
        pair[g, :len(pairs)] = pairs
    if not name:  # a pair that nobody holds keeps the arrays in shape
        name[0, 1] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        health = np.log(np.maximum(signed, 0.0).sum(1) / np.maximum(-signed, 0.0).sum(1))
    owes = (np.maximum(-signed, 0.0).sum(1) > 0.0) | (book.margin[sig] > 0)
    if unwatched is not None:
        owes &= ~unwatched
    if book.margin.any():
        margin_reaches(book, margins._replace(paid=margins.paid[:, :1] * 0.0, gross=margins.gross[:, :1] * 0.0),
                       np.ascontiguousarray(price[None, :]), health)
    ticks = np.floor(np.clip(health, -FAR, FAR) * TICKS) - 4  # as in ticks_below
    account, k = np.nonzero((pair[sig] >= 0) & owes[:, None])
    list_of = np.append(pair[sig[account], k], np.arange(len(name)))  # one sentinel behind each list
    bound = np.append(ticks[account], np.full(len(name), NEVER)).astype(np.int32)
    order = np.lexsort((bound, list_of))
    falling, rising = np.ascontiguousarray(np.array(list(name)).T)  # columns of a table of one row would be of another type
    return Index(falling, rising, np.searchsorted(list_of[order], np.arange(len(name))),
                 np.append(account, np.zeros(len(name), int))[order].astype(np.int32), bound[order],
                 pair.astype(np.int32))


def box_sides(book: BookTables, g: int, first: int, negative: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (falls, rises) of a margin signature: longs and collateral against cash, cash against shorts. negative: [legs].

    Cash that is owed and nothing else beside it is a pair with itself: it never moves, and is due from the start.
    """
    cash = 2 * int(book.reserve[g, 0])
    sides = [(2 * int(book.reserve[g, k]), cash + 1) for k in range(1, book.collaterals[g])]
    for k in range(first, first + book.debts[g]):
        r = 2 * int(book.reserve[g, k])
        if book.margin[g] == EITHER or not negative[k]:
            sides.append((r, cash + 1))
        if book.margin[g] == EITHER or negative[k]:
            sides.append((cash, r + 1))
    return sides or [(cash, cash + 1)] if negative[0] else sides


def new_watch(accounts: int, index: Index, paths: int, looked_up: bool) -> Watch:
    """All cursors at the start of their lists, all wheels empty. looked_up: slots are asked for by account."""
    pairs, words = len(index.falling), (accounts + 63) // 64
    ones = np.ones((1, paths), np.int64)
    watch = Watch(index.first[:, None] * ones, (index.bound[index.first][:, None] * ones).astype(np.int32),
                  np.zeros((pairs, paths, BUCKETS), np.int32), np.zeros((paths, words), np.int64),
                  np.zeros((paths, accounts if looked_up else 0), np.int32), np.empty(pairs * paths, np.int64),
                  np.zeros(COUNTERS, np.int64))
    watch.counts[NODES] = 1
    return watch


def new_pool(slots: int, nodes: int, legs: int, costs: int) -> Pool:
    """An empty pool. costs: columns of BookTables.cost."""
    touched = new_touched(np.zeros((slots, 4), np.int32), np.zeros((slots, legs)), np.zeros((slots, costs)),
                          np.zeros(slots))
    return Pool(touched, np.zeros(slots, np.int32), np.zeros(slots, np.int64), np.zeros(slots, np.int32),
                np.zeros(slots, np.int32), np.zeros((nodes, 4), np.int32))

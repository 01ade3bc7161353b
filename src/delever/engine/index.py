"""The boundary index at rest: its lists, and the empty tables that paths fill. engine/boundary.py says how it works."""

from __future__ import annotations

import numpy as np

from delever.core.elementary import TICKS
from delever.core.state import NEVER, Index, Pool, State, Watch, longer
from delever.core.tables import BookTables, Touched

SHIFT, BUCKETS, MASK = 14, 256, 255  # 2^14 ticks (0.1 %) a bucket, 256 of them (25 %) before the wheel wraps
BOUND, SLOT, VISIT, NEXT = range(4)  # columns of Pool.node
SLOTS, NODES, FREE, FIRED, REACHED, DUE, CLAIMS, STANDING, COUNTERS = range(9)  # Watch.counts
FAR = 60.0  # log health that is for ever


def make_index(book: BookTables, price: np.ndarray) -> Index:
    """Sort every account into the list of each of its pairs. price: [R] seen at the start, at index 1."""
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
        a, b = sorted(set(series[g][backs[g]].tolist())), sorted(set(series[g][held[g] & ~backs[g]].tolist()))
        pairs = [name.setdefault((i, j), len(name)) for i in a for j in b if i != j]
        most = max(most, len(pairs))
        listed.append(pairs)
    pair = np.full((len(series), most), -1)
    for g, pairs in enumerate(listed):
        pair[g, :len(pairs)] = pairs
    if not name:  # a pair that nobody holds keeps the arrays in shape
        name[0, 1] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        health = np.log(np.maximum(signed, 0.0).sum(1) / np.maximum(-signed, 0.0).sum(1))
    owes = np.maximum(-signed, 0.0).sum(1) > 0.0
    ticks = np.floor(np.clip(health, -FAR, FAR) * TICKS) - 4  # as in ticks_below
    account, k = np.nonzero((pair[sig] >= 0) & owes[:, None])
    list_of = np.append(pair[sig[account], k], np.arange(len(name)))  # one sentinel behind each list
    bound = np.append(ticks[account], np.full(len(name), NEVER)).astype(np.int32)
    order = np.lexsort((bound, list_of))
    both = np.array(list(name))
    return Index(both[:, 0], both[:, 1], np.searchsorted(list_of[order], np.arange(len(name))),
                 np.append(account, np.zeros(len(name), int))[order].astype(np.int32), bound[order],
                 pair.astype(np.int32))


def make_room(state: State, slots: int, nodes: int) -> None:
    """Lengthen the pool until so many slots and wheel entries fit."""
    pool = state.pool
    if len(pool.due) >= slots and len(pool.node) >= nodes:
        return
    touched = pool.touched
    if len(pool.due) < slots:
        who, amount = longer((who_of(touched), touched.amount), slots)
        touched = new_touched(who, amount)
    due, claim, standing = longer((pool.due, pool.claim, pool.standing), slots)
    (node,) = longer((pool.node,), nodes)
    state.pool = Pool(touched, due, claim, standing, node)


def new_watch(accounts: int, index: Index, paths: int) -> Watch:
    """All cursors at the start of their lists, all wheels empty."""
    pairs, words = len(index.falling), (accounts + 63) // 64
    ones = np.ones((1, paths), np.int64)
    watch = Watch(index.first[:, None] * ones, (index.bound[index.first][:, None] * ones).astype(np.int32),
                  np.zeros((pairs, paths, BUCKETS), np.int32), np.zeros((paths, words), np.int64),
                  np.empty(pairs * paths, np.int64), np.zeros(COUNTERS, np.int64))
    watch.counts[NODES] = 1
    return watch


def new_touched(who: np.ndarray, amount: np.ndarray) -> Touched:
    """Columns of one table [slots, 4], so that what is known of an account lies in one cache line."""
    return Touched(who[:, 0], who[:, 1], who[:, 2], who[:, 3], amount)


def who_of(touched: Touched) -> np.ndarray:
    """That table."""
    table = touched.account.base
    assert isinstance(table, np.ndarray)
    return table


def new_pool(slots: int, nodes: int, legs: int) -> Pool:
    """An empty pool."""
    touched = new_touched(np.zeros((slots, 4), np.int32), np.zeros((slots, legs)))
    return Pool(touched, np.zeros(slots, np.int32), np.zeros(slots, np.int64), np.zeros(slots, np.int32),
                np.zeros((nodes, 4), np.int32))

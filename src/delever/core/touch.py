"""Touching an account that is not due: its slot in the pool, made when it has none, and its place among what is due."""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.state import Pool, State, Watch
from delever.core.tables import DUE, ENTERED, QUEUED, SLOTS, BookTables, Touched


@kernel
def enter(touched: Touched, watch: Watch) -> None:
    """Note the slots of accounts that the index has touched since the last time."""
    account, path, slot_at, count = touched.account, touched.path, watch.slot_of, watch.counts
    for slot in range(count[ENTERED], count[SLOTS]):
        slot_at[path[slot], account[slot]] = slot
    count[ENTERED] = count[SLOTS]


def enter_slots(state: State) -> None:
    """To be called before accounts are looked up; the index does not do it, for most blocks look nobody up."""
    if state.watch.counts[ENTERED] < state.watch.counts[SLOTS]:
        enter(state.pool.touched, state.watch)


@helper
def slot_of(p: int, account: int, watch: Watch) -> int:
    """The slot of an account on path p, once slots are entered; -1: it stands as in the book."""
    if watch.copied[p, account >> 6] & (np.int64(1) << (account & 63)) == 0:
        return -1
    slot: int = watch.slot_of[p, account]
    return slot


@helper
def watch_again(slot: int, watch: Watch, pool: Pool) -> None:
    """A touched account goes back on watch at the end of the block, by what it then is; its path takes part in the block."""
    touched, count = pool.touched, watch.counts
    if touched.flags[slot] & QUEUED == 0:
        touched.visits[slot] += 1  # its entries in the wheels are stale from here on
        touched.flags[slot] |= QUEUED
        pool.due[count[DUE]] = slot
        count[DUE] += 1


@helper
def touch(p: int, account: int, book: BookTables, watch: Watch, pool: Pool) -> int:
    """Its slot; it goes back on watch at the end of the block, by what it then is. The pool has room for one more."""
    touched, count, slot = pool.touched, watch.counts, slot_of(p, account, watch)
    if slot < 0:
        slot = count[SLOTS]
        count[SLOTS] += 1
        watch.copied[p, account >> 6] |= np.int64(1) << (account & 63)
        watch.slot_of[p, account] = slot
        touched.account[slot], touched.path[slot], touched.visits[slot], touched.flags[slot] = account, p, 0, 0
        touched.until[slot] = 0.0
        for k in range(book.amount.shape[1]):
            touched.amount[slot, k] = book.amount[account, k]
        for k in range(book.cost.shape[1]):
            touched.cost[slot, k] = book.cost[account, k]
    watch_again(slot, watch, pool)
    return slot

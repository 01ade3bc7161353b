"""Who can be unhealthy: every account is known healthy or not in every block, and almost none is looked at.

An account is unhealthy when its backing A = sum a_i falls below its burden B = sum b_j; each term moves with its
series (seen price x interest index of a reserve, as collateral or as debt). Negative remainders change sides. With
h = ln(A/B) at some moment and x the log-moves of the series since then, however its terms are weighted

    ln(A/B) >= h + min_i x_i - max_j x_j

so it can only be unhealthy once a PAIR (i, j) that it holds has moved by  x_j - x_i >= h. For a pair the accounts
are reached in the order of h: one sorted list, shared by all paths, and a cursor a path. A block:

  find     one vector compare a pair over all paths; mostly nothing fires, which proves that nobody is unhealthy
  collect  accounts passed in a list are copied to the pool of touched accounts; those passed in a wheel are due
  check    the exact health of what is due; the unhealthy offer a claim, in the order of path and account
  rearm    what was due is put, once a pair, into the pair's wheel: a ring of buckets over the pair's MOVE (not over
           time), to be looked at again when the pair has moved by ln(A/B) more; what is still unhealthy (declined, or
           without room in the block) stands, and is due again in the next block

Moves are kept in whole ticks, rounded outwards, so no bound depends on how a sum was rounded.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import TICKS, log_
from delever.core.exchange_tables import Margins
from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.margin import FAR as MARGIN_FAR
from delever.core.margin import reach_of, sums_of
from delever.core.seen_prices import price_path
from delever.core.state import NEVER, Index, Pool, State, Watch
from delever.core.tables import (
    CALLED,
    CLAIM_ROWS,
    DUE,
    FIRED,
    FREE,
    NODES,
    OFFERED,
    QUEUED,
    REACHED,
    SLOTS,
    STANDING,
    BookTables,
    Reserves,
    SeenPrices,
    Tally,
    Transactions,
    Tree,
)
from delever.engine.index import BOUND, BUCKETS, FAR, MASK, NEXT, SHIFT, SLOT, VISIT


@helper
def ticks_below(distance: float) -> int:
    """A distance in whole ticks, rounded down, less 4: two for the rounding of the move it is added to, two (1e-7) for
    that of prices and sums (below 1e-13)."""
    return int(math.floor(min(distance, FAR) * TICKS)) - 4


@kernel
def find(index: Index, seen: SeenPrices, active: np.ndarray, watch: Watch) -> None:
    """Which (pair, path) has moved as far as its reach? And how many accounts of the lists does that pass?"""
    paths, n_fired, n_reached, fired = active.shape[0], 0, 0, watch.fired
    for q in range(index.falling.shape[0]):
        low, high = seen.down[seen.same[index.falling[q]]], seen.up[seen.same[index.rising[q]]]
        reach, cursor_of, bound_of = watch.reach[q], watch.cursor[q], index.bound
        some = np.int32(0)
        for p in range(paths):
            some += np.int32(np.int32(high[p] - low[p]) >= reach[p])
        if some == 0:
            continue
        for p in range(paths):
            move = high[p] - low[p]
            if move >= reach[p] and active[p]:
                fired[n_fired] = q * paths + p
                n_fired += 1
                cursor = cursor_of[p]
                while bound_of[cursor] <= move:
                    cursor += 1
                n_reached += cursor - cursor_of[p]
    watch.counts[FIRED], watch.counts[REACHED], watch.counts[DUE], watch.counts[CLAIM_ROWS] = n_fired, n_reached, 0, 0


@kernel
def collect(book: BookTables, index: Index, seen: SeenPrices, active: np.ndarray, watch: Watch, pool: Pool) -> None:
    """What is due: what stands, accounts passed in the lists that fired, entries passed in their wheels."""
    book_amount, account_of, bound_of = book.amount, index.account, index.bound
    falling, rising, same, down, up = index.falling, index.rising, seen.same, seen.down, seen.up
    cursor_of, reach, wheel, copied, fired, count = (watch.cursor, watch.reach, watch.wheel, watch.copied, watch.fired,
                                                   watch.counts)
    due, node, touched = pool.due, pool.node, pool.touched
    slot_account, slot_path, visits, flags, amount = (touched.account, touched.path, touched.visits, touched.flags,
                                                      touched.amount)
    book_cost, cost, until, costs = book.cost, touched.cost, touched.until, book.cost.shape[1]
    n_due, n_slots, free, paths, legs = 0, count[SLOTS], count[FREE], down.shape[1], book_amount.shape[1]
    standing, n_standing = pool.standing, 0
    for j in range(count[STANDING]):
        slot = int(standing[j])
        if active[slot_path[slot]]:
            due[n_due] = slot
            n_due += 1
            flags[slot] |= QUEUED
        else:
            standing[n_standing] = slot
            n_standing += 1
    count[STANDING] = n_standing
    for f in range(count[FIRED]):
        q, p = fired[f] // paths, fired[f] % paths
        move, cursor = int(up[same[rising[q]], p] - down[same[falling[q]], p]), int(cursor_of[q, p])

        while bound_of[cursor] <= move:  # the shared list
            account = int(account_of[cursor])
            cursor += 1
            word, bit = account >> 6, np.int64(1) << (account & 63)
            if copied[p, word] & bit == 0:  # else another pair has brought it here already
                copied[p, word] |= bit
                slot_account[n_slots], slot_path[n_slots] = account, p
                visits[n_slots], flags[n_slots] = 1, QUEUED
                for k in range(legs):
                    amount[n_slots, k] = book_amount[account, k]
                for k in range(costs):
                    cost[n_slots, k] = book_cost[account, k]
                until[n_slots] = 0.0
                due[n_due] = n_slots
                n_due += 1
                n_slots += 1
        cursor_of[q, p] = cursor

        nearest, last = int(bound_of[cursor]), move >> SHIFT  # the wheel, from the old reach to the move
        for bucket in range(max(int(reach[q, p]) >> SHIFT, last - BUCKETS + 1), last + 1):
            n, kept = int(wheel[q, p, bucket & MASK]), 0
            while n != 0:
                after = int(node[n, NEXT])
                if node[n, BOUND] > move:  # not yet, or a later turn of the wheel; whether it is stale is not asked
                    nearest = min(nearest, int(node[n, BOUND]))
                    node[n, NEXT], kept = kept, n
                else:
                    slot = int(node[n, SLOT])
                    if node[n, VISIT] == visits[slot]:
                        visits[slot] += 1  # all its other entries are stale from here on
                        flags[slot] |= QUEUED
                        due[n_due] = slot
                        n_due += 1
                    node[n, NEXT], free = free, n
                n = after
            wheel[q, p, bucket & MASK] = kept
        for bucket in range(last + 1, min(nearest >> SHIFT, last + BUCKETS - 1) + 1):
            if wheel[q, p, bucket & MASK] != 0:  # something in there: look again when the move enters it
                nearest = min(nearest, bucket << SHIFT)
                break
        reach[q, p] = nearest
    count[DUE], count[SLOTS], count[FREE] = n_due, n_slots, free


@kernel
def check(book: BookTables, reserves: Reserves, margins: Margins, seen: SeenPrices, watch: Watch, pool: Pool, tally: Tally,
          tree: Tree, market: np.ndarray) -> None:
    """The exact test, on what is due; the unhealthy become claims, in any order."""
    due, claim, looked = pool.due, pool.claim, tally.looked
    slot_account, slot_path, amount = pool.touched.account, pool.touched.path, pool.touched.amount
    log_price, like, price, stamp, now, unit = seen.log_price, seen.like, seen.price, seen.stamp, seen.number[0], seen.unit
    signature, of_margin = book.signature, book.margin
    n_claims, accounts = 0, signature.shape[0]
    for j in range(watch.counts[DUE]):
        slot = int(due[j])
        account, p = int(slot_account[slot]), int(slot_path[slot])
        if stamp[p] != now:
            stamp[p] = now
            price_path(p, log_price, like, price, unit, tree, market)
        g = signature[account]
        if of_margin[g]:
            backing, debt, _, _, _ = sums_of(slot, p, g, amount, book, margins, price)
        else:
            backing, debt = account_health(slot, p, g, amount, book, reserves, price)
        looked[p] += 1
        if backing < debt:
            claim[n_claims] = (p * accounts + account) << 32 | slot
            n_claims += 1
    watch.counts[CLAIM_ROWS] = n_claims


@kernel
def offer(watch: Watch, pool: Pool, book: BookTables, kind_of: np.ndarray, network_of: np.ndarray, halted: np.ndarray,
          rows: Transactions, n: int) -> None:
    """A transaction row for each unhealthy account of lending; margin accounts are called by their exchange, off chain.

    kind_of, network_of: [protocols]; halted: [protocols, P] until when nobody is called; inf: who is unhealthy stands unseen.
    """
    claim, slot_path, slot_account, called = pool.claim, pool.touched.path, pool.touched.account, pool.called
    signature, protocol, margin = book.signature, book.protocol, book.margin
    path, kind, state, of, ref = rows.path, rows.kind, rows.state, rows.protocol, rows.ref
    n_called, first = 0, n
    for j in range(watch.counts[CLAIM_ROWS]):
        slot = claim[j] & 0xFFFFFFFF
        g = signature[slot_account[slot]]
        if halted[protocol[g], slot_path[slot]] == np.inf:
            continue
        if margin[g]:
            called[n_called] = slot
            n_called += 1
            continue
        path[n], kind[n], state[n], ref[n], of[n] = slot_path[slot], kind_of[protocol[g]], OFFERED, slot, protocol[g]
        rows.network[n] = network_of[protocol[g]]
        n += 1
    watch.counts[CLAIM_ROWS], watch.counts[CALLED] = n - first, n_called


@kernel
def rearm(book: BookTables, index: Index, reserves: Reserves, margins: Margins, seen: SeenPrices, watch: Watch, pool: Pool,
          tree: Tree, market: np.ndarray) -> None:
    """Everything that was due and can be unhealthy again goes back on watch, by what it is seen at now."""
    slot_account, slot_path, visits, flags, amount = (pool.touched.account, pool.touched.path, pool.touched.visits,
                                                      pool.touched.flags, pool.touched.amount)
    due, node, signature, reserve, threshold = pool.due, pool.node, book.signature, book.reserve, book.threshold
    collaterals, debts, first_debt, pair = book.collaterals, book.debts, book.first_debt[0], index.pair
    wheel, reach, falling, rising, down, up, count = (watch.wheel, watch.reach, index.falling, index.rising, seen.down,
                                                      seen.up, watch.counts)
    log_price, like, price, stamp, now, unit = seen.log_price, seen.like, seen.price, seen.stamp, seen.number[0], seen.unit
    same, supply_index, borrow_index = seen.same, reserves.supply_index, reserves.borrow_index
    of_margin = book.margin
    n_nodes, free, standing, n_standing = count[NODES], count[FREE], pool.standing, count[STANDING]
    for j in range(count[DUE]):
        slot = int(due[j])
        flags[slot] &= ~QUEUED
        p, g = int(slot_path[slot]), signature[slot_account[slot]]
        if stamp[p] != now:
            stamp[p] = now
            price_path(p, log_price, like, price, unit, tree, market)
        backing, burden, radius = 0.0, 0.0, 0.0
        if of_margin[g]:
            backing, burden, radius = reach_of(slot, p, g, amount, book, margins, price)
            if radius >= MARGIN_FAR:
                continue  # nothing that moves
        else:
            for k in range(collaterals[g]):
                r = reserve[g, k]
                counts = threshold[g, k] * reserves.counted[book.term[g, k], p]
                value = amount[slot, k] * supply_index[r, p] * price[p, r] * counts
                backing += max(value, 0.0)
                burden -= min(value, 0.0)
            for k in range(first_debt, first_debt + debts[g]):
                r = reserve[g, k]
                value = amount[slot, k] * borrow_index[r, p] * price[p, r]
                burden += max(value, 0.0)
                backing -= min(value, 0.0)
            if backing <= 0.0 or burden <= 0.0:
                continue  # nothing owed, or nothing left to move: neither price nor interest changes that
        if backing < burden:
            standing[n_standing] = slot
            n_standing += 1
            continue
        distance = ticks_below(radius if of_margin[g] else log_(backing / burden))
        for k in range(pair.shape[1]):
            q = pair[g, k]
            if q < 0:
                break
            if free != 0:
                new = int(free)
                free = int(node[new, NEXT])
            else:
                new, n_nodes = n_nodes, n_nodes + 1
            bound = min(int(up[same[rising[q]], p] - down[same[falling[q]], p]) + distance, NEVER - 1)
            bucket = (bound >> SHIFT) & MASK
            node[new, BOUND], node[new, SLOT], node[new, VISIT] = bound, slot, visits[slot]
            node[new, NEXT], wheel[q, p, bucket] = wheel[q, p, bucket], new
            reach[q, p] = min(int(reach[q, p]), bound)
    count[NODES], count[FREE], count[STANDING] = n_nodes, free, n_standing


def search(state: State) -> None:
    """Offer the calls of the block: rows for lending, state.pool.called for exchanges."""
    watch, count = state.watch, state.watch.counts
    find(state.index, state.seen, state.active, watch)
    state.n_called = 0
    if count[FIRED] == 0 and count[STANDING] == 0:
        return
    state.room_for_slots(int(count[SLOTS] + count[REACHED]))
    collect(state.book, state.index, state.seen, state.active, watch, state.pool)
    check(state.book, state.reserves, state.margins, state.seen, watch, state.pool, state.tally, state.tree,
          state.markets.price)
    if count[CLAIM_ROWS]:
        state.pool.claim[:count[CLAIM_ROWS]].sort()  # by path and account
        state.room_for_rows(int(count[CLAIM_ROWS]))
        offer(watch, state.pool, state.book, state.opens, state.home, state.halts.liquidation, state.transactions,
              state.n_rows)
        state.n_rows += int(count[CLAIM_ROWS])
        state.n_called = int(count[CALLED])


def put_back(state: State) -> None:
    """Everything that was looked at in this block goes back on watch."""
    count = state.watch.counts
    if count[DUE]:
        state.room_for_slots(0, int(count[NODES] + state.index.pair.shape[1] * count[DUE]))
        rearm(state.book, state.index, state.reserves, state.margins, state.seen, state.watch, state.pool, state.tree,
              state.markets.price)
        count[DUE] = 0

"""Blocks with finite room, filled by fee: the highest bids first, the first offered among equals. Each network fills its own.

Every included transaction pays gas x bid, also when it reverts, unless it went past the public queue. What finds no room, and
what bids on a network that has no block now, is offered again. Rows of a group stand together: one place, one bid, all or none.
What would trade on a halted market is not ranked: it is offered again when the halt ends.
"""

from __future__ import annotations

import numpy as np

from delever.core.columns import Column, Figure, Value
from delever.core.jit import allocates, helper, kernel, laid_in
from delever.core.outcomes import REVERTED as REVERTS
from delever.core.phase import Phase
from delever.core.route import route_halted
from delever.core.state import Queue, State
from delever.core.tables import (
    BEYOND,
    BLOCK_BUILDERS,
    EXECUTED,
    FAILED,
    HALTED,
    INCLUDED,
    LEAST,
    OFFERED,
    REVERTED,
    WAITING,
    BookTables,
    Networks,
    Reserves,
    Tally,
    Touched,
    Transactions,
    Tree,
)


@laid_in
def follows(i: int, rows: Transactions) -> bool:
    """Whether a row stands in the group of the one before it."""
    return i > 0 and rows.group[i] > 0 and rows.group[i] == rows.group[i - 1] and rows.path[i] == rows.path[i - 1]


@helper
def make_whole(n: int, rows: Transactions) -> None:
    """Rows of a group bid what its first one bids, and none of them takes part unless all of them are offered."""
    state, bid = rows.state, rows.bid
    for i in range(n):
        if follows(i, rows):
            bid[i] = bid[i - 1]
            if state[i - 1] != OFFERED and state[i] == OFFERED:
                state[i] = state[i - 1]
    for i in range(n - 1, 0, -1):
        if follows(i, rows) and state[i] != OFFERED and state[i - 1] == OFFERED:
            state[i - 1] = state[i]


@helper
def any_leg_halted(p: int, i: int, rows: Transactions, tree: Tree, book: BookTables, touched: Touched, reserves: Reserves,
                   trading: np.ndarray) -> float:
    """Until when a market between two legs of a row's account is halted [s]: of a row that is pro rata."""
    slot, until, first = rows.ref[i], -np.inf, book.first_debt[0]
    g = book.signature[touched.account[slot]]
    for c in range(book.collaterals[g]):
        for d in range(first, first + book.debts[g]):
            if touched.amount[slot, c] > 0.0 and touched.amount[slot, d] > 0.0:
                a, b = reserves.asset[book.reserve[g, c]], reserves.asset[book.reserve[g, d]]
                until = max(until, route_halted(p, a, b, -1, tree, trading))
    return until


@kernel
def hold_back(n: int, rows: Transactions, trades: np.ndarray, trading: np.ndarray, time: float, wake: np.ndarray, tree: Tree,
              book: BookTables, touched: Touched, reserves: Reserves) -> None:
    """Rows that would trade on a halted market wait, and their groups with them; the path wakes when the halt ends.

    trades: [kinds]; trading: [M, P] until when each market is halted [s].
    """
    state, kind, holds, path, get, give = rows.state, rows.kind, rows.holds, rows.path, rows.get_asset, rows.give_asset
    for i in range(n):
        if state[i] != OFFERED or not trades[kind[i]] or holds[i]:
            continue
        p, a, b, j = path[i], get[i], give[i], i
        if a >= 0 and b >= 0:
            until = route_halted(p, a, b, rows.venue[i] - 1, tree, trading)
        else:
            until = any_leg_halted(p, i, rows, tree, book, touched, reserves, trading)
        if not until > time:
            continue
        wake[p] = min(wake[p], until)
        while follows(j, rows):
            j -= 1
        state[j] = HALTED
        while j + 1 < n and follows(j + 1, rows):
            j += 1
            state[j] = HALTED


@kernel
def rank(n: int, rows: Transactions, networks: Networks, has_block: np.ndarray, start: np.ndarray, by_place: np.ndarray,
         unfit: np.ndarray) -> None:
    """Fill the blocks: rows in the order included, of each path and network.

    has_block: [N, P] it produces a block now; start: [P * N + 1] where the rows of each path and network begin in `by_place`
    [rows], and behind the last of them where they end; rows of a group are ranked as their first one.
    """
    path, state, bid, network = rows.path, rows.state, rows.bid, rows.network
    chains, places, grouped = has_block.shape[0], start.shape[0] // 2, 0
    for i in range(n):
        grouped += rows.group[i] > 0
    if grouped:
        make_whole(n, rows)
    for i in range(n):
        if state[i] != OFFERED or follows(i, rows):
            continue
        c, p = network[i], path[i]
        if not has_block[c, p]:
            state[i] = WAITING
        elif bid[i] < networks.base_fee[c, p]:
            state[i] = WAITING
            unfit[p] += 1
        else:
            start[p * chains + c + 1] += 1
    end = start[places + 1:]
    for place in range(places):
        start[place + 1] += start[place]
        end[place] = start[place]
    for i in range(n):  # a stable insertion, cut off at the room of the block
        if state[i] != OFFERED or follows(i, rows):
            continue
        c, p = network[i], path[i]
        place, room, limited = p * chains + c, networks.room[c, p], networks.limited[c]
        first, j = start[place], end[place]
        if limited:
            while j > first and bid[by_place[j - 1]] < bid[i]:
                j -= 1
            if j - first >= room:
                state[i] = WAITING
                unfit[p] += 1
                continue
        if limited and end[place] - first == room:
            state[by_place[end[place] - 1]] = WAITING
            unfit[p] += 1
        else:
            end[place] += 1
        for k in range(end[place] - 1, j, -1):
            by_place[k] = by_place[k - 1]
        by_place[j] = i
    for i in range(n):  # a group waits with its first row
        if state[i] == OFFERED and follows(i, rows) and state[i - 1] == WAITING:
            state[i] = WAITING


@kernel
@allocates
def line_up(n: int, rows: Transactions, chains: int, sequential: bool, kinds: int, start: np.ndarray, by_place: np.ndarray,
            queue: np.ndarray, issued: np.ndarray, mover: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the included rows and lay them into slots: (where each (slot, kind) begins in `queue`, grouped rows).

    One after the other each has a slot of its own, across networks in their order; in a batch single rows share slot 0, and
    each group stands alone. Grouped rows are listed behind the others in `queue` once more.
    """
    kind, state, group, number, cause = rows.kind, rows.state, rows.group, rows.number, rows.cause
    places = start.shape[0] // 2
    end = start[places + 1:]
    slot_of = np.zeros(n, np.int64)
    slots, of_groups = 0, 0
    for p in range(places // chains):
        alone, together = 0, 0
        for place in range(p * chains, (p + 1) * chains):
            for k in range(start[place], end[place]):
                i = by_place[k]
                slot = alone if sequential else 0
                alone += 1
                if group[i] > 0 and not sequential:
                    together += 1
                    slot = together
                slots = max(slots, slot + 1)
                j = i
                while j == i or (j < n and follows(j, rows) and state[j] == OFFERED):
                    issued[p] += 1
                    number[j], slot_of[j], state[j] = issued[p], slot, INCLUDED
                    if cause[j] == 0:
                        cause[j] = mover[p]
                    of_groups += group[j] > 0
                    j += 1
    begin = np.zeros(slots * kinds + 1, np.int64)
    for i in range(n):
        if state[i] == INCLUDED:
            begin[slot_of[i] * kinds + kind[i] + 1] += 1
    for c in range(slots * kinds):
        begin[c + 1] += begin[c]
    at = begin[:slots * kinds].copy()
    total = begin[slots * kinds]
    for place in range(places):
        for k in range(start[place], end[place]):
            i = by_place[k]
            j = i
            while j == i or (j < n and follows(j, rows) and state[j] == INCLUDED):
                c = slot_of[j] * kinds + kind[j]
                queue[at[c]] = j
                at[c] += 1
                if group[j] > 0:
                    queue[total] = j
                    total += 1
                j += 1
    return begin, of_groups


@kernel
def close(n: int, rows: Transactions, networks: Networks, liquidates: np.ndarray, time: float, tick: float, clock: int,
          active: np.ndarray, wake: np.ndarray, tokens: np.ndarray, tally: Tally, totals: np.ndarray) -> None:
    """After a block: gas is paid, cascades are counted, and who was busy wakes in the next one.

    liquidates: [kinds] an executed one is a liquidation. time: of this block [s]; tick: of the world's clock [s]; clock:
    blocks of it so far.
    """
    path, kind, state, bid, network, actor = rows.path, rows.kind, rows.state, rows.bid, rows.network, rows.actor
    executed, cascade, longest, fees = tally.executed, tally.cascade, tally.longest, tally.fees
    for p in range(active.shape[0]):
        if tally.called[p] > 0:
            wake[p] = time
        tally.called[p] = 0
    for i in range(n):
        p, c = path[i], network[i]
        if state[i] == EXECUTED or state[i] == REVERTED:
            wake[p] = time
            executed[p] += liquidates[kind[i]] and state[i] == EXECUTED  # beside the calls of exchanges
            if state[i] == REVERTED:
                tally.reverted[p] += 1
                if liquidates[kind[i]]:
                    totals[REVERTS, rows.protocol[i], p] += 1.0
            cost = networks.gas[c, kind[i]] * bid[i] * 1e-9
            if cost > 0.0 and not (state[i] == REVERTED and rows.private[i]):
                tokens[actor[i], networks.native[c], p] -= cost
                tokens[BLOCK_BUILDERS, networks.native[c], p] += cost
                tally.gas[p] += cost
                if state[i] == REVERTED:
                    fees[FAILED, actor[i], c, p] += cost
                else:
                    least = networks.gas[c, kind[i]] * networks.base_fee[c, p] * 1e-9
                    fees[LEAST, actor[i], c, p] += least
                    fees[BEYOND, actor[i], c, p] += cost - least
        elif state[i] == WAITING and bid[i] >= networks.base_fee[c, p]:
            every = networks.every[c]
            wake[p] = min(wake[p], time if every == 1 else ((clock // every + 1) * every - 0.5) * tick)
    for p in range(active.shape[0]):
        if active[p]:
            cascade[p] = cascade[p] + 1 if executed[p] > 0 else 0
            longest[p] = max(longest[p], cascade[p])
            executed[p] = 0


CASCADE = Column("cascade_length", "blocks", "longest row of blocks with liquidations", (
    Figure("cascade_length", "quantile", "95th percentile over paths of the longest row of blocks with liquidations",
           level=0.95),), section="Liquidations")
UNDONE = Column("reverted", "count", "included transactions that reverted")
SPENT = Column("gas", "native", "fees paid")
UNFIT = Column("found_no_room", "count", "transactions that found no room in a block, or bid too little")


class Inclusion(Phase):
    """What goes into the blocks of all networks, and in which order."""

    def __init__(self, liquidates: np.ndarray, trades: np.ndarray, sequential: bool) -> None:
        """[kinds]: liquidates: an executed one is a liquidation; trades: it sells on the market what it gets or gives."""
        self.liquidates, self.trades, self.sequential = liquidates, trades, sequential

    def include(self, state: State) -> None:
        """Decide what goes in; state.queue says what is executed when."""
        n, networks = state.n_rows, state.networks
        if (state.halts.trading > state.time).any():
            hold_back(n, state.transactions, self.trades, state.halts.trading, state.time, state.wake, state.tree, state.book,
                      state.pool.touched, state.reserves)
        clock = (state.step - 1) * state.blocks + state.block
        has_block = (clock % networks.every == 0)[:, None] & (state.halts.network <= state.time)
        places = state.paths * len(networks.every)
        start, by_place = np.zeros(2 * places + 1, np.int64), np.empty(n, np.int64)
        rank(n, state.transactions, networks, has_block, start, by_place, state.tally.unfit)
        row = state.queue.row if len(state.queue.row) >= 2 * n else np.empty(4 * n, np.int64)
        begin, groups = line_up(n, state.transactions, len(networks.every), self.sequential, len(self.liquidates), start,
                                by_place, row, state.tally.issued, state.tally.mover)
        state.queue = Queue(row, begin, row[begin[-1]:begin[-1] + groups], self.sequential and groups == 0)

    def close(self, state: State) -> None:
        """Gas, and who was busy."""
        clock = (state.step - 1) * state.blocks + state.block
        close(state.n_rows, state.transactions, state.networks, self.liquidates, state.time, state.step_length / state.blocks,
              clock, state.active, state.wake, state.ledgers.tokens, state.tally, state.ledgers.totals)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        tally = state.tally
        return [Value(CASCADE, tally.longest), Value(UNDONE, tally.reverted), Value(SPENT, tally.gas), Value(UNFIT, tally.unfit)]

"""The one state of a chunk of paths, in commented groups; every phase reads and writes it, and nothing else.

Axes: P paths of the chunk, A assets (0 is USD), M markets, R reserves, F feeds, S series (2 a reserve: as
collateral, as debt), Q pairs of series.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from delever.core.profile import Profiles
from delever.core.tables import (
    BOOKED,
    COVERABILITY,
    HOLDERS,
    LAYERS,
    ROUNDS,
    BookTables,
    Closings,
    Ledgers,
    Lots,
    Margins,
    Reserves,
    Safety,
    Sales,
    Touched,
    Transactions,
)

NEVER = np.iinfo(np.int32).max  # ticks: a move that does not happen


class Tree(NamedTuple):
    """How assets are priced: markets from each asset up to USD. Shared by all paths."""

    chain: np.ndarray  # [A, L] markets from the (unwrapped) asset up, -1 behind the last
    length: np.ndarray  # [A]
    rate: np.ndarray  # [A] units of the traded asset in one of this one; 1 if not wrapped
    log_rate: np.ndarray  # [A]
    unwrapped: np.ndarray  # [A] the asset itself, or what it wraps
    base: np.ndarray  # [M] asset sold on the market
    quote: np.ndarray  # [M] asset it is paid with
    level: np.ndarray  # [M] 1 at USD, 2 above, ...
    sells: np.ndarray  # [A, A] how many markets of chain(a) a sale of a for b sells on
    buys: np.ndarray  # [A, A] how many markets of chain(b) it then buys on


class Markets(NamedTuple):
    """Prices. Log prices are in units of the quote."""

    exogenous: np.ndarray  # [M, P] e: of the outside world
    consumed: np.ndarray  # [M, P] s: net quantity sold into the venue, base units at full depth
    price: np.ndarray  # [M, P] u: log market price
    depth: np.ndarray  # [2, M, P] factor on the liquidity: 0 bids, 1 asks
    start: np.ndarray  # [M] u at the start
    start_exogenous: np.ndarray  # [M]
    lowest: np.ndarray  # [M, P] lowest u - start so far
    lowest_exogenous: np.ndarray  # [M, P]
    extrapolated: np.ndarray  # [M, P] base units traded beyond what the data quote


class Feeds(NamedTuple):
    """Oracle feeds; each is a log price of a pair of assets, as composed of markets."""

    constant: np.ndarray  # [F] part of the log price that does not move
    market: np.ndarray  # [F, T] its markets, -1 behind the last
    sign: np.ndarray  # [F, T] +1, -1
    answer: np.ndarray  # [F, P] log price as last answered
    updated: np.ndarray  # [F, P] time of that answer [s]
    flight: np.ndarray  # [F, P] answer in flight
    land: np.ndarray  # [F, P] when it may land [s]; inf: none in flight


class SeenPrices(NamedTuple):
    """What protocols see: log prices of reserves composed of feeds, and moves since the start in whole ticks."""

    constant: np.ndarray  # [R]
    feed: np.ndarray  # [R, T] its feeds, -1 behind the last
    sign: np.ndarray  # [R, T] +1, -1
    start: np.ndarray  # [R]
    log_price: np.ndarray  # [R, P]
    down: np.ndarray  # [S, P] int32, move of series (price x index), rounded down
    up: np.ndarray  # [S, P] rounded up
    unit: np.ndarray  # [R] asset in which the protocol counts
    price: np.ndarray  # [P, R] levels in USD, only for paths looked at: see stamp
    stamp: np.ndarray  # [P] the look at which `price` was filled
    number: np.ndarray  # [1] of the present look


class Index(NamedTuple):
    """Who can be unhealthy: one list a pair of series, sorted by log health. Shared by all paths."""

    falling: np.ndarray  # [Q] series that backs the account
    rising: np.ndarray  # [Q] series that burdens it
    first: np.ndarray  # [Q] where the pair's list begins; each list ends with a bound of NEVER
    account: np.ndarray  # [entries]
    bound: np.ndarray  # [entries] ticks, ascending: the move that puts the account in reach
    pair: np.ndarray  # [signatures, most] pairs of a signature, -1 behind the last


class Watch(NamedTuple):
    """What each path still waits for."""

    cursor: np.ndarray  # [Q, P] next entry of the shared list
    reach: np.ndarray  # [Q, P] ticks: no account is in reach below this move
    wheel: np.ndarray  # [Q, P, BUCKETS] first node of each bucket, 0 = empty
    copied: np.ndarray  # [P, words] a bit an account: has been copied
    slot_of: np.ndarray  # [P, accounts] slot of its copy, where `copied` says so, of the first ENTERED slots; [P, 0]: nobody asks
    fired: np.ndarray  # [Q * P] pairs that fired
    counts: np.ndarray  # [COUNTERS]


class Pool(NamedTuple):
    """Touched accounts and wheel entries of a chunk; doubled when they run out."""

    touched: Touched
    due: np.ndarray  # [slots] slots to check in this block
    claim: np.ndarray  # [slots] (path, account, slot) of the unhealthy in one sortable integer
    called: np.ndarray  # [slots] slots of unhealthy margin accounts in this block, in the order of path and account
    standing: np.ndarray  # [slots] slots left unhealthy, due again in the path's next block
    node: np.ndarray  # [nodes, 4] linked lists: bound, slot, visit, next; node 0 unused


class Flows(NamedTuple):
    """What happened to positions, in USD at the mark, and what it cost."""

    liquidated: np.ndarray  # [R, P] closed by engines: on books, or close-outs
    taken: np.ndarray  # [R, P] taken over by the vault
    deleveraged: np.ndarray  # [R, P] of winners, closed by ADL
    haircut: np.ndarray  # [R, P] what winners lost by it against the mark
    slippage: np.ndarray  # [R, P] what closing on books cost against the mark


class Queue(NamedTuple):
    """Included transactions by slot and kind."""

    row: np.ndarray  # [rows] row numbers, sorted by (slot, kind), then path and order of inclusion
    start: np.ndarray  # [slots * kinds + 1] where each (slot, kind) begins


class Tally(NamedTuple):
    """What is counted on each path."""

    executed: np.ndarray  # [P] claims executed in this block, calls of margin accounts included
    called: np.ndarray  # [P] margin accounts called in this block
    cascade: np.ndarray  # [P] blocks in a row with executed claims, up to now
    longest: np.ndarray  # [P] the longest such row
    answers: np.ndarray  # [P] oracle answers that landed
    reverted: np.ndarray  # [P] included transactions that reverted
    unfit: np.ndarray  # [P] transactions that found no room, or bid too little
    looked: np.ndarray  # [P] exact health checks
    gas: np.ndarray  # [P] fees paid, units of the native asset
    forced: np.ndarray  # [A, P] units of each traded asset that liquidators sold


@dataclass
class State:
    """Everything that changes in a chunk of paths."""

    first_path: int
    paths: int
    seed: np.ndarray  # [2] Philox key
    step_length: float  # [s]
    blocks: int  # in a step

    # the clock
    step: int = 0
    block: int = 0
    time: float = 0.0  # at the end of the block [s]

    # the world
    tree: Tree = field(kw_only=True)
    profiles: Profiles = field(kw_only=True)
    markets: Markets = field(kw_only=True)
    feeds: Feeds = field(kw_only=True)
    seen: SeenPrices = field(kw_only=True)
    reserves: Reserves = field(kw_only=True)

    # accounts
    book: BookTables = field(kw_only=True)
    index: Index = field(kw_only=True)
    watch: Watch = field(kw_only=True)
    pool: Pool = field(kw_only=True)

    # exchanges, and what stands behind every protocol
    margins: Margins = field(kw_only=True)
    safety: Safety = field(kw_only=True)
    flows: Flows = field(kw_only=True)
    closings: Closings = field(kw_only=True)
    n_closings: int = 0
    n_called: int = 0  # margin accounts called in this block: state.pool.called
    fallen: np.ndarray = field(kw_only=True)  # [slots] called accounts that are below zero, in order; -1: absorbed
    n_fallen: int = 0

    # transactions of the block
    transactions: Transactions = field(kw_only=True)
    n_rows: int = 0
    sales: Sales = field(kw_only=True)
    n_sales: int = 0
    active: np.ndarray = field(kw_only=True)  # [P] takes part in this block
    queue: Queue = field(kw_only=True)
    wake: np.ndarray = field(kw_only=True)  # [P] when the path has next something to do [s]; inf: nothing that is known
    changed: np.ndarray = field(kw_only=True)  # [P] something was executed in this block: what was offered must be looked at anew
    lots: Lots = field(kw_only=True)
    n_lots: int = 0
    slot: int = 0  # of the block that is being executed
    claim_kind: np.ndarray = field(kw_only=True)  # [protocols] kind of transaction that unhealthy accounts offer

    # accounts of who has what
    ledgers: Ledgers = field(kw_only=True)
    tally: Tally = field(kw_only=True)

    def room_for_slots(self, slots: int, nodes: int = 0) -> None:
        """Lengthen the pool until so many touched accounts and wheel entries fit."""
        pool = self.pool
        if len(pool.due) >= slots and len(pool.node) >= nodes:
            return
        touched = pool.touched
        if len(pool.due) < slots:
            touched = new_touched(*longer((who_of(touched), touched.amount, touched.cost, touched.until), slots))
            (self.fallen,) = longer((self.fallen,), slots)
        due, claim, called, standing = longer((pool.due, pool.claim, pool.called, pool.standing), slots)
        (node,) = longer((pool.node,), nodes)
        self.pool = Pool(touched, due, claim, called, standing, node)

    def room_for_rows(self, more: int) -> None:
        """Lengthen the transaction table until `more` rows fit."""
        self.transactions = Transactions(*longer(self.transactions, self.n_rows + more))

    def room_for_lots(self, more: int) -> None:
        """Lengthen the table of lots until `more` fit."""
        self.lots = Lots(*longer(self.lots, self.n_lots + more))

    def room_for_closings(self, more: int) -> None:
        """Lengthen the list of deleveraged positions until `more` fit."""
        self.closings = Closings(*longer(self.closings, self.n_closings + more))

    def room_for_sales(self, more: int) -> None:
        """Lengthen the table of sales until `more` rows fit."""
        self.sales = Sales(*longer(self.sales, self.n_sales + more))


def longer(table: tuple[np.ndarray, ...], size: int) -> tuple[np.ndarray, ...]:
    """The columns of a table, doubled until they hold `size` rows."""
    have = len(table[0])
    if have >= size:
        return table
    while have < size:
        have *= 2
    return tuple(_longer(column, have) for column in table)


def _longer(column: np.ndarray, size: int) -> np.ndarray:
    """A copy of `size` rows; what is new is zero, and no memory until it is written."""
    out = np.zeros((size, *column.shape[1:]), column.dtype)
    out[:len(column)] = column
    return out


def new_touched(who: np.ndarray, amount: np.ndarray, cost: np.ndarray, until: np.ndarray) -> Touched:
    """Columns of one table [slots, 4], so that what is known of an account lies in one cache line."""
    return Touched(who[:, 0], who[:, 1], who[:, 2], who[:, 3], amount, cost, until)


def who_of(touched: Touched) -> np.ndarray:
    """That table."""
    table = touched.account.base
    assert isinstance(table, np.ndarray)
    return table


def new_transactions(size: int) -> Transactions:
    """An empty transaction table."""
    i, f = np.int64, np.float64
    return Transactions(*(np.zeros(size, kind) for kind in (i, i, i, i, i, i, i, f, f, f, f)))


def new_lots(size: int) -> Lots:
    """Nothing is for sale."""
    i, f = np.int64, np.float64
    return Lots(*(np.zeros(size, kind) for kind in (i,) * 8 + (f,) * 5))


def new_sales(size: int) -> Sales:
    """An empty table of sales."""
    i, f = np.int64, np.float64
    return Sales(*(np.zeros(size, kind) for kind in (i, i, i, i, i, f, f)))


def new_tally(assets: int, paths: int) -> Tally:
    """Counts at zero."""
    counts = [np.zeros(paths, np.int64) for _ in Tally._fields[:-2]]
    return Tally(*[*counts, np.zeros(paths), np.zeros((assets, paths))])


def new_ledgers(assets: int, reserves: int, protocols: int, outcomes: int, paths: int) -> Ledgers:
    """Ledgers at zero."""
    return Ledgers(tokens=np.zeros((HOLDERS, assets, paths)), booked=np.zeros((BOOKED, reserves, paths)),
                   scaled=np.zeros((2, reserves, paths)), totals=np.zeros((outcomes, protocols, paths)),
                   turnover=np.zeros((assets, paths)))


def new_flows(reserves: int, paths: int) -> Flows:
    """Nothing has happened."""
    return Flows(*(np.zeros((reserves, paths)) for _ in Flows._fields))


def new_closings(size: int) -> Closings:
    """An empty list of deleveraged positions."""
    i, f = np.int64, np.float64
    return Closings(*(np.zeros(size, kind) for kind in (i, i, i, i, f, f, f)))


def new_safety(fund: np.ndarray, vault: np.ndarray, backed: np.ndarray, paths: int) -> Safety:
    """Funds and vaults at the start. fund, vault: [R] units; backed: [protocols]."""
    def across(row: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.repeat(row[:, None], paths, axis=1))

    protocols = len(backed)
    rounds = np.zeros((ROUNDS, protocols, paths))
    rounds[COVERABILITY] = np.inf
    return Safety(across(fund), across(vault), backed, np.zeros((LAYERS, protocols, paths)), rounds,
                  np.full((LAYERS, protocols, paths), np.inf), np.full((2, protocols, paths), np.inf))


__all__ = [
    "NEVER",
    "Feeds",
    "Flows",
    "Index",
    "Markets",
    "Pool",
    "Queue",
    "SeenPrices",
    "State",
    "Tally",
    "Tree",
    "Watch",
    "longer",
    "new_closings",
    "new_flows",
    "new_ledgers",
    "new_lots",
    "new_safety",
    "new_sales",
    "new_tally",
    "new_touched",
    "new_transactions",
]

"""The one state of a chunk of paths, in commented groups; every phase reads and writes it, and nothing else.

Axes: P paths of the chunk, A assets (0 is USD), M markets, R reserves, F feeds, S series (2 a reserve: as
collateral, as debt), Q pairs of series.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from delever.core.backing import Backing
from delever.core.empty import longer, new_touched, who_of
from delever.core.exchange_tables import Closings, Fallen, Flows, Margins, Safety
from delever.core.holdings import Bridges, Messages, Purses
from delever.core.profile import Profiles
from delever.core.tables import (
    Accounts,
    Bids,
    BookTables,
    Halts,
    Ledgers,
    Limits,
    Liquidity,
    Lots,
    Markets,
    Moment,
    Networks,
    Records,
    Reserves,
    Sales,
    SeenPrices,
    Tally,
    Touched,
    Transactions,
    Tree,
)

Group = TypeVar("Group", bound=tuple[Any, ...])
NEVER = np.iinfo(np.int32).max  # ticks: a move that does not happen


class Feeds(NamedTuple):
    """Oracle feeds; each is a log price of a pair of assets, as composed of markets."""

    constant: np.ndarray  # [F] part of the log price that does not move
    market: np.ndarray  # [F, T] its markets, -1 behind the last
    sign: np.ndarray  # [F, T] +1, -1
    answer: np.ndarray  # [F, P] log price as last answered
    updated: np.ndarray  # [F, P] time of that answer [s]
    flight: np.ndarray  # [F, P] answer in flight
    land: np.ndarray  # [F, P] when it may land [s]; inf: none in flight
    bias: np.ndarray  # [F] what it adds to the log price it looks at: 0, unless it lies


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


class Queue(NamedTuple):
    """Included transactions by slot and kind."""

    row: np.ndarray  # [rows] row numbers, sorted by (slot, kind), then path and order of inclusion
    start: np.ndarray  # [slots * kinds + 1] where each (slot, kind) begins
    grouped: np.ndarray  # [grouped rows] those that are carried out all or none
    alone: bool  # no slot has two rows of one path


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
    backing: Backing = field(kw_only=True)
    reserves: Reserves = field(kw_only=True)
    limits: Limits = field(kw_only=True)
    restated: int = 0  # how often an event has stated terms or limits anew: who moves them looks again

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

    # transactions of the block, and who takes part
    transactions: Transactions = field(kw_only=True)
    n_rows: int = 0
    sales: Sales = field(kw_only=True)
    n_sales: int = 0
    queue: Queue = field(kw_only=True)
    slot: int = 0  # of the block that is being executed
    active: np.ndarray = field(kw_only=True)  # [P] takes part in this block
    changed: np.ndarray = field(kw_only=True)  # [P] something was executed in this block: what was offered is looked at anew
    wake: np.ndarray = field(kw_only=True)  # [P] when the path has next something to do [s]; inf: nothing that is known

    # what outlives a block
    lots: Lots = field(kw_only=True)
    n_lots: int = 0
    bids: Bids = field(kw_only=True)
    english: np.ndarray = field(kw_only=True)  # [protocols, 5] terms of its auctions (core/english.py); BEG 0: it has none
    networks: Networks = field(kw_only=True)
    home: np.ndarray = field(kw_only=True)  # [protocols] network
    coined: np.ndarray = field(kw_only=True)  # numbers of the exchanges that count in a coin
    halts: Halts = field(kw_only=True)
    purses: Purses = field(kw_only=True)
    bridges: Bridges = field(kw_only=True)
    messages: Messages = field(kw_only=True)  # between chains
    n_messages: int = 0
    moves: np.ndarray = field(kw_only=True)  # [M] log-moves of outside prices that the scenario brings in this step
    opens: np.ndarray = field(kw_only=True)  # [protocols] kind of transaction that an unhealthy account offers; -1: none
    weight: np.ndarray = field(kw_only=True)  # [P] how much the path counts; known at the end where scenario.tail is

    # accounts of who has what
    ledgers: Ledgers = field(kw_only=True)
    tally: Tally = field(kw_only=True)

    groups: dict[type, Any] = field(default_factory=dict)  # see `group`

    @property
    def accounts(self) -> Accounts:
        """Who is in it."""
        return self.group(Accounts, self.pool.touched, self.book, self.reserves, self.margins, self.seen.price)

    @property
    def liquidity(self) -> Liquidity:
        """What can be traded."""
        return self.group(Liquidity, self.tree, self.profiles, self.markets)

    @property
    def records(self) -> Records:
        """Who has what."""
        return self.group(Records, self.ledgers, self.flows, self.safety, self.tally)

    @property
    def below_zero(self) -> Fallen:
        """Whom the layers of the default waterfall still find below zero."""
        return Fallen(self.fallen, self.n_fallen, self.active)

    @property
    def now(self) -> Moment:
        """When it happens."""
        return Moment(self.step, self.time)

    def group(self, kind: type[Group], *members: Any) -> Group:
        """Tables that are handed on together, made once: kernels know a table again that they have seen (core/jit.py)."""
        known = self.groups.get(kind)
        if known is None or any(one is not other for one, other in zip(known, members, strict=True)):
            known = self.groups[kind] = kind(*members)
        return cast(Group, known)

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
        self.transactions = longer(self.transactions, self.n_rows + more)

    def room_for_lots(self, more: int) -> None:
        """Lengthen the table of lots, and what is bid for them, until `more` fit."""
        self.lots, self.bids = longer(self.lots, self.n_lots + more), longer(self.bids, self.n_lots + more)

    def room_for_messages(self, more: int) -> None:
        """Lengthen the table of messages between chains until `more` fit."""
        self.messages = longer(self.messages, self.n_messages + more)

    def room_for_closings(self, more: int) -> None:
        """Lengthen the list of deleveraged positions until `more` fit."""
        self.closings = longer(self.closings, self.n_closings + more)

    def room_for_sales(self, more: int) -> None:
        """Lengthen the table of sales until `more` rows fit."""
        self.sales = longer(self.sales, self.n_sales + more)

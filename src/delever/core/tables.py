"""The tables that phases share: plain named arrays, axes on every line.

Axes: paths (P) = paths of the chunk; markets (M) = traded pairs, each an asset against its quote, and behind them
further venues of pairs whose venues are apart; assets (A), 0 is USD;
reserves (R) = one asset of one protocol; series (S), 2 a reserve: as collateral, as debt; legs = an account's collateral
legs first, then its debt legs.

Kernels take few arguments: what is passed on together is one of the groups at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.exchange_tables import Flows, Margins, Safety
from delever.core.profile import Profiles

# States of a transaction. NOTHING: not to be called now; HALTED: a market that it needs is closed.
OFFERED, DECLINED, INCLUDED, EXECUTED, REVERTED, WAITING, NOTHING, HALTED = range(8)
HIT, ANSWERED, QUEUED, UNCOVERED = 1, 2, 4, 8  # Touched.flags: was liquidated, has topped up, stands in the list of what is
# due, was not called because the reserve was empty
SLOTS, NODES, FREE, FIRED, REACHED, DUE, CLAIM_ROWS, STANDING, CALLED, ENTERED, COUNTERS = range(11)  # Watch.counts


class BookTables(NamedTuple):
    """Accounts, sorted by signature (the assets they hold and owe); shared by all paths, never written."""

    amount: np.ndarray  # [accounts, legs] units at index 1; a signed remainder may be negative
    signature: np.ndarray  # [accounts]
    protocol: np.ndarray  # [signatures]
    reserve: np.ndarray  # [signatures, legs] reserve of the leg, 0 behind the last
    threshold: np.ndarray  # [signatures, legs] liquidation threshold, share; 0 for debts
    incentive: np.ndarray  # [signatures, legs] liquidation incentive (bonus), share: 0.05; 0 for debts
    seizable: np.ndarray  # [signatures, legs] collateral a liquidator may take, debt it may repay
    collaterals: np.ndarray  # [signatures] number of collateral legs, at legs 0..n-1
    debts: np.ndarray  # [signatures] number of debt legs, at legs first_debt..first_debt+n-1
    first_debt: np.ndarray  # [1] the leg at which debts begin
    margin: np.ndarray  # [signatures] 0: collateral against debt; 1: a margin account, its "debts" are positions (signed)
    cost: np.ndarray  # [accounts, legs] size x entry price of positions [USD]; [accounts, 0] without exchanges
    term: np.ndarray  # [signatures, legs] whose term counts (core/terms.py): the leg's reserve, or a category of it


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
    pair: np.ndarray  # [M] the first venue's row of the same pair: the row in chains
    other: np.ndarray  # [M] the next venue's row of the same pair, -1: none. Pairs that are one market have none


class Markets(NamedTuple):
    """Prices. Log prices are in units of the quote."""

    exogenous: np.ndarray  # [M, P] e: of the outside world
    consumed: np.ndarray  # [M, P] s: net quantity sold into the venue, base units at full depth
    price: np.ndarray  # [M, P] u: log market price
    depth: np.ndarray  # [2, M, P] factor on the liquidity: 0 bids, 1 asks; a side at 0 trades nothing
    start: np.ndarray  # [M] u at the start
    start_exogenous: np.ndarray  # [M]
    lowest: np.ndarray  # [M, P] lowest u - start so far
    lowest_exogenous: np.ndarray  # [M, P]
    extrapolated: np.ndarray  # [M, P] base units traded beyond what the data quote
    fee: np.ndarray  # [2, M, P] share kept: 0 of what a trader gives, 1 of what he gets
    profile: np.ndarray  # [M, P] row of Profiles; m, unless it is the path's own
    closed: np.ndarray  # [M, P] 1: no best price is looked for there, for it is halted; kept of pairs with several venues


class Reserves(NamedTuple):
    """One row for each asset of each protocol."""

    protocol: np.ndarray  # [reserves]
    asset: np.ndarray  # [reserves]
    supply_index: np.ndarray  # [reserves, P] now
    borrow_index: np.ndarray  # [reserves, P]
    log_supply: np.ndarray  # [reserves, P] their logs: terms of the moves of series
    log_borrow: np.ndarray  # [reserves, P]
    cash: np.ndarray  # [reserves] units that can be taken out at the start; inf: without end
    owed: np.ndarray  # [reserves] units owed at the start, also by whom the book lacks
    dust: np.ndarray  # [reserves] units that are nothing: what rounding may leave of all that was there
    # terms: the reserves first, then their efficiency-mode categories; see core/terms.py
    of_term: np.ndarray  # [terms] reserve
    alone: np.ndarray  # [reserves] 1: it has one term
    counted: np.ndarray  # [terms, P] factor on thresholds, on what collateral counts for, on a perp's maintenance margin
    bonus: np.ndarray  # [terms, P] factor on the liquidation incentive
    moving: np.ndarray  # [reserves] row of log_term; -1: nobody moves its terms
    log_term: np.ndarray  # [2, moving, P] what its terms have done to its series: at most fallen, at most risen
    term_ticks: np.ndarray  # [2, moving, P] the same in whole ticks, rounded outwards


class Limits(NamedTuple):
    """What reserves take in and lend no more than (core/limits.py); without end where nothing is stated. Votes and policies move
    it, path by path."""

    supply: np.ndarray  # [R, P] units
    borrow: np.ndarray  # [R, P] units
    ceiling: np.ndarray  # [R, P] of debt against it alone [USD]
    siloed: np.ndarray  # [R] 1: a debt that must be the only one
    isolable: np.ndarray  # [R] 1: may be borrowed against collateral with a ceiling alone
    barred: np.ndarray  # [accounts, debt legs] 1: their category may not borrow more of it; [0, 0]: nothing is stated
    held: np.ndarray  # [R] units that accounts hold at the start
    first: np.ndarray  # [R + 1] where the accounts begin whose only collateral it is, of reserves with a ceiling
    alone: np.ndarray  # [those accounts]


class SeenPrices(NamedTuple):
    """What protocols see: log prices of reserves composed of feeds, and moves since the start in whole ticks."""

    constant: np.ndarray  # [R]
    feed: np.ndarray  # [R, T] its feeds, -1 behind the last
    sign: np.ndarray  # [R, T] +1, -1
    start: np.ndarray  # [R]
    log_price: np.ndarray  # [R, P] kept where like[r] == r
    down: np.ndarray  # [S, P] int32, move of series (price x index), rounded down
    up: np.ndarray  # [S, P] rounded up
    unit: np.ndarray  # [R] asset in which the protocol counts
    price: np.ndarray  # [P, R] levels in USD, only for paths looked at: see stamp
    stamp: np.ndarray  # [P] the look at which `price` was filled
    number: np.ndarray  # [1] of the present look
    like: np.ndarray  # [R] first reserve that is seen at the same price, always; mostly itself
    same: np.ndarray  # [S] first series that moves alike, always; mostly itself: pairs read that one's moves
    falls: np.ndarray  # [S] whether a pair reads how far the series has fallen: else `down` is not kept
    rises: np.ndarray  # [S] the same of `up`
    beyond: np.ndarray  # [1] a reserve + 1 that was seen, or whose terms went, further than ticks hold; 0: none was


class Touched(NamedTuple):
    """Accounts that have been in reach, copied when they first were; one row ("slot") a path and account."""

    account: np.ndarray  # [slots]
    path: np.ndarray  # [slots]
    visits: np.ndarray  # [slots] wheel entries of an earlier visit are stale
    flags: np.ndarray  # [slots] HIT, ANSWERED
    amount: np.ndarray  # [slots, legs] the private copy
    cost: np.ndarray  # [slots, legs or 0] of positions, as in BookTables
    until: np.ndarray  # [slots] end of a cool-down [s]


LEAST, BEYOND, FAILED = range(3)  # fees of what was carried out: the least, what was bid beyond it; of what reverted
FEES = 3


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
    issued: np.ndarray  # [P] transactions included so far, which numbers them
    mover: np.ndarray  # [P] number of the last transaction of this step that moved a price or an answer; 0: none has
    gas: np.ndarray  # [P] fees paid, units of the native asset
    forced: np.ndarray  # [A, P] units of each traded asset that liquidators sold
    fees: np.ndarray  # [FEES, holders, networks, P] what each of them paid for what, units of the native asset


class Transactions(NamedTuple):
    """The transactions of a block: everything that competes for its room. Offered anew in each block; what is 0 is not stated.

    An actor brings `give` and gets `get`, of which the protocol keeps `kept`. Whoever bids reads nothing else of a row.
    """

    path: np.ndarray  # [rows]
    kind: np.ndarray  # [rows] place in the list of kinds
    state: np.ndarray  # [rows] NOTHING is set by who sizes it, never read from a size
    protocol: np.ndarray  # [rows] whose rules apply
    ref: np.ndarray  # [rows] touched slot, feed, order or lot
    give_asset: np.ndarray  # [rows] what the actor brings: debt repaid, collateral added, what is sold; -1: every one, pro rata
    get_asset: np.ndarray  # [rows] what he takes; -1: every one, pro rata
    network: np.ndarray  # [rows] for whose block it competes
    actor: np.ndarray  # [rows] who sends it and pays its gas: his row of the token ledger; NOBODY: not taken yet
    private: np.ndarray  # [rows] 1: sent past the public queue; costs nothing when it fails
    holds: np.ndarray  # [rows] 1: the actor keeps what he gets, and does not sell it in the same transaction
    must_pay: np.ndarray  # [rows] 1: it fails at its slot if selling what it gets would not bring what it gives;
    # 2: and that is borrowed for so long
    group: np.ndarray  # [rows] rows of one path that follow each other under one number (that of the first + 1) are carried out
    # all or none: one place, one network and the first one's bid; 0: alone
    cause: np.ndarray  # [rows] number of the transaction that led to it, on its path; 0: the outside
    number: np.ndarray  # [rows] its own, on its path, from 1; 0: not included
    venue: np.ndarray  # [rows] 1 + the market's row on which its sale trades that pair; 0: wherever that brings most
    give: np.ndarray  # [rows] units, or a share of each
    get: np.ndarray  # [rows] units, or a share of each, before `kept`
    kept: np.ndarray  # [rows] part of `get` that the protocol keeps as its fee
    most: np.ndarray  # [rows] the most that the actor brings, units; 0: whatever the rules allow
    bid: np.ndarray  # [rows] fee bid, gwei a unit of gas
    brought: np.ndarray  # [rows] once executed: units that its sale on the market brought
    unsold: np.ndarray  # [rows] once executed: units of what was sold that found no buyer on its first market


class Lots(NamedTuple):
    """What is for sale: auctions. Transactions stay until the chunk ends; `open` says which still are."""

    path: np.ndarray  # [lots]
    protocol: np.ndarray  # [lots]
    slot: np.ndarray  # [lots] touched account that it came from
    get_asset: np.ndarray  # [lots] what is sold
    give_asset: np.ndarray  # [lots] what is asked for it
    leg: np.ndarray  # [lots] its leg of the account, where what is left goes back
    reserve: np.ndarray  # [lots] reserve that is owed
    open: np.ndarray  # [lots] 1: for sale; 0: the row is free
    cause: np.ndarray  # [lots] number of the transaction that opened it
    units: np.ndarray  # [lots] left, units
    owed: np.ndarray  # [lots] debt left, units, without penalty
    tab: np.ndarray  # [lots] what must come in, penalty included
    started: np.ndarray  # [lots] [s]
    top: np.ndarray  # [lots] price at that moment, units of give_asset a unit


class Bids(NamedTuple):
    """What stands on lots that go to whoever bids most: row by row beside Lots."""

    bid: np.ndarray  # [lots] units of give_asset that have been paid, 0: none
    bidder: np.ndarray  # [lots] by whom: his row of the token ledger; NOBODY: none
    until: np.ndarray  # [lots] when that bid stands unless another beats it [whole s]; inf: there is none
    ends: np.ndarray  # [lots] when nobody may bid any more [whole s]


class Sales(NamedTuple):
    """What executed transactions put on the market: sell one asset for another."""

    row: np.ndarray  # [sales] transaction, -1: none
    path: np.ndarray  # [sales]
    holder: np.ndarray  # [sales] whose ledger it is
    sold_asset: np.ndarray  # [sales]
    bought_asset: np.ndarray  # [sales]
    forced: np.ndarray  # [sales] 1: of collateral that was taken
    sold: np.ndarray  # [sales] units
    amount: np.ndarray  # [sales] on its way along the route; at the end units of the bought asset


class Ledgers(NamedTuple):
    """What moved since the start, on each path: double entry, written by whoever moves it."""

    tokens: np.ndarray  # [HOLDERS + actors, assets, paths] units gained by each holder; actors of the world have a row each
    booked: np.ndarray  # [BOOKED, reserves, paths] units of claims on each reserve, at the index of the event
    scaled: np.ndarray  # [2, reserves, paths] change of accounts' amounts at index 1: 0 collateral, 1 debt
    moved: np.ndarray  # [2, reserves, paths] what owners moved of these themselves, whichever way: a residual is measured by it
    size: np.ndarray  # [reserves, paths] change of what accounts and vaults hold of a perp, long and short added up [units]
    totals: np.ndarray  # [outcomes, protocols, paths] columns as in core/outcomes.py
    turnover: np.ndarray  # [assets, paths] units that changed hands on venues, gross: what a residual is measured by


class Accounts(NamedTuple):
    """Who is in it: accounts as they stand, what their positions ask for, and what they are valued at."""

    touched: Touched
    book: BookTables
    reserves: Reserves
    margins: Margins
    price: np.ndarray  # [paths, reserves] as protocols see them [USD]; fresh on the paths that are looked at


class Liquidity(NamedTuple):
    """What can be traded, where, and how far that moves the price."""

    tree: Tree
    profiles: Profiles
    markets: Markets


class Records(NamedTuple):
    """Who has what: the double entry, what happened to positions, what stands behind each protocol, what is counted."""

    ledgers: Ledgers
    flows: Flows
    safety: Safety
    tally: Tally


class Moment(NamedTuple):
    """When it happens."""

    step: int
    time: float  # at the end of the block [s]


class Networks(NamedTuple):
    """The chains for whose blocks transactions compete. Without one everything is included, and gas is free."""

    every: np.ndarray  # [networks] blocks of the world's clock from one of its own to the next
    native: np.ndarray  # [networks] asset in which gas is paid
    gas: np.ndarray  # [networks, kinds] units of gas of a transaction
    limited: np.ndarray  # [networks] 1: finite room, filled by fee
    room: np.ndarray  # [networks, paths] transactions that fit in a block
    base_fee: np.ndarray  # [networks, paths] least bid [gwei]


class Halts(NamedTuple):
    """Until when something is halted [s], that moment not included; -inf: it is not. Policies and events write it.

    What waits wakes its path when the halt ends. Whoever opens positions or trades off chain asks himself.
    """

    liquidation: np.ndarray  # [protocols, paths] calls, auctions, engines; owners see what is due all the same. inf: nobody looks
    opening: np.ndarray  # [protocols, paths] new loans and positions, and larger ones; smaller ones are free
    trading: np.ndarray  # [markets, paths] rows of kinds that trade wait, engines and vaults too; outside prices move on
    network: np.ndarray  # [networks, paths] no blocks
    feed: np.ndarray  # [feeds, paths] does not look at the market
    bridge: np.ndarray  # [bridges, paths] nothing leaves, nothing arrives; inf: dead


# Who holds: rows of the token ledger, which add up to nothing for every asset and path. Actors of the world come behind.
# ISSUER goes short of what it mints, and has back what is burned.
(CASH, WRAPPER, VENUES, MAKERS, ARBITRAGEURS, OWNERS, ORDER_OWNERS, REPORTERS, BLOCK_BUILDERS, FUND, VAULT, FUNDING,
 OUTSIDE, IN_FLIGHT, ISSUER, BANDS) = range(16)
HOLDERS = 16
NOBODY = CASH  # a row of Transactions without an actor: a protocol's cash sends none
# Claims on a protocol: its cash + DEBTS + DEFICIT = DEPOSITS + TREASURY for every reserve and path, as changes.
# OWN_DEPOSITS and OWN_DEBTS are parts of them, noted apart: what owners and lenders moved themselves, and by what claims were
# cut; the rest is what liquidations moved. COVERED: deficits that layers of the waterfall took away.
# STOLEN: deficits, covered or not, that no account has left: cash that was taken.
DEPOSITS, DEBTS, TREASURY, DEFICIT, OWN_DEPOSITS, OWN_DEBTS, COVERED, STOLEN = range(8)
BOOKED = 8

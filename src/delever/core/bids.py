"""Bids on lots of English auctions as transactions, in double entry: a bid, taking the lot, another term where nobody bid.

    bid     give = what is bid, get = units asked for, as offered; it reverts where another came first. Its money is the
            protocol's at once, less what the bidder before gets back; of it debt is repaid first, the rest is penalty
    deal    the lot is the winner's; debt that was not raised becomes a deficit, which surplus heals
    tick    an auction that ended without a bid runs for another tau
What a bid asks for is had at the deal, so `get` of an executed bid is 0. Source: makerdao/dss (flip.sol @03c6df6; vow.sol).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from delever.core.english import BEG, COUNTED_AT, TAU, TTL, is_over, lowers, may_bid, raises, seconds
from delever.core.jit import helper, kernel
from delever.core.lots import still_open
from delever.core.outcomes import DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.state import Pool, State, Watch
from delever.core.surplus import heal
from delever.core.tables import (
    CASH,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    HOLDERS,
    INCLUDED,
    NOBODY,
    REVERTED,
    TREASURY,
    Bids,
    BookTables,
    Ledgers,
    Lots,
    Reserves,
    Touched,
    Transactions,
)
from delever.core.touch import watch_again

KICKED, BID, DEALT, FOR_NOTHING, TICKED = range(5)  # counters of a protocol's auctions, from english[COUNTED_AT] on
NOTHING_PAID = 0.01  # share of the tab below which a lot is won for nothing: a convention


@helper
def stands(i: int, rows: Transactions, english: np.ndarray, now: float, lots: Lots, bids: Bids) -> bool:
    """Whether a bid would be accepted now. english: [protocols, terms]; now: [whole s]."""
    k, beg = rows.ref[i], english[rows.protocol[i], BEG]
    if not still_open(i, rows, lots) or not may_bid(bids.until[k], bids.ends[k], now):
        return False
    if bids.bid[k] < lots.tab[k]:
        return rows.get[i] == lots.units[k] and raises(rows.give[i], bids.bid[k], lots.tab[k], beg)
    return rows.give[i] == bids.bid[k] and lowers(rows.get[i], lots.units[k], beg)


@kernel
def still_stand(picked: np.ndarray, rows: Transactions, english: np.ndarray, now: float, lots: Lots, bids: Bids) -> None:
    """Bids that others have beaten since they were offered revert."""
    for i in picked:
        if rows.state[i] == INCLUDED and not stands(i, rows, english, now, lots, bids):
            rows.state[i] = REVERTED


@kernel
def place(picked: np.ndarray, rows: Transactions, english: np.ndarray, now: float, lots: Lots, bids: Bids, pool: Pool,
          watch: Watch, book: BookTables, reserves: Reserves, ledgers: Ledgers, held: np.ndarray) -> None:
    """Bids, one after the other. held: [N, actors, A, P] purses; whoever is outbid has his money back there."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        if not stands(i, rows, english, now, lots, bids):
            rows.state[i] = REVERTED
            continue
        k, p, who, number, b = rows.ref[i], rows.path[i], rows.actor[i], rows.protocol[i], rows.give_asset[i]
        s, before, paid = lots.reserve[k], bids.bid[k], rows.give[i]
        if bids.bidder[k] != NOBODY:
            ledgers.tokens[bids.bidder[k], b, p] += before
            held[rows.network[i], bids.bidder[k] - HOLDERS, b, p] += before
        more = paid - before
        repaid = min(more, lots.owed[k])
        ledgers.tokens[who, b, p] -= paid
        ledgers.tokens[CASH, b, p] += more
        ledgers.booked[DEBTS, s, p] -= repaid
        ledgers.booked[TREASURY, s, p] += more - repaid
        lots.owed[k] -= repaid
        heal(s, p, ledgers.booked)
        forgone = lots.units[k] - rows.get[i]
        if forgone > 0.0:
            slot, leg = lots.slot[k], lots.leg[k]
            r = book.reserve[book.signature[pool.touched.account[slot]], leg]
            back = forgone / reserves.supply_index[r, p]
            pool.touched.amount[slot, leg] += back
            ledgers.scaled[0, r, p] += back
            watch_again(slot, watch, pool)
        bids.bid[k], bids.bidder[k], bids.until[k], lots.units[k] = paid, who, now + english[number, TTL], rows.get[i]
        ledgers.totals[np.int64(english[number, COUNTED_AT]) + BID, number, p] += 1.0
        rows.get[i], rows.state[i] = 0.0, EXECUTED


@kernel
def deal(picked: np.ndarray, rows: Transactions, english: np.ndarray, now: float, lots: Lots, bids: Bids, touched: Touched,
         book: BookTables, price: np.ndarray, ledgers: Ledgers) -> None:
    """Lots that are over are their winners'. price: [P, R] seen."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        k, p, who, number, a = rows.ref[i], rows.path[i], rows.actor[i], rows.protocol[i], rows.get_asset[i]
        if not still_open(i, rows, lots) or bids.bidder[k] != who or not is_over(bids.until[k], bids.ends[k], now):
            rows.state[i], rows.get[i] = REVERTED, 0.0
            continue
        r, s, units = book.reserve[book.signature[touched.account[lots.slot[k]]], lots.leg[k]], lots.reserve[k], lots.units[k]
        penalty, owed, at = max(bids.bid[k] - lots.top[k], 0.0), lots.owed[k], np.int64(english[number, COUNTED_AT])
        ledgers.tokens[CASH, a, p] -= units
        ledgers.tokens[who, a, p] += units
        ledgers.booked[DEPOSITS, r, p] -= units
        ledgers.totals[SEIZED, number, p] += units * price[p, r]
        ledgers.totals[REPAID, number, p] += (bids.bid[k] - penalty) * price[p, s]
        ledgers.totals[PROTOCOL_FEE, number, p] += penalty * price[p, s]
        ledgers.totals[LIQUIDATIONS, number, p] += 1.0
        ledgers.totals[at + DEALT, number, p] += 1.0
        ledgers.totals[at + FOR_NOTHING, number, p] += bids.bid[k] < NOTHING_PAID * lots.tab[k]
        if owed > 0.0:
            ledgers.booked[DEBTS, s, p] -= owed
            ledgers.booked[DEFICIT, s, p] += owed
            ledgers.totals[DEFICITS, number, p] += owed * price[p, s]
            heal(s, p, ledgers.booked)
        lots.open[k], lots.units[k], lots.owed[k], lots.tab[k] = 0, 0.0, 0.0, 0.0
        rows.get[i], rows.state[i] = units, EXECUTED


@kernel
def tick(picked: np.ndarray, rows: Transactions, english: np.ndarray, now: float, lots: Lots, bids: Bids, totals: np.ndarray
         ) -> None:
    """Auctions without a bid begin anew."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        k, number = rows.ref[i], rows.protocol[i]
        if not still_open(i, rows, lots) or bids.until[k] < np.inf or not bids.ends[k] < now:
            rows.state[i] = REVERTED
            continue
        bids.ends[k] = now + english[number, TAU]
        totals[np.int64(english[number, COUNTED_AT]) + TICKED, number, rows.path[i]] += 1.0
        rows.state[i] = EXECUTED


def owners_of_lots(kind: Kind, state: State, picked: np.ndarray) -> np.ndarray:
    """Whose collateral is in the lots that the rows name [rows]."""
    return state.pool.touched.account[state.lots.slot[state.transactions.ref[picked]]]


class Bid(Kind):
    """A bid on a lot."""

    name: ClassVar[str] = "bid"
    gas: ClassVar[float] = 200_000.0  # assumption
    accounts = owners_of_lots

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: another may have bid more."""
        still_stand(picked, state.transactions, state.english, seconds(state.time), state.lots, state.bids)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        place(picked, state.transactions, state.english, seconds(state.time), state.lots, state.bids, state.pool, state.watch,
              state.book, state.reserves, state.ledgers, state.purses.held)


class Deal(Kind):
    """The winner takes the lot."""

    name: ClassVar[str] = "deal"
    gas: ClassVar[float] = 150_000.0  # assumption
    liquidates: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    accounts = owners_of_lots

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        price_rows(state, picked)
        deal(picked, state.transactions, state.english, seconds(state.time), state.lots, state.bids, state.pool.touched,
             state.book, state.seen.price, state.ledgers)


class Tick(Kind):
    """Another term for a lot that nobody has bid on."""

    name: ClassVar[str] = "tick"
    gas: ClassVar[float] = 80_000.0  # assumption
    accounts = owners_of_lots

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        tick(picked, state.transactions, state.english, seconds(state.time), state.lots, state.bids, state.ledgers.totals)

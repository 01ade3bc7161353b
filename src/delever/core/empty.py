"""Tables at the start: empty, and lengthened when they run out. Axes as in core/tables.py."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from delever.core.exchange_tables import COVERABILITY, LAYERS, ROUNDS, Closings, Flows, Safety
from delever.core.tables import (
    BOOKED,
    FEES,
    HOLDERS,
    Bids,
    Halts,
    Ledgers,
    Lots,
    Markets,
    Reserves,
    Sales,
    Tally,
    Touched,
    Transactions,
)

Columns = TypeVar("Columns", bound=tuple[np.ndarray, ...])


def longer(table: Columns, size: int) -> Columns:
    """A table, its columns doubled until they hold `size` rows; the same one where they do."""
    have = len(table[0])
    if have >= size:
        return table
    while have < size:
        have *= 2
    columns = [_longer(column, have) for column in table]
    return getattr(type(table), "_make", type(table))(columns)


def _longer(column: np.ndarray, size: int) -> np.ndarray:
    """A copy of `size` rows; what is new is zero, and no memory until it is written."""
    out = np.zeros((size, *column.shape[1:]), column.dtype)
    out[:len(column)] = column
    return out


def new_reserves(protocol: np.ndarray, asset: np.ndarray, stocks: tuple[np.ndarray, np.ndarray, np.ndarray], of_term: np.ndarray,
                 paths: int) -> Reserves:
    """At the start: interest indices and factors of 1. protocol, asset: [R]; stocks: cash, owed, dust [R]; of_term: [terms]."""
    count, terms = len(protocol), len(of_term)
    return Reserves(protocol, asset, np.ones((count, paths)), np.ones((count, paths)), np.zeros((count, paths)),
                    np.zeros((count, paths)), *stocks, of_term, (np.bincount(of_term, minlength=count) == 1).astype(np.int64),
                    np.ones((terms, paths)), np.ones((terms, paths)), np.full(count, -1), np.zeros((2, 0, paths)),
                    np.zeros((2, 0, paths), np.int32))


def new_touched(who: np.ndarray, amount: np.ndarray, cost: np.ndarray, until: np.ndarray) -> Touched:
    """Columns of one table [slots, 4], so that what is known of an account lies in one cache line.

    At least two rows: columns of one row are contiguous, and kernels that were compiled for such would misread others.
    """
    if len(who) < 2:
        who = np.concatenate((who, np.zeros((2, 4), np.int32)))
    return Touched(who[:, 0], who[:, 1], who[:, 2], who[:, 3], amount, cost, until)


def who_of(touched: Touched) -> np.ndarray:
    """That table."""
    table = touched.account.base
    assert isinstance(table, np.ndarray)
    return table


def new_transactions(size: int) -> Transactions:
    """An empty transaction table."""
    i, f = np.int64, np.float64
    return Transactions(*(np.zeros(size, kind) for kind in (i,) * 16 + (f,) * 7))


def new_markets(outside: np.ndarray, price: np.ndarray, fee: np.ndarray, paths: int) -> Markets:
    """Markets at the start. outside, price: [M] log prices; fee: [2, M] of what a trader gives and gets."""
    n = len(price)

    def across(row: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.repeat(row[..., None], paths, axis=-1))

    consumed, lowest, lowest_outside, extrapolated = np.zeros((4, n, paths))
    return Markets(across(outside), consumed, across(price), np.ones((2, n, paths)), price, outside, lowest, lowest_outside,
                   extrapolated, across(fee), across(np.arange(n)), np.zeros((n, paths), np.bool_))


def new_lots(size: int) -> Lots:
    """Nothing is for sale."""
    i, f = np.int64, np.float64
    return Lots(*(np.zeros(size, kind) for kind in (i,) * 9 + (f,) * 5))


def new_bids(size: int) -> Bids:
    """Nobody has bid."""
    return Bids(np.zeros(size), np.zeros(size, np.int64), np.zeros(size), np.zeros(size))


def new_sales(size: int) -> Sales:
    """An empty table of sales."""
    i, f = np.int64, np.float64
    return Sales(*(np.zeros(size, kind) for kind in (i, i, i, i, i, i, f, f)))


def new_tally(assets: int, networks: int, actors: int, paths: int) -> Tally:
    """Counts at zero."""
    counts = [np.zeros(paths, np.int64) for _ in Tally._fields[:-3]]
    return Tally(*[*counts, np.zeros(paths), np.zeros((assets, paths)), np.zeros((FEES, HOLDERS + actors, networks, paths))])


def new_halts(protocols: int, markets: int, networks: int, feeds: int, bridges: int, paths: int) -> Halts:
    """Nothing is halted."""
    return Halts(*(np.full((rows, paths), -np.inf) for rows in (protocols, protocols, markets, networks, feeds, bridges)))


def new_ledgers(assets: int, reserves: int, protocols: int, outcomes: int, paths: int, actors: int = 0) -> Ledgers:
    """Ledgers at zero."""
    return Ledgers(tokens=np.zeros((HOLDERS + actors, assets, paths)), booked=np.zeros((BOOKED, reserves, paths)),
                   scaled=np.zeros((2, reserves, paths)), moved=np.zeros((2, reserves, paths)), size=np.zeros((reserves, paths)),
                   totals=np.zeros((outcomes, protocols, paths)),
                   turnover=np.zeros((assets, paths)))


def new_flows(reserves: int, paths: int, judged: bool) -> Flows:
    """Nothing has happened. judged: whether anybody asks at which prices positions are closed."""
    liquidated, taken, deleveraged, haircut, slippage = (np.zeros((reserves, paths)) for _ in range(5))
    closed, worth = (np.zeros((2, reserves if judged else 0, paths)) for _ in range(2))
    return Flows(liquidated, taken, deleveraged, haircut, slippage, closed, worth)


def new_closings(size: int) -> Closings:
    """An empty list of deleveraged positions."""
    i, f = np.int64, np.float64
    return Closings(*(np.zeros(size, kind) for kind in (i, i, i, i, f, f, f, f)))


def new_safety(fund: np.ndarray, vault: np.ndarray, backed: np.ndarray, paths: int) -> Safety:
    """Funds and vaults at the start. fund, vault: [R] units; backed: [protocols]."""
    def across(row: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.repeat(row[:, None], paths, axis=1))

    protocols = len(backed)
    rounds = np.zeros((ROUNDS, protocols, paths))
    rounds[COVERABILITY] = np.inf
    return Safety(across(fund), across(vault), backed, np.zeros((LAYERS, protocols, paths)), rounds,
                  np.full((LAYERS, protocols, paths), np.inf), np.full((2, protocols, paths), np.inf),
                  np.full((LAYERS + 1, protocols, paths), np.inf))

"""The tables that phases share: plain named arrays, axes on every line.

Axes: paths = paths of the chunk; markets = traded pairs, each an asset against its quote; assets; reserves = one
asset of one protocol; legs = an account's collateral legs first, then its debt legs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ORACLE, TOP_UP, CLAIM, ORDER = 0, 1, 2, 3  # kinds of transaction
KINDS = 4
OFFERED, DECLINED, INCLUDED, EXECUTED, REVERTED, WAITING, NOTHING = range(7)  # states of a transaction; NOTHING to call
HIT, ANSWERED = 1, 2  # Touched.flags: was liquidated, has topped up


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


class Reserves(NamedTuple):
    """One row for each asset of each protocol."""

    protocol: np.ndarray  # [reserves]
    asset: np.ndarray  # [reserves]
    supply_index: np.ndarray  # [reserves] now; the same on every path while rates are constant
    borrow_index: np.ndarray  # [reserves]
    log_supply: np.ndarray  # [reserves] their logs
    log_borrow: np.ndarray  # [reserves]


class Touched(NamedTuple):
    """Accounts that have been in reach, copied when they first were; one row ("slot") a path and account."""

    account: np.ndarray  # [slots]
    path: np.ndarray  # [slots]
    visits: np.ndarray  # [slots] wheel entries of an earlier visit are stale
    flags: np.ndarray  # [slots] HIT, ANSWERED
    amount: np.ndarray  # [slots, legs] the private copy


class Rows(NamedTuple):
    """The transactions of a block."""

    path: np.ndarray  # [rows]
    kind: np.ndarray  # [rows]
    state: np.ndarray  # [rows]
    protocol: np.ndarray  # [rows] of a claim or top-up
    ref: np.ndarray  # [rows] touched slot, feed or order
    collateral_leg: np.ndarray  # [rows] -1: every leg pro rata
    debt_leg: np.ndarray  # [rows]
    repay: np.ndarray  # [rows] debt repaid, units of the debt asset; a top-up: collateral added; an order: units sold
    seize: np.ndarray  # [rows] collateral taken from the account, units
    kept: np.ndarray  # [rows] part of `seize` that the protocol keeps as its fee, units
    bid: np.ndarray  # [rows] fee bid, gwei a unit of gas


class Fills(NamedTuple):
    """What executed transactions put on the market: sell one asset for another."""

    row: np.ndarray  # [fills] transaction, -1: none
    path: np.ndarray  # [fills]
    holder: np.ndarray  # [fills] whose ledger it is
    sold_asset: np.ndarray  # [fills]
    bought_asset: np.ndarray  # [fills]
    sold: np.ndarray  # [fills] units
    amount: np.ndarray  # [fills] on its way along the route; at the end units of the bought asset


class Ledgers(NamedTuple):
    """What moved since the start, on each path: double entry, written by whoever moves it."""

    tokens: np.ndarray  # [HOLDERS, assets, paths] units gained by each holder
    booked: np.ndarray  # [BOOKED, reserves, paths] units of claims on each reserve, at the index of the event
    scaled: np.ndarray  # [2, reserves, paths] change of accounts' amounts at index 1: 0 collateral, 1 debt
    totals: np.ndarray  # [outcomes, protocols, paths] columns as in core/outcomes.py
    traded: np.ndarray  # [assets, paths] units that changed hands on venues, gross: what a residual is measured by


# Who holds: rows of the token ledger, which add up to nothing for every asset and path.
(CASH, WRAPPER, VENUES, MAKERS, LIQUIDATORS, ARBITRAGEURS, OWNERS, ORDER_OWNERS, REPORTERS, BLOCK_BUILDERS) = range(10)
HOLDERS = 10
# Claims on a protocol: its cash + DEBTS + DEFICIT = CLAIMS + TREASURY for every reserve and path, as changes.
# ADDED is a part of CLAIMS, noted apart: what owners topped up.
CLAIMS, DEBTS, TREASURY, DEFICIT, ADDED = range(5)
BOOKED = 5

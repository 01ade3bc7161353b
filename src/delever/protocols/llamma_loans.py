"""Loans of LLAMMA on all paths: shares of bands, their health, hard liquidation and what is written off, in double entry.

    share of a band    what the loan put into it / what all open loans put into it; the same for all bands of the loan
    health             (sum over its bands of share x x_down) (1 - liquidation discount) / debt - 1; where the whole loan lies
                       below the active band, + max(p_o - p_up(n1), 0) x collateral / debt
    hard liquidation   below 0 anybody pays debt - x and takes y (what x has beyond the debt, too)
    written off        below 0, no collateral left and x below the debt: x pays what it can, the rest is a deficit
A path's loans are all looked at when its bands may have lost so much since that one of them could have fallen below 0: only
bands from the active one to the oracle price can be worth another than before. Where one would be below 0 by its bands alone
they are looked at in every block.
Source: curvefi/curve-stablecoin (Controller.vy); the write-off is an assumption (the contract leaves such a loan open).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, DEFICITS, LIQUIDATIONS, REPAID, SEIZED
from delever.core.tables import (
    BANDS,
    CASH,
    DEBTS,
    DEFICIT,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    TREASURY,
    Ledgers,
    Reserves,
    Sales,
    SeenPrices,
    Transactions,
)
from delever.protocols.llamma_formulas import AMPLIFICATION, LIQUIDATION_DISCOUNT, limited, x_down
from delever.protocols.llamma_trade import (
    COLLATERAL,
    COLLATERAL_RESERVE,
    NETWORK,
    PROTOCOL,
    STABLE,
    STABLE_RESERVE,
    Amm,
    oracle,
)

LEFT = 1e-12  # share of a band that is nobody's: what rounding leaves behind the last loan
SAFE = 1e-9  # of health: no rounding may hide a loan from its look
DUST = 1e-9  # share of the debt: collateral worth less is none
SHRUNK, LEAST, INDEX = range(3)  # columns of Loans.looked


class Loans(NamedTuple):
    """The loans of one market. L: loans, B: bands, P: paths."""

    account: np.ndarray  # [L] in the book
    each: np.ndarray  # [L] collateral put into each of its bands, units: its shares
    debt: np.ndarray  # [L] units at interest index 1
    first: np.ndarray  # [L] place of its first band in the grid
    last: np.ndarray  # [L] of its last
    open: np.ndarray  # [P, L] 1: still there
    shares: np.ndarray  # [P, B] of all open loans
    worth: np.ndarray  # [P, B] x_down of each band when all loans were looked at last
    looked: np.ndarray  # [P, 3] least share of that which a band has been worth since; least 1 + health then, by bands; index
    sums: np.ndarray  # [3, B + 1] scratch


@helper
def window(b: int, p_o: float, scale: float, a: float, edge: np.ndarray) -> tuple[int, int]:
    """Bands whose worth moves with the oracle price: the active one (b), and those from there to it."""
    low, high = b, b
    while low > 0 and edge[low - 1] * scale * ((a - 1.0) / a) <= p_o:
        low -= 1
    while high + 1 < len(edge) and edge[high + 1] * scale >= p_o:
        high += 1
    return low, high


@helper
def shrunk(so_far: float, low: int, high: int, p_o: float, scale: float, a: float, edge: np.ndarray, x: np.ndarray,
           y: np.ndarray, worth: np.ndarray) -> float:
    """The least share of what it was worth that a band among these has been worth since. x, y, worth: [B]."""
    for b in range(low, high + 1):
        if worth[b] > 0.0:
            so_far = min(so_far, x_down(x[b], y[b], p_o, edge[b] * scale, a) / worth[b])
    return so_far


@helper
def holds(p: int, k: int, amm: Amm, loans: Loans) -> tuple[float, float]:
    """(x, y) of a loan [units]."""
    x, y = 0.0, 0.0
    for b in range(loans.first[k], loans.last[k] + 1):
        share = loans.each[k] / loans.shares[p, b]
        x, y = x + share * amm.x[p, b], y + share * amm.y[p, b]
    return x, y


@helper
def above(p: int, k: int, p_o: float, scale: float, amm: Amm, loans: Loans) -> float:
    """What full health adds to x_down: how far the price stands above a loan that lies below the active band [units]."""
    gap = p_o - amm.grid.edge[loans.first[k]] * scale
    if loans.first[k] <= amm.active[p] or gap <= 0.0:
        return 0.0
    return gap * holds(p, k, amm, loans)[1]


@helper
def health(p: int, k: int, p_o: float, scale: float, amm: Amm, loans: Loans) -> float:
    """1 + health of one loan."""
    worth, debt = 0.0, loans.debt[k] * scale
    for b in range(loans.first[k], loans.last[k] + 1):
        now = x_down(amm.x[p, b], amm.y[p, b], p_o, amm.grid.edge[b] * scale, amm.terms[AMPLIFICATION])
        worth += loans.each[k] / loans.shares[p, b] * now
    return (worth * (1.0 - amm.terms[LIQUIDATION_DISCOUNT]) + above(p, k, p_o, scale, amm, loans)) / debt


@helper
def look(p: int, p_o: float, scale: float, amm: Amm, loans: Loans) -> None:
    """What every band is worth now; sums of worth a share over the bands before each."""
    sums, a = loans.sums[0], amm.terms[AMPLIFICATION]
    sums[0] = 0.0
    for b in range(len(amm.grid.edge)):
        worth = x_down(amm.x[p, b], amm.y[p, b], p_o, amm.grid.edge[b] * scale, a)
        loans.worth[p, b] = worth
        sums[b + 1] = sums[b] + (worth / loans.shares[p, b] if loans.shares[p, b] > 0.0 else 0.0)
    loans.looked[p, SHRUNK], loans.looked[p, LEAST], loans.looked[p, INDEX] = 1.0, np.inf, scale


@helper
def is_dust(k: int, y: float, amm: Amm, loans: Loans) -> bool:
    """Whether so little collateral is none, valued at the upper edge of the loan's first band."""
    return y * amm.grid.edge[loans.first[k]] <= DUST * loans.debt[k]


@helper
def size_call(i: int, k: int, amm: Amm, loans: Loans, scale: float, rows: Transactions) -> None:
    """What a hard liquidation brings and gets: all or nothing."""
    p, a, b = rows.path[i], amm.of[COLLATERAL], amm.of[STABLE]
    x, y = holds(p, k, amm, loans)
    debt, nothing = loans.debt[k] * scale, REVERTED if rows.state[i] == INCLUDED else NOTHING
    none = is_dust(k, y, amm, loans)
    rows.give_asset[i], rows.get_asset[i], rows.kept[i] = b, b if none else a, 0.0
    rows.give[i], rows.get[i] = max(debt - x, 0.0), max(x - debt, 0.0) if none else y
    if 0.0 < rows.most[i] < rows.give[i] * (1.0 - SAFE) or not rows.get[i] > 0.0:
        rows.state[i] = nothing


@kernel
def offer_calls(kind: int, time: float, active: np.ndarray, halted: np.ndarray, amm: Amm, loans: Loans, reserves: Reserves,
                seen: SeenPrices, rows: Transactions, n: int) -> int:
    """A row for each loan below 0, path by path and in the book's order. The number of rows then. halted: [P]."""
    first, last, each, debt, looked, edge = loans.first, loans.last, loans.each, loans.debt, loans.looked, amm.grid.edge
    r, s, log_price = seen.like[amm.of[COLLATERAL_RESERVE]], seen.like[amm.of[STABLE_RESERVE]], seen.log_price
    index, width = reserves.borrow_index[amm.of[STABLE_RESERVE]], amm.terms[AMPLIFICATION]
    for p in range(active.shape[0]):
        if not active[p]:
            continue
        p_o = limited(exp_(log_price[r, p] - log_price[s, p]), amm.last[p], amm.last_fee[p], time - amm.since[p])[0]
        scale = index[p]
        low, high = window(amm.active[p], p_o, scale, width, edge)
        looked[p, SHRUNK] = shrunk(looked[p, SHRUNK], min(low, amm.low[p]), max(high, amm.high[p]), p_o, scale, width, edge,
                                   amm.x[p], amm.y[p], loans.worth[p])
        amm.low[p], amm.high[p] = low, high
        if looked[p, LEAST] * looked[p, SHRUNK] * looked[p, INDEX] >= scale * (1.0 + SAFE):
            continue  # no band has lost more than the least health was then
        look(p, p_o, scale, amm, loans)
        sums, bears, lowest = loans.sums[0], (1.0 - amm.terms[LIQUIDATION_DISCOUNT]) / scale, np.inf
        for k in range(len(debt)):
            if not loans.open[p, k]:
                continue
            now = each[k] * (sums[last[k] + 1] - sums[first[k]]) * bears / debt[k]
            lowest = min(lowest, now)  # below 1 where the price above its bands keeps a loan: that falls while no band does
            if now < 1.0 + SAFE:
                now = health(p, k, p_o, scale, amm, loans)
            if now < 1.0 and not halted[p] > time:
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, kind, OFFERED, loans.account[k]
                rows.protocol[n], rows.network[n], rows.most[n] = amm.of[PROTOCOL], amm.of[NETWORK], 0.0
                size_call(n, k, amm, loans, scale, rows)
                n += 1
        looked[p, LEAST] = lowest
    return n


@kernel
def size_calls(picked: np.ndarray, place: np.ndarray, time: float, amm: Amm, loans: Loans, reserves: Reserves, seen: SeenPrices,
               rows: Transactions) -> None:
    """These rows at what stands; one whose loan is healthy, or gone, is nothing. place: [accounts] loan of each."""
    for i in picked:
        p, k = rows.path[i], place[rows.ref[i]]
        scale = reserves.borrow_index[amm.of[STABLE_RESERVE], p]
        if loans.open[p, k] and health(p, k, oracle(p, time, amm, seen)[0], scale, amm, loans) < 1.0:
            size_call(i, k, amm, loans, scale, rows)
        else:
            rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@helper
def take_out(p: int, k: int, amm: Amm, loans: Loans) -> tuple[float, float]:
    """Close a loan: its shares are gone from its bands, and what they stood for; (x, y) [units]."""
    x, y = 0.0, 0.0
    for b in range(loans.first[k], loans.last[k] + 1):
        share = loans.each[k] / loans.shares[p, b]
        if share >= 1.0 - LEFT:
            x, y = x + amm.x[p, b], y + amm.y[p, b]
            amm.x[p, b], amm.y[p, b], loans.shares[p, b], loans.worth[p, b] = 0.0, 0.0, 0.0, 0.0
            continue
        x, y = x + share * amm.x[p, b], y + share * amm.y[p, b]
        amm.x[p, b], amm.y[p, b] = amm.x[p, b] * (1.0 - share), amm.y[p, b] * (1.0 - share)
        loans.worth[p, b] *= 1.0 - share
        loans.shares[p, b] -= loans.each[k]
    loans.open[p, k] = 0
    return x, y


@kernel
def call_rows(picked: np.ndarray, place: np.ndarray, amm: Amm, loans: Loans, reserves: Reserves, price: np.ndarray,
              ledgers: Ledgers, rows: Transactions, sales: Sales, n_sales: int) -> int:
    """Carry out included hard liquidations. place: [accounts]; price: [P, R] seen [USD]. The number of sales then."""
    a, b, r, s, number = (amm.of[COLLATERAL], amm.of[STABLE], amm.of[COLLATERAL_RESERVE], amm.of[STABLE_RESERVE],
                          amm.of[PROTOCOL])
    tokens, totals = ledgers.tokens, ledgers.totals
    for i in picked:
        p, k, who = rows.path[i], place[rows.ref[i]], rows.actor[i]
        if rows.state[i] != INCLUDED:
            continue
        if not loans.open[p, k]:
            rows.state[i] = REVERTED
            continue
        debt = loans.debt[k] * reserves.borrow_index[s, p]
        x, y = take_out(p, k, amm, loans)
        tokens[who, b, p] += x - debt
        tokens[BANDS, b, p] -= x
        tokens[CASH, b, p] += debt
        tokens[BANDS, a, p] -= y
        tokens[who, a, p] += y
        ledgers.turnover[b, p] += x + debt
        ledgers.turnover[a, p] += y
        ledgers.booked[DEBTS, s, p] -= debt
        totals[SEIZED, number, p] += y * price[p, r] + x * price[p, s]
        totals[REPAID, number, p] += debt * price[p, s]
        totals[LIQUIDATIONS, number, p] += 1.0
        totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0
        if y > 0.0 and not rows.holds[i]:
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, who, 1
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = a, b, y
            n_sales += 1
        rows.state[i] = EXECUTED
    return n_sales


@kernel
def write_off(first: int, last: int, place: np.ndarray, amm: Amm, loans: Loans, reserves: Reserves, price: np.ndarray,
              ledgers: Ledgers, rows: Transactions) -> None:
    """Close loans among these rows that bring nobody anything: no collateral is left, and x does not pay the debt."""
    b, s, number = amm.of[STABLE], amm.of[STABLE_RESERVE], amm.of[PROTOCOL]
    for i in range(first, last):
        p, k = rows.path[i], place[rows.ref[i]]
        x, y = holds(p, k, amm, loans)
        debt = loans.debt[k] * reserves.borrow_index[s, p]
        if rows.state[i] != NOTHING or x >= debt or not is_dust(k, y, amm, loans):
            continue
        x, y = take_out(p, k, amm, loans)
        ledgers.tokens[BANDS, amm.of[COLLATERAL], p] -= y
        ledgers.tokens[CASH, amm.of[COLLATERAL], p] += y
        ledgers.booked[TREASURY, amm.of[COLLATERAL_RESERVE], p] += y
        ledgers.tokens[BANDS, b, p] -= x
        ledgers.tokens[CASH, b, p] += x
        ledgers.turnover[b, p] += x
        ledgers.booked[DEBTS, s, p] -= debt
        ledgers.booked[DEFICIT, s, p] += debt - x
        ledgers.totals[DEFICITS, number, p] += (debt - x) * price[p, s]

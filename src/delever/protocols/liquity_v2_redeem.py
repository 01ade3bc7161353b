"""Redemption in Liquity v2: stablecoin for a basket of collateral of all branches, of the troves with the lowest rates.

    split      to branches in proportion to what of their debt their pools do not cover, together at most that; where pools
               cover all, to their debts. None of a branch that is shut down, or whose troves together are below SCR
    who        the zombie that is next, then troves by interest rate, but for those with less collateral than debt; they give
               debt / price of collateral less the fee, which stays with them
    base rate  <- decayed base rate + share of all stablecoin redeemed / BETA;        fee = base rate + FLOOR
    how much   until one unit more no longer brings what it costs (assumption: whoever redeems does it as soon, and as far, as
               it pays):  sum over branches of  edge_i / price_i (w_i (1 - fee) - lot_i dfee/dx) - w_i  = 0,  w the split (0 where
               nothing is left), edge what one unit more of collateral brings on the market, all of them sold at once
A row says what selling the basket would bring in the stablecoin, for it is sold at once: nobody keeps it (assumption). The
contract prices redemptions of wstETH and rETH at the better of market and rate, here at what is seen.
Source: liquity/bold @01a64ed4 (CollateralRegistry.sol), @00aa9df0 (TroveManager.sol).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.edges import quote_basket
from delever.core.jit import helper, kernel
from delever.core.route import route_halted
from delever.core.tables import (
    CASH,
    DEBTS,
    DEPOSITS,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    Ledgers,
    Liquidity,
    Reserves,
    Sales,
    SeenPrices,
    Transactions,
)
from delever.protocols.liquity_calls import price_of
from delever.protocols.liquity_formulas import BETA, FLOOR, HALF_LIFE, MINUTE, decayed, raised, redemption_fee
from delever.protocols.liquity_redeem import CRUMB, ROUNDS
from delever.protocols.liquity_system import (
    COLL,
    COLLATERAL,
    COLLATERAL_RESERVE,
    DEBT,
    FEES,
    POOL,
    REDEEMED,
    REDEMPTIONS,
    STABLE_RESERVE,
    System,
    entire,
)
from delever.protocols.liquity_v2_branch import NEXT, NOBODY_NEXT, SCR, Branch, is_down, redeemed_from, touch

OF_STABLE, OF_RESERVE, OF_PROTOCOL, OF_NETWORK = range(4)  # columns of Registry.of
RATE, AT, SUPPLY, MOST, FEE, ASKED = range(6)  # columns of Registry.now
NOW = 6
PRICE, DEBTS_OF, UNBACKED, SHARE, CAP, LOT, PAID, DRAWN, VALUE, EDGE, WHERE = range(11)  # rows of Registry.branch
ROWS = 11


class Registry(NamedTuple):
    """All branches of one stablecoin. B: branches, P: paths."""

    of: np.ndarray  # [4] numbers: stablecoin, its reserve, protocol, network
    asset: np.ndarray  # [B] collateral
    terms: np.ndarray  # [columns] as in liquity_formulas.py
    now: np.ndarray  # [P, NOW] base rate and when it moved [s]; all debts, most that is redeemed at once [units]; of the
    # redemption sized last its fee, and for how much it asked [units]
    branch: np.ndarray  # [ROWS, B, P] price seen; debt, what of it is unbacked; share of a redemption, most that troves can give;
    # of the redemption sized last: its lot, what was paid of it [units], what was drawn [units of collateral], what selling that
    # brings, what one unit more would; scratch


@kernel
def measure(b: int, paths: np.ndarray, s: System, br: Branch, reg: Registry, reserves: Reserves, seen: SeenPrices) -> None:
    """How branch b stands on these paths."""
    for p in paths:
        price, scale, cap = price_of(p, s, seen), reserves.borrow_index[s.of[STABLE_RESERVE], p], 0.0
        debt, row = s.sums[p, DEBT] * scale, reg.branch[:, b, p]
        open_to = not is_down(p, br) and s.sums[p, COLL] * price >= br.terms[SCR] * debt
        for k in range(s.debt.shape[1]):
            if open_to and s.open[p, k] and (not br.zombie[p, k] or br.now[p, NEXT] == k):
                coll, owed = entire(p, k, s)
                if coll * price >= owed * scale:
                    cap += owed * scale
        row[PRICE], row[DEBTS_OF], row[CAP] = price, debt, cap
        row[UNBACKED] = max(debt - s.sums[p, POOL], 0.0) if open_to else 0.0
        row[SHARE] = debt if open_to else 0.0  # where pools cover everything


@kernel
def split(paths: np.ndarray, reg: Registry) -> None:
    """Shares of a redemption on these paths, and how much it may be."""
    count = reg.branch.shape[1]
    for p in paths:
        now, row, unbacked, open_debt = reg.now[p], reg.branch[:, :, p], 0.0, 0.0
        now[SUPPLY] = 0.0
        for b in range(count):
            now[SUPPLY] += row[DEBTS_OF, b]
            unbacked += row[UNBACKED, b]
            open_debt += row[SHARE, b]
        now[MOST] = unbacked if unbacked > 0.0 else open_debt
        for b in range(count):
            if unbacked > 0.0:
                row[SHARE, b] = row[UNBACKED, b]
            if now[MOST] > 0.0:
                row[SHARE, b] /= now[MOST]


@helper
def fee_at(p: int, x: float, time: float, reg: Registry) -> float:
    """The fee once so many units are redeemed now."""
    now, terms = reg.now[p], reg.terms
    base = decayed(now[RATE], time - now[AT], terms[HALF_LIFE])
    return redemption_fee(raised(base, x / now[SUPPLY], terms[BETA]), terms[FLOOR])


@helper
def quote(p: int, x: float, fee: float, reg: Registry, liquidity: Liquidity) -> None:
    """What each branch's part of a redemption of so many units is, and what selling it with the others' brings."""
    row = reg.branch[:, :, p]
    for b in range(row.shape[1]):
        row[LOT, b] = min(x * row[SHARE, b], row[CAP, b])
        row[VALUE, b] = row[LOT, b] / row[PRICE, b] * (1.0 - fee)
    quote_basket(p, reg.asset, reg.of[OF_STABLE], row[VALUE], row[EDGE], row[WHERE], liquidity.tree, liquidity.profiles,
                 liquidity.markets)


@helper
def gap(p: int, x: float, time: float, reg: Registry, liquidity: Liquidity) -> float:
    """What redeeming one unit more behind x would bring on the market, less what it costs; <= 0: nothing is left to redeem."""
    row, fee, more = reg.branch[:, :, p], fee_at(p, x, time, reg), 0.0
    dearer = 1.0 / (reg.terms[BETA] * reg.now[p, SUPPLY])
    quote(p, x, fee, reg, liquidity)
    for b in range(row.shape[1]):
        wanted = row[SHARE, b] if x * row[SHARE, b] < row[CAP, b] else 0.0
        more += row[EDGE, b] / row[PRICE, b] * (wanted * (1.0 - fee) - row[LOT, b] * dearer) - wanted
    return more


@helper
def to_redeem(p: int, time: float, reg: Registry, liquidity: Liquidity, trading: np.ndarray) -> float:
    """Units of stablecoin that it pays to ask for now; 0: none. trading: [M, P] until when markets are halted."""
    most, supply = reg.now[p, MOST], reg.now[p, SUPPLY]
    if not most > CRUMB * supply or not gap(p, 0.0, time, reg, liquidity) > 0.0:
        return 0.0
    for b in range(reg.asset.shape[0]):
        if reg.branch[SHARE, b, p] > 0.0 and route_halted(p, reg.asset[b], reg.of[OF_STABLE], -1, liquidity.tree, trading) > time:
            return 0.0
    if gap(p, most, time, reg, liquidity) > 0.0:
        return most
    low, high = 0.0, most
    for _ in range(ROUNDS):
        x = 0.5 * (low + high)
        if gap(p, x, time, reg, liquidity) > 0.0:
            low = x
        else:
            high = x
    return low if low > CRUMB * supply else 0.0


@helper
def size_basket(i: int, time: float, reg: Registry, liquidity: Liquidity, trading: np.ndarray, rows: Transactions) -> None:
    """Give of a row, at most what its actor brings, and what the basket would bring; or say that there is nothing to do."""
    p, paid, brings = rows.path[i], 0.0, 0.0
    x = to_redeem(p, time, reg, liquidity, trading)
    if 0.0 < rows.most[i] < x:
        x = rows.most[i]
    fee, stable = fee_at(p, x, time, reg) if x > 0.0 else 1.0, reg.of[OF_STABLE]
    reg.now[p, FEE], reg.now[p, ASKED] = fee, x
    quote(p, x, fee, reg, liquidity)
    for b in range(reg.asset.shape[0]):
        paid += reg.branch[LOT, b, p]
        brings += reg.branch[VALUE, b, p]
    rows.give_asset[i], rows.get_asset[i] = stable, stable
    rows.give[i], rows.get[i], rows.kept[i] = paid, brings, 0.0
    if not x > 0.0:
        rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@kernel
def offer_baskets(number: int, kind: int, time: float, paths: np.ndarray, reg: Registry, liquidity: Liquidity,
                  trading: np.ndarray, rows: Transactions, n: int) -> int:
    """A row for each of these paths on which a redemption pays before gas. The number of rows then. number: of the registry."""
    for p in paths:
        rows.path[n], rows.most[n], rows.state[n] = p, 0.0, OFFERED
        size_basket(n, time, reg, liquidity, trading, rows)
        if rows.state[n] == OFFERED:
            rows.kind[n], rows.ref[n], rows.protocol[n], rows.network[n] = kind, number, reg.of[OF_PROTOCOL], reg.of[OF_NETWORK]
            n += 1
        else:
            rows.path[n], rows.state[n], rows.give_asset[n], rows.get_asset[n] = 0, 0, 0, 0
    return n


@kernel
def size_baskets(picked: np.ndarray, time: float, reg: Registry, liquidity: Liquidity, trading: np.ndarray, rows: Transactions
                 ) -> None:
    """These rows, each as if it were alone."""
    for i in picked:
        size_basket(i, time, reg, liquidity, trading, rows)


@helper
def redeem(p: int, units: float, price: float, fee: float, scale: float, s: System, br: Branch) -> tuple[float, float]:
    """Hand up to so many units to one branch: (units burned, collateral taken). The fee stays with the troves."""
    sums, seen, left, drawn = s.sums[p], price / scale, units / scale, 0.0
    first = int(br.now[p, NEXT])
    if first >= 0 and not s.open[p, first]:
        first, br.now[p, NEXT] = -1, NOBODY_NEXT
    for j in range(-1, len(br.order)):
        k = first if j < 0 else br.order[j]
        if k < 0 or not s.open[p, k] or (j >= 0 and br.zombie[p, k]) or not left > 0.0:
            continue
        coll, debt = entire(p, k, s)
        if not debt > 0.0 or coll * seen < debt:
            continue
        lot = min(left, debt)
        taken = lot / seen * (1.0 - fee)
        touch(p, k, coll - taken, debt - lot, s, br)
        redeemed_from(p, k, debt - lot, scale, s, br)
        left -= lot
        drawn += taken
    sums[COLL] -= drawn
    sums[DEBT] -= units / scale - left
    return units - left * scale, drawn


@kernel
def redeem_branch(b: int, picked: np.ndarray, s: System, br: Branch, reg: Registry, reserves: Reserves, ledgers: Ledgers,
                  rows: Transactions, sales: Sales, n_sales: int) -> int:
    """What included rows take of branch b, one a path, each sized at what stands. The number of sales then."""
    a, r, t = s.of[COLLATERAL], s.of[COLLATERAL_RESERVE], s.of[STABLE_RESERVE]
    for i in picked:
        p, who = rows.path[i], rows.actor[i]
        row = reg.branch[:, b, p]
        row[PAID], row[DRAWN] = 0.0, 0.0
        if rows.state[i] != INCLUDED or not row[LOT] > 0.0:
            continue
        paid, drawn = redeem(p, row[LOT], row[PRICE], reg.now[p, FEE], reserves.borrow_index[t, p], s, br)
        row[PAID], row[DRAWN] = paid, drawn
        ledgers.tokens[CASH, a, p] -= drawn
        ledgers.tokens[who, a, p] += drawn
        ledgers.booked[DEPOSITS, r, p] -= drawn
        ledgers.turnover[a, p] += drawn
        s.told[REDEEMED, p] += paid
        s.told[FEES, p] += paid / row[PRICE] - drawn
        s.told[REDEMPTIONS, p] += 1.0
        sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, who, 0
        sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = a, reg.of[OF_STABLE], drawn
        n_sales += 1
    return n_sales


@kernel
def settle_baskets(picked: np.ndarray, time: float, reg: Registry, ledgers: Ledgers, rows: Transactions) -> None:
    """What was handed in is burned, the base rate rises; a row says of which collateral it drew most, and how much."""
    stable, terms = reg.of[OF_STABLE], reg.terms
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        p, paid, main = rows.path[i], 0.0, 0
        now, row = reg.now[p], reg.branch[:, :, p]
        for b in range(row.shape[1]):
            paid += row[PAID, b]
            if row[PAID, b] > row[PAID, main]:
                main = b
        if not paid > 0.0:
            rows.state[i] = REVERTED
            continue
        elapsed = time - now[AT]
        now[RATE] = raised(decayed(now[RATE], elapsed, terms[HALF_LIFE]), paid / now[SUPPLY], terms[BETA])
        now[AT] += math.floor(elapsed / MINUTE) * MINUTE
        ledgers.tokens[rows.actor[i], stable, p] -= paid
        ledgers.tokens[CASH, stable, p] += paid
        ledgers.booked[DEBTS, reg.of[OF_RESERVE], p] -= paid
        ledgers.turnover[stable, p] += paid
        rows.give[i], rows.get_asset[i], rows.get[i] = paid, reg.asset[main], row[DRAWN, main]
        rows.holds[i], rows.state[i] = 0, EXECUTED

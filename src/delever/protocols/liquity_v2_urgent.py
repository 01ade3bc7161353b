"""Urgent redemption of a branch of Liquity v2 that has been shut down: collateral for stablecoin at a bonus, of any trove.

    for x units    x (1 + BONUS) / price of collateral, no fee, the base rate stays; a trove gives no more than it has, for as
                   much less, so that one below 1 + BONUS is left with debt and nothing behind it
    how much       until one unit more of collateral no longer brings price / (1 + BONUS) on the market (assumption)
    who            troves by interest rate, zombies too (assumption: the contract leaves it to whoever redeems, to whom they are
                   all worth the same)
Source: liquity/bold @00aa9df0 (TroveManager.sol: urgentRedemption), Constants.sol (URGENT_REDEMPTION_BONUS).
"""

from __future__ import annotations

import numpy as np

from delever.core.edges import edge_of_route
from delever.core.jit import helper, kernel
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
from delever.protocols.liquity_redeem import CRUMB, ROUNDS
from delever.protocols.liquity_system import (
    COLL,
    COLLATERAL,
    COLLATERAL_RESERVE,
    DEBT,
    NETWORK,
    PROTOCOL,
    STABLE,
    STABLE_RESERVE,
    STAKES,
    System,
    entire,
    staked,
)
from delever.protocols.liquity_v2_branch import BONUS, URGENT, URGENT_COLL, Branch, is_down, touch


@helper
def lot_of(coll: float, debt: float, left: float, seen: float, bonus: float) -> tuple[float, float]:
    """(debt redeemed, collateral given for it) of a trove for up to `left`. seen: price over the index."""
    lot = min(left, debt)
    taken = lot * (1.0 + bonus) / seen
    return (lot, taken) if taken <= coll else (coll * seen / (1.0 + bonus), coll)


@helper
def gap(p: int, x: float, price: float, s: System, br: Branch, liquidity: Liquidity) -> float:
    """What redeeming one unit more behind x would bring on the market, less that unit."""
    got = (1.0 + br.terms[BONUS]) / price
    tree, profiles, markets = liquidity.tree, liquidity.profiles, liquidity.markets
    return edge_of_route(p, s.of[COLLATERAL], s.of[STABLE], x * got, tree, profiles, markets) * got - 1.0


@helper
def to_redeem(p: int, price: float, scale: float, s: System, br: Branch, liquidity: Liquidity) -> float:
    """Units of stablecoin that it pays to hand in now; 0: none."""
    if not is_down(p, br) or not s.sums[p, DEBT] > 0.0 or not gap(p, 0.0, price, s, br, liquidity) > 0.0:
        return 0.0
    most = 0.0
    for k in range(s.debt.shape[1]):
        if s.open[p, k]:
            coll, debt = entire(p, k, s)
            most += lot_of(coll, debt, debt, price / scale, br.terms[BONUS])[0] * scale
    if not most > CRUMB * s.sums[p, DEBT] * scale or gap(p, most, price, s, br, liquidity) > 0.0:
        return most
    low, high = 0.0, most
    for _ in range(ROUNDS):
        x = 0.5 * (low + high)
        if gap(p, x, price, s, br, liquidity) > 0.0:
            low = x
        else:
            high = x
    return low if low > CRUMB * s.sums[p, DEBT] * scale else 0.0


@helper
def size_one(i: int, s: System, br: Branch, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity, rows: Transactions
             ) -> None:
    """Give and get of a row, at most what its actor brings; or say that there is nothing to do."""
    p = rows.path[i]
    price = price_of(p, s, seen)
    x = to_redeem(p, price, reserves.borrow_index[s.of[STABLE_RESERVE], p], s, br, liquidity)
    if 0.0 < rows.most[i] < x:
        x = rows.most[i]
    rows.give_asset[i], rows.get_asset[i] = s.of[STABLE], s.of[COLLATERAL]
    rows.give[i], rows.get[i], rows.kept[i] = x, x * (1.0 + br.terms[BONUS]) / price, 0.0
    if not x > 0.0:
        rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@kernel
def offer_urgent(number: int, kind: int, paths: np.ndarray, s: System, br: Branch, reserves: Reserves, seen: SeenPrices,
                 liquidity: Liquidity, rows: Transactions, n: int) -> int:
    """A row for each of these paths on which it pays before gas. The number of rows then. number: of the branch."""
    for p in paths:
        rows.path[n], rows.most[n], rows.state[n] = p, 0.0, OFFERED
        size_one(n, s, br, reserves, seen, liquidity, rows)
        if rows.state[n] == OFFERED:
            rows.kind[n], rows.ref[n], rows.protocol[n], rows.network[n] = kind, number, s.of[PROTOCOL], s.of[NETWORK]
            n += 1
        else:
            rows.path[n], rows.state[n], rows.give_asset[n], rows.get_asset[n] = 0, 0, 0, 0
    return n


@kernel
def size_urgent(picked: np.ndarray, s: System, br: Branch, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity,
                rows: Transactions) -> None:
    """These rows, each as if it were alone."""
    for i in picked:
        size_one(i, s, br, reserves, seen, liquidity, rows)


@helper
def redeem(p: int, units: float, price: float, scale: float, s: System, br: Branch) -> tuple[float, float]:
    """Hand in up to so many units: (units burned, collateral taken). Stakes are added up anew: who has nothing has none."""
    sums, left, drawn = s.sums[p], units / scale, 0.0
    for k in br.order:
        if not s.open[p, k] or not left > 0.0:
            continue
        coll, debt = entire(p, k, s)
        lot, taken = lot_of(coll, debt, left, price / scale, br.terms[BONUS])
        if lot > 0.0:
            touch(p, k, coll - taken, debt - lot, s, br)
            left -= lot
            drawn += taken
    sums[STAKES] = staked(p, s)
    sums[COLL] -= drawn
    sums[DEBT] -= units / scale - left
    return units - left * scale, drawn


@kernel
def urgent_rows(picked: np.ndarray, s: System, br: Branch, reserves: Reserves, seen: SeenPrices, ledgers: Ledgers,
                rows: Transactions, sales: Sales, n_sales: int) -> int:
    """Carry out included rows, one after the other. The number of sales then."""
    a, b, r, t = s.of[COLLATERAL], s.of[STABLE], s.of[COLLATERAL_RESERVE], s.of[STABLE_RESERVE]
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        p, who = rows.path[i], rows.actor[i]
        paid, drawn = redeem(p, rows.give[i], price_of(p, s, seen), reserves.borrow_index[t, p], s, br)
        if not paid > 0.0:
            rows.state[i] = REVERTED
            continue
        rows.give[i], rows.get[i], rows.state[i] = paid, drawn, EXECUTED
        ledgers.tokens[who, b, p] -= paid
        ledgers.tokens[CASH, b, p] += paid
        ledgers.booked[DEBTS, t, p] -= paid
        ledgers.tokens[CASH, a, p] -= drawn
        ledgers.tokens[who, a, p] += drawn
        ledgers.booked[DEPOSITS, r, p] -= drawn
        ledgers.turnover[b, p] += paid
        ledgers.turnover[a, p] += drawn
        br.told[URGENT, p] += paid
        br.told[URGENT_COLL, p] += drawn
        if not rows.holds[i]:
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, who, 0
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = a, b, drawn
            n_sales += 1
    return n_sales

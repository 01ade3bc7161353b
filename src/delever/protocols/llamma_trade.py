"""Arbitrage between LLAMMA and the outside market, on all paths: what pays, how far, and the trade itself in double entry.

    buying    brings stablecoin to the AMM, sells the collateral that it gets on the market: soft liquidation
    selling   brings collateral, sells the stablecoin: the way back
    how far   until what one unit more costs the AMM's side, I/(out - u)^2 / (1 - fee), is what it brings outside, fees paid; band
              by band, `out` being g + y (or f + x). sqrt(edge outside (1 - fee)) (out - u) = sqrt(I) is nearly linear in u and is
              solved by false position until they meet to 1e-13
The oracle price is read at the start of a trade and does not move with it.
Source: curvefi/curve-stablecoin (AMM.vy); that somebody trades as soon as it pays, and that far, is an assumption.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.edges import edge_of_route, has_choice, kept_on_route
from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.route import usd_price
from delever.core.tables import (
    BANDS,
    CASH,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    TREASURY,
    Ledgers,
    Liquidity,
    Reserves,
    Sales,
    SeenPrices,
    Transactions,
)
from delever.protocols.llamma_formulas import (
    AMPLIFICATION,
    CRUMB,
    FEE,
    Grid,
    fee_of,
    goes_on,
    limited,
    own_range,
    price_of,
    sell_collateral,
    sell_stable,
    shape,
)

COLLATERAL, STABLE, COLLATERAL_RESERVE, STABLE_RESERVE, PROTOCOL, NETWORK = range(6)  # columns of Amm.of
TRADES, SOLD, BOUGHT, LOSS = range(4)  # rows of Amm.told: trades, collateral that bands gave, got back [units], loss [USD]
CLOSE, ROUNDS = 1e-13, 60  # of false position: where it stops, most rounds


class Amm(NamedTuple):
    """One market of LLAMMA on all paths. B: bands that somebody uses, P: paths."""

    of: np.ndarray  # [6] numbers: what is sold, what is owed, their reserves, protocol, network
    terms: np.ndarray  # [columns] as in llamma_formulas.py
    grid: Grid
    x: np.ndarray  # [P, B] stablecoin in each band
    y: np.ndarray  # [P, B] collateral
    active: np.ndarray  # [P] place of the active band in the grid
    last: np.ndarray  # [P] oracle price that the last trade saw
    last_fee: np.ndarray  # [P] fee of the limiter then
    since: np.ndarray  # [P] when that was [s]; -inf: never
    low: np.ndarray  # [P] first band that may be worth another than when it was looked at last
    high: np.ndarray  # [P] last one
    told: np.ndarray  # [4, P] for results
    scratch: np.ndarray  # [2, B]


@helper
def oracle(p: int, time: float, amm: Amm, seen: SeenPrices) -> tuple[float, float]:
    """The oracle price that a trade sees now, stablecoin a unit of collateral, and the fee of the limiter."""
    like, log_price = seen.like, seen.log_price
    raw = exp_(log_price[like[amm.of[COLLATERAL_RESERVE]], p] - log_price[like[amm.of[STABLE_RESERVE]], p])
    return limited(raw, amm.last[p], amm.last_fee[p], time - amm.since[p])


@helper
def reach(p: int, a: int, b: int, before: float, out: float, stock: float, i: float, keeps: float, liquidity: Liquidity
          ) -> float:
    """Units of asset a that it pays to take out of a band and sell for b, behind `before` of them; at most `stock`."""
    tree, profiles, markets, root = liquidity.tree, liquidity.profiles, liquidity.markets, math.sqrt(i)
    low, high, side = 0.0, stock, 0
    above = math.sqrt(edge_of_route(p, a, b, before, tree, profiles, markets) * keeps) * out - root
    if not above > 0.0:
        return 0.0
    below = math.sqrt(edge_of_route(p, a, b, before + stock, tree, profiles, markets) * keeps) * (out - stock) - root
    if below >= 0.0:
        return stock
    for _ in range(ROUNDS):
        u = low + (high - low) * (above / (above - below))
        if not low < u < high:
            break
        gap = math.sqrt(edge_of_route(p, a, b, before + u, tree, profiles, markets) * keeps) * (out - u) - root
        if abs(gap) <= CLOSE * root:
            return u
        if gap > 0.0:
            low, above, below, side = u, gap, below * 0.5 if side > 0 else below, 1
        else:
            high, below, above, side = u, gap, above * 0.5 if side < 0 else above, -1
    return low


@helper
def meeting(p: int, buying: bool, p_o: float, scale: float, fee: float, amm: Amm, liquidity: Liquidity) -> tuple[float, float]:
    """(brought, got) of the trade that pays most before gas; nothing where none pays."""
    x, y, terms, grid = amm.x[p], amm.y[p], amm.terms, amm.grid
    a, b = (amm.of[COLLATERAL], amm.of[STABLE]) if buying else (amm.of[STABLE], amm.of[COLLATERAL])
    k, start, step, brought, got, whole = amm.active[p], -1, 1 if buying else -1, 0.0, 0.0, 0.0
    while True:
        if x[k] > 0.0 or y[k] > 0.0:
            start, stock = k if start < 0 else start, y[k] if buying else x[k]
            if stock > 0.0:
                f, g, i = shape(x[k], y[k], p_o, grid.edge[k] * scale, terms[AMPLIFICATION])
                keeps = 1.0 - fee_of(fee, p_o, grid.edge[k] * scale, terms[AMPLIFICATION])
                out, into = (g + y[k], f + x[k]) if buying else (f + x[k], g + y[k])
                u = reach(p, a, b, got, out, stock, i, keeps, liquidity)
                brought, got, whole = brought + into * u / (out - u) / keeps, got + u, max(whole, out)
                if u < stock:
                    break
        if not 0 <= k + step < len(x) or not goes_on(k, k + step, start, p_o, scale, grid, terms):
            break
        k += step
    return (brought, got) if got > CRUMB * whole else (0.0, 0.0)


@helper
def pays(x: float, y: float, p_o: float, p_up: float, a: float, fee: float, level: float) -> tuple[bool, bool]:
    """Whether the price of the active band leaves room for a purchase of collateral, for a sale; most trades end here.

    level: what the first unit of collateral brings outside and, inverted, the first of stablecoin, fees and least fee paid [2].
    """
    if x > 0.0 or y > 0.0:
        low = price_of(x, y, p_o, p_up, a)
        high = low
    else:
        low, high = own_range(p_o, p_up, a)
    return level * fee > low, high * fee > level


@helper
def best(p: int, time: float, amm: Amm, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity
         ) -> tuple[bool, float, float]:
    """(buying, brought, got) of the arbitrage that pays now."""
    p_o, limiter = oracle(p, time, amm, seen)
    scale, fee = reserves.borrow_index[amm.of[STABLE_RESERVE], p], max(amm.terms[FEE], limiter)
    brought, got = meeting(p, True, p_o, scale, fee, amm, liquidity)
    if got > 0.0:
        return True, brought, got
    brought, got = meeting(p, False, p_o, scale, fee, amm, liquidity)
    return False, brought, got


@helper
def trade(p: int, buying: bool, units: float, p_o: float, scale: float, fee: float, amm: Amm, x: np.ndarray, y: np.ndarray
          ) -> tuple[float, float, float, int]:
    """Bring so many units to these bands: (brought, got, admin's, active band)."""
    k = amm.active[p]
    if buying:
        return sell_stable(units, k, p_o, scale, fee, amm.grid, amm.terms, x, y)
    return sell_collateral(units, k, p_o, scale, fee, amm.grid, amm.terms, x, y)


@helper
def size_trade(i: int, time: float, amm: Amm, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity, rows: Transactions
               ) -> None:
    """Give and get of a row, at most what its actor brings; or say that there is nothing to do."""
    p, most = rows.path[i], rows.most[i]
    buying, brought, got = best(p, time, amm, reserves, seen, liquidity)
    if got > 0.0 and 0.0 < most < brought:
        p_o, limiter = oracle(p, time, amm, seen)
        x, y, scale = amm.scratch[0], amm.scratch[1], reserves.borrow_index[amm.of[STABLE_RESERVE], p]
        for k in range(len(x)):
            x[k], y[k] = amm.x[p, k], amm.y[p, k]
        brought, got, _, _ = trade(p, buying, most, p_o, scale, max(amm.terms[FEE], limiter), amm, x, y)
    a, b = amm.of[COLLATERAL], amm.of[STABLE]
    rows.give_asset[i], rows.get_asset[i] = (b, a) if buying else (a, b)
    rows.give[i], rows.get[i], rows.kept[i] = brought, got, 0.0
    if not got > 0.0:
        rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@kernel
def offer_trades(number: int, kind: int, time: float, active: np.ndarray, amm: Amm, reserves: Reserves, seen: SeenPrices,
                 liquidity: Liquidity, rows: Transactions, n: int) -> int:
    """A row for each path on which a trade pays before gas. The number of rows then. number: of the market.

    Almost every path is told from scalars: what is passed to a helper as a group costs more than the answer.
    """
    a, b, r, s = amm.of[COLLATERAL], amm.of[STABLE], seen.like[amm.of[COLLATERAL_RESERVE]], seen.like[amm.of[STABLE_RESERVE]]
    log_price, price, chain = seen.log_price, liquidity.markets.price, liquidity.tree.chain
    sells, buys = liquidity.tree.sells[a, b], liquidity.tree.buys[a, b]
    tree, profiles, markets = liquidity.tree, liquidity.profiles, liquidity.markets
    constant, apart = tree.log_rate[a] - tree.log_rate[b], has_choice(a, b, tree)
    index, edge, place, x, y = reserves.borrow_index[amm.of[STABLE_RESERVE]], amm.grid.edge, amm.active, amm.x, amm.y
    last, last_fee, since, least, width = amm.last, amm.last_fee, amm.since, amm.terms[FEE], amm.terms[AMPLIFICATION]
    for p in range(active.shape[0]):
        if not active[p]:
            continue
        p_o, limiter = limited(exp_(log_price[r, p] - log_price[s, p]), last[p], last_fee[p], time - since[p])
        level, k = constant, place[p]
        for j in range(sells):
            level += price[chain[a, j], p]
        for j in range(buys):
            level -= price[chain[b, j], p]
        kept = kept_on_route(p, a, b, tree, profiles, markets) * (1.0 - max(least, limiter))
        buying, selling = pays(x[p, k], y[p, k], p_o, edge[k] * index[p], width, kept, exp_(level))
        if selling:
            while k >= 0 and x[p, k] <= 0.0:
                k -= 1
        if not buying and not (selling and k >= 0) and not apart:  # the price elsewhere is another
            continue
        rows.path[n], rows.most[n], rows.state[n] = p, 0.0, OFFERED
        size_trade(n, time, amm, reserves, seen, liquidity, rows)
        if rows.state[n] == OFFERED:
            rows.kind[n], rows.ref[n] = kind, number
            rows.protocol[n], rows.network[n] = amm.of[PROTOCOL], amm.of[NETWORK]
            n += 1
        else:
            rows.path[n], rows.state[n], rows.give_asset[n], rows.get_asset[n] = 0, 0, 0, 0
    return n


@kernel
def size_trades(picked: np.ndarray, time: float, amm: Amm, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity,
                rows: Transactions) -> None:
    """These rows, each as if it were alone."""
    for i in picked:
        size_trade(i, time, amm, reserves, seen, liquidity, rows)


@kernel
def trade_rows(picked: np.ndarray, time: float, amm: Amm, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity,
               ledgers: Ledgers, rows: Transactions, sales: Sales, n_sales: int) -> int:
    """Carry out included rows, one after the other. The number of sales then."""
    a, b, s = amm.of[COLLATERAL], amm.of[STABLE], amm.of[STABLE_RESERVE]
    tokens, tree, price = ledgers.tokens, liquidity.tree, liquidity.markets.price
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        p, who, buying, before = rows.path[i], rows.actor[i], rows.get_asset[i] == a, amm.active[rows.path[i]]
        p_o, limiter = oracle(p, time, amm, seen)
        brought, got, admin, after = trade(p, buying, rows.give[i], p_o, reserves.borrow_index[s, p],
                                           max(amm.terms[FEE], limiter), amm, amm.x[p], amm.y[p])
        if not got > 0.0:
            rows.state[i] = REVERTED
            continue
        amm.active[p], amm.last[p], amm.last_fee[p], amm.since[p] = after, p_o, limiter, time
        amm.low[p], amm.high[p] = min(amm.low[p], before, after), max(amm.high[p], before, after)
        rows.give[i], rows.get[i] = brought, got
        given, taken = (b, a) if buying else (a, b)
        tokens[who, given, p] -= brought
        tokens[BANDS, given, p] += brought - admin
        tokens[CASH, given, p] += admin
        ledgers.booked[TREASURY, s if buying else amm.of[COLLATERAL_RESERVE], p] += admin
        tokens[BANDS, taken, p] -= got
        tokens[who, taken, p] += got
        ledgers.turnover[given, p] += brought
        ledgers.turnover[taken, p] += got
        amm.told[TRADES, p] += 1.0
        amm.told[SOLD if buying else BOUGHT, p] += got if buying else brought
        amm.told[LOSS, p] += got * usd_price(taken, p, tree, price) - brought * usd_price(given, p, tree, price)
        if not rows.holds[i]:
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales] = i, p, who
            sales.forced[n_sales] = 1 if buying else 0
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = taken, given, got
            n_sales += 1
        rows.state[i] = EXECUTED
    return n_sales

"""The arithmetic of crvUSD's LLAMMA: bands, their prices and fees, trades, what a position is worth. Nothing is kept here.

    band n       p_up(n) = base ((A-1)/A)^n,   p_down(n) = p_up(n + 1)             oracle prices, stablecoin a unit
    invariant    p_o A y0^2 - y0 (p_up/p_o (A-1) x + p_o^2/p_up A y) - x y = 0
                 f = A y0 p_o^2/p_up,  g = (A-1) y0 p_up/p_o,  I = (f + x)(g + y);   price of the AMM = (f + x)/(g + y)
    own range    from p_o^3/p_up^2 to p_o^3/p_down^2: against the oracle's way, three times as fast
    fee          max(fee, fee of the limiter, a quarter of the distance from p_o to the own range), of what comes in
    x_down       what a band is worth in stablecoin once the price has gone down through it slowly:
                 only y and p_o > p_up: y p_up / r;  p_o < p_down: all traded at once for x;
                 between: at once to the price p_o, the rest at sqrt(p_o p_down)                         r = sqrt(A/(A-1))
    health       x_down (1 - liquidation discount) / debt - 1
Real arithmetic: the contract rounds down to 1e-18 and works p_up out to 1e-11. Source: curvefi/curve-stablecoin 46b8f04a^
(AMM.vy, Controller.vy), whose executed results the tests hold this to.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.elementary import exp_, log_
from delever.core.jit import helper

# columns of a protocol's terms
AMPLIFICATION, FEE, ADMIN, LOAN_DISCOUNT, LIQUIDATION_DISCOUNT, LOG_RATIO = range(6)
WINDOW, CHANGE = 120.0, 1.25  # of the limiter: [s], factor of the price
SLOW = 0.25  # fee of a band by the distance to its own range, relative
BANDS = 50  # of one trade, and from the oracle price to where it stops
HIGHEST = 1.0 - 1e-18  # fee of the limiter
CRUMB = 1e-12  # of f + x (g + y) of a band, to which a trade is known: less is not carried on from it, or traded alone
DEAD, GRAIN = 1e-15, 1e-18  # shares of nobody in each band, and the unit of collateral that they count for
UNPAID = 1e-4  # share of what a collateral may borrow that the contract keeps back


class Grid(NamedTuple):
    """The bands that somebody uses, in their order; shared by all paths."""

    number: np.ndarray  # [bands] n: the higher, the lower the price
    edge: np.ndarray  # [bands] upper edge in oracle price at interest index 1, stablecoin a unit


@helper
def upper(base: float, log_ratio: float, n: float) -> float:
    """Upper edge of band n in oracle price."""
    return base * exp_(-n * log_ratio)


@helper
def y0_of(x: float, y: float, p_o: float, p_up: float, a: float) -> float:
    """The collateral that the band would hold were p_o = p_up."""
    b = p_up / p_o * (a - 1.0) * x + p_o * p_o / p_up * a * y
    if x > 0.0 and y > 0.0:
        return (b + math.sqrt(b * b + 4.0 * p_o * a * x * y)) / (2.0 * p_o * a)
    return b / (p_o * a)


@helper
def shape(x: float, y: float, p_o: float, p_up: float, a: float) -> tuple[float, float, float]:
    """f, g and I of a band; all 0 where it is empty."""
    y0 = y0_of(x, y, p_o, p_up, a)
    f, g = a * y0 * p_o * p_o / p_up, (a - 1.0) * y0 * p_up / p_o
    return f, g, (f + x) * (g + y)


@helper
def own_range(p_o: float, p_up: float, a: float) -> tuple[float, float]:
    """The AMM's lowest and highest price within a band: where it is all collateral, where it is all stablecoin."""
    low = p_o * p_o * p_o / (p_up * p_up)
    k = a / (a - 1.0)
    return low, low * k * k


@helper
def fee_of(fee: float, p_o: float, p_up: float, a: float) -> float:
    """The fee of a trade in a band. fee: of all bands now."""
    low, high = own_range(p_o, p_up, a)
    if p_o < low:
        return max(fee, SLOW * (low - p_o) / low)
    if p_o > high:
        return max(fee, SLOW * (p_o - high) / p_o)
    return fee


@helper
def price_of(x: float, y: float, p_o: float, p_up: float, a: float) -> float:
    """The AMM's price in a band; of an empty one the middle of its own range."""
    if x <= 0.0 and y <= 0.0:
        low, high = own_range(p_o, p_up, a)
        return math.sqrt(low * high)
    f, g, _ = shape(x, y, p_o, p_up, a)
    return (f + x) / (g + y)


@helper
def x_down(x: float, y: float, p_o: float, p_up: float, a: float) -> float:
    """What a band is worth in stablecoin when the price goes down through it slowly from p_o [units]."""
    k = a / (a - 1.0)
    p_down = p_up / k
    if p_o > p_up and x <= 0.0:
        return y * p_up / math.sqrt(k)
    if p_o < p_down and y <= 0.0:
        return x
    if x <= 0.0 and y <= 0.0:
        return 0.0
    f, g, i = shape(x, y, p_o, p_up, a)
    if p_o > p_up:
        return max(i / f - g, 0.0) * p_up / math.sqrt(k)
    if p_o < p_down:
        return max(i / g - f, 0.0)
    y_o = max(math.sqrt(i / p_o) - g, 0.0)
    return max(i / (g + y_o) - f, 0.0) + y_o * math.sqrt(p_down * p_o)


@helper
def y_up(x: float, y: float, p_o: float, p_up: float, a: float) -> float:
    """What a band is worth in collateral when the price goes up through it slowly from p_o [units]."""
    k = a / (a - 1.0)
    p_down = p_up / k
    if p_o > p_up and x <= 0.0:
        return y
    if p_o < p_down and y <= 0.0:
        return x * math.sqrt(k) / p_up
    if x <= 0.0 and y <= 0.0:
        return 0.0
    f, g, i = shape(x, y, p_o, p_up, a)
    if p_o > p_up:
        return max(i / f - g, 0.0)
    if p_o < p_down:
        return max(i / g - f, 0.0) * math.sqrt(k) / p_up
    y_o = max(math.sqrt(i / p_o) - g, 0.0)
    return y_o + max(i / (g + y_o) - f, 0.0) / math.sqrt(p_up * p_o)


@helper
def limited(raw: float, last: float, last_fee: float, elapsed: float) -> tuple[float, float]:
    """The oracle price that trades see, and the limiter's fee of all bands: within 120 s of the last trade no more than a factor
    of 1.25 from what that saw, at a fee of 1 - ratio^3 more than then, which fades with the time.

    last, last_fee: as a trade `elapsed` seconds ago left them.
    """
    if not elapsed < WINDOW:
        return raw, 0.0
    now = min(max(raw, last / CHANGE), last * CHANGE)
    ratio = min(now / last, last / now)
    return now, min((1.0 - ratio * ratio * ratio + last_fee) * ((WINDOW - elapsed) / WINDOW), HIGHEST)


@helper
def shares_for(added: float, held: float, total: float) -> float:
    """Shares of a band for `added` units of collateral, beside `held` units and `total` shares of others."""
    return added * (total + DEAD) / (held + GRAIN)


@helper
def effective(collateral: float, n: int, discount: float, a: float) -> float:
    """What a collateral in n bands is worth, by the upper edge of the first one [units]."""
    shrink, total, one = (a - 1.0) / a, 0.0, 1.0
    for _ in range(n):
        total += one
        one *= shrink
    return collateral * (1.0 - discount) * math.sqrt(shrink) * total / n


@helper
def first_band(worth: float, debt: float, base: float, log_ratio: float) -> int:
    """The first band n1 of a loan: the lowest that still bears its debt. worth: of `effective`; base: upper edge of band 0."""
    return int(math.floor(log_(worth * base / debt) / log_ratio))


@helper
def highest_first_band(p_o: float, base: float, log_ratio: float) -> int:
    """The first band whose upper edge is not above the oracle price: a loan begins there or below."""
    return int(math.ceil(log_(base / p_o) / log_ratio))


@helper
def goes_on(b: int, to: int, start: int, p_o: float, scale: float, grid: Grid, terms: np.ndarray) -> bool:
    """Whether a trade that has filled its way to band b comes to band `to`: at most 50 bands in one trade, counted from the first
    that holds something (`start`), and no band beyond the one whose neighbour is 50 from the oracle price.
    """
    if start >= 0 and abs(grid.number[to] - grid.number[start]) >= BANDS:
        return False
    ratio = grid.edge[to] * scale / p_o
    if to > b:
        return ratio * exp_(terms[LOG_RATIO]) >= exp_(-BANDS * terms[LOG_RATIO])
    return ratio * exp_(-terms[LOG_RATIO]) <= exp_(BANDS * terms[LOG_RATIO])


@helper
def sell_stable(left: float, b: int, p_o: float, scale: float, fee: float, grid: Grid, terms: np.ndarray, x: np.ndarray,
                y: np.ndarray) -> tuple[float, float, float, int]:
    """Bring `left` of the stablecoin, for collateral, from the active band on downwards: (brought, got, admin's, active band).

    b: number of the active band in the grid; scale: index of interest, which lifts all edges; fee: of all bands;
    x, y: [bands], written. The fee stays in the band, less the admin's share.
    """
    brought, got, taken, a, start, first = 0.0, 0.0, 0.0, terms[AMPLIFICATION], -1, b
    while left > 0.0:
        if x[b] > 0.0 or y[b] > 0.0:
            p_up, start = grid.edge[b] * scale, b if start < 0 else start
            f, g, i = shape(x[b], y[b], p_o, p_up, a)
            share = fee_of(fee, p_o, p_up, a)
            if y[b] > 0.0 and g > 0.0:
                whole = max(i / g - f - x[b], 0.0) / (1.0 - share)
                part = min(whole, left)
                rest = 0.0 if whole < left else min(max(i / (f + x[b] + part * (1.0 - share)) - g, 0.0), y[b])
                brought, got, left, taken = brought + part, got + (y[b] - rest), left - part, taken + part * share * terms[ADMIN]
                x[b], y[b] = x[b] + part * (1.0 - share * terms[ADMIN]), rest
                if left <= CRUMB * (f + x[b]):
                    break
        if b + 1 == len(x) or not goes_on(b, b + 1, start, p_o, scale, grid, terms):
            break
        b += 1
    return brought, got, taken, b if got > 0.0 else first


@helper
def sell_collateral(left: float, b: int, p_o: float, scale: float, fee: float, grid: Grid, terms: np.ndarray, x: np.ndarray,
                    y: np.ndarray) -> tuple[float, float, float, int]:
    """Bring `left` of the collateral, for stablecoin, from the active band on upwards; see sell_stable."""
    brought, got, taken, a, start, first = 0.0, 0.0, 0.0, terms[AMPLIFICATION], -1, b
    while left > 0.0:
        if x[b] > 0.0 or y[b] > 0.0:
            p_up, start = grid.edge[b] * scale, b if start < 0 else start
            f, g, i = shape(x[b], y[b], p_o, p_up, a)
            share = fee_of(fee, p_o, p_up, a)
            if x[b] > 0.0 and f > 0.0:
                whole = max(i / f - g - y[b], 0.0) / (1.0 - share)
                part = min(whole, left)
                rest = 0.0 if whole < left else min(max(i / (g + y[b] + part * (1.0 - share)) - f, 0.0), x[b])
                brought, got, left, taken = brought + part, got + (x[b] - rest), left - part, taken + part * share * terms[ADMIN]
                x[b], y[b] = rest, y[b] + part * (1.0 - share * terms[ADMIN])
                if left <= CRUMB * (g + y[b]):
                    break
        if b == 0 or not goes_on(b, b - 1, start, p_o, scale, grid, terms):
            break
        b -= 1
    return brought, got, taken, b if got > 0.0 else first

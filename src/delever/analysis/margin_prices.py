"""Prices that holders of perpetuals ask for: where a position is liquidated, is worth nothing, or may be sold at the least.

All solve the account rule of a margin exchange, equity E = maintenance margin M, or E = 0, for the mark m of one perp
while everything else stands:

    E = rest + q m,    M = M_rest + MM(|q| m),    MM(n) = n rate_k - amount_k in the tier k of n

Amounts are such that MM is continuous; as rates rise it is the highest of the tiers' lines, so an account that comes from
health meets the lines one after the other, and the first that it meets is its liquidation price: the highest of the tiers'
prices for a long, the lowest for a short. This is what Hyperliquid and Binance ask for in words, the tier "corresponding to
the position value at the liquidation price".

Positions, prices and money may be numbers or arrays [positions] that broadcast. A price that the mark cannot reach (zero or
below) is nan: nothing that happens to this perp alone liquidates the account, or, for a short, nothing keeps it from being.
An *inverse* contract of Q dollars is a linear one of -Q dollars, each worth 1 / m of the coin that it is paid in: its prices are
one over those of that position, with wallets, margins and tiers in the coin.
Sources: hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations and margin-tiers, Binance "How to Calculate Liquidation
Price of USD-M Futures Contracts" (and of COIN-M), Bybit "Bankruptcy Price" and "Liquidation Price (USDT Contract)", dYdX v4
"Liquidations".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from delever.model.errors import InputError

Floats: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = float | Floats


class MarginTiers(NamedTuple):
    """Maintenance margin of one perp by the size of the position; build it with `margin_tiers`."""

    floor: Floats  # [tiers], USD: the tier holds from here on
    rate: Floats  # [tiers], maintenance margin of what is above the floor, share
    amount: Floats  # [tiers], USD: "maintenance amount" (Binance), "maintenance deduction" (Hyperliquid)


def margin_tiers(floors: Sequence[float], rates: Sequence[float]) -> MarginTiers:
    """Tiers from the sizes they start at [USD] and their maintenance margins [share].

    amount_0 = 0,   amount_k = amount_(k-1) + floor_k (rate_k - rate_(k-1))
    """
    floor, rate = np.array(floors, dtype=np.float64), np.array(rates, dtype=np.float64)
    if floor.ndim != 1 or floor.shape != rate.shape or not len(floor) or floor[0] != 0.0:
        raise InputError("needs one rate a floor, the first floor 0", "margin tiers", floors, "give as many of both")
    if not (np.all(np.diff(floor) > 0.0) and np.all(np.diff(rate) >= 0.0)):
        raise InputError("tiers out of order", "margin tiers", floors, "floors rise and rates do not fall")
    if not (rate[0] >= 0.0 and rate[-1] < 1.0):
        raise InputError("is not a share below 1", "margin tiers", rates, "write 1.25 % as 0.0125")
    return MarginTiers(floor, rate, np.cumsum(floor * np.diff(rate, prepend=rate[0])))


def maintenance(notional: Numbers, tiers: MarginTiers) -> Numbers:
    """MM(n) = n rate_k - amount_k,  k the last tier with floor_k <= n. Sizes and margin in USD."""
    size = np.asarray(notional, dtype=np.float64)
    k = np.searchsorted(tiers.floor, size, side="right") - 1
    return _plain(size * tiers.rate[k] - tiers.amount[k])


def liquidation_price_hyperliquid(
    price: Numbers, size: Numbers, equity: Numbers, tiers: MarginTiers, other_maintenance: Numbers = 0.0
) -> Numbers:
    """liq = price - side margin_available / |size| / (1 - l side),  margin_available = equity - maintenance,  l = rate.

    price: the mark now; size: units, long > 0; equity: of the account, or of the isolated position, at that mark [USD];
    other_maintenance: margin of the account's other positions [USD]. Maintenance is counted in the tier of the answer.
    """
    mark, q, side, short_of = _columns(price, size, equity, other_maintenance)
    required = short_of[1] + np.abs(q) * mark * tiers.rate - tiers.amount
    return _first_met(mark - side * (short_of[0] - required) / np.abs(q) / (1.0 - tiers.rate * side), side)


def liquidation_price_binance(
    wallet: Numbers,
    size: Numbers,
    entry: Numbers,
    tiers: MarginTiers,
    other_maintenance: Numbers = 0.0,
    other_profit: Numbers = 0.0,
) -> Numbers:
    """liq = (WB - TMM + UPNL + cum - side |q| EP) / (|q| MMR - side |q|).

    WB: wallet balance, of the isolated position alone where it is isolated [USD]; q: size [units, long > 0]; EP: entry
    price; TMM, UPNL: maintenance and unrealised profit of the account's other positions [USD], 0 for an isolated one.
    """
    start, q, side, other = _columns(entry, size, wallet, other_maintenance, other_profit)
    units = np.abs(q)
    top = other[0] - other[1] + other[2] + tiers.amount - side * units * start
    return _first_met(top / (units * tiers.rate - side * units), side)


def liquidation_price_bybit(entry: Numbers, size: Numbers, margin: Numbers, tiers: MarginTiers) -> Numbers:
    """liq = EP -+ (margin - MM(|q| EP)) / |q|, isolated USDT contracts: maintenance counts at the entry price, not the mark.

    margin: what is posted [USD]. Within a tier this is rate x |EP - m| above the account rule's price m, on both sides.
    """
    start, q, side, posted = _columns(entry, size, margin)
    required = np.asarray(maintenance(np.abs(q) * start, tiers))
    return _first_met(start - side * (posted[0] - required) / np.abs(q), side)


def liquidation_price_inverse(
    wallet: Numbers,
    size: Numbers,
    entry: Numbers,
    tiers: MarginTiers,
    other_maintenance: Numbers = 0.0,
    other_profit: Numbers = 0.0,
) -> Numbers:
    """liq = (|Q| MMR + Q) / (WB - TMM + UPNL + cum + Q / EP), Binance COIN-M: the account rule of a contract of Q dollars.

    size Q: USD, long > 0; entry: USD a coin; wallet, other_maintenance, other_profit and tiers: units of the coin. The
    same rule on BitMEX, and on Deribit without portfolio margin. nan: no price liquidates it, as of a short that its coin covers.
    """
    dollars, opened = -np.asarray(size, dtype=np.float64), 1.0 / np.asarray(entry, dtype=np.float64)
    return _turned(liquidation_price_binance(wallet, dollars, opened, tiers, other_maintenance, other_profit))


def liquidation_price_bybit_inverse(entry: Numbers, size: Numbers, margin: Numbers, tiers: MarginTiers) -> Numbers:
    """liq = |Q| / (|Q| / EP +- (margin - MM(|Q| / EP))), + of a long: isolated; maintenance counts at the entry price.

    Bybit, "Liquidation Price Calculation under Isolated Mode". size Q: USD, long > 0; margin and tiers: units of the coin.
    """
    return _turned(liquidation_price_bybit(1.0 / np.asarray(entry, dtype=np.float64), -np.asarray(size, dtype=np.float64),
                                           margin, tiers))


def bankruptcy_price_inverse(mark: Numbers, size: Numbers, equity: Numbers, notional: Numbers | None = None) -> Numbers:
    """1/x = 1/m + side (1/m) E / N: as `bankruptcy_price`, with E and N = sum of |Q| / m in the coin; size Q: USD, long > 0."""
    value, dollars = 1.0 / np.asarray(mark, dtype=np.float64), -np.asarray(size, dtype=np.float64)
    return _turned(bankruptcy_price(value, dollars, equity, notional))


def bankruptcy_price(mark: Numbers, size: Numbers, equity: Numbers, notional: Numbers | None = None) -> Numbers:
    """x = m - side m E / N: closing every position of the account at its x leaves nothing and owes nothing.

    equity E of the account at the marks [USD]; notional N: sum of |q| m over all its positions [USD], |q| m of this one if not
    given (an isolated position, or the only one): then x = m - E / q.
    """
    m, q, side, money = _columns(mark, size, equity)
    total = np.abs(q) * m if notional is None else np.asarray(notional, dtype=np.float64)[..., None]
    return _first_met(m - side * m * money[0] / total, side)


def bankruptcy_price_isolated(entry: Numbers, size: Numbers, leverage: Numbers) -> Numbers:
    """x = EP (1 -+ 1 / leverage): the price at which the initial margin of a linear contract is lost; - for a long."""
    start, _, side, ratio = _columns(entry, size, leverage)
    return _first_met(start * (1.0 - side / ratio[0]), side)


def fillable_price(
    oracle: Numbers,
    size: Numbers,
    equity: Numbers,
    maintenance_total: Numbers,
    maintenance_position: Numbers,
    spread: float = 1.5,
    adjustment: float = 1.0,
) -> Numbers:
    """x = P - A spread MM / q,  A = clamp(adjustment (1 - E / TMMR), 0, 1): the limit of a dYdX v4 liquidation order.

    oracle P [USD a unit], size q [units, long > 0], equity E and maintenance TMMR of the account, maintenance MM of the position
    [USD]; spread: spread to maintenance margin ratio, adjustment: bankruptcy adjustment [ratios]; the defaults are genesis'.
    """
    p, q, side, money = _columns(oracle, size, equity, maintenance_total, maintenance_position)
    rating = np.clip(adjustment * (1.0 - money[0] / money[1]), 0.0, 1.0)
    return _first_met(p - rating * spread * money[2] / q, side)


def _columns(price: Numbers, size: Numbers, *money: Numbers) -> tuple[Floats, Floats, Floats, list[Floats]]:
    """Price, size, side (+1 long, -1 short) and amounts of money, each [positions..., 1] so that tiers broadcast."""
    p, q, *rest = (np.asarray(x, dtype=np.float64)[..., None] for x in (price, size, *money))
    if np.any(q == 0.0):
        raise InputError("is 0", "size of a position", 0.0, "leave out positions that are closed")
    return p, q, np.sign(q), rest


def _first_met(prices: Floats, side: Floats) -> Numbers:
    """The tier's price that is met first, falling for a long, rising for a short; nan if it is not above 0."""
    first = np.where(side[..., 0] > 0.0, prices.max(axis=-1), prices.min(axis=-1))
    return _plain(np.where(first > 0.0, first, np.nan))


def _turned(price: Numbers) -> Numbers:
    """One over a price."""
    return _plain(1.0 / np.asarray(price, dtype=np.float64))


def _plain(values: Floats) -> Numbers:
    """A number where numbers came in."""
    return float(values) if values.ndim == 0 else values

"""The convexity of ruin: how little leverage more it takes to be liquidated twice as probably.

With leverage L (assets over equity) a price must move by

    long, or a loan:  a = ln k - ln(1 - 1/L)        k = 1 - maintenance margin, or the liquidation threshold
    short:            a = ln(1 + 1/L) - ln k        k = 1 + maintenance margin

in logs, so da/dlnL = -1 / (L - 1), or -1 / (L + 1), while the probability falls with a as a normal tail does. Its elasticity,
dlnP / dlnL = dP/da / P x da/dlnL, is what a rise of leverage by 1 % does to it, in per cent. k is the median of the book's
accounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.boundaries import PRICE, WORDS, Boundaries
from delever.analysis.hitting import beyond, hitting
from delever.analysis.outside_paths import Law
from delever.analysis.tables import Column, table
from delever.run.assemble import Model

EDGES = (0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, np.inf)
CURVES = 6  # kinds of position, the largest first
POINTS = 80
WIDEST, NARROWEST = 5.0, 0.02  # standard deviations of the horizon between which a curve goes
RARE = 1e-6  # probability below which nothing is said of multiples, and a curve begins
SHORT = "short"
SIDES = ("loan against it", "loan of it", "long", SHORT)


def leverage_bands(accounts: pa.Table) -> pa.Table:
    """Accounts that may come to be liquidated, by protocol and band of leverage. accounts: as a first passage has them."""
    some = accounts.filter(pc.and_(pc.is_in(accounts["boundary"], pa.array(WORDS[PRICE:PRICE + 3])),
                                   pc.is_valid(accounts["probability"])))
    leverage, share, move = (some[name].to_numpy() for name in ("leverage", "probability", "move"))
    size = some["debt_usd"].to_numpy() + some["positions_usd"].to_numpy()
    band = np.digitize(np.nan_to_num(leverage, nan=EDGES[-2]), EDGES[1:-1])
    protocol = np.array(some["protocol"].to_pylist(), object)
    found: list[tuple[object, ...]] = []
    for name in some["protocol"].unique().to_pylist():
        before: float | None = None
        for k, (low, high) in enumerate(pairwise(EDGES)):
            here = (protocol == name) & (band == k)
            if not here.any():
                continue
            whole, away = float(size[here].sum()), np.abs(move[here])
            mean = float(share[here] @ size[here] / whole) if whole > 0.0 else float(share[here].mean())
            multiple = mean / before if before and min(before, mean) > RARE else None
            found.append((name, low, None if np.isinf(high) else high, int(here.sum()), whole,
                          None if np.isnan(away).all() else float(np.nanmedian(away)), mean, multiple))
            before = mean
    names = (("protocol", "", pa.string(), ""), ("from", "x", pa.float64(), "leverage, and to"), ("to", "x", pa.float64(), ""),
             ("accounts", "1", pa.int64(), "not liquidatable yet"), ("size_usd", "USD", pa.float64(), "debt, or positions"),
             ("distance", "share", pa.float64(), "median move of the price until liquidation"),
             ("probability", "share", pa.float64(), "mean, by size"),
             ("multiple", "x", pa.float64(), "of the probability in the band below, where both are above a millionth"))
    return table(*(Column(name, unit, [row[i] for row in found], meaning, kind)
                   for i, (name, unit, kind, meaning) in enumerate(names)))


def curves(model: Model, found: Boundaries, law: Law | None, market: np.ndarray, counted: np.ndarray, looks: bool) -> pa.Table:
    """Distance and probability against leverage, for each kind of position that hangs on one log price; without events.

    looks: the engine looks once a step; else all the time.
    """
    rows: list[tuple[object, ...]] = []
    for protocol, driver in [] if law is None else kinds_of(found, model.positions.protocol, counted):
        at = np.flatnonzero(_usable(found, counted) & (model.positions.protocol == protocol) & (found.driver == driver))
        vector, m, margin = found.vectors[driver], int(market[at[0]]), bool(found.positions[at[0]] > 0.0)
        side = SIDES[2 * margin + (vector[m] < 0.0)]
        k = float(np.median(_kept(found.leverage[at], found.distance[at], side)))
        assert law is not None
        sigma, drift = float(law.scale(vector[None])[0]), float(vector @ law.drift)
        away = np.linspace(WIDEST, NARROWEST, POINTS) * sigma * np.sqrt(model.steps)
        leverage = leverage_at(away, k, side)
        away, leverage = away[np.isfinite(leverage)], leverage[np.isfinite(leverage)]
        hit = hitting(beyond(away, sigma, 1.0) if looks else away, -drift, sigma, float(model.steps))
        slope = -1.0 / (leverage + 1.0) if side == SHORT else -1.0 / (leverage - 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            elastic = hit.by_distance * slope / hit.probability
        kind = (list(model.world.protocols)[protocol], model.layout.markets[m], price_words(model.layout.pairs, vector * np.sign(
            vector[m])), side)
        rows += [(*kind, *(float(x) for x in values)) for values in zip(
            leverage, np.expm1(-away / vector[m]), hit.probability, elastic, doubling(leverage, hit.probability), strict=True)
            if values[2] >= RARE]
    names = (("protocol", "", pa.string(), ""), ("asset", "", pa.string(), ""),
             ("price", "", pa.string(), "what it hangs on"), ("side", "", pa.string(), ""),
             ("leverage", "x", pa.float64(), ""), ("move", "share", pa.float64(), "of the asset's price until liquidation"),
             ("probability", "share", pa.float64(), "of reaching it within the horizon"),
             ("elasticity", "1", pa.float64(), "per cent by which the probability rises with 1 % more leverage"),
             ("doubles_with", "share", pa.float64(), "rise of leverage that doubles the probability"))
    return table(*(Column(name, unit, [_finite(row[i]) for row in rows], meaning, kind)
                   for i, (name, unit, kind, meaning) in enumerate(names)))


def _usable(found: Boundaries, counted: np.ndarray) -> np.ndarray:
    """[A] bool: has a driver and a leverage."""
    return np.asarray(counted & found.one & np.isfinite(found.leverage))


def kinds_of(found: Boundaries, protocol: np.ndarray, counted: np.ndarray) -> list[tuple[int, int]]:
    """(protocol, driver) of accounts, the largest first."""
    size, mine = found.debt + found.positions, _usable(found, counted)
    kinds, number = np.unique(np.stack([protocol[mine], found.driver[mine]]), axis=1, return_inverse=True)
    total = np.bincount(number.ravel(), size[mine], kinds.shape[1])
    return [(int(p), int(d)) for p, d in kinds.T[np.argsort(-total, kind="stable")][:CURVES]]


def price_words(pairs: Sequence[str], vector: np.ndarray) -> str:
    """What a driver is the log of: "stETH/ETH x ETH/USD", "WBTC/USD over ETH/USD"."""
    over = [[name if abs(power) == 1.0 else f"{name}^{abs(power):g}" for name, power in zip(pairs, vector, strict=True)
             if power * sign > 0.0] for sign in (1.0, -1.0)]
    return " over ".join(" x ".join(names) for names in over if names)


def leverage_at(distance: np.ndarray, k: float, side: str) -> np.ndarray:
    """Leverage of a position that is so far away in log price; nan: none is. k: see above."""
    own = k * np.exp(distance) - 1.0 if side == SHORT else 1.0 - k * np.exp(-distance)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(own > 0.0, 1.0 / own, np.nan))


def _kept(leverage: np.ndarray, distance: np.ndarray, side: str) -> np.ndarray:
    """The k of accounts."""
    if side == SHORT:
        return np.asarray((1.0 + 1.0 / leverage) * np.exp(-distance))
    return np.asarray((1.0 - 1.0 / leverage) * np.exp(distance))


def doubling(leverage: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """[n] share by which leverage must rise until the probability, which rises with it, is twice as high; nan: nowhere."""
    some = probability > 0.0
    if some.sum() < 2:
        return np.full(len(leverage), np.nan)
    x, y = np.log(leverage[some]), np.log(probability[some])
    wanted = np.where(some, np.log(np.where(some, probability, 1.0)), np.nan) + np.log(2.0)
    at = np.interp(wanted, y, x, right=np.nan)
    return np.asarray(np.expm1(at - np.log(leverage)))


def _finite(value: object) -> object:
    """Null for what is not a number or without end."""
    return None if isinstance(value, float) and not np.isfinite(value) else value

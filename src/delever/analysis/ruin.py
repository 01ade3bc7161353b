"""The convexity of ruin: how little leverage more it takes to be liquidated twice as probably.

With leverage L (assets over equity) a price must move by

    long, or a loan:  a = ln k - ln(1 - 1/L)        k = 1 - maintenance margin, or the liquidation threshold
    short:            a = ln(1 + 1/L) - ln k        k = 1 + maintenance margin

in logs, so da/dlnL = -1 / (L - 1), or -1 / (L + 1), while the probability falls with a as a normal tail does. Its elasticity,
dlnP / dlnL = dP/da / P x da/dlnL, is what a rise of leverage by 1 % does to it, in per cent. k is the median of the book's
accounts.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from delever.analysis.boundaries import PRICE, WORDS, Boundaries
from delever.analysis.hitting import beyond, hitting
from delever.analysis.outside_paths import Law
from delever.analysis.tables import Column, table
from delever.run.assemble import Model

EDGES = (0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, np.inf)
CURVES = 6  # kinds of position, the largest first
POINTS = 80
LEAST, NEXT_TO = 1.05, 0.999  # leverage at which a curve begins; share of the highest at which it ends
RARE = 1e-6  # probability below which nothing is said of multiples, and a curve begins
SIDES = ("loan", "long", "short")


def leverage_bands(accounts: pa.Table) -> pa.Table:
    """Accounts that may come to be liquidated, by protocol and band of leverage. accounts: as a first passage has them."""
    rows = [row for row in accounts.to_pylist() if row["boundary"] in WORDS[PRICE:PRICE + 3] and row["probability"] is not None]
    found: list[tuple[object, ...]] = []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        before = None
        for low, high in pairwise(EDGES):
            here = [row for row in rows if row["protocol"] == protocol and low <= (row["leverage"] or np.inf) < high]
            here += [row for row in rows if row["protocol"] == protocol and row["leverage"] is None and high == np.inf]
            if not here:
                continue
            size = np.array([row["debt_usd"] + row["positions_usd"] for row in here])
            share = np.array([row["probability"] for row in here])
            away = [abs(row["move"]) for row in here if row["move"] is not None]
            mean = float(share @ size / size.sum()) if size.sum() > 0.0 else float(share.mean())
            found.append((protocol, low, None if np.isinf(high) else high, len(here), float(size.sum()),
                          float(np.median(away)) if away else None, mean, mean / before if before and before > RARE else None))
            before = mean
    names = (("protocol", "", pa.string(), ""), ("from", "x", pa.float64(), "leverage, and to"), ("to", "x", pa.float64(), ""),
             ("accounts", "1", pa.int64(), "not liquidatable yet"), ("size_usd", "USD", pa.float64(), "debt, or positions"),
             ("distance", "share", pa.float64(), "median move of the price until liquidation"),
             ("probability", "share", pa.float64(), "mean, by size"),
             ("multiple", "x", pa.float64(), "of the probability in the band below, where that is above a millionth"))
    return table(*(Column(name, unit, [row[i] for row in found], meaning, kind)
                   for i, (name, unit, kind, meaning) in enumerate(names)))


def curves(model: Model, found: Boundaries, law: Law | None, market: np.ndarray, counted: np.ndarray, looks: bool) -> pa.Table:
    """Distance and probability against leverage, for each kind of position that hangs on one price; without events.

    looks: the engine looks once a step; else all the time.
    """
    rows: list[tuple[object, ...]] = []
    for protocol, m, side in [] if law is None else kinds_of(found, model.positions.protocol, market, counted):
        at = np.flatnonzero(_of_kind(found, model.positions.protocol, market, counted, protocol, m, side))
        k = float(np.median(_kept(found.leverage[at], found.distance[at], side)))
        assert law is not None
        most = 1.0 / abs(1.0 - k) if k != 1.0 else 1e6
        if most <= LEAST:
            continue
        leverage = np.geomspace(LEAST, NEXT_TO * most, POINTS)
        vector = found.vectors[found.driver[at[0]]]
        sigma, drift = float(law.scale(vector[None])[0]), float(vector @ law.drift)
        away = distance_at(leverage, k, side)
        hit = hitting(beyond(away, sigma, 1.0) if looks else away, -drift, sigma, float(model.steps))
        slope = -1.0 / (leverage + 1.0) if side == "short" else -1.0 / (leverage - 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            elastic = hit.by_distance * slope / hit.probability
        move = np.expm1(-away / vector[m])
        double = doubling(leverage, hit.probability)
        rows += [(list(model.world.protocols)[protocol], model.layout.markets[m], side, *(float(x) for x in values))
                 for values in zip(leverage, move, hit.probability, elastic, double, strict=True) if values[2] >= RARE]
    names = (("protocol", "", pa.string(), ""), ("asset", "", pa.string(), ""), ("side", "", pa.string(), ""),
             ("leverage", "x", pa.float64(), ""), ("move", "share", pa.float64(), "of the price until liquidation"),
             ("probability", "share", pa.float64(), "of reaching it within the horizon"),
             ("elasticity", "1", pa.float64(), "per cent by which the probability rises with 1 % more leverage"),
             ("doubles_with", "share", pa.float64(), "rise of leverage that doubles the probability"))
    return table(*(Column(name, unit, [_finite(row[i]) for row in rows], meaning, kind)
                   for i, (name, unit, kind, meaning) in enumerate(names)))


def kinds_of(found: Boundaries, protocol: np.ndarray, market: np.ndarray, counted: np.ndarray) -> list[tuple[int, int, str]]:
    """(protocol, market, side) of accounts that hang on one price, the largest first."""
    size, out = found.debt + found.positions, []
    mine = counted & (found.kind == PRICE)
    for p, m in sorted(set(zip(protocol[mine].tolist(), market[mine].tolist(), strict=True))):
        for side in SIDES:
            at = _of_kind(found, protocol, market, counted, p, m, side)
            if at.any():
                out.append((float(size[at].sum()), p, m, side))
    return [(p, m, side) for _, p, m, side in sorted(out, key=lambda row: -row[0])[:CURVES]]


def _of_kind(found: Boundaries, protocol: np.ndarray, market: np.ndarray, counted: np.ndarray, p: int, m: int, side: str
             ) -> np.ndarray:
    """[A] bool. Loans of the asset and loans against it are as far away at the same leverage, but not the same way."""
    follows = np.where(found.one, found.vectors[found.driver, m], 0.0) if len(found.vectors) else np.zeros(len(found.kind))
    margin = found.positions > 0.0
    right = {"loan": ~margin & (follows > 0.0), "long": margin & (follows > 0.0), "short": margin & (follows < 0.0)}[side]
    usable = (found.distance > 0.0) & (found.leverage > 1.0) & np.isfinite(found.leverage) if side != "short" else np.isfinite(
        found.leverage)
    return np.asarray(counted & (found.kind == PRICE) & (protocol == p) & (market == m) & right & usable)


def distance_at(leverage: np.ndarray, k: float, side: str) -> np.ndarray:
    """Log price until liquidation, at such leverage. k: see above."""
    if side == "short":
        return np.asarray(np.log1p(1.0 / leverage) - np.log(k))
    return np.asarray(np.log(k) - np.log1p(-1.0 / leverage))


def _kept(leverage: np.ndarray, distance: np.ndarray, side: str) -> np.ndarray:
    """The k of accounts."""
    if side == "short":
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

"""How far one price alone must go until an account is liquidated: in closed form where it has a driver, else looked for."""

from __future__ import annotations

import numpy as np

from delever.analysis.boundaries import BASKET, Amounts, Boundaries
from delever.analysis.margins import MarginBook
from delever.analysis.position_prices import FALLS, RISES, Gap, closest, nearest
from delever.run.assemble import Model


def moves_alone(model: Model, found: Boundaries, amounts: Amounts, moves: np.ndarray, market: np.ndarray) -> np.ndarray:
    """[A] move of each account's market, share; nan: none reaches it. market: [A]; moves: [R, M] of reserves."""
    out = np.full(len(market), np.nan)
    at = np.flatnonzero(found.one & (market >= 0))
    if len(at):
        follows = found.vectors[found.driver[at], market[at]]
        with np.errstate(divide="ignore", over="ignore"):
            out[at] = np.where(follows != 0.0, np.expm1(-found.distance[at] / follows), np.nan)
    lends = model.positions.tables.margin[model.positions.tables.signature] == 0
    looked_for = (found.kind == BASKET) & (market >= 0)
    one_to_one = np.asarray(np.isin(amounts.vectors, (0.0, 1.0)).all(axis=0))  # [M]
    straight = looked_for & lends & one_to_one[market]
    out[straight] = _straight(amounts, np.flatnonzero(straight), market[straight])
    for mine, of in ((lends & ~straight, _lending), (~lends, _margin)):
        at = np.flatnonzero(mine & looked_for)
        if len(at):
            gap = of(model, amounts, moves, at, market[at])
            out[at] = closest(nearest(gap, FALLS, len(at)), nearest(gap, RISES, len(at))) - 1.0
    return out


def _straight(amounts: Amounts, at: np.ndarray, market: np.ndarray) -> np.ndarray:
    """[n] the same where all amounts follow the market one to one or not at all:

        still + moved x = 0  at  x = -still / moved,   if still + moved >= 0 and x is no farther than is looked elsewhere
    """
    follows = amounts.vectors[:, market].T == 1.0  # [n, U]
    moved, still = (np.where(one, amounts.weight[at], 0.0).sum(axis=1) for one in (follows, ~follows))
    with np.errstate(divide="ignore", invalid="ignore"):
        x = -still / moved
    there = (moved != 0.0) & (still + moved >= 0.0) & (x > FALLS[-1]) & (x < RISES[-1])
    return np.asarray(np.where(there, x, np.nan) - 1.0)


def _lending(model: Model, amounts: Amounts, moves: np.ndarray, at: np.ndarray, market: np.ndarray) -> Gap:
    weight, power = amounts.weight[at], amounts.vectors[:, market].T  # [n, U]

    def gap(multiple: np.ndarray) -> np.ndarray:
        return np.asarray((weight * multiple[:, None] ** power).sum(axis=1))
    return gap


def _margin(model: Model, amounts: Amounts, moves: np.ndarray, at: np.ndarray, market: np.ndarray) -> Gap:
    whole = MarginBook(model)
    book, power, price = whole.repeated(np.searchsorted(whole.accounts, at), 1), moves[:, market].T, model.seen_price()

    def gap(multiple: np.ndarray) -> np.ndarray:
        standing = book.at(price, multiple[:, None] ** power)
        return np.asarray(standing.equity - standing.maintenance)
    return gap

"""How much of a thing pays most: a golden section for many at once, each on its own.

    all of it, unless NEAR of it is worth more; else the best share that CUTS cuts of (0, 1) have looked at
Exact to 1e-4 of the whole where worth has one peak. Source: Kiefer (1953), Sequential minimax search for a maximum.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

GOLDEN, CUTS, NEAR = 0.6180339887498949, 20, 0.99


def best_share(worth: Callable[[np.ndarray, np.ndarray], np.ndarray], whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of each that is worth most, and what that is worth. whole: [n] what all of each is worth.

    worth(places, shares): what these shares [places] of these are worth; -inf where there is no such share.
    """
    share, best = np.ones(len(whole)), whole.copy()
    some = np.arange(len(whole))
    near = worth(some, np.full(len(some), NEAR))
    some = np.flatnonzero(near > whole)
    share[some], best[some] = NEAR, near[some]
    if not len(some):
        return share, best
    low, high = np.zeros(len(some)), np.ones(len(some))
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = worth(some, left), worth(some, right)
    for _ in range(CUTS):
        for tried, got in ((left, at_left), (right, at_right)):
            better = got > best[some]
            share[some[better]], best[some[better]] = tried[better], got[better]
        up = at_left < at_right
        low, high = np.where(up, left, low), np.where(up, high, right)
        left, right = np.where(up, right, high - GOLDEN * (high - low)), np.where(up, low + GOLDEN * (high - low), left)
        again = worth(some, np.where(up, right, left))
        at_left, at_right = np.where(up, at_right, again), np.where(up, again, at_left)
    return share, best

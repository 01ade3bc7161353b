"""Terms that move while a run goes on, path by path, as moves of series and not as touches of accounts.

A term is what one reserve counts for, or one efficiency-mode category of it: rows of `Reserves.counted` and `.bonus`.

    lending            threshold = stated x counted,   incentive = stated x bonus
    exchange           what collateral backs = (1 - haircut) x counted;   MM = what the tiers say x counted
To the boundary index a term is a move of its reserve's series (core/seen_prices.py adds it), never later than the truth:

    collateral         ln counted; where a reserve has several terms, its falls and its rises are added up apart
    perp, each rise of its factor from f to f' (a fall relieves everybody, and is not counted)
                       longs   ln((1 - rho f') / (1 - rho f))     rho: the highest rate of the tiers, a share of the mark less
                       shorts  ln((1 + rho f') / (1 + rho f))     funding, so that MM's part of the loss is covered
so accounts are reached by what a term has done to the account on which it weighs most.
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import exp_, log_, ticks_down, ticks_up
from delever.core.exchange_tables import Margins
from delever.core.jit import helper, kernel
from delever.core.state import State
from delever.core.tables import Reserves

LEAST = 1e-9  # a term is never nothing, only so that its log exists
HIGHEST = 0.95  # of a perp's position that its highest tier may ask for
SURELY = 0.999  # the same less funding, where that is much of the mark


def let_move(state: State, terms: np.ndarray) -> None:
    """To be called before the run, by whoever will move these terms: their series get rows of their own. terms: numbers."""
    reserves = state.reserves
    new = np.setdiff1d(reserves.of_term[terms], np.flatnonzero(reserves.moving >= 0))
    have = reserves.log_term.shape[1]
    seen = state.seen
    seen.same[:] = np.arange(len(seen.same))  # who moves like another no longer does
    for kept, pairs in ((seen.falls, state.index.falling), (seen.rises, state.index.rising)):
        kept[pairs] = True
    reserves.moving[new] = have + np.arange(len(new))
    shape = (2, have + len(new), state.paths)
    state.reserves = reserves._replace(log_term=np.zeros(shape), term_ticks=np.zeros(shape, np.int32))
    perps = new[state.margins.perp[new] > 0]
    state.margins.funded[perps] = 1  # watched by the highest rate of their tiers


@helper
def raised(rho: float, before: float, after: float, sign: float) -> float:
    """What a margin factor that rises adds to the move of a perp's series [log]. sign: -1 longs, +1 shorts."""
    return log_((1.0 + sign * rho * after) / (1.0 + sign * rho * before))


@kernel
def count(term: int, to: np.ndarray, reserves: Reserves, margins: Margins, seen: np.ndarray) -> None:
    """A term counts for `to` [P] from now on. seen: [P] log price that its reserve was last seen at."""
    r, counted = reserves.of_term[term], reserves.counted[term]
    row, alone = reserves.moving[r], reserves.alone[r] != 0
    log_term, ticks = reserves.log_term, reserves.term_ticks
    for p in range(to.shape[0]):
        before, after = counted[p], max(to[p], LEAST)
        if after == before:
            continue
        if margins.perp[r]:
            top = margins.rate[r, margins.tiers[r] - 1]
            after = min(after, max(HIGHEST / top, before))
            if after > before:
                mark = exp_(seen[p])
                own = max(mark - margins.paid[r, p] - margins.gross[r, p], LEAST * mark)
                rho = min(top * max(mark / own, 1.0), SURELY / after)
                log_term[0, row, p] += raised(rho, before, after, -1.0)
                log_term[1, row, p] += raised(rho, before, after, 1.0)
        else:
            move = log_(after / before)
            log_term[0, row, p] += move if alone else min(move, 0.0)
            log_term[1, row, p] += move if alone else max(move, 0.0)
        counted[p] = after
        ticks[0, row, p] = ticks_down(log_term[0, row, p])
        ticks[1, row, p] = ticks_up(log_term[1, row, p])


def set_counted(state: State, term: int, to: np.ndarray) -> None:
    """A term counts for `to` [P] from now on, times what is stated."""
    count(term, to, state.reserves, state.margins, state.seen.log_price[state.seen.like[state.reserves.of_term[term]]])

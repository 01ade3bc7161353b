"""Probes look at the state after every step and change nothing.

What they keep is either a number a path, or counts of paths, so that chunks merge exactly, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from delever.core.columns import BASE, OF, QUOTE, Column, Figure, Value, worth
from delever.core.jit import kernel
from delever.core.outcomes import DEFICITS, REPAID
from delever.core.phase import Phase
from delever.core.seen_prices import price_all, value_coins
from delever.core.state import State
from delever.core.tables import DEFICIT, Markets

BINS = 48  # of the horizon, at which prices are counted
FINE, SPARSE, ROWS = 240, 6, 250_000  # bins of what is told apart by minutes: at most; steps of one at least; rows at most
PER_DECADE = 5  # buckets of a money histogram: 10^(1/5) wide, from 1 USD; bucket 0 holds what is below
BUCKETS = 1 + 13 * PER_DECADE
UNIT = 1 << 20  # of a path's weight: kept in whole numbers, which add up to the same however paths are cut into chunks
HISTORIES = ("repaid_debt", "deficit", "residual_shortfall")  # cumulative; the last: deficits that nobody has borne, then; USD


class Probe(Protocol):
    """Called once a step."""

    def observe(self, state: State) -> None: ...


@kernel
def lower(markets: Markets) -> None:
    """Running minima of market and outside prices, as log-moves since the start."""
    for m in range(markets.price.shape[0]):
        for now, low, start in ((markets.price[m], markets.lowest[m], markets.start[m]),
                                (markets.exogenous[m], markets.lowest_exogenous[m], markets.start_exogenous[m])):
            for p in range(now.shape[0]):
                low[p] = min(low[p], now[p] - start)


LOWEST = Column("lowest", "share", f"deepest fall of {OF} on its venues since the start")
OUTSIDE = Column("lowest_outside", "share", f"deepest fall of {OF} outside since the start")
EXTRA = OUTSIDE._replace(section="Markets", figures=(Figure(
    "extra_fall", "mean", f"mean over paths of how much deeper {OF} fell on its venues than outside: deepest fall less deepest "
    "outside fall, both since the start", minus="lowest"),))
LAST = Column("last_price", QUOTE, f"market price of {OF} at the end")
BEYOND = Column("extrapolated", BASE, f"units of {OF} traded beyond what its data quote", section="Markets")
QUOTED = BEYOND._replace(figures=(Figure("extrapolated", "share_above", f"paths in which {OF} traded beyond the last quote, "
                                         "where depth is extrapolated", "share"),))


class Extremes(Phase):
    """How deep prices fell."""

    def observe(self, state: State) -> None:
        """Once a step."""
        lower(state.markets)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. Figures are of markets with venues: nothing moves others."""
        out, markets = [], state.markets
        for m, venue in enumerate(state.profiles.has_venue):
            out += [Value(LOWEST, np.expm1(markets.lowest[m]), market=m),
                    Value(EXTRA if venue else OUTSIDE, np.expm1(markets.lowest_exogenous[m]), market=m),
                    Value(LAST, np.exp(markets.price[m]), market=m),
                    Value(QUOTED if venue else BEYOND, markets.extrapolated[m], market=m)]
        return out


def ends_of_bins(steps: int, bins: int = BINS) -> dict[int, int]:
    """The steps at which bins of the horizon end -> the bin; of short horizons fewer than `bins`."""
    return {int(round((b + 1) * steps / bins)): b for b in range(bins) if round((b + 1) * steps / bins) > 0}


def fine_bins(steps: int, paths: int = 0) -> int:
    """Bins of what is told apart by minutes, of a run of so many paths that each have a row a bin; 0: none has."""
    return max(BINS, min(FINE, steps // SPARSE, ROWS // paths if paths else FINE))


class History:
    """In how many paths a cumulative amount had reached which size, at `fine_bins` times of the horizon."""

    def __init__(self, steps: int) -> None:
        self.bins = fine_bins(steps)
        self.ends = ends_of_bins(steps, self.bins)
        self.seen: list[tuple[int, int, np.ndarray]] = []  # quantity, time, bucket of each path [P]

    def observe(self, state: State) -> None:
        """At the end of each bin."""
        at = self.ends.get(state.step)
        if at is None:
            return
        for q, column in enumerate((REPAID, DEFICITS)):
            money = np.zeros(state.paths)
            for row in state.ledgers.totals[column]:  # NumPy's sum adds a single path's in another order
                money += row
            self.seen.append((q, at, bucket(money)))
        self.seen.append((len(HISTORIES) - 1, at, bucket(unborne(state))))

    def counts(self, weight: np.ndarray) -> np.ndarray:
        """[2, quantity, time, size] number of paths, and their weights in UNIT. weight: [P], known at the end."""
        out, units = np.zeros((2, len(HISTORIES), self.bins, BUCKETS), np.int64), units_of(weight)
        for q, at, size in self.seen:
            out[0, q, at] = np.bincount(size, minlength=BUCKETS)
            np.add.at(out[1, q, at], size, units)
        return out


def units_of(weight: np.ndarray) -> np.ndarray:
    """Weights in whole numbers of UNIT [P]."""
    return np.asarray(np.rint(weight * UNIT).astype(np.int64))


def unborne(state: State) -> np.ndarray:
    """Deficits that nobody has borne, over all protocols [P], USD."""
    standing, out = state.ledgers.booked[DEFICIT], np.zeros(state.paths)
    if standing.any():
        fresh_prices(state)
        for number in range(len(state.margins.cash)):
            out += worth(state, standing, number)
    return out


def bucket(money: np.ndarray) -> np.ndarray:
    """Bucket of each amount [USD]."""
    with np.errstate(divide="ignore"):
        decade = np.floor(np.log10(np.maximum(money, 0.0)) * PER_DECADE)
    return np.where(money >= 1.0, np.clip(decade + 1, 1, BUCKETS - 1), 0).astype(np.uint8)


class Trace:
    """Every step of a few chosen paths, and how they stood before the first.

    Market and outside prices; by protocol liquidations, repaid debt and deficits; prices of reserves as they are seen; ages of
    the feeds' answers; base fees and room of the chains; units of each asset sold by force; transactions that found no room.
    """

    def __init__(self, chosen: list[int], chains: int = 0) -> None:
        """chains: networks that have blocks; where there are none, one that takes in everything stands in the state."""
        self.chosen, self.chains = chosen, chains
        self.rows: list[tuple[float, ...]] = []

    def observe(self, state: State) -> None:
        """Copy the chosen paths of this chunk."""
        for path in self.chosen:
            p = path - state.first_path
            if 0 <= p < state.paths:
                self.rows.append((path, state.step, *map(float, self.row(state, p))))

    def row(self, state: State, p: int) -> tuple[float, ...]:
        """How a path of the chunk stands."""
        markets, totals, seen, networks = state.markets, state.ledgers.totals, state.seen, state.networks
        time, chains = state.step * state.step_length, slice(0, self.chains)
        return (time, *np.exp(markets.price[:, p]), *np.exp(markets.exogenous[:, p]), *totals[0, :, p], *totals[REPAID, :, p],
                *totals[DEFICITS, :, p], *np.exp(seen.log_price[seen.like, p]), *(time - state.feeds.updated[:, p]),
                *networks.base_fee[chains, p], *networks.room[chains, p], *state.tally.forced[:, p], state.tally.unfit[p],
                totals[REPAID, :, p].sum(), totals[DEFICITS, :, p].sum())


class Timeline:
    """What had come together on every path, and what was there, at the end of each bin of the horizon: Phase.amounts."""

    def __init__(self, steps: int, paths: int) -> None:
        """paths: of the whole run."""
        self.ends = ends_of_bins(steps, fine_bins(steps, paths))
        self.mechanisms: Sequence[Phase] = ()  # whose amounts are asked for; set once they are there
        self.steps: list[int] = []  # looked at so far
        self.rows: list[list[Value]] = []  # of each

    def observe(self, state: State) -> None:
        """At the end of each bin."""
        if state.step not in self.ends:
            return
        fresh_prices(state)
        self.steps.append(state.step)
        self.rows.append([value._replace(values=value.values.copy())
                          for mechanism in self.mechanisms for value in mechanism.amounts(state)])


def fresh_prices(state: State) -> None:
    """state.seen.price of all paths: whether one was priced before its market moved must not depend on its neighbours."""
    state.seen.stamp[:] = -1
    price_all(state)
    value_coins(state)

"""Probes look at the state after every step and change nothing.

What they keep is either a number a path, or counts of paths, so that chunks merge exactly, in any order.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from delever.core.jit import kernel
from delever.core.outcomes import DEFICITS, REPAID
from delever.core.seen_prices import price_all
from delever.core.state import Markets, State
from delever.core.tables import ADL, BACKSTOP, INSURANCE, SOCIALISED

BINS = 48  # of the horizon
PER_DECADE = 5  # buckets of a money histogram: 10^(1/5) wide, from 1 USD; bucket 0 holds what is below
BUCKETS = 1 + 13 * PER_DECADE
HISTORIES = ("repaid_debt", "deficit")  # cumulative, USD


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


class Extremes:
    """How deep prices fell."""

    def observe(self, state: State) -> None:
        """Once a step."""
        lower(state.markets)


def ends_of_bins(steps: int) -> dict[int, int]:
    """The steps at which bins of the horizon end -> the bin; of short horizons fewer than BINS."""
    return {int(round((b + 1) * steps / BINS)): b for b in range(BINS) if round((b + 1) * steps / BINS) > 0}


class History:
    """In how many paths a cumulative amount had reached which size, at BINS times of the horizon."""

    def __init__(self, steps: int) -> None:
        self.ends = ends_of_bins(steps)
        self.counts = np.zeros((len(HISTORIES), BINS, BUCKETS), np.int64)  # [quantity, time, size]

    def observe(self, state: State) -> None:
        """At the end of each bin."""
        at = self.ends.get(state.step)
        if at is None:
            return
        for q, column in enumerate((REPAID, DEFICITS)):
            money = np.zeros(state.paths)
            for row in state.ledgers.totals[column]:  # NumPy's sum adds a single path's in another order
                money += row
            self.counts[q, at] += np.bincount(bucket(money), minlength=BUCKETS)


def bucket(money: np.ndarray) -> np.ndarray:
    """Bucket of each amount [USD]."""
    with np.errstate(divide="ignore"):
        decade = np.floor(np.log10(np.maximum(money, 0.0)) * PER_DECADE)
    return np.where(money >= 1.0, np.clip(decade + 1, 1, BUCKETS - 1), 0).astype(np.int64)


class Trace:
    """Every step of a few chosen paths: market and outside prices, liquidations, repaid debt."""

    def __init__(self, chosen: list[int]) -> None:
        self.chosen = chosen
        self.rows: list[tuple[float, ...]] = []

    def observe(self, state: State) -> None:
        """Copy the chosen paths of this chunk."""
        for path in self.chosen:
            p = path - state.first_path
            if 0 <= p < state.paths:
                markets, totals = state.markets, state.ledgers.totals
                self.rows.append((path, state.step, state.step * state.step_length,
                                  *np.exp(markets.price[:, p]), *np.exp(markets.exogenous[:, p]),
                                  *totals[0, :, p], totals[REPAID, :, p].sum(), totals[DEFICITS, :, p].sum()))


USES = ("liquidated", "taken_over", "deleveraged", "haircut", "insurance_fund", "backstop", "adl", "socialised_loss",
        "fund_left", "vault_equity")  # of a protocol up to a moment, USD; the first four at marks, the next four by layer


class Timeline:
    """What engines and layers of default waterfalls had done on every path, at the end of each bin of the horizon."""

    def __init__(self, steps: int, protocols: list[int]) -> None:
        """protocols: numbers of those that are watched."""
        self.ends, self.protocols = ends_of_bins(steps), protocols
        self.steps: list[int] = []  # looked at so far
        self.rows: list[np.ndarray] = []  # of each: [USES, watched protocols, P] USD

    def observe(self, state: State) -> None:
        """At the end of each bin."""
        if state.step not in self.ends:
            return
        state.seen.stamp[:] = -1  # whether a path was priced before its market moved must not depend on its neighbours
        price_all(state)
        margins, safety, flows = state.margins, state.safety, state.flows
        table = np.zeros((len(USES), len(self.protocols), state.paths))
        for i, number in enumerate(self.protocols):
            for r in range(margins.first[number], margins.first[number + 1]):  # added row by row: NumPy's sum has another order
                for use, row in enumerate((flows.liquidated[r], flows.taken[r], flows.deleveraged[r], flows.haircut[r])):
                    table[use, i] += row
                table[8, i] += safety.fund[r] * state.seen.price[:, r]
                table[9, i] += safety.vault[r] * worth(state, r)
            table[4:8, i] = safety.served[[INSURANCE, BACKSTOP, ADL, SOCIALISED], number]
        self.steps.append(state.step)
        self.rows.append(table)


def worth(state: State, r: int) -> np.ndarray:
    """What a unit of a reserve counts in the equity of a vault [P], USD: perps less funding, collateral after its haircut."""
    margins, price = state.margins, state.seen.price[:, r]
    value: np.ndarray = price - margins.paid[r] if margins.perp[r] else price * margins.weight[r]
    return value

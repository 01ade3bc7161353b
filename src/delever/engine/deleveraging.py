"""Deleveraging events, and how long it takes until prices, health and liquidity are back.

    closed(t)   debt repaid by liquidators, or positions closed by engines, vault and ADL, in the last `event_within`       [USD]
    event       closed(t) >= event_share x debt or positions of the protocol at the start
    depth       the largest closed(t), as a share of that; there is one without an event, too
    start       the end of the first step with closed(t) as large; duration: the steps in which it is, times their length

Recovery is looked at once anything was closed by force on the path, at the end of each step. Out of the band are prices while
some market with a venue stands further from its outside price than at the start; health while accounts left unhealthy owe more
than a share of all that was owed or open; liquidity while some side of a market lacks more than a share of its depth. The time to
recovery runs from the first forced closing to the end of the last step out of the band; 0 where there was none, never where that
is the last. Bands, share and window are the scenario's `judged`: assumptions.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.columns import OF, Column, Figure, Value
from delever.core.exchange_tables import Flows
from delever.core.jit import kernel
from delever.core.outcomes import REPAID
from delever.core.phase import Phase
from delever.core.state import State
from delever.core.tables import Markets, Reserves
from delever.engine.unhealthy import SECTION, Unhealthy

ASSUMED = " (share and window: scenario.judged, assumptions)"
SHED = Column("closed_by_force", "USD", f"of {OF} debt that liquidators repaid, or positions that engine, vault and ADL closed")
DEPTH = Column("event_depth", "share", f"largest share of the debt or positions of {OF} at the start that was closed by force "
               f"within the window{ASSUMED}")
START = Column("event_start", "s", f"when a deleveraging event of {OF} began{ASSUMED}; nan: there was none", (
    Figure("deleveraging_event", "share_where", f"paths on which {OF} had a deleveraging event{ASSUMED}", "share"),
    Figure("deleveraging_event_start", "median_where", f"median of when it began, over them{ASSUMED}")), section=SECTION)
LASTS = Column("event_duration", "s", f"how long so much of {OF} was closed within the window{ASSUMED}; nan: no event", (
    Figure("deleveraging_event_duration", "median_where", f"median of how long it lasted, over them{ASSUMED}"),),
    section=SECTION)
WHAT = ("prices", "health", "liquidity")
BANDS = " (band: scenario.judged, assumption)"
BACK = {what: Column(
    f"recovery_{what}", "s", f"time from the first forced closing until {what} were back for good{BANDS}; nan: nothing was "
    "closed, or they never were", (Figure(f"recovery_{what}", "median_where", f"median time until {what} were back, over the "
                                  f"paths on which something was closed by force and they were{BANDS}"),), section=SECTION)
    for what in WHAT}
NEVER = {what: Column(f"unrecovered_{what}", "count", f"1: something was closed by force and {what} were not back at the "
                      f"end{BANDS}") for what in WHAT}
HIT = Column("any_forced_closing", "count", "1: something was closed by force")


@kernel
def add_up(flows: Flows, reserves: Reserves, lends: np.ndarray, forced: np.ndarray) -> None:
    """What exchanges have closed: their engines, the vault and, of winners, ADL. forced: [protocols, P] [USD]."""
    forced[:] = 0.0
    for r in range(reserves.protocol.shape[0]):
        n = reserves.protocol[r]
        if not lends[n]:
            for p in range(forced.shape[1]):
                forced[n, p] += flows.liquidated[r, p] + flows.taken[r, p] + flows.deleveraged[r, p]


@kernel
def roll(row: int, time: float, totals: np.ndarray, forced: np.ndarray, lends: np.ndarray, base: np.ndarray, share: float,
         ring: np.ndarray, depth: np.ndarray, start: np.ndarray, lasts: np.ndarray, begun: np.ndarray) -> bool:
    """One step on: what has been closed within the window. Whether anything has been closed on any path, ever.

    ring: [window, protocols, P] what had been closed at the end of earlier steps; row: the oldest of them, which is this step's.
    begun: [P] time of the first forced closing; inf: none.
    """
    some = False
    for n in range(forced.shape[0]):
        total, before = totals[REPAID, n] if lends[n] else forced[n], ring[row, n]
        for p in range(forced.shape[1]):
            if total[p] <= 0.0:
                continue
            some = True
            begun[p] = min(begun[p], time)
            closed, before[p] = total[p] - before[p], total[p]
            if base[n] > 0.0:
                depth[n, p] = max(depth[n, p], closed / base[n])
                if closed >= share * base[n]:
                    start[n, p] = min(start[n, p], time)
                    lasts[n, p] += 1.0
    return some


@kernel
def look(time: float, markets: Markets, has_venue: np.ndarray, bands: np.ndarray, owed: np.ndarray, most: float,
         begun: np.ndarray, worst: np.ndarray, out: np.ndarray) -> None:
    """Note who is out of its band. bands: prices [log], depth; owed: [protocols, P] [USD], most: [USD]; out: [3, P] [s].

    worst: [3, P] scratch: largest gap [log], what the unhealthy owe [USD], least depth.
    """
    worst[:2], worst[2] = 0.0, 1.0
    for m in range(has_venue.shape[0]):
        if has_venue[m]:
            start = markets.start[m] - markets.start_exogenous[m]
            price, outside, bids, asks = markets.price[m], markets.exogenous[m], markets.depth[0, m], markets.depth[1, m]
            for p in range(begun.shape[0]):
                gap = abs(price[p] - outside[p] - start)
                worst[0, p] = gap if gap > worst[0, p] else worst[0, p]
                worst[2, p] = bids[p] if bids[p] < worst[2, p] else worst[2, p]
                worst[2, p] = asks[p] if asks[p] < worst[2, p] else worst[2, p]
    for n in range(owed.shape[0]):
        for p in range(begun.shape[0]):
            worst[1, p] += owed[n, p]
    for p in range(begun.shape[0]):
        if begun[p] <= time:
            out[0, p] = time if worst[0, p] > bands[0] else out[0, p]
            out[1, p] = time if worst[1, p] > most else out[1, p]
            out[2, p] = time if worst[2, p] < 1.0 - bands[1] else out[2, p]


class Deleveraging(Phase):
    """Events and recoveries of every path."""

    def __init__(self, lends: np.ndarray, base: np.ndarray, unhealthy: Unhealthy, window: int, share: float,
                 bands: tuple[float, float, float]) -> None:
        """lends: [protocols]; base: [protocols] debt or positions at the start [USD]; unhealthy: observed before; window: steps;
        bands: of prices [log], health and depth [share]."""
        self.lends, self.base, self.unhealthy, self.window, self.share = lends, base, unhealthy, window, share
        self.bands, self.most = np.array([bands[0], bands[2]]), bands[1] * float(base.sum())
        self.begun = np.zeros(0)  # [P] time of the first forced closing [s]; inf: none
        self.forced = np.zeros((0, 0))  # [protocols, P] closed by exchanges so far [USD]

    def _begin(self, state: State) -> None:
        shape = (len(self.base), state.paths)
        self.ring, self.forced = np.zeros((self.window, *shape)), np.zeros(shape)
        self.depth, self.lasts, self.start = np.zeros(shape), np.zeros(shape), np.full(shape, np.inf)
        self.begun, self.out = np.full(state.paths, np.inf), np.full((len(WHAT), state.paths), -1.0)
        self.worst = np.zeros((len(WHAT), state.paths))

    def observe(self, state: State) -> None:
        """Once a step."""
        if not len(self.begun):
            self._begin(state)
        time = state.step * state.step_length
        if not self.lends.all():
            add_up(state.flows, state.reserves, self.lends, self.forced)
        if roll(state.step % self.window, time, state.ledgers.totals, self.forced, self.lends, self.base, self.share, self.ring,
                self.depth, self.start, self.lasts, self.begun):
            look(time, state.markets, state.profiles.has_venue, self.bands, self.unhealthy.owed, self.most, self.begun,
                 self.worst, self.out)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        if not len(self.begun):
            self._begin(state)
        out, end = list[Value](), state.step * state.step_length
        for n, lends in enumerate(self.lends):
            event = np.isfinite(self.start[n])
            shed = state.ledgers.totals[REPAID] if lends else self.forced
            out += [Value(SHED, shed[n].copy(), n), Value(DEPTH, self.depth[n], n),
                    Value(START, np.where(event, self.start[n], np.nan), n),
                    Value(LASTS, np.where(event, self.lasts[n] * state.step_length, np.nan), n)]
        hit = np.isfinite(self.begun)
        out.append(Value(HIT, hit.astype(np.int64)))
        for k, what in enumerate(WHAT):
            never = hit & (self.out[k] >= end)
            with np.errstate(invalid="ignore"):
                time = np.where(hit & ~never, np.maximum(self.out[k] - self.begun + state.step_length, 0.0), np.nan)
            time = np.where(hit & ~never & (self.out[k] < 0.0), 0.0, time)
            out += [Value(BACK[what], time), Value(NEVER[what], never.astype(np.int64))]
        return out


def log_band(share: float) -> float:
    """A share up or down, as a log-move up."""
    return math.log1p(share)

"""Markouts: what was closed by force, at the price some time later against the price at which it was closed.

    loss(h) = units x P(t + h) - what their owner had for them        [USD], + is a loss for who was closed

Of lending `units` are the collateral that was seized, and what the owner had for it is the debt that was repaid, at its own price
then: at 0 s the loss is what the call cost. P is the market price. Of exchanges a call is a fill on the book, or the hand-over
to the vault at the price at which the account is left with nothing. Steps are the clock: t is the end of the step in which it
happened, t + h the end of the first step that is at least h later; what would lie beyond the horizon is not counted.
Source: markouts as market makers and exchanges measure fills; of one step all closings of a path and reserve are one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.columns import OF, Column, Value, market_price
from delever.core.elementary import exp_
from delever.core.empty import longer
from delever.core.exchange_tables import Closings, Flows, Margins
from delever.core.jit import kernel
from delever.core.outcomes import REPAID, SEIZED
from delever.core.phase import Phase
from delever.core.route import usd_price
from delever.core.state import State
from delever.core.tables import (
    COVERED,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    MAKERS,
    OWN_DEBTS,
    OWN_DEPOSITS,
    STOLEN,
    VENUES,
    Ledgers,
    Reserves,
    Tree,
)
from delever.engine.deleveraging import Deleveraging
from delever.engine.unhealthy import Unhealthy

LAGS = (0.0, 60.0, 300.0, 900.0, 3600.0)  # [s]
NAMES = ("0s", "1min", "5min", "15min", "1h")  # of them
KINDS = ("loans", "longs", "shorts", "adl_longs", "adl_shorts")  # who was closed
LOANS, LONGS, SHORTS, ADL_LONGS, ADL_SHORTS = range(5)
MARKOUT = Column("markout", "USD", f"of those of {OF} who were closed: what that was worth so much later, less what they had for "
                 "it, at market prices; above 0 they lost by it")
CLOSED = Column("markout_value", "USD", f"of those of {OF} who were closed: what of it is counted so much later, at market "
                "prices when it was closed; what came too late is not")
PROVIDED = Column("provider_profit", "USD", "what venues and the makers behind them gained by all trades, at market prices of "
                  "the end")


class Rows(NamedTuple):
    """What was closed in a step: a row a path, protocol and thing."""

    path: np.ndarray  # [rows]
    protocol: np.ndarray  # [rows]
    kind: np.ndarray  # [rows] place in KINDS
    what: np.ndarray  # [rows] the perp's market; of loans an asset
    in_usd: np.ndarray  # [rows] unit of the market's price then [USD]; of loans 1
    units: np.ndarray  # [rows] signed
    had: np.ndarray  # [rows] what their owner had for them [USD]; 0 where that is a row of its own
    value: np.ndarray  # [rows] when closed [USD]


class Before(NamedTuple):
    """What had been closed when it was last looked at."""

    done: np.ndarray  # [3, protocols, P] repaid, seized, forced [USD]
    moved: np.ndarray  # [2, R, P] units: of lending seized and repaid, of exchanges positions > 0 and < 0
    worth: np.ndarray  # [2, R, P] of positions [USD]


def new_rows(size: int) -> Rows:
    """Room for so many."""
    return Rows(*(np.zeros(size, np.int64) for _ in range(4)), *(np.zeros(size) for _ in range(4)))


@kernel
def changed(totals: np.ndarray, forced: np.ndarray, done: np.ndarray, moved: np.ndarray) -> int:
    """Paths [P] on which something was closed since the last time, one after the other; how many."""
    n = 0
    for p in range(forced.shape[1]):
        new = False
        for k in range(forced.shape[0]):
            new = new or (totals[REPAID, k, p] != done[0, k, p] or totals[SEIZED, k, p] != done[1, k, p]
                          or forced[k, p] != done[2, k, p])
        if new:
            moved[n] = p
            n += 1
            for k in range(forced.shape[0]):
                done[0, k, p], done[1, k, p], done[2, k, p] = totals[REPAID, k, p], totals[SEIZED, k, p], forced[k, p]
    return n


@kernel
def gather(n_paths: int, picked: np.ndarray, ledgers: Ledgers, flows: Flows, reserves: Reserves, margins: Margins, tree: Tree,
           market: np.ndarray, before: Before, rows: Rows, n: int) -> int:
    """What was closed on these paths since the last time, from row n on; the number of rows. market: [M, P] log market prices."""
    booked = ledgers.booked
    for j in range(n_paths):
        p = picked[j]
        for r in range(reserves.protocol.shape[0]):
            number = reserves.protocol[r]
            if margins.weight[r] < 0.0:
                gone = booked[DEFICIT, r, p] + booked[COVERED, r, p] - booked[STOLEN, r, p]
                for side in range(2):
                    total = (booked[OWN_DEPOSITS, r, p] - booked[DEPOSITS, r, p] if side == 0 else
                             booked[OWN_DEBTS, r, p] - booked[DEBTS, r, p] - gone)
                    units = total - before.moved[side, r, p]
                    if units == 0.0:
                        continue
                    before.moved[side, r, p] = total
                    rows.path[n], rows.protocol[n], rows.kind[n], rows.what[n] = p, number, LOANS, reserves.asset[r]
                    rows.in_usd[n], rows.had[n] = 1.0, 0.0
                    rows.units[n] = units if side == 0 else -units
                    rows.value[n] = units * usd_price(reserves.asset[r], p, tree, market) if side else 0.0
                    n += 1
            elif margins.perp[r] and margins.market[r] >= 0:
                for side in range(2):
                    units = flows.closed[side, r, p] - before.moved[side, r, p]
                    if units == 0.0:
                        continue
                    before.moved[side, r, p] = flows.closed[side, r, p]
                    rows.path[n], rows.protocol[n], rows.kind[n], rows.what[n] = p, number, LONGS + side, margins.market[r]
                    rows.in_usd[n], rows.units[n] = margins.in_usd[number, p], units
                    rows.had[n] = flows.worth[side, r, p] - before.worth[side, r, p]
                    rows.value[n] = abs(units) * exp_(market[margins.market[r], p]) * margins.in_usd[number, p]
                    before.worth[side, r, p] = flows.worth[side, r, p]
                    n += 1
    return n


@kernel
def gather_winners(first: int, last: int, closings: Closings, reserves: Reserves, margins: Margins, market: np.ndarray,
                   rows: Rows, n: int) -> int:
    """The same of positions first..last-1 that auto-deleveraging closed."""
    for i in range(first, last):
        r, p = closings.reserve[i], closings.path[i]
        if margins.market[r] < 0:
            continue
        units, in_usd = closings.units[i], closings.in_usd[i]
        rows.path[n], rows.protocol[n], rows.what[n] = p, reserves.protocol[r], margins.market[r]
        rows.kind[n] = ADL_LONGS if units > 0.0 else ADL_SHORTS
        rows.in_usd[n], rows.units[n], rows.had[n] = in_usd, units, units * closings.price[i] * in_usd
        rows.value[n] = abs(units) * exp_(market[margins.market[r], p]) * in_usd
        n += 1
    return n


@kernel
def mark(step: int, lags: np.ndarray, begin: np.ndarray, gone: int, rows: Rows, tree: Tree, market: np.ndarray,
         asked: np.ndarray, price: np.ndarray, loss: np.ndarray, value: np.ndarray) -> None:
    """Add what rows are worth now of which a lag is over.

    lags: [lags] steps; begin: [steps + 2] first row of each step, counted from the first of all; gone: rows that are no longer
    held. loss, value: [lags, kinds, protocols, P].
    asked, price: [2, markets or assets, P] the step in which a price was last asked for, and it: most are asked for at every lag.
    """
    for lag in range(lags.shape[0]):
        then = step - lags[lag]
        if then < 0:
            continue
        for i in range(begin[then] - gone, begin[then + 1] - gone):
            p, what, kind, number = rows.path[i], rows.what[i], rows.kind[i], rows.protocol[i]
            side = 0 if kind == LOANS else 1
            if asked[side, what, p] != step:
                asked[side, what, p] = step
                price[side, what, p] = exp_(market[what, p]) if side else usd_price(what, p, tree, market)
            worth = rows.units[i] * price[side, what, p] * rows.in_usd[i]
            loss[lag, kind, number, p] += worth - rows.had[i]
            value[lag, kind, number, p] += rows.value[i]


def steps_of(seconds: float, step_length: float) -> int:
    """Whole steps that take at least so long."""
    return math.ceil(seconds / step_length - 1e-9)


class Markouts(Phase):
    """Closings by force, path by path, marked at each of LAGS."""

    def __init__(self, lends: np.ndarray, inverse: np.ndarray, unhealthy: Unhealthy, events: Deleveraging,
                 own: bool) -> None:
        """lends: [protocols] true: no exchange; inverse: [protocols] true: its long is short of dollars, see Positions.sense.

        unhealthy: knows whether anybody was called; events: what exchanges closed, both looked before; own: some rules call
        accounts that they watch themselves.
        """
        self.lends, self.inverse, self.unhealthy, self.events, self.own = lends, inverse, unhealthy, events, own
        self.before: Before | None = None
        self.rows, self.n_rows, self.gone, self.n_closings = new_rows(64), 0, 0, 0
        self.begin: np.ndarray = np.zeros(64, np.int64)  # see `mark`
        self.last = -1  # step in which something was closed last

    def observe(self, state: State) -> None:
        """Once a step: what was closed in it, and what earlier closings are worth now."""
        if self.before is None:
            self._begin(state)
        if self.unhealthy.called or state.n_lots or self.own:  # else nothing can have been closed
            self.unhealthy.called = False
            self._gather(state)
        if state.step + 1 >= len(self.begin):
            self.begin = longer((self.begin,), state.step + 2)[0]
        self.begin[state.step + 1] = self.gone + self.n_rows
        if self.last >= 0 and state.step - self.last <= self.longest:
            mark(state.step, self.lags, self.begin, self.gone, self.rows, state.tree, state.markets.price, self.asked,
                 self.price, self.loss, self.value)

    def _begin(self, state: State) -> None:
        protocols, reserves = len(self.lends), len(state.reserves.protocol)
        self.before = Before(np.zeros((3, protocols, state.paths)), *(np.zeros((2, reserves, state.paths)) for _ in range(2)))
        self.lags = np.array([steps_of(lag, state.step_length) for lag in LAGS])
        self.longest = int(self.lags.max())
        self.loss, self.value = (np.zeros((len(LAGS), len(KINDS), protocols, state.paths)) for _ in range(2))
        most = max(len(state.markets.price), len(state.tree.rate))
        self.asked, self.price = np.zeros((2, most, state.paths), np.int32), np.zeros((2, most, state.paths))
        self.moved = np.zeros(state.paths, np.int64)

    def _gather(self, state: State) -> None:
        """What was closed in this step; nothing on most."""
        assert self.before is not None
        count = changed(state.ledgers.totals, self.events.forced, self.before.done, self.moved)
        if count == 0:
            return
        self._make_room(2 * count * len(state.reserves.protocol) + state.n_closings - self.n_closings, state.step)
        market = state.markets.price
        n = gather(count, self.moved, state.ledgers, state.flows, state.reserves, state.margins, state.tree, market, self.before,
                   self.rows, self.n_rows)
        if state.n_closings > self.n_closings:
            n = gather_winners(self.n_closings, state.n_closings, state.closings, state.reserves, state.margins, market,
                               self.rows, n)
            self.n_closings = state.n_closings
        if n > self.n_rows:
            self.n_rows, self.last = n, state.step

    def _make_room(self, more: int, step: int) -> None:
        """For so many rows: those of steps that have been marked go, and the table is lengthened where that is not enough."""
        if self.n_rows + more <= len(self.rows.path):
            return
        first = int(self.begin[max(step - self.longest, 0)]) - self.gone
        kept = self.n_rows - first
        before, size = self.rows, len(self.rows.path)
        if 2 * (kept + more) > size:  # at least half of it is free afterwards
            self.rows = new_rows(2 * (kept + more))
        for old, new in zip(before, self.rows, strict=True):
            new[:kept] = old[first:self.n_rows].copy()
        self.n_rows, self.gone = kept, self.gone + first

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py: by protocol, kind and lag."""
        if self.before is None:
            self._begin(state)
        out = []
        for number, lends in enumerate(self.lends):
            for kind in (LOANS,) if lends else (LONGS, SHORTS, ADL_LONGS, ADL_SHORTS):
                name = KINDS[kind]
                if self.inverse[number]:
                    name = name.replace("long", "?").replace("short", "long").replace("?", "short")
                for k, lag in enumerate(NAMES):
                    out += [Value(MARKOUT, self.loss[k, kind, number], number, of=f"{name}.{lag}"),
                            Value(CLOSED, self.value[k, kind, number], number, of=f"{name}.{lag}")]
        tokens, gained = state.ledgers.tokens, np.zeros(state.paths)
        for a in range(tokens.shape[1]):
            gained += (tokens[VENUES, a] + tokens[MAKERS, a]) * market_price(state, a)
        return [*out, Value(PROVIDED, gained)]

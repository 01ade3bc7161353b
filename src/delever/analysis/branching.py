"""When selling feeds on itself: at every price of a shock's way, what each forced sale forces next.

The way goes from now to the shock in steps. At each level everybody who had to be sold above it has been, outside prices have
come down to it, and makers quote around it. Going one step h (in logs) further, the rules sell f_i USD of each kind i; then

    B[i, m]   USD of kind i that a fall (or rise) of market m alone forces, a unit of its log price:  over the same step h
    V[m, j]   fall (or rise) of the log price of market m per USD of kind j sold;  of what trades there, the mean over f's sale
    K = B V   the branching matrix: USD of kind i forced by each USD of kind j
    n(p)      sum(K f) / sum(f): forced sale per further unit of fall x fall per unit sold. In one market f' / D
    L P / D   the rule of thumb in n's units, L P in place of f': leveraged exposure [USD] x penalty [share] / depth [USD a
              unit of log price: a hundred times what moves it by 1 %]. It is n if each unit of fall forces a share P of L

    amplification 1 / (1 - n),  all offspring of a sale n / (1 - n),  where n < 1;  where n > 1 a sale forces more than itself

The spectral radius of K is what n tends to over generations. How far a spiral runs is not read from n but played: from the
untouched book at the shock, all who may be called are, their sales move the venues, until nobody is left (forced_sales.py says by
which rules, impact.py where). In time: displaced prices come back at the rate k = ln 2 / half-life, so that while the outside
falls at the speed v, forced selling holds the price n v / k below it: the fastest fall with less than 1 % is k 1 % / n.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from delever.analysis.forced_sales import ForcedSales, Kind
from delever.analysis.impact import Impact
from delever.analysis.joint_shocks import Joint
from delever.analysis.valuation import market_of, sensitivity
from delever.oracles.mark import Mark
from delever.run.assemble import Model

PERCENT = 0.01  # the move of a log price in which depth is counted
STILL = 1e-9  # share of all that was sold that is nothing more
GENERATIONS = 2000  # of a spiral, at most


@dataclass(frozen=True)
class Level:
    """What one further step of fall does. Axes: n kinds that the step or any market's own fall forces, M markets."""

    kinds: tuple[Kind, ...]  # [n]
    matrix: np.ndarray  # [n, n] K
    forced: np.ndarray  # [n] f, USD
    step: float  # h of the lead
    depth: float  # USD that move the lead's main market by PERCENT in the direction of the step; inf: no venue
    exposure: float  # USD of collateral and positions that would be sold on the lead's main market
    penalty: float  # its mean penalty, share
    accounts: int  # from whom the step takes anything
    largest: float  # share of what it takes that is the largest one's

    @property
    def ratio(self) -> float:
        """n(p)."""
        total = float(self.forced.sum())
        return float((self.matrix @ self.forced).sum()) / total if total > 0.0 else 0.0


@dataclass(frozen=True)
class Spiral:
    """What a shock comes to. Axes: M markets."""

    due: float  # USD that the shock alone forces
    forced: float  # USD in all, at the prices of the shock
    moves: np.ndarray  # [M] log moves since the start when it ends
    generations: int


def sights(model: Model) -> np.ndarray:
    """[R, M]: log move of what a protocol sees of a reserve for one of a market; a mark that is the index sees no book."""
    oracles, layout, out = model.oracles, model.layout, sensitivity(model)
    for r, feeds in enumerate(oracles.seen_feed.tolist()):
        for spec in (oracles.specs[f] for f in feeds if f >= 0):
            if isinstance(spec, Mark) and spec.formula == "index":
                out[r, layout.markets.index(spec.of.partition("/")[0])] = 0.0
    return out


class Branching:
    """The way of a joint shock through a book. Axes: K levels, M markets, R reserves."""

    def __init__(self, model: Model, joint: Joint) -> None:
        self.model, self.joint, self.impact = model, joint, Impact(model)
        self.seen = sights(model)  # [R, M]
        self.lead = market_of(model, joint.assets[joint.lead], "shock")
        self.e = np.zeros((len(joint.moves), self.impact.count))  # [K, M] log moves of outside prices
        for i, name in enumerate(joint.assets):
            self.e[:, market_of(model, name, "shock")] += np.log1p(joint.moves[:, i])
        self.untouched = ForcedSales(model)
        self.untouched.lending.unhealthy(model.seen_price())

    def price(self, y: np.ndarray) -> np.ndarray:
        """What protocols see [R], USD, where markets have moved by y [M]: every oracle is taken to see it."""
        return self.model.seen_price(self.seen @ y)

    def levels(self) -> Iterator[Level]:
        """Every level but the last."""
        book = self.untouched.copy()
        book.settle(self.price(self.moves(0)))
        for k in range(len(self.e) - 1):
            yield self._level(k, book)
            book.settle(self.price(self.moves(k + 1)))

    def moves(self, k: int) -> np.ndarray:
        """Log moves [M] of market prices at a level where nothing has been sold by force."""
        return self.impact.moves(self.e[k], self.impact.fresh(self.e[k]))

    def _level(self, k: int, book: ForcedSales) -> Level:
        """The step from level k on, with the book as it stands there."""
        e, s, y = self.e[k], self.impact.fresh(self.e[k]), self.moves(k)
        price, step = self.price(y), float(abs(self.e[k + 1, self.lead] - self.e[k, self.lead]))
        after = book.copy()
        sold = after.settle(self.price(self.moves(k + 1)))
        taken = book.taken(after, price)
        alone = {}  # (market, sense) -> units of each kind that its own move forces
        for m in self._trading():
            for sense in (-1.0, 1.0):
                moved = y.copy()
                moved[m] += sense * step
                alone[m, sense] = book.would(self.price(moved))
        some = np.flatnonzero(np.sum([sold, *alone.values()], axis=0) > 0.0)
        kinds, worth = [book.kind(int(i)) for i in some], price[book.reserve(some)]
        routes = [self.impact.route(kind) for kind in kinds]
        steep = self.impact.steepness(e, s, self.impact.trade(e, s, routes, sold[some]))
        usd = self.impact.usd(self.impact.log_prices(y))
        matrix = np.zeros((len(some), len(some)))
        for (m, sense), units in alone.items():
            forced = units[some] * worth / step
            here = np.array([m in (route.sells if sense < 0.0 else route.buys) for route in routes], np.bool_)
            per_usd = np.array([usd[route.sells[0]] * route.rate if route.sells else usd[route.buys[0]] for route in routes])
            matrix += np.outer(forced, np.where(here, steep[m] * per_usd / worth, 0.0)) if len(some) else 0.0
        toward = self.impact.log_prices(self.moves(k + 1)) - self.impact.log_prices(y)
        depth = self.impact.depth(e, s, self.main, float(np.sign(toward[self.main])) * PERCENT)
        return Level(tuple(kinds), matrix, sold[some] * worth, step, depth, *book.exposure(price, self.main),
                     int((taken > 0.0).sum()), float(taken.max(initial=0.0) / taken.sum()) if taken.any() else 0.0)

    def _trading(self) -> list[int]:
        """Markets with a venue on which somebody sees prices."""
        return [m for m, curve in enumerate(self.impact.curves) if curve is not None and self.seen[:, m].any()]

    @cached_property
    def main(self) -> int:
        """Where most is at stake now: the lead's own market, or that of a perp that follows what it prices."""
        layout, price = self.model.layout, self.price(self.moves(0))
        asset = layout.asset(layout.markets[self.lead])
        own = [self.lead, *(m for m, underlying, _ in layout.follows if underlying == asset)]
        deep = [m for m in own if self.impact.curves[m] is not None] or [self.lead]
        return max(deep, key=lambda m: self.untouched.exposure(price, m)[0])

    def main_move(self, y: np.ndarray) -> float:
        """Log move of the lead's price on that market since the start, in what it is priced in."""
        sense = next((sense for m, _, sense in self.model.layout.follows if m == self.main), 1.0)
        return sense * float((self.impact.log_prices(y) - self.impact.start)[self.main])

    def spiral(self, k: int) -> Spiral:
        """Play the shock of level k: call everybody, sell, and again, until nobody may be called."""
        e, s, book = self.e[k], self.impact.fresh(self.e[k]), self.untouched.copy()
        y = self.impact.moves(e, s)
        worth = self.price(y)
        due = self.untouched.would(worth)
        total, generation = np.zeros(len(due)), 0
        while generation < GENERATIONS:
            sold = book.call(self.price(y))
            some = np.flatnonzero(sold > STILL * total)
            if not len(some):
                break
            s = self.impact.trade(e, s, [self.impact.route(book.kind(int(i))) for i in some], sold[some])
            y, total, generation = self.impact.moves(e, s), total + sold, generation + 1
        usd = worth[book.reserve(np.arange(len(due)))]
        return Spiral(float(due @ usd), float(total @ usd), y, generation)

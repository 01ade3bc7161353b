"""What sales do to prices: the venues of a world at its start, traded on as the engine trades (core/profile.py, core/market.py).

A market stands at s, what has been sold into it, and at y, the log move of its price since the start:

    anchored   y = e + x(s)     e: log move of its outside price; a perp's is that of what it follows besides (log_prices)
    passive    y = x(s) - x(0)  e has moved it along its own curve
    none       y = e            any amount trades at the price

Of a pair whose venues are apart the first one alone is looked at, as by all analyses of books.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.analysis.forced_sales import Kind
from delever.core.profile import TOP
from delever.run.assemble import Model
from delever.venues.base import ProfileTable

HARDLY = 1e-7  # log fall that rounding would blur


class Curve:
    """One profile, in numbers of its own."""

    def __init__(self, table: ProfileTable) -> None:
        self.table, self.cells = table, len(table.liquidity)

    def _cell(self, value: float, nodes: np.ndarray) -> int:
        return int(np.clip(np.searchsorted(nodes, value, "right") - 1, 0, self.cells - 1))

    def root(self, s: float) -> float:
        """w = 1 / sqrt(price) where s has been sold."""
        t = self.table
        i = self._cell(s, t.sold)
        return float(max(t.node_w[i] + (s - t.sold[i]) / t.liquidity[i], TOP * t.node_w[0]))

    def at(self, log_price: float) -> float:
        """s where the price is this."""
        t, w = self.table, float(np.exp(-0.5 * log_price))
        i = self._cell(w, t.node_w)
        s = float(t.sold[i] + (w - t.node_w[i]) * t.liquidity[i])
        return min(max(s, float(t.sold[0])), float(t.sold[-1])) if t.bounded else s

    def paid(self, s: float) -> float:
        """Quote paid out up to s, from the start."""
        t = self.table
        i = self._cell(s, t.sold)
        return float(t.paid[i] + (s - t.sold[i]) / (t.node_w[i] * self.root(s)))

    def sold_for(self, paid: float) -> float:
        """s where so much has been paid; the inverse of `paid`."""
        t = self.table
        i = self._cell(paid, t.paid)
        rest = (paid - t.paid[i]) * t.node_w[i]
        return float(t.sold[i] + rest * t.node_w[i] / (1.0 - rest / t.liquidity[i]))

    def steepness(self, s: float) -> float:
        """Fall of the log price per unit sold into it, at s:  2 / (L w)."""
        t = self.table
        i = self._cell(s, t.sold)
        return float(2.0 / (t.liquidity[i] * self.root(s)))

    def inside(self, s: float) -> float:
        """s, no further than a bounded profile goes."""
        return min(max(s, float(self.table.sold[0])), float(self.table.sold[-1])) if self.table.bounded else s


class Route(NamedTuple):
    """Where a kind of forced sale trades."""

    sells: tuple[int, ...]  # markets on which its way is sold, from the first
    buys: tuple[int, ...]  # on which it then buys
    rate: float  # units traded in one
    exact: bool  # a short: units are bought, whatever they cost


class Impact:
    """All markets. Axes: M markets."""

    def __init__(self, model: Model) -> None:
        self.model, layout = model, model.layout
        self.count = len(layout.markets)
        self.curves = [None if table is None else Curve(table) for table in model.venues[: self.count]]
        level = layout.tree.level[: self.count]
        self.upwards = sorted(range(self.count), key=lambda m: -int(level[m]))  # the deepest first
        self.start = model.start_price[: self.count]

    def route(self, kind: Kind) -> Route:
        """Of a kind of forced sale."""
        tree, layout = self.model.layout.tree, self.model.layout
        a = layout.asset(kind.asset)
        if not kind.other:
            first = (int(tree.chain[a, 0]),)
            return Route((), first, 1.0, True) if kind.bought else Route(first, (), 1.0, False)
        b = layout.asset(kind.other)
        sells = tuple(int(m) for m in tree.chain[a, : tree.sells[a, b]])
        buys = tuple(int(m) for m in tree.chain[b, : tree.buys[a, b]])
        return Route(sells, buys[::-1], float(tree.rate[a]), False)

    def fresh(self, e: np.ndarray) -> np.ndarray:
        """s [M] where outside prices have moved by e [M] and nothing has been sold by force."""
        return np.array([0.0 if curve is None or curve.table.anchored else curve.at(float(self.start[m] + e[m]))
                         for m, curve in enumerate(self.curves)])

    def moves(self, e: np.ndarray, s: np.ndarray) -> np.ndarray:
        """y [M]."""
        y = e.copy()
        for m, curve in enumerate(self.curves):
            if curve is not None:
                x = -2.0 * float(np.log(curve.root(float(s[m]))))
                y[m] = e[m] + x if curve.table.anchored else x - self.start[m]
        return y

    def log_prices(self, y: np.ndarray) -> np.ndarray:
        """Log market prices [M] in units of their quotes; perps with what they follow."""
        out = self.start + y
        for perp, underlying, sense in self.model.layout.follows:
            out[perp] += sense * sum(y[m] for m in self.chain(underlying))
        return out

    def chain(self, asset: int) -> list[int]:
        """Markets from an asset up to USD."""
        tree = self.model.layout.tree
        return [int(m) for m in tree.chain[asset, : tree.length[asset]]]

    def usd(self, log_prices: np.ndarray) -> np.ndarray:
        """What one unit that each market sells is worth [M], USD."""
        base = self.model.layout.tree.base
        return np.exp(np.array([sum(log_prices[k] for k in self.chain(int(base[m]))) for m in range(self.count)]))

    def steepness(self, e: np.ndarray, s: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Fall of the log price [M] per USD sold on each market, at prices at s; 0 where there is no venue.

        The mean from s to `after`, both [M]; at the margin, where hardly anything lies between them.
        """
        worth, out = self.usd(self.log_prices(self.moves(e, s))), np.zeros(self.count)
        for m, curve in enumerate(self.curves):
            if curve is not None:
                fall = 2.0 * float(np.log(curve.root(float(after[m])) / curve.root(float(s[m]))))
                each = fall / float(after[m] - s[m]) if abs(fall) > HARDLY else curve.steepness(float(s[m]))
                out[m] = each * (1.0 - curve.table.fee_in) / worth[m]
        return out

    def depth(self, e: np.ndarray, s: np.ndarray, m: int, log_move: float) -> float:
        """USD that must be sold on market m (bought, for a rise) to move its log price by this, at prices at s; inf: no venue.

        Of a bounded profile what there is: 0 at its end.
        """
        curve = self.curves[m]
        if curve is None:
            return float(np.inf)
        now = -2.0 * float(np.log(curve.root(float(s[m]))))
        kept = 1.0 - curve.table.fee_in if log_move < 0.0 else 1.0
        return abs(curve.at(now + log_move) - float(s[m])) / kept * float(self.usd(self.log_prices(self.moves(e, s)))[m])

    def trade(self, e: np.ndarray, s: np.ndarray, routes: list[Route], units: np.ndarray) -> np.ndarray:
        """Everything sold at once: s afterwards [M].

        units: [routes] of what each sells; those that meet on a market get its average price. Sales go up the tree of markets,
        purchases come back down.
        """
        s, amount, y = s.copy(), units * np.array([route.rate for route in routes]), self.moves(e, s)
        quoted_from = np.exp(self.log_prices(y) - y + e)
        for m, buying in [(m, False) for m in self.upwards] + [(m, True) for m in reversed(self.upwards)]:
            mine = [i for i, route in enumerate(routes) if m in (route.buys if buying else route.sells)]
            exact = [i for i in mine if routes[i].exact]
            paying = [i for i in mine if not routes[i].exact]
            for those, units_wanted in ((paying, False), (exact, True)):
                given = float(amount[those].sum())
                if given > 0.0:
                    s[m], got = self._one(m, float(s[m]), given, buying, units_wanted, float(quoted_from[m]))
                    amount[those] *= got / given
        return s

    def _one(self, m: int, s: float, given: float, buying: bool, exact: bool, outside: float) -> tuple[float, float]:
        """One trade: (s afterwards, what comes out); core/market.py's formulas.

        given: base that is sold, quote that buys, or, exact, base that is bought. outside: what the quotes of an anchored venue
        are relative to; the price, where there is no venue.
        """
        curve = self.curves[m]
        if curve is None:
            return s, given if exact else given / outside if buying else given * outside
        table = curve.table
        quoted = outside if table.anchored else 1.0
        in_kept, out_kept = 1.0 - table.fee_in, 1.0 - table.fee_out
        if not buying:
            after = curve.inside(s + given * in_kept)
            return after, (curve.paid(after) - curve.paid(s)) * quoted * out_kept
        bought = given / out_kept if exact else s - curve.sold_for(curve.paid(s) - given * in_kept / quoted)
        after = curve.inside(s - bought)
        return after, (s - after) * out_kept

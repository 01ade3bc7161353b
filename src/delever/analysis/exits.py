"""What sales would fetch: every pair's venues after a shock, nobody having sold yet, and what amounts bring there all at once.

A pair of several venues takes an order where each part of it brings most: all venues are traded to one price net of fees,

    sale      q = sum q_v,   P_v x_v(q_v) (1 - in_v) (1 - out_v) = one price where q_v > 0
    purchase  the same the other way

on each by the formulas of core/market.py. Outside prices have moved by the shock, makers quote around them, a pool without
makers has been traded there. Sales and purchases of a pair do not net: each finds the venues untouched, so that nobody gains by
another's having to sell (assumption, the cautious one). A pair without a venue takes any amount at its price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from delever.analysis.impact import Curve, Impact
from delever.core.market import HIGHEST
from delever.core.profile import buy, quote_above, sell
from delever.run.assemble import Model

HALVINGS = 200  # of the price at which venues share an order
FARTHEST = 80.0  # log price: as far as venues are traded apart from where they stand


class Fill(NamedTuple):
    """What an order came to."""

    got: float  # quote of a sale, base of a purchase
    done: float  # of what was given: what found somebody


class Desk:
    """One venue where it stands."""

    def __init__(self, curve: Curve, s: float, outside: float) -> None:
        """outside: price that its quotes are relative to, 1 for a pool [quote / base]."""
        self.curve, self.table, self.s, self.outside = curve, curve.table, s, outside
        self.kept_in, self.kept_out = 1.0 - curve.table.fee_in, 1.0 - curve.table.fee_out
        self.price = outside / curve.root(s) ** 2  # before fees

    def sell(self, q: float) -> Fill:
        """Sell q of the base."""
        into = q * self.kept_in
        if self.table.bounded:
            into = min(into, float(self.table.sold[-1]) - self.s)
        paid = sell(self.s, into, *self.table.rows())[1] if into > 0.0 else 0.0
        return Fill(paid * self.outside * self.kept_out, max(into, 0.0) / self.kept_in)

    def buy(self, y: float) -> Fill:
        """Buy with y of the quote."""
        into = y * self.kept_in / self.outside
        if self.table.bounded:
            most = quote_above(self.s, *self.table.rows())
            if into >= most:
                return Fill((self.s - float(self.table.sold[0])) * self.kept_out, most * self.outside / self.kept_in)
        return Fill(buy(self.s, into, *self.table.rows())[1] * self.kept_out, y) if into > 0.0 else Fill(0.0, 0.0)

    def cost(self, q: float) -> Fill:
        """Buy q of the base, whatever it costs: the quote paid, the base bought; what a book does not sell costs its end."""
        lowest = HIGHEST * min(float(self.table.node_w[0]), self.curve.root(self.s))
        if self.table.bounded:
            lowest = float(self.table.node_w[0])
        most = max(self.s - self.curve.at(-2.0 * float(np.log(lowest))), 0.0)
        moved = min(q / self.kept_out, most)
        paid = sell(self.s - moved, moved, *self.table.rows())[1] if moved > 0.0 else 0.0
        rest = q / self.kept_out - moved
        return Fill((paid + rest / lowest**2) * self.outside / self.kept_in, moved * self.kept_out)

    def close(self, q: float) -> Fill:
        """Sell q of the base, the rest of it at the last bid."""
        got, done = self.sell(q)
        last = self.outside * self.kept_in * self.kept_out / float(self.table.node_w[-1]) ** 2
        return Fill(got + (q - done) * last, done)

    def down_to(self, price: float) -> float:
        """Base sold by the time that what a seller gets for one more, net of fees, has fallen to this price."""
        after = self.curve.at(float(np.log(price / (self.outside * self.kept_in * self.kept_out))))
        return max(after - self.s, 0.0) / self.kept_in

    def up_to(self, price: float) -> float:
        """Quote paid by the time that what a buyer pays for one more, with fees, has risen to this price."""
        after = self.curve.at(float(np.log(price * self.kept_in * self.kept_out / self.outside)))
        return sell(after, self.s - after, *self.table.rows())[1] * self.outside / self.kept_in if after < self.s else 0.0

    @property
    def bids(self) -> float:
        """Quote that its bids pay in all, down to a price of 0 or to the end of a bounded book."""
        t = self.table
        end = 0.0 if t.bounded else float(t.liquidity[-1] / t.node_w[-1])
        return (float(t.paid[-1]) + end - self.curve.paid(self.s)) * self.outside * self.kept_out

    @property
    def asks(self) -> float:
        """Base that it sells in all, up to any price or to the end of a bounded book."""
        t = self.table
        end = 0.0 if t.bounded else float(t.liquidity[0] * t.node_w[0])
        return (self.s - float(t.sold[0]) + end) * self.kept_out


class Pair:
    """All venues of a pair, untouched."""

    def __init__(self, desks: Sequence[Desk], price: float) -> None:
        """price: where there is no venue, and the market price that sales are measured by [quote / base]."""
        self.desks, self.price = list(desks), price
        kept = [(desk, desk.kept_in * desk.kept_out) for desk in desks]
        self.best_bid = max((desk.price * share for desk, share in kept), default=price)
        self.best_ask = min((desk.price / share for desk, share in kept), default=price)

    def sell(self, q: float) -> Fill:
        """Sell q of the base, all at once."""
        if not self.desks:
            return Fill(q * self.price, q)
        return self._shared(q, -1.0, Desk.down_to, Desk.sell)

    def buy(self, y: float) -> Fill:
        """Buy with y of the quote, all at once."""
        if not self.desks:
            return Fill(y / self.price, y)
        return self._shared(y, 1.0, Desk.up_to, Desk.buy)

    def cost(self, q: float) -> Fill:
        """Buy q of the base of the first venue (perps have one): the quote paid, the base bought."""
        return self.desks[0].cost(q) if self.desks else Fill(q * self.price, q)

    def close(self, q: float) -> Fill:
        """Sell q of the base there; what finds no bid stays, at the last one: the quote it is worth, the base sold."""
        return self.desks[0].close(q) if self.desks else Fill(q * self.price, q)

    def _shared(self, given: float, way: float, until: Callable[[Desk, float], float], trade: Callable[[Desk, float], Fill]
                ) -> Fill:
        """An order shared among the venues so that all stand at one price afterwards."""
        if len(self.desks) == 1 or not given > 0.0:
            return trade(self.desks[0], given)
        near = np.log(self.best_bid if way < 0.0 else self.best_ask)
        low, high = 0.0, FARTHEST
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            if sum(until(desk, float(np.exp(near + way * middle))) for desk in self.desks) < given:
                low = middle
            else:
                high = middle
        parts = [until(desk, float(np.exp(near + way * high))) for desk in self.desks]
        scale = min(given / sum(parts), 1.0) if sum(parts) > 0.0 else 1.0
        fills = [trade(desk, part * scale) for desk, part in zip(self.desks, parts, strict=True)]
        return Fill(sum(fill.got for fill in fills), sum(fill.done for fill in fills))

    @property
    def bids(self) -> float:
        """Quote that all bids pay; inf: no venue."""
        return sum(desk.bids for desk in self.desks) if self.desks else np.inf

    @property
    def asks(self) -> float:
        """Base that all asks sell; inf: no venue."""
        return sum(desk.asks for desk in self.desks) if self.desks else np.inf


class Way(NamedTuple):
    """Along which markets one asset becomes another."""

    sells: tuple[int, ...]
    buys: tuple[int, ...]
    rate: float  # units traded in one that is sold (of wrapped assets)
    into: float  # units traded in one that is bought


class Flow(NamedTuple):
    """What went through one market one way: quote or base given, what came out, what found nobody."""

    given: float
    got: float
    done: float


class Exits:
    """All pairs after a shock. Axes: M pairs, G ways."""

    def __init__(self, model: Model, e: np.ndarray) -> None:
        """e: log moves of outside prices [M]."""
        self.model, layout, impact = model, model.layout, Impact(model)
        self.count, self.upwards = impact.count, impact.upwards
        s = impact.fresh(e)
        y = impact.moves(e, s)
        self.log_price = impact.log_prices(y)  # [M] of each pair's first venue, in its quote
        outside = np.exp(self.log_price - y + e)
        desks: list[list[Desk]] = [[] for _ in range(self.count)]
        for row, table in enumerate(model.venues):
            m = int(layout.tree.pair[row])
            if table is None:
                continue
            curve = Curve(table)
            stands = float(s[m]) if row == m else 0.0 if table.anchored else curve.at(float(model.start_price[row] + e[m]))
            around = float(outside[m] if row == m else np.exp(layout.start[m] + e[m])) if table.anchored else 1.0
            desks[m].append(Desk(curve, stands, around))
        self.pairs = [Pair(mine, float(np.exp(self.log_price[m]))) for m, mine in enumerate(desks)]

    def usd(self, asset: str) -> float:
        """Market price of an asset, that of first venues [USD]."""
        tree, a = self.model.layout.tree, self.model.layout.asset(asset)
        return float(np.exp(tree.log_rate[a] + sum(self.log_price[m] for m in tree.chain[a, : tree.length[a]])))

    def way(self, asset: str, other: str) -> Way:
        """From one asset to another."""
        tree, layout = self.model.layout.tree, self.model.layout
        a, b = layout.asset(asset), layout.asset(other)
        buys = tuple(int(m) for m in tree.chain[b, : tree.buys[a, b]])
        return Way(tuple(int(m) for m in tree.chain[a, : tree.sells[a, b]]), buys[::-1], float(tree.rate[a]),
                   float(tree.rate[b]))

    def trade(self, ways: Sequence[Way], units: np.ndarray) -> tuple[np.ndarray, dict[tuple[int, bool], Flow]]:
        """Sell units [G] along the ways, all at once: what a unit brings each [G], and the flows by (market, whether bought).

        Who meets on a market gets its mean price (pro rata); what finds nobody there brings nothing.
        """
        brings, flows = np.array([way.rate for way in ways], np.float64), dict[tuple[int, bool], Flow]()
        for m, buying in [(m, False) for m in self.upwards] + [(m, True) for m in reversed(self.upwards)]:
            mine = [g for g, way in enumerate(ways) if m in (way.buys if buying else way.sells)]
            if not mine:
                continue
            given, pair = float(units[mine] @ brings[mine]), self.pairs[m]
            if given > 0.0:
                fill = pair.buy(given) if buying else pair.sell(given)
                flows[m, buying] = Flow(given, fill.got, fill.done)
                brings[mine] *= fill.got / given
            else:
                brings[mine] *= 1.0 / pair.best_ask if buying else pair.best_bid
        return brings / np.array([way.into for way in ways]), flows

"""What it costs to move a price on a venue, and to hold it there against makers who bring it back.

A sale of N units takes the venue from s to s1; it is paid by the venue's own curve (core/profile.py) and its fees:

    capital   N x price                             what must be at hand [USD]
    loss      N x price - proceeds                  slippage and fees; the price is back before the seller buys again
    held      k s1 T units more, each sold there    k = ln 2 / half-life of the venue, T: for how long
In a pool x y = k without a fee, at price p = y / x:  N = x (1 / sqrt(1 + change) - 1)  and  loss = p N^2 / (x + N).
For a rise N is bought: the capital is what is paid, the loss what is paid beyond the price before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from delever.analysis.impact import Curve
from delever.run.assemble import Model, log_usd


class Cost(NamedTuple):
    """Of an attack."""

    loss: float  # [USD] nan: not priced
    capital: float  # [USD] nan: not priced
    said: str  # of what, or why not


class Venue:
    """A market at the start, of which something is sold or bought at once."""

    def __init__(self, model: Model, m: int) -> None:
        """m: row of the market, which has a venue."""
        table = model.venues[m]
        assert table is not None
        self.table, self.curve, layout = table, Curve(table), model.layout
        self.start = 0.0 if table.anchored else self.curve.at(float(model.start_price[m]))
        self.log_price = -2.0 * math.log(self.curve.root(self.start))  # of the curve
        self.quoted = math.exp(float(model.start_price[m]) - self.log_price)  # quote that one of the curve's is
        self.quote_usd = math.exp(log_usd(layout, int(layout.tree.quote[m]), model.start_price))
        self.price = math.exp(float(model.start_price[m])) * self.quote_usd  # of a unit [USD]

    def displaced(self, change: float) -> float:
        """Units that must come in for the price to move by a share; less than 0: go out."""
        return self.curve.at(self.log_price + math.log1p(change)) - self.start

    def moves(self, units: float) -> Cost:
        """Of so many units that come in (> 0: sold, before the fee) or go out."""
        kept_in, kept_out = 1.0 - self.table.fee_in, 1.0 - self.table.fee_out
        after = self.curve.inside(self.start + units * (kept_in if units > 0.0 else 1.0 / kept_out))
        paid = (self.curve.paid(after) - self.curve.paid(self.start)) * self.quoted * self.quote_usd  # [USD] < 0: by the buyer
        if units > 0.0:
            return Cost(units * self.price - paid * kept_out, units * self.price, "")
        return Cost(-paid / kept_in + units * self.price, -paid / kept_in, "")

    def pushed(self, change: float, lasting: float) -> Cost:
        """Of a move of the price by a share that is held for a time [s]."""
        into = self.displaced(change)
        units = into / (1.0 - self.table.fee_in) if into > 0.0 else into * (1.0 - self.table.fee_out)
        once, life = self.moves(units), self.table.half_life
        if life is None:
            return once
        again = abs(units) * math.log(2.0) / life * lasting  # units that come back meanwhile
        there = self.price * (1.0 + change)
        each = abs(self.price - there) + (self.table.fee_in + self.table.fee_out) * there  # lost on one of them
        return Cost(once.loss + again * each, once.capital + again * max(there, self.price), "")


def sale_cost(model: Model, asset: str, units: float) -> Cost:
    """Of a sale of an asset on its own market."""
    layout = model.layout
    a = layout.asset(asset)
    m = int(layout.tree.chain[a, 0])
    found = Venue(model, m).moves(units * float(layout.tree.rate[a]))
    return found._replace(said=f"slippage and fees on {layout.pairs[m]}")


def push_cost(model: Model, feed: str, change: float, lasting: float) -> Cost:
    """Of moving what a feed looks at by a share, on the one market of those it is made of where that costs least."""
    number, rows = model.oracles.names.index(feed), model.layout.rows
    terms = [(int(m), float(sign)) for m, sign in zip(model.oracles.market[number], model.oracles.sign[number], strict=True)
             if m >= 0 and model.venues[m] is not None]
    if model.oracles.specs[number].parts():
        return Cost(math.nan, math.nan, "not priced: it is made of other feeds; push one of these")
    if not terms:
        return Cost(math.nan, math.nan, "not priced: it reads no venue of this world")
    costs = [(Venue(model, m).pushed((1.0 + change) ** sign - 1.0, lasting), rows[m]) for m, sign in terms]
    cost, row = min(costs, key=lambda found: found[0].loss)
    more = "" if not model.oracles.specs[number].reports else ", as if it looked at this venue alone"
    return cost._replace(said=f"moving and holding {row}{more}")

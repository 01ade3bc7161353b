"""Who ties the venues of a pair together: he buys where it is cheap and sells where it is dear, with what he has, after a while.

    ask = price / ((1 - fee_in)(1 - fee_out))    bid = price x (1 - fee_in)(1 - fee_out)      of each venue, before the trade
    gap = ln (highest bid / lowest ask) > threshold (1e-9 at least): seen at t, he trades in the first block at or after
        t + delay in which it is so still: the same units, bought on the one and sold on the other at once, until ask and
        bid meet, but no more than he has of the base, and for no more than he has of the quote
Then the next two venues, until no gap is left: at most once for each two of them. What he bought and what he earned he has
again in the next block. Off chain: no fee of a network, no room. Venues that are halted he leaves out.
Source: none; limits to arbitrage in the sense of Shleifer and Vishny (1997). All parameters are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import OF, Column, Value, market_price, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel
from delever.core.market import purchase_within, sale_within, settle_trade
from delever.core.phase import Phase
from delever.core.profile import Profiles, inverse_root, sold_at
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Ledgers, Liquidity, Markets
from delever.model.errors import InputError
from delever.model.quantity import Amount, Seconds, Share, Text
from delever.model.references import market, pairs_apart
from delever.model.world import World

FIRST, HOLDER = range(2)  # columns of whole numbers
THRESHOLD, DELAY = range(2)  # columns of rules
BASE, QUOTE = range(2)  # rows of stocks
HALVINGS = 200  # of the way between two prices, at most: until no double lies between
LEAST = 1e-9  # of a gap: what rounding leaves is none
ROUNDING = 1e-12  # share of what he has that he does not bring: no rounding may overspend


class Desks(NamedTuple):
    """Arbitrageurs in a row. n: how many, P: paths."""

    whole: np.ndarray  # [n, 2] FIRST: row of the pair's first venue, HOLDER
    rules: np.ndarray  # [n, 2] THRESHOLD [log], DELAY [s]
    stock: np.ndarray  # [2, n, P] units of the base and of the quote that he has
    due: np.ndarray  # [n, P] when he may act on the gap that he has seen [s]; inf: he has seen none
    traded: np.ndarray  # [n, P] units bought and sold


class VenueArbitrageurs(Actor):
    """One arbitrageur between the venues of one pair."""

    kind: ClassVar[str] = "venue_arbitrageurs"
    pair: Text = Field(examples=["ETH/USD"], description="pair whose venues he ties together")
    capital: dict[str, Amount] = Field(
        examples=["{ETH: 500, USD: 1m}"],
        description="units that he has of both assets, on whichever venue he needs them; assumption")
    delay: Seconds = Field(0.0, ge=0, description="from the block in which he sees a gap to his trade; assumption")
    threshold: Share = Field(
        0.0001, ge=0, examples=["0.05 %"], description="gap of log prices, after fees, that he leaves alone; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A pair with several venues, and what he has of its two assets."""
        market(self.pair, world, (*path, "pair"))
        if self.pair not in pairs_apart(world):
            several = sum(getattr(venue, "pair", None) == self.pair for venue in world.venues.values()) > 1
            remedy = "write `liquidity: fragmented`" if several else "he needs two of that pair"
            raise InputError("has no venues that are apart", path=(*path, "pair"), value=self.pair, remedy=remedy)
        names = self.pair.split("/")
        for name in {*names, *self.capital}:
            if name not in self.capital or name not in names:
                missing = name not in self.capital
                raise InputError("is missing" if missing else f"is not one of the pair {self.pair}",
                                 path=(*path, "capital", name), remedy=f"give units of {names[0]} and of {names[1]}")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return VenueArbitrage(specs, setting)

    def says(self) -> str:
        """See Actor."""
        held = " and ".join(f"{units:g} {name}" for name, units in self.capital.items())
        return f"assumed: trades between venues of {self.pair} with {held}, {self.delay:g} s late"


@helper
def kept_of(m: int, p: int, markets: Markets) -> float:
    """The share of a trade that a venue's fees leave."""
    kept: float = (1.0 - markets.fee[0, m, p]) * (1.0 - markets.fee[1, m, p])
    return kept


@helper
def sold_by(m: int, p: int, w: float, outside: float, profiles: Profiles, markets: Markets) -> float:
    """s at which a venue's price is 1 / w^2; of one that is bounded at most its ends."""
    r = markets.profile[m, p]
    sold, cells = profiles.sold[r], profiles.cells[r]
    s: float = sold_at(w * outside, cells, profiles.node_w[r], sold, profiles.liquidity[r])
    return min(max(s, sold[0]), sold[cells]) if profiles.bounded[r] else s


@helper
def units_that_close(cheap: int, dear: int, p: int, profiles: Profiles, markets: Markets) -> float:
    """Base that, bought on the one venue and sold on the other, makes the one's ask meet the other's bid.

    Halves the way of the cheap venue's w = 1 / sqrt(price), until what is bought there is what the dear one takes at that
    price less fees.
    """
    one, other, root = markets.profile[cheap, p], markets.profile[dear, p], math.sqrt(kept_of(cheap, p, markets))
    root *= math.sqrt(kept_of(dear, p, markets))
    out = exp_(0.5 * markets.exogenous[cheap, p]) if profiles.anchored[cheap] else 1.0  # w there is relative to it
    into = exp_(0.5 * markets.exogenous[dear, p]) if profiles.anchored[dear] else 1.0
    sells = markets.depth[1, cheap, p] * (1.0 - markets.fee[1, cheap, p])  # base out for one of the profile
    takes = markets.depth[0, dear, p] / (1.0 - markets.fee[0, dear, p])
    low = inverse_root(markets.consumed[dear, p], profiles.cells[other], profiles.node_w[other], profiles.sold[other],
                       profiles.liquidity[other]) / (into * root)
    high = inverse_root(markets.consumed[cheap, p], profiles.cells[one], profiles.node_w[one], profiles.sold[one],
                        profiles.liquidity[one]) / out
    if not low < high:
        return 0.0
    most_bought, most_taken = np.inf, np.inf  # on either side of where they meet: exact where a venue ends, or has a gap
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        bought = (markets.consumed[cheap, p] - sold_by(cheap, p, middle, out, profiles, markets)) * sells
        taken = (sold_by(dear, p, middle * root, into, profiles, markets) - markets.consumed[dear, p]) * takes
        if bought > taken:
            low, most_bought = middle, bought
        else:
            high, most_taken = middle, taken
    units = min(most_bought, most_taken)
    return max(units, 0.0) if units < np.inf else 0.0


@helper
def widest(first: int, p: int, liquidity: Liquidity, trading: np.ndarray, time: float) -> tuple[int, int, float]:
    """(venue of the lowest ask, of the highest bid, gap of their logs); gap 0: fewer than two are open. trading: [M, P]."""
    profiles, markets, other = liquidity.profiles, liquidity.markets, liquidity.tree.other
    cheap, dear, ask, bid, m = first, first, np.inf, 0.0, first
    while m >= 0:
        if profiles.has_venue[m] and not trading[m, p] > time:
            price, kept = exp_(markets.price[m, p]), kept_of(m, p, markets)
            if markets.depth[1, m, p] > 0.0 and price / kept < ask:
                cheap, ask = m, price / kept
            if markets.depth[0, m, p] > 0.0 and price * kept > bid:
                dear, bid = m, price * kept
        m = other[m]
    return cheap, dear, log_(bid / ask) if bid > ask else 0.0


@helper
def trade_both(i: int, p: int, cheap: int, dear: int, free: tuple[float, float], desks: Desks, liquidity: Liquidity,
               ledgers: Ledgers) -> tuple[float, float, float]:
    """Buy on the one, sell on the other: (units, quote paid, quote received). free: base and quote that he may bring."""
    profiles, markets, tokens, tree = liquidity.profiles, liquidity.markets, ledgers.tokens, liquidity.tree
    units, holder = min(units_that_close(cheap, dear, p, profiles, markets), free[0]), desks.whole[i, HOLDER]
    units = sale_within(dear, p, units, 0.0, profiles, markets)[0]
    bought, cost, after = purchase_within(cheap, p, units, np.inf, profiles, markets)
    if cost > free[1]:
        bought, cost, after = within_cost(cheap, p, bought, free[1], profiles, markets)
    done, got, then = sale_within(dear, p, bought, 0.0, profiles, markets)
    if not got > cost:
        return 0.0, 0.0, 0.0
    settle_trade(cheap, p, -bought, -cost, after, liquidity, ledgers)
    settle_trade(dear, p, done, got, then, liquidity, ledgers)
    tokens[holder, tree.base[cheap], p] += bought - done
    tokens[holder, tree.quote[cheap], p] += got - cost
    return bought, cost, got


@helper
def within_cost(m: int, p: int, units: float, most: float, profiles: Profiles, markets: Markets) -> tuple[float, float, float]:
    """The largest part of these units that costs no more than `most`: (units, cost, s afterwards). By halving."""
    low, high = 0.0, units
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if purchase_within(m, p, middle, np.inf, profiles, markets)[1] > most:
            high = middle
        else:
            low = middle
    return purchase_within(m, p, low, np.inf, profiles, markets)


@kernel
def tie(desks: Desks, active: np.ndarray, time: float, liquidity: Liquidity, ledgers: Ledgers, trading: np.ndarray) -> None:
    """Every arbitrageur on every path that takes part. active: [P]; trading: [M, P] until when halted [s]."""
    other = liquidity.tree.other
    for i in range(desks.whole.shape[0]):
        first, venues = desks.whole[i, FIRST], 0
        m = first
        while m >= 0:
            venues, m = venues + 1, other[m]
        for p in range(active.shape[0]):
            if not active[p]:
                continue
            cheap, dear, gap = widest(first, p, liquidity, trading, time)
            if not gap > desks.rules[i, THRESHOLD]:
                desks.due[i, p] = np.inf
                continue
            desks.due[i, p] = min(desks.due[i, p], time + desks.rules[i, DELAY])
            if desks.due[i, p] > time:
                continue
            base, quote = desks.stock[BASE, i, p] * (1.0 - ROUNDING), desks.stock[QUOTE, i, p] * (1.0 - ROUNDING)
            some = 0.0
            for _ in range(venues * (venues - 1) // 2):
                units, cost, got = trade_both(i, p, cheap, dear, (base, quote), desks, liquidity, ledgers)
                if not units > 0.0:
                    break
                base, quote, some = base - units, quote - cost, some + units
                desks.stock[QUOTE, i, p] += got - cost
                spent = base <= ROUNDING * desks.stock[BASE, i, p] or quote <= ROUNDING * desks.stock[QUOTE, i, p]
                cheap, dear, gap = widest(first, p, liquidity, trading, time)
                if spent or not gap > desks.rules[i, THRESHOLD]:
                    break
            desks.traded[i, p] += some
            desks.due[i, p] = np.inf
            if gap > desks.rules[i, THRESHOLD] and some > 0.0:
                desks.due[i, p] = time + desks.rules[i, DELAY]


BETWEEN = "Between venues"  # section of a report
TRADED = Column("between_venues", "units", "units of the base that he bought on one venue and sold on another", mean_of(
    "between_venues", f"units that {OF} bought on one venue and sold on another"), section=BETWEEN)
GAIN = Column("venue_gain", "USD", "what this arbitrageur gained between venues, at market prices of the end", mean_of(
    "venue_gain", f"what {OF} gained between venues, at market prices of the end"), section=BETWEEN)


class VenueArbitrage(Phase):
    """All arbitrageurs between venues."""

    def __init__(self, specs: Mapping[str, VenueArbitrageurs], setting: Setting) -> None:
        self.names, layout, n = tuple(specs), setting.layout, len(specs)
        stock = np.array([[spec.capital[name] for spec in specs.values() for name in [spec.pair.split("/")[side]]]
                          for side in (BASE, QUOTE)])
        self.desks = Desks(
            np.array([[layout.market(spec.pair, f"actors.{name}.pair"), setting.holder(name)] for name, spec in specs.items()],
                     np.int64),
            np.array([[max(spec.threshold, LEAST), spec.delay] for spec in specs.values()]),
            np.ascontiguousarray(np.repeat(stock[:, :, None], setting.paths, axis=2)), np.full((n, setting.paths), np.inf),
            np.zeros((n, setting.paths)))

    def trade(self, state: State) -> None:
        """At the end of every block, on the paths that take part."""
        tie(self.desks, state.active, state.time, state.liquidity, state.ledgers, state.halts.trading)

    def wake(self, state: State) -> None:
        """When the next gap that he has seen is due."""
        np.minimum(state.wake, self.desks.due.min(axis=0), out=state.wake, where=state.active)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        out = []
        for i, name in enumerate(self.names):
            holder, base, quote = self.desks.whole[i, HOLDER], *(
                int(side[self.desks.whole[i, FIRST]]) for side in (state.tree.base, state.tree.quote))
            gained = state.ledgers.tokens[holder]
            out += [Value(TRADED, self.desks.traded[i], of=name),
                    Value(GAIN, gained[base] * market_price(state, base) + gained[quote] * market_price(state, quote), of=name)]
        return out

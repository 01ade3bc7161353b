"""Prices and trades: all markets of the world, and everybody's ledger."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from reference.pool import Market
from reference.setting import Ledger
from reference.shared_pool import KeptFee, SharedPool


class Sale(NamedTuple):
    """Somebody gives units of one asset for another."""

    sold: str
    bought: str
    units: float
    holder: str
    venue: str = ""  # where its pair trades; none: wherever that brings most
    order: object = None  # that asks for it


class Exchange:
    """The markets, which form a tree with USD at its root."""

    def __init__(self, markets: dict[str, Market], wraps: dict[str, tuple[str, float]],
                 further: dict[str, list[Market]] | None = None, pools: Sequence[SharedPool | KeptFee] = ()) -> None:
        self.markets = markets
        self.further = further or {}  # by base: venues of a pair behind its first
        self.pools = pools
        self.closed: Callable[[str], bool] = lambda key: False  # whether a venue is halted now
        self.left: list[float] = []  # of each sale of the last trade: what its first market did not fill [units]
        self.counts: Counter[str] = Counter()  # what happened where venues are apart
        self.nearest = math.inf  # relative distance of two venues' offers, of a price from a gap
        self.wraps = wraps
        self.ledger = Ledger()
        self.traded: set[str] = set()
        self.extrapolated = False

    def venues(self, m: str) -> list[Market]:
        """Of a pair, by its base, in the order of the world."""
        return [self.markets[m], *self.further.get(m, [])]

    def everywhere(self) -> list[Market]:
        """All venues; and markets without one."""
        return [venue for m in self.markets for venue in self.venues(m)]

    def named(self, name: str) -> list[Market]:
        """Venues that a name stands for: that venue, or all of a pair, by its base."""
        return self.venues(name) if name in self.markets else [v for v in self.everywhere() if v.venue == name]

    def share_pools(self, relaxed: bool = False) -> None:
        """Pairs of one pool see what has been traded, and what keeps its fee has it. relaxed: by outsiders, without fee."""
        for pool in self.pools:
            pool.share(relaxed)

    def traded_asset(self, asset: str) -> tuple[str, float]:
        """What an asset is traded as, and units of it."""
        return self.wraps.get(asset, (asset, 1.0))

    def chain(self, asset: str) -> list[str]:
        """Markets, by their base, from the asset up to USD."""
        asset = self.traded_asset(asset)[0]
        found: list[str] = []
        while asset != "USD":
            found.append(asset)
            asset = self.markets[asset].quote
        return found

    def log_price(self, asset: str) -> float:
        """Log of the market price in USD."""
        return math.log(self.traded_asset(asset)[1]) + sum(
            self.markets[m].u(self.markets[m].s) for m in self.chain(asset))

    def pair(self, base: str, quote: str) -> float:
        """Log of the market price of base in quote."""
        return self.log_price(base) - self.log_price(quote)

    def usd(self, asset: str) -> float:
        """Market price [USD]."""
        return math.exp(self.log_price(asset))

    def trade(self, asked: Sequence[tuple[object, ...]], real: bool) -> list[float]:
        """Sales as one trade; units bought by each.

        real: False only asks, and leaves the state as it is.
        """
        sales = [Sale(*sale) for sale in asked]  # type: ignore[arg-type]
        s = {venue.key: venue.s for venue in self.everywhere()}
        book = self.ledger if real else Ledger()
        amounts, ups, downs = [], [], []
        for sale in sales:
            up, down = self.chain(sale.sold), self.chain(sale.bought)
            ups.append([m for m in up if m not in down])
            downs.append([m for m in down if m not in up])
            book.move(sale.sold, sale.units, sale.holder, "route")
            amounts.append(sale.units * self.traded_asset(sale.sold)[1])
            self._wrap(sale.sold, sale.units, book, "route", "wrapper")
        depth = {m: len(self.chain(m)) for m in self.markets}
        one = OneTrade(self, sales, amounts, s, book, real)
        for m in sorted(depth, key=lambda m: -depth[m]):
            one.market(m, [i for i, route in enumerate(ups) if m in route], selling=True)
        for m in sorted(depth, key=lambda m: depth[m]):
            one.market(m, [i for i, route in enumerate(downs) if m in route], selling=False)
        for i, sale in enumerate(sales):
            amounts[i] /= self.traded_asset(sale.bought)[1]
            self._wrap(sale.bought, amounts[i], book, "wrapper", "route")
            book.move(sale.bought, amounts[i], "route", sale.holder)
        if real:
            self.left = one.left
            for venue in self.everywhere():
                venue.s = s[venue.key]
            self.share_pools()
        return amounts

    def edge(self, sold: str, bought: str, units: float) -> float:
        """What one unit more brings, fees paid, behind so many that are sold."""
        up, down = self.chain(sold), self.chain(bought)
        rate, worth = self.traded_asset(sold)[1], self.traded_asset(sold)[1] / self.traded_asset(bought)[1]
        amount = units * rate
        for m in [m for m in up if m not in down]:
            s, amount = self.markets[m].sell(self.markets[m].s, amount)
            worth *= math.exp(self.markets[m].u(s)) * self.markets[m].kept
        for m in reversed([m for m in down if m not in up]):
            s, amount = self.markets[m].buy(self.markets[m].s, amount)
            worth *= self.markets[m].kept / math.exp(self.markets[m].u(s))
        return worth

    def _wrap(self, asset: str, units: float, book: Ledger, giver: str, taker: str) -> None:
        """Units of a wrapped asset against what they wrap."""
        traded, rate = self.traded_asset(asset)
        if traded != asset:
            book.move(asset, units, giver, taker)
            book.move(traded, units * rate, taker, giver)

    def best(self, m: str, given: float, s: dict[str, float], selling: bool) -> Market:
        """The venue on which so much brings most; of equals the first."""
        venues = self.venues(m)
        venues = [v for v in venues if not self.closed(v.key)] or venues[:1]
        brings = [(v.sell if selling else v.buy)(s[v.key], given)[1] for v in venues]
        most = max(brings)
        self.nearest = min([self.nearest, *((most - b) / most for b in brings if b != most)])
        return venues[brings.index(most)]

    # ---- exact purchases, and perps, of which only the money moves ---------------------------------------------

    def purchase(self, asset: str, units: float, payer: str) -> float:
        """Buy exactly `units`; what is paid [USD]. Each market on the way buys what the next one costs."""
        traded, rate = self.traded_asset(asset)
        amount = units * rate
        self._wrap(asset, units, self.ledger, "wrapper", "route")
        self.ledger.move(asset, units, "route", payer)
        for m in self.chain(traded):
            market = self.markets[m]
            market.s, paid = market.cost(market.s, amount)
            self.ledger.move(m, amount, market.keeper, "route")
            self.ledger.move(market.quote, paid, "route", market.keeper)
            self._traded(m)
            amount = paid
        self.ledger.move("USD", amount, payer, "route")
        return amount

    def trade_perp(self, perp: str, d: float, trader: str = "margin") -> float:
        """Buy d units (sell: d < 0) on the perp's market; the average price, fees included [U].

        Exchanges keep their cash as "margin", lending protocols theirs as "cash".
        """
        market = self.markets[perp]
        market.s, paid = market.cost(market.s, d) if d > 0.0 else market.sell(market.s, -d)
        self._traded(perp)
        self.ledger.move(market.quote, math.copysign(paid, d), trader, market.keeper)
        return paid / abs(d)

    def _traded(self, m: str) -> None:
        profile = self.markets[m].profile
        if profile is not None:
            self.traded.add(m)
            self.extrapolated |= profile.beyond(self.markets[m].s)


class OneTrade:
    """Sales that are traded together, while it goes on."""

    def __init__(self, x: Exchange, sales: list[Sale], amounts: list[float], s: dict[str, float], book: Ledger, real: bool
                 ) -> None:
        self.x, self.sales, self.amounts, self.s, self.book, self.real = x, sales, amounts, s, book, real
        self.left = [0.0] * len(sales)
        self.first = set(range(len(sales)))  # have not come to a market yet

    def market(self, m: str, who: list[int], selling: bool) -> None:
        """All amounts that sell (buy) on one market: those that name a venue there, the others together on the best."""
        here = [v.venue for v in self.x.venues(m)] if m in self.x.further else []
        groups: dict[str, list[int]] = {}
        for i in who:
            groups.setdefault(self.sales[i].venue if self.sales[i].venue in here else "", []).append(i)
        for name, some in groups.items():
            given = sum(self.amounts[i] for i in some)
            if given > 0.0:
                venue = self.x.venues(m)[here.index(name)] if name else self.x.best(m, given, self.s, selling)
                if self.real and here:
                    self.note(m, "trades where it says" if name else "finds the best", venue, selling)
                self.venue(venue, some, given, selling)
        if self.real and len(groups) > 1:
            self.x.counts["several venues of a pair in one trade"] += 1
        self.first -= set(who)

    def venue(self, venue: Market, who: list[int], given: float, selling: bool) -> None:
        """Each gets the average price, and keeps the same share of what is not filled."""
        before = self.s[venue.key]
        filled = min(given, venue.most(before, selling))
        self.s[venue.key], got = (venue.sell if selling else venue.buy)(before, given)
        gives, gets = (venue.asset, venue.quote) if selling else (venue.quote, venue.asset)
        self.book.move(gives, filled, "route", venue.keeper)
        self.book.move(gets, got, venue.keeper, "route")
        for i in who:
            if filled < given:
                self.keep(i, gives, self.amounts[i] * (1.0 - filled / given))
            self.amounts[i] *= got / given
        if self.real and venue.profile is not None:
            self.x.counts["crosses a gap"] += venue.profile.crosses(before, self.s[venue.key])
            self.x.counts["fills in part"] += filled < given and filled > 0.0
            self.x.traded.add(venue.key)
            self.x.extrapolated |= not venue.profile.bounded and venue.profile.beyond(self.s[venue.key])

    def note(self, m: str, why: str, venue: Market, selling: bool) -> None:
        """For the tests."""
        venues, side = self.x.venues(m), 0 if selling else 1
        self.x.counts[f"{why}, {'the first' if venue is venues[0] else 'another'}"] += 1
        self.x.counts["passes a venue that is halted"] += why == "finds the best" and any(
            self.x.closed(v.key) for v in venues) and not self.x.closed(venue.key)
        self.x.counts["passes an empty side"] += why == "finds the best" and any(
            v.depth[side] == 0.0 for v in venues if v is not venue)
        self.x.counts["meets an empty side"] += venue.depth[side] == 0.0

    def keep(self, i: int, asset: str, units: float) -> None:
        """What is not filled stays the seller's: as what he sold, or as what it has become on the way."""
        sale = self.sales[i]
        self.x.counts["stays what it was" if i in self.first else "stays what it has become on the way"] += self.real
        if i in self.first:
            asset, rate = sale.sold, self.x.traded_asset(sale.sold)[1]
            units /= rate
            self.left[i] = units
            self.x._wrap(asset, units, self.book, "wrapper", "route")
        self.book.move(asset, units, "route", sale.holder)

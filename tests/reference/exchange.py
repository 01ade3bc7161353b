"""Prices and trades: all markets of the world, and everybody's ledger."""

from __future__ import annotations

import math

from reference.pool import Market
from reference.setting import Ledger

Sale = tuple[str, str, float, str]  # sold asset, bought asset, units, holder


class Exchange:
    """The markets, which form a tree with USD at its root."""

    def __init__(self, markets: dict[str, Market], wraps: dict[str, tuple[str, float]]) -> None:
        self.markets = markets
        self.wraps = wraps
        self.ledger = Ledger()
        self.traded: set[str] = set()
        self.extrapolated = False

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

    def trade(self, sales: list[Sale], real: bool) -> list[float]:
        """Sales (sold asset, bought asset, units, holder) as one trade; units bought by each.

        real: False only asks, and leaves the state as it is.
        """
        s = {m: market.s for m, market in self.markets.items()}
        book = self.ledger if real else Ledger()
        amounts, ups, downs = [], [], []
        for sold, bought, units, holder in sales:
            up, down = self.chain(sold), self.chain(bought)
            ups.append([m for m in up if m not in down])
            downs.append([m for m in down if m not in up])
            book.move(sold, units, holder, "route")
            amounts.append(units * self.traded_asset(sold)[1])
            self._wrap(sold, units, book, "route", "wrapper")
        depth = {m: len(self.chain(m)) for m in s}
        for m in sorted(s, key=lambda m: -depth[m]):
            self._one_market(m, [i for i, route in enumerate(ups) if m in route], amounts, s, book, real, selling=True)
        for m in sorted(s, key=lambda m: depth[m]):
            self._one_market(m, [i for i, route in enumerate(downs) if m in route], amounts, s, book, real,
                             selling=False)
        for i, (_, bought, _, holder) in enumerate(sales):
            amounts[i] /= self.traded_asset(bought)[1]
            self._wrap(bought, amounts[i], book, "wrapper", "route")
            book.move(bought, amounts[i], "route", holder)
        if real:
            for m, market in self.markets.items():
                market.s = s[m]
        return amounts

    def _wrap(self, asset: str, units: float, book: Ledger, giver: str, taker: str) -> None:
        """Units of a wrapped asset against what they wrap."""
        traded, rate = self.traded_asset(asset)
        if traded != asset:
            book.move(asset, units, giver, taker)
            book.move(traded, units * rate, taker, giver)

    def _one_market(self, m: str, who: list[int], amounts: list[float], s: dict[str, float],
                    book: Ledger, real: bool, selling: bool) -> None:
        """All amounts that sell (buy) on one market, together; each gets the average price."""
        given = sum(amounts[i] for i in who)
        if given <= 0.0:
            return
        market = self.markets[m]
        s[m], got = market.sell(s[m], given) if selling else market.buy(s[m], given)
        gives, gets = (market.asset, market.quote) if selling else (market.quote, market.asset)
        book.move(gives, given, "route", market.keeper)
        book.move(gets, got, market.keeper, "route")
        for i in who:
            amounts[i] *= got / given
        if real and market.profile is not None:
            self.traded.add(m)
            self.extrapolated |= market.profile.beyond(s[m])

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

"""Mark prices, and the funding that ties a perp to its index."""

from __future__ import annotations

import math
from statistics import median

from reference.exchange import Exchange
from reference.margin import MarginExchange, perp_of
from reference.setting import Feed

SHORT, LONG = 30.0, 150.0  # [s] of the averages of the book, and of the gap between book and index


def follow(x: Exchange, exchanges: list[MarginExchange], time: float) -> None:
    """Makers of a contract quote around what it is worth at the market price of what it is on. time: [s]"""
    for exchange in exchanges:
        for perp, asset in exchange.underlying.items():
            spot = x.log_price(asset)
            if perp in exchange.options:
                x.markets[perp].e = math.log(exchange.options[perp].value(math.exp(spot), time))
            else:
                x.markets[perp].e = -spot if perp in exchange.inverse else spot


def sample_mark(feed: Feed, x: Exchange, exchange: MarginExchange | None, k: int, dt: float) -> None:
    """A new answer, once a step, k = 1, 2, ... of dt [s]."""
    base, quote = feed.index
    index, book = math.exp(x.pair(base, quote)), math.exp(x.pair(feed.base, feed.quote))
    if feed.inverse:
        book = 1.0 / book  # in USD a coin, as the index
    feed.gap[LONG] += (1.0 - math.exp(-dt / LONG)) * (book - index - feed.gap[LONG])
    feed.book = book if k == 1 else feed.book + (1.0 - math.exp(-dt / SHORT)) * (book - feed.book)
    if feed.formula == "index":
        mark = index
    elif feed.formula == "hyperliquid":
        mark = median([index + feed.gap[LONG], book, feed.book])
    else:
        assert feed.formula == "binance"
        mark = median([index * (1.0 + _funding_to_come(feed.base, exchange, k, dt)), index + feed.gap[LONG], book])
    feed.answer = -math.log(mark) if feed.inverse else math.log(mark)


def _funding_to_come(perp: str, exchange: MarginExchange | None, k: int, dt: float) -> float:
    """rate t/T: the last rate, for the time that is left to the next payment."""
    if exchange is None or exchange.funding is None:
        return 0.0
    n = round(exchange.funding.interval / dt)
    return exchange.rate[perp] * (n - k % n) / n


def accrue_funding(exchange: MarginExchange, x: Exchange, k: int, dt: float) -> int:
    """Sample the premium of step k; where an interval ends, longs pay shorts. The number of payments."""
    terms = exchange.funding
    if terms is None:
        return 0
    due = k % round(terms.interval / dt) == 0
    for perp, asset in exchange.underlying.items():
        if perp in exchange.options:
            continue
        inverse = perp in exchange.inverse
        index = x.usd(asset)
        book = math.exp(-x.pair(perp, asset)) if inverse else x.usd(perp)
        premia = exchange.premia[perp]
        premia.append((book - index) / index)
        if due:
            mean = sum(premia) / len(premia)
            rate = mean + min(max(terms.interest - mean, -terms.clamp), terms.clamp)
            rate = min(max(rate * (terms.interval / terms.period), -terms.cap), terms.cap)
            exchange.rate[perp] = rate
            payment = -rate / index if inverse else rate * index
            exchange.paid[perp] += payment
            exchange.traffic[perp] += abs(payment)
            # makers hold what balances the book
            net = sum(p.units for a in [*exchange.accounts, exchange.vault] for leg, p in a.positions.items()
                      if perp_of(leg) == perp)
            x.ledger.move(exchange.unit, net * payment, "margin", "makers")
            exchange.to_makers += net * payment
            premia.clear()
    return int(due)

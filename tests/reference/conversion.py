"""A coin without reserves and its sister: either is bought for the peg and burned, and what that mints of the other is sold.

    out(v) = min((1 - spread) v, B^2 v / (F (F + v))),   F = B + d down, B^2 / (B + d) up
Down, coins are bought and sisters made; up, sisters are bought and coins made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reference.exchange import Exchange, Sale
from reference.pool import Market
from reference.redemption import ROUNDING, Backed
from reference.setting import Transaction

HALVINGS = 50
KINDS = ("conversion", "conversion_sale")
DOWN, UP = 0, 1


@dataclass(eq=False)
class Pair:
    """One coin, its sister, and who burns them. Money, pool and d: units of the peg."""

    name: str
    coin: str
    sister: str
    supply: float  # of the coin
    money: float
    spread: float = 0.0
    pool: float = math.inf  # B
    recovery: float = 86400.0  # [s]
    feed: str = ""  # none: her market price
    threshold: float = 0.0005
    bid: float = 0.0  # [gwei]
    chain: str = ""
    d: float = 0.0
    held: list[float] = field(default_factory=lambda: [0.0, 0.0])  # made and not sold: of the sister, of the coin
    burned: list[float] = field(default_factory=lambda: [0.0, 0.0])
    made: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def __post_init__(self) -> None:
        self.capital = self.money

    def for_sale(self, way: int) -> float:
        """What was made and not sold; next to nothing is nothing."""
        return self.held[way] if self.held[way] > ROUNDING * self.made[way] else 0.0

    def assets(self, way: int) -> tuple[str, str]:
        """What is bought, what is made."""
        return (self.coin, self.sister) if way == DOWN else (self.sister, self.coin)

    def filled(self, way: int) -> float:
        """F."""
        return self.pool + self.d if way == DOWN else self.pool**2 / (self.pool + self.d)

    def out(self, way: int, v: float) -> float:
        """What burning v is worth."""
        least = (1.0 - self.spread) * v
        if self.pool == math.inf:
            return least
        f = self.filled(way)
        return min(least, self.pool**2 * v / (f * (f + v)))

    def share(self, way: int, v: float) -> float:
        """Of what the last unit of v is worth."""
        if self.pool == math.inf:
            return 1.0 - self.spread
        return min(1.0 - self.spread, (self.pool / (self.filled(way) + v)) ** 2)


@dataclass(eq=False)
class Row:
    """What one of its transactions is about."""

    pair: Pair
    way: int


@dataclass
class Burners:
    """All pairs of a path."""

    pairs: list[Pair]
    backed: dict[str, Backed]
    x: Exchange
    answer: Callable[[str], float]  # log, of a feed
    counts: Counter[str]
    nearest: float = math.inf

    def step(self, dt: float) -> None:
        """Before the blocks."""
        for pair in self.pairs:
            pair.d *= math.exp(-dt / pair.recovery)

    # ---- what pays now -----------------------------------------------------------------------------------------

    def worths(self, pair: Pair, way: int) -> tuple[float, float]:
        """Of one bought, of one made [units of the peg]."""
        sister = self.x.markets[pair.sister]
        q = math.exp(self.answer(pair.feed) if pair.feed else sister.u(sister.s))
        rate = math.exp(self.backed[pair.coin].log_rate)
        return (rate, q) if way == DOWN else (q, rate)

    def gain(self, pair: Pair, way: int, x: float) -> float:
        """g: what one more unit brings after x, less what it costs."""
        a, b = self.worths(pair, way)
        bought, made = (self.x.markets[asset] for asset in pair.assets(way))
        u = bought.u(take(bought, x)[0])
        sold = made.u(made.sell(made.s, pair.out(way, a * x) / b)[0]) if x > 0.0 else made.u(made.s)
        brings = a * pair.share(way, a * x) * math.exp(sold) * made.kept / b
        costs = math.exp(u) / bought.kept
        if x == 0.0:
            costs *= 1.0 + pair.threshold
            self.nearest = min(self.nearest, abs(brings / costs - 1.0))
        return brings - costs

    def spends(self, pair: Pair, way: int, t: float) -> float:
        """Units of the peg that he buys for at t."""
        if self.backed[pair.coin].frozen > t or pair.money <= 0.0 or self.gain(pair, way, 0.0) <= 0.0:
            return 0.0
        market = self.x.markets[pair.assets(way)[0]]
        high = pair.money * market.kept / math.exp(market.u(market.s))
        if way == DOWN:
            high = min(high, pair.supply)
        low = 0.0
        if self.gain(pair, way, high) >= 0.0:
            low = high
        else:
            for _ in range(HALVINGS):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if self.gain(pair, way, middle) >= 0.0 else (low, middle)
        spent = min(take(market, low)[1], pair.money) if low > 0.0 else 0.0
        return spent if spent > ROUNDING * pair.capital else 0.0

    # ---- a block -----------------------------------------------------------------------------------------------

    def offers(self, t: float) -> list[Transaction]:
        """Pair by pair, down and up: what was made is for sale; what pays is bought."""
        found = []
        for pair in self.pairs:
            peg = self.backed[pair.coin].peg
            for way in (DOWN, UP):
                bought, made = pair.assets(way)
                for kind, units, route in (("conversion_sale", pair.for_sale(way), (made, peg)),
                                           ("conversion", self.spends(pair, way, t), (peg, bought))):
                    if units > 0.0:
                        found.append(Transaction(kind, Row(pair, way), pair.bid, units, chain=pair.chain, payer=pair.name,
                                                 routes=[route]))
        return found

    def settle(self, row: Transaction, t: float) -> list[Sale] | None:
        """At its slot."""
        assert isinstance(row.ref, Row)
        pair, way = row.ref.pair, row.ref.way
        if row.kind == "conversion":
            row.amount = min(row.amount, self.spends(pair, way, t))
            pair.money -= row.amount
        else:
            pair.held[way] -= row.amount
        if row.amount <= 0.0:
            return None
        self.counts[f"{row.kind} {'down' if way == DOWN else 'up'}"] += 1
        return [Sale(*row.routes[0], row.amount, pair.name, order=row)]

    def take_back(self, row: Transaction) -> None:
        """What its market did not fill."""
        assert isinstance(row.ref, Row)
        self.counts[f"{row.kind} in part"] += row.unsold > 0.0
        if row.kind == "conversion":
            row.ref.pair.money += row.unsold
        else:
            row.ref.pair.held[row.ref.way] += row.unsold

    def close(self, rows: Iterable[Transaction]) -> None:
        """At the end of the block. rows: in the order offered."""
        for row in rows:
            if not isinstance(row.ref, Row) or row.brought is None:
                continue
            if row.kind == "conversion_sale":
                row.ref.pair.money += row.brought
            else:
                self.burn(row.ref.pair, row.ref.way, row.brought)

    def burn(self, pair: Pair, way: int, x: float) -> None:
        a, b = self.worths(pair, way)
        bought, made = pair.assets(way)
        out = pair.out(way, a * x)
        if way == DOWN:
            pair.d += a * x
            self.counts["all coins are burned"] += x >= pair.supply
            pair.supply = max(pair.supply - x, 0.0)
        else:
            pair.d -= out
            pair.supply += out / b
        pair.held[way] += out / b
        pair.burned[way] += x
        pair.made[way] += out / b
        self.counts["more than the spread"] += out < (1.0 - pair.spread) * a * x
        self.x.ledger.move(bought, x, pair.name, "issuer")
        self.x.ledger.move(made, out / b, "issuer", pair.name)


def take(market: Market, x: float) -> tuple[float, float]:
    """(s afterwards, quote paid) for x units of the base, as far as there are so many."""
    x = min(x, market.for_sale())
    return market.cost(market.s, x) if x > 0.0 else (market.s, 0.0)

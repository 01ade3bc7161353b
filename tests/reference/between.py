"""Who acts on venues: providers who withdraw, pools whose fee follows volatility, those who trade between venues of a pair."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reference.pool import Market

if TYPE_CHECKING:
    from reference.exchange import Exchange

YEAR = 365.0 * 86400.0  # [s]
LEAST_GAP = 1e-9  # log


@dataclass(eq=False)
class Outage:
    """A venue where nothing trades for a while."""

    venue: str
    step: int  # in which it begins
    lasting: float  # [s]


@dataclass(eq=False)
class Provider:
    """All providers of one venue who act alike."""

    venue: str
    share: float
    sides: tuple[int, ...]  # 0 bids, 1 asks
    fall: float | None
    volatility: float | None  # [1/sqrt(year)]
    steps: int  # of the window
    delay: float  # [s]
    returns: float  # [s]
    past: list[float] = field(default_factory=list)  # outside log prices at the last steps
    taken: list[float] = field(default_factory=lambda: [0.0, 0.0])
    leave: float = math.inf  # [s]
    calm: float = 0.0  # [s] when it was last wild
    left: int = 0  # how often
    back: int = 0
    nearest: float = math.inf

    def begin(self, market: Market) -> None:
        """Before the start nothing has moved."""
        self.past = [market.e] * self.steps

    def step(self, market: Market, t: float, dt: float) -> None:
        """t: the beginning of the step; dt: its length [s]."""
        now = market.e
        if self.wild(now, dt):
            self.leave, self.calm = min(self.leave, t + self.delay), t
        self.past = [*self.past, now][-self.steps:]
        if self.leave <= t and t - self.calm >= self.returns:
            self.back += any(self.taken)
            for side in self.sides:
                market.depth[side] += self.taken[side]
                self.taken[side] = 0.0
            self.leave = math.inf
        if self.leave <= t:
            for side in self.sides:
                if self.taken[side] == 0.0:
                    self.taken[side] = min(self.share, market.depth[side])
                    market.depth[side] -= self.taken[side]
                    self.left += self.taken[side] > 0.0

    def wild(self, now: float, dt: float) -> bool:
        if self.fall is not None:
            fell, limit = max(now, *self.past) - now, -math.log(1.0 - self.fall) - 1e-12
            self.nearest = min(self.nearest, abs(fell / limit - 1.0))
            if fell >= limit:
                return True
        if self.volatility is not None:
            path = [*self.past, now]
            squares = sum((b - a) ** 2 for a, b in itertools.pairwise(path))
            limit = self.volatility**2 * self.steps * dt / YEAR
            self.nearest = min(self.nearest, abs(squares / limit - 1.0))
            return squares >= limit
        return False


@dataclass(eq=False)
class FeeRule:
    """A pool's fee grows with the volatility of its pair."""

    venue: str
    usual: float  # [1/sqrt(year)]
    most: float
    half_life: float  # [s]
    stated: tuple[float, float] = (0.0, 0.0)
    variance: float = -1.0  # a year
    before: float = 0.0  # outside log price at the last step
    raised: int = 0  # steps

    def begin(self, market: Market) -> None:
        assert market.profile is not None
        self.stated, self.before = (market.profile.fee_in, market.profile.fee_out), market.e
        self.variance = self.usual**2

    def step(self, market: Market, dt: float) -> None:
        assert market.profile is not None
        keep, r = 2.0 ** (-dt / self.half_life), market.e - self.before
        self.before = market.e
        self.variance = keep * self.variance + (1.0 - keep) * r * r / (dt / YEAR)
        times = max(1.0, math.sqrt(self.variance) / self.usual)
        market.profile.fee_in, market.profile.fee_out = (min(fee * times, max(self.most, fee)) for fee in self.stated)
        self.raised += times > 1.0 and any(self.stated)


@dataclass(eq=False)
class Desk:
    """Trades between venues of a pair, with what he has."""

    name: str
    pair: str  # its base
    base: float  # units
    quote: float
    delay: float  # [s]
    threshold: float  # log
    due: float = math.inf  # [s]
    trades: int = 0
    short: int = 0  # times that he had too little
    delayed: int = 0
    second: int = 0  # rounds behind the first of a block
    nearest: float = math.inf

    def act(self, x: Exchange, t: float) -> None:
        """At the end of a block, at t [s]."""
        least = max(self.threshold, LEAST_GAP)
        gap, cheap, dear = self.gap(x)
        self.near(gap, least)
        if gap <= least:
            self.due = math.inf
            return
        self.due = min(self.due, t + self.delay)
        if self.due > t:
            self.delayed += 1
            return
        n, stock, money, traded = len(x.venues(self.pair)), self.base * (1.0 - 1e-12), self.quote * (1.0 - 1e-12), False
        for turn in range(n * (n - 1) // 2):
            units, paid, got = self.meet(cheap, dear, stock, money)
            if got <= paid:
                break
            self.carry_out(x, cheap, dear, units, paid, got)
            traded = True
            self.second += turn > 0
            stock, money = stock - units, money - paid
            spent = stock <= 1e-12 * self.base or money <= 1e-12 * self.quote
            gap, cheap, dear = self.gap(x)
            self.near(gap, least)
            if gap <= least or spent:
                break
        self.due = t + self.delay if traded and gap > least else math.inf

    def near(self, gap: float, least: float) -> None:
        if gap > LEAST_GAP:
            self.nearest = min(self.nearest, abs(gap / least - 1.0))

    def gap(self, x: Exchange) -> tuple[float, Market, Market]:
        """Of log prices after fees, the venue on which to buy, and that on which to sell."""
        open_ = [v for v in x.venues(self.pair) if not x.closed(v.key)]
        asks = [(v.u(v.s) - math.log(v.kept), v) for v in open_ if v.depth[1] > 0.0]
        bids = [(v.u(v.s) + math.log(v.kept), v) for v in open_ if v.depth[0] > 0.0]
        if not asks or not bids:
            some = x.markets[self.pair]
            return 0.0, some, some
        ask, cheap = min(asks, key=lambda a: a[0])
        bid, dear = max(bids, key=lambda a: a[0])
        if bid > ask:  # rounding decides between those that are equal but for it
            self.nearest = min([self.nearest, *(abs(at - best) for some, best in ((asks, ask), (bids, bid))
                                                for at, _ in some if at != best)])
        return max(bid - ask, 0.0), cheap, dear

    def meet(self, cheap: Market, dear: Market, stock: float, money: float) -> tuple[float, float, float]:
        """(units, what they cost, what they bring): until prices after fees meet, as far as there is something to do it with."""
        most = min(stock, dear.most(dear.s, selling=True), cheap.buy(cheap.s, money)[1])

        def beyond(q: float) -> bool:
            up, down = cheap.cost(cheap.s, q)[0], dear.sell(dear.s, q)[0]
            return cheap.u(up) - math.log(cheap.kept) >= dear.u(down) + math.log(dear.kept)

        if most <= 0.0:
            return 0.0, 0.0, 0.0
        low, high = 0.0, most
        if not beyond(most):
            low = most
        else:
            for _ in range(200):
                middle = 0.5 * (low + high)
                if not low < middle < high:
                    break
                low, high = (low, middle) if beyond(middle) else (middle, high)
            low = high
        self.short += low == most
        return low, cheap.cost(cheap.s, low)[1], dear.sell(dear.s, low)[1]

    def carry_out(self, x: Exchange, cheap: Market, dear: Market, units: float, paid: float, got: float) -> None:
        thin, deep = sorted((cheap.virtual(), dear.virtual()))
        if thin > 0.0:  # where the deep one's price rounds, so much may be traded more or less, which moves the thin one's
            self.nearest = min(self.nearest, 1e-12 * (2e-13 / (2.0**-52 * deep / thin)))
        cheap.s, dear.s = cheap.cost(cheap.s, units)[0], dear.sell(dear.s, units)[0]
        for venue in (cheap, dear):
            x.traded.add(venue.key)
            assert venue.profile is not None
            x.extrapolated |= not venue.profile.bounded and venue.profile.beyond(venue.s)
        x.ledger.move(cheap.asset, units, cheap.keeper, self.name)
        x.ledger.move(cheap.quote, paid, self.name, cheap.keeper)
        x.ledger.move(cheap.asset, units, self.name, dear.keeper)
        x.ledger.move(cheap.quote, got, dear.keeper, self.name)
        self.quote += got - paid
        self.trades += 1

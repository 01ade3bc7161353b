"""LLAMMA: loans lie in bands of a market that arbitrageurs trade with, on one path.

    p_up(n) = I base k^-n,   p_down(n) = p_up(n + 1),   k = A / (A - 1)
    y0   the positive root of  p_o A y0^2 - y0 (p_up/p_o (A-1) x + p_o^2/p_up A y) - x y = 0
    f = A y0 p_o^2/p_up,   g = (A-1) y0 p_up/p_o,   J = (f + x)(g + y)
A trade that buys brings the debt's asset and gets collateral, band by band to higher numbers; one that sells goes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

SPELL = 120.0  # [s] in which the oracle price of the last trade counts
FARTHEST = 50  # bands
CRUMB = 1e-12  # of g + y, or f + x, of a band
NOTHING = 1e-9  # of the debt

Edge = Callable[[float], float]  # what one unit more brings outside behind so many, fees paid


@dataclass(eq=False)
class Band:
    """x of the debt's asset, y of the collateral."""

    x: float = 0.0
    y: float = 0.0
    put: float = 0.0  # by loans that are open

    @property
    def empty(self) -> bool:
        return self.x == 0.0 and self.y == 0.0


@dataclass(eq=False)
class Loan:
    """Lies in the bands first..first + count - 1."""

    name: str
    held: float
    debt: float  # at index 1
    count: int
    first: int = 0
    open: bool = True

    @property
    def each(self) -> float:
        return self.held / self.count

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)


@dataclass
class Trade:
    """What one comes to."""

    buying: bool
    brought: float = 0.0
    got: float = 0.0
    admin: float = 0.0
    ends: int = 0


@dataclass(eq=False)
class Amm:
    """One market: collateral a, debt b."""

    protocol: str
    a: str
    b: str
    amplification: float
    stated: float  # fee
    admin_fee: float
    loan_discount: float
    discount: float  # at liquidation
    base: float
    writes_off: bool
    loans: list[Loan]
    bands: dict[int, Band] = field(default_factory=dict)
    active: int = 0
    p_l: float = 0.0  # oracle price that the last trade saw
    limiter: float = 0.0  # of that trade
    last: float = -math.inf  # when [s]
    index: float = 1.0  # I
    trades: int = 0
    sold: float = 0.0  # collateral that bands gave
    bought: float = 0.0
    loss: float = 0.0  # [USD]
    nearest: float = math.inf

    def lay_out(self, p: float) -> None:
        """Where loans lie at the start. p: the price then."""
        self.base = self.base or p
        for loan in self.loans:
            k, n = self.k, loan.count
            w = loan.held * (1.0 - self.loan_discount) * k**-0.5 * sum(k**-i for i in range(n)) / n
            high, low = math.log(self.base / p) / math.log(k), math.log(w * self.base / loan.debt) / math.log(k)
            self.nearest = min(self.nearest, abs(low - round(low)))
            loan.first = max(math.ceil(high), math.floor(low))
        for number in sorted({n for loan in self.loans for n in loan.numbers} | {min(one.first for one in self.loans) - 1}):
            self.bands[number] = Band()
        for loan in self.loans:
            for number in loan.numbers:
                self.bands[number].y += loan.each
                self.bands[number].put += loan.each
        self.active = min(self.bands)

    # ---- prices ------------------------------------------------------------------------------------------------

    @property
    def k(self) -> float:
        return self.amplification / (self.amplification - 1.0)

    def up(self, n: int) -> float:
        return self.index * self.base * self.k**-n

    def down(self, n: int) -> float:
        return self.up(n + 1)

    def oracle(self, p: float, t: float) -> tuple[float, float]:
        """(p_o, limiter)."""
        s = t - self.last
        if not s < SPELL:
            return p, 0.0
        p_o = min(max(p, self.p_l / 1.25), 1.25 * self.p_l)
        return p_o, min((1.0 - min(p_o / self.p_l, self.p_l / p_o) ** 3 + self.limiter) * (SPELL - s) / SPELL, 1.0)

    def shape(self, n: int, p_o: float) -> tuple[float, float, float]:
        """f, g, J."""
        band, a, up = self.bands[n], self.amplification, self.up(n)
        b = up / p_o * (a - 1.0) * band.x + p_o**2 / up * a * band.y
        y0 = (b + math.sqrt(b * b + 4.0 * p_o * a * band.x * band.y)) / (2.0 * p_o * a)
        f, g = a * y0 * p_o**2 / up, (a - 1.0) * y0 * up / p_o
        return f, g, (f + band.x) * (g + band.y)

    def fee(self, n: int, p_o: float, limiter: float) -> float:
        low = p_o**3 / self.up(n) ** 2
        high = low * self.k**2
        return max(self.stated, limiter, (low - p_o) / (4.0 * low), (p_o - high) / (4.0 * p_o))

    def x_down(self, n: int, p_o: float) -> float:
        """What a band is worth, once it has been sold, in the debt's asset."""
        band, up, down, root = self.bands[n], self.up(n), self.down(n), math.sqrt(self.k)
        if band.empty:
            return 0.0
        if band.x == 0.0 and p_o > up:
            return band.y * up / root
        if band.y == 0.0 and p_o < down:
            return band.x
        f, g, j = self.shape(n, p_o)
        if p_o > up:
            return (j / f - g) * up / root
        if p_o < down:
            return j / g - f
        y_o = max(math.sqrt(j / p_o) - g, 0.0)
        return j / (g + y_o) - f + y_o * math.sqrt(down * p_o)

    # ---- loans -------------------------------------------------------------------------------------------------

    def owed(self, loan: Loan) -> float:
        return loan.debt * self.index

    def holds(self, loan: Loan) -> tuple[float, float]:
        """x and y of a loan."""
        parts = [(loan.each / self.bands[n].put, self.bands[n]) for n in loan.numbers]
        return sum(share * band.x for share, band in parts), sum(share * band.y for share, band in parts)

    def health(self, loan: Loan, p_o: float) -> float:
        worth = sum(loan.each / self.bands[n].put * self.x_down(n, p_o) for n in loan.numbers) * (1.0 - self.discount)
        if loan.first > self.active:
            worth += max(p_o - self.up(loan.first), 0.0) * self.holds(loan)[1]
        found = worth / self.owed(loan) - 1.0
        self.nearest = min(self.nearest, abs(found))
        return found

    def no_collateral(self, loan: Loan) -> bool:
        y, limit = self.holds(loan)[1] * self.up(loan.first), NOTHING * self.owed(loan)
        self.nearest = min(self.nearest, abs(y / limit - 1.0))
        return y <= limit

    def take_out(self, loan: Loan) -> tuple[float, float]:
        """Close a loan; x and y of it."""
        x, y = self.holds(loan)
        for n in loan.numbers:
            band, share = self.bands[n], loan.each / self.bands[n].put
            if share >= 1.0 - CRUMB:
                self.bands[n] = Band()
                continue
            band.x, band.y, band.put = band.x * (1.0 - share), band.y * (1.0 - share), band.put - loan.each
        loan.open = False
        return x, y

    # ---- trades ------------------------------------------------------------------------------------------------

    def next_band(self, n: int, start: int | None, p_o: float, buying: bool) -> int | None:
        """The next used band, if a trade that began at `start` comes to it."""
        further = [m for m in self.bands if (m > n if buying else m < n)]
        if not further:
            return None
        m = min(further) if buying else max(further)
        if start is not None and abs(m - start) >= FARTHEST:
            return None
        reached = self.up(m - 1) >= p_o * self.k**-FARTHEST if buying else self.down(m) <= p_o * self.k**FARTHEST
        return m if reached else None

    def trade(self, buying: bool, units: float, p_o: float, limiter: float) -> Trade:
        """Bring so many units; the bands are changed."""
        done, left, n, start = Trade(buying, ends=self.active), units, self.active, None
        while True:
            band = self.bands[n]
            done.ends = n
            if not band.empty:
                start = n if start is None else start
                left, into = self.in_band(done, n, left, p_o, limiter)
                if left <= CRUMB * into:
                    return done
            found = self.next_band(n, start, p_o, buying)
            if found is None:
                return done
            n = found

    def in_band(self, done: Trade, n: int, left: float, p_o: float, limiter: float) -> tuple[float, float]:
        """What is left to bring behind a band, and f + x (g + y) of it."""
        band, (f, g, j), fee = self.bands[n], self.shape(n, p_o), self.fee(n, p_o, limiter)
        stock, own, into, out = (band.y, band.x, f, g) if done.buying else (band.x, band.y, g, f)
        if stock == 0.0:
            return left, 0.0
        whole = (j / out - into - own) / (1.0 - fee)
        if left > whole:
            brought, kept = whole, 0.0
        else:
            brought, kept = left, min(j / (into + own + left * (1.0 - fee)) - out, stock)
        admin = self.admin_fee * fee * brought
        own += brought - admin
        band.x, band.y = (own, kept) if done.buying else (kept, own)
        done.brought, done.got, done.admin = done.brought + brought, done.got + stock - kept, done.admin + admin
        return left - brought, into + own

    def arbitrage(self, buying: bool, p_o: float, limiter: float, edge: Edge) -> tuple[float, float]:
        """(brought, got) of what pays before gas."""
        n, start, brought, got, whole = self.active, None, 0.0, 0.0, 0.0
        while True:
            band = self.bands[n]
            if not band.empty:
                start = n if start is None else start
                stock = band.y if buying else band.x
                if stock > 0.0:
                    (f, g, j), keeps = self.shape(n, p_o), 1.0 - self.fee(n, p_o, limiter)
                    out, into = (g + band.y, f + band.x) if buying else (f + band.x, g + band.y)
                    u = meet(out, j, keeps, stock, edge, got)
                    whole = max(whole, out)
                    if u > 0.0:
                        brought, got = brought + into * u / (out - u) / keeps, got + u
                    if u < stock:
                        break
            found = self.next_band(n, start, p_o, buying)
            if found is None:
                break
            n = found
        return (brought, got) if got > CRUMB * whole else (0.0, 0.0)


def meet(out: float, j: float, keeps: float, stock: float, edge: Edge, before: float) -> float:
    """How much of a band pays behind so many of others: until one unit more costs what it brings."""
    def pays(u: float) -> bool:
        return edge(before + u) * keeps * (out - u) ** 2 > j

    if not pays(0.0):
        return 0.0
    if pays(stock):
        return stock
    low, high = 0.0, stock
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if pays(middle) else (low, middle)
    return low

"""Pools that trades change: pairs of one StableSwap pool, of which what one trades the others see; pools that keep their fee.

    Ann S + D = Ann D + K,   K = D^(n+1) / (n^n P),   Ann = n A,   D of the stated balances
    price of the base x in the quote y = (Ann + K / x) / (Ann + K / y)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reference.pool import Market, Profile

Balances = dict[str, float]


@dataclass(eq=False)
class SharedPool:
    """Full-depth units of each asset, and the pairs of them that are venues."""

    amplification: float
    held: Balances
    pairs: list[Market]
    cells: int
    seen: list[float] = field(default_factory=list)  # s of the pairs when they were last looked at
    d: float = 0.0
    shared: int = 0  # how often
    together: int = 0  # of these, after several pairs had traded at once
    nearest: float = math.inf  # 1e-12 where rounding of one pair's price moves the others by a fifth of that

    def __post_init__(self) -> None:
        self.seen = [pair.s for pair in self.pairs]
        n, total, d = len(self.held), sum(self.held.values()), sum(self.held.values())
        ann = n * self.amplification
        for _ in range(255):
            product = d
            for units in self.held.values():
                product *= d / (n * units)
            before, d = d, (ann * total + n * product) * d / ((ann - 1.0) * d + (n + 1.0) * product)
            if abs(d - before) <= 1e-16 * d:
                break
        self.d = d

    def profile(self, pair: Market) -> Profile:
        """Of one pair at what is held now, the others as they are; the middle node is where it stands."""
        x, y, half = self.held[pair.asset], self.held[pair.quote], self.cells // 2
        ways = [math.exp(-14.0 * math.sinh(3.0 * k / half) / math.sinh(3.0)) for k in range(half + 1)]
        nodes = [(way * x, self.asked(pair.quote, {pair.asset: way * x})) for way in reversed(ways[1:])] + [(x, y)] + [
            (self.asked(pair.asset, {pair.quote: way * y}), way * y) for way in ways[1:]]
        w, sold = [self.slope(pair, *node) for node in nodes], [pair.s + base - x for base, _ in nodes]
        size = [(sold[i + 1] - sold[i]) / (w[i + 1] - w[i]) for i in range(self.cells)]
        assert pair.profile is not None
        return Profile(w, size, sold, pair.profile.fee_in, pair.profile.fee_out, False, (sold[0], sold[-1]))

    def slope(self, pair: Market, x: float, y: float) -> float:
        """1 / sqrt(price) with these balances of the pair."""
        n, k = len(self.held), self.d
        ann = n * self.amplification
        for asset, units in self.held.items():
            k *= self.d / (n * {pair.asset: x, pair.quote: y}.get(asset, units))
        return math.sqrt((ann + k / y) / (ann + k / x))

    def asked(self, quote: str, instead: Balances) -> float:
        """Units of one asset that D asks for beside the others. instead: of balances that are held."""
        n, others = len(self.held), [units for asset, units in (self.held | instead).items() if asset != quote]
        ann = n * self.amplification
        c = self.d / ann
        for units in others:
            c *= self.d / (n * units)
        c *= self.d / n
        b = sum(others) + self.d / ann - self.d
        root = math.sqrt(b * b + 4.0 * c)
        return 2.0 * c / (b + root) if b > 0.0 else (root - b) / 2.0

    def share(self, relaxed: bool) -> None:
        """After trades, or where pairs have relaxed: balances follow the pairs that have traded, the others follow balances."""
        moved = [i for i, pair in enumerate(self.pairs) if pair.s != self.seen[i]]
        for i in moved:
            pair = self.pairs[i]
            rounding = 2.0**-52 * pair.virtual() / min(self.held[pair.asset], self.held[pair.quote])
            self.nearest = min(self.nearest, 1e-12 * (2e-13 / rounding))
            self.held[pair.asset] += pair.s - self.seen[i]
            self.held[pair.quote] = self.asked(pair.quote, {})
            self.seen[i] = pair.s
        for i, pair in enumerate(self.pairs):
            if moved and moved != [i]:
                pair.profile = self.profile(pair)
        self.shared += bool(moved)
        self.together += len(moved) > 1


@dataclass(eq=False)
class KeptFee:
    """A constant product that what it charges joins: it holds x of the base and y of the quote, and stands at y / x."""

    pair: Market
    seen: float = 0.0  # s when it was last looked at
    shared: int = 0  # how often
    together: int = 0
    nearest: float = math.inf

    def share(self, relaxed: bool) -> None:
        """After trades. relaxed: of outsiders, who pay nothing."""
        p, s = self.pair.profile, self.pair.s
        assert p is not None
        if relaxed or s == self.seen:
            self.seen = s
            return
        before, after, size = p.w_at_sold(self.seen), p.w_at_sold(s), p.liquidity[0]
        x, y, more = size * after, size / after, p.fee_in / (1.0 - p.fee_in)
        if s > self.seen:
            x += more * (s - self.seen)
        else:
            y += more * (self.seen - s) / (before * after)
        w, size = math.sqrt(x / y), math.sqrt(x * y)
        self.pair.profile = Profile([w, 2.0 * w], [size], [s, s + size * w], p.fee_in, p.fee_out, False, p.quoted)
        self.seen, self.shared = s, self.shared + 1

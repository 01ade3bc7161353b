"""Pairs of one StableSwap pool of many: what one trades, the others see.

    Ann S + D = Ann D + D^(n+1) / (n^n P),   Ann = n A,   D of the stated balances
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from reference.pool import Market, Profile

Balances = dict[str, float]


@dataclass(eq=False)
class SharedPool:
    """Full-depth units of each asset, and the pairs of them that are venues."""

    amplification: float
    held: Balances
    pairs: list[Market]
    profile_of: Callable[[Market, Balances], Profile]  # at these balances, the middle node at 0
    seen: list[float] = field(default_factory=list)  # s of the pairs when they were last looked at
    d: float = 0.0
    shared: int = 0  # how often

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

    def asked(self, quote: str) -> float:
        """Units of one asset that D asks for beside the others."""
        n, others = len(self.held), [units for asset, units in self.held.items() if asset != quote]
        ann = n * self.amplification
        c = self.d / ann
        for units in others:
            c *= self.d / (n * units)
        c *= self.d / n
        b = sum(others) + self.d / ann - self.d
        root = math.sqrt(b * b + 4.0 * c)
        return 2.0 * c / (b + root) if b > 0.0 else (root - b) / 2.0

    def share(self) -> None:
        """After trades: balances follow the pairs that have traded, the others follow balances."""
        moved = [i for i, pair in enumerate(self.pairs) if pair.s != self.seen[i]]
        for i in moved:
            pair = self.pairs[i]
            self.held[pair.asset] += pair.s - self.seen[i]
            self.held[pair.quote] = self.asked(pair.quote)
            self.seen[i] = pair.s
        for i, pair in enumerate(self.pairs):
            if moved and moved != [i]:
                pair.profile = shifted(self.profile_of(pair, self.held), pair.s)
        self.shared += bool(moved)


def shifted(profile: Profile, s: float) -> Profile:
    """With the same prices where s more has been sold."""
    profile.sold = [s + sold for sold in profile.sold]
    profile.quoted = profile.quoted[0] + s, profile.quoted[1] + s
    return profile

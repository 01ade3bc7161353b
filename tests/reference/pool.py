"""A market at one venue, walked cell by cell.

With w = 1/sqrt(price): selling q in a cell of liquidity L moves w to w + q/L and pays q/(w w'); buying with y of
the quote moves v = 1/w to v + y/L and gets y/(v v').
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass
class Profile:
    """Nodes from the highest price to the lowest; the outermost cells continue beyond the last nodes."""

    w: list[float]  # 1/sqrt(price) at the nodes, rising
    liquidity: list[float]  # of the cell below each node but the last
    sold: list[float]  # net amount sold when the price stands at the node
    fee_in: float
    fee_out: float
    anchored: bool
    quoted: tuple[float, float] = (-math.inf, math.inf)  # s that the venue's data cover
    bounded: bool = False  # nothing is for sale, or bought, beyond the outermost nodes

    def _cell(self, nodes: list[float], at: float) -> int:
        """nodes[i] <= at < nodes[i + 1]; beyond the ends the outermost."""
        return min(max(bisect_right(nodes, at) - 1, 0), len(self.liquidity) - 1)

    @property
    def ends(self) -> tuple[float, float]:
        """s at the outermost nodes of what is bounded."""
        return (self.sold[0], self.sold[-1]) if self.bounded else (-math.inf, math.inf)

    def within(self, s: float) -> float:
        """s, no further than where the venue ends."""
        low, high = self.ends
        return min(max(s, low), high)

    def from_gap(self, s: float) -> float:
        """How far s is from the next gap in which there is no liquidity: where the price jumps."""
        return min((abs(s - at) for at, size in zip(self.sold, self.liquidity, strict=False) if size == 0.0), default=math.inf)

    def crosses(self, before: float, after: float) -> bool:
        """Whether a gap lies between."""
        low, high = min(before, after), max(before, after)
        return any(low < at < high for at, size in zip(self.sold, self.liquidity, strict=False) if size == 0.0)

    def w_at_sold(self, s: float) -> float:
        i = self._cell(self.sold, s)
        return self.w[i] + (s - self.sold[i]) / self.liquidity[i]

    def x_at_sold(self, s: float) -> float:
        """Log price after selling s."""
        return -2.0 * math.log(self.w_at_sold(s))

    def sold_at_x(self, x: float) -> float:
        """The inverse."""
        w = math.exp(-0.5 * x)
        i = self._cell(self.w, w)
        return self.within(self.sold[i] + self.liquidity[i] * (w - self.w[i]))

    def sell(self, s: float, q: float) -> tuple[float, float]:
        """(s afterwards, quote paid) for q sold at s, no more than fills."""
        q = max(min(q, self.ends[1] - s), 0.0)
        i, w, paid, left, at = self._cell(self.sold, s), self.w_at_sold(s), 0.0, q, s
        while i < len(self.liquidity) - 1 and left > self.sold[i + 1] - at:
            whole = self.sold[i + 1] - at  # down to the lower end of the cell
            paid += whole / (w * self.w[i + 1])
            left -= whole
            i += 1
            at, w = self.sold[i], self.w[i]
        if left > 0.0:
            paid += left / (w * (w + left / self.liquidity[i]))
        return self.within(s + q), paid

    def buy(self, s: float, y: float) -> tuple[float, float]:
        """(s afterwards, base received) for y of the quote spent at s, no more than fills."""
        if self.bounded and y >= self.worth(self.ends[0], s):
            return self.ends[0], s - self.ends[0]
        i, w, got, left, at = self._cell(self.sold, s), self.w_at_sold(s), 0.0, y, s
        while i > 0 and left > (at - self.sold[i]) / (w * self.w[i]):
            whole = at - self.sold[i]  # up to the upper end of the cell
            got += whole
            left -= whole / (w * self.w[i])
            at, w = self.sold[i], self.w[i]
            i -= 1
        v = 1.0 / w
        if left > 0.0:
            got += left / (v * (v + left / self.liquidity[i]))
        return s - got, got

    def worth(self, s: float, to: float) -> float:
        """Quote between s and a greater one."""
        return self.sell(s, to - s)[1]

    def cost(self, s: float, q: float) -> tuple[float, float]:
        """(s afterwards, quote to pay) for exactly q of the base bought at s.

        The book goes to w of its first node / 1000, or of where it stands; what it does not hold until there costs
        the price reached, and s goes no further.
        """
        last = min(self.w[0], self.w_at_sold(s)) / 1000.0
        end = self.sold[0] - self.liquidity[0] * (self.w[0] - last)  # s where w is `last`
        beyond = max(0.0, q - (s - end))
        to = s - q if beyond == 0.0 else end
        return to, self.sell(to, s - to)[1] + beyond / (last * last)

    def beyond(self, s: float) -> bool:
        """Past what the data cover: what trades there is extrapolated."""
        return s < self.quoted[0] or s > self.quoted[1]


@dataclass
class Market:
    """asset/quote: its outside log price, what was sold into its venue, and the log price that results."""

    asset: str
    quote: str
    e: float  # log price of the outside world
    profile: Profile | None = None
    half_life: float | None = None  # [s]
    s: float = 0.0
    depth: list[float] = field(default_factory=lambda: [1.0, 1.0])  # factor on bids, asks
    moved: bool = False  # s has not always been 0
    venue: str = ""  # its name
    key: str = ""  # what halts it: the base, of the first venue of its pair; its name, of others

    def __post_init__(self) -> None:
        self.key = self.key or self.asset

    @property
    def keeper(self) -> str:
        """Whose ledger the venue's side of a trade is."""
        return "makers" if self.profile is not None and self.profile.anchored else "venues"

    def u(self, s: float) -> float:
        """Log price after selling s net."""
        if self.profile is None:
            return self.e
        return self.profile.x_at_sold(s) + (self.e if self.profile.anchored else 0.0)

    def scale(self) -> float:
        """The price that the profile's prices are relative to."""
        return math.exp(self.e) if self.profile is not None and self.profile.anchored else 1.0

    def sell(self, s: float, q: float) -> tuple[float, float]:
        """(s afterwards, units of the quote received) for q units of the base."""
        if self.profile is None:
            return s, q * math.exp(self.e)
        f = self.depth[0]
        if f == 0.0:
            return s, 0.0
        after, paid = self.profile.sell(s, q * (1.0 - self.profile.fee_in) / f)
        return after, paid * f * self.scale() * (1.0 - self.profile.fee_out)

    def buy(self, s: float, y: float) -> tuple[float, float]:
        """(s afterwards, units of the base received) for y units of the quote."""
        if self.profile is None:
            return s, y * math.exp(-self.e)
        f = self.depth[1]
        if f == 0.0:
            return s, 0.0
        after, got = self.profile.buy(s, y * (1.0 - self.profile.fee_in) / (f * self.scale()))
        return after, got * f * (1.0 - self.profile.fee_out)

    def most(self, s: float, selling: bool) -> float:
        """Units of what is given that fill."""
        if self.profile is None:
            return math.inf
        p, f = self.profile, self.depth[0 if selling else 1]
        if f == 0.0:
            return 0.0
        if not p.bounded:
            return math.inf
        held = p.ends[1] - s if selling else p.worth(p.ends[0], s) * self.scale()
        return held * f / (1.0 - p.fee_in)

    def for_sale(self) -> float:
        """Units of the base that can be bought."""
        if self.profile is None:
            return math.inf
        if self.depth[1] == 0.0:
            return 0.0
        return (self.s - self.profile.ends[0]) * self.depth[1] * (1.0 - self.profile.fee_out)

    @property
    def kept(self) -> float:
        """What fees leave of a small trade."""
        return (1.0 - self.profile.fee_in) * (1.0 - self.profile.fee_out) if self.profile is not None else 1.0

    def cost(self, s: float, q: float) -> tuple[float, float]:
        """(s afterwards, units of the quote to pay) for exactly q units of the base."""
        if self.profile is None:
            return s, q * math.exp(self.e)
        f = self.depth[1]
        after, paid = self.profile.cost(s, q / (f * (1.0 - self.profile.fee_out)))
        return after, paid * f * self.scale() / (1.0 - self.profile.fee_in)

    def room(self, to: float, selling: bool) -> float:
        """Units that one can sell (buy) until the log price before fees is `to`; endless without a venue."""
        if self.profile is None:
            return math.inf if (self.e >= to if selling else self.e <= to) else 0.0
        if math.isinf(to):
            return math.inf if (to < 0.0) == selling else 0.0
        s = self.profile.sold_at_x(to - (self.e if self.profile.anchored else 0.0))
        if selling:
            return max(0.0, s - self.s) * self.depth[0] / (1.0 - self.profile.fee_in)
        return max(0.0, self.s - s) * self.depth[1] * (1.0 - self.profile.fee_out)

    def relax(self, dt: float) -> tuple[float, float]:
        """Displaced prices come back over dt [s]: (base, quote) that arbitrage brings to a pool.

        Makers re-quote: nobody trades.
        """
        if self.profile is None or self.half_life is None:
            return 0.0, 0.0
        keep = 2.0 ** (-dt / self.half_life)
        if self.profile.anchored:
            self.s *= keep
            return 0.0, 0.0
        target = self.profile.sold_at_x(self.e)
        before, self.s = self.s, target + (self.s - target) * keep
        moved = self.s - before  # without fee; s is at full depth, what is traded is less or more of it
        if moved >= 0.0:
            return moved * self.depth[0], -self.profile.sell(before, moved)[1] * self.depth[0]
        return moved * self.depth[1], self.profile.sell(self.s, -moved)[1] * self.depth[1]

    def virtual(self) -> float:
        """ds = -L w/2 du: how far s moves with the log price, times two."""
        if self.profile is None:
            return 0.0
        i = self.profile._cell(self.profile.sold, self.s)
        return self.profile.liquidity[i] * self.profile.w_at_sold(self.s)

"""Liquity in a world, plainly: what its systems offer in a block, and what becomes of it. The arithmetic is that of troves.py."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from reference.bidding import Offer
from reference.exchange import Exchange, Sale
from reference.troves import CCR, FLOOR, MCR, ONE, RESERVE, Liquity, Reverted, powered

CALL, REDEMPTION = KINDS = ("trove_liquidation", "trove_redemption")
ROUNDS, CRUMB = 50, 1e-6  # halvings of the search for how much; share of all stablecoin that is nothing


def raw(x: float) -> int:
    """In smallest units, as exactly as a float is."""
    numerator, denominator = float(x).as_integer_ratio()
    return numerator * ONE // denominator


@dataclass(eq=False)
class System:
    """The troves of one collateral and one stablecoin of a protocol."""

    protocol: str
    a: str  # collateral
    b: str  # stablecoin
    exact: Liquity
    owners: list[str]  # account of each trove
    per_call: int
    sells: float  # share of what the pool gains that its depositors sell
    redemptions: bool
    coll: float  # of all troves at the start
    debt: float
    nearest: float = math.inf  # relative distance of ratios from what decides

    def look(self) -> None:
        """Remember how near to what decides the ratios are."""
        at = [self.exact.total_ratio() / CCR, *(self.exact.ratio(k) / MCR for k in self.exact.troves)]
        self.nearest = min([self.nearest, *(abs(ratio - 1.0) for ratio in at)])

    def may_fall(self, k: int) -> bool:
        """Whether a call of this trove alone would liquidate it now."""
        exact, recovery = self.exact, self.exact.recovery()
        if k not in exact.troves or len(exact.troves) < 2:
            return False
        pool, ratio = exact.to_offset(), exact.ratio(k)
        if ratio >= MCR and pool == 0:
            return False
        return exact.portions(k, ratio, pool, exact.total_ratio() if recovery else None) is not None

    def reward(self, k: int) -> float:
        """What a call of it brings, in collateral."""
        if not self.may_fall(k):
            return 0.0
        exact, ratio = self.exact, self.exact.ratio(k)
        one = exact.portions(k, ratio, exact.to_offset(), exact.total_ratio() if exact.recovery() else None)
        assert one is not None
        return one.comp / ONE + RESERVE / exact.price

    def queue(self, k: int) -> list[int]:
        """The troves that a call of this one asks for."""
        return [k] if self.per_call == 1 else list(self.exact.from_the_lowest(self.per_call))

    def fee(self, share: float, time: float) -> float:
        """Of a redemption of such a share of all stablecoin now."""
        base = self.exact.base_rate * powered(int((time - self.exact.rate_at) // 60)) / ONE**2
        return min(min(base + share / 2.0, 1.0) + FLOOR / ONE, 1.0)


@dataclass(eq=False)
class TroveCall:
    """A trove to be liquidated, or the lowest in its stead."""

    system: System
    trove: int


@dataclass
class Liquities:
    """All systems of a path."""

    systems: list[System]
    x: Exchange
    home: dict[str, str]  # network of each protocol
    seen: Callable[[str, str], float]  # log price that a protocol sees of an asset
    halted: Callable[[str], float]  # until when liquidations of a protocol are [s]
    counts: Counter[str]
    treasury: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    def at_price(self, s: System) -> float:
        """What a system sees: stablecoin for one of collateral."""
        price = math.exp(self.seen(s.protocol, s.a) - self.seen(s.protocol, s.b))
        s.exact.price = raw(price)
        return price

    # ---- what is offered ---------------------------------------------------------------------------------------

    def offers(self, t: float) -> list[Offer]:
        """System by system: troves that may be liquidated, lowest ratio first, then a redemption."""
        found = []
        for s in self.systems:
            self.at_price(s)
            s.look()
            if self.halted(s.protocol) <= t:
                calls = [offer for k in s.exact.order() if (offer := self.call(s, k)) is not None and s.may_fall(k)]
                found += calls if s.per_call == 1 else calls[:1]
            if s.redemptions and (redemption := self.redemption(s, t)) is not None:
                found.append(redemption)
        return found

    def call(self, s: System, k: int) -> Offer | None:
        brings = sum(s.reward(one) for one in s.queue(k))
        if not brings > 0.0:
            return None
        return Offer(CALL, s.protocol, TroveCall(s, k), self.home[s.protocol], [], [(s.a, brings)], [])

    def redemption(self, s: System, t: float, most: float = math.inf) -> Offer | None:
        price = self.at_price(s)
        x = min(self.to_redeem(s, price, t), most)
        if not x > 0.0:
            return None
        gets = x / price * (1.0 - s.fee(x / (s.exact.debt / ONE), t))
        return Offer(REDEMPTION, s.protocol, s, self.home[s.protocol], [(s.b, x)], [(s.a, gets)], [(s.a, s.b, gets)], x)

    def to_redeem(self, s: System, price: float, t: float) -> float:
        """Until one unit more brings no more than it costs."""
        supply = s.exact.debt / ONE
        most = supply - RESERVE / ONE * len(s.exact.troves)

        def pays(x: float) -> bool:
            fee = s.fee(x / supply, t)
            one_more = max(1.0 - fee - x / (2.0 * supply), 0.0)
            return self.x.edge(s.a, s.b, x / price * (1.0 - fee)) * one_more / price > 1.0
        if not most > CRUMB * supply or s.exact.total_ratio() < MCR or not pays(0.0):
            return 0.0
        if pays(most):
            return most
        low, high = 0.0, most
        for _ in range(ROUNDS):
            x = 0.5 * (low + high)
            low, high = (x, high) if pays(x) else (low, x)
        return low if low > CRUMB * supply else 0.0

    def anew(self, ref: System | TroveCall, t: float, most: float = math.inf) -> Offer | None:
        """What it would be now, of somebody who brings at most so many units: of a redemption what troves can give."""
        if isinstance(ref, System):
            offer = self.redemption(ref, t, most)
            return None if offer is None else self.as_troves_can(ref, offer, t)
        self.at_price(ref.system)
        return self.call(ref.system, ref.trove)

    def as_troves_can(self, s: System, offer: Offer, t: float) -> Offer | None:
        """A redemption ends at a trove that would keep too little debt."""
        assert isinstance(offer.what, float)
        try:
            paid, drawn, fee = (units / ONE for units in deepcopy(s.exact).redeem(raw(offer.what), t))
        except Reverted:
            return None
        offer.pays, offer.gets, offer.sales, offer.what = [(s.b, paid)], [(s.a, drawn - fee)], [(s.a, s.b, drawn - fee)], paid
        return offer

    # ---- what becomes of it ------------------------------------------------------------------------------------

    def liquidate(self, ref: TroveCall, who: str) -> tuple[float, list[Sale]] | None:
        """(stablecoin burned, what depositors sell); None: it reverts."""
        s, exact = ref.system, ref.system.exact
        pool, pool_coll, before = exact.pool, exact.pool_coll, "recovery" if exact.recovery() else "normal"
        try:
            done = exact.liquidate(ref.trove) if s.per_call == 1 else exact.sequence(s.per_call)
        except Reverted:
            return None
        burned, sent, comp, aside = (units / ONE for units in (
            pool - exact.pool, exact.pool_coll - pool_coll, done.comp, RESERVE * len(done.closed)))
        self.x.ledger.move(s.a, comp, "cash", who)
        self.x.ledger.move(s.a, sent, "cash", "bands")
        self.x.ledger.move(s.b, burned, "bands", "cash")
        self.x.ledger.move(s.b, aside, "bands", who)
        self.counts[f"troves in {before} mode"] += len(done.closed)
        self.counts["troves against the pool"] += burned > 0.0
        self.counts["troves redistributed"] += done.debt > pool - exact.pool
        self.counts["troves left a surplus"] += len(done.surplus)
        sold = sent * s.sells
        exact.pool_coll -= raw(sold)
        return burned, [Sale(s.a, s.b, sold, "bands")] if sold > 0.0 else []

    def redeem(self, s: System, offer: Offer, who: str, t: float) -> list[tuple[str, str, float]] | None:
        """What who redeems has for sale; None: it reverts."""
        assert isinstance(offer.what, float)
        exact, closed = s.exact, len(s.exact.troves)
        before = deepcopy(exact.__dict__)
        try:
            paid, drawn, fee = (units / ONE for units in exact.redeem(raw(offer.what), t))
        except Reverted:
            exact.__dict__.update(before)
            return None
        freed = RESERVE / ONE * (closed - len(exact.troves))
        self.x.ledger.move(s.b, paid, who, "cash")
        self.x.ledger.move(s.b, freed, "bands", "cash")
        self.x.ledger.move(s.a, drawn - fee, "cash", who)
        self.treasury[s.protocol, s.a] += fee
        self.counts["troves redeemed from"] += 1
        self.counts["troves redeemed away"] += freed > 0.0
        return [(s.a, s.b, drawn - fee)]

"""Assets that are redeemed at a rate: what stands behind them, what fails, and who redeems below the rate and mints above it.

    worth of a unit   r / (1 + carry wait / year),   r = e^R (1 - fee),   wait = what the queue needs for all before + delay
    handed in at t    served = max(served, t) + x / capacity,   due = served + delay
    paid              in the order handed in, as long as there is a reserve, at the lower of the rates then and now
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from reference.exchange import Exchange, Sale
from reference.setting import Transaction

YEAR = 365.0 * 86400.0  # [s]
ROUNDING = 1e-12  # share of what was redeemed, or of his capital, that counts as nothing
KINDS = ("redemption", "minting")


@dataclass(eq=False)
class Claim:
    """What waits to be paid."""

    desk: Redeemer
    units: float
    log_rate: float  # when it was handed in
    due: float  # [s]


@dataclass(eq=False)
class Backed:
    """An asset with a market of its own and a rate."""

    asset: str
    peg: str
    log_rate: float
    growth: float = 0.0  # [1/year]
    reserve: float = math.inf  # units of the peg
    frozen: float = -math.inf  # until then [s]
    claims: list[Claim] = field(default_factory=list)

    @property
    def queued(self) -> float:
        """Units that wait."""
        return sum(claim.units for claim in self.claims)


@dataclass
class Failure:
    """What stands behind an asset fails."""

    asset: str
    step: int
    cut: float  # change of the log rate
    lost: float  # share of the reserve
    until: float  # frozen [s]; -inf: not


@dataclass(eq=False)
class Redeemer:
    """Who redeems one asset, on what terms."""

    name: str
    asset: str
    money: float  # units of the peg
    delay: float = 0.0  # [s]
    capacity: float = math.inf  # units that the queue serves a second
    fee: float = 0.0
    mint_fee: float | None = None  # None: nobody mints
    carry: float = 0.0  # [1/year]
    threshold: float = 0.0005
    bid: float = 0.0  # [gwei]
    chain: str = ""
    served: float = 0.0  # [s]
    redeemed: float = 0.0  # units paid for
    minted: float = 0.0

    def __post_init__(self) -> None:
        self.capital = self.money

    def more_than_crumbs(self, money: float) -> float:
        """What is next to nothing is nothing."""
        return money if money > ROUNDING * self.capital else 0.0


@dataclass
class Issuers:
    """All such assets of a path, and who redeems them."""

    backed: dict[str, Backed]
    failures: list[Failure]
    desks: list[Redeemer]
    x: Exchange
    counts: Counter[str]
    nearest: float = math.inf  # relative distance of what decides from where it does

    def near(self, x: float, limit: float) -> None:
        if 0.0 < abs(limit) < math.inf:
            self.nearest = min(self.nearest, abs(x / limit - 1.0))

    # ---- a step ------------------------------------------------------------------------------------------------

    def step(self, k: int, dt: float) -> None:
        """Before events: rates grow, and what fails does."""
        for one in self.backed.values():
            self.move(one, one.growth * dt / YEAR)
        for failure in self.failures:
            if failure.step == k:
                self.fail(self.backed[failure.asset], failure)

    def move(self, one: Backed, by: float) -> None:
        """The rate, and the outside price of the market with it."""
        one.log_rate += by
        for venue in self.x.venues(one.asset):
            venue.e += by

    def fail(self, one: Backed, failure: Failure) -> None:
        self.move(one, failure.cut)
        if failure.lost > 0.0:
            lost = failure.lost * one.reserve
            self.x.ledger.move(one.peg, lost, "issuer", "outside")
            one.reserve -= lost
        one.frozen = max(one.frozen, failure.until)
        self.counts["cut while some wait"] += failure.cut < 0.0 and bool(one.claims)

    # ---- what pays now -----------------------------------------------------------------------------------------

    def spends(self, desk: Redeemer, t: float) -> float:
        """Units of the peg that he buys for at t."""
        one, market = self.backed[desk.asset], self.x.markets[desk.asset]
        if one.frozen > t or desk.money <= 0.0:
            return 0.0
        p, r = math.exp(market.u(market.s)) / market.kept, math.exp(one.log_rate) * (1.0 - desk.fee)
        wait = max(desk.served - t, 0.0) + desk.delay
        worth = r / (1.0 + desk.carry * wait / YEAR)
        self.near(p * (1.0 + desk.threshold), worth)
        if not p * (1.0 + desk.threshold) < worth:
            return 0.0
        bounds = {"reserve": one.reserve / r - one.queued, "money": desk.money / p}
        if bounds["reserve"] <= ROUNDING * one.queued:
            self.counts["nothing left to redeem with"] += 1
            return 0.0
        if desk.carry > 0.0 and desk.capacity < math.inf:
            bounds["queue"] = desk.capacity * ((r / p - 1.0) / (desk.carry / YEAR) - wait)
        bounds["price"] = market.room(math.log(worth * market.kept), selling=False)
        x = min(bounds.values())
        if x <= 0.0:
            return 0.0
        self.counts[f"bound by {min(bounds, key=bounds.__getitem__)}"] += 1
        return desk.more_than_crumbs(min(market.cost(market.s, x)[1], desk.money))

    def mints(self, desk: Redeemer, t: float) -> float:
        """Units that he mints at t."""
        one, market = self.backed[desk.asset], self.x.markets[desk.asset]
        if desk.mint_fee is None or one.frozen > t or desk.money <= 0.0:
            return 0.0
        price, each = math.exp(market.u(market.s)) * market.kept, self.minting_costs(desk)
        self.near(price, (1.0 + desk.threshold) * each)
        if not price > (1.0 + desk.threshold) * each:
            return 0.0
        units = min(desk.money / each, market.room(math.log(each / market.kept), selling=True))
        return desk.more_than_crumbs(units * each) and units

    def minting_costs(self, desk: Redeemer) -> float:
        """Of a unit, in units of the peg."""
        assert desk.mint_fee is not None
        return math.exp(self.backed[desk.asset].log_rate) * (1.0 + desk.mint_fee)

    # ---- a block -----------------------------------------------------------------------------------------------

    def offers(self, t: float) -> list[Transaction]:
        """What is due is paid; then what pays is offered."""
        self.pay(t)
        found = []
        for desk in self.desks:
            peg = self.backed[desk.asset].peg
            if (spent := self.spends(desk, t)) > 0.0:
                found.append(Transaction("redemption", desk, desk.bid, spent, chain=desk.chain, payer=desk.name,
                                         routes=[(peg, desk.asset)]))
            elif (minted := self.mints(desk, t)) > 0.0:
                found.append(Transaction("minting", desk, desk.bid, minted, chain=desk.chain, payer=desk.name,
                                         routes=[(desk.asset, peg)]))
        return found

    def settle(self, row: Transaction, t: float) -> list[Sale] | None:
        """At its slot."""
        desk = row.ref
        assert isinstance(desk, Redeemer)
        one, buying = self.backed[desk.asset], row.kind == "redemption"
        row.amount = min(row.amount, self.spends(desk, t) if buying else self.mints(desk, t))
        if row.amount <= 0.0:
            return None
        self.counts[row.kind] += 1
        if buying:
            desk.money -= row.amount
            return [Sale(one.peg, one.asset, row.amount, desk.name, order=row)]
        paid = row.paid = min(row.amount * self.minting_costs(desk), desk.money)
        desk.money -= paid
        one.reserve += paid
        desk.minted += row.amount
        self.x.ledger.move(one.peg, paid, desk.name, "issuer")
        self.x.ledger.move(one.asset, row.amount, "issuer", desk.name)
        return [Sale(one.asset, one.peg, row.amount, desk.name, order=row)]

    def take_back(self, row: Transaction) -> None:
        """What its market did not fill: money is money still, units are not minted."""
        desk = row.ref
        assert isinstance(desk, Redeemer)
        self.counts[f"{row.kind} in part"] += row.unsold > 0.0
        if row.kind == "redemption":
            desk.money += row.unsold
            return
        one, back = self.backed[desk.asset], row.paid * row.unsold / row.amount
        desk.money += back
        one.reserve -= back
        desk.minted -= row.unsold
        self.x.ledger.move(one.peg, back, "issuer", desk.name)
        self.x.ledger.move(one.asset, row.unsold, desk.name, "issuer")

    def close(self, rows: Iterable[Transaction], t: float) -> None:
        """At the end of the block at t. rows: in the order offered."""
        for row in rows:
            if not isinstance(row.ref, Redeemer) or row.brought is None:
                continue
            if row.kind == "minting":
                row.ref.money += row.brought
            elif row.brought > 0.0:
                self.hand_in(row.ref, row.brought, t)
        self.pay(t)

    def hand_in(self, desk: Redeemer, units: float, t: float) -> None:
        one = self.backed[desk.asset]
        self.x.ledger.move(one.asset, units, desk.name, "in_flight")
        desk.served = max(desk.served, t) + units / desk.capacity
        one.claims.append(Claim(desk, units, one.log_rate, desk.served + desk.delay))
        self.counts["waits for its payment"] += one.claims[-1].due > t

    def pay(self, t: float) -> None:
        """What is due, claim by claim."""
        for one in self.backed.values():
            for claim in one.claims:
                self.near(claim.due, t)
                if claim.due <= t and one.frozen > t:
                    self.counts["waits for the end of a freeze"] += 1
                if claim.due <= t and not one.frozen > t and one.reserve > 0.0:
                    self.pay_claim(one, claim)
            one.claims = [claim for claim in one.claims if claim.units > 0.0]

    def pay_claim(self, one: Backed, claim: Claim) -> None:
        desk, x, h = claim.desk, claim.units, one.reserve
        r = math.exp(min(claim.log_rate, one.log_rate)) * (1.0 - desk.fee)
        asked, z = x * r, ROUNDING * r * (desk.redeemed + x)
        paid, gone = asked, x
        if asked > h - z:
            paid, gone = h, x if asked <= h + z else x * h / asked
            self.counts["runs dry"] += 1
            self.counts["paid in part"] += gone < x
        one.reserve = one.reserve - paid if paid < h else 0.0
        claim.units -= gone
        desk.redeemed += gone
        desk.money += paid
        self.x.ledger.move(one.asset, gone, "in_flight", "issuer")
        self.x.ledger.move(one.peg, paid, "issuer", desk.name)

    def wake(self, t: float) -> float:
        """When a path next has something to do [s]."""
        found = [one.frozen for one in self.backed.values() if one.frozen > t]
        found += [max(claim.due, one.frozen) for one in self.backed.values() if one.reserve > 0.0 for claim in one.claims]
        return min(found, default=math.inf)

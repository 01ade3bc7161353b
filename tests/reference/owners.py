"""Owners who borrow more or pay back of their own accord: those who keep their leverage, and those whose loan became dear."""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from dataclasses import dataclass, field

from reference import accounts as rule
from reference.accounts import Account, Leg, View
from reference.lending import Lending
from reference.randomness import philox, uniform
from reference.setting import Transaction

LITTLE = 1e-9  # of a debt
LIMITS = zlib.crc32(b"carry.limits") | 1 << 31  # stream


@dataclass(eq=False)
class Looper:
    """Those who keep their leverage."""

    name: str
    protocol: str
    collateral: str
    debt: str
    low: float
    target: float
    high: float
    slippage: float
    fee: float  # [gwei]


@dataclass(eq=False)
class Carrier:
    """Those for whom the loan must stay cheap."""

    name: str
    protocol: str
    asset: str
    median: float  # [1/year]
    spread: float
    slippage: float
    fee: float  # [gwei]
    limits: dict[int, float] = field(default_factory=dict)  # by account [1/year]


@dataclass(eq=False)
class Deal:
    """What an owner would do to his account. Units."""

    account: Account
    owner: str
    leg: Leg  # collateral
    owing: Leg
    debt: float  # repaid, or borrowed
    collateral: float  # taken out, or added
    whole: bool = False  # repays all that is owed


def limit_of(carrier: Carrier, account: int, seed: int) -> float:
    """median e^(spread z) [1/year]."""
    u, v, _, _ = philox((0, account, 0, LIMITS), seed)
    return carrier.median * math.exp(carrier.spread * math.sqrt(-2.0 * math.log(uniform(u))) * math.cos(2.0 * math.pi * v * 2.0**-32))


def leg_of(legs: list[Leg], asset: str) -> Leg | None:
    """The first that is there."""
    return next((leg for leg in legs if leg.asset == asset and leg.amount > 0.0), None)


@dataclass
class Owners:
    """All of them, on one path."""

    loopers: list[Looper]
    carriers: list[Carrier]
    accounts: list[Account]
    lending: Lending
    chains: dict[str, str]  # by protocol: its network
    seed: int
    passed: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # by carrier: whose limit was
    nearest: float = math.inf

    def near(self, x: float, edge: float) -> None:
        if 0.0 < abs(edge) < math.inf:
            self.nearest = min(self.nearest, abs(x / edge - 1.0))

    def offers(self, views: dict[str, View]) -> list[Transaction]:
        """What they offer in the first block of a step."""
        found = []
        for carrier in self.carriers:
            for account in self.accounts:
                if account.protocol == carrier.protocol and (deal := self.dear(carrier, account, views[account.protocol])):
                    found.append(self.offer("close", deal, carrier.fee))
        for looper in self.loopers:
            for account in self.accounts:
                if account.protocol == looper.protocol and (both := self.levered(looper, account, views[account.protocol])):
                    found.append(self.offer(*both, looper.fee))
        return found

    def offer(self, kind: str, deal: Deal, fee: float) -> Transaction:
        route = (deal.leg.asset, deal.owing.asset) if kind == "close" else (deal.owing.asset, deal.leg.asset)
        return Transaction(kind, deal, fee, chain=self.chains.get(deal.account.protocol, ""), payer=deal.owner, routes=[route])

    def rate(self, carrier: Carrier) -> float:
        """That they pay [1/year]."""
        reserve = self.lending.reserves[carrier.protocol, carrier.asset]
        return (reserve.rate if reserve.curve is not None else reserve.borrow_rate) * 365.0 * 86400.0

    def dear(self, carrier: Carrier, account: Account, view: View) -> Deal | None:
        owing = leg_of(account.debt, carrier.asset)
        if owing is None:
            return None
        if account.number not in carrier.limits:
            carrier.limits[account.number] = limit_of(carrier, account.number, self.seed)
        limit, rate = carrier.limits[account.number], self.rate(carrier)
        self.near(rate, limit)
        if rate > limit:
            self.passed[carrier.name].add(account.number)
        if account.number not in self.passed[carrier.name]:
            return None
        return self.close_all(account, owing, carrier, view)

    def close_all(self, account: Account, owing: Leg, carrier: Carrier, view: View) -> Deal | None:
        legs = [leg for leg in account.collateral if leg.amount > 0.0]
        if not legs:
            return None
        leg = max(legs, key=view.held_value)  # the first of equals
        out = view.owed_value(owing) * (1.0 + carrier.slippage) / view.price[leg.asset]
        return Deal(account, carrier.name, leg, owing, view.owed(owing), min(out, view.held(leg)), whole=True)

    def levered(self, looper: Looper, account: Account, view: View) -> tuple[str, Deal] | None:
        leg, owing = leg_of(account.collateral, looper.collateral), leg_of(account.debt, looper.debt)
        if leg is None or owing is None:
            return None
        has, debt, t = rule.backing(account, view), rule.owing(account, view), view.threshold(leg)
        self.near(has / debt, looper.low)
        self.near(has / debt, looper.high)
        if has < looper.low * debt:
            x = (looper.target * debt - has) / (looper.target - t * (1.0 + looper.slippage))
            x = min(x, view.owed_value(owing), view.held_value(leg) / (1.0 + looper.slippage))
            return ("close", self.deal(looper, account, leg, owing, x, x * (1.0 + looper.slippage), view)) if x > LITTLE * debt else None
        if has > looper.high * debt:
            y = (has - looper.target * debt) / (looper.target - t * (1.0 - looper.slippage))
            return ("lever", self.deal(looper, account, leg, owing, y, y * (1.0 - looper.slippage), view)) if y > LITTLE * debt else None
        return None

    def deal(self, looper: Looper, account: Account, leg: Leg, owing: Leg, x: float, out: float, view: View) -> Deal:
        return Deal(account, looper.name, leg, owing, x / view.price[owing.asset], out / view.price[leg.asset])

"""Owners who borrow more or pay back of their own accord: those who keep their leverage, and those whose loan became dear."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

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


@dataclass(eq=False)
class Deal:
    """What an owner would do to his account. Units."""

    account: Account
    owner: str
    leg: Leg  # collateral
    owing: Leg
    debt: float  # repaid at most, or borrowed
    collateral: float  # taken out, or added


def limit_of(carrier: Carrier, account: int, seed: int) -> float:
    """median e^(spread z) [1/year]."""
    u, v, _, _ = philox((0, account, 0, LIMITS), seed)
    z = math.sqrt(-2.0 * math.log(uniform(u))) * math.cos(2.0 * math.pi * v * 2.0**-32)
    return carrier.median * math.exp(carrier.spread * z)


def leg_of(legs: list[Leg], asset: str) -> Leg | None:
    return next((leg for leg in legs if leg.asset == asset), None)


@dataclass
class Owners:
    """All of them, on one path."""

    loopers: list[Looper]
    carriers: list[Carrier]
    accounts: list[Account]
    lending: Lending
    chains: dict[str, str]  # by protocol: its network
    seed: int
    nearest: float = math.inf

    def __post_init__(self) -> None:
        """Whose they are: accounts that have what is named at the start; those of carriers in the order of their limits."""
        self.of_looper = {one.name: [a for a in self.accounts if a.protocol == one.protocol
                                     and self.has(a.collateral, one.collateral) and self.has(a.debt, one.debt)]
                          for one in self.loopers}
        self.of_carrier: dict[str, list[tuple[float, Account]]] = {}
        for one in self.carriers:
            mine = [(limit_of(one, a.number, self.seed), a) for a in self.accounts
                    if a.protocol == one.protocol and self.has(a.debt, one.asset)]
            self.of_carrier[one.name] = sorted(mine, key=lambda both: both[0])  # stable
        self.passed = dict.fromkeys(self.of_carrier, 0)  # how many of their accounts' limits
        self.done: set[tuple[str, int]] = set()  # by carrier and account

    def has(self, legs: list[Leg], asset: str) -> bool:
        return any(leg.asset == asset and leg.amount > 0.0 for leg in legs)

    def near(self, x: float, edge: float) -> None:
        if 0.0 < abs(edge) < math.inf:
            self.nearest = min(self.nearest, abs(x / edge - 1.0))

    def observe(self) -> None:
        """Once a step: whose limits the rate has passed."""
        for one in self.carriers:
            rate, limits = self.rate(one), [limit for limit, _ in self.of_carrier[one.name]]
            for limit in limits:
                self.near(rate, limit)
            self.passed[one.name] = max(self.passed[one.name], sum(limit < rate for limit in limits))

    def rate(self, carrier: Carrier) -> float:
        """That they pay [1/year]."""
        reserve = self.lending.reserves[carrier.protocol, carrier.asset]
        return (reserve.rate if reserve.curve is not None else reserve.borrow_rate) * 365.0 * 86400.0

    # ---- offers, in the first block of a step --------------------------------------------------------------------

    def leaving(self, views: dict[str, View]) -> list[Transaction]:
        """Of carriers."""
        return [self.offer("leave", deal, one.fee) for one in self.carriers
                for _, account in self.of_carrier[one.name][:self.passed[one.name]]
                if (deal := self.close_all(account, one, views[account.protocol])) is not None]

    def looping(self, views: dict[str, View]) -> list[Transaction]:
        """Of loopers."""
        return [self.offer(*both, one.fee) for one in self.loopers for account in self.of_looper[one.name]
                if (both := self.levered(one, account, views[account.protocol])) is not None]

    def offer(self, kind: str, deal: Deal, fee: float) -> Transaction:
        route = (deal.leg.asset, deal.owing.asset) if kind != "lever" else (deal.owing.asset, deal.leg.asset)
        return Transaction(kind, deal, fee, chain=self.chains.get(deal.account.protocol, ""), payer=deal.owner, routes=[route])

    def close_all(self, account: Account, carrier: Carrier, view: View) -> Deal | None:
        """He repays all that he owes, with his largest collateral."""
        owing = leg_of(account.debt, carrier.asset)
        assert owing is not None
        legs = [leg for leg in account.collateral if leg.callable and leg.amount > 0.0]
        if not legs or owing.amount <= 0.0:
            self.done.add((carrier.name, account.number))
        if (carrier.name, account.number) in self.done:
            return None
        leg = max(legs, key=view.held_value)  # the first of equals
        out = view.owed_value(owing) * (1.0 + carrier.slippage) / view.price[leg.asset]
        return Deal(account, carrier.name, leg, owing, math.inf, min(out, view.held(leg)))

    def levered(self, looper: Looper, account: Account, view: View) -> tuple[str, Deal] | None:
        """What brings his health back to the target; nothing while it is between the bounds."""
        leg, owing = leg_of(account.collateral, looper.collateral), leg_of(account.debt, looper.debt)
        assert leg is not None and owing is not None
        has, debt, t = rule.backing(account, view), rule.owing(account, view), view.threshold(leg)
        if leg.amount <= 0.0 or debt <= 0.0:
            return None
        self.near(has / debt, looper.low)
        self.near(has / debt, looper.high)
        if looper.low * debt <= has <= looper.high * debt:
            return None
        if has < looper.low * debt:
            kind, slip = "close", 1.0 + looper.slippage
            x = (looper.target * debt - has) / (looper.target - t * slip)
            x = min(x, view.owed_value(owing), view.held_value(leg) / slip)
        else:
            kind, slip = "lever", 1.0 - looper.slippage
            x = (has - looper.target * debt) / (looper.target - t * slip)
        if x <= LITTLE * debt:
            return None
        return kind, Deal(account, looper.name, leg, owing, x / view.price[owing.asset], x * slip / view.price[leg.asset])

"""Reserves, plainly: what is in them, what is lent out, what that costs, and depositors who leave.

    utilisation     owed / (cash + owed)
    a step          borrow index *= 1 + g,  supply index *= 1 + g u (1 - reserve factor),  g = x + x^2 / 2 + x^3 / 6,  x = rate dt
    depositors      1 - e^(-h dt) of those who stay want to go; what waits is paid as far as there is cash
Of a reserve whose world says nothing of cash there is no end of it, and its indices grow at constant rates.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from reference import accounts as rule
from reference.accounts import Account, Claim, Rules, View

DAY, YEAR = 86400.0, 365.0 * 86400.0  # [s]
LITTLE = 1e-9  # share of what a reserve is worth, below which its cash is as good as gone
ROUNDING = 1e-12  # share of what a call takes that may be missing


class Curve(Protocol):
    """What borrowers pay."""

    reserve_factor: float

    def rate(self, u: float, dt: float) -> float:
        """Borrow rate [1/s] of a step of dt [s] at utilisation u."""


@dataclass
class Lines:
    """Two straight lines that meet at the kink. Rates in 1/s."""

    reserve_factor: float
    base: float
    below: float  # slope up to the kink, a unit of utilisation
    beyond: float  # slope from there
    kink: float

    def rate(self, u: float, dt: float) -> float:
        """Borrow rate [1/s]; the step makes no difference."""
        return self.base + self.below * min(u, self.kink) + self.beyond * max(u - self.kink, 0.0)


@dataclass
class Moving:
    """Morpho's: the rate at 90 % utilisation grows while more is lent out, and shrinks while less is."""

    reserve_factor: float
    at_target: float  # [1/s] now

    def rate(self, u: float, dt: float) -> float:
        """Borrow rate [1/s], averaged over the step; moves the rate at target."""
        away = (u - 0.9) / 0.1 if u > 0.9 else (u - 0.9) / 0.9
        start, middle, end = (self.after(50.0 / YEAR * away * t) for t in (0.0, dt / 2.0, dt))
        self.at_target = end
        average = (start + 2.0 * middle + end) / 4.0
        return average * (1.0 + (3.0 if away > 0.0 else 0.75) * away)

    def after(self, exponent: float) -> float:
        """The rate at target [1/s], e^exponent times what it is, between 0.1 % and 200 % a year."""
        twos = math.floor(abs(exponent) / math.log(2.0) + 0.5) * (1 if exponent > 0.0 else -1)
        rest = exponent - twos * math.log(2.0)
        grown = self.at_target * (1.0 + rest + rest**2 / 2.0) * 2.0**twos
        return min(max(grown, 0.001 / YEAR), 2.0 / YEAR)


@dataclass(eq=False)
class Reserve:
    """One asset of one protocol. Units, not scaled by the indices, unless said."""

    supply_rate: float = 0.0  # constant [1/s]
    borrow_rate: float = 0.0
    curve: Curve | None = None
    cash: float = math.inf  # can be taken out
    others: float = 0.0  # owed by those whom the book lacks, at index 1
    supply: float = 1.0  # indices
    borrow: float = 1.0
    used: float = 0.0  # utilisation when interest was last added
    rate: float = 0.0  # borrow rate of the last step [1/s]
    highest: float = 0.0  # of all steps [1/s]
    least: float = math.inf  # cash, when interest was added
    start: float = math.inf  # cash at the start
    moved: float = 0.0  # all that came and went, with what was there at first: the scale of rounding
    size: float = 0.0  # what accounts held and owed at the start


@dataclass(eq=False)
class Lender:
    """All depositors of one reserve. Hazards in 1/day, rates in 1/year."""

    name: str
    protocol: str
    asset: str
    base: float
    content: float
    uneasy: float
    loss: float
    herd: float
    memory: float  # [s]
    fee: float  # [gwei]
    chain: str = ""
    deposits: float = 0.0  # at the start
    staying: float = 0.0  # units at index 1
    waiting: float = 0.0  # units at index 1
    others: float = 0.0  # average of h over the last while [1/day]
    withdrawn: float = 0.0  # units
    locked: float = 0.0  # [s]


@dataclass
class Call:
    """What may be called now."""

    claim: Claim | None
    most: float  # units of the debt that its sender says he brings at most
    known: bool  # owners see it; also where there is no cash, but not where so little of it may not be called


@dataclass
class Lending:
    """All reserves of a path."""

    reserves: dict[tuple[str, str], Reserve]  # by protocol and asset
    lenders: list[Lender]
    accounts: list[Account]
    deficit: dict[tuple[str, str], float]  # the path's own, by protocol and asset [units]
    no_cash: Counter[str] = field(default_factory=Counter)  # per protocol: accounts that were not called because there was none
    uncovered: set[int] = field(default_factory=set)  # these accounts, by identity
    known: dict[tuple[str, str], float] | None = None  # cash when calls of a batch had their turn; what came in since is not

    def __post_init__(self) -> None:
        for reserve in self.reserves.values():
            reserve.moved = reserve.start = reserve.cash
        for account in self.accounts:
            for leg in account.collateral + account.debt:
                self.reserves[account.protocol, leg.asset].size += abs(leg.amount)
        for lender in self.lenders:
            reserve = self.reserves[lender.protocol, lender.asset]
            held = sum(leg.amount for a in self.accounts if a.protocol == lender.protocol
                       for leg in a.collateral if leg.asset == lender.asset)
            lender.deposits = lender.staying = reserve.cash + self.owed(lender.protocol, lender.asset) - held
            reserve.moved += lender.deposits

    # ---- what there is -----------------------------------------------------------------------------------------

    def owed(self, protocol: str, asset: str) -> float:
        """Units owed to a reserve, by accounts and others."""
        reserve = self.reserves[protocol, asset]
        scaled = sum(leg.amount for a in self.accounts if a.protocol == protocol for leg in a.debt if leg.asset == asset)
        return max((reserve.others + scaled) * reserve.borrow, 0.0)

    def there(self, protocol: str, asset: str) -> float:
        """Units that could be taken out; a billionth of a reserve is nothing."""
        reserve = self.reserves[protocol, asset]
        return reserve.cash if reserve.start == math.inf or reserve.cash > LITTLE * (reserve.start + reserve.size) else 0.0

    def found_none(self, account: Account) -> None:
        """It is counted once."""
        self.no_cash[account.protocol] += id(account) not in self.uncovered
        self.uncovered.add(id(account))

    def move(self, protocol: str, asset: str, units: float) -> None:
        """Units come into a reserve; or go, where negative. What rounding leaves of all that was there is nothing."""
        reserve = self.reserves[protocol, asset]
        if reserve.cash == math.inf:
            return
        reserve.moved += abs(units)
        reserve.cash += units
        if abs(reserve.cash) <= ROUNDING * reserve.moved:
            reserve.cash = 0.0

    # ---- a step ------------------------------------------------------------------------------------------------

    def step(self, k: int, dt: float) -> None:
        """Step k = 1, 2, ...: interest is added, then depositors decide. dt: [s]"""
        for (protocol, asset), reserve in self.reserves.items():
            if reserve.curve is None:
                if reserve.start < math.inf:  # from what it is: claims may have been cut
                    reserve.supply *= math.exp(reserve.supply_rate * dt)
                    reserve.borrow *= math.exp(reserve.borrow_rate * dt)
                else:
                    reserve.supply = math.exp(reserve.supply_rate * k * dt)
                    reserve.borrow = math.exp(reserve.borrow_rate * k * dt)
                reserve.rate = reserve.borrow_rate
                continue
            reserve.used = self.utilisation(protocol, asset)
            reserve.rate = reserve.curve.rate(reserve.used, dt)
            x = reserve.rate * dt
            g = x + x**2 / 2.0 + x**3 / 6.0
            reserve.borrow *= 1.0 + g
            reserve.supply *= 1.0 + g * reserve.used * (1.0 - reserve.curve.reserve_factor)
            reserve.highest, reserve.least = max(reserve.highest, reserve.rate), min(reserve.least, reserve.cash)
        for lender in self.lenders:
            self.decide(lender, dt)

    def utilisation(self, protocol: str, asset: str) -> float:
        """Part of a reserve that is lent out."""
        owed, cash = self.owed(protocol, asset), self.reserves[protocol, asset].cash
        return min(owed / (cash + owed), 1.0) if owed > 0.0 else 0.0

    def decide(self, lender: Lender, dt: float) -> None:
        """Who wants to go from now on."""
        where = lender.protocol, lender.asset
        reserve, missing = self.reserves[where], max(self.deficit.get(where, 0.0), 0.0)
        assets = reserve.cash + self.owed(*where) + missing
        h = lender.base + lender.uneasy * max(reserve.rate * YEAR - lender.content, 0.0) + lender.herd * lender.others
        if assets > 0.0:
            h += lender.loss * missing / assets
        lender.others += min(dt / lender.memory, 1.0) * (h - lender.others)
        go = lender.staying * -math.expm1(-h * dt / DAY)
        lender.staying -= go
        lender.waiting += go
        if lender.waiting > 0.0 and self.there(*where) <= 0.0:
            lender.locked += dt

    def cut_claims(self, protocol: str, asset: str, loss: float) -> None:
        """What is written off is taken from all who supplied, in proportion. loss: units that they are short of."""
        reserve = self.reserves[protocol, asset]
        if reserve.start < math.inf and loss > 0.0:
            reserve.supply *= 1.0 - min(loss / (max(reserve.cash, 0.0) + self.owed(protocol, asset) + loss), 0.999)

    # ---- withdrawals -------------------------------------------------------------------------------------------

    def wanted(self, lender: Lender) -> float:
        """Units that he would get now."""
        reserve = self.reserves[lender.protocol, lender.asset]
        return min(lender.waiting * reserve.supply, self.there(lender.protocol, lender.asset))

    def withdraw(self, lender: Lender, most: float) -> float:
        """Pay him what is there, at most so many units; how many."""
        units = min(self.wanted(lender), most)
        lender.waiting = max(lender.waiting - units / self.reserves[lender.protocol, lender.asset].supply, 0.0)
        lender.withdrawn += units
        self.move(lender.protocol, lender.asset, -units)
        return units

    def somebody_waits(self) -> bool:
        """Whether a depositor waits for cash that is there."""
        return any(lender.waiting > 0.0 and self.there(lender.protocol, lender.asset) > 0.0 for lender in self.lenders)

    # ---- calls -------------------------------------------------------------------------------------------------

    def cash(self) -> dict[tuple[str, str], float]:
        """Of every reserve [units]."""
        return {where: self.there(*where) for where in self.reserves}

    def covered(self, claim: Claim, cash: dict[tuple[str, str], float]) -> float:
        """Share of what a call takes out that is there, of the collateral that lacks most."""
        protocol = claim.account.protocol
        return min([1.0, *(cash[protocol, leg.asset] / (units - kept)
                           for leg, units, kept in claim.seize if units - kept > 0.0)])

    def assess(self, account: Account, rules: Rules, view: View, most: float) -> Call:
        """The call of an unhealthy account, no larger than the cash that is there. most: units of the debt that are brought."""
        cash = self.known if self.known is not None else self.cash()
        claim = rule.assess(account, rules, view, most)
        if claim is None or (share := self.covered(claim, cash)) >= 1.0:
            return Call(claim, most, claim is not None)
        if rules.kind != "pro_rata" and share > 0.0:
            most = claim.repay[0][1] * share
            claim = rule.assess(account, rules, view, most)
            if claim is None or self.covered(claim, cash) >= 1.0 - ROUNDING:
                return Call(claim, most, claim is not None)
        self.found_none(account)
        return Call(None, most, True)

    def in_turn(self, claim: Claim, left: dict[tuple[str, str], float]) -> bool:
        """Whether calls of a batch that came before leave what this one takes; if so, that is gone. left: units."""
        if self.covered(claim, left) < 1.0 - ROUNDING:
            self.found_none(claim.account)
            return False
        for leg, units, kept in claim.seize:
            left[claim.account.protocol, leg.asset] -= units - kept
        return True

"""Compound v3, plainly: the protocol takes unsafe accounts over, and sells what they had at a discount.

    credit = sum of units x price x factor / price of the base,   factor = 1 / (1 + incentive)
    unsafe where sum of value x threshold < debt, each product rounded down to 1e-8, the debt before to a unit of the base
    reserves fall by max(debt, credit) and rise by what buyers pay;  below the target price x (1 - front x (1 - factor)) is asked,
    rounded down to 1e-8
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from reference.accounts import Account, View

if TYPE_CHECKING:
    from reference.setting import Ledger


def down(x: float, decimals: int) -> float:
    """Rounded down to so many decimals; what is a few ulp short of a whole unit is one."""
    units = Fraction(x) * 10**decimals * (1 + Fraction(1, 2**50))
    return float(Fraction(math.floor(units), 10**decimals))


@dataclass
class Store:
    """What a protocol lays down. Amounts in units of the base."""

    base: str
    front: float  # part of the penalty that buyers get
    target: float
    start: float  # reserves
    counted_on: float
    decimals: int  # of the base
    penalty: dict[str, float]  # incentive by collateral, in the order of the protocol's reserves


@dataclass(eq=False)
class Stock:
    """What a protocol has of a collateral."""

    protocol: str
    asset: str
    units: float = 0.0


class Storefronts:
    """All such protocols of a path."""

    def __init__(self, stores: dict[str, Store], ledger: Ledger, deficit: dict[tuple[str, str], float], counts: Counter[str]
                 ) -> None:
        self.stores, self.ledger, self.deficit, self.counts = stores, ledger, deficit, counts
        self.stock = [Stock(name, asset) for name, store in stores.items() for asset in store.penalty]
        self.gained: dict[str, float] = defaultdict(float)  # per protocol: base
        self.surplus: dict[str, float] = defaultdict(float)  # per protocol: what absorbed accounts were left with
        self.nearest = math.inf  # relative distance of reserves from their target

    def for_sale(self, protocol: str, less: float = 0.0) -> bool:
        """Whether anybody may buy, once reserves have fallen by so much."""
        store = self.stores[protocol]
        has = store.start + self.gained[protocol] - self.deficit[protocol, store.base] - less
        if store.target > 0.0:
            self.nearest = min(self.nearest, abs(has / store.target - 1.0))
        return has < store.target

    def credit(self, account: Account, view: View) -> tuple[float, float]:
        """(credit, discount that buyers will be given), in units of the base."""
        store, credit, discount = self.stores[account.protocol], 0.0, 0.0
        for leg in account.collateral:
            if leg.amount > 0.0:
                value = view.held_value(leg) / view.price[store.base]
                factor = 1.0 / (1.0 + view.incentive(leg))
                credit += value * factor
                discount += value * store.front * (1.0 - factor)
        return credit, discount

    def unsafe(self, account: Account, view: View) -> bool:
        """Whether it may be absorbed."""
        store = self.stores[account.protocol]
        counts = [down(down(view.held_value(leg), 8) * view.threshold(leg), 8) for leg in account.collateral]
        return sum(counts) < down(down(self.owed(account, view), store.decimals) * view.price[store.base], 8)

    def owed(self, account: Account, view: View) -> float:
        return sum(view.owed(leg) for leg in account.debt)

    def counted_on(self, account: Account, view: View) -> float:
        """What whoever absorbs it expects to be given when he buys [units of the base]."""
        credit, discount = self.credit(account, view)
        sold = self.for_sale(account.protocol, max(credit, self.owed(account, view)))
        return self.stores[account.protocol].counted_on * discount if sold else 0.0

    def absorb(self, account: Account, view: View) -> float:
        """What of the debt the credit covers."""
        credit, owed, protocol = self.credit(account, view)[0], self.owed(account, view), account.protocol
        for leg in account.collateral:
            if leg.amount > 0.0:
                found = next(one for one in self.stock if (one.protocol, one.asset) == (protocol, leg.asset))
                found.units += view.held(leg)
                leg.amount = 0.0
        for leg in account.debt:
            leg.amount = 0.0
        self.gained[protocol] -= max(credit, owed)
        self.surplus[protocol] += max(credit - owed, 0.0)
        self.counts["absorbed"] += 1
        self.counts["absorbed with a surplus" if credit > owed else "absorbed with bad debt"] += 1
        return min(credit, owed)

    def buy_of(self, stock: Stock, view: View, most: float) -> tuple[float, float] | None:
        """(paid, units) of a purchase now; None: there is none. most: what he brings; 0: whatever it takes."""
        if not stock.units > 0.0 or not self.for_sale(stock.protocol):
            return None
        store = self.stores[stock.protocol]
        penalty = store.penalty[stock.asset] * view.bonus.get((stock.asset, 0), 1.0)
        price = down(view.price[stock.asset] * (1.0 - store.front * (1.0 - 1.0 / (1.0 + penalty))), 8)
        if price <= 0.0:
            return None
        asked = price / view.price[store.base]
        units = stock.units if most <= 0.0 else min(stock.units, most / asked)
        return units * asked, units

    def buy(self, stock: Stock, paid: float, units: float, who: str) -> None:
        base = self.stores[stock.protocol].base
        self.ledger.move(base, paid, who, "cash")
        self.ledger.move(stock.asset, units, "cash", who)
        self.gained[stock.protocol] += paid
        self.counts["bought in parts"] += units < stock.units
        stock.units = 0.0 if units >= stock.units else stock.units - units
        self.counts["bought"] += 1

    def treasury(self) -> dict[tuple[str, str], float]:
        """What each has more or less of than at the start."""
        return ({(name, store.base): self.gained[name] for name, store in self.stores.items()}
                | {(one.protocol, one.asset): one.units for one in self.stock})

    def wake(self, time: float, halted: dict[str, float]) -> float:
        """When what is for sale may be looked at again after a halt [s]."""
        return min([until for one in self.stock if one.units > 0.0
                    and (until := halted.get(one.protocol, -math.inf)) > time], default=math.inf)

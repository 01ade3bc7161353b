"""What may still be supplied to a reserve and borrowed from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reference.accounts import Account, View
from reference.lending import Lending

SLACK = 1e-12  # relative: rounding is not more than what is allowed


@dataclass
class Limits:
    """Of one asset of one protocol. Caps in units, the ceiling in USD."""

    supply_cap: float = math.inf
    borrow_cap: float = math.inf
    debt_ceiling: float = math.inf
    siloed: bool = False


@dataclass
class Allowed:
    """What all limits of a path say."""

    limits: dict[tuple[str, str], Limits]
    lending: Lending
    alone: dict[int, str] = field(default_factory=dict)  # by account: the one collateral that it held at the start
    nearest: float = math.inf

    def __post_init__(self) -> None:
        for account in self.lending.accounts:
            held = {leg.asset for leg in account.collateral if leg.amount > 0.0}
            if len(held) == 1:
                self.alone[account.number] = next(iter(held))

    def within(self, x: float, most: float) -> bool:
        if 0.0 < most < math.inf:
            self.nearest = min(self.nearest, abs(x / most - 1.0))
        return x <= most * (1.0 + SLACK)

    def may_supply(self, protocol: str, asset: str, units: float) -> bool:
        reserve = self.lending.reserves[protocol, asset]
        if reserve.start < math.inf:
            supplied = reserve.cash + self.lending.owed(protocol, asset)
        else:
            supplied = sum(leg.amount * reserve.supply for a in self.lending.accounts if a.protocol == protocol
                           for leg in a.collateral if leg.asset == asset)
        return self.within(supplied + units, self.limits[protocol, asset].supply_cap)

    def may_borrow(self, account: Account, asset: str, units: float, view: View) -> bool:
        protocol = account.protocol
        if not self.within(self.lending.owed(protocol, asset) + units, self.limits[protocol, asset].borrow_cap):
            return False
        owed = {leg.asset for leg in account.debt if leg.amount > 0.0} | {asset}
        if len(owed) > 1 and any(self.limits[protocol, other].siloed for other in owed):
            return False
        held = {leg.asset for leg in account.collateral if leg.amount > 0.0}
        if len(held) != 1:
            return True
        (only,) = held
        ceiling = self.limits[protocol, only].debt_ceiling
        if ceiling == math.inf:
            return True
        debts = sum(view.owed_value(leg) for a in self.lending.accounts
                    if a.protocol == protocol and self.alone.get(a.number) == only for leg in a.debt if leg.amount > 0.0)
        return self.within((debts + units * view.price[asset]) * view.usd, ceiling)

"""What may still be supplied to a reserve and borrowed from it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace

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
    in_isolation: bool = True  # may be borrowed against collateral with a ceiling alone
    borrowable_in: tuple[int, ...] | None = None  # categories of efficiency mode, 0: none of them; None: all


@dataclass
class Allowed:
    """What all limits of a path say."""

    limits: dict[tuple[str, str], Limits]
    lending: Lending
    counts: Counter[str]
    alone: dict[int, str] = field(default_factory=dict)  # by account: the one collateral that it held at the start
    nearest: float = math.inf

    def __post_init__(self) -> None:
        self.start = {where: replace(one) for where, one in self.limits.items()}
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
        return self.within_cap("supply_cap", protocol, asset, supplied + units)

    def within_cap(self, cap: str, protocol: str, asset: str, units: float) -> bool:
        """Counts where a cap that has moved decides."""
        most, before = (getattr(of[protocol, asset], cap) for of in (self.limits, self.start))
        self.counts[f"a {cap} that moved decides"] += (units <= most) != (units <= before)
        return self.within(units, most)

    def may_borrow(self, account: Account, asset: str, units: float, view: View) -> bool:
        protocol = account.protocol
        modes = self.limits[protocol, asset].borrowable_in
        if modes is not None and account.category not in modes:
            self.counts["not borrowable in its category"] += 1
            return False
        if not self.within_cap("borrow_cap", protocol, asset, self.lending.owed(protocol, asset) + units):
            self.counts["beyond a borrow cap"] += 1
            return False
        owed = {leg.asset for leg in account.debt if leg.amount > 0.0} | {asset}
        if len(owed) > 1 and any(self.limits[protocol, other].siloed for other in owed):
            self.counts["siloed"] += 1
            return False
        held = {leg.asset for leg in account.collateral if leg.amount > 0.0}
        if len(held) != 1:
            return True
        (only,) = held
        ceiling = self.limits[protocol, only].debt_ceiling
        if ceiling == math.inf:
            return True
        if not self.limits[protocol, asset].in_isolation:
            self.counts["not borrowable in isolation"] += 1
            return False
        debts = sum(view.owed_value(leg) for a in self.lending.accounts
                    if a.protocol == protocol and self.alone.get(a.number) == only for leg in a.debt if leg.amount > 0.0)
        allowed = self.within((debts + units * view.price[asset]) * view.usd, ceiling)
        self.counts["beyond a ceiling"] += not allowed
        return allowed

"""Owners of recursive positions: round by round in, round by round or by flash out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from reference import accounts as rule
from reference.accounts import Account, Leg, View
from reference.owners import Deal, leg_of
from reference.setting import Transaction

LITTLE = 1e-9  # of what is held or owed
HALVINGS = 60
Quote = Callable[[str, str, float], float]  # (sold, bought, units of it): what that brings now


@dataclass(eq=False)
class Winder:
    """Those of one kind of position."""

    name: str
    protocol: str
    collateral: str
    debt: str
    accounts: list[str] | None
    enters: float  # [s]
    rounds: int
    ltv: float
    leaves: float  # [s]
    low: float
    keep: float
    slippage: float
    flash: bool
    fee: float  # [gwei]


@dataclass(eq=False)
class Standing:
    """How far an owner has come with one account."""

    done: int = 0
    added: float = 0.0  # units of collateral, by the last round
    leaving: bool = False


@dataclass(eq=False)
class Round(Deal):
    """One round, in or out."""

    standing: Standing = field(default_factory=Standing)
    inwards: bool = False

    def happened(self) -> None:
        """It was carried out."""
        if self.inwards:
            self.standing.done, self.standing.added = self.standing.done + 1, self.collateral


class Winders:
    """All of them, on one path."""

    def __init__(self, winders: list[Winder], accounts: list[Account], chains: dict[str, str], quote: Quote,
                 near: Callable[[float, float], None]) -> None:
        self.chains, self.quote, self.near = chains, quote, near
        self.mine: list[tuple[Winder, Account, Standing]] = []
        for one in winders:
            for account in accounts:
                leg, owing = leg_of(account.collateral, one.collateral), leg_of(account.debt, one.debt)
                named = one.accounts is None or account.name in one.accounts
                if account.protocol == one.protocol and named and leg and owing and leg.amount > 0.0:
                    self.mine.append((one, account, Standing()))

    def offers(self, b: int, time: float, views: dict[str, View]) -> list[Transaction]:
        """In a block in which the path takes part."""
        found = [self.turn(one, account, standing, b, time, views[account.protocol]) for one, account, standing in self.mine]
        return [t for t in found if t is not None]

    def turn(self, one: Winder, account: Account, standing: Standing, b: int, time: float, view: View) -> Transaction | None:
        """The next round of an account, if it begins or goes on."""
        if b != 1 and not standing.leaving and standing.done == 0:
            return None
        leg, owing = leg_of(account.collateral, one.collateral), leg_of(account.debt, one.debt)
        assert leg is not None and owing is not None
        has, debt, held, owed = rule.backing(account, view), rule.owing(account, view), view.held(leg), view.owed(owing)
        if not standing.leaving:
            if debt > 0.0:
                self.near(has / debt, one.low)
            standing.leaving = debt > 0.0 and (time >= one.leaves or has < one.low * debt)
        if held <= 0.0:
            return None
        if standing.leaving:
            return self.out(one, account, standing, (leg, owing), view, has - one.keep * debt) if owed > 0.0 else None
        if time < one.enters or standing.done >= one.rounds:
            return None
        loan = one.ltv * (standing.added if standing.done else held) * view.price[leg.asset] / view.price[owing.asset]
        added = self.quote(owing.asset, leg.asset, loan) / (1.0 + one.slippage)
        if added <= LITTLE * held:
            return None
        return self.send("wind", Round(account, one.name, leg, owing, loan, added, standing, True), one)

    def out(self, one: Winder, account: Account, standing: Standing, legs: tuple[Leg, Leg], view: View, spare: float
            ) -> Transaction | None:
        """What is free, or all that must be sold, for what that repays."""
        leg, owing = legs
        held, owed, t = view.held(leg), view.owed(owing), view.threshold(leg)
        free = spare / (t * view.price[leg.asset]) if t > 0.0 else 0.0
        units, need = held if one.flash else min(free, held), owed * (1.0 + one.slippage)
        self.near(free, held)
        if units <= LITTLE * held:
            return None
        brings = self.quote(leg.asset, owing.asset, units)
        self.near(brings, need)
        if brings >= need:
            repaid, units = owed, self.least(leg.asset, owing.asset, need, units)
        elif one.flash:
            return None
        else:
            repaid = brings / (1.0 + one.slippage)
        if repaid <= LITTLE * owed:
            return None
        return self.send("unwind", Round(account, one.name, leg, owing, repaid, units, standing), one)

    def least(self, sold: str, bought: str, need: float, most: float) -> float:
        """Units that bring what is needed."""
        low, high = 0.0, most
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self.quote(sold, bought, middle) >= need else (middle, high)
        return high

    def send(self, kind: str, deal: Round, one: Winder) -> Transaction:
        assert math.isfinite(deal.debt)
        route = (deal.leg.asset, deal.owing.asset) if kind == "unwind" else (deal.owing.asset, deal.leg.asset)
        return Transaction(kind, deal, one.fee, chain=self.chains.get(one.protocol, ""), payer=one.name, routes=[route])

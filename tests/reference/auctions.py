"""Maker's Dutch auctions: unsafe vaults become lots, lots are bought from as their price falls, or started anew.

    due    = min(debt, room / chop), room what the holes leave; lot = ink x due / debt, tab = due x chop, chop = 1 + penalty
    price  = top x (tau - t)+ / tau, top x cut^floor(t / step) or top x cut^t, t whole seconds since the start
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference.accounts import Account, Leg, View

if TYPE_CHECKING:
    from reference.setting import Ledger

Tabs = defaultdict[tuple[str, str], float]  # protocol, collateral: what its lots must raise


@dataclass
class Terms:
    """What a protocol lays down for its auctions. Amounts in units of what vaults owe."""

    curve: str  # linear, stairstep, exponential
    buf: float
    tail: float  # [s]
    cusp: float
    cut: float = 1.0
    step: float = 1.0  # [s]
    tau: float = 1.0  # [s]
    tip: float = 0.0
    chip: float = 0.0
    dust: float = 0.0
    hole: float = math.inf
    hole_of_all: float = math.inf

    def share(self, t: float) -> float:
        """Price by the one it started at."""
        if self.curve == "linear":
            return max(self.tau - t, 0.0) / self.tau
        return self.cut ** (math.floor(t / self.step) if self.curve == "stairstep" else t)

    def over(self, t: float) -> bool:
        """Whether it must be started anew."""
        return t > self.tail or self.share(t) < self.cusp


@dataclass(eq=False)
class Lot:
    """Part of a vault, for sale."""

    protocol: str
    account: Account
    leg: Leg  # where what is left goes back
    owing: Leg
    units: float
    owed: float  # debt, without penalty
    tab: float  # penalty included
    started: float  # [s]
    top: float


@dataclass
class Kick:
    """What a vault would be put up for."""

    units: float
    due: float
    tab: float
    reward: float


class Auctions:
    """All lots of a path, and the money of the protocols that hold them."""

    def __init__(self, terms: dict[str, Terms], ledger: Ledger, deficit: dict[tuple[str, str], float],
                 counts: Counter[str]) -> None:
        self.terms, self.ledger, self.deficit, self.counts = terms, ledger, deficit, counts
        self.places: list[Lot | None] = []  # a closed lot leaves its place to the next one
        self.treasury: dict[tuple[str, str], float] = defaultdict(float)
        self.now = 0.0  # as contracts count [whole s]
        self.nearest = math.inf  # relative distance of anything from what decides
        self.bonus: dict[tuple[str, str, int], float] = {}  # protocol, asset, category: factor on the penalty

    def at(self, time: float) -> None:
        self.now = math.floor(time + 1e-6)

    def chop(self, protocol: str, leg: Leg) -> float:
        return 1.0 + leg.incentive * self.bonus.get((protocol, leg.asset, leg.category), 1.0)

    def near(self, x: float, edge: float) -> None:
        if 0.0 < edge < math.inf:
            self.nearest = min(self.nearest, abs(x / edge - 1.0))

    @property
    def lots(self) -> list[Lot]:
        return [lot for lot in self.places if lot is not None]

    # ---- kicks -------------------------------------------------------------------------------------------------

    def raising(self) -> Tabs:
        """What open lots must raise."""
        found: Tabs = defaultdict(float)
        for lot in self.lots:
            found[lot.protocol, lot.leg.asset] += lot.tab
        return found

    def kick_of(self, account: Account, view: View, raising: Tabs) -> Kick | None:
        """What a kick would put up now; None: the vault is safe, or must wait."""
        if not account.debt:
            return None
        terms, (leg,), (owing,) = self.terms[account.protocol], account.collateral, account.debt
        ink, debt, chop = view.held(leg), view.owed(owing), self.chop(account.protocol, leg)
        if not ink * view.price[leg.asset] * view.threshold(leg) < debt * view.price[owing.asset] or ink <= 0.0 or debt <= 0.0:
            return None
        of_all = sum(tab for (protocol, _), tab in raising.items() if protocol == account.protocol)
        room = min(terms.hole_of_all - of_all, terms.hole - raising[account.protocol, leg.asset])
        if room <= 0.0:
            return None
        due = min(debt, room / chop)
        self.near(room / chop, debt)
        self.near(debt - due, terms.dust)
        if debt - due < terms.dust:
            due = debt
        elif due < terms.dust * (1.0 + 2.0**-50):  # rounded down
            return None
        return Kick(ink * due / debt, due, due * chop, terms.tip + terms.chip * due * chop)

    def kicks(self, accounts: list[Account], views: dict[str, View]) -> dict[int, Kick]:
        """By account: what is offered. Room goes to the largest whole tab first."""
        raising, found = self.raising(), {}

        def whole(account: Account) -> float:
            return views[account.protocol].owed(account.debt[0]) * self.chop(account.protocol, account.collateral[0])

        for account in sorted(accounts, key=lambda a: -whole(a)):  # stable
            kick = self.kick_of(account, views[account.protocol], raising)
            if kick is not None:
                raising[account.protocol, account.collateral[0].asset] += kick.tab
                found[account.number] = kick
        return found

    def kick(self, account: Account, view: View, kick: Kick, keeper: str) -> None:
        """The vault loses what goes into a lot."""
        leg, owing = account.collateral[0], account.debt[0]
        whole = kick.due == view.owed(owing)
        leg.amount -= leg.amount if whole else kick.units / view.supply_index[leg.asset]
        owing.amount -= owing.amount if whole else kick.due / view.borrow_index[owing.asset]
        top = view.price[leg.asset] / view.price[owing.asset] * self.terms[account.protocol].buf
        lot = Lot(account.protocol, account, leg, owing, kick.units, kick.due, kick.tab, self.now, top)
        if None in self.places:
            self.places[self.places.index(None)] = lot
        else:
            self.places.append(lot)
        self.reward(lot, kick.reward, keeper)
        self.counts["kicks"] += 1
        self.counts["kicks in parts"] += not whole

    def reward(self, lot: Lot, units: float, keeper: str) -> None:
        self.ledger.move(lot.owing.asset, units, "cash", keeper)
        self.treasury[lot.protocol, lot.owing.asset] -= units

    # ---- what may be done to lots ------------------------------------------------------------------------------

    def is_open(self, lot: Lot) -> bool:
        return any(other is lot for other in self.places)

    def over(self, lot: Lot) -> bool:
        terms, t = self.terms[lot.protocol], self.now - lot.started
        self.near(terms.share(t), terms.cusp)
        return terms.over(t)

    def price(self, lot: Lot) -> float:
        return lot.top * self.terms[lot.protocol].share(self.now - lot.started)

    def take_of(self, lot: Lot, most: float) -> tuple[float, float] | None:
        """(paid, units) of a purchase now; None: there is none. most: what he brings; 0: whatever it takes."""
        if not self.is_open(lot) or self.over(lot):
            return None
        price, chost = self.price(lot), self.terms[lot.protocol].dust * self.chop(lot.protocol, lot.leg)
        units = lot.units if most <= 0.0 else min(lot.units, most / price)
        owe = units * price
        self.near(owe, lot.tab)
        if owe > lot.tab:
            return lot.tab, lot.tab / price
        if owe < lot.tab and units < lot.units:  # in part
            self.near(lot.tab - owe, chost)
            self.near(lot.tab, chost)
            if lot.tab - owe < chost:
                if lot.tab <= chost:
                    return None
                owe = lot.tab - chost
                units = owe / price
        return owe, units

    def take(self, lot: Lot, paid: float, units: float, taker: str) -> float:
        """What of it repaid debt. A lot that raised its tab, or is sold out, is closed."""
        repaid = min(paid, lot.owed)
        self.counts["takes"] += 1
        self.counts["takes in parts"] += units < lot.units and paid < lot.tab
        lot.units, lot.tab, lot.owed = lot.units - units, lot.tab - paid, lot.owed - repaid
        self.ledger.move(lot.owing.asset, paid, taker, "cash")
        self.ledger.move(lot.leg.asset, units, "cash", taker)
        self.treasury[lot.protocol, lot.owing.asset] += paid - repaid
        self.heal(lot)
        return repaid

    def close(self, lot: Lot, view: View) -> None:
        if lot.tab > 0.0 and lot.units > 0.0:
            return
        lot.leg.amount += max(lot.units, 0.0) / view.supply_index[lot.leg.asset]
        if lot.owed > 0.0:
            self.deficit[lot.protocol, lot.owing.asset] += lot.owed
            self.heal(lot)
            self.counts["sold out"] += 1
        self.places[self.places.index(lot)] = None

    def heal(self, lot: Lot) -> None:
        """Surplus pays what is missing."""
        where = lot.protocol, lot.owing.asset
        paid = min(max(self.treasury[where], 0.0), self.deficit[where])
        self.treasury[where] -= paid
        self.deficit[where] -= paid
        self.counts["healed"] += paid > 0.0

    def redo_of(self, lot: Lot, view: View) -> float | None:
        """The reward for starting it anew; None: it need not be."""
        if not self.is_open(lot) or not self.over(lot):
            return None
        terms, feed = self.terms[lot.protocol], view.price[lot.leg.asset] / view.price[lot.owing.asset]
        chost = terms.dust * self.chop(lot.protocol, lot.leg)
        self.near(lot.tab, chost)
        self.near(lot.units * feed, chost)
        return terms.tip + terms.chip * lot.tab if lot.tab >= chost and lot.units * feed >= chost else 0.0

    def redo(self, lot: Lot, view: View, reward: float, keeper: str) -> None:
        lot.started = self.now
        lot.top = view.price[lot.leg.asset] / view.price[lot.owing.asset] * self.terms[lot.protocol].buf
        self.reward(lot, reward, keeper)
        self.counts["redos"] += 1

    # ---- when a block is wanted --------------------------------------------------------------------------------

    def wake(self, time: float, halted: dict[str, float]) -> float:
        """When a lot is next at another price or too old, or may be looked at again [s]."""
        soonest = math.inf
        for lot in self.lots:
            terms, t = self.terms[lot.protocol], self.now - lot.started
            at, until = math.inf, halted.get(lot.protocol, -math.inf)
            if not terms.over(t):
                at = math.floor(terms.tail) + 1
                if terms.curve == "stairstep":
                    at = min(at, math.ceil((math.floor(t / terms.step) + 1) * terms.step))
                elif terms.curve == "exponential" or t < terms.tau:
                    at = min(at, t + 1)
            at += lot.started - 1e-6
            if until > time:
                at = max(until, at if at < math.inf else time)
            soonest = min(soonest, at)
        return soonest

"""People with several accounts: they mend one out of another, and a broker looks at all that they have."""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from dataclasses import dataclass, field

from reference import accounts as rule
from reference.accounts import Account, Leg, View
from reference.lending import Lending
from reference.margin import MarginExchange, Sight
from reference.randomness import philox, uniform

LITTLE = 1e-9  # of a debt
ROUNDING = 1e-12  # of what decides at a slot: how much an amount may lack that was sized to reach it exactly
SLACK = 1e-12  # of a cap
ATTENTIVE = zlib.crc32(b"owners.attentive") | 1 << 31  # stream

Views = dict[str, View]


@dataclass
class Move:
    """Units of a collateral leg or a debt leg that change, at what they have grown to."""

    account: Account
    leg: Leg
    units: float  # less, or more


@dataclass(eq=False)
class Shift:
    """What he would do. way: net, repay, add."""

    way: str
    here: Account
    there: Account
    moves: list[Move]


@dataclass
class Defenders:
    """How owners of several accounts act."""

    name: str
    attentive: float
    low: float
    target: float
    keep: float
    fee: float  # [gwei]


@dataclass
class Broker:
    """Who margins all that somebody has as one."""

    protocols: list[str]
    margin: float


@dataclass
class Persons:
    """Who owns what, on one path."""

    owner: dict[int, str]  # by number of an account, over the books of all protocols
    defenders: Defenders | None
    brokers: list[Broker]
    chains: dict[str, str]  # by protocol: its network
    underlying: dict[str, str]  # by asset: what a contract follows, what a wrapped asset wraps, else itself
    caps: dict[tuple[str, str], float] = field(default_factory=dict)  # supply caps, by protocol and asset [units]
    path: int = 0
    seed: int = 0
    nearest: float = math.inf
    capped: bool = False  # the last shift did not hold for its cap

    def __post_init__(self) -> None:
        mine = defaultdict[str, list[int]](list)
        for number in sorted(self.owner):
            mine[self.owner[number]].append(number)
        self.several = [name for name, numbers in mine.items() if len(numbers) > 1]  # in the order of their first accounts

    def near(self, x: float, edge: float, scale: float) -> None:
        if scale > 0.0 and x != edge:
            self.nearest = min(self.nearest, abs(x - edge) / scale)

    # ---- one account out of another ------------------------------------------------------------------------------

    def near_calls(self, accounts: list[Account], done: set[int], views: Views) -> list[Account]:
        """Accounts whose owners act before they are called; but those of the numbers `done` have acted."""
        rules, found = self.defenders, []
        if rules is None or rules.low <= 1.0:
            return []
        for account in accounts:
            view = views[account.protocol]
            has, debt = rule.backing(account, view), rule.owing(account, view)
            self.near(has, rules.low * debt, debt)
            if debt > 0.0 and has < rules.low * debt and account.number not in done:
                found.append(account)
        return found

    def mended(self, here: Account, accounts: list[Account], lending: Lending, views: Views) -> Shift | None:
        """What the owner of an account does about it."""
        rules, name = self.defenders, self.owner[here.number]
        assert rules is not None
        if name not in self.several:
            return None
        words = philox((self.path, self.several.index(name), 0, ATTENTIVE), self.seed)
        if not uniform(words[0]) < rules.attentive:
            return None
        for there in accounts:
            if (there is not here and self.owner[there.number] == name
                    and self.chains.get(there.protocol, "") == self.chains.get(here.protocol, "")):
                shift = self.shift(here, there, lending, views)
                if shift is not None:
                    return shift
        return None

    def shift(self, here: Account, there: Account, lending: Lending, views: Views) -> Shift | None:
        """The first way that gives something."""
        for owing in here.debt:
            held = leg_of(there.collateral, owing.asset)
            if owing.amount > 0.0 and owing.callable and held is not None:
                found = self.net(here, there, owing, held, lending, views) or self.repay(here, there, owing, held, lending, views)
                if found is not None:
                    return found
        for leg in here.collateral:
            held = leg_of(there.collateral, leg.asset)
            if leg.callable and held is not None:
                added = self.add(here, there, leg, held, lending, views)
                if added is not None:
                    return added
        return None

    def net(self, here: Account, there: Account, owing: Leg, held: Leg, lending: Lending, views: Views) -> Shift | None:
        """Both debts are repaid out of the other's collateral."""
        assert self.defenders is not None
        mine, other, target = views[here.protocol], views[there.protocol], self.defenders.target
        for leg in here.collateral:
            owed = leg_of(there.debt, leg.asset)
            if leg.amount <= 0.0 or not leg.callable or owed is None:
                continue
            if target <= leg.threshold:
                continue
            p, q = mine.price[owing.asset], mine.price[leg.asset]
            w = min((target * rule.owing(here, mine) - rule.backing(here, mine)) / (target - leg.threshold),
                    mine.owed(owing) * p, other.held(held) * p, lending.there(there.protocol, held.asset) * p,
                    mine.held(leg) * q, lending.there(here.protocol, leg.asset) * q, other.owed(owed) * q)
            if self.enough(w, here, mine):
                return Shift("net", here, there, [Move(there, held, -w / p), Move(here, owing, -w / p),
                                                  Move(here, leg, -w / q), Move(there, owed, -w / q)])
        return None

    def repay(self, here: Account, there: Account, owing: Leg, held: Leg, lending: Lending, views: Views) -> Shift | None:
        """What is there repays what is owed here."""
        assert self.defenders is not None
        view, target = views[here.protocol], self.defenders.target
        p = view.price[owing.asset]
        w = min((target * rule.owing(here, view) - rule.backing(here, view)) / target, view.owed(owing) * p,
                self.spare(there, held, lending, views) * p)
        if not self.enough(w, here, view):
            return None
        return Shift("repay", here, there, [Move(there, held, -w / p), Move(here, owing, -w / p)])

    def add(self, here: Account, there: Account, leg: Leg, held: Leg, lending: Lending, views: Views) -> Shift | None:
        """What is there is collateral here."""
        assert self.defenders is not None
        view = views[here.protocol]
        p = view.price[leg.asset]
        if leg.threshold <= 0.0:
            return None
        missing = (self.defenders.target * rule.owing(here, view) - rule.backing(here, view)) / leg.threshold
        w = min(missing, self.spare(there, held, lending, views) * p)
        if not self.enough(w, here, view):
            return None
        return Shift("add", here, there, [Move(there, held, -w / p), Move(here, leg, w / p)])

    def enough(self, w: float, here: Account, view: View) -> bool:
        """Whether it is worth a transaction."""
        return w > LITTLE * rule.owing(here, view)

    def spare(self, there: Account, held: Leg, lending: Lending, views: Views) -> float:
        """Units that may be taken out there."""
        assert self.defenders is not None
        view = views[there.protocol]
        debt, most = rule.owing(there, view), min(view.held(held), lending.there(there.protocol, held.asset))
        if debt <= 0.0 or held.threshold <= 0.0:
            return most
        free = (rule.backing(there, view) - self.defenders.keep * debt) / (held.threshold * view.price[held.asset])
        return min(most, free)

    # ---- at its slot ---------------------------------------------------------------------------------------------

    def holds(self, shift: Shift, lending: Lending, views: Views) -> bool:
        """Whether it can be done as it was offered."""
        rules, here, there = self.defenders, shift.here, shift.there
        assert rules is not None
        view, other, self.capped = views[here.protocol], views[there.protocol], False
        has, debt = rule.backing(here, view), rule.owing(here, view)
        self.near(has, rules.low * debt, debt)
        if has >= rules.low * debt:
            return False
        for move in shift.moves:
            at, owed = views[move.account.protocol], move.leg in move.account.debt
            if move.units > 0.0:
                if not self.under_cap(move.account.protocol, move.leg.asset, move.units, lending):
                    self.capped = True
                    return False
                continue
            if owed:
                continue
            stands = min(at.held(move.leg), lending.there(move.account.protocol, move.leg.asset))
            if stands < -move.units * (1.0 - ROUNDING):
                return False
        was = rule.backing(there, other), rule.owing(there, other)
        left, owes = was
        for move in shift.moves:
            if move.account is there:
                worth = move.units * other.price[move.leg.asset]
                if move.leg in there.debt:
                    owes += worth
                else:
                    left += worth * move.leg.threshold
        if shift.way == "net":
            return left * was[1] >= was[0] * owes * (1.0 - ROUNDING)
        return was[1] <= 0.0 or left >= rules.keep * owes * (1.0 - ROUNDING)

    def under_cap(self, protocol: str, asset: str, units: float, lending: Lending) -> bool:
        """Whether what is added is within the cap of its reserve."""
        where = protocol, asset
        if where not in self.caps:
            return True
        reserve = lending.reserves[where]
        supplied = (reserve.cash + lending.owed(*where) if reserve.start < math.inf else
                    sum(leg.amount for a in lending.accounts if a.protocol == where[0] for leg in a.collateral
                        if leg.asset == where[1]) * reserve.supply)
        self.near(supplied + units, self.caps[where], self.caps[where])
        return supplied + units <= self.caps[where] * (1.0 + SLACK)

    # ---- all that somebody has -----------------------------------------------------------------------------------

    def good(self, accounts: list[Account], exchanges: list[MarginExchange], views: Views, sights: dict[str, Sight],
             unit: dict[str, float]) -> set[int]:
        """Numbers of the accounts whose owners have enough in all: nobody calls them. unit: USD, by protocol."""
        found: set[int] = set()
        for broker in self.brokers:
            for name in self.several:
                equity, exposure = 0.0, defaultdict[str, float](float)
                mine = [a for a in accounts if self.owner[a.number] == name and a.protocol in broker.protocols]
                margin = [(e, a) for e in exchanges if e.name in broker.protocols for a in e.accounts
                          if self.owner[a.number] == name]
                for account in mine:
                    view, usd = views[account.protocol], unit[account.protocol]
                    parts = [(leg.asset, view.held_value(leg) * usd) for leg in account.collateral]
                    parts += [(leg.asset, -view.owed_value(leg) * usd) for leg in account.debt]
                    for asset, worth in parts:
                        equity += worth
                        exposure[self.underlying[asset]] += worth
                for exchange, one in margin:
                    sight = sights[exchange.name]
                    equity += one.cash
                    for asset, units in one.collateral.items():
                        equity += units * sight.price[asset]
                        exposure[self.underlying[asset]] += units * sight.price[asset]
                    for perp, position in one.positions.items():
                        equity += position.units * (sight.mark[perp] - exchange.paid[perp])
                        exposure[self.underlying[perp]] += position.units * sight.mark[perp]
                required = broker.margin * sum(abs(worth) for asset, worth in exposure.items() if asset != "USD")
                self.near(equity, required, abs(equity) + required)
                if equity >= required:
                    found |= {a.number for a in mine} | {a.number for _, a in margin}
        return found


def leg_of(legs: list[Leg], asset: str) -> Leg | None:
    """The first that has any of it; but no remainder."""
    return next((leg for leg in legs if leg.asset == asset and leg.amount > 0.0 and leg.callable), None)

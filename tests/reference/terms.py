"""Terms that move while a path goes on: votes state them anew, policies let them follow what they look at.

    term = stated x factor;   a factor follows clamp((x / usual)^elasticity, least, most), announced now and then, late, slow
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from reference.accounts import Account, Rules, View, health
from reference.auctions import Terms as AuctionTerms
from reference.exchange import Exchange
from reference.limits import Limits
from reference.margin import MarginExchange, Sight

YEAR = 365.0 * 86400.0  # [s]
MOST_MARGIN = 0.95  # of a position

Where = tuple[str, str]  # protocol, asset


@dataclass
class NewTerms:
    """What a vote says of one asset; None: as before. Thresholds, incentives and haircuts as factors on what counts."""

    threshold: float | None = None
    incentive: float | None = None
    category: int | None = None  # of efficiency mode; None: all
    weight: float | None = None
    margin: float | None = None
    limits: dict[str, float] = field(default_factory=dict)


@dataclass
class Vote:
    """What changes, from which step on."""

    step: int
    protocol: str
    rules: dict[str, Any]  # by field
    assets: dict[str, NewTerms]


@dataclass
class Follower:
    """One term of one asset, and what it follows."""

    protocol: str
    term: str  # threshold, incentive, close_factor, supply_cap, borrow_cap, haircut, margin
    asset: str
    looks: str  # realised_volatility, implied_volatility, depth, open_interest
    usual: float | None
    elasticity: float
    least: float
    most: float
    speed: float  # of the log, an hour
    every: int  # steps
    notice: int  # steps
    keep: float  # of the variance, a step
    within: float  # of depth
    implied: list[tuple[float, float]]  # from when on [s], volatility
    last: float = 0.0  # log price
    variance: float = 0.0  # [1/year]
    announced: list[tuple[int, float]] = field(default_factory=list)  # in force from which step on, factor
    log: float = 0.0  # of the factor

    def look(self, x: Exchange, exchanges: dict[str, MarginExchange], time: float, dt: float) -> float:
        """What it sees now."""
        if self.looks == "realised_volatility":
            now = x.log_price(self.asset)
            self.variance = self.keep * self.variance + (1.0 - self.keep) * (now - self.last) ** 2 * (YEAR / dt)
            self.last = now
            return math.sqrt(self.variance)
        if self.looks == "implied_volatility":
            return [quote for at, quote in self.implied if at <= time][-1]
        return self.stock(x, exchanges)

    def stock(self, x: Exchange, exchanges: dict[str, MarginExchange]) -> float:
        """Depth or open interest [units]."""
        if self.looks == "depth":
            market = x.markets[x.chain(self.asset)[0]]
            return market.room(market.u(market.s) + math.log(1.0 - self.within), selling=True)
        exchange = exchanges[self.protocol]
        return sum(abs(a.positions[self.asset].units) for a in [*exchange.accounts, exchange.vault] if self.asset in a.positions)

    def begin(self, x: Exchange, exchanges: dict[str, MarginExchange]) -> None:
        if self.looks in ("depth", "open_interest"):
            self.usual = self.stock(x, exchanges) if self.usual is None else self.usual
        elif self.looks == "realised_volatility":
            assert self.usual is not None
            self.last, self.variance = x.log_price(self.asset), self.usual**2

    def step(self, k: int, x: float, dt: float) -> float:
        """The factor of step k, in which x is seen."""
        if (k - 1) % self.every == 0:
            assert self.usual is not None
            ratio = x / self.usual
            wanted = ratio**self.elasticity if ratio > 0.0 else (0.0 if self.elasticity > 0.0 else math.inf)
            self.announced.append((k + self.notice, min(max(wanted, self.least), self.most)))
        due = [factor for at, factor in self.announced if at <= k]
        if due:
            most = self.speed * dt / 3600.0
            self.log += min(max(math.log(due[-1]) - self.log, -most), most)
        return math.exp(self.log)


class Moving:
    """All terms of a path that votes and policies move."""

    def __init__(self, votes: list[Vote], followers: list[Follower], rules: dict[str, Rules], auctions: dict[str, AuctionTerms],
                 exchanges: list[MarginExchange], limits: dict[Where, Limits], counts: Counter[str]) -> None:
        self.votes, self.followers, self.counts = votes, followers, counts
        self.rules, self.auctions, self.limits = rules, auctions, limits
        self.exchanges = {exchange.name: exchange for exchange in exchanges}
        self.voted: defaultdict[tuple[str, str, str, int], float] = defaultdict(lambda: 1.0)  # term, protocol, asset, category
        self.close_factor = {name: one.close_factor for name, one in rules.items()}  # as stated
        for one in rules.values():
            one.close_factor_at_start = one.close_factor
        self.stated = {where: (one.supply_cap, one.borrow_cap) for where, one in limits.items()}
        self.weights = {e.name: dict(e.weight) for e in exchanges}  # as stated
        self.counted: dict[tuple[str, str, int], float] = {}  # protocol, asset, category: factor on thresholds
        self.bonus: dict[tuple[str, str, int], float] = {}
        self.categories: dict[Where, set[int]] = defaultdict(lambda: {0})

    def begin(self, x: Exchange, accounts: list[Account]) -> None:
        for one in self.followers:
            one.begin(x, self.exchanges)
        for account in accounts:
            for leg in account.collateral:
                self.categories[account.protocol, leg.asset].add(leg.category)

    def vote(self, k: int) -> None:
        """What comes into force in step k."""
        for vote in self.votes:
            if vote.step != k:
                continue
            self.counts["votes"] += 1
            for name, value in vote.rules.items():
                self.change_rules(vote.protocol, name, value)
            for asset, new in vote.assets.items():
                self.state(vote.protocol, asset, new)
            self.apply({})

    def change_rules(self, protocol: str, name: str, value: Any) -> None:
        self.counts[f"vote on {name}"] += 1
        if protocol in self.auctions:
            setattr(self.auctions[protocol], name, value)
        elif name == "close_factor":
            self.close_factor[protocol] = value
        else:
            setattr(self.rules[protocol], "kind" if name == "version" else name, value)

    def state(self, protocol: str, asset: str, new: NewTerms) -> None:
        for term in ("threshold", "incentive", "weight", "margin"):
            factor = getattr(new, term)
            if factor is None:
                continue
            self.counts[f"vote on {term}"] += 1
            categories = self.categories[protocol, asset] if new.category is None else {new.category}
            for category in categories:
                self.voted[term, protocol, asset, category] = factor
        for name, value in new.limits.items():
            self.counts[f"vote on {name}"] += 1
            supply, borrow = self.stated[protocol, asset]
            if name == "debt_ceiling":
                self.limits[protocol, asset].debt_ceiling = value
            else:
                self.stated[protocol, asset] = (value, borrow) if name == "supply_cap" else (supply, value)

    def step(self, k: int, x: Exchange, dt: float) -> None:
        """Policies look, and terms are what they are in step k."""
        factors: dict[tuple[str, str, str], float] = {}
        for one in self.followers:
            factor = one.step(k, one.look(x, self.exchanges, (k - 1) * dt, dt), dt)
            factors[one.term, one.protocol, one.asset] = factor
            self.counts[f"{one.term} follows {one.looks}"] += abs(one.log) > 1e-6
        self.apply(factors)

    def note(self, accounts: list[Account], views: dict[str, View], sights: dict[str, Sight]) -> None:
        """Count where a term that has moved decides whether somebody is healthy."""
        for account in accounts:
            view = views[account.protocol]
            if (health(account, view) < 1.0) != (health(account, view.as_at_start()) < 1.0):
                self.counts["a threshold decides"] += 1
        for name, exchange in self.exchanges.items():
            weights, margins = exchange.weight, exchange.margin
            for account in exchange.accounts:
                verdicts = []
                for exchange.weight, exchange.margin in ((weights, margins), (self.weights[name], margins), (weights, {})):
                    verdicts.append(exchange.equity(account, sights[name]) < exchange.maintenance(account, sights[name]))
                exchange.weight, exchange.margin = weights, margins
                self.counts["a haircut decides"] += verdicts[0] != verdicts[1]
                self.counts["a margin decides"] += verdicts[0] != verdicts[2]

    def apply(self, factors: dict[tuple[str, str, str], float]) -> None:
        """term = stated x factor."""
        for (protocol, asset), categories in self.categories.items():
            for category in categories:
                self.counted[protocol, asset, category] = (
                    self.voted["threshold", protocol, asset, category] * factors.get(("threshold", protocol, asset), 1.0))
                self.bonus[protocol, asset, category] = (
                    self.voted["incentive", protocol, asset, category] * factors.get(("incentive", protocol, asset), 1.0))
        for name, rules in self.rules.items():
            factor = next((f for (term, protocol, _), f in factors.items() if (term, protocol) == ("close_factor", name)), 1.0)
            rules.close_factor = min(self.close_factor[name] * factor, 1.0)
        for (protocol, asset), (supply, borrow) in self.stated.items():
            self.limits[protocol, asset].supply_cap = supply * factors.get(("supply_cap", protocol, asset), 1.0)
            self.limits[protocol, asset].borrow_cap = borrow * factors.get(("borrow_cap", protocol, asset), 1.0)
        for name, exchange in self.exchanges.items():
            for asset, stated in self.weights[name].items():
                factor = self.voted["weight", name, asset, 0] * factors.get(("haircut", name, asset), 1.0)
                exchange.weight[asset] = stated * factor
            for perp, tiers in exchange.tiers.items():
                if perp in exchange.options:
                    continue  # its margin does not move
                stated = self.voted["margin", name, perp, 0]
                most = max(MOST_MARGIN / tiers[-1][1], stated)
                exchange.margin[perp] = min(stated * factors.get(("margin", name, perp), 1.0), most)


"""Margin accounts: what they hold, what they are worth, what they must keep; and the exchange that they are with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

OTHER = " the other way"  # behind its name: the second leg of a perp that an account holds both ways
YEAR = 365.0 * 86400.0  # [s]
LEAST = 1e-6  # what an option is worth at least [coins]
MOST = 0.999  # of equity that fees and socialised losses take: what is left keeps rounding from deciding who is below zero


@dataclass
class Position:
    """A position in one contract. cost = units x entry price [U], of the sign of the units."""

    units: float  # long > 0
    cost: float


@dataclass(eq=False)
class MarginAccount:
    """One unit of solvency: a cross-margined account or one isolated position. cash = wallet - sum of cost [U]."""

    exchange: str
    name: str
    number: int  # in the order of all books
    cash: float
    collateral: dict[str, float]  # units, in leg order
    positions: dict[str, Position]  # by leg, in leg order: its contract, and OTHER where that one stands here already
    until: float = -math.inf  # end of the cool-down [s]

    @property
    def empty(self) -> bool:
        return not self.positions and not any(self.collateral.values())

    @property
    def both_ways(self) -> bool:
        """Whether it holds a contract long and short."""
        return any(leg + OTHER in self.positions for leg in self.positions)


def perp_of(leg: str) -> str:
    """The contract of a leg."""
    return leg.removesuffix(OTHER)


Tiers = list[tuple[float, float]]  # from which notional [U], maintenance rate


def maintenance_of(notional: float, tiers: Tiers) -> float:
    """MM(n) = n rate_k - cum_k [U]."""
    taken, before, cum = 0.0, 0.0, 0.0
    for floor, rate in tiers:
        if floor > notional:
            break
        cum += floor * (rate - before) if floor > 0.0 else 0.0
        taken = notional * rate - cum
        before = rate
    return taken


@dataclass
class Sight:
    """What an exchange sees, as a block began. Marks and prices in its unit U."""

    price: dict[str, float]  # collateral
    mark: dict[str, float]  # contracts
    usd: float = 1.0  # market price of U [USD]


@dataclass
class Option:
    """A European call or put on one coin, paid in it."""

    put: bool
    strike: float  # [USD]
    expires: float  # since the start [s]
    volatility: float  # [1/sqrt(year)]
    short_margin: float  # share of a coin that a short contract must keep beside its mark

    def value(self, spot: float, time: float) -> float:
        """[coins] by Black and Scholes, without interest. spot: [USD a coin], time: [s]"""
        s = self.volatility * math.sqrt((self.expires - time) / YEAR)
        d1 = math.log(spot / self.strike) / s + s / 2.0
        d2, way = d1 - s, -1.0 if self.put else 1.0
        return max(way * (normal(way * d1) - self.strike / spot * normal(way * d2)), LEAST)

    def need(self, units: float, mark: float) -> float:
        """MM [coins] of so many, at that mark [coins]."""
        if units >= 0.0:
            return 0.0
        return -units * (mark + self.short_margin * (max(1.0, mark) if self.put else 1.0))


def normal(d: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-d / math.sqrt(2.0))


@dataclass
class Stage:
    """One way in which an engine deals with an unhealthy account."""

    kind: str  # market, flat, backstop
    below: float = 1.0  # of maintenance
    partial_above: float = math.inf  # [USD]
    partial_share: float = 1.0
    cooldown: float = 0.0  # [s]
    limit: str = "none"  # none, bankruptcy, fillable
    spread: float = 1.5  # of the fillable price
    slippage: float = 0.0
    fee: float = 0.0


@dataclass
class Layer:
    """One layer of a default waterfall; each uses some of the fields."""

    kind: str  # insurance_fund, backstop, adl, socialised_loss
    start: dict[str, float] = field(default_factory=dict)  # units
    equity: float = 0.0  # of the vault at the start [U]
    reserve: float = 0.0  # times maintenance that the vault keeps
    half_life: float | None = None  # [s]
    rule: str = "hyperliquid"
    price: str = "bankruptcy"  # or mark
    cap: float = 1.0
    over: str = "equity"  # or profit


@dataclass
class Funding:
    """When and by what longs pay shorts."""

    interval: float  # [s]
    period: float  # [s] over which the premium is paid in full
    interest: float
    clamp: float
    cap: float


@dataclass
class Closing:
    """One winner's part in an auto-deleveraging."""

    account: str
    perp: str
    units: float  # of the winner's position that were closed, of its sign
    haircut: float  # [USD] worse than at the mark


@dataclass(eq=False)
class MarginExchange:
    """One exchange of margin accounts."""

    name: str
    tiers: dict[str, Tiers]  # by contract, in reserve order; of an option none
    weight: dict[str, float]  # by collateral, in reserve order: 1 - haircut
    underlying: dict[str, str]  # by contract
    accounts: list[MarginAccount]  # in the book's order
    stages: list[Stage]
    waterfall: list[Layer] = field(default_factory=list)
    funding: Funding | None = None
    unit: str = "USD"  # U, in which it counts
    inverse: set[str] = field(default_factory=set)  # perps of which a unit is 1 USD
    options: dict[str, Option] = field(default_factory=dict)
    treasury: float = 0.0  # [U]
    margin: dict[str, float] = field(default_factory=dict)  # by perp: factor on what its tiers say
    paid: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # F by perp [U a unit]
    traffic: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # the same, each payment without sign
    rate: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # the last funding rate by perp
    premia: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # sampled since
    in_transit: float = 0.0  # funding between cash and tokens: sum of d F over what was closed [U]
    to_makers: float = 0.0  # funding that makers, who balance the book, got so far [U]
    said: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # what is reported, by name [USD]
    said_of: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))  # the same by contract
    fallen: list[MarginAccount] = field(default_factory=list)  # of this block, in the order called
    closings: list[Closing] = field(default_factory=list)
    least_left: float = math.inf  # least share of a position that a closing left: below rounding it is there, or is not

    def __post_init__(self) -> None:
        equity = sum(layer.equity for layer in self.waterfall if layer.kind == "backstop")
        self.vault = MarginAccount(self.name, "vault", -1, equity, {}, {})

    def layer(self, kind: str) -> Layer | None:
        return next((layer for layer in self.waterfall if layer.kind == kind), None)

    def say(self, what: str, perp: str, usd: float) -> None:
        """Add to what is reported [USD]."""
        self.said[what] += usd
        self.said_of[what, perp] += usd

    def kind(self, leg: str) -> str:
        """What a contract is."""
        perp = perp_of(leg)
        if perp in self.options:
            return "put" if self.options[perp].put else "call"
        return "inverse" if perp in self.inverse else "linear"

    # ---- what an account is worth --------------------------------------------------------------------------------

    def equity(self, account: MarginAccount, sight: Sight) -> float:
        """E [U]."""
        return (account.cash + sum(c * sight.price[a] * self.weight[a] for a, c in account.collateral.items())
                + sum(p.units * (sight.mark[perp_of(leg)] - self.paid[perp_of(leg)]) for leg, p in account.positions.items()))

    def maintenance(self, account: MarginAccount, sight: Sight) -> float:
        """M [U]."""
        return sum(self.need(account, leg, sight) for leg in account.positions)

    def need(self, account: MarginAccount, leg: str, sight: Sight) -> float:
        """MM of one position [U]."""
        perp, units = perp_of(leg), account.positions[leg].units
        if perp in self.options:
            return self.options[perp].need(units, sight.mark[perp])
        return maintenance_of(abs(units) * sight.mark[perp], self.tiers[perp]) * self.margin.get(perp, 1.0)

    def profit(self, account: MarginAccount, leg: str, sight: Sight) -> float:
        """Of one position, at the mark [U]."""
        position, perp = account.positions[leg], perp_of(leg)
        return position.units * (sight.mark[perp] - self.paid[perp]) - position.cost

    def gross(self, account: MarginAccount, sight: Sight) -> float:
        """Everything that equity is the sum of, without signs: what its rounding is relative to [U]."""
        return (abs(account.cash) + sum(c * sight.price[a] for a, c in account.collateral.items())
                + sum(abs(p.units) * (sight.mark[perp_of(leg)] + abs(self.paid[perp_of(leg)]))
                      for leg, p in account.positions.items()))

    # ---- what changes it -----------------------------------------------------------------------------------------

    def close(self, account: MarginAccount, leg: str, d: float, x: float) -> None:
        """Close d units (of the position's sign) at price x [U]; cash changes by funding in transit, too."""
        position, perp = account.positions[leg], perp_of(leg)
        assert d * position.units >= 0.0 and abs(d) <= abs(position.units)
        account.cash += d * (x - self.paid[perp])
        self.in_transit += d * self.paid[perp]
        if d == position.units:
            del account.positions[leg]
        else:
            position.cost -= position.cost * d / position.units
            self.least_left = min(self.least_left, abs((position.units - d) / position.units))
            position.units -= d

    def trade(self, account: MarginAccount, perp: str, d: float, x: float) -> None:
        """Buy d units (sell: d < 0) at x: what is there on the other side is closed first, the rest opens."""
        held = account.positions[perp].units if perp in account.positions else 0.0
        closed = -min(abs(held), abs(d)) * math.copysign(1.0, d) if held * d < 0.0 else 0.0
        if closed:
            self.close(account, perp, closed, x)
        opened = d + closed
        if opened:
            self.least_left = min(self.least_left, abs(opened / d))
            account.cash -= opened * (x - self.paid[perp])
            self.in_transit -= opened * self.paid[perp]
            position = account.positions.setdefault(perp, Position(0.0, 0.0))
            position.units += opened
            position.cost += opened * (x - self.paid[perp])

    def take_over(self, account: MarginAccount, sight: Sight) -> None:
        """The vault has everything that the account had."""
        vault = self.vault
        for leg, position in account.positions.items():
            self.say("taken_over", perp_of(leg), abs(position.units) * sight.mark[perp_of(leg)] * sight.usd)
        vault.cash += account.cash
        for asset, units in account.collateral.items():
            vault.collateral[asset] = vault.collateral.get(asset, 0.0) + units
        vault.positions = self._netted(account)
        account.cash, account.collateral, account.positions = 0.0, dict.fromkeys(account.collateral, 0.0), {}

    def vault_bears(self, account: MarginAccount, layer: Layer, sight: Sight) -> tuple[float, float]:
        """The vault's equity with the account, and what it must have to take it over [U]."""
        with_it = MarginAccount(self.name, "", -1, 0.0, {}, self._netted(account))
        equity = self.equity(self.vault, sight) + self.equity(account, sight)
        return equity, layer.reserve * self.maintenance(with_it, sight)

    def _netted(self, account: MarginAccount) -> dict[str, Position]:
        """Positions of the vault and the account together, in reserve order."""
        found = {}
        for perp in self.tiers:
            parts = [p for h in (self.vault, account) for leg, p in h.positions.items() if perp_of(leg) == perp]
            units = sum(p.units for p in parts)
            if units:
                found[perp] = Position(units, sum(p.cost for p in parts))
        return found


def wallets(accounts: Iterable[MarginAccount]) -> float:
    """All cash [U]."""
    return sum(account.cash for account in accounts)

"""Margin accounts: what they hold, what they are worth, what they must keep; and the exchange that they are with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST = 0.999  # of equity that fees and socialised losses take: what is left keeps rounding from deciding who is below zero


@dataclass
class Position:
    """A position in one perp. cost = units x entry price [USD], of the sign of the units."""

    units: float  # long > 0
    cost: float


@dataclass(eq=False)
class MarginAccount:
    """One unit of solvency: a cross-margined account or one isolated position. cash = wallet - sum of cost [USD]."""

    exchange: str
    name: str
    number: int  # in the order of all books
    cash: float
    collateral: dict[str, float]  # units, in leg order
    positions: dict[str, Position]  # by perp, in leg order
    until: float = -math.inf  # end of the cool-down [s]

    @property
    def empty(self) -> bool:
        return not self.positions and not any(self.collateral.values())


Tiers = list[tuple[float, float]]  # from which notional [USD], maintenance rate


def maintenance_of(notional: float, tiers: Tiers) -> float:
    """MM(n) = n rate_k - cum_k [USD]."""
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
    """What an exchange sees, as a block began. Marks and prices in USD."""

    price: dict[str, float]  # collateral
    mark: dict[str, float]  # perps


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
    equity: float = 0.0  # of the vault at the start [USD]
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
    tiers: dict[str, Tiers]  # by perp, in reserve order
    weight: dict[str, float]  # by collateral, in reserve order: 1 - haircut
    underlying: dict[str, str]  # by perp
    accounts: list[MarginAccount]  # in the book's order
    stages: list[Stage]
    waterfall: list[Layer] = field(default_factory=list)
    funding: Funding | None = None
    treasury: float = 0.0  # [USD]
    margin: dict[str, float] = field(default_factory=dict)  # by perp: factor on what its tiers say
    paid: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # F by perp [USD a unit]
    traffic: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # the same, each payment without sign
    rate: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # the last funding rate by perp
    premia: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # sampled since
    in_transit: float = 0.0  # funding between cash and tokens: sum of d F over what was closed [USD]
    to_makers: float = 0.0  # funding that makers, who balance the book, got so far [USD]
    fallen: list[MarginAccount] = field(default_factory=list)  # of this block, in the order called
    closings: list[Closing] = field(default_factory=list)
    least_left: float = math.inf  # least share of a position that a closing left: below rounding it is there, or is not

    def __post_init__(self) -> None:
        equity = sum(layer.equity for layer in self.waterfall if layer.kind == "backstop")
        self.vault = MarginAccount(self.name, "vault", -1, equity, {}, {})

    def layer(self, kind: str) -> Layer | None:
        return next((layer for layer in self.waterfall if layer.kind == kind), None)

    # ---- what an account is worth --------------------------------------------------------------------------------

    def equity(self, account: MarginAccount, sight: Sight) -> float:
        """E [USD]."""
        return (account.cash + sum(c * sight.price[a] * self.weight[a] for a, c in account.collateral.items())
                + sum(p.units * (sight.mark[m] - self.paid[m]) for m, p in account.positions.items()))

    def maintenance(self, account: MarginAccount, sight: Sight) -> float:
        """M [USD]."""
        return sum(self.need(account, m, sight) for m in account.positions)

    def need(self, account: MarginAccount, perp: str, sight: Sight) -> float:
        """MM of one position [USD]."""
        return (maintenance_of(abs(account.positions[perp].units) * sight.mark[perp], self.tiers[perp])
                * self.margin.get(perp, 1.0))

    def profit(self, account: MarginAccount, perp: str, sight: Sight) -> float:
        """Of one position, at the mark [USD]."""
        position = account.positions[perp]
        return position.units * (sight.mark[perp] - self.paid[perp]) - position.cost

    def gross(self, account: MarginAccount, sight: Sight) -> float:
        """Everything that equity is the sum of, without signs: what its rounding is relative to [USD]."""
        return (abs(account.cash) + sum(c * sight.price[a] for a, c in account.collateral.items())
                + sum(abs(p.units) * (sight.mark[m] + abs(self.paid[m])) for m, p in account.positions.items()))

    # ---- what changes it -----------------------------------------------------------------------------------------

    def close(self, account: MarginAccount, perp: str, d: float, x: float) -> None:
        """Close d units (of the position's sign) at price x [USD]; cash changes by funding in transit, too."""
        position = account.positions[perp]
        assert d * position.units >= 0.0 and abs(d) <= abs(position.units)
        account.cash += d * (x - self.paid[perp])
        self.in_transit += d * self.paid[perp]
        if d == position.units:
            del account.positions[perp]
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

    def take_over(self, account: MarginAccount) -> None:
        """The vault has everything that the account had."""
        vault = self.vault
        vault.cash += account.cash
        for asset, units in account.collateral.items():
            vault.collateral[asset] = vault.collateral.get(asset, 0.0) + units
        vault.positions = self._netted(account)
        account.cash, account.collateral, account.positions = 0.0, dict.fromkeys(account.collateral, 0.0), {}

    def vault_bears(self, account: MarginAccount, layer: Layer, sight: Sight) -> tuple[float, float]:
        """The vault's equity with the account, and what it must have to take it over [USD]."""
        with_it = MarginAccount(self.name, "", -1, 0.0, {}, self._netted(account))
        equity = self.equity(self.vault, sight) + self.equity(account, sight)
        return equity, layer.reserve * self.maintenance(with_it, sight)

    def _netted(self, account: MarginAccount) -> dict[str, Position]:
        """Positions of the vault and the account together, in reserve order."""
        found = {}
        for perp in self.tiers:
            parts = [h.positions[perp] for h in (self.vault, account) if perp in h.positions]
            units = sum(p.units for p in parts)
            if units:
                found[perp] = Position(units, sum(p.cost for p in parts))
        return found


def wallets(accounts: Iterable[MarginAccount]) -> float:
    """All cash [USD]."""
    return sum(account.cash for account in accounts)

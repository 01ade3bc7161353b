"""What one path of the plain implementation starts from, and what it ends with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reference.accounts import Account, Rules
from reference.auctions import Terms
from reference.between import Desk, FeeRule, Outage, Provider
from reference.breakers import Breaker
from reference.lending import Lender, Reserve
from reference.margin import Layer, MarginExchange
from reference.persons import Persons
from reference.pool import Market
from reference.shared_pool import KeptFee, SharedPool

if TYPE_CHECKING:
    from reference.bands import Amm
    from reference.conversion import Pair
    from reference.limits import Limits
    from reference.liquities import System
    from reference.owners import Carrier, Looper
    from reference.redemption import Backed, Failure, Redeemer
    from reference.storefront import Store
    from reference.terms import Follower, Vote
    from reference.winders import Winder

OF_OWNERS = {"borrowers": ["top_up"], "depositors": ["withdrawal"], "carry": ["leave"], "loopers": ["close", "lever"],
             "owners": ["shift"], "recursive": ["unwind", "wind"]}


@dataclass
class Feed:
    """An oracle feed of the log price of base in quote."""

    kind: str  # market, push, fixed, mark, rate, ema
    base: str
    quote: str
    answer: float = 0.0
    updated: float = 0.0  # [s]
    heartbeat: float = math.inf  # [s]
    first: float | None = None  # [s] a beat of a clock of its own; none: heartbeats count from the last answer
    deviation: float = math.inf  # share
    delay: float = 0.0  # [s]
    fee: float = 0.0  # [gwei]
    flight: float | None = None  # the answer in flight
    land: float = math.inf  # [s]
    index: tuple[str, str] = ("", "")  # mark: base and quote of what the perp follows
    formula: str = ""  # mark: index, hyperliquid, binance
    exchange: str = ""  # mark: whose funding it uses
    inverse: bool = False  # mark: of an inverse perp
    book: float = 0.0  # mark: average of the perp's own price [USD]
    gap: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))  # mark: averages by tau [s]
    over: float = 1.0  # ema: averaging time [s]
    chain: str = ""  # the network on which it answers
    venue: str = ""  # that it looks at; none: the first of the pair

    def next_look(self) -> float:
        """When it next has something to do [s]: an answer in flight lands, or the last one is too old."""
        if self.kind != "push":
            return math.inf
        return self.land if self.flight is not None else self.beat()

    def beat(self) -> float:
        """When the answer will be too old [s]: with a clock, at its first beat after it."""
        if self.first is None:
            return self.updated + self.heartbeat
        beats = math.floor((self.updated - self.first) / self.heartbeat + 1e-9)
        return self.first + (beats + 1) * self.heartbeat


@dataclass(eq=False)
class Arbitrageur:
    """A margin account with one position, and units of the underlying outside."""

    name: str
    exchange: str
    account: str
    perp: str
    spot: float  # units of the underlying
    threshold: float  # of the gap [log]
    share: float  # of the base that brings the gap to the threshold
    leverage: float  # |q| m / E that he does not exceed
    outside: float = 0.0  # what spot has earned him [USD]


@dataclass
class Order:
    """Somebody sells, whatever the price."""

    asset: str
    into: str
    amount: float  # units in all
    first: int  # step at which it begins
    steps: int  # over which it is spread evenly
    fee: float | None  # [gwei]; None: 20, or the base fee where that is more
    sold: float = 0.0
    chain: str = ""  # the network on which it is sent
    venue: str = ""  # where its pair trades; none: wherever that brings most

    def bid(self, chains: dict[str, Network]) -> float:
        """What it bids [gwei]."""
        return max(20.0, chains[self.chain].base_fee if chains else 0.0) if self.fee is None else self.fee

    def left(self, step: int) -> float:
        """Units that are due and not sold yet."""
        due = self.amount * min(1.0, (step - self.first + 1) / self.steps) if step >= self.first else 0.0
        return due - self.sold


@dataclass
class Network:
    """Room in a block and what it costs."""

    room: float = math.inf
    base_fee: float = 0.0  # [gwei]
    native: str = ""
    gas: dict[str, float] = field(default_factory=dict)  # per kind of transaction; none: gas is free
    every: int = 1  # blocks of the world's clock from one of its own to the next


@dataclass
class Bidder:
    """Somebody who takes what is offered, on one network or on all."""

    name: str
    profitable: bool = True  # or he takes everything
    min_profit: float = 0.0  # [USD]
    fee_share: float = 0.0
    chain: str | None = None
    pairs: bool = False  # takes two calls in one transaction, nothing else


@dataclass
class Setting:
    """A world with everything spelled out, for one path."""

    steps: int
    dt: float  # [s]
    blocks: int  # in a step
    sequential: bool
    markets: dict[str, Market]  # by base asset, in the order of the assets
    wraps: dict[str, tuple[str, float]]  # wrapped asset: what it wraps, units of it
    moves: list[dict[str, float]]  # per step: log move of each market's outside price
    depth_shocks: list[list[tuple[str, int, float]]]  # per step: market, side, factor
    feeds: dict[str, Feed]
    sight: dict[tuple[str, str], tuple[float, list[tuple[str, int]]]]  # protocol, asset: constant, feeds with sign
    unit: dict[str, str]  # per protocol: what it keeps accounts in
    rates: dict[tuple[str, str], tuple[float, float]]  # protocol, asset: supply, borrow rate [1/s]
    rules: dict[str, Rules]
    accounts: list[Account]
    orders: list[Order]
    attentive: float  # probability; 0: nobody tops up
    target: float = 1.1
    budget: float = 0.0
    top_up_fee: float = 0.0  # [gwei]
    path: int = 0
    seed: int = 0
    exchanges: list[MarginExchange] = field(default_factory=list)
    arbitrageurs: list[Arbitrageur] = field(default_factory=list)
    waterfalls: dict[str, list[Layer]] = field(default_factory=dict)  # of lending protocols
    chains: dict[str, Network] = field(default_factory=lambda: {"": Network()})
    home: dict[str, str] = field(default_factory=dict)  # per protocol: its network
    bidders: list[Bidder] = field(default_factory=lambda: [Bidder("liquidators", profitable=False)])
    auctions: dict[str, Terms] = field(default_factory=dict)  # of protocols with clip rules
    stores: dict[str, Store] = field(default_factory=dict)  # of protocols with comet rules
    breakers: list[Breaker] = field(default_factory=list)
    margin_calls: dict[str, tuple[float, float]] = field(default_factory=dict)  # per protocol: grace [s], floor
    reserves: dict[tuple[str, str], Reserve] = field(default_factory=dict)  # by protocol and asset: those that say what they hold
    lenders: list[Lender] = field(default_factory=list)
    limits: dict[tuple[str, str], Limits] = field(default_factory=dict)  # by protocol and asset
    votes: list[Vote] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    loopers: list[Looper] = field(default_factory=list)
    carriers: list[Carrier] = field(default_factory=list)
    winders: list[Winder] = field(default_factory=list)
    people: list[str] = field(default_factory=lambda: list(OF_OWNERS))  # kinds of actors, by the first of each
    further: dict[str, list[Market]] = field(default_factory=dict)  # by base: venues of a pair behind its first
    pools: list[SharedPool | KeptFee] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)
    fee_rules: list[FeeRule] = field(default_factory=list)
    desks: list[Desk] = field(default_factory=list)
    persons: Persons | None = None  # who owns several accounts
    backed: dict[str, Backed] = field(default_factory=dict)  # by asset: those with a rate
    amms: list[Amm] = field(default_factory=list)
    systems: list[System] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    redeemers: list[Redeemer] = field(default_factory=list)
    coins: list[Pair] = field(default_factory=list)

    def families(self) -> list[str]:
        """Protocols of a kind act together, in the order in which the first of each stands in the world."""
        of = (dict.fromkeys(self.auctions, "clip") | dict.fromkeys(self.stores, "comet")
              | {amm.protocol: "llamma" for amm in self.amms} | {s.protocol: "liquity" for s in self.systems})
        return list(dict.fromkeys(of.get(name, "calls") for name in self.unit))

    def owners_kinds(self) -> list[str]:
        """What owners and lenders send: one kind after the other, in the order of those who send it."""
        return [kind for who in self.people for kind in OF_OWNERS.get(who, ())]

    def funds(self) -> defaultdict[tuple[str, str], float]:
        """Units in the insurance funds of lending protocols, by protocol and asset."""
        return defaultdict(float, {(protocol, asset): units for protocol, layers in self.waterfalls.items()
                                   for layer in layers for asset, units in layer.start.items()})

    def feeds_fund(self, protocol: str) -> bool:
        """Whether a lending protocol has an insurance fund, which then gets its fees."""
        return any(layer.kind == "insurance_fund" for layer in self.waterfalls.get(protocol, ()))

    def exchange(self, name: str) -> MarginExchange | None:
        """The exchange of that name."""
        return next((exchange for exchange in self.exchanges if exchange.name == name), None)


@dataclass(eq=False)
class Transaction:
    """What wants to happen in a block."""

    kind: str  # oracle, top_up, shift, leave, close, lever, withdrawal, claim, kick, take, redo, joint, order, redemption, ...
    ref: object
    bid: float  # [gwei]
    amount: float = 0.0  # units: added, withdrawn, sold
    leg: object = None
    chain: str = ""
    payer: str = ""  # of gas; who gets what it brings
    must_pay: bool = False  # reverts if what it brings does not repay what it takes
    most: float = 0.0  # units that he brings at most; 0: whatever it takes
    price: float = math.inf  # take: that he saw
    parts: tuple[Transaction, ...] = ()  # joint: both calls
    routes: list[tuple[str, str]] = field(default_factory=list)  # what it sells, for what
    brought: float | None = None  # units, once it has been sold
    unsold: float = 0.0  # units that its first market did not fill
    paid: float = 0.0  # minting: for all its units


@dataclass
class Result:
    """How the path ended."""

    amounts: list[tuple[list[float], list[float]]]  # per account: collateral legs, debt legs, at index 1
    consumed: dict[str, float]  # s per market
    log_price: dict[str, float]  # u per market
    answers: dict[str, float]  # per feed
    ledger: dict[tuple[str, str], float]  # per holder and asset: change
    turnover: dict[tuple[str, str], float]  # the same, every change without its sign
    virtual: dict[str, float]  # per market: base units whose sale moves the price by a share of about two
    deficit: dict[tuple[str, str], float]  # per protocol and asset: units
    liquidated: dict[str, int]  # per protocol: claims executed
    counts: Counter[str]  # liquidations, reverted, declined, top_ups, answers, orders, unfit, ...
    bad_debt: float  # deficits, and debt of accounts without collateral [USD at the end]
    shortfall: float  # debt beyond collateral of the accounts that still hold some [USD at the end]
    longest_steps: int  # consecutive steps with at least one executed claim each
    longest_blocks: int  # consecutive blocks
    extrapolated: bool
    traded: set[str]  # markets with a trade at their venue
    nearest: float  # least |HF - 1|, or relative distance of equity from what decides, that was ever computed
    exchanges: dict[str, MarginExchange] = field(default_factory=dict)  # as they ended
    fund: dict[tuple[str, str], float] = field(default_factory=dict)  # per protocol and asset: units
    socialised: dict[tuple[str, str], float] = field(default_factory=dict)  # the same
    served: dict[tuple[str, str], float] = field(default_factory=dict)  # per exchange and layer: what it bore [USD]
    dry: dict[tuple[str, str], float] = field(default_factory=dict)  # per exchange and layer: first time [s]
    spot: dict[str, float] = field(default_factory=dict)  # per arbitrageur: units of the underlying
    treasury: dict[tuple[str, str], float] = field(default_factory=dict)  # per protocol with auctions and asset: units
    usd: dict[str, float] = field(default_factory=dict)  # per unit of an exchange: its market price
    lots: list[tuple[str, float, float, float, float, float]] = field(default_factory=list)  # open: account, units, owed, ...
    reserves: dict[tuple[str, str], Reserve] = field(default_factory=dict)  # by protocol and asset, as they ended
    lenders: list[Lender] = field(default_factory=list)
    no_cash: dict[str, int] = field(default_factory=dict)  # per protocol: accounts that were not called for lack of it
    venues: list[Market] = field(default_factory=list)  # all, as they ended
    desks: list[Desk] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)
    fee_rules: list[FeeRule] = field(default_factory=list)
    pools: list[SharedPool | KeptFee] = field(default_factory=list)
    backed: dict[str, Backed] = field(default_factory=dict)  # by asset, as they ended
    redeemers: list[Redeemer] = field(default_factory=list)
    coins: list[Pair] = field(default_factory=list)
    amms: list[Amm] = field(default_factory=list)
    systems: list[System] = field(default_factory=list)


class Ledger:
    """What each holder has more or less of than at the start."""

    def __init__(self) -> None:
        self.change: defaultdict[tuple[str, str], float] = defaultdict(float)  # holder, asset: units
        self.turnover: defaultdict[tuple[str, str], float] = defaultdict(float)  # the same, without sign

    def move(self, asset: str, units: float, giver: str, taker: str) -> None:
        for holder, change in ((giver, -units), (taker, units)):
            self.change[holder, asset] += change
            self.turnover[holder, asset] += abs(change)

"""What the engine says of the exchanges on a path, in the names of the plain implementation, and where they differ."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from delever.core import tables
from delever.core.exchange_tables import ADL, BACKSTOP, INSURANCE, SOCIALISED
from delever.core.state import State
from delever.model.world import World
from delever.run.assemble import Model
from reference.margin import OTHER, MarginAccount, perp_of
from reference.setting import Result
from reference.setup_margin import exchanges_of, is_exchange

TOLERANCE = 1e-12  # relative
WORTH = 1e-4  # an option's value is a difference of numbers near 1, known to their rounding: TOLERANCE of so many coins
SAID = ("liquidated", "taken_over", "deleveraged", "haircut", "slippage")
INSIDE = (tables.CASH, tables.FUND, tables.VAULT, tables.FUNDING)  # of a protocol: one holder in the plain ledger
LAYERS = {"insurance_fund": INSURANCE, "backstop": BACKSTOP, "adl": ADL, "socialised_loss": SOCIALISED}

Held = dict[str, float]


@dataclass
class ExchangeResult:
    """How the exchanges of one path ended, according to the engine."""

    cash: dict[str, float] = field(default_factory=dict)  # by account [U], the unit of its exchange
    units: dict[str, Held] = field(default_factory=dict)  # by account: collateral, and positions by leg
    cost: dict[str, Held] = field(default_factory=dict)  # by account: of positions by leg [U]
    fund: dict[tuple[str, str], float] = field(default_factory=dict)  # (protocol, asset): units
    vault: dict[tuple[str, str], float] = field(default_factory=dict)
    deficit: dict[str, float] = field(default_factory=dict)  # by exchange [U]
    closings: list[tuple[str, str, float, float]] = field(default_factory=list)  # account, perp, units, haircut
    served: dict[tuple[str, str], float] = field(default_factory=dict)  # (exchange, layer) [USD]
    paid: dict[tuple[str, str], float] = field(default_factory=dict)  # (exchange, perp): funding [U a unit]
    spot: Held = field(default_factory=dict)  # by arbitrageur


def exchanges_on(world: World, model: Model, state: State, p: int) -> ExchangeResult:
    """What stands in the engine's tables of a path."""
    found, positions = ExchangeResult(), model.positions
    touched, slots = state.pool.touched, int(state.watch.counts[tables.SLOTS])
    mine = np.flatnonzero(touched.path[:slots] == p)
    amount, cost = positions.tables.amount.copy(), positions.tables.cost.copy()
    amount[touched.account[mine]], cost[touched.account[mine]] = touched.amount[mine], touched.cost[mine]
    book, reserves, names = positions.tables, positions.reserves, list(world.protocols)
    first = int(book.first_debt[0])
    for row, (name, g) in enumerate(zip(positions.accounts, book.signature, strict=True)):
        protocol = world.protocols[names[book.protocol[g]]]
        if not is_exchange(protocol):
            continue
        found.cash[name], found.units[name], found.cost[name] = 0.0, {}, {}
        for leg in [*range(book.collaterals[g]), *range(first, first + book.debts[g])]:
            asset = reserves[book.reserve[g, leg]][1]
            if asset == protocol.unit:
                found.cash[name] = float(amount[row, leg])
                continue
            asset += OTHER * (asset in found.units[name])
            found.units[name][asset] = float(amount[row, leg])
            if leg >= first:
                found.cost[name][asset] = float(cost[row, leg])
    for r, reserve in enumerate(reserves):
        found.fund[reserve], found.vault[reserve] = float(state.safety.fund[r, p]), float(state.safety.vault[r, p])
        protocol = world.protocols[reserve[0]]
        if is_exchange(protocol) and reserve[1] == protocol.unit:
            found.deficit[reserve[0]] = float(state.ledgers.booked[tables.DEFICIT, r, p])
        if model.positions.margins.perp[r]:
            found.paid[reserve] = float(state.margins.paid[r, p])
    closings = state.closings
    for i in np.flatnonzero(closings.path[:state.n_closings] == p):
        found.closings.append((positions.accounts[closings.account[i]], reserves[closings.reserve[i]][1],
                               float(closings.units[i]), float(closings.haircut[i] * closings.in_usd[i])))
    for i, name in enumerate(names):
        for layer, row in LAYERS.items():
            found.served[name, layer] = float(state.safety.served[row, i, p])
    return found


def as_engine_counts(world: World, plain: Result) -> Result:
    """The plain result with what exchanges keep in one holder with what lending protocols keep, and no deficit of theirs."""
    def merged(ledger: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = defaultdict(float)
        for (holder, asset), units in ledger.items():
            found["cash" if holder == "margin" else holder, asset] += units
        return dict(found)

    turnover, start = merged(plain.turnover), {a.name: a for e in exchanges_of(world) for a in e.accounts}
    for exchange in plain.exchanges.values():  # orders down to a limit price are known to the rounding of that price
        for holder in ("cash", "makers"):
            turnover[holder, exchange.unit] = turnover.get((holder, exchange.unit), 0.0) + sum(
                plain.virtual[perp] * math.exp(plain.log_price[perp]) for perp in exchange.tiers) + WORTH * sum(
                _units(start, exchange.name, option) for option in exchange.options)
    lending = {key: units for key, units in plain.deficit.items() if key[0] not in plain.exchanges}
    return replace(plain, ledger=merged(plain.ledger), turnover=turnover, deficit=lending)


def exchange_differences(world: World, plain: Result, engine: ExchangeResult) -> Iterator[str]:
    """What the two do not agree on. Scales are what moved: an account's are its positions and all that went through it."""
    start = {a.name: a for e in exchanges_of(world) for a in e.accounts}
    for name, exchange in plain.exchanges.items():
        unit = exchange.unit
        through = plain.turnover.get(("margin", unit), 0.0)  # the most that any of the exchange's accounts can have seen
        through += WORTH * sum(_units(start, name, option) for option in exchange.options)
        for account in exchange.accounts:
            yield from _account_differences(start[account.name], account, engine, plain, through)
        whole = through + sum(_gross(a) for a in start.values() if a.exchange == name)
        vault = {unit: exchange.vault.cash, **exchange.vault.collateral,
                 **{perp: p.units for perp, p in exchange.vault.positions.items()}}
        for reserve, units in engine.vault.items():
            if reserve[0] == name:
                scale = whole if reserve[1] == unit else _units(start, name, reserve[1])
                yield from _differs(f"vault of {reserve}", vault.get(reserve[1], 0.0), units, scale)
        yield from _differs(f"deficit of {name}", plain.deficit[name, unit], engine.deficit[name], whole)
        worth = whole * math.exp(plain.log_price.get(unit, 0.0))  # [USD]
        for layer in LAYERS:
            yield from _differs(f"{layer} of {name}", plain.served.get((name, layer), 0.0), engine.served[name, layer], worth)
        for perp in exchange.tiers:
            if (name, perp) in engine.paid:
                # a premium is a difference of prices
                yield from _differs(f"funding of {perp}", exchange.paid[perp], engine.paid[name, perp],
                                    exchange.traffic[perp] + math.exp(plain.log_price[perp]))
        theirs = [c for c in engine.closings if c[0] in {a.name for a in exchange.accounts}]
        yield from _closing_differences(exchange.closings, theirs, start, worth)
    for reserve, units in engine.fund.items():
        scale = abs(plain.fund.get(reserve, 0.0)) + sum(
            plain.turnover.get((holder, asset), 0.0) for holder, asset in (("margin", "USD"), ("margin", reserve[1]),
                                                                           ("cash", reserve[1])))
        yield from _differs(f"fund of {reserve}", plain.fund.get(reserve, 0.0), units, scale)


def usd_differences(world: World, plain: Result, row: dict[str, float | None]) -> Iterator[str]:
    """What the two do not agree on of what is reported of exchanges that count in a coin. row: of the engine's table of paths."""
    start = {a.name: a for e in exchanges_of(world) for a in e.accounts}
    for name, exchange in plain.exchanges.items():
        if exchange.unit == "USD":
            continue
        coins = plain.turnover.get(("margin", exchange.unit), 0.0) + sum(_gross(a) for a in start.values() if a.exchange == name)
        scale = coins * plain.usd[exchange.unit] + exchange.said["liquidated"]
        whole = {f"{what}.{name}": exchange.said[what] for what in sorted({*SAID, *exchange.said})}
        parts = {f"{what}.{name}.{perp}": exchange.said_of[what, perp] for what in SAID for perp in exchange.tiers}
        for column, ours in (whole | parts).items():
            theirs = row.get(column, 0.0 if column in parts else None)  # of a contract that nobody holds nothing is said
            if math.isnan(ours):
                if theirs is not None and not math.isnan(theirs):
                    yield f"{column}: never plain, {theirs!r} engine"
            else:
                yield from _differs(column, ours, theirs, scale)


def _differs(what: str, plain: float, engine: float, scale: float) -> Iterator[str]:
    if not abs(plain - engine) <= TOLERANCE * max(abs(plain), scale):
        yield f"{what}: {plain!r} plain, {engine!r} engine"


def _gross(account: MarginAccount) -> float:
    return abs(account.cash) + sum(abs(p.cost) for p in account.positions.values())


def _units(start: dict[str, MarginAccount], exchange: str, asset: str) -> float:
    """All units of an asset on an exchange at the start."""
    return sum(a.collateral.get(asset, 0.0) + _held(a, asset) for a in start.values() if a.exchange == exchange)


def _held(account: MarginAccount, perp: str) -> float:
    """Units of a perp, either way."""
    return sum(abs(p.units) for leg, p in account.positions.items() if perp_of(leg) == perp)


def _account_differences(start: MarginAccount, end: MarginAccount, engine: ExchangeResult, plain: Result, through: float
                         ) -> Iterator[str]:
    """Orders down to a limit price are known to the rounding of that price: to a share of the book's depth."""
    name, depth, price = start.name, plain.virtual, {m: math.exp(u) for m, u in plain.log_price.items()}
    books = sum(depth[perp] * price[perp] for perp in map(perp_of, start.positions))
    yield from _differs(f"{name} cash", end.cash, engine.cash[name],
                        _gross(start) + through + books)
    for asset, units in start.collateral.items():
        yield from _differs(f"{name} {asset}", end.collateral[asset], engine.units[name][asset],
                            units + books / price[asset] if asset in price else units)
    for leg, position in start.positions.items():
        now = end.positions.get(leg)
        traded = abs(position.units) + (abs(now.units) if now else 0.0) + depth[perp_of(leg)]
        yield from _differs(f"{name} {leg}", now.units if now else 0.0, engine.units[name][leg], traded)
        yield from _differs(f"{name} cost of {leg}", now.cost if now else 0.0, engine.cost[name][leg],
                            traded * abs(position.cost / position.units))


def _closing_differences(plain: list, theirs: list, start: dict[str, MarginAccount], whole: float  # type: ignore[type-arg]
                         ) -> Iterator[str]:
    """By whom, in what, how much; those of one account and perp in the order closed."""
    plain, theirs = sorted(plain, key=lambda c: (c.account, c.perp)), sorted(theirs, key=lambda c: c[:2])
    if [(c.account, c.perp) for c in plain] != [c[:2] for c in theirs]:
        yield f"deleveraged: {[(c.account, c.perp) for c in plain][:6]} plain, {[c[:2] for c in theirs][:6]} engine"
        return
    for c, (name, perp, units, haircut) in zip(plain, theirs, strict=True):
        yield from _differs(f"{name} deleveraged in {perp}", c.units, units, _held(start[name], perp))
        yield from _differs(f"haircut of {name} in {perp}", c.haircut, haircut, whole)

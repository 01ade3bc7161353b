"""Who owes what against what: the accounts of all protocols in one row, with the collateral that each would have to sell.

    lending     debt: its debt legs; collateral: its legs. Of several debts each takes its share of every collateral, by value
    exchanges   liquid = cash + sum of positions; debt: what that is below 0, in the exchange's unit; collateral: its coins, in
                full, and what is liquid. At exit positions of accounts below maintenance margin are worth what closing them on
                the book comes to: longs at the mean price of all that is sold there, shorts at that of all that is bought
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from delever.analysis.exits import Exits, Flow, Way
from delever.analysis.margins import MarginBook
from delever.analysis.tables import numbered
from delever.analysis.valuation import legs_of
from delever.analysis.walls import Pairs
from delever.run.assemble import Model

ORACLE, MARKET, EXIT = BASES = ("oracle", "market", "exit")
LOCKED = "nobody may seize it"
Flows = dict[tuple[int, bool], Flow]  # by market, and whether it is bought there


class Locked(NamedTuple):
    """Collateral that cannot be sold at all."""

    account: np.ndarray  # [L] row of Sellers
    reserve: np.ndarray  # [L]
    usd: np.ndarray  # [L] at the market's price


@dataclass(frozen=True)
class Sellers:
    """Axes: A accounts that owe or have margin, N parts of collateral for parts of debt, G ways."""

    protocol: np.ndarray  # [A]
    account: np.ndarray  # [A] number in the model
    debt: Mapping[str, np.ndarray]  # by BASES [A] USD
    collateral: Mapping[str, np.ndarray]  # by oracle and market [A] USD
    cash: np.ndarray  # [A] USD that need not be sold; below 0 where a remainder is
    of: np.ndarray  # [N] row of the account
    units: np.ndarray  # [N] of collateral
    way: np.ndarray  # [N]
    price: np.ndarray  # [N] of the debt asset, market's, USD
    ways: tuple[Way, ...]
    names: tuple[tuple[str, str], ...]  # [G] sold, for
    locked: Locked
    closed: Flows  # of perps: positions of accounts below maintenance margin


def market_prices(model: Model, exits: Exits, seen: np.ndarray) -> np.ndarray:
    """Of every reserve [R] USD; an option has none but its mark."""
    assets, price = model.world.assets, seen.copy()
    for r, (_, name) in enumerate(model.positions.reserves):
        spec = assets.get(name)
        if spec is None or (spec.call is None and spec.put is None):
            price[r] = exits.usd(name)
    return price


def sellers_of(model: Model, exits: Exits, seen: np.ndarray) -> Sellers:
    """Everybody. seen: prices of reserves as protocols see them [R] USD."""
    market = market_prices(model, exits, seen)
    parts = [_lending(model, seen, market), _margined(model, exits, seen, market)]
    start = np.cumsum([0, *(len(part.protocol) for part in parts)])
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in
              ("protocol", "account", "cash", "units", "sold", "owed")}
    of = np.concatenate([part.of + at for part, at in zip(parts, start, strict=False)])
    assets = [name for _, name in model.positions.reserves]
    number = {name: i for i, name in enumerate(model.layout.assets)}
    asset = np.array([number[name] for name in assets], np.int64)
    pair = asset[joined["sold"]] * len(number) + asset[joined["owed"]]
    codes, way = numbered(pair, len(number) ** 2)
    names = tuple((model.layout.assets[c // len(number)], model.layout.assets[c % len(number)]) for c in codes.tolist())
    locked = Locked(*(np.concatenate(column) for column in zip(
        *((part.locked.account + at, part.locked.reserve, part.locked.usd) for part, at in zip(parts, start, strict=False)),
        strict=True)))
    return Sellers(
        joined["protocol"], joined["account"], {basis: np.concatenate([part.debt[basis] for part in parts]) for basis in BASES},
        {basis: np.concatenate([part.collateral[basis] for part in parts]) for basis in (ORACLE, MARKET)}, joined["cash"], of,
        joined["units"], way, market[joined["owed"]], tuple(exits.way(*name) for name in names), names, locked,
        parts[1].closed)


@dataclass(frozen=True)
class _Part:
    """Sellers of one kind of protocol; axes as there."""

    protocol: np.ndarray  # [A]
    account: np.ndarray  # [A]
    debt: Mapping[str, np.ndarray]
    collateral: Mapping[str, np.ndarray]
    cash: np.ndarray  # [A]
    of: np.ndarray  # [N]
    units: np.ndarray  # [N]
    sold: np.ndarray  # [N] reserve
    owed: np.ndarray  # [N] reserve
    locked: Locked
    closed: Flows


# --- lending -------------------------------------------------------------------------------------------------------------


def _lending(model: Model, seen: np.ndarray, market: np.ndarray) -> _Part:
    legs = legs_of(model)
    value = {basis: legs.amount * price[legs.reserve] for basis, price in ((ORACLE, seen), (MARKET, market))}
    debt = {basis: np.maximum(legs.total(each, legs.debt), 0.0) for basis, each in value.items()}
    owes = np.flatnonzero((debt[MARKET] > 0.0) & (model.positions.tables.margin[model.positions.tables.signature] == 0))
    row = np.full(legs.accounts, -1)
    row[owes] = np.arange(len(owes))
    pairs = Pairs(model, legs)
    positive = np.where(legs.debt, np.maximum(value[MARKET], 0.0), 0.0)
    share = positive / np.maximum(legs.total(positive)[legs.account], 1e-300)  # of a debt leg in its account's debts [K]
    c, d = pairs.collateral, pairs.debt
    sells = legs.seizable[c] & (legs.amount[c] > 0.0) & (share[d] > 0.0) & (row[legs.account[c]] >= 0)
    c, d = c[sells], d[sells]
    locked = np.flatnonzero(~legs.debt & ~legs.seizable & (legs.amount > 0.0) & (row[legs.account] >= 0))
    less = ~legs.debt & (legs.amount < 0.0)  # remainders: other legs say too much
    return _Part(
        model.positions.protocol[owes], owes, {ORACLE: debt[ORACLE][owes], MARKET: debt[MARKET][owes], EXIT: debt[MARKET][owes]},
        {basis: legs.total(each, ~legs.debt)[owes] for basis, each in value.items()}, legs.total(value[MARKET], less)[owes],
        row[legs.account[c]], legs.amount[c] * share[d], legs.reserve[c], legs.reserve[d],
        Locked(row[legs.account[locked]], legs.reserve[locked], value[MARKET][locked]), {})


# --- exchanges -----------------------------------------------------------------------------------------------------------


def _margined(model: Model, exits: Exits, seen: np.ndarray, market: np.ndarray) -> _Part:
    book, assets = MarginBook(model), model.world.assets
    count = len(book.accounts)
    wallet = np.searchsorted(book.owner, np.arange(count))  # [N] row of each account's cash
    coin = np.ones(len(book.owner), np.bool_)
    coin[wallet] = False
    below = book.at(seen).unhealthy[book.trader] if count else np.zeros(0, np.bool_)
    amount = book.size * book.sense  # as it moves with its own market: an inverse short is long of dollars
    mean, closed = _closings(model, exits, book, amount * below)

    def liquid(price: np.ndarray, times: np.ndarray | float = 1.0) -> np.ndarray:
        cash = book.units[wallet] * price[book.held[wallet]]
        return np.asarray(cash + np.bincount(book.trader, amount * price[book.perp] * times, count))

    free = {ORACLE: liquid(seen), MARKET: liquid(market), EXIT: liquid(market, np.where(below, mean, 1.0))}
    coins = {basis: np.bincount(book.owner[coin], book.units[coin] * price[book.held[coin]], count)
             for basis, price in ((ORACLE, seen), (MARKET, market))}
    may = np.array([name not in assets or assets[name].seizable for _, name in model.positions.reserves], np.bool_)
    there = np.flatnonzero(coin & (book.units > 0.0))
    sells = there[may[book.held[there]] & (free[EXIT][book.owner[there]] < 0.0)]
    locked = there[~may[book.held[there]]]
    return _Part(
        book.protocol, book.accounts, {basis: np.maximum(-values, 0.0) for basis, values in free.items()},
        {basis: coins[basis] + np.maximum(free[basis], 0.0) for basis in (ORACLE, MARKET)}, np.maximum(free[EXIT], 0.0),
        book.owner[sells], book.units[sells], book.held[sells], book.held[wallet[book.owner[sells]]],
        Locked(book.owner[locked], book.held[locked], book.units[locked] * market[book.held[locked]]), closed)


def _closings(model: Model, exits: Exits, book: MarginBook, amount: np.ndarray) -> tuple[np.ndarray, Flows]:
    """Close these positions [K] units on their books: mean price of each over the market's [K], and the flows."""
    mean, flows, tree = np.ones(len(amount)), Flows(), model.layout.tree
    market = np.array([int(tree.chain[model.layout.asset(model.positions.reserves[r][1]), 0]) for r in book.perp], np.int64)
    for m in np.unique(market[amount != 0.0]).tolist():
        pair = exits.pairs[m]
        for bought in (False, True):
            mine = (market == m) & ((amount < 0.0) if bought else (amount > 0.0))
            units = float(np.abs(amount[mine]).sum())
            if units > 0.0:
                fill = pair.cost(units) if bought else pair.close(units)
                mean[mine] = fill.got / (units * pair.price)
                flows[m, bought] = Flow(fill.got, units, fill.done) if bought else Flow(units, fill.got, fill.done)
    return mean, flows

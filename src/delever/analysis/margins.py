"""Accounts of margin exchanges at given prices: equity, maintenance margin, what of their positions would be liquidated.

    equity E = cash + sum c p w + sum q m,   maintenance M = sum MM(|q| m);   unhealthy iff E < M   (docs/design.md)
All in USD: of an exchange that counts in a coin the same in the coin, times its price.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from delever.analysis.tables import Column, named, table
from delever.run.assemble import Model


@dataclass(frozen=True)
class Standing:
    """Margin accounts at given prices. Axes: N accounts, K positions."""

    equity: np.ndarray  # [N] USD
    maintenance: np.ndarray  # [N] USD
    notional: np.ndarray  # [K] size of each position, USD
    margin: np.ndarray  # [K] maintenance margin of each position, USD

    @property
    def unhealthy(self) -> np.ndarray:
        """Accounts that the engine would call, [N] bool."""
        return self.equity < self.maintenance


class MarginBook:
    """The margin accounts of a model. Axes: N accounts, C collateral legs (cash among them), K positions, R reserves."""

    def __init__(self, model: Model) -> None:
        self.model, book = model, model.positions.tables
        self.accounts = np.flatnonzero(book.margin[book.signature] > 0)  # [N] numbers in the model
        signature, first = book.signature[self.accounts], int(book.first_debt[0])
        amount, place = book.amount[self.accounts], np.arange(book.amount.shape[1])
        self.owner, leg = np.nonzero(place < np.where(place < first, book.collaterals[signature][:, None], 0))  # [C] of the N
        self.held, self.units = book.reserve[signature[self.owner], leg], amount[self.owner, leg]  # [C]
        self.weight = book.threshold[signature[self.owner], leg]  # [C] 1 - haircut
        holds = (place >= first) & (place - first < book.debts[signature][:, None])
        self.trader, leg = np.nonzero(holds & (amount != 0.0))  # [K] of the N
        self.perp = book.reserve[signature[self.trader], leg]  # [K] reserve
        self.sense = model.positions.sense[self.perp]  # [K] -1 of inverse perps
        self.size = amount[self.trader, leg] * self.sense  # [K] units, long > 0
        self.cost = book.cost[self.accounts][self.trader, leg]  # [K] size x entry price, in the exchange's unit
        self.protocol = model.positions.protocol[self.accounts]  # [N]

    @cached_property
    def exchanges(self) -> list[tuple[int, str]]:
        """(number, name) of the margin exchanges."""
        return [(number, name) for number, name in enumerate(self.model.world.protocols)
                if name in self.model.world.exchanges]

    def at(self, price: np.ndarray, times: np.ndarray | None = None) -> Standing:
        """Everybody at prices [R], USD; times: [N, R] what each account sees them multiplied with."""
        count, margins = len(self.accounts), self.model.positions.margins

        def seen(reserve: np.ndarray, who: np.ndarray) -> np.ndarray:
            return price[reserve] if times is None else price[reserve] * times[who, reserve]

        mark = seen(self.perp, self.trader)  # [K]
        notional = np.abs(self.size) * mark
        in_usd = seen(margins.cash[self.protocol[self.trader]], self.trader)  # [K] the unit in which tiers are stated
        there = np.arange(margins.floor.shape[1]) < margins.tiers[self.perp][:, None]
        tier = there & (margins.floor[self.perp] <= (notional / in_usd)[:, None])
        tier_of = np.maximum(tier.sum(axis=1) - 1, 0)  # floors rise
        maintenance = notional * margins.rate[self.perp, tier_of] - margins.deducted[self.perp, tier_of] * in_usd
        charge, put = margins.option[self.perp].T
        beside = np.abs(self.size) * charge * np.maximum(in_usd, put * mark)
        maintenance = np.where(charge > 0.0, np.where(self.size < 0.0, notional + beside, 0.0), maintenance)
        equity = np.bincount(self.owner, self.units * seen(self.held, self.owner) * self.weight, count)
        equity += np.bincount(self.trader, self.size * self.sense * mark, count)
        return Standing(equity, np.bincount(self.trader, maintenance, count), notional, maintenance)

    def profit(self, price: np.ndarray) -> np.ndarray:
        """Of each position since entry, funding aside, at prices [R] USD: [K] in the exchange's unit."""
        in_usd = price[self.model.positions.margins.cash[self.protocol[self.trader]]]
        return np.asarray(self.size * self.sense * price[self.perp] / in_usd - self.cost)

    def repeated(self, accounts: np.ndarray, paths: int) -> MarginBook:
        """These accounts, each as often as there are paths: account i on path p stands at i x paths + p. [n] of the N."""
        book, of = copy(self), np.arange(len(accounts))
        book.accounts, book.protocol = self.accounts[accounts].repeat(paths), self.protocol[accounts].repeat(paths)

        def spread(whose: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
            """Legs are in the order of accounts."""
            first, last = np.searchsorted(whose, accounts), np.searchsorted(whose, accounts, side="right")
            legs = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)]) if len(of) else of
            place = of.repeat(last - first)[:, None] * paths + np.arange(paths)
            return (place.ravel(), *(column[legs].repeat(paths) for column in columns))

        book.owner, book.held, book.units, book.weight = spread(self.owner, self.held, self.units, self.weight)
        book.trader, book.perp, book.sense, book.size, book.cost = spread(self.trader, self.perp, self.sense, self.size,
                                                                          self.cost)
        return book

    def size_of(self, standing: Standing) -> np.ndarray:
        """Notional of all positions of an account [N], USD."""
        return np.bincount(self.trader, standing.notional, len(self.accounts)).astype(float)


def reached(book: MarginBook, move: float, standing: Standing) -> tuple[pa.Table, pa.Table]:
    """What a shock puts below maintenance: a row an exchange, perp and side; and totals, a row an exchange."""
    model = book.model
    hit = standing.unhealthy[book.trader]
    rows = []
    for number, name in book.exchanges:
        for r in np.unique(book.perp[hit & (book.protocol[book.trader] == number)]).tolist():
            for side, mine in (("long", book.size > 0.0), ("short", book.size < 0.0)):
                at = hit & mine & (book.perp == r)
                if at.any():
                    rows.append((name, model.positions.reserves[r][1], side, int(at.sum()), float(np.abs(book.size[at]).sum()),
                                 float(standing.notional[at].sum())))
    below = [standing.unhealthy & (book.protocol == number) for number, _ in book.exchanges]
    missing = np.maximum(-standing.equity, 0.0)
    usd = [float(standing.notional[hit & (book.protocol[book.trader] == number)].sum()) for number, _ in book.exchanges]
    totals = table(
        Column("shock", "share", np.full(len(below), move)),
        Column("protocol", "", [name for _, name in book.exchanges], kind=pa.string()),
        Column("accounts", "1", [int(m.sum()) for m in below], kind=pa.int64()),
        Column("positions_usd", "USD", usd, kind=pa.float64()),
        Column("shortfall_usd", "USD", [float(missing[m].sum()) for m in below], kind=pa.float64()),
    )
    perps = table(
        Column("shock", "share", np.full(len(rows), move)),
        *(Column(name, unit, [row[i] for row in rows], kind=kind) for i, (name, unit, kind) in enumerate((
            ("protocol", "", pa.string()), ("perp", "", pa.string()), ("side", "", pa.string()), ("accounts", "1", pa.int64()),
            ("positions", "units", pa.float64()), ("positions_usd", "USD", pa.float64())))),
    )
    return perps, totals


def unhealthy_positions(book: MarginBook, standing: Standing) -> pa.Table:
    """A row a position of the accounts below maintenance."""
    model, at = book.model, np.flatnonzero(standing.unhealthy[book.trader])
    trader = book.trader[at]
    return table(
        Column("protocol", "", named(list(model.world.protocols), book.protocol[trader])),
        Column("account", "", named(model.positions.accounts, book.accounts[trader])),
        Column("asset", "", named([asset for _, asset in model.positions.reserves], book.perp[at])),
        Column("side", "", named(["short", "long"], (book.size[at] > 0.0).astype(np.int64))),
        Column("amount", "units", np.abs(book.size[at])),
        Column("value_usd", "USD", standing.notional[at]),
        Column("equity_usd", "USD", standing.equity[trader]),
        Column("maintenance_usd", "USD", standing.maintenance[trader]),
    )


def open_positions(book: MarginBook, standing: Standing) -> pa.Table:
    """A row a perp: accounts, longs and shorts [USD], and what the book lacks to balance as a share of both."""
    rows: list[Sequence[object]] = []
    for _, name in book.exchanges:
        for r, (of, perp) in enumerate(book.model.positions.reserves):
            if of != name or not book.model.positions.margins.perp[r]:
                continue
            mine = book.perp == r
            longs, shorts = (float(standing.notional[mine & side].sum()) for side in (book.size > 0.0, book.size < 0.0))
            net = (longs - shorts) / (longs + shorts) if longs + shorts > 0.0 else 0.0
            held = [int((mine & side).sum()) for side in (book.size > 0.0, book.size < 0.0)]
            rows.append((name, perp, *held, longs, shorts, net))
    names = (("protocol", "", pa.string()), ("perp", "", pa.string()), ("longs", "1", pa.int64()), ("shorts", "1", pa.int64()),
             ("long_usd", "USD", pa.float64()), ("short_usd", "USD", pa.float64()), ("net", "share", pa.float64()))
    return table(*(Column(name, unit, [row[i] for row in rows], kind=kind) for i, (name, unit, kind) in enumerate(names)))


BANDS = ((-np.inf, 1.0, "below 1"), (1.0, 1.5, "1 to 1.5"), (1.5, 3.0, "1.5 to 3"), (3.0, 10.0, "3 to 10"),
         (10.0, np.inf, "10 and more"))  # fmt: skip


def margin_bands(book: MarginBook, standing: Standing) -> pa.Table:
    """Accounts with positions by equity over maintenance margin at the start."""
    size, rows = book.size_of(standing), []
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = standing.equity / standing.maintenance
    for number, name in book.exchanges:
        for low, high, words in BANDS:
            here = (book.protocol == number) & (standing.maintenance > 0.0) & (ratio >= low) & (ratio < high)
            rows.append((name, words, int(here.sum()), float(standing.equity[here].sum()), float(size[here].sum())))
    names = (("protocol", "", pa.string()), ("equity_over_maintenance", "", pa.string()), ("accounts", "1", pa.int64()),
             ("equity_usd", "USD", pa.float64()), ("positions_usd", "USD", pa.float64()))
    return table(*(Column(name, unit, [row[i] for row in rows], kind=kind) for i, (name, unit, kind) in enumerate(names)))

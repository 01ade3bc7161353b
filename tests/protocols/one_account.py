"""One account in a book of its own, and one liquidation call on it, through the engine's own kernels."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import numpy as np

from delever.core.empty import new_ledgers, new_reserves, new_sales, new_touched, new_transactions
from delever.core.health import account_health
from delever.core.outcomes import OUTCOMES
from delever.core.setting import Setting
from delever.core.settlement import settle
from delever.core.tables import (
    CASH,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    EXECUTED,
    HOLDERS,
    INCLUDED,
    TREASURY,
    BookTables,
    Ledgers,
    Reserves,
    Sales,
    Touched,
)
from delever.protocols.base import Rules, RulesPhase

LIQUIDATOR = HOLDERS  # row of the token ledger: the first actor's


@dataclass(frozen=True)
class Collateral:
    """A collateral leg: units at the moment of the call, of an asset seen at `price`."""

    asset: str
    units: float
    price: float
    threshold: float
    incentive: float = 0.05
    callable: bool = True
    index: float = 1.0  # units are kept at index 1


@dataclass(frozen=True)
class Debt:
    """A debt leg."""

    asset: str
    units: float
    price: float
    callable: bool = True
    index: float = 1.0


@dataclass(frozen=True)
class Account:
    """Legs, and the tables made of them; reserves in the order of first mention, assets one behind them (0 is USD)."""

    collaterals: tuple[Collateral, ...]
    debts: tuple[Debt, ...]

    @property
    def legs(self) -> tuple[Collateral | Debt, ...]:
        return self.collaterals + self.debts

    @property
    def assets(self) -> list[str]:
        return list(dict.fromkeys(leg.asset for leg in self.legs))

    @property
    def book(self) -> BookTables:
        c, d, legs, name = self.collaterals, self.debts, self.legs, self.assets
        zeros = [0.0] * len(d)
        return BookTables(
            amount=np.array([[leg.units / leg.index for leg in legs]]), signature=np.zeros(1, np.int64),
            protocol=np.zeros(1, np.int64), reserve=np.array([[name.index(leg.asset) for leg in legs]]),
            threshold=np.array([[leg.threshold for leg in c] + zeros]),
            incentive=np.array([[leg.incentive for leg in c] + zeros]),
            seizable=np.array([[leg.callable for leg in legs]]),
            collaterals=np.array([len(c)]), debts=np.array([len(d)]), first_debt=np.array([len(c)]),
            margin=np.zeros(1, np.int32), cost=np.zeros((1, 0)), term=np.array([[name.index(leg.asset) for leg in legs]]))

    @property
    def reserves(self) -> Reserves:
        n, name = len(self.assets), self.assets
        supply, borrow = np.ones((n, 1)), np.ones((n, 1))
        for held in self.collaterals:
            supply[name.index(held.asset), 0] = held.index
        for owed in self.debts:
            borrow[name.index(owed.asset), 0] = owed.index
        stocks = np.full(n, np.inf), np.zeros(n), np.zeros(n)
        return new_reserves(np.zeros(n, np.int64), np.arange(1, n + 1), stocks, np.arange(n), 1)._replace(
            supply_index=supply, borrow_index=borrow)

    @property
    def price(self) -> np.ndarray:
        """[1 path, reserves]"""
        of = {leg.asset: leg.price for leg in self.legs}
        return np.array([[of[name] for name in self.assets]])

    def sides(self, amount: np.ndarray | None = None) -> tuple[float, float]:
        """(backing, debt) of the account, or with other amounts at index 1."""
        book, reserves = self.book, self.reserves
        return account_health(0, 0, 0, book.amount if amount is None else amount[None, :], book, reserves, self.price)

    def health(self, amount: np.ndarray | None = None) -> float:
        backing, debt = self.sides(amount)
        return backing / debt if debt > 0.0 else np.inf


@dataclass(frozen=True)
class Call:
    """What one call did."""

    account: Account
    collateral: str  # "": every one
    debt: str
    repay: float
    seize: float
    kept: float
    settled: bool
    amount: np.ndarray  # [legs] after, at index 1
    ledgers: Ledgers
    sales: list[tuple[str, str, float]]  # sold asset, bought asset, units sold
    touched: Touched

    def units_left(self, asset: str, side: type) -> float:
        """What is left of a leg, in units at the moment of the call."""
        return sum(float(self.amount[k]) * leg.index for k, leg in enumerate(self.account.legs)
                   if leg.asset == asset and isinstance(leg, side))

    def booked(self, kind: int, asset: str) -> float:
        return float(self.ledgers.booked[kind, self.account.assets.index(asset), 0])

    def tokens(self, holder: int, asset: str) -> float:
        return float(self.ledgers.tokens[holder, 1 + self.account.assets.index(asset), 0])

    def total(self, outcome: int) -> float:
        return float(self.ledgers.totals[outcome, 0, 0])

    @property
    def health(self) -> float:
        return self.account.health(self.amount)


def setting(protocols: tuple[str, ...], fee: np.ndarray) -> Setting:
    """All that rules ask of where they stand. fee: [reserves] share of the incentive that the protocol keeps."""
    return cast(Setting, SimpleNamespace(protocols=protocols, paths=3, fee=fee, cash=np.full(len(fee), np.inf),
                                         reserves=((protocols[-1], ""),) * len(fee), numbers={}))


def ready(rules: Rules, account: Account, fee: float = 0.0) -> RulesPhase:
    """These rules on the one protocol there is."""
    return type(rules).phase({"pool": rules}, setting(("pool",), np.full(len(account.assets), fee)))


def call(rules: RulesPhase, account: Account, most: float = 0.0) -> Call:
    """Assess and settle one call of the account. most: what the liquidator offers to repay, units; 0: whatever is allowed."""
    book, reserves, price, names = account.book, account.reserves, account.price, account.assets
    rows, picked = new_transactions(1), np.zeros(1, np.int64)
    rows.state[0], rows.actor[0], rows.most[0] = INCLUDED, LIQUIDATOR, most
    touched = new_touched(np.zeros((1, 4), np.int32), book.amount.copy(), book.cost, np.zeros(1))
    ledgers, sales = new_ledgers(len(names) + 1, len(names), 1, OUTCOMES, 1, actors=1), new_sales(rules.sales_per_call(book))
    rules.assess(rows, picked, touched, book, reserves, price)
    n = settle(rows, picked, rules.writes_off, touched, book, reserves, price, ledgers, sales, 0)
    c, d = int(rows.get_asset[0]), int(rows.give_asset[0])
    return Call(account, names[c - 1] if c >= 0 else "", names[d - 1] if d >= 0 else "",
                float(rows.give[0]), float(rows.get[0]), float(rows.kept[0]), int(rows.state[0]) == EXECUTED,
                touched.amount[0], ledgers, read_fills(sales, n, names), touched)


def read_fills(sales: Sales, n: int, names: list[str]) -> list[tuple[str, str, float]]:
    return [(names[sales.sold_asset[i] - 1], names[sales.bought_asset[i] - 1], float(sales.sold[i])) for i in range(n)]


def imbalance(call: Call) -> float:
    """Largest breach of the double entry, relative to what the account had of the asset."""
    tokens, booked, scaled = (a[..., 0] for a in call.ledgers[:3])
    reserves, book = call.account.reserves, call.account.book
    first_debt, n = int(book.first_debt[0]), len(call.account.assets)
    had, change = np.full(n, 1e-300), np.zeros((2, n))
    for k, r in enumerate(book.reserve[0]):
        had[r] += abs(book.amount[0, k]) * (reserves.supply_index[r, 0] + reserves.borrow_index[r, 0])
        change[int(k >= first_debt), r] += call.amount[k] - book.amount[0, k]
    breaches = (
        tokens.sum(0)[1:],  # tokens move, none is made
        tokens[CASH, 1:] + booked[DEBTS] + booked[DEFICIT] - booked[DEPOSITS] - booked[TREASURY],
        change[0] - scaled[0], change[1] - scaled[1],  # the accounts changed as the ledgers say
        scaled[0] * reserves.supply_index[:, 0] - booked[DEPOSITS],
        scaled[1] * reserves.borrow_index[:, 0] - booked[DEBTS])
    return max(float((np.abs(breach) / had).max()) for breach in breaches)

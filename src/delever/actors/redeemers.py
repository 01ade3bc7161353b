"""Redeemers: who buys an asset below its rate and redeems it, and mints it above and sells it, with what capital he has.

    worth  = rate (1 - fee) / (1 + carry x wait)      wait = what the queue needs for all before him + delay
    buys     where price after fees x (1 + threshold) < worth: until a unit more would cost `worth`, at most for his capital,
             what the reserve still covers, and what the queue serves before carry eats the discount of now;
             at the end of the block what he bought is handed in (core/redemption.py)
    mints    where price after fees > rate (1 + mint_fee) (1 + threshold): until a unit more would bring what minting costs
A staked asset has a delay and a capacity; a fiat-backed coin those of its issuer; a peg stability module (PSM) has no delay.
All of it stops while redemption is frozen; crumbs (a trillionth of his capital) are left alone.
Capital, carry and threshold are assumptions.
Source: limits to arbitrage in the sense of Shleifer and Vishny (1997), as with stETH in 2022 and USDC in 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.backing import Backing
from delever.core.columns import BASE, QUOTE, Column, Value, mean_of
from delever.core.elementary import exp_
from delever.core.empty import longer
from delever.core.jit import helper, kernel
from delever.core.market import kept_by, purchase_within, sale_within
from delever.core.orders import bring
from delever.core.phase import Kind, Phase
from delever.core.redemption import ROUNDING, Claims, Purse, await_payment, hand_in, new_claims, pay
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import EXECUTED, INCLUDED, ISSUER, OFFERED, REVERTED, Liquidity, Sales, Transactions
from delever.model.quantity import Amount, Gwei, PerYear, Seconds, Share, Text
from delever.model.references import derived
from delever.model.world import World

YEAR = 365.0 * 86400.0  # [s]
MINT_FEE, CARRY, THRESHOLD, BID, CAPITAL = range(5)  # columns of terms


class Redeemers(Actor):
    """All who redeem one asset at one issuer, and on what terms."""

    kind: ClassVar[str] = "redeemers"
    asset: Text = Field(examples=["stETH"], description="what they buy and redeem: an asset with a peg and a rate")
    capital: Amount = Field(gt=0, examples=[5000], description="units of the peg that they have; assumption")
    delay: Seconds = Field(0.0, ge=0, examples=["2 min"], description="from being served to being paid")
    capacity: Amount | None = Field(None, gt=0, examples=["2m"], description="units that the queue serves a day; null: any")
    fee: Share = Field(0.0, lt=1, description="share of what is redeemed that the issuer keeps")
    mint_fee: Share | None = Field(None, description="what minting costs above the rate; null: nobody mints")
    carry: PerYear = Field(0.05, ge=0, description="what capital that waits costs; assumption")
    threshold: Share = Field(0.0005, gt=0, description="discount or premium after fees below which they do nothing; assumption")
    bid: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")
    network: Text | None = Field(None, description="the chain on which they trade; null: the only one")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """An asset that is redeemed for something."""
        derived(self.asset, world, (*path, "asset"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All redeemers."""
        return Redeeming(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: {self.capital:g} to redeem {self.asset} with, carry {self.carry:.1%}"


class Desks(NamedTuple):
    """All redeemers. n: how many."""

    purse: Purse
    terms: np.ndarray  # [n, 5] MINT_FEE, CARRY [1/s], THRESHOLD, BID, CAPITAL
    network: np.ndarray  # [n]


@helper
def to_spend(i: int, p: int, time: float, desks: Desks, backing: Backing, liquidity: Liquidity) -> float:
    """Units of the peg that desk i would buy for now; 0: nothing."""
    purse, terms, profiles, markets = desks.purse, desks.terms, liquidity.profiles, liquidity.markets
    b = purse.backed[i]
    m, money, carry = backing.market[b], purse.money[i, p], terms[i, CARRY]
    if backing.frozen[b, p] > time or not money > 0.0:
        return 0.0
    keep = kept_by(m, p, markets)
    price, paid = exp_(markets.price[m, p]) / keep, exp_(backing.log_rate[b, p]) * (1.0 - purse.fee[i])
    wait = max(purse.served[i, p] - time, 0.0) + purse.delay[i]
    worth = paid / (1.0 + carry * wait)
    if not price * (1.0 + terms[i, THRESHOLD]) < worth:
        return 0.0
    covered = backing.reserve[b, p] / paid - backing.queued[b, p]
    if not covered > ROUNDING * backing.queued[b, p]:
        return 0.0
    most = min(covered, money / price)
    if carry > 0.0 and purse.capacity[i] < np.inf:
        most = min(most, purse.capacity[i] * ((paid / price - 1.0) / carry - wait))
    if not most > 0.0:
        return 0.0
    spent = min(purchase_within(m, p, most, worth * keep, profiles, markets)[1], money)
    return spent if spent > ROUNDING * terms[i, CAPITAL] else 0.0


@helper
def to_mint(i: int, p: int, time: float, desks: Desks, backing: Backing, liquidity: Liquidity) -> float:
    """Units that desk i would mint and sell now; 0: none."""
    purse, terms, profiles, markets = desks.purse, desks.terms, liquidity.profiles, liquidity.markets
    b = purse.backed[i]
    m, money = backing.market[b], purse.money[i, p]
    if backing.frozen[b, p] > time or not money > 0.0:
        return 0.0
    keep = kept_by(m, p, markets)
    cost = exp_(backing.log_rate[b, p]) * (1.0 + terms[i, MINT_FEE])
    if not exp_(markets.price[m, p]) * keep > cost * (1.0 + terms[i, THRESHOLD]):
        return 0.0
    units = sale_within(m, p, money / cost, cost / keep, profiles, markets)[0]
    return units if units * cost > ROUNDING * terms[i, CAPITAL] else 0.0


@kernel
def offer(time: float, desks: Desks, backing: Backing, liquidity: Liquidity, buys: int, mints: int, active: np.ndarray,
          rows: Transactions, n: int) -> int:
    """What pays now, at most one row a desk and path; the number of rows then. active: [P]."""
    purse, terms = desks.purse, desks.terms
    for i in range(terms.shape[0]):
        b = purse.backed[i]
        for p in range(active.shape[0]):
            if not active[p]:
                continue
            spent, minted = to_spend(i, p, time, desks, backing, liquidity), 0.0
            if not spent > 0.0:
                minted = to_mint(i, p, time, desks, backing, liquidity)
            if not (spent > 0.0 or minted > 0.0):
                continue
            rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, buys if spent > 0.0 else mints, OFFERED, i
            rows.actor[n], rows.network[n], rows.bid[n] = purse.holder[i], desks.network[i], terms[i, BID]
            rows.give_asset[n], rows.get_asset[n] = backing.underlying[b], backing.asset[b]
            rows.give[n], rows.get[n] = spent, minted
            if minted > 0.0:
                rows.give[n] = minted * exp_(backing.log_rate[b, p]) * (1.0 + terms[i, MINT_FEE])
            n += 1
    return n


@kernel
def buy(picked: np.ndarray, time: float, desks: Desks, backing: Backing, liquidity: Liquidity, rows: Transactions, sales: Sales,
        n: int) -> int:
    """Sized at what stands, at most what was offered; the number of sales then. picked: row numbers."""
    for k in picked:
        i, p = rows.ref[k], rows.path[k]
        spent = min(rows.give[k], to_spend(i, p, time, desks, backing, liquidity))
        if rows.state[k] != INCLUDED or not spent > 0.0:
            rows.state[k] = REVERTED
            continue
        desks.purse.money[i, p] -= spent
        rows.give[k] = spent
        n = bring(k, rows.give_asset[k], rows.get_asset[k], spent, rows, sales, n)
    return n


@kernel
def mint(picked: np.ndarray, time: float, desks: Desks, backing: Backing, liquidity: Liquidity, tokens: np.ndarray,
         minted: np.ndarray, rows: Transactions, sales: Sales, n: int) -> int:
    """The same of what is minted, which is sold in the same transaction. minted: [n, P] units so far."""
    purse = desks.purse
    for k in picked:
        i, p, a, u = rows.ref[k], rows.path[k], rows.get_asset[k], rows.give_asset[k]
        units, b = min(rows.get[k], to_mint(i, p, time, desks, backing, liquidity)), purse.backed[rows.ref[k]]
        if rows.state[k] != INCLUDED or not units > 0.0:
            rows.state[k] = REVERTED
            continue
        cost = min(units * exp_(backing.log_rate[b, p]) * (1.0 + desks.terms[i, MINT_FEE]), purse.money[i, p])
        purse.money[i, p] -= cost
        backing.reserve[b, p] += cost
        minted[i, p] += units
        tokens[rows.actor[k], u, p] -= cost
        tokens[ISSUER, u, p] += cost
        tokens[ISSUER, a, p] -= units
        tokens[rows.actor[k], a, p] += units
        rows.give[k], rows.get[k] = cost, units
        n = bring(k, a, u, units, rows, sales, n)
    return n


@kernel
def take_in(n: int, time: float, desks: Desks, backing: Backing, buys: int, mints: int, rows: Transactions, tokens: np.ndarray,
            claims: Claims, n_claims: int) -> int:
    """After the block: what rows 0..n-1 bought is handed in, what they sold is money; the number of claims then."""
    for k in range(n):
        if rows.state[k] != EXECUTED:
            continue
        if rows.kind[k] == buys and rows.brought[k] > 0.0:
            n_claims = hand_in(rows.ref[k], rows.path[k], rows.brought[k], time, desks.purse, backing, tokens, claims, n_claims)
        elif rows.kind[k] == mints:
            desks.purse.money[rows.ref[k], rows.path[k]] += rows.brought[k]
    return n_claims


class Buy(Kind):
    """A purchase of what is then redeemed."""

    name: ClassVar[str] = "redemption"
    gas: ClassVar[float] = 400_000.0
    turn: ClassVar[int] = 3
    trades: ClassVar[bool] = True

    def __init__(self, redeeming: Redeeming) -> None:
        self.redeeming = redeeming

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        state.room_for_sales(len(picked))
        state.n_sales = buy(picked, state.time, self.redeeming.desks, state.backing, state.liquidity, state.transactions,
                            state.sales, state.n_sales)

    def take_back(self, state: State, picked: np.ndarray) -> None:
        """What bought nothing is money still."""
        rows = state.transactions
        self.redeeming.desks.purse.money[rows.ref[picked], rows.path[picked]] += rows.unsold[picked]


class Mint(Buy):
    """Units that are made and sold."""

    name: ClassVar[str] = "minting"

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        state.room_for_sales(len(picked))
        state.n_sales = mint(picked, state.time, self.redeeming.desks, state.backing, state.liquidity, state.ledgers.tokens,
                             self.redeeming.minted, state.transactions, state.sales, state.n_sales)

    def take_back(self, state: State, picked: np.ndarray) -> None:
        """What found no buyer is not minted."""
        rows, purse, backing, tokens = state.transactions, self.redeeming.desks.purse, state.backing, state.ledgers.tokens
        i, p, who, units = rows.ref[picked], rows.path[picked], rows.actor[picked], rows.unsold[picked]
        cost, b = rows.give[picked] * (units / rows.get[picked]), purse.backed[i]
        self.redeeming.minted[i, p] -= units
        purse.money[i, p] += cost
        for a, amount in ((rows.get_asset[picked], units), (rows.give_asset[picked], -cost)):
            tokens[who, a, p] -= amount
            np.add.at(tokens, (ISSUER, a, p), amount)
        np.subtract.at(backing.reserve, (b, p), cost)


SECTION = "Redemptions"
REDEEMED = Column("redeemed", BASE, "units that were redeemed and paid", mean_of(
    "redeemed", "units that were redeemed and paid for", under="redeemed"), section=SECTION)
MINTED = Column("minted", BASE, "units that were minted and sold", mean_of(
    "minted", "units that were minted and sold", under="minted"), section=SECTION)
WAITS = Column("redeemers_wait", BASE, "units of theirs that wait to be redeemed", mean_of(
    "redeemers_wait", "units of theirs that wait to be redeemed at the end", under="waiting"), section=SECTION, stock=True)
EARNED = Column("redeemers_earned", QUOTE, "what redeemers have more than at the start, without what waits", mean_of(
    "redeemers_earned", "what they have more than at the start, without what waits", under="money earned"),
    section=SECTION, stock=True)


class Redeeming(Phase):
    """All redeemers. n: how many, P: paths."""

    def __init__(self, specs: Mapping[str, Redeemers], setting: Setting) -> None:
        self.names, made, paths = tuple(specs), list(specs.values()), setting.paths
        self.capital = np.array([spec.capital for spec in made])
        purse = Purse(np.array([setting.backed(spec.asset) for spec in made], np.int64),
                      np.array([setting.holder(name) for name in specs], np.int64), np.array([spec.delay for spec in made]),
                      np.array([math.inf if spec.capacity is None else spec.capacity / 86400.0 for spec in made]),
                      np.array([spec.fee for spec in made]), np.repeat(self.capital[:, None], paths, axis=1),
                      np.zeros((len(made), paths)), np.zeros((len(made), paths)))
        terms = np.array([[math.inf if spec.mint_fee is None else spec.mint_fee, spec.carry / YEAR, spec.threshold, spec.bid,
                           spec.capital] for spec in made])
        network = np.array([setting.network(spec.network, "actors", name, "network") for name, spec in specs.items()], np.int64)
        self.desks, self.minted = Desks(purse, terms, network), np.zeros((len(made), paths))
        self.claims, self.n_claims = new_claims(64), 0
        self.buys, self.mints = Buy(self), Mint(self)

    def kinds(self) -> Sequence[Kind]:
        """Purchases and mints."""
        return (self.buys, self.mints)

    def pay(self, state: State) -> None:
        """What is due on the paths that take part."""
        if self.n_claims:
            self.n_claims = pay(self.n_claims, state.time, state.active, self.claims, self.desks.purse, state.backing,
                                state.ledgers.tokens)

    def offer(self, state: State) -> None:
        """In every block."""
        self.pay(state)
        state.room_for_rows(self.minted.size)
        state.n_rows = offer(state.time, self.desks, state.backing, state.liquidity, self.buys.number, self.mints.number,
                             state.active, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """What was bought is handed in; what is due already is paid."""
        self.claims = longer(self.claims, self.n_claims + self.minted.size)
        self.n_claims = take_in(state.n_rows, state.time, self.desks, state.backing, self.buys.number, self.mints.number,
                                state.transactions, state.ledgers.tokens, self.claims, self.n_claims)
        self.pay(state)
        await_payment(self.n_claims, state.time, self.claims, self.desks.purse, state.backing, state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        waits = np.zeros(self.minted.shape)
        np.add.at(waits, (self.claims.desk[:self.n_claims], self.claims.path[:self.n_claims]), self.claims.units[:self.n_claims])
        found, purse = [], self.desks.purse
        for i, name in enumerate(self.names):
            m = int(state.backing.market[purse.backed[i]])
            found += [Value(REDEEMED, purse.redeemed[i].copy(), market=m, of=name),
                      Value(MINTED, self.minted[i].copy(), market=m, of=name), Value(WAITS, waits[i], market=m, of=name),
                      Value(EARNED, purse.money[i] - self.capital[i], market=m, of=name)]
        return found

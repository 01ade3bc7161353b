"""Keepers of English auctions (`flip`): who bites vaults, bids on lots and takes what he has won, with finite money and gas.

    worth     w = market price of the lot's asset / that of what is bid x (1 - discount) x e^(spread z),   z normal, of each vault
    bid       up to w a unit, where it beats what stands (core/english.py: min(tab, w lot), then tab for tab / w units) and pays:
              units x market - what is bid - gas of bid and deal >= min_profit, and his free money and his gas price allow it
    gas       he bids `fee` a unit of gas, or with `most_fee` a tenth above the base fee up to that; below the base fee he waits
    nothing   he bids next to nothing, only on lots older than `after` on which nobody has bid
In every block at most `per_block` transactions: what he has won first, then bids in the order of lots, then bites. What stands
is set aside: he never outbids himself. Source: makerdao/auction-keeper (bids a price that a model of his own says, at a gas
price of its own); discount and fee can be estimated from auctions, the rest is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.bids import Bid, Deal, Tick
from delever.core.columns import Value
from delever.core.elementary import exp_, log_
from delever.core.english import BEG, is_over, may_bid, seconds, wanted
from delever.core.holdings import SPARE, Purses, account, afford, free
from delever.core.inventory import Inventory
from delever.core.jit import helper, kernel
from delever.core.phase import Kind, Phase, Resize
from delever.core.philox import cos_of_turn, philox, stream, uniform
from delever.core.route import usd_price
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import HOLDERS, NOBODY, OFFERED, Bids, Lots, Networks, Touched, Transactions, Tree
from delever.model.asset import USD
from delever.model.errors import InputError
from delever.model.quantity import Amount, Gwei, Seconds, Share, Text, Usd
from delever.model.references import known_asset
from delever.model.world import World

(HOLDER, DISCOUNT, SPREAD, FEE, MOST_FEE, NOTHING, AFTER, MIN_PROFIT, PER_BLOCK, BITES, NETWORK, PACE, INTO) = range(13)
LEAST_BID = 1e-9  # units: what is bid where next to nothing is; the contract takes any bid above 0
ABOVE = 1.1  # of the base fee, who follows it: assumption
TASTE = stream("actors.auction_keepers")


class AuctionKeepers(Actor):
    """A group of such keepers with common money."""

    kind: ClassVar[str] = "auction_keepers"
    bids: ClassVar[bool] = True
    buys_lots: ClassVar[bool] = True
    network: Text | None = Field(None, description="the chain on which he acts; null: the only one")
    capital: dict[str, Amount] = Field(examples=["{USD: 2m, ETH: 50}"], description="units at the start, gas money among them; "
                                       "assumption")
    discount: Share = Field(0.05, lt=1, description="what he takes off the market price of what he bids for")
    spread: float = Field(0.0, ge=0, lt=2, description="standard deviation of what a lot is worth to him, log price")
    fee: Gwei = Field(10.0, ge=0, description="what he bids a unit of gas, whatever others bid")
    most_fee: Gwei | None = Field(None, ge=0, description="follows the base fee up to this; null: he does not")
    nothing: bool = Field(False, description="bids next to nothing, where nobody has bid")
    after: Seconds = Field(0.0, description="age of a lot from which he bids; assumption")
    min_profit: Usd = Field(0.0, ge=0, description="profit after gas below which he does not bid; assumption")
    per_block: int = Field(100, gt=0, description="most transactions of his in a block; assumption")
    bites: bool = Field(True, description="bites unsafe vaults too, of whose lots he knows nothing then")
    pace: Usd | None = Field(None, gt=0, description="what he sells an hour of what he has won; null: nothing; assumption")
    into: Text = Field(USD, description="asset for which he sells it")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Assets of the world, and some money."""
        for asset in (*self.capital, self.into):
            known_asset(asset, world, (*path, "into" if asset not in self.capital else "capital"))
        if not sum(self.capital.values()) > 0.0:
            raise InputError("has no money", path=(*path, "capital"), remedy="state what he may bid, and what he pays gas with")
        if self.most_fee is not None and self.most_fee < self.fee:
            raise InputError("is below the fee that he bids in any case", path=(*path, "most_fee"), value=self.most_fee,
                             remedy=f"state at least {self.fee:g} gwei, or leave it out")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All groups."""
        rules, money, hour = [], [], 3600.0 / setting.step_length
        for name, s in specs.items():
            chain, holder = setting.network(s.network, "actors", name, "network"), setting.holder(name)
            rules.append([holder, s.discount, s.spread, s.fee, s.fee if s.most_fee is None else s.most_fee, s.nothing, s.after,
                          s.min_profit, s.per_block, s.bites, chain, (s.pace or 0.0) / hour, setting.layout.asset(s.into)])
            money += [(chain, holder, setting.layout.asset(a), units) for a, units in s.capital.items()]
        return Bidders(tuple(specs), np.array(rules, np.float64), money, setting)

    def says(self) -> str:
        """See Actor."""
        how = "bid next to nothing where nobody bids" if self.nothing else f"bid {self.discount:.2%} below the market"
        return f"assumed: {how}, with what money they have, at {self.fee:g} gwei"


class House(NamedTuple):
    """What is up for sale, and what a bidder must know to bid."""

    lots: Lots
    bids: Bids
    english: np.ndarray  # [protocols, terms]
    touched: Touched
    home: np.ndarray  # [protocols] network
    halted: np.ndarray  # [protocols, P] until when [s]
    kinds: np.ndarray  # [3] numbers of bid, deal, tick
    seed: np.ndarray  # [2] Philox key


class Means(NamedTuple):
    """What it costs, what it is worth, what he has."""

    networks: Networks
    tree: Tree
    price: np.ndarray  # [M, P] log
    purses: Purses


@helper
def gas_fee(rules: np.ndarray, base_fee: float) -> float:
    """What he bids a unit of gas [gwei]; below the base fee: he waits."""
    return max(rules[FEE], min(ABOVE * base_fee, rules[MOST_FEE]))


@helper
def gas_left(c: int, p: int, rules: np.ndarray, units: float, means: Means) -> bool:
    """Sets aside the gas of a transaction, units of gas; whether he has it and his gas price is enough."""
    base, native, k = means.networks.base_fee[c, p], means.networks.native[c], int(rules[HOLDER]) - HOLDERS
    fee = gas_fee(rules, base)
    cost = fee * units * 1e-9
    if fee < base or free(c, k + HOLDERS, native, p, means.purses) * (1.0 - SPARE) < cost:
        return False
    means.purses.reserved[c, k, native, p] += cost
    return True


@helper
def taste(k: int, first_path: int, rules: np.ndarray, house: House) -> float:
    """What a lot is worth to him more than to others: log price. Of one vault always the same."""
    if rules[SPREAD] == 0.0:
        return 0.0
    account = house.touched.account[house.lots.slot[k]]
    a, b, _, _ = philox(np.uint64(first_path + house.lots.path[k]), np.uint64(account), np.uint64(rules[HOLDER]), TASTE,
                        house.seed[0], house.seed[1])
    z: float = math.sqrt(-2.0 * log_(uniform(a))) * cos_of_turn(b)
    return rules[SPREAD] * z


@helper
def answer(k: int, first_path: int, now: float, rules: np.ndarray, house: House, means: Means) -> tuple[int, float, float]:
    """(0 bid, 1 deal, 2 tick, -1 nothing; what he brings, units he asks for) of one open lot."""
    lots, bids = house.lots, house.bids
    p, number, mine = lots.path[k], lots.protocol[k], bids.bidder[k] == int(rules[HOLDER])
    if is_over(bids.until[k], bids.ends[k], now):
        return (1, 0.0, lots.units[k]) if mine else (-1, 0.0, 0.0)
    if bids.bidder[k] == NOBODY and bids.ends[k] < now:
        return 2, 0.0, 0.0
    if mine or not may_bid(bids.until[k], bids.ends[k], now) or now - lots.started[k] < rules[AFTER]:
        return -1, 0.0, 0.0
    a, b = lots.get_asset[k], lots.give_asset[k]
    asset, money = usd_price(a, p, means.tree, means.price), usd_price(b, p, means.tree, means.price)
    if rules[NOTHING] > 0.0:
        give, units = (LEAST_BID, lots.units[k]) if bids.bidder[k] == NOBODY else (-1.0, 0.0)
    else:
        worth = asset / money * (1.0 - rules[DISCOUNT]) * exp_(taste(k, first_path, rules, house))
        give, units = wanted(worth, lots.units[k], bids.bid[k], lots.tab[k], house.english[number, BEG])
    if give <= 0.0:
        return -1, 0.0, 0.0
    c = house.home[number]
    gas = means.networks.gas[c, house.kinds[0]] + means.networks.gas[c, house.kinds[1]]
    fees = gas * gas_fee(rules, means.networks.base_fee[c, p]) * 1e-9
    profit = units * asset - give * money - fees * usd_price(means.networks.native[c], p, means.tree, means.price)
    return (0, give, units) if profit >= rules[MIN_PROFIT] else (-1, 0.0, 0.0)


@kernel
def attend(rules: np.ndarray, n_lots: int, first_path: int, time: float, active: np.ndarray, sent: np.ndarray,
           lacked: np.ndarray, house: House, means: Means, rows: Transactions, n: int) -> int:
    """What one group sends about open lots; the number of rows then. sent, lacked: [P] rows of his, bids he could not pay for."""
    lots, bids, purses, networks = house.lots, house.bids, means.purses, means.networks
    now, holder = seconds(time), int(rules[HOLDER])
    for won in (True, False):  # what he has won comes first
        for k in range(n_lots):
            p, number = lots.path[k], lots.protocol[k]
            c = house.home[number]
            if not lots.open[k] or house.english[number, BEG] == 0.0 or not active[p] or house.halted[number, p] > time:
                continue
            if c != int(rules[NETWORK]) or sent[p] >= rules[PER_BLOCK] or won != (
                    bids.bidder[k] == holder and is_over(bids.until[k], bids.ends[k], now)):
                continue
            what, give, get = answer(k, first_path, now, rules, house, means)
            if what < 0:
                continue
            b = lots.give_asset[k]
            if give > free(c, holder, b, p, purses) * (1.0 - SPARE):
                lacked[p] += 1
                continue
            if not gas_left(c, p, rules, networks.gas[c, house.kinds[what]], means):
                continue
            purses.reserved[c, holder - HOLDERS, b, p] += give
            rows.path[n], rows.protocol[n], rows.state[n], rows.ref[n], rows.network[n] = p, number, OFFERED, k, c
            rows.kind[n], rows.actor[n], rows.cause[n], rows.holds[n] = house.kinds[what], holder, lots.cause[k], 1
            rows.give_asset[n], rows.get_asset[n], rows.give[n], rows.get[n] = b, lots.get_asset[k], give, get
            rows.bid[n] = gas_fee(rules, networks.base_fee[c, p])
            sent[p] += 1
            n += 1
    return n


@kernel
def bite(rules: np.ndarray, first: int, last: int, bite_kind: np.ndarray, sent: np.ndarray, means: Means, rows: Transactions
         ) -> None:
    """Takes bites that nobody has taken. bite_kind: [protocols] kind of an unsafe vault of an auction house, else -1."""
    for i in range(first, last):
        c, p = rows.network[i], rows.path[i]
        if rows.state[i] != OFFERED or rows.actor[i] != NOBODY or rows.kind[i] != bite_kind[rows.protocol[i]]:
            continue
        if c != int(rules[NETWORK]) or sent[p] >= rules[PER_BLOCK] or not gas_left(
                c, p, rules, means.networks.gas[c, rows.kind[i]], means):
            continue
        rows.actor[i], rows.bid[i] = int(rules[HOLDER]), gas_fee(rules, means.networks.base_fee[c, p])
        sent[p] += 1


class Bidders(Phase):
    """All groups."""

    def __init__(self, names: Sequence[str], rules: np.ndarray, money: Sequence[tuple[int, int, int, float]], setting: Setting
                 ) -> None:
        """rules: [groups, columns]; money: (network, holder, asset, units) at the start."""
        self.names, self.rules, self.wanted = names, rules, np.zeros(
            (len(setting.networks), len(setting.world.actors), len(setting.layout.assets)))  # [N, actors, A]
        for c, holder, asset, units in money:
            self.wanted[c, holder - HOLDERS, asset] += units
        self.has_purse = np.zeros(HOLDERS + len(setting.world.actors), np.bool_)
        self.has_purse[rules[:, HOLDER].astype(np.int64)] = True
        self.sent = np.zeros((len(rules), setting.paths), np.int64)  # [groups, P] transactions in this block
        self.inventory, self.own = Inventory(self.wanted, setting.paths), (Bid(), Deal(), Tick())

    def kinds(self) -> Sequence[Kind]:
        """What is done about a lot, and sales of what was won."""
        return (*self.own, self.inventory.sale)

    def observe(self, state: State) -> None:
        """At first everybody opens his purse."""
        if state.step == 1:
            state.purses.held[:] += self.wanted[..., None]

    def offer(self, state: State) -> None:
        """In every block: bids and deals, the groups in their order, and inventory."""
        self.sent[:] = 0
        house, means = self.looks(state)
        for i, rules in enumerate(self.rules):
            k = int(rules[HOLDER]) - HOLDERS
            if state.n_lots:
                state.room_for_rows(2 * state.n_lots)
                state.n_rows = attend(rules, state.n_lots, state.first_path, state.time, state.active, self.sent[i],
                                      self.inventory.lacked[k], house, means, state.transactions, state.n_rows)
            self.inventory.offer(state, int(rules[HOLDER]), int(rules[INTO]), rules[PACE])

    def bid(self, state: State, first: int, last: int, resize: Resize) -> None:
        """Bites."""
        english = np.where(state.english[:, BEG] > 0.0, state.opens, -1)
        for i, rules in enumerate(self.rules):
            if rules[BITES] > 0.0:
                bite(rules, first, last, english, self.sent[i], self.looks(state)[1], state.transactions)

    def looks(self, state: State) -> tuple[House, Means]:
        """What everybody sees."""
        kinds = np.array([kind.number for kind in self.own])
        return (House(state.lots, state.bids, state.english, state.pool.touched, state.home, state.halts.liquidation, kinds,
                      state.seed), Means(state.networks, state.tree, state.markets.price, state.purses))

    def afford(self, state: State, kind: Kind, picked: np.ndarray) -> None:
        """What is bid comes out of a purse."""
        mine = picked[self.has_purse[state.transactions.actor[picked]]]
        if len(mine):
            kind.check(state, mine)
            afford(mine, state.transactions, state.purses)

    def wake(self, state: State) -> None:
        """The block is over: purses follow what it did."""
        account(state.n_rows, self.has_purse, state.transactions, state.networks, state.purses)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. For how many bids their money was too little, and what they have won and not sold."""
        return [value for name, rules in zip(self.names, self.rules, strict=True)
                for value in self.inventory.said(state, name, int(rules[HOLDER]), int(rules[INTO]))]

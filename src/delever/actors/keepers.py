"""Keepers: professional liquidators whose money, inventory and gas are finite, on each chain.

    profit(x) = value of what x gets - x price(give) - gas x base fee  [USD]   value: what selling it brings now; of what is kept,
                market price x (1 - discount).  x: the whole call, unless a part earns more (core/sizing.py)
    bid       = base fee + fee_share x max(profit, 0) / (gas x 1e-9 x price of the native asset), at most what his gas pays
    money     calls that earn >= min_profit are taken in the order of profit, each from what the ones before leave: his own where
              that covers it, else borrowed (flash: sold in the same transaction); then in part those that it did not cover
    bridge    what a call lacks on its chain (money, or gas) is sent for over the open bridge that is fastest, once at a time
    inventory what he has beyond his start is sold for `into`, `pace` USD an hour and asset, once a step
Source: Qin et al., An Empirical Study of DeFi Liquidations; money, patience and fees are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.actors.liquidators import SLACK, copy_row
from delever.core.bridging import Wants, send_for
from delever.core.columns import Value
from delever.core.holdings import BORROWED, SPARE, Purses, account, afford, free
from delever.core.inventory import Inventory
from delever.core.jit import kernel
from delever.core.phase import Kind, Phase, Resize
from delever.core.profile import Profiles
from delever.core.route import may_pay_more, quote_route, usd_price
from delever.core.setting import Setting
from delever.core.sizing import best_share
from delever.core.state import State
from delever.core.tables import HOLDERS, NOBODY, OFFERED, Markets, Networks, Transactions, Tree
from delever.model.asset import USD
from delever.model.errors import InputError
from delever.model.quantity import Amount, Share, Text, Usd
from delever.model.references import known_asset
from delever.model.world import World

HOLDER, FLASH, HOLDS, PRIVATE, MIN_PROFIT, FEE_SHARE, DISCOUNT, MUST_PAY, PACE, INTO = range(10)  # columns of the rules
LEFT, TAKEN, SHORT = range(3)  # Calls.taken: left to others, taken, lacks money or gas


class Keepers(Actor):
    """A group of keepers with common money."""

    kind: ClassVar[str] = "keepers"
    bids: ClassVar[bool] = True
    network: Text | None = Field(None, description="the chain on which `capital` lies; null: the only one")
    capital: dict[str, Amount] = Field({}, examples=["{USD: 2m, ETH: 50}"], description="units at the start; assumption")
    elsewhere: dict[str, dict[str, Amount]] = Field({}, description="units at the start on other chains, by chain; assumption")
    flash: bool = Field(True, description="borrows what he gives for the length of a transaction where his money falls short")
    inventory: Literal["dump", "hold"] = Field("dump", description="sells what he gets in the same transaction, or keeps it")
    discount: Share = Field(0.01, lt=1, description="what he takes off the market price of what he keeps; assumption")
    pace: Usd | None = Field(None, gt=0, description="inventory of an asset that he sells an hour; null: none; assumption")
    into: Text = Field(USD, description="asset for which he sells inventory")
    channel: Literal["public", "private"] = Field("public", description="private: what reverts costs nothing")
    min_profit: Usd = Field(0.0, ge=0, description="profit after gas below which he declines; assumption")
    fee_share: Share = Field(0.5, ge=0, le=1, description="share of the profit that he bids for room; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Assets of the world, and money where some is needed."""
        for place, money in ((("capital",), self.capital), *((("elsewhere", name), m) for name, m in self.elsewhere.items())):
            for asset in money:
                known_asset(asset, world, (*path, *place, asset))
        known_asset(self.into, world, (*path, "into"))
        if not self.flash and not any(sum(money.values()) > 0.0 for money in (self.capital, *self.elsewhere.values())):
            raise InputError("has no money", path=(*path, "capital"), remedy="state capital, or flash: true")
        if self.flash and world.execution.mode != "sequential":
            raise InputError("borrows in a batch", path=(*path, "flash"), value=True,
                             remedy="no sale of a batch is sure to repay: write flash: false, or execution.mode: sequential")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All groups."""
        rules, money = [], []
        for name, s in specs.items():
            holder, steps_an_hour = setting.holder(name), 3600.0 / setting.step_length
            rules.append([holder, s.flash, s.inventory == "hold", s.channel == "private", s.min_profit, s.fee_share, s.discount,
                          setting.sequential, (s.pace or 0.0) / steps_an_hour, setting.layout.asset(s.into)])
            places = [(setting.network(s.network, "actors", name, "network"), s.capital)]
            places += [(setting.network(at, "actors", name, "elsewhere", at), m) for at, m in s.elsewhere.items()]
            money += [(c, holder, setting.layout.asset(a), units) for c, m in places for a, units in m.items()]
            _has_gas(name, setting, {(c, a) for c, m in places for a, units in m.items() if units > 0.0})
        return Keeping(tuple(specs), np.array(rules, np.float64), money, setting)

    def quotes(self) -> bool:
        """See Actor."""
        return True

    def says(self) -> str:
        """See Actor."""
        return f"assumed: {'borrow or use' if self.flash else 'use'} their money, {self.inventory} what they get"


def _has_gas(name: str, setting: Setting, money: set[tuple[int, str]]) -> None:
    """Somewhere he can pay for a place in a block."""
    wanted = {(c, str(getattr(setting.world.networks.get(chain), "native", USD))) for c, chain in enumerate(setting.networks)}
    if any(setting.networks) and not money & wanted:
        asset = min(wanted)[1]
        raise InputError("has no gas money", path=("actors", name, "capital"),
                         remedy=f"whoever bids pays gas in the native asset of the chain: add {asset}")


class Calls(NamedTuple):
    """What one group looks at, sorted by path and profit."""

    row: np.ndarray  # [calls] its own copy of what is offered
    of: np.ndarray  # [calls] the row offered
    profit: np.ndarray  # [calls] [USD]
    taken: np.ndarray  # [calls]
    lacks: np.ndarray  # [calls] asset, where it lacks something
    missing: np.ndarray  # [calls] units of it


@kernel
def look(first: int, last: int, rules: np.ndarray, rows: Transactions, n: int, networks: Networks, tree: Tree, price: np.ndarray,
         of: np.ndarray) -> int:
    """Copy to rows n.. what of rows first..last-1 might pay where there is no slippage; the number of rows then."""
    begin = n
    for i in range(first, last):
        if rows.state[i] != OFFERED or rows.get_asset[i] < 0 or rows.give_asset[i] < 0:
            continue
        c, p = rows.network[i], rows.path[i]
        gas = networks.gas[c, rows.kind[i]] * networks.base_fee[c, p] * 1e-9
        owed = rows.give[i] * usd_price(rows.give_asset[i], p, tree, price)
        best = (rows.get[i] - rows.kept[i]) * usd_price(rows.get_asset[i], p, tree, price) - owed + SLACK * owed
        least = rules[MIN_PROFIT] + gas * usd_price(networks.native[c], p, tree, price)
        if rows.most[i] <= 0.0 and best < least and not may_pay_more(rows.get_asset[i], rows.give_asset[i], tree):
            continue
        copy_row(i, n, rows)
        of[n - begin] = i
        n += 1
    return n


@kernel
def worth(row: np.ndarray, rules: np.ndarray, rows: Transactions, networks: Networks, tree: Tree, profiles: Profiles,
          markets: Markets, purses: Purses, profit: np.ndarray) -> None:
    """The profit of each of these rows as it is sized; -inf where it cannot be so small."""
    for j in range(row.shape[0]):
        i, holder = row[j], int(rules[HOLDER])
        c, p, a, b, give = rows.network[i], rows.path[i], rows.get_asset[i], rows.give_asset[i], rows.give[i]
        profit[j] = -np.inf
        if rows.state[i] != OFFERED or (rows.most[i] > 0.0 and give > rows.most[i] * (1.0 + SLACK)):
            continue
        got, priced = rows.get[i] - rows.kept[i], usd_price(a, p, tree, markets.price)
        if give <= 0.0:
            value = got * priced
        elif rules[HOLDS] and (not rules[FLASH] or give <= free(c, holder, b, p, purses) * (1.0 - SPARE)):
            value = got * priced * (1.0 - rules[DISCOUNT])
        else:
            value = quote_route(p, a, b, got, tree, profiles, markets) * usd_price(b, p, tree, markets.price)
        gas = networks.gas[c, rows.kind[i]] * networks.base_fee[c, p] * 1e-9
        owed = give * usd_price(b, p, tree, markets.price)
        profit[j] = value - owed - gas * usd_price(networks.native[c], p, tree, markets.price)


@kernel
def allocate(calls: Calls, rules: np.ndarray, rows: Transactions, networks: Networks, tree: Tree, price: np.ndarray,
             purses: Purses) -> None:
    """Take, in their order, what pays and can be paid for: its money and its gas are set aside. What lacks something says so."""
    for j in range(calls.row.shape[0]):
        i, holder = calls.row[j], int(rules[HOLDER])
        if calls.taken[j] == TAKEN or not calls.profit[j] >= rules[MIN_PROFIT]:
            continue
        c, p, b, give = rows.network[i], rows.path[i], rows.give_asset[i], rows.give[i]
        native, k, units = networks.native[c], holder - HOLDERS, networks.gas[c, rows.kind[i]] * 1e-9
        money, own = free(c, holder, b, p, purses) * (1.0 - SPARE), rules[FLASH] == 0.0
        own = own or give <= money
        calls.taken[j], calls.lacks[j], calls.missing[j] = SHORT, b, give - money
        if own and give > money:
            continue
        fee = networks.base_fee[c, p]
        if units > 0.0:
            has = free(c, holder, native, p, purses) * (1.0 - SPARE) - (give if own and b == native else 0.0)
            fee += rules[FEE_SHARE] * max(calls.profit[j], 0.0) / (units * usd_price(native, p, tree, price))
            calls.lacks[j], calls.missing[j] = native, units * fee - has
            if has < units * networks.base_fee[c, p]:
                continue
            fee = min(fee, has / units)
            purses.reserved[c, k, native, p] += units * fee
        if own and give > 0.0:
            purses.reserved[c, k, b, p] += give
            rows.most[i] = give
        holds = own and rules[HOLDS] > 0.0
        rows.actor[i], rows.bid[i], rows.private[i], rows.holds[i] = holder, fee, np.int64(rules[PRIVATE]), holds
        rows.must_pay[i] = BORROWED if not own else 0 if holds else np.int64(rules[MUST_PAY])
        calls.taken[j], calls.lacks[j] = TAKEN, -1


class Keeping(Phase):
    """All groups of keepers."""

    def __init__(self, names: Sequence[str], rules: np.ndarray, money: Sequence[tuple[int, int, int, float]], setting: Setting
                 ) -> None:
        """rules: [groups, columns]; money: (network, holder, asset, units) at the start."""
        shape = (len(setting.networks), len(setting.world.actors), len(setting.layout.assets))
        self.rules, self.wanted = rules, np.zeros(shape)  # [N, actors, A]
        for c, holder, asset, units in money:
            self.wanted[c, holder - HOLDERS, asset] += units
        self.has_purse = np.zeros(HOLDERS + shape[1], np.bool_)
        self.has_purse[rules[:, HOLDER].astype(np.int64)] = True
        self.names, self.inventory = names, Inventory(self.wanted, setting.paths)

    def kinds(self) -> Sequence[Kind]:
        """Sales of inventory."""
        return (self.inventory.sale,)

    def observe(self, state: State) -> None:
        """At first everybody opens his purse."""
        if state.step == 1:
            state.purses.held[:] += self.wanted[..., None]

    def offer(self, state: State) -> None:
        """In every block: inventory."""
        for rules in self.rules[self.rules[:, HOLDS] > 0.0]:
            self.inventory.offer(state, int(rules[HOLDER]), int(rules[INTO]), rules[PACE])

    def bid(self, state: State, first: int, last: int, resize: Resize) -> None:
        """Each group decides, the one after the other."""
        for rules in self.rules:
            state.room_for_rows(2 * (last - first))
            begin, of = state.n_rows, np.empty(last - first, np.int64)
            state.n_rows = look(first, last, rules, state.transactions, begin, state.networks, state.tree, state.markets.price,
                                of)
            row = np.arange(begin, state.n_rows)
            if len(row):
                self.decide(state, rules, Calls(row, of[:len(row)], *self.size(state, rules, row, of[:len(row)], resize)), resize)

    def size(self, state: State, rules: np.ndarray, row: np.ndarray, of: np.ndarray, resize: Resize) -> tuple[np.ndarray, ...]:
        """The size at which each pays most: the other columns of Calls."""
        rows, profit = state.transactions, np.empty(len(row))
        resize(state, row[rows.most[of] > 0.0])  # of what another group takes a part
        whole = rows.give[row]

        def tried(places: np.ndarray, most: np.ndarray) -> np.ndarray:
            rows.state[row[places]], rows.most[row[places]] = OFFERED, most
            resize(state, row[places])
            out = np.empty(len(places))
            worth(row[places], rules, rows, state.networks, state.tree, state.profiles, state.markets, state.purses, out)
            return out

        worth(row, rules, rows, state.networks, state.tree, state.profiles, state.markets, state.purses, profit)
        share, profit = best_share(lambda places, shares: tried(places, shares * whole[places]), profit)
        tried(np.arange(len(row)), np.where(share < 1.0, share * whole, 0.0))
        return profit, np.zeros(len(row), np.int64), np.full(len(row), -1), np.zeros(len(row))

    def decide(self, state: State, rules: np.ndarray, calls: Calls, resize: Resize) -> None:
        """Take what can be paid for, then as much of the rest as can, and send for what is missing."""
        rows, begin, copies, holder = state.transactions, int(calls.row[0]), len(calls.row), int(rules[HOLDER])
        order = np.lexsort((calls.row, -calls.profit, rows.path[calls.row]))
        calls = Calls(*(column[order] for column in calls))
        known = (rules, rows, state.networks, state.tree)
        allocate(calls, *known, state.markets.price, state.purses)
        lacking, wanting = calls.lacks >= 0, calls.row[calls.lacks >= 0]
        np.add.at(self.inventory.lacked, (holder - HOLDERS, rows.path[wanting]), 1)
        wants = Wants(rows.path[wanting], rows.network[wanting], calls.lacks[lacking], calls.missing[lacking])
        short = np.flatnonzero(calls.taken == SHORT)
        if len(short):
            row, profit = calls.row[short], np.empty(len(short))
            place = rows.network[row], np.full(len(row), holder - HOLDERS), rows.give_asset[row], rows.path[row]
            left = np.maximum(state.purses.held[place] - state.purses.reserved[place], 0.0) * (1.0 - SPARE)
            rows.most[row] = np.minimum(left, rows.give[row])
            resize(state, row[left > 0.0])
            worth(row, *known, state.profiles, state.markets, state.purses, profit)
            calls.profit[short] = np.where(left > 0.0, profit, -np.inf)
            allocate(calls, *known, state.markets.price, state.purses)
        if len(wanting) and len(state.bridges.fee):
            state.n_rows = send_for(wants, holder, int(rules[PRIVATE]), rows, state.n_rows, state.networks, state.bridges,
                                    state.halts.bridge <= state.time, state.tree, state.markets.price, state.purses)
        self.put(state, begin, copies, calls)

    def put(self, state: State, begin: int, copies: int, calls: Calls) -> None:
        """Rows that are taken stand where they were offered, or behind the others; copies that are not taken are struck."""
        rows, end = state.transactions, state.n_rows
        taken = calls.taken == TAKEN
        here = taken & (rows.actor[calls.of] == NOBODY)
        stay = np.sort(np.concatenate((calls.row[taken & ~here], np.arange(begin + copies, end))))
        for column in rows:
            column[calls.of[here]] = column[calls.row[here]]
            column[begin:begin + len(stay)] = column[stay]
            column[begin + len(stay):end] = 0
        state.n_rows = begin + len(stay)

    def afford(self, state: State, kind: Kind, picked: np.ndarray) -> None:
        """What is not borrowed comes out of a purse, as it is sized at its slot."""
        mine = picked[self.has_purse[state.transactions.actor[picked]]]
        if len(mine):
            kind.check(state, mine)
            afford(mine, state.transactions, state.purses)

    def wake(self, state: State) -> None:
        """The block is over: purses follow what it did."""
        account(state.n_rows, self.has_purse, state.transactions, state.networks, state.purses)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. For how much their money was too little, and what they did not sell."""
        return [value for name, rules in zip(self.names, self.rules, strict=True)
                for value in self.inventory.said(state, name, int(rules[HOLDER]), int(rules[INTO]))]

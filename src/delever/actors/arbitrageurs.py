"""Arbitrageurs: who ties a perp to its underlying with what capital he has, on both markets at once.

    gap = u_perp - u_spot [log]:   < -threshold: buys perp and sells spot;   > threshold: sells perp and buys spot
    units = share x the base that moves the perp to spot's -+ threshold,
            at most `spot` when selling it, and at most what keeps |q| m <= leverage x E (E before the trade);
            none where that is no more than 1e-9 of what he would trade: equity that is rounding allows a crumb
His account is a margin account like any other: it can be liquidated or deleveraged, and `spot + q` then stands naked.
He does nothing while one of his markets is halted, and only closes while his exchange opens no positions.
Source: none; limits to arbitrage in the sense of Shleifer and Vishny (1997). All parameters are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import Column, Value, mean_of
from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.margin import close_leg, equity_of, move_cash
from delever.core.market import purchase_within, sale_within, settle_trade
from delever.core.phase import Phase
from delever.core.profile import Profiles, sold_at
from delever.core.route import best_purchase_within, route_halted, sell_for_usd
from delever.core.setting import Setting
from delever.core.state import Pool, State, Watch
from delever.core.tables import (
    ARBITRAGEURS,
    CASH,
    DEPOSITS,
    FUNDING,
    SLOTS,
    WRAPPER,
    Accounts,
    BookTables,
    Halts,
    Ledgers,
    Liquidity,
    Markets,
    Tree,
)
from delever.core.touch import enter_slots, slot_of, touch
from delever.model.errors import InputError
from delever.model.quantity import Amount, Ratio, Share, Text
from delever.model.references import known_name
from delever.model.world import World

CRUMB = 1e-9  # of what he would trade: not worth a trade
THRESHOLD, LEVERAGE, SHARE = range(3)  # columns of the rules
RESTS, CLOSES, FREE = range(3)  # what he may do on a path


class Desks(NamedTuple):
    """Arbitrageurs in a row. n: how many, P: paths."""

    account: np.ndarray  # [n] their accounts
    leg: np.ndarray  # [n] in which they hold the perp
    underlying: np.ndarray  # [n] asset that it follows
    rules: np.ndarray  # [n, 3] THRESHOLD, LEVERAGE, SHARE
    spot: np.ndarray  # [n, P] units of the underlying held outside
    earned: np.ndarray  # [n, P] what trading spot has brought [USD]
    market: np.ndarray  # [n] of the perp, -1: none
    exchange: np.ndarray  # [n] protocol


class Arbitrageurs(Actor):
    """One arbitrageur: an account with one position in a perp, and units of its underlying outside."""

    kind: ClassVar[str] = "arbitrageurs"
    exchange: Text = Field(examples=["hyperliquid"], description="exchange on which his account is")
    account: Text = Field(examples=["basis"], description="his account in its book, with one position")
    spot: Amount = Field(examples=[500], description="units of the underlying that he holds outside; assumption")
    threshold: Share = Field(examples=["0.1 %"], description="gap of log prices below which he does nothing; assumption")
    leverage: Ratio = Field(examples=[5], description="size of the position by equity that he does not exceed; assumption")
    share: Share = Field(1.0, gt=0, description="part of the way to the threshold that he goes in a block; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol of the world."""
        known_name(self.exchange, world.protocols, "protocol", (*path, "exchange"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All arbitrageurs."""
        return Arbitrage(specs, setting)

    def trades_for(self) -> tuple[tuple[str, str], ...]:
        """His own."""
        return ((self.exchange, self.account),)


@helper
def open_leg(slot: int, p: int, g: int, k: int, d: float, price: float, accounts: Accounts, ledgers: Ledgers) -> None:
    """Open d units (signed; none on the other side) at `price` [USD]: cash -= d (price - F), cost += d (price - F).

    The counterparty's side is the caller's.
    """
    touched, book, paid = accounts.touched, accounts.book, accounts.margins.paid
    r = book.reserve[g, k]
    usd = d * (price - paid[r, p])
    touched.amount[slot, k] += d
    touched.cost[slot, k] += usd
    ledgers.scaled[1, r, p] += d
    ledgers.size[r, p] += abs(d)
    ledgers.booked[DEPOSITS, r, p] += d
    ledgers.tokens[CASH, accounts.reserves.asset[r], p] += d
    move_cash(slot, p, g, -usd, touched, book, ledgers)
    ledgers.tokens[CASH, 0, p] -= usd
    ledgers.tokens[FUNDING, 0, p] -= d * paid[r, p]


@helper
def trade_perp(slot: int, p: int, g: int, k: int, d: float, accounts: Accounts, liquidity: Liquidity, ledgers: Ledgers
               ) -> None:
    """Buy d units (sell: d < 0) on the perp's market: what stands on the other side is closed first, the rest opens."""
    profiles, markets = liquidity.profiles, liquidity.markets
    r, q = accounts.book.reserve[g, k], accounts.touched.amount[slot, k]
    m = accounts.margins.market[r]
    if d > 0.0:
        usd, after = purchase_within(m, p, d, np.inf, profiles, markets)[1:]
    else:
        usd, after = sale_within(m, p, -d, 0.0, profiles, markets)[1:]
        usd = -usd
    settle_trade(m, p, -d, -usd, after, liquidity, ledgers)
    price, closed = usd / d, 0.0
    if q * d < 0.0:
        closed = q if abs(q) <= abs(d) else -d
        close_leg(slot, p, g, k, closed, price, -1, accounts, ledgers)
    if d + closed != 0.0:
        open_leg(slot, p, g, k, d + closed, price, accounts, ledgers)


@helper
def buy_for_usd(p: int, a: int, units: float, holder: int, liquidity: Liquidity, ledgers: Ledgers) -> tuple[float, float]:
    """Buy so many units of asset a, each market of its route selling what the one below costs: (USD paid, units bought).

    They are fewer where the first market has no more; what a later one lacks the holder owes.
    """
    tree, profiles, markets, tokens = liquidity.tree, liquidity.profiles, liquidity.markets, ledgers.tokens
    traded, amount = tree.unwrapped[a], units * tree.rate[a]
    for k in range(tree.length[a]):
        m = best_purchase_within(tree.chain[a, k], p, amount, tree, profiles, markets)
        done, cost, after = purchase_within(m, p, amount, np.inf, profiles, markets)
        if k == 0:
            if done < amount:
                units, amount = done / tree.rate[a], done
            if traded != a:
                tokens[holder, a, p] += units
                tokens[WRAPPER, a, p] -= units
                tokens[WRAPPER, traded, p] += amount
                tokens[holder, traded, p] -= amount
        done = min(done, amount)
        settle_trade(m, p, -done, -cost, after, liquidity, ledgers)
        tokens[holder, tree.base[m], p] += done
        tokens[holder, tree.quote[m], p] -= cost
        amount = cost
    return amount, units


@helper
def room_to(m: int, p: int, to: float, buying: bool, profiles: Profiles, markets: Markets) -> float:
    """Units that one can buy (sell) on an anchored market until its log price before fees is `to`."""
    w, r = exp_(-0.5 * (to - markets.exogenous[m, p])), markets.profile[m, p]
    s = sold_at(w, profiles.cells[r], profiles.node_w[r], profiles.sold[r], profiles.liquidity[r])
    if buying:
        return max(markets.consumed[m, p] - s, 0.0) * markets.depth[1, m, p] * (1.0 - markets.fee[1, m, p])
    return max(s - markets.consumed[m, p], 0.0) * markets.depth[0, m, p] / (1.0 - markets.fee[0, m, p])


@kernel
def what_they_may(desks: Desks, active: np.ndarray, halts: Halts, time: float, tree: Tree, may: np.ndarray) -> None:
    """RESTS, CLOSES or FREE, by arbitrageur and path. active: [P]; may: [n, P]."""
    market, exchange, underlying = desks.market, desks.exchange, desks.underlying
    for i in range(may.shape[0]):
        for p in range(may.shape[1]):
            m, may[i, p] = market[i], FREE if active[p] else RESTS
            if halts.opening[exchange[i], p] > time:
                may[i, p] = min(may[i, p], CLOSES)
            spot = route_halted(p, underlying[i], 0, -1, tree, halts.trading)
            if spot > time or (m >= 0 and halts.trading[m, p] > time):
                may[i, p] = RESTS


@kernel
def arbitrage(desks: Desks, may: np.ndarray, accounts: Accounts, liquidity: Liquidity, ledgers: Ledgers, watch: Watch,
              pool: Pool) -> None:
    """Every arbitrageur on every path where he may. may: [n, P]."""
    account, leg, underlying, rules, spot, earned, _, _ = desks
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    tree, profiles, markets = liquidity.tree, liquidity.profiles, liquidity.markets
    for i in range(account.shape[0]):
        g, k, a = book.signature[account[i]], leg[i], underlying[i]
        r = book.reserve[g, k]
        m = margins.market[r]
        if m < 0 or not profiles.has_venue[m]:
            continue
        for p in range(may.shape[1]):
            if may[i, p] == RESTS:
                continue
            outside = tree.log_rate[a]
            for t in range(tree.length[a]):
                outside += markets.price[tree.chain[a, t], p]
            gap = markets.price[m, p] - outside
            if abs(gap) <= rules[i, THRESHOLD]:
                continue
            buying = gap < 0.0
            slot = slot_of(p, account[i], watch)
            if slot >= 0:
                held, equity = touched.amount[slot, k], equity_of(slot, p, g, touched.amount, book, margins, price)[0]
            else:
                held, equity = book.amount[account[i], k], equity_of(account[i], p, g, book.amount, book, margins, price)[0]
            allowed = rules[i, LEVERAGE] * max(equity, 0.0) / price[p, r]
            to = outside - rules[i, THRESHOLD] if buying else outside + rules[i, THRESHOLD]
            wanted = rules[i, SHARE] * room_to(m, p, to, buying, profiles, markets)
            units = min(wanted, max(allowed - held if buying else allowed + held, 0.0))
            if may[i, p] == CLOSES:
                units = min(units, max(-held if buying else held, 0.0))
            if buying:
                units = min(units, spot[i, p])
            if not units > CRUMB * wanted:
                continue
            slot = touch(p, account[i], book, watch, pool)
            trade_perp(slot, p, g, k, units if buying else -units, accounts, liquidity, ledgers)
            if buying:
                usd, units = sell_for_usd(p, a, units, ARBITRAGEURS, liquidity, ledgers)
                earned[i, p] += usd
                spot[i, p] -= units
            else:
                usd, units = buy_for_usd(p, a, units, ARBITRAGEURS, liquidity, ledgers)
                earned[i, p] -= usd
                spot[i, p] += units


NAKED = Column("naked", "units", "spot and perp of this arbitrageur together at the end", mean_of(
    "naked", "spot and perp of this arbitrageur together at the end, units of what the perp follows"),
    section="Arbitrageurs: what stands naked at the end")


class Arbitrage(Phase):
    """All arbitrageurs. n: how many, R: reserves, P: paths."""

    def __init__(self, specs: Mapping[str, Arbitrageurs], setting: Setting) -> None:
        self.names = tuple(specs)
        book, follows = setting.book, {m: asset for m, asset, _ in setting.layout.follows}
        who = np.array([setting.account(spec.exchange, spec.account, "actors", name, "account")
                        for name, spec in specs.items()], np.int64)
        leg = np.array([_only_leg(name, spec, number, book)
                        for (name, spec), number in zip(specs.items(), who, strict=True)], np.int64)
        underlying = np.array([follows.get(int(m), 0) for m in setting.margins.market])  # [R] asset that the perp follows
        rules = np.array([[s.threshold, s.leverage, s.share] for s in specs.values()])
        spot = np.repeat(np.array([s.spot for s in specs.values()])[:, None], setting.paths, axis=1)
        held = book.reserve[book.signature[who], leg]
        linear = {m for m, _, sense in setting.layout.follows if sense > 0.0}
        for (name, spec), r in zip(specs.items(), held, strict=True):
            if int(setting.margins.market[r]) not in linear:
                raise InputError("has no linear perp", f"actors.{name}.account", spec.account,
                                 "he trades linear perps, which his spot hedges unit by unit")
        self.desks = Desks(who, leg, underlying[held].astype(np.int64), rules, spot, np.zeros((len(who), setting.paths)),
                           setting.margins.market[held].astype(np.int64),
                           np.array([setting.protocol(spec.exchange) for spec in specs.values()], np.int64))
        self.may = np.zeros((len(who), setting.paths), np.int64)  # [n, P] what each may do in this block

    def trade(self, state: State) -> None:
        """Once a block, on the paths that take part; state.seen.price is fresh on them."""
        enter_slots(state)
        state.room_for_slots(int(state.watch.counts[SLOTS]) + self.desks.spot.size)
        what_they_may(self.desks, state.active, state.halts, state.time, state.tree, self.may)
        arbitrage(self.desks, self.may, state.accounts, state.liquidity, state.ledgers, state.watch, state.pool)

    def naked(self, state: State) -> dict[str, np.ndarray]:
        """What of each arbitrageur stands naked: spot + q [P], units of the underlying."""
        enter_slots(state)
        out = self.desks.spot.copy()
        for i, (account, leg) in enumerate(zip(self.desks.account, self.desks.leg, strict=True)):
            for p in range(state.paths):
                slot = slot_of(p, account, state.watch)
                out[i, p] += state.pool.touched.amount[slot, leg] if slot >= 0 else state.book.amount[account, leg]
        return dict(zip(self.names, out, strict=True))

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What of each stands naked."""
        return [Value(NAKED, units, of=name) for name, units in self.naked(state).items()]


def _only_leg(name: str, spec: Arbitrageurs, account: int, book: BookTables) -> int:
    """The leg of the one position of an account."""
    g, first = book.signature[account], int(book.first_debt[0])
    if not book.margin[g] or book.debts[g] != 1:
        held = int(book.debts[g]) if book.margin[g] else 0
        raise InputError(f"has {held} positions", f"actors.{name}.account", spec.account,
                         "his account holds one perp, which he trades against its underlying")
    return first

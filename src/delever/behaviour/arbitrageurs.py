"""Arbitrageurs: who ties a perp to its underlying with what capital he has, on both markets at once.

    gap = u_perp - u_spot [log]:   < -threshold: buys perp and sells spot;   > threshold: sells perp and buys spot
    units = share x the base that moves the perp to spot's -+ threshold,
            at most `spot` when selling it, and at most what keeps |q| m <= leverage x E (E before the trade)
His account is a margin account like any other: it can be liquidated or deleveraged, and `spot + q` then stands naked.
Source: none; limits to arbitrage in the sense of Shleifer and Vishny (1997). All parameters are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Phase, Value, mean_of
from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.margin import close_leg, equity_of, move_cash
from delever.core.market import purchase_within, sale_within, sell_for_usd, settle_trade
from delever.core.profile import Profiles, sold_at
from delever.core.state import Markets, Pool, State, Tree, Watch
from delever.core.tables import (
    ARBITRAGEURS,
    CASH,
    DEPOSITS,
    FUNDING,
    SLOTS,
    WRAPPER,
    BookTables,
    Ledgers,
    Margins,
    Reserves,
    Touched,
)
from delever.core.touch import enter_slots, slot_of, touch
from delever.model.errors import InputError
from delever.model.quantity import Amount, Ratio, Share, Text
from delever.model.spec import Spec

THRESHOLD, LEVERAGE, SHARE = range(3)  # columns of the rules


class Arbitrageurs(Spec):
    """One arbitrageur: an account with one position in a perp, and units of its underlying outside."""

    kind: ClassVar[str] = "arbitrageurs"
    exchange: Text = Field(examples=["hyperliquid"], description="exchange on which his account is")
    account: Text = Field(examples=["basis"], description="his account in its book, with one position")
    spot: Amount = Field(examples=[500], description="units of the underlying that he holds outside; assumption")
    threshold: Share = Field(examples=["0.1 %"], description="gap of log prices below which he does nothing; assumption")
    leverage: Ratio = Field(examples=[5], description="size of the position by equity that he does not exceed; assumption")
    share: Share = Field(1.0, gt=0, description="part of the way to the threshold that he goes in a block; assumption")


@helper
def open_leg(slot: int, p: int, g: int, k: int, d: float, price: float, touched: Touched, book: BookTables,
             reserves: Reserves, margins: Margins, ledgers: Ledgers) -> None:
    """Open d units (signed; none on the other side) at `price` [USD]: cash -= d (price - F), cost += d (price - F).

    The counterparty's side is the caller's.
    """
    r = book.reserve[g, k]
    usd = d * (price - margins.paid[r, p])
    touched.amount[slot, k] += d
    touched.cost[slot, k] += usd
    ledgers.scaled[1, r, p] += d
    ledgers.booked[DEPOSITS, r, p] += d
    ledgers.tokens[CASH, reserves.asset[r], p] += d
    move_cash(slot, p, g, -usd, touched, book, ledgers)
    ledgers.tokens[CASH, 0, p] -= usd
    ledgers.tokens[FUNDING, 0, p] -= d * margins.paid[r, p]


@helper
def trade_perp(slot: int, p: int, g: int, k: int, d: float, touched: Touched, book: BookTables, reserves: Reserves,
               margins: Margins, tree: Tree, profiles: Profiles, markets: Markets, ledgers: Ledgers) -> None:
    """Buy d units (sell: d < 0) on the perp's market: what stands on the other side is closed first, the rest opens."""
    r, q = book.reserve[g, k], touched.amount[slot, k]
    m = margins.market[r]
    if d > 0.0:
        usd, after = purchase_within(m, p, d, np.inf, profiles, markets)[1:]
    else:
        usd, after = sale_within(m, p, -d, 0.0, profiles, markets)[1:]
        usd = -usd
    settle_trade(m, p, -d, -usd, after, tree, profiles, markets, ledgers.tokens, ledgers.turnover)
    price, closed = usd / d, 0.0
    if q * d < 0.0:
        closed = q if abs(q) <= abs(d) else -d
        close_leg(slot, p, g, k, closed, price, -1, touched, book, reserves, margins, ledgers)
    if d + closed != 0.0:
        open_leg(slot, p, g, k, d + closed, price, touched, book, reserves, margins, ledgers)


@helper
def buy_for_usd(p: int, a: int, units: float, holder: int, tree: Tree, profiles: Profiles, markets: Markets,
                tokens: np.ndarray, gross: np.ndarray) -> float:
    """Buy exactly so many units of asset a, each market of its route selling what the one below costs; the USD paid."""
    traded, amount = tree.unwrapped[a], units * tree.rate[a]
    if traded != a:
        tokens[holder, a, p] += units
        tokens[WRAPPER, a, p] -= units
        tokens[WRAPPER, traded, p] += amount
        tokens[holder, traded, p] -= amount
    for k in range(tree.length[a]):
        m = tree.chain[a, k]
        cost, after = purchase_within(m, p, amount, np.inf, profiles, markets)[1:]
        settle_trade(m, p, -amount, -cost, after, tree, profiles, markets, tokens, gross)
        tokens[holder, tree.base[m], p] += amount
        tokens[holder, tree.quote[m], p] -= cost
        amount = cost
    return amount


@helper
def room_to(m: int, p: int, to: float, buying: bool, profiles: Profiles, markets: Markets) -> float:
    """Units that one can buy (sell) on an anchored market until its log price before fees is `to`."""
    w = exp_(-0.5 * (to - markets.exogenous[m, p]))
    s = sold_at(w, profiles.cells[m], profiles.node_w[m], profiles.sold[m], profiles.liquidity[m])
    if buying:
        return max(markets.consumed[m, p] - s, 0.0) * markets.depth[1, m, p] * (1.0 - profiles.fee_out[m])
    return max(s - markets.consumed[m, p], 0.0) * markets.depth[0, m, p] / (1.0 - profiles.fee_in[m])


@kernel
def arbitrage(account: np.ndarray, leg: np.ndarray, underlying: np.ndarray, rules: np.ndarray, spot: np.ndarray,
              earned: np.ndarray, active: np.ndarray, book: BookTables, reserves: Reserves, margins: Margins, tree: Tree,
              profiles: Profiles, markets: Markets, ledgers: Ledgers, watch: Watch, pool: Pool, price: np.ndarray) -> None:
    """Every arbitrageur on every active path. account, leg, underlying: [n]; rules: [n, 3]; spot, earned: [n, P].

    price: [P, R] seen levels [USD].
    """
    touched = pool.touched
    for i in range(account.shape[0]):
        g, k, a = book.signature[account[i]], leg[i], underlying[i]
        r = book.reserve[g, k]
        m = margins.market[r]
        if m < 0 or not profiles.has_venue[m]:
            continue
        for p in range(active.shape[0]):
            if not active[p]:
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
            units = rules[i, SHARE] * room_to(m, p, to, buying, profiles, markets)
            units = min(units, max(allowed - held if buying else allowed + held, 0.0))
            if buying:
                units = min(units, spot[i, p])
            if not units > 0.0:
                continue
            slot = touch(p, account[i], book, watch, pool)
            trade_perp(slot, p, g, k, units if buying else -units, touched, book, reserves, margins, tree, profiles,
                       markets, ledgers)
            if buying:
                earned[i, p] += sell_for_usd(p, a, units, ARBITRAGEURS, tree, profiles, markets, ledgers.tokens,
                                             ledgers.turnover)
                spot[i, p] -= units
            else:
                earned[i, p] -= buy_for_usd(p, a, units, ARBITRAGEURS, tree, profiles, markets, ledgers.tokens,
                                            ledgers.turnover)
                spot[i, p] += units


NAKED = Column("naked", "units", "spot and perp of this arbitrageur together at the end", mean_of(
    "naked", "spot and perp of this arbitrageur together at the end, units of what the perp follows"),
    section="Arbitrageurs: what stands naked at the end")


class Arbitrage(Phase):
    """All arbitrageurs. n: how many, R: reserves, P: paths."""

    def __init__(self, specs: Mapping[str, Arbitrageurs], account: Sequence[int], book: BookTables, underlying: np.ndarray,
                 paths: int) -> None:
        """account: [n] numbers of their accounts; underlying: [R] asset that the perp of a reserve follows."""
        self.names, self.account = tuple(specs), np.array(account, np.int64)
        self.leg = np.array([_only_leg(name, spec, number, book)
                             for (name, spec), number in zip(specs.items(), account, strict=True)], np.int64)
        self.underlying = underlying[book.reserve[book.signature[self.account], self.leg]].astype(np.int64)
        self.rules = np.array([[s.threshold, s.leverage, s.share] for s in specs.values()])
        self.spot = np.repeat(np.array([s.spot for s in specs.values()])[:, None], paths, axis=1)  # [n, P] units
        self.earned = np.zeros((len(self.account), paths))  # [n, P] what trading spot has brought [USD]

    def arbitrage(self, state: State) -> None:
        """Once a block, on the paths that take part; state.seen.price is fresh on them."""
        enter_slots(state)
        state.room_for_slots(int(state.watch.counts[SLOTS]) + self.spot.size)
        arbitrage(self.account, self.leg, self.underlying, self.rules, self.spot, self.earned, state.active, state.book,
                  state.reserves, state.margins, state.tree, state.profiles, state.markets, state.ledgers, state.watch,
                  state.pool, state.seen.price)

    def naked(self, state: State) -> np.ndarray:
        """What of each arbitrageur stands naked: spot + q [n, P], units of the underlying."""
        enter_slots(state)
        out = self.spot.copy()
        for i, (account, leg) in enumerate(zip(self.account, self.leg, strict=True)):
            for p in range(state.paths):
                slot = slot_of(p, account, state.watch)
                out[i, p] += state.pool.touched.amount[slot, leg] if slot >= 0 else state.book.amount[account, leg]
        return out

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What of each stands naked."""
        return [Value(NAKED, units, of=name) for name, units in zip(self.names, self.naked(state), strict=True)]


def _only_leg(name: str, spec: Arbitrageurs, account: int, book: BookTables) -> int:
    """The leg of the one position of an account."""
    g, first = book.signature[account], int(book.first_debt[0])
    if not book.margin[g] or book.debts[g] != 1:
        held = int(book.debts[g]) if book.margin[g] else 0
        raise InputError(f"has {held} positions", f"arbitrageurs.{name}.account", spec.account,
                         "his account holds one perp, which he trades against its underlying")
    return first

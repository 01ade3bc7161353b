"""What protocols are worth at their oracles' prices, at the market's, and at what collateral would fetch: now, and after a shock.

    debt_i, collateral_i   of an account: what it owes, and what stands against it. Lending: its legs. Exchanges: what its cash
                           and positions are below 0, against its coins; cash and positions above 0 are collateral
    short_i                max(debt_i - collateral_i, 0)                                                 at the oracle's prices
                           the same                                                                       at the market's
                           max(debt_i - fetched_i, 0)                                                     at exit
    equity of a protocol   what it is owed and will get - what it owes = - sum short_i                    its funds stand beside
    gap                    equity at the oracle's prices - equity at exit

At exit everybody who owes sells for what he owes, all at once, and no more than he must:

    share_i    = min(1, debt_i / X_i),   X_i = sum of units c of collateral x (share d of the debt) x b(c, d)
    b(c, d)    units of d that one of c brings along its markets: the mean price there of all that is sold (pro rata)
    fetched_i  = min(debt_i, X_i)

the least such shares: b starts at the market's and falls as more is sold, until nothing changes. Of exchanges the positions of
accounts below maintenance margin are closed on their books first, longs and shorts each at their mean price; all others stay, at
the market's. Lenders are owed what is lent and the cash, so what is owed by accounts that a book lacks counts as good.
Units of debt count at the market's price. Assumptions: nobody trades back meanwhile; depth is that of the start; see exits.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.exits import Exits
from delever.analysis.sellers import BASES, EXIT, Flows, Sellers, sellers_of
from delever.analysis.shocks import FIVES, Shocks, Walk
from delever.analysis.solvency_tables import accounts_table, figures, markets_table, unsold_table
from delever.analysis.tables import Column, table
from delever.analysis.valuation import market_of, sensitivity
from delever.analysis.walls import joint_of
from delever.core.jit import interpreted
from delever.model.errors import InputError
from delever.model.world import World
from delever.protocols.base import unseen_of
from delever.run.assemble import Model, assemble
from delever.run.plots import short_by_protocol
from delever.run.result import Result

Shock = Shocks | Mapping[str, Shocks]
ROUNDS = 2000  # of falling prices, at most
STILL = 1e-13  # share of a price that is no change


@dataclass(frozen=True, repr=False)
class Solvency(Result):
    """What protocols are worth, and what exit prices take.

    table: a row a shock and protocol; the first shock is none. totals: a row a shock. accounts: who is short at exit after the
    last shock. markets: what is sold and bought there, a row a shock, market and way. unsold: what cannot be sold at all.
    """

    table: pa.Table
    totals: pa.Table
    accounts: pa.Table
    markets: pa.Table
    unsold: pa.Table
    shock: str  # as it was asked for; empty: none
    said: tuple[str, ...] = ()  # how the moves came about, and what is taken for granted in this world

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: what is short by protocol."""
        return short_by_protocol(alt, self.table)

    def __repr__(self) -> str:
        last = self.totals.to_pylist()[-1]
        count, when = len(set(self.table["protocol"].to_pylist())), f" after {self.shock}" if self.shock else ""
        return (f"Solvency of {count} protocol{'s' * (count > 1)}{when}: equity {last['equity_oracle_usd']:,.0f} USD at the "
                f"oracles' prices, {last['equity_exit_usd']:,.0f} at exit")


def solvency(world: World, shock: Shock | None = None, asset: str | None = None) -> Solvency:
    """Equity of every protocol at three prices, now and after a shock.

    shock: as the wall's: "ETH -30 %", "all -20 %", "factor ETH -30 %", "12 March 2020", ranges too, or shocks by asset; with
    `asset` of that alone: "-30%". InputError: what the wall refuses.
    """
    return solvency_of(assemble(world), shock, asset)


def solvency_of(model: Model, shock: Shock | None, asset: str | None = None, walk: Walk = FIVES) -> Solvency:
    """The same for a world that is assembled already."""
    if shock is None and asset is not None:
        raise InputError("is shocked by nothing", "asset", asset, 'say how: shock "-30%"')
    names, moves, lead, said = tuple[str, ...](), np.zeros((1, 0)), 0, tuple[str, ...]()
    if shock is not None:
        joint = joint_of(model, asset, shock, walk)
        some = joint.moves[(joint.moves != 0.0).any(axis=1)]
        names, moves, lead, said = joint.assets, np.vstack([np.zeros(len(joint.assets)), some]), joint.lead, joint.said
    with interpreted(0):  # a few trades: Python is sooner done than the compiler is loaded
        looks = [look_at(model, *prices_after(model, names, each), float(each[lead]) if names else 0.0) for each in moves]

    def every(name: str) -> pa.Table:
        return pa.concat_tables([getattr(look, name) for look in looks])

    return Solvency(every("table"), every("totals"), looks[-1].accounts, every("markets"), every("unsold"), _asked(shock, asset),
                    (*said, *_granted(model)))


def _asked(shock: Shock | None, asset: str | None) -> str:
    """The shock as it was asked for, in words."""
    if shock is None:
        return ""
    if isinstance(shock, Mapping):
        return ", ".join(f"{name} {_asked(how, None)}" for name, how in shock.items())
    moves = [] if isinstance(shock, str) else np.atleast_1d(np.array(shock, float)).tolist()
    said = shock if isinstance(shock, str) else ", ".join(f"{100.0 * move:+.4g} %" for move in moves)
    return said if asset is None else f"{asset} {said}"


def prices_after(model: Model, names: tuple[str, ...], moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log moves of outside prices [M], and what protocols see of reserves [R] USD, once these assets have moved so."""
    e = np.zeros(len(model.layout.markets))
    for name, move in zip(names, moves, strict=True):
        e[model.layout.markets.index(name)] += np.log1p(move)
    if not names:
        return e, model.seen_price()
    seen = sensitivity(model)[:, [market_of(model, name, "shock") for name in names]]
    return e, model.seen_price(seen @ np.log1p(moves))


def _granted(model: Model) -> list[str]:
    """What is taken for granted of this world."""
    endless = [pair for pair, venue in zip(model.layout.pairs, model.venues, strict=False) if venue is None]
    unseen = unseen_of(model.world)
    return [*([f"no venue, so that any amount trades at the price: {', '.join(endless)}"] if endless else []),
            *(f"{name}: loans count as they stand in the book, {what} is left out" for name, what in unseen)]


@dataclass(frozen=True)
class Look:
    """After one shock; see Solvency."""

    table: pa.Table
    totals: pa.Table
    accounts: pa.Table
    markets: pa.Table
    unsold: pa.Table


def look_at(model: Model, e: np.ndarray, seen: np.ndarray, shock: float) -> Look:
    """The world after outside prices have moved by e [M] logs, protocols seeing `seen` [R] USD. shock: of the lead, share."""
    exits, count = Exits(model, e), len(model.world.protocols)
    sellers = sellers_of(model, exits, seen)
    worth, flows = fetched(sellers, exits, np.ones(len(sellers.protocol), np.bool_))
    shorts = {basis: short(sellers.debt[basis], worth if basis == EXIT else sellers.collateral[basis]) for basis in BASES}
    alone = np.zeros(count)
    for number in range(count):
        mine = sellers.protocol == number
        if mine.any():
            brings = worth if mine.all() else fetched(sellers, exits, mine)[0]
            alone[number] = float(short(sellers.debt[EXIT], brings)[mine].sum())
    rows = figures(model, exits, seen, sellers, worth, shorts, alone)
    totals = [column._replace(values=[np.sum(column.values)]) for column in rows if column.name != "equity_alone_usd"]
    at = Column("shock", "share", np.full(count, shock), "move of what is shocked, of several of the lead")
    return Look(table(at, Column("protocol", "", list(model.world.protocols), kind=pa.string()), *rows),
                table(at._replace(values=[shock]), *totals), accounts_table(model, sellers, worth, shorts),
                markets_table(model, exits, flows | sellers.closed, shock),
                unsold_table(model, exits, sellers, flows | sellers.closed, shock))


def fetched(sellers: Sellers, exits: Exits, who: np.ndarray) -> tuple[np.ndarray, Flows]:
    """X_i [A] USD, where those of `who` [A] sell what they must, and what goes through each market."""
    count, selling = len(sellers.protocol), who[sellers.of]
    brings, flows = exits.trade(sellers.ways, np.zeros(len(sellers.ways)))
    for _ in range(ROUNDS):
        room = np.bincount(sellers.of, sellers.units * brings[sellers.way] * sellers.price, count)
        must = (sellers.debt[EXIT] - sellers.cash) / np.where(room > 0.0, room, 1.0)
        share = np.where(room > 0.0, np.clip(must, 0.0, 1.0), 1.0)  # who gets nothing for all he has offers all of it
        sold = np.bincount(sellers.way[selling], (sellers.units * share[sellers.of])[selling], len(sellers.ways))
        before, (brings, flows) = brings, exits.trade(sellers.ways, sold)
        if (np.abs(brings - before) <= STILL * before).all():
            break
    return np.bincount(sellers.of, sellers.units * brings[sellers.way] * sellers.price, count) + sellers.cash, flows


def short(debt: np.ndarray, against: np.ndarray) -> np.ndarray:
    """max(debt - against, 0); what is below nothing counts as nothing."""
    return np.asarray(np.maximum(debt - np.maximum(against, 0.0), 0.0))

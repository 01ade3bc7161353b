"""A recursive position: what rounds of borrowing and buying make of some equity at a world's venues, and the ways out of it.

    round k        borrows ltv x what the last one added, at seen prices; sells it on the venues as the last one left them
    leverage       collateral / (collateral - debt);  without slippage 1 + ltv + .. + ltv^n
    health         HF = threshold x collateral / debt
    called from    a fall of 1 - 1/HF of the collateral against the debt
    lost beyond    D* = max(1 - 1/HF, 1 - (1 + b) threshold / HF), b the incentive: there the collateral no longer pays debt and
                   incentive, and a call leaves bad debt
    flash until    1 - debt / what all the collateral brings: the fall at which one sale of all of it just repays, if venues fall
                   with the price and keep their depth
    a round out    takes out what health 1 leaves free, (threshold x collateral - debt) / threshold, sells it, repays
Source: derived; the frontier agrees with the toxic frontier of a fixed spread, where debt over collateral is 1 / (1 + b) (Warmuz,
Chaudhary, Pinna, Toxic liquidation spirals, 2022). Seen prices stay, venues do not recover between rounds; nobody else trades.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.actors.recursive import way_out
from delever.analysis.limit_terms import Term, terms_of
from delever.analysis.tables import Column, table
from delever.analysis.valuation import legs_of
from delever.core.jit import interpreted
from delever.core.route import quote_route
from delever.core.tables import OWNERS
from delever.engine.trade import Trading
from delever.model.errors import InputError, nearest
from delever.model.world import World
from delever.run.assemble import Model, assemble, phases
from delever.run.result import Result
from delever.run.start import new_state

MOST = 1000  # rounds
LITTLE = 1e-9  # of what is held or owed: no round is smaller


@dataclass(frozen=True, repr=False)
class Loop(Result):
    """One position. rounds: a row a round in, the first is the equity alone; out: a row a way out."""

    protocol: str
    collateral: str
    debt: str
    ltv: float
    threshold: float
    incentive: float  # b
    rounds: pa.Table
    out: pa.Table
    held: float  # units of the collateral
    owed: float  # units of the debt
    leverage: float
    health: float
    called: float  # fall from which it may be called; share
    lost: float  # fall beyond which a call leaves bad debt: D*
    entry_cost: float  # share of the equity

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.rounds

    def __repr__(self) -> str:
        return (f"<Loop {self.collateral}/{self.debt} on {self.protocol}: leverage {self.leverage:.2f}, "
                f"health {self.health:.3f}, called from -{self.called:.2%}, lost beyond -{self.lost:.2%}>")

    def legs(self, accounts: int = 1, name: str = "loop") -> pa.Table:
        """Rows of a book: so many accounts of this position each."""
        rows = [{"account": f"{name}{i}", "asset": asset, "side": side, "amount": units} for i in range(accounts)
                for asset, side, units in ((self.collateral, "collateral", self.held), (self.debt, "debt", self.owed))]
        return pa.Table.from_pylist(rows)


def loop(world: World, protocol: str | None, collateral: str, debt: str, equity: float, rounds: int = 12, ltv: float | None = None
         ) -> Loop:
    """Enter a recursive position now, and see the ways out.

    protocol: the world's only one that lends if None; equity: units of the collateral; ltv: share of what a round added that the
    next borrows, the protocol's own if None.
    InputError: nobody can take such a loan there, or a number has no meaning.
    """
    if not 0 <= rounds <= MOST:
        raise InputError(f"is not from 0 to {MOST}", "rounds", rounds, "say how often he borrows and buys")
    if not 0.0 < equity < float("inf"):
        raise InputError("is no amount", "equity", equity, "say with how many units of the collateral he begins")
    if protocol is None and len(world.lending) != 1:
        raise InputError("is not told", "protocol", None, f"say on which: {', '.join(world.lending)}")
    with interpreted(rounds + 1):
        model = assemble(world.replace("scenario.paths", 1))
        term = term_of(model, protocol or next(iter(world.lending)), collateral, debt)
        share = term.ltv if ltv is None else ltv
        if not 0.0 < share < term.threshold:
            what = "is not stated there" if ltv is None else f"is not above 0 and below the threshold of {term.threshold:g}"
            raise InputError(what, "ltv", ltv, "say what share a round borrows: at the threshold it may be called at once")
        return entered(model, term, debt, equity, rounds, share)


def term_of(model: Model, protocol: str, collateral: str, debt: str) -> Term:
    """Of the collateral on the protocol; that and the debt are in its book."""
    found = {(term.protocol, term.asset): term for term in terms_of(model, legs_of(model)) if not term.category}
    if protocol not in model.world.lending:
        raise InputError("unknown lending protocol", "protocol", protocol, nearest(protocol, model.world.lending))
    if (protocol, collateral) not in found:
        raise InputError(f"is no collateral that somebody has on {protocol}", "collateral", collateral,
                         nearest(collateral, [asset for of, asset in found if of == protocol]))
    if (protocol, debt) not in model.positions.reserves:
        raise InputError(f"nobody holds or owes it on {protocol}", "debt", debt,
                         nearest(debt, [asset for of, asset in model.positions.reserves if of == protocol]))
    return found[protocol, collateral]


class Market:
    """The venues of a world as they stand at its start, traded one sale after the other."""

    def __init__(self, model: Model) -> None:
        self.acting = phases(model, 1, ())
        self.state = new_state(model, 0, 1, self.acting)
        self.trading = Trading(len(self.state.markets.price), 1)

    def quote(self, sold: int, bought: int, units: float) -> float:
        """What selling these units would bring."""
        state = self.state
        return units if sold == bought else quote_route(0, sold, bought, units, state.tree, state.profiles, state.markets)

    def sell(self, sold: int, bought: int, units: float) -> float:
        """What selling them brings."""
        if sold == bought:
            return units
        state = self.state
        state.room_for_rows(1)
        state.room_for_sales(1)
        sales = state.sales
        sales.row[0], sales.path[0], sales.holder[0], sales.forced[0] = 0, 0, OWNERS, 0
        sales.sold_asset[0], sales.bought_asset[0], sales.sold[0] = sold, bought, units
        state.n_sales = 1
        self.trading.execute(state)
        for phase in self.acting.reshaping:
            phase.reshape(state)
        state.n_sales = 0
        return float(sales.amount[0])


def entered(model: Model, term: Term, debt: str, equity: float, rounds: int, ltv: float) -> Loop:
    """Round by round, and out again from venues as they stand at the start."""
    a, b = model.layout.asset(term.asset), model.layout.asset(debt)
    seen = dict(zip(model.positions.reserves, model.seen_price().tolist(), strict=True))
    price, owed_price, bonus = seen[term.protocol, term.asset], seen[term.protocol, debt], term.incentive or 0.0
    market, held, owed, added, rows = Market(model), equity, 0.0, equity, [(0, 0.0, equity, 0.0, equity, 0.0)]
    for number in range(1, rounds + 1):
        borrowed = ltv * added * price / owed_price
        added = market.sell(b, a, borrowed)
        if not added > LITTLE * held:
            break
        held, owed = held + added, owed + borrowed  # healthy: owed is at most ltv of what is held, and ltv below the threshold
        rows.append((number, borrowed, added, 1.0 - added * price / (borrowed * owed_price), held, owed))
    worth, due = held * price, owed * owed_price
    health = term.threshold * worth / due if due > 0.0 else np.inf
    called, ways = 1.0 - 1.0 / health, list(ways_out(model, term, (a, b), held, owed, (price, owed_price)))
    return Loop(term.protocol, term.asset, debt, ltv, term.threshold, bonus, rounds_table(rows, term, debt, price, owed_price),
                out_table(ways, term.asset, debt), held, owed, worth / (worth - due), health, called,
                max(called, 1.0 - (1.0 + bonus) * term.threshold / health), 1.0 - (worth - due) / (equity * price))


def rounds_table(rows: list[tuple[int, float, float, float, float, float]], term: Term, debt: str, price: float,
                 owed_price: float) -> pa.Table:
    """rows: (round, borrowed, bought, cost, held, owed)."""
    number, borrowed, bought, cost, held, owed = (np.array(values) for values in zip(*rows, strict=True))
    worth, due = held * price, owed * owed_price
    with np.errstate(divide="ignore"):
        health = term.threshold * worth / due
    return table(
        Column("round", "", number.astype(np.int64)), Column("borrowed", debt, borrowed), Column("bought", term.asset, bought),
        Column("cost", "share", cost, "of what is borrowed, against prices seen"), Column("held", term.asset, held),
        Column("owed", debt, owed), Column("leverage", "ratio", worth / (worth - due), "collateral over it less debt"),
        Column("health", "ratio", health))


def out_table(ways: list[Way], collateral: str, debt: str) -> pa.Table:
    """A row a way."""
    return table(
        Column("by", "", [way.by for way in ways], "rounds: what health 1 leaves free, again and again; flash: a loan for the "
               "length of one transaction"), Column("transactions", "count", [way.transactions for way in ways]),
        Column("sold", collateral, [way.sold for way in ways]), Column("still_owed", debt, [way.owed for way in ways]),
        Column("cost_usd", "USD", [way.cost for way in ways], "worth of what is sold less what that repays, at prices seen"),
        Column("until", "share", [way.until for way in ways], "fall of the collateral against the debt up to which it is open"))


class Way(NamedTuple):
    """A way out."""

    by: str
    transactions: int
    sold: float  # units of the collateral
    owed: float  # units of the debt that are left
    cost: float  # [USD]
    until: float  # fall up to which it is open


def ways_out(model: Model, term: Term, assets: tuple[int, int], held: float, owed: float, price: tuple[float, float]
             ) -> Iterator[Way]:
    """By rounds, and by flash. assets, price: of collateral and debt, as seen [USD]."""
    a, b = assets
    fetched = Market(model).quote(a, b, held)
    factor = term.threshold * held * price[0] / (owed * price[1]) if owed > 0.0 else float("inf")
    open_until = {"rounds": 1.0 - 1.0 / factor, "flash": max(1.0 - owed / fetched, 0.0)}
    for by, until in open_until.items():
        market, left, due, number, repaid = Market(model), held, owed, 0, 0.0
        while due > LITTLE * owed and number < MOST:
            free = left - due * price[1] / (term.threshold * price[0])
            units, back = way_out(0, a, b, free, left, due, 0.0, by == "flash", market.state.liquidity)
            if not back > LITTLE * owed:
                break
            market.sell(a, b, units)
            left, due, number, repaid = left - units, max(due - back, 0.0), number + 1, repaid + back
        yield Way(by, number, held - left, due, (held - left) * price[0] - repaid * price[1], until)

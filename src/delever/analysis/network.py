"""The protocols of a world as a network: through which markets the forced selling of one takes from the others, before any run.

    held       USD that accounts who owe have in a market, net of what they owe in it, nobody below 0: what a fall of it takes
               from them, and what their selling brings to it. stETH against USDC stands in stETH/ETH and in ETH/USD, against ETH
               in stETH/ETH alone. Of margin accounts, who owe what their positions are worth, of those who are long in something
    depth      USD sold over the first 1 % of a market's price, times 100, of all its venues
    equity     what these accounts have beyond what they owe, nobody below 0
    leverage   (what they can sell - equity) / equity

With them: overlaps, one round of sales after a shock (overlap.py), and DebtRank (debtrank.py, linear), where a protocol's failure
is the sale of all that its accounts hold, and takes from another what they overlap. Static: nobody acts, prices are those of the
start. Assumptions: accounts sell what they hold, pro rata; arbitrage carries a perp's selling to what it follows, so both are one
market of the depth of both. Options are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from delever.analysis.amounts import Floats
from delever.analysis.debtrank import debtrank
from delever.analysis.joint_shocks import effects, parse_joint
from delever.analysis.margins import MarginBook
from delever.analysis.overlap import overlap, vulnerability
from delever.analysis.shocks import Shocks
from delever.analysis.tables import Column, table
from delever.analysis.valuation import chain, health, legs_of, market_of, sensitivity
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import Model, assemble, log_usd
from delever.run.result import Result
from delever.venues.base import ProfileTable

SHOCK = "all -10 %"
WITHIN = 0.01  # of the price: over which depth is measured


@dataclass(frozen=True, repr=False)
class Network(Result):
    """Protocols and markets.

    table: a row a protocol: what its accounts hold, owe and sell, and what sales take. pairs: a row a pair of protocols that meet
    in some market. markets: a row a market. aggregate: share of all equity that one round of sales takes after the shock.
    eigenvalue: of overlaps over equity; above 1 losses grow from round to round.
    """

    table: pa.Table
    pairs: pa.Table
    markets: pa.Table
    aggregate: float
    eigenvalue: float
    shock: str
    left_out: tuple[str, ...]  # protocols in which nobody has equity that a market could take
    said: tuple[str, ...] = ()  # how the moves of the shock came about
    asked: pa.Table = field(default_factory=lambda: pa.table({}))  # what is stated, and what of it is used, as of a wall
    findings: pa.Table = field(default_factory=lambda: pa.table({}))  # as those of a check

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        return (f"Network of {self.table.num_rows} protocols through {self.markets.num_rows} markets: after {self.shock}, sales "
                f"take {self.aggregate:.2%} of equity")


@dataclass(frozen=True)
class Holdings:
    """What accounts that owe have, by protocol. Axes: N protocols, M markets; USD."""

    held: Floats  # [N, M] net, see above
    gross: Floats  # [N] what can be sold
    equity: Floats  # [N]

    def only(self, rows: np.ndarray) -> Holdings:
        """Some of the protocols."""
        return Holdings(self.held[rows], self.gross[rows], self.equity[rows])


def network(world: World, shock: str | Mapping[str, Shocks] = SHOCK) -> Network:
    """Overlaps, vulnerability and DebtRank of the world's protocols. shock: as the wall's, of one step."""
    model = assemble(world)
    joint = parse_joint(shock, model)
    if len(joint.moves) != 1 or (joint.moves > 0.0).any():
        raise InputError("is no fall of prices" if len(joint.moves) == 1 else "has several steps", "shock", str(shock),
                         'write one: "ETH -10 %"')
    fall = np.zeros(len(model.layout.pairs))
    for name, move in zip(joint.assets, joint.moves[0], strict=True):
        fall[model.layout.markets.index(name)] = -move
    every, deep = holdings(model), depths_of(model)
    there = (every.equity > 0.0) & every.held.any(axis=1)
    left = tuple(name for name, stays in zip(world.protocols, there, strict=True) if not stays)
    if not there.any():
        raise InputError("has nobody who owes and holds what a market prices", "network", world.name, "there is nothing to weigh")
    used = np.flatnonzero(every.held[there].any(axis=0))
    asked, findings = effects(model, joint, sensitivity(model)[:, [market_of(model, name, "shock") for name in joint.assets]])
    found = measured(model, every.only(there), used, fall, deep, str(shock), left)
    return replace(found, said=joint.said, asked=asked, findings=findings)


def measured(model: Model, have: Holdings, used: np.ndarray, fall: Floats, deep: Floats, shock: str, left: tuple[str, ...]
             ) -> Network:
    """The three measures of those who hold something. used: markets in which somebody does; fall, deep: [M]."""
    names = [name for name in model.world.protocols if name not in left]
    pairs = [model.layout.pairs[m] for m in used]
    held, depth = have.held[:, used], deep[used]
    met = overlap(held, depth, names, pairs)
    others = met.matrix - np.diag(met.matrix.diagonal())
    sales = vulnerability(held, have.equity, fall[used], depth, 0.0, have.gross, names, pairs)
    rank = debtrank(others, have.equity, have.equity, names=names)
    return Network(
        table(
            Column("protocol", "", names, kind=pa.string()),
            Column("collateral", "USD", have.gross, "of accounts that owe: what they may have to sell; of exchanges longs, and "
                   "what else has a market"),
            Column("equity", "USD", have.equity, "of these accounts"),
            Column("leverage", "x", sales.table["leverage"].to_numpy(), "(collateral - equity) / equity"),
            Column("takes", "USD", met.table["takes"].to_numpy(), "what the others lose if it sells all, at a linear impact"),
            Column("centrality", "share", met.table["centrality"].to_numpy(), "part of the first eigenvector of the overlaps"),
            Column("DebtRank", "share", rank.table["DebtRank"].to_numpy(), "of all equity: what the others lose by and by if it "
                   "sells all"),
            Column("sells", "USD", sales.table["sells"].to_numpy(), f"after {shock}: what brings its leverage back"),
            Column("systemicness", "share", sales.table["systemicness"].to_numpy(), "of all equity: what these sales take"),
            Column("direct", "share", sales.table["direct"].to_numpy(), "of its equity: what the shock takes"),
            Column("indirect", "share", sales.table["indirect"].to_numpy(), "of its equity: what all sales take"),
        ),
        met.pairs,
        table(
            Column("market", "", pairs, kind=pa.string()),
            Column("held", "USD", met.assets["held"].to_numpy(), "by accounts that owe, net of what they owe in it"),
            Column("depth", "USD", depth, f"sold per 1 of the price, as over its first {WITHIN:.0%}; endless: it has no venue"),
            Column("share", "share", met.assets["share"].to_numpy(), "of all overlaps between different protocols"),
            Column("sold", "USD", sales.assets["sold"].to_numpy(), f"after {shock}"),
            Column("impact", "share", sales.assets["impact"].to_numpy(), "of the price, by these sales"),
        ),
        sales.aggregate,
        rank.eigenvalue,
        shock,
        left,
    )


# --- holdings ------------------------------------------------------------------------------------------------------------


def routes(model: Model) -> np.ndarray:
    """[R, M] bool: the markets between a reserve's asset and USD; of a perp those of what it follows, of an option none."""
    on = np.zeros((len(model.positions.reserves), len(model.layout.pairs)), np.bool_)
    for r, (_, asset) in enumerate(model.positions.reserves):
        spec = model.world.assets.get(asset)
        if spec is not None and (spec.call is not None or spec.put is not None):
            continue
        on[r, chain(model, asset if spec is None or spec.perp is None else spec.perp)] = True
    return on


def holdings(model: Model) -> Holdings:
    """Of all protocols."""
    count, on, price = len(model.world.protocols), routes(model), model.seen_price()
    legs = legs_of(model)
    standing = health(legs, price)
    value = np.where(legs.debt, -1.0, 1.0) * standing.value
    own = legs.total(value)
    of, owes = model.positions.protocol, standing.debt > 0.0
    held = np.stack([by_protocol(of, owes * np.maximum(legs.total(value * on[legs.reserve, m]), 0.0), count)
                     for m in range(on.shape[1])], axis=1)
    gross = by_protocol(of, owes * legs.total(value, ~legs.debt), count)
    margin = of_exchanges(model, on, price, count)
    return Holdings(held + margin.held, np.maximum(gross, 0.0) + margin.gross,
                    by_protocol(of, owes * np.maximum(own, 0.0), count) + margin.equity)


def of_exchanges(model: Model, on: np.ndarray, price: Floats, count: int) -> Holdings:
    """Margin accounts with a position that are long in something."""
    book = MarginBook(model)
    standing, accounts = book.at(price), len(book.accounts)
    signed, coins = np.sign(book.size) * standing.notional, book.units * price[book.held]
    trades = np.bincount(book.trader, minlength=accounts) > 0
    net = [trades * np.maximum(np.bincount(book.trader, signed * on[book.perp, m], accounts)
                               + np.bincount(book.owner, coins * on[book.held, m], accounts), 0.0) for m in range(on.shape[1])]
    long = np.any([values > 0.0 for values in net], axis=0)
    sells = np.bincount(book.trader, np.maximum(signed, 0.0) * on[book.perp].any(axis=1), accounts)
    sells = sells + np.maximum(np.bincount(book.owner, coins * on[book.held].any(axis=1), accounts), 0.0)
    of = book.protocol
    return Holdings(np.stack([by_protocol(of, values, count) for values in net], axis=1), by_protocol(of, long * sells, count),
                    by_protocol(of, long * np.maximum(standing.equity, 0.0), count))


def by_protocol(protocol: np.ndarray, values: Floats, count: int) -> Floats:
    """Values of accounts added up [count]."""
    return np.bincount(protocol, values, count).astype(np.float64)


# --- depth ---------------------------------------------------------------------------------------------------------------


def depths_of(model: Model) -> Floats:
    """[M] USD sold per 1 of the price of each market; without end where there is no venue."""
    layout = model.layout
    deep, traded = np.zeros(len(layout.pairs)), np.zeros(len(layout.pairs), np.bool_)
    usd = [float(np.exp(log_usd(layout, layout.asset(name), model.start_price))) for name in layout.markets]
    for row, venue in enumerate(model.venues):
        m = int(layout.tree.pair[row])
        followed = model.world.assets[layout.markets[m]].perp
        into = m if followed is None else (chain(model, followed) or [m])[0]
        if venue is not None:
            deep[into] += sold_within(venue, WITHIN) * usd[m] / WITHIN
            traded[into] = True
    if (traded & (deep == 0.0)).any():
        name = layout.pairs[int(np.flatnonzero(traded & (deep == 0.0))[0])]
        raise InputError(f"bids nothing within {WITHIN:.0%} of its price", f"market {name}", None, "give it bids there")
    return np.where(traded, deep, np.inf)


def sold_within(venue: ProfileTable, fall: float) -> float:
    """Units of the base that lower a venue's price by this share."""
    start = int(venue.start)
    w = float(venue.node_w[start]) / np.sqrt(1.0 - fall)
    if venue.bounded:
        w = min(w, float(venue.node_w[-1]))
    cell = int(np.clip(np.searchsorted(venue.node_w, w, side="right") - 1, 0, len(venue.liquidity) - 1))
    return float(venue.sold[cell] + (w - venue.node_w[cell]) * venue.liquidity[cell])

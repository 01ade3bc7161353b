"""Position by position: the price at which its account is liquidated, if only this coin moves, and along a joint shock.

    only this coin   the price of the position's asset, nearest to now, at which its account's health factor is 1, or its equity
                     its maintenance margin; everything pegged to the asset follows, everything else stays
    along the shock  the first point of the way that a joint shock goes, each price by a power of its move:
                     price(t) = price x (1 + move)^t,   t = 1: the shock itself
Lending: with x = price / price now, backing - debt is linear in x wherever prices follow one to one, so x is exact; else, and
on exchanges, whose margins rise in tiers, it is bracketed on a grid and halved. Accounts with options have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa

from delever.analysis.joint_shocks import Joint
from delever.analysis.margins import MarginBook
from delever.analysis.shocks import Shocks
from delever.analysis.tables import Column, named, table
from delever.analysis.valuation import Legs, chain, health, legs_of, market_of, sensitivity
from delever.analysis.walls import joint_of
from delever.model.book import COLLATERAL, DEBT
from delever.model.world import World
from delever.run.assemble import Model, assemble

FALLS = np.concatenate([np.linspace(1.0, 0.02, 197), [0.01, 0.001]])  # multiples of a price that are looked at
RISES = np.concatenate([np.linspace(1.0, 3.0, 201), np.geomspace(3.1, 100.0, 60)])
WAY = np.linspace(0.0, 10.0, 401)  # of a joint shock, in shocks
HALVINGS = 50
Gap = Callable[[np.ndarray], np.ndarray]  # multiples, or points of the way [A] -> what an account has to spare [A], USD


def liquidation_prices(world: World, asset: str | None = None, shocks: Shocks | Mapping[str, Shocks] | None = None) -> pa.Table:
    """A row a position: leg of a lending account, or position of a margin account.

    asset, shocks: as of `wall`, the way of the last columns; none: they are not there.
    """
    model = assemble(world)
    return prices_of(model, None if shocks is None else joint_of(model, asset, shocks))


def prices_of(model: Model, joint: Joint | None = None) -> pa.Table:
    """The same for a world that is assembled already. joint: the way of the last columns."""
    legs, book = legs_of(model), MarginBook(model)
    moves, price = sensitivity(model), model.seen_price()
    step = np.zeros(moves.shape[1]) if joint is None else _deepest(model, joint)
    along = moves @ step  # [R] log move of the whole shock
    parts = [_lending(model, legs, moves, price, along, joint)]
    if book.exchanges:
        parts.append(_margin(model, book, moves, price, along, joint))
    return pa.concat_tables(parts, promote_options="default")


def _deepest(model: Model, joint: Joint) -> np.ndarray:
    """Log moves of markets [M] of the largest of the shocks."""
    out = np.zeros(len(model.layout.markets))
    last = joint.moves[int(np.abs(joint.moves[:, joint.lead]).argmax())]
    for name, move in zip(joint.assets, last, strict=True):
        out[market_of(model, name, "shock")] += np.log1p(move)
    return out


def own_market(model: Model, asset: str) -> int:
    """The market that moves when only this coin does; -1: none, prices are counted in it."""
    followed = model.world.assets[asset].follows if asset in model.world.assets else None
    markets = chain(model, followed or asset)
    return markets[0] if markets else -1


def nearest(gap: Gap, grid: np.ndarray, count: int) -> np.ndarray:
    """Where each account's gap first becomes negative on a grid from now on [A]; nan: nowhere, or it is at the start."""
    before = gap(np.full(count, grid[0])) >= 0.0
    low, high, found = np.full(count, grid[0]), np.full(count, np.nan), np.zeros(count, np.bool_)
    for a, b in pairwise(grid.tolist()):
        hit = before & ~found & (gap(np.full(count, b)) < 0.0)
        low[hit], high[hit], found = a, b, found | hit
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        under = gap(np.where(found, middle, grid[0])) < 0.0
        low, high = np.where(found & ~under, middle, low), np.where(found & under, middle, high)
    return np.where(found, high, np.nan)


def closest(fall: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """Of a fall and a rise [A] the one that is nearer in logs; nan: neither."""
    with np.errstate(invalid="ignore", divide="ignore"):
        down, up = np.where(np.isnan(fall), np.inf, -np.log(fall)), np.where(np.isnan(rise), np.inf, np.log(rise))
    return np.where(np.isinf(down) & np.isinf(up), np.nan, np.where(down <= up, fall, rise))


def _lending(model: Model, legs: Legs, moves: np.ndarray, price: np.ndarray, along: np.ndarray, joint: Joint | None) -> pa.Table:
    now, positions = health(legs, price), model.positions
    weight = np.where(legs.debt, -1.0, legs.threshold) * now.value  # [K] USD
    factor = np.full(len(legs.account), np.nan)
    of = np.array([own_market(model, asset) for _, asset in positions.reserves], int)[legs.reserve]
    for m in np.unique(of[of >= 0]).tolist():
        s = moves[legs.reserve, m]
        x = _multiples(legs, weight, s)
        factor = np.where(of == m, x[legs.account], factor)

    def gap(t: np.ndarray) -> np.ndarray:
        return legs.total(weight * np.exp(t[legs.account] * along[legs.reserve]))

    way = np.full(legs.accounts, np.nan) if joint is None else nearest(gap, WAY, legs.accounts)
    return _table(model, legs.account, legs.reserve, [COLLATERAL, DEBT], legs.debt.astype(int), legs.amount, price, factor,
                  now.factor[legs.account], "health_factor", way[legs.account], along, joint)


def _multiples(legs: Legs, weight: np.ndarray, s: np.ndarray) -> np.ndarray:
    """[A] multiple of one market's price at which health is 1, nearest to now; nan: none. s: [K] how each leg follows it."""
    still, moved = legs.total(weight, s == 0.0), legs.total(weight, s != 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = -still / moved
    owes = legs.total(weight, legs.debt) < 0.0
    x = np.where((moved != 0.0) & (x > 0.0) & np.isfinite(x) & owes, x, np.nan)
    bent = legs.total(np.ones(len(s)), (s != 0.0) & (s != 1.0)) > 0.0
    if bent.any():
        def gap(multiple: np.ndarray) -> np.ndarray:
            return legs.total(weight * multiple[legs.account] ** s)

        searched = closest(nearest(gap, FALLS, legs.accounts), nearest(gap, RISES, legs.accounts))
        x = np.where(bent, searched, x)
    return x


def _margin(model: Model, book: MarginBook, moves: np.ndarray, price: np.ndarray, along: np.ndarray, joint: Joint | None
            ) -> pa.Table:
    count, factor = len(book.accounts), np.full(len(book.trader), np.nan)
    of = np.array([own_market(model, asset) for _, asset in model.positions.reserves], int)[book.perp]
    options = np.bincount(book.trader, model.positions.margins.option[book.perp, 0] > 0.0, count) > 0.0

    def gap_along(log_moves: np.ndarray, log: bool) -> Gap:
        def gap(x: np.ndarray) -> np.ndarray:
            standing = book.at(price, np.exp(x[:, None] * log_moves) if log else x[:, None] ** log_moves)
            return np.where(options, 1.0, standing.equity - standing.maintenance)
        return gap

    for m in np.unique(of[of >= 0]).tolist():
        gap = gap_along(moves[:, m], False)
        x = closest(nearest(gap, FALLS, count), nearest(gap, RISES, count))
        factor = np.where(of == m, x[book.trader], factor)
    way = np.full(count, np.nan) if joint is None else nearest(gap_along(along, True), WAY, count)
    standing = book.at(price)
    with np.errstate(divide="ignore", invalid="ignore"):
        # what needs no margin has no ratio
        ratio = np.where(standing.maintenance > 0.0, standing.equity / standing.maintenance, np.nan)
    return _table(model, book.accounts[book.trader], book.perp, ["short", "long"], (book.size > 0.0).astype(int),
                  np.abs(book.size), price, factor, ratio[book.trader], "equity_over_maintenance", way[book.trader], along, joint)


def _table(model: Model, account: np.ndarray, reserve: np.ndarray, sides: list[str], side: np.ndarray, amount: np.ndarray,
           price: np.ndarray, factor: np.ndarray, health_now: np.ndarray, how: str, way: np.ndarray, along: np.ndarray,
           joint: Joint | None) -> pa.Table:
    """The rows. factor: [K] multiple of the asset's price, way: [K] point of the way; nan: none."""
    positions = model.positions
    at = price[reserve]
    columns = [
        Column("protocol", "", named(list(model.world.protocols), positions.protocol[account])),
        Column("owner", "", named(positions.owners, positions.owner[account])),
        Column("account", "", named(positions.accounts, account)),
        Column("asset", "", named([asset for _, asset in positions.reserves], reserve)),
        Column("side", "", named(sides, side)),
        Column("amount", "units", amount),
        Column("value_usd", "USD", np.abs(amount) * at),
        Column(how, "1", _finite(health_now), "of the account now; below 1 it can be called already"),
        Column("price_usd", "USD", at, "seen now"),
        Column("liquidation_price_usd", "USD", _finite(at * factor), "if only this coin moves"),
        Column("move", "share", _finite(factor - 1.0), "of this coin alone, until then"),
    ]
    if joint is not None:
        columns += [
            Column("along_shock", "1", _finite(way), "part of the joint shock at which the account is liquidated; 1: all of it"),
            Column("along_shock_price_usd", "USD", _finite(at * np.exp(way * along[reserve])), "of this coin at that point"),
        ]
    return table(*columns)


def _finite(values: np.ndarray) -> pa.Array:
    """Numbers; null for none."""
    return pa.array(values, mask=np.isnan(values))


def sorted_by(positions: pa.Table, column: str) -> pa.Table:
    """Rows by a column: sizes from the largest, everything else from the smallest, moves by their size; what has none last."""
    import pyarrow.compute as pc

    values = positions[column]
    if column == "move":
        values = pc.abs(values)
    order = "descending" if column in ("amount", "value_usd") else "ascending"
    return positions.take(pc.sort_indices(pa.table({"key": values}), [("key", order)]))

"""Deleveraging to a target ratio: who falls below sells, what is sold falls, who holds it falls below.

Sources: Cont and Schaanning (2017), "Fire sales, indirect contagion and systemic stress testing" (a threshold); Greenwood,
Landier and Thesmar (2015), "Vulnerable banks" (a target alone); Cifuentes, Ferrucci and Shin (2005) (the price); Farmer,
Kleinnijenhuis, Nahai-Williamson and Wetzer (2020), "Foundations of system-wide stress testing" (the order of events). N holders,
K assets.

    ratio      equity / assets = (cash + held price + other - loans - owed) / (cash + held price + other)
    at first   price *= 1 - shock
    a step     what was ordered in the step before is sold at once, together: price *= exp(-sold / D), sold in units, which cost 1
               at the start; sellers receive the mean of the price before and after
               ratio < least: he fails, and orders the sale of all that he has left
               ratio < buffer: he pays back assets - equity / target, loans from cash, and orders the sale of what cash does not
               cover, pro rata of what he holds

A buffer of 1 is leverage targeting: who owes anything comes back to the target at every loss. A fund is a holder with a target of
its own and `least` 0. Everybody acts on what all see at the end of the step, so that no order of acting matters. Nobody buys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from delever.analysis.amounts import Floats, amounts, matrix, names_of
from delever.analysis.overlap import depths
from delever.analysis.tables import Column, table
from delever.model.errors import InputError, nearest
from delever.run.result import Result

STEPS = 6


@dataclass(frozen=True)
class Sheets:
    """Balance sheets. Axes: N holders, K assets; money of any one kind, a unit of an asset is what costs 1 at the start."""

    held: Floats  # [N, K] units
    cash: Floats  # [N]
    other: Floats  # [N] assets that are neither cash nor sold
    loans: Floats  # [N] what is paid back to delever
    owed: Floats  # [N] what is not
    names: tuple[str, ...]
    assets: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """Ratios of equity to assets, one for all or one for each [N]: `least` <= `buffer`, and `target` is where he wants to be."""

    target: ArrayLike = 0.05
    buffer: ArrayLike = 0.04
    least: ArrayLike = 0.03


@dataclass(frozen=True, repr=False)
class FireSale(Result):
    """What came of a shock.

    table: a row a holder: ratio before and after, when he failed, what he sold, equity.
    steps: a row a step: who failed so far, share of all that was sold, ratio of all. assets: a row an asset: price, share sold.
    """

    table: pa.Table
    steps: pa.Table
    assets: pa.Table

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    @property
    def failed(self) -> int:
        """Holders who failed."""
        return int(self.steps["failed"].to_pylist()[-1])

    @property
    def sold(self) -> float:
        """Share of all that could be sold that was."""
        return float(self.steps["sold"].to_pylist()[-1])

    def __repr__(self) -> str:
        return f"Fire sale: {self.failed} of {self.table.num_rows} failed, {self.sold:.2%} of what could be sold was"


def sheets(held: ArrayLike, cash: ArrayLike = 0.0, other: ArrayLike = 0.0, loans: ArrayLike = 0.0, owed: ArrayLike = 0.0,
           names: Sequence[str] | None = None, assets: Sequence[str] | None = None) -> Sheets:
    """Balance sheets, checked. held: [N, K] at the price before the shock; the others [N] or one number for all."""
    units = matrix("held", held)
    count, kinds = units.shape
    return Sheets(units, amounts("cash", cash, count), amounts("other", other, count), amounts("loans", loans, count),
                  amounts("owed", owed, count), tuple(names_of(names, count)), tuple(names_of(assets, kinds, "asset ")))


def depth_of(fall: ArrayLike, total: ArrayLike, share: float = 0.05) -> Floats:
    """D [K]: units sold per e-fold of the price, of a price that falls by `fall` when `share` of all units is sold.

    fall: one for all or one each, from 0 (sales cost nothing) to below 1; total: [K] units.

    >>> depth_of(0.0, [100.0]).tolist(), depth_of(0.05, [100.0]).round(3).tolist()
    ([inf], [97.479])
    """
    units = np.asarray(total, dtype=np.float64)
    falls = amounts("fall", fall, len(units), "give the share of the price that is lost, 0 or more and below 1")
    if (falls >= 1.0).any():
        raise InputError("is the whole price", "fall", float(falls.max()), "give a share below 1")
    with np.errstate(divide="ignore"):
        return np.asarray(share * units / -np.log1p(-falls))


def fire_sale(given: Sheets, shock: ArrayLike, depth: ArrayLike, rule: Rule | None = None, steps: int = STEPS) -> FireSale:
    """Shock prices once and let everybody answer for some steps.

    shock: [K] share of the price that is lost; depth: [K] units sold per e-fold of the price, see `depth_of`.
    """
    run = Run(given, rule or Rule(), depth)
    before = run.ratio()
    run.price = run.price * (1.0 - amounts("shock", shock, len(given.assets), "give the share of the price that is lost"))
    rows = [(0, *run.so_far())]
    for step in range(1, steps + 1):
        run.sell()
        run.act(step)
        rows.append((step, *run.so_far()))
    number, failed, sold, ratio = zip(*rows, strict=True)
    return FireSale(
        table(
            Column("name", "", list(given.names)),
            Column("before", "share", before, "equity / assets before the shock"),
            Column("after", "share", run.ratio(), "and in the end, also of those who failed"),
            Column("failed", "", [int(at) or None for at in run.failed], "the step in which its ratio fell below the least",
                   pa.int64()),
            Column("sold", "share", run.sold_by(), "of what it held"),
            Column("paid back", "money", given.loans - run.loans),
            Column("equity", "money", run.equity()),
        ),
        table(
            Column("step", "", list(number)),
            Column("failed", "count", list(failed), "holders so far"),
            Column("sold", "share", list(sold), "of all that could be sold, at prices before the shock"),
            Column("ratio", "share", list(ratio), "equity / assets of all together"),
        ),
        table(
            Column("asset", "", list(given.assets)),
            Column("price", "", run.price, "1 before the shock"),
            Column("sold", "share", _share(run.sold, given.held.sum(axis=0))),
            Column("held", "money", given.held.sum(axis=0), "before the shock"),
        ),
    )


class Run:
    """How everybody stands while it goes on."""

    def __init__(self, given: Sheets, rule: Rule, depth: ArrayLike) -> None:
        """depth: [K] units."""
        count, kinds = given.held.shape
        self.given, self.depth = given, depths(depth, kinds)
        self.target, self.buffer, self.least = (
            amounts(f"rule.{name}", getattr(rule, name), count, "give a share of the assets")
            for name in ("target", "buffer", "least"))
        if not self.target.all() or (self.least > self.buffer).any():
            raise InputError("cannot be kept", "rule", f"target {rule.target}, buffer {rule.buffer}, least {rule.least}",
                             "give a target above 0, and a least ratio that is no higher than the buffer")
        self.price, self.units = np.ones(kinds), given.held.copy()
        self.cash, self.loans = given.cash.copy(), given.loans.copy()
        self.orders, self.sold = np.zeros_like(given.held), np.zeros(kinds)
        self.failed: NDArray[np.int64] = np.zeros(count, np.int64)  # the step; 0: not

    def size(self) -> Floats:
        """Assets [N]."""
        return np.asarray(self.cash + self.units @ self.price + self.given.other)

    def equity(self) -> Floats:
        """[N], below 0 of who owes more than he has."""
        return self.size() - self.loans - self.given.owed

    def ratio(self) -> Floats:
        """Equity / assets [N]."""
        return _share(self.equity(), self.size())

    def sold_by(self) -> Floats:
        """Share of his units that each has sold [N]."""
        start = self.given.held.sum(axis=1)
        return _share(start - self.units.sum(axis=1), start)

    def so_far(self) -> tuple[int, float, float]:
        """Who failed; share of all units sold; ratio of all together."""
        size = float(self.size().sum())
        sold = _share(self.sold.sum(keepdims=True), self.given.held.sum(keepdims=True)[0])
        return int(np.count_nonzero(self.failed)), float(sold[0]), float(self.equity().sum()) / size if size > 0.0 else 0.0

    def sell(self) -> None:
        """Clear what was ordered, all at once."""
        sold = self.orders.sum(axis=0)
        after = self.price * np.exp(-sold / self.depth)
        self.cash += self.orders @ (self.price + after) / 2.0
        self.units -= self.orders
        self.price, self.sold = after, self.sold + sold

    def act(self, step: int) -> None:
        """Everybody looks at his ratio; orders of the next step."""
        size, equity = self.size(), self.equity()
        fails = (self.failed == 0) & (equity < self.least * size)
        self.failed[fails] = step
        delevers = (self.failed == 0) & (equity < self.buffer * size)
        excess = np.where(delevers, np.maximum(size - equity / self.target, 0.0), 0.0)
        paid = np.minimum(excess, np.minimum(self.cash, self.loans))
        self.cash, self.loans = self.cash - paid, self.loans - paid
        left = excess - paid
        raised = np.where(left > self.cash, left - self.cash, 0.0)
        part = np.minimum(_share(raised, self.units @ self.price), 1.0)
        self.orders = self.units * np.where(fails, 1.0, part)[:, None]


def _share(of: Floats, whole: Floats) -> Floats:
    """of / whole; 0 of nothing."""
    return np.divide(of, whole, out=np.zeros_like(of), where=whole > 0.0)


# --- several at once, and files ----------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class FireSales(Result):
    """The same shock at several price impacts.

    table: a row an impact: who failed, what was sold, where prices ended. share: of all units, that the stated falls are for.
    """

    table: pa.Table
    holders: int
    share: float

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        return f"Fire sales of {self.holders} holders at {self.table.num_rows} price impacts"


def by_fall(given: Sheets, shock: Mapping[str, float], falls: Sequence[float], rule: Rule | None = None, steps: int = STEPS,
            share: float = 0.05) -> FireSales:
    """The same shock at several price impacts.

    shock: asset -> share of its price that is lost; falls: of the price when `share` of all units is sold; see `depth_of`.
    """
    total, hit = given.held.sum(axis=0), shocks_of(given, shock)
    found = [fire_sale(given, hit, depth_of(fall, total, share), rule, steps) for fall in falls]
    return FireSales(table(
        Column("fall", "share", list(falls), f"of the price when {100.0 * share:.4g} % of all units is sold", pa.float64()),
        Column("failed", "count", [one.failed for one in found], f"of {len(given.names)}, after {steps} steps", pa.int64()),
        Column("sold", "share", [one.sold for one in found], "of all that could be sold, at prices before the shock",
               pa.float64()),
        Column("ratio", "share", [one.steps["ratio"].to_pylist()[-1] for one in found], "equity / assets of all together",
               pa.float64()),
        *(Column(f"price of {name}", "", [one.assets["price"].to_pylist()[k] for one in found], kind=pa.float64())
          for k, name in enumerate(given.assets)),
    ), len(given.names), share)


def shocks_of(given: Sheets, shock: Mapping[str, float]) -> Floats:
    """[K] share of the price that is lost, of shocks by name."""
    for name in shock:
        if name not in given.assets:
            raise InputError("unknown asset", "shock", name, nearest(name, given.assets))
    return np.array([float(shock.get(name, 0.0)) for name in given.assets])


MONEY = ("cash", "other", "loans", "owed")  # columns of a table of balance sheets; others but `name` are assets


def sheets_table(given: Sheets) -> pa.Table:
    """A row a holder, as `sheets_from` reads it."""
    return table(Column("name", "", list(given.names)), *(Column(name, "money", getattr(given, name)) for name in MONEY),
                 *(Column(name, "money", given.held[:, k]) for k, name in enumerate(given.assets)))


def sheets_from(rows: pa.Table, where: str = "balances") -> Sheets:
    """Balance sheets of a table: columns name, cash, other, loans, owed (missing: 0), and every other one an asset."""
    if "name" not in rows.column_names:
        raise InputError("misses a column", where, "name", "the columns are name, cash, other, loans, owed and one an asset")
    assets = [name for name in rows.column_names if name not in ("name", *MONEY)]
    if not assets:
        raise InputError("has no asset", where, ", ".join(rows.column_names), "give a column for each asset that can be sold")
    for name in assets + [name for name in MONEY if name in rows.column_names]:
        kind = rows.schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise InputError("holds something that is no number", f"{where}, column {name}", None, "write numbers, 0 for nothing")
    values = {name: np.asarray(rows[name].to_numpy(), np.float64) for name in rows.column_names if name != "name"}
    cash, other, loans, owed = (values.get(name, 0.0) for name in MONEY)
    return sheets(np.column_stack([values[name] for name in assets]), cash, other, loans, owed,
                  [str(name) for name in rows["name"].to_pylist()], assets)

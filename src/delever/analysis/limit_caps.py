"""Caps against what venues take, and the collateral factor that a cap leaves room for.

Of an asset, q units are sold at once for the debts that it backs now (for USD where it backs none):

    slippage(q) = 1 - what that brings / (q x market price)                    fees among it; rises with q; exits.py
    room(y)     = the largest q whose slippage is at most y
A cap K is too large for its venues where slippage(x K) > y: a share x of it cannot be liquidated within y. The largest that is
not is room(y) / x. If y is not told it is what the incentive pays for, (1 - y)(1 + i (1 - fee)) = 1: beyond it liquidators lose.

The highest collateral factor. Loans stand at the factor f when a shock comes, before anybody can be called; x K is liquidated:

    f(K)  =  left  x  q / (x K)  x  min(1 / (1 + i), 1 - slippage(q)),      q = min(x K, room(y))

    left   of the collateral's price against the debts', by the shock; slippage and room as venues stand after it
    1 / (1 + i)       what a call repays per USD of collateral that it takes
    1 - slippage      what the sale brings, where that is less
At f or below what is liquidated repays all that x K may have borrowed: no bad debt is left. f never rises with the cap, the
share or the fall, and never falls with depth or the slippage that is allowed. Derived here; one shock, one sale, no paths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.analysis.exits import Exits, Way
from delever.analysis.liabilities import supplied_of
from delever.analysis.limit_terms import Term
from delever.analysis.tables import Column, table
from delever.analysis.valuation import Legs
from delever.analysis.walls import Pairs
from delever.model.asset import USD
from delever.model.finding import WARN, Finding
from delever.model.parameters import ReserveParameters, look_up
from delever.run.assemble import Model

HALVINGS = 100
LARGEST = 2.0**80  # units beyond which any amount can be sold
GRID = (0.25, 0.5, 1.0, 2.0, 4.0)  # caps that are tried if none is told, in what is supplied now


@dataclass(frozen=True)
class Asked:
    """What the caps are held against."""

    share: float  # x: of a cap that is liquidated at once
    slippage: float | None  # y; none: what each asset's incentive pays for


class Sale:
    """Selling one collateral of one protocol for the debts that it backs now."""

    def __init__(self, exits: Exits, asset: str, debts: Sequence[tuple[str, float]]) -> None:
        """debts: asset and share of each."""
        self.exits, self.price = exits, exits.usd(asset)
        self.ways: list[Way] = [exits.way(asset, debt) for debt, _ in debts]
        self.part = np.array([share for _, share in debts])
        self.worth = np.array([exits.usd(debt) for debt, _ in debts])

    def slippage(self, units: float) -> float:
        """Of so many units, share; of none what the first would lose."""
        brings, _ = self.exits.trade(self.ways, units * self.part)
        return max(1.0 - float(self.part @ (brings * self.worth)) / self.price, 0.0)

    def room(self, most: float) -> float:
        """Units whose slippage is at most this; infinite where any amount can be sold."""
        if self.slippage(0.0) > most:
            return 0.0
        high = 1.0
        while self.slippage(high) <= most:
            high *= 2.0
            if high > LARGEST:
                return math.inf
        low = 0.0
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            low, high = (middle, high) if self.slippage(middle) <= most else (low, middle)
        return low


def pays_for(incentive: float, fee: float) -> float:
    """Slippage up to which a liquidator does not lose: (1 - y)(1 + i (1 - fee)) = 1."""
    return 1.0 - 1.0 / (1.0 + incentive * (1.0 - fee))


def factor(left: float, wanted: float, sold: float, slippage: float, incentive: float) -> float:
    """f: see above. wanted: x K; sold: q, of which slippage is lost; at most 1, at which nothing is lent."""
    repaid = min(1.0 / (1.0 + incentive), 1.0 - slippage)
    return min(left * (sold / wanted if wanted > 0.0 else 1.0) * repaid, 1.0)


@dataclass(frozen=True)
class Collateral:
    """One collateral of one protocol."""

    term: Term
    reserve: int
    supplied: float  # units
    cap: float | None  # units
    fee: float  # the protocol's share of the incentive
    debts: tuple[tuple[str, float], ...]  # that it backs, shares
    asked: Asked

    @property
    def incentive(self) -> float:
        """Of a call; 0 where its rules read none."""
        return self.term.incentive or 0.0

    @property
    def allowed(self) -> float:
        """y."""
        return pays_for(self.incentive, self.fee) if self.asked.slippage is None else self.asked.slippage


def collaterals_of(model: Model, legs: Legs, terms: Sequence[Term], asked: Asked) -> list[Collateral]:
    """Every collateral, its ordinary terms; what it backs is that of all its holders."""
    reserves, supplied, backs = model.positions.reserves, supplied_of(model), backed(model, legs)
    out = []
    for term in terms:
        spec = model.world.assets.get(term.asset)
        entry = look_up(model.world.protocols[term.protocol].parameters)[term.asset]
        r = reserves.index((term.protocol, term.asset))
        locked = spec is not None and not spec.seizable
        if term.category or locked or not isinstance(entry, ReserveParameters) or not supplied[r] > 0.0:
            continue
        out.append(Collateral(term, r, float(supplied[r]), entry.supply_cap, entry.protocol_fee,
                              backs.get((term.protocol, term.asset), ((USD, 1.0),)), asked))
    return out


def backed(model: Model, legs: Legs) -> dict[tuple[str, str], tuple[tuple[str, float], ...]]:
    """By protocol and collateral: the debts that it backs, by its own value."""
    price, pairs = model.seen_price(), Pairs(model, legs)
    worth = np.maximum(legs.amount * price[legs.reserve], 0.0)
    owed = legs.total(np.where(legs.debt, worth, 0.0))
    d = pairs.debt
    part = np.where(owed[legs.account[d]] > 0.0, worth[d] / np.maximum(owed[legs.account[d]], 1e-300), 0.0)
    by_kind = np.bincount(pairs.kind, worth[pairs.collateral] * part, len(pairs.debts))
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for name, asset, debt, usd in zip(pairs.protocols, pairs.collaterals, pairs.debts, by_kind.tolist(), strict=True):
        if usd > 0.0:
            found.setdefault((name, asset), []).append((debt, usd))
    return {key: tuple((debt, usd / sum(one for _, one in rows)) for debt, usd in rows) for key, rows in found.items()}


# --- caps ----------------------------------------------------------------------------------------------------------------


def caps_table(exits: Exits, rows: Sequence[Collateral]) -> pa.Table:
    """A row a collateral: what a share of what is supplied, and of the cap, would lose."""
    sales = [Sale(exits, one.term.asset, one.debts) for one in rows]
    room = [sale.room(one.allowed) for sale, one in zip(sales, rows, strict=True)]
    return table(
        Column("protocol", "", [one.term.protocol for one in rows], kind=pa.string()),
        Column("asset", "", [one.term.asset for one in rows], kind=pa.string()),
        Column("supplied", "units", [one.supplied for one in rows], kind=pa.float64()),
        Column("supply_cap", "units", [one.cap for one in rows], kind=pa.float64()),
        Column("allowed", "share", [one.allowed for one in rows], "slippage that is allowed", pa.float64()),
        Column("slippage_supplied", "share", [sale.slippage(one.asked.share * one.supplied)
                                              for sale, one in zip(sales, rows, strict=True)],
               "of selling the share of what is supplied at once", pa.float64()),
        Column("slippage_cap", "share", [None if one.cap is None else sale.slippage(one.asked.share * one.cap)
                                         for sale, one in zip(sales, rows, strict=True)], "the same of the cap", pa.float64()),
        Column("largest", "units", [units / one.asked.share for units, one in zip(room, rows, strict=True)],
               "cap of which the share can be liquidated within what is allowed; endless: no venue", pa.float64()),
    )


def caps_within(caps: pa.Table, share: float) -> Iterator[Finding]:
    """What is supplied, or may be, beyond what venues take."""
    for row in caps.to_pylist():
        where = f"protocols.{row['protocol']}.parameters.{row['asset']}"
        said = f"{share:.0%} of {{what}} lose {{loss:.2%}}, {row['allowed']:.2%} allowed"
        remedy = f"cap it at {units(row['largest'])} {row['asset']}, or find depth"
        if row["slippage_supplied"] > row["allowed"]:
            yield Finding(WARN, "limit.supply_beyond_depth", where,
                          said.format(what=f"{units(row['supplied'])} {row['asset']}", loss=row["slippage_supplied"]), remedy)
        if row["slippage_cap"] is not None and row["slippage_cap"] > row["allowed"]:
            yield Finding(WARN, "limit.cap_beyond_depth", f"{where}.supply_cap",
                          said.format(what=f"{units(row['supply_cap'])} {row['asset']}", loss=row["slippage_cap"]), remedy)


# --- the sandbox ---------------------------------------------------------------------------------------------------------


def left_of(before: Exits, after: Exits, asset: str, debts: Sequence[tuple[str, float]]) -> float:
    """Of an asset's price against the debts', by the shock."""
    moved = sum(share * after.usd(debt) / before.usd(debt) for debt, share in debts)
    return after.usd(asset) / before.usd(asset) / moved


def units(amount: float) -> str:
    """An amount of a coin as people write it."""
    return f"{amount:,.0f}" if amount >= 10_000.0 else f"{amount:,.6g}"


def factors_table(before: Exits, after: Exits, rows: Sequence[Collateral], caps: Sequence[float] | None) -> pa.Table:
    """A row a collateral and cap. caps: units; none: GRID of what is supplied, and the cap that is stated."""
    found = []
    for one in rows:
        sale, left = Sale(after, one.term.asset, one.debts), left_of(before, after, one.term.asset, one.debts)
        room = sale.room(one.allowed)
        for cap in sorted({*(caps or [times * one.supplied for times in GRID]), *([one.cap] if one.cap and not caps else [])}):
            wanted = one.asked.share * cap
            sold = min(wanted, room)
            loss = sale.slippage(sold)
            found.append({"protocol": one.term.protocol, "asset": one.term.asset, "cap": cap, "times": cap / one.supplied,
                          "left": left, "allowed": one.allowed, "sold": sold / wanted if wanted > 0.0 else 1.0, "slippage": loss,
                          "factor": factor(left, wanted, sold, loss, one.incentive), "stated": one.term.ltv})

    def column(name: str, unit: str, meaning: str = "") -> Column:
        kind = pa.string() if name in ("protocol", "asset") else pa.float64()
        return Column(name, unit, [row[name] for row in found], meaning, kind)

    return table(
        column("protocol", ""), column("asset", ""), column("cap", "units"),
        column("times", "x", "the cap in what is supplied now"),
        column("left", "share", "of its price against the debts' after the shock"),
        column("allowed", "share", "slippage that is allowed"),
        column("sold", "share", "of the share of the cap: what can be sold within it"),
        column("slippage", "share", "of that"),
        column("factor", "share", "highest collateral factor that leaves no bad debt"),
        column("stated", "share", "loan to value as it is; where none is stated, the threshold"))


def factors_found(factors: pa.Table) -> Iterator[Finding]:
    """Loans to value above what the present supply leaves room for."""
    for row in factors.to_pylist():
        if row["times"] == 1.0 and row["stated"] > row["factor"]:
            yield Finding(WARN, "limit.factor_exceeded", f"protocols.{row['protocol']}.parameters.{row['asset']}",
                          f"LTV {row['stated']:.2%}; {row['factor']:.2%} would leave no bad debt at what is supplied now",
                          "lower loan_to_value or the cap; delever stress plays such a shock path by path")

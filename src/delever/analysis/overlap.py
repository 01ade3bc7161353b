"""Who loses by whose sales: portfolios that overlap, weighted by how thin the markets of what they share are.

Sources: Cont and Schaanning (2017), "Fire sales, indirect contagion and systemic stress testing" and (2019), "Monitoring indirect
contagion"; Greenwood, Landier and Thesmar (2015), "Vulnerable banks". N holders, K assets.

    overlap          W[i, j] = sum over assets of held[i, k] held[j, k] / D[k]: USD that j loses if i sells all, and i if j does,
                     at an impact that is linear: USD sold / D of the price
    depth            D = c ADV / sigma sqrt(tau): USD, from the volume of a day, the volatility of a day and the days a sale takes
    impact           (1 - B) (1 - exp(-sold / ((1 - B) D))) of the price, never below B of it: at first linear, with the same D

and, if holders who lose R of their assets sell what brings back their leverage b = debt / equity, pro rata of what they hold:

    sells[i]         b[i] A[i] R[i], A = assets, R[i] = sum over assets of m[i, k] shock[k], m = held / A
    systemicness     S[i] = sells[i] sum over j and k of m[i, k] held[j, k] / D[k]: what its sales take from all (itself too) / E
    vulnerability    what all sales take from i / E[i]; the direct one is what the shock takes
    aggregate        AV = sum of S = 1' A M L M' B A R / E, L = 1 / D, E = equity of all: what one round of sales takes from it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from delever.analysis.amounts import Floats, amounts, matrix, names_of, part
from delever.analysis.tables import Column, table
from delever.model.errors import InputError
from delever.run.result import Result


@dataclass(frozen=True, repr=False)
class Overlap(Result):
    """Portfolios and markets.

    table: a row a holder: assets, what the sale of all it holds takes from the others, its part of the network's own direction.
    pairs: a row a pair of holders that share something, the largest first: overlap, and the asset that most of it is through.
    assets: a row an asset: held by all, depth, and the share of all overlaps between different holders that it carries.
    matrix: [N, N] USD, the overlaps.
    """

    table: pa.Table
    pairs: pa.Table
    assets: pa.Table
    matrix: Floats

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        return f"Overlap of {self.table.num_rows} holders through {self.assets.num_rows} assets: {self.pairs.num_rows} pairs"


@dataclass(frozen=True, repr=False)
class Vulnerability(Result):
    """One round of sales after a shock.

    aggregate: what they take from all, as a share of all equity; table: a row a holder; assets: a row an asset.
    """

    aggregate: float
    table: pa.Table
    assets: pa.Table

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        return f"Vulnerability of {self.table.num_rows} holders: sales take {self.aggregate:.4g} of their equity"


# --- overlap ---------------------------------------------------------------------------------------------------------


def overlap(held: ArrayLike, depth: ArrayLike, names: Sequence[str] | None = None, assets: Sequence[str] | None = None
            ) -> Overlap:
    """Overlaps of portfolios. held: [N, K] USD; depth: [K] USD sold per 1 of the price, D.

    >>> overlap([[10, 0], [20, 30]], [100, 50]).matrix.tolist()
    [[1.0, 2.0], [2.0, 22.0]]
    """
    owned = matrix("held", held)
    deep = depths(depth, owned.shape[1])
    called, markets = names_of(names, len(owned)), names_of(assets, owned.shape[1], "asset ")
    weighted = overlaps(owned, deep)
    others = weighted - np.diag(weighted.diagonal())
    carried = (owned.sum(axis=0) ** 2 - (owned**2).sum(axis=0)) / deep  # between different holders, both ways
    first, second = np.nonzero(np.triu(others))
    order = np.argsort(-others[first, second], kind="stable")
    first, second = first[order], second[order]
    through = (owned[first] * owned[second] / deep).argmax(axis=1) if len(first) else first
    direction = central(weighted)
    return Overlap(
        table(
            Column("name", "", called),
            Column("held", "USD", owned.sum(axis=1)),
            Column("takes", "USD", others.sum(axis=1), "what the others lose if it sells all it holds, at a linear impact"),
            Column("own", "USD", weighted.diagonal(), "what it takes from itself"),
            Column("centrality", "share", direction, "its part of the direction into which rounds of sales turn losses: the "
                   "first eigenvector of the overlaps, its parts adding up to 1"),
        ),
        table(
            Column("one", "", [called[i] for i in first], kind=pa.string()),
            Column("other", "", [called[j] for j in second], kind=pa.string()),
            Column("overlap", "USD", others[first, second], "what each loses if the other sells all, at a linear impact"),
            Column("through", "", [markets[k] for k in through], "the asset that carries most of it", pa.string()),
        ),
        table(
            Column("asset", "", markets),
            Column("held", "USD", owned.sum(axis=0)),
            Column("depth", "USD", deep, "sold per 1 of the price, at first"),
            Column("share", "share", carried / carried.sum() if carried.any() else np.zeros_like(carried),
                   "of all overlaps between different holders"),
        ),
        weighted,
    )


def overlaps(held: Floats, depth: Floats) -> Floats:
    """W [N, N] USD of held [N, K] USD and D [K] USD."""
    return (held / depth) @ held.T


def central(weighted: Floats) -> Floats:
    """The first eigenvector of a symmetric matrix [N, N] that is nowhere negative; its parts add up to 1."""
    if not weighted.any():
        return np.zeros(len(weighted))
    first = np.abs(np.linalg.eigh(weighted)[1][:, -1])
    return np.asarray(first / first.sum())


# --- depth and impact ------------------------------------------------------------------------------------------------


def market_depth(volume: ArrayLike, volatility: ArrayLike, days: float = 1.0, factor: float = 1.0) -> Floats:
    """D = c ADV / sigma sqrt(tau) [USD]. volume: of a day [USD]; volatility: of a day; days: a sale takes, tau; factor: c.

    >>> float(market_depth(1e6, 0.02, days=4, factor=0.5))
    50000000.0
    """
    a_day = np.asarray(volatility, dtype=np.float64)
    if not np.all(a_day > 0.0):
        raise InputError("is not above 0", "volatility", float(a_day.min()), "give the deviation of a day's return")
    return np.asarray(factor * np.asarray(volume, dtype=np.float64) / a_day * np.sqrt(days))


def impact(sold: ArrayLike, depth: ArrayLike, floor: float = 0.5) -> Floats:
    """Psi: share of the price that a sale [USD] costs; floor: B, the share of the price that it never goes below."""
    most = 1.0 - part("floor", floor)
    sales = np.asarray(sold, dtype=np.float64)
    return np.asarray(most * -np.expm1(-sales / (most * np.asarray(depth, dtype=np.float64)))) if most > 0.0 else 0.0 * sales


# --- vulnerability ---------------------------------------------------------------------------------------------------


def vulnerability(held: ArrayLike, equity: ArrayLike, shock: ArrayLike, depth: ArrayLike, other: ArrayLike = 0.0,
                  gross: ArrayLike | None = None, names: Sequence[str] | None = None, assets: Sequence[str] | None = None
                  ) -> Vulnerability:
    """Aggregate vulnerability: what one round of sales takes after a shock, by whom and from whom.

    held: [N, K] USD; equity: [N] USD above 0; shock: [K] share of the price that is lost; depth: [K] USD, D; other: [N] USD of
    assets that have no market here and are not sold; gross: [N] USD of what is, where `held` counts an asset in several markets.
    Debt is what assets exceed equity by. Linear as published: nobody's sales end at what he holds, no price at 0.
    """
    owned = matrix("held", held)
    count, kinds = owned.shape
    deep, fall = depths(depth, kinds), amounts("shock", shock, kinds, "give the share of the price that is lost")
    own, rest = amounts("equity", equity, count), amounts("other", other, count)
    if not own.all():
        raise InputError("is 0", "equity", int(np.flatnonzero(own == 0.0)[0]), "leave out who has failed already")
    sellable = owned.sum(axis=1) if gross is None else amounts("gross", gross, count)
    leverage = np.maximum(sellable + rest - own, 0.0) / own
    share = np.divide(owned, sellable[:, None], out=np.zeros_like(owned), where=sellable[:, None] > 0.0)
    lost = owned @ fall
    sells = leverage * lost  # b A R: the lost part of the assets, b times
    taken = share / deep @ owned.sum(axis=0)  # from all, by a USD of i's sales
    sold = share.T @ sells
    hurt = owned @ (sold / deep)
    return Vulnerability(
        float(hurt.sum() / own.sum()),
        table(
            Column("name", "", names_of(names, count)),
            Column("leverage", "x", leverage, "debt / equity"),
            Column("sells", "USD", sells, "what brings its leverage back"),
            Column("systemicness", "share", sells * taken / own.sum(), "of all equity: what its sales take from all"),
            Column("direct", "share", lost / own, "of its equity: what the shock takes"),
            Column("indirect", "share", hurt / own, "of its equity: what all sales take"),
        ),
        table(
            Column("asset", "", names_of(assets, kinds, "asset ")),
            Column("shock", "share", fall),
            Column("sold", "USD", sold),
            Column("impact", "share", sold / deep, "of the price"),
        ),
    )


def depths(values: ArrayLike, count: int) -> Floats:
    """[count] USD, all above 0; without end: sales cost nothing there, as of cash."""
    given = np.asarray(values, dtype=np.float64)
    endless = np.broadcast_to(np.isposinf(given), count)
    deep = amounts("depth", np.where(np.isposinf(given), 1.0, given), count, "give USD above 0, sold per 1 of the price")
    if not deep.all():
        raise InputError("is 0", "depth", int(np.flatnonzero(deep == 0.0)[0]), "give USD above 0, sold per 1 of the price")
    return np.where(endless, np.inf, deep)

"""The role of a venue: turn its own data into a liquidity profile, once, before a run.

The step trades on the stacked profiles, and calls no venue but those whose curve others' trades move. Passive venues (pools)
hold liquidity at absolute prices; anchored ones (makers) quote relative to the outside price, so their tables start at the log
price 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, field_validator

from delever.model.errors import InputError, nearest
from delever.model.quantity import Seconds
from delever.model.spec import Spec

if TYPE_CHECKING:
    from delever.core.phase import Phase
    from delever.core.profile import Profiles
    from delever.core.setting import Setting
    from delever.ingest.source import Source

EVERYWHERE = (-np.inf, np.inf)  # quoted range of a venue whose formula holds at every price


class Venue(Spec):
    """A place where one pair trades."""

    pair: str = Field(
        examples=["ETH/USD"], description='"BASE/QUOTE": the asset that is bought and sold, and what it is paid for in')
    half_life: Seconds | None = Field(
        default=None, gt=0, description="time in which outsiders trade back half of a displacement; none: never")

    @field_validator("pair")
    @classmethod
    def _two_assets(cls, pair: str) -> str:
        names = pair.split("/")
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise InputError(f"is {pair!r}", value=pair, remedy="name two assets as BASE/QUOTE, such as stETH/ETH")
        return pair

    @property
    def base(self) -> str:
        """The asset that is bought and sold."""
        return self.pair.split("/")[0]

    @property
    def quote(self) -> str:
        """The asset it is paid for in."""
        return self.pair.split("/")[1]

    def acts(self) -> bool:
        """Whether it has a phase: its curve depends on more than its own trades (`reshape`)."""
        return False

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """One phase for all of the kind that act, by name."""
        raise NotImplementedError

    @abstractmethod
    def table(self, source: Source, price: float) -> ProfileTable:
        """The profile at the start. price: the pair's outside price, units of the quote for one of the base."""


def reserve_pair(held: Mapping[str, float], pair: str, field: str) -> tuple[float, float]:
    """What a pool holds of the base and of the quote, checked; field names it in errors."""
    names = pair.split("/")
    for name, amount in held.items():
        if name not in names:
            raise InputError(f"is not one of the pair {pair}", remedy=nearest(name, names), path=(field, name))
        if not 0.0 < amount < np.inf:
            raise InputError(f"is {amount:g}", remedy="a pool holds more than 0 of both assets", path=(field, name))
    for name in names:
        if name not in held:
            raise InputError("is missing", remedy=f"write {name}: the units that the pool holds", path=(field, name))
    return held[names[0]], held[names[1]]


@dataclass(frozen=True, eq=False)
class ProfileTable:
    """One pair's profile at full depth; core/profile.py says how it trades."""

    node_w: np.ndarray  # [nodes] 1 / sqrt(price), strictly ascending
    sold: np.ndarray  # [nodes] base sold when the price is at the node, units; 0 at the start
    paid: np.ndarray  # [nodes] quote paid out by then; 0 at the start
    liquidity: np.ndarray  # [nodes - 1] > 0; of one that is bounded 0 where a gap lies between others
    start: int  # the node at which the venue stands
    anchored: bool  # prices relative to the outside price
    fee_in: float  # share kept of what a trader gives
    fee_out: float  # share kept of what a trader gets
    quoted: tuple[float, float]  # lowest and highest s that the data cover; beyond is extrapolated
    half_life: float | None  # [s]
    bounded: bool = False  # nothing is for sale or bought beyond the outermost nodes

    @property
    def log_price(self) -> np.ndarray:
        """Log prices of the nodes, [nodes], descending."""
        return np.asarray(-2.0 * np.log(self.node_w))

    @property
    def start_log_price(self) -> float:
        """The log price at which the venue stands; 0 where it is anchored."""
        return float(0.0 - 2.0 * np.log(self.node_w[self.start]))

    def rows(self) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What core.profile's sell and buy take behind s and the amount."""
        return len(self.liquidity), self.node_w, self.sold, self.paid, self.liquidity


def table_from_liquidity(node_w: np.ndarray, liquidity: np.ndarray, start: int, *, anchored: bool = False,
                         fee_in: float = 0.0, fee_out: float = 0.0, quoted: tuple[float, float] | None = None,
                         half_life: float | None = None) -> ProfileTable:
    """A profile from its nodes [nodes], the liquidity between them [nodes - 1] and the node it stands at.

    quoted: range of s that data cover; default: from the first node to the last.
    """
    sold = _from_start(liquidity * np.diff(node_w), start)
    return _table(node_w, sold, liquidity, start, anchored, fee_in, fee_out, quoted, half_life)


def table_from_sold(node_w: np.ndarray, sold: np.ndarray, start: int, *, anchored: bool = False,
                    fee_in: float = 0.0, fee_out: float = 0.0, quoted: tuple[float, float] | None = None,
                    half_life: float | None = None) -> ProfileTable:
    """A profile through given points: sold [nodes], ascending and 0 at the start, where the price is at node_w."""
    liquidity = np.diff(sold) / np.diff(node_w)
    return _table(node_w, sold, liquidity, start, anchored, fee_in, fee_out, quoted, half_life)


def _table(node_w: np.ndarray, sold: np.ndarray, liquidity: np.ndarray, start: int, anchored: bool, fee_in: float,
           fee_out: float, quoted: tuple[float, float] | None, half_life: float | None) -> ProfileTable:
    paid = _from_start(np.diff(sold) / (node_w[:-1] * node_w[1:]), start)
    covered = (float(sold[0]), float(sold[-1])) if quoted is None else quoted
    return ProfileTable(node_w, sold, paid, liquidity, start, anchored, fee_in, fee_out, covered, half_life)


def _from_start(per_cell: np.ndarray, start: int) -> np.ndarray:
    """Running sum over cells, [nodes], that is exactly 0 at the start: what is summed there loses no digits."""
    up = np.cumsum(per_cell[start:])
    down = -np.cumsum(per_cell[:start][::-1])[::-1]
    return np.concatenate([down, [0.0], up])


def combine(tables: Sequence[ProfileTable], where: str = "venues") -> ProfileTable:
    """The venues of one pair as one: liquidity at a price adds. On the union of the nodes this is exact.

    Pools that stand at different prices first trade with each other, base against base, until they stand at one price:
    there the joint profile starts. What an arbitrageur earns by that before the run is left out, and so is
    the band that fees keep open between pools. The joint fee is the mean by liquidity at the start; the quoted range
    is where the data of all of them reach.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    if any(t.anchored != first.anchored for t in tables):
        raise InputError("has a maker book and a pool on one pair", where,
                         remedy="makers follow the outside price, pools do not: write `liquidity: fragmented`")
    if any(t.half_life != first.half_life for t in tables):
        raise InputError("half_life differs between venues of one pair", where, [t.half_life for t in tables],
                         "as one market they recover together: give them the same half_life, or write `liquidity: fragmented`")
    node_w = np.unique(np.concatenate([t.node_w for t in tables]))
    total = np.sum([_sold_at(t, node_w) for t in tables], axis=0)
    crossing = int(np.searchsorted(total, 0.0))  # total <= 0 at the highest start price, >= 0 at the lowest
    if total[crossing] != 0.0:
        share = total[crossing - 1] / (total[crossing - 1] - total[crossing])
        start_w = node_w[crossing - 1] + share * (node_w[crossing] - node_w[crossing - 1])
        if node_w[crossing - 1] < start_w < node_w[crossing]:
            node_w = np.insert(node_w, crossing, start_w)
    parts = np.array([t.liquidity[_cells(t, node_w[:-1])] for t in tables])  # [tables, cells]
    for part, t in zip(parts, tables, strict=True):
        if t.bounded:
            part[(node_w[:-1] < t.node_w[0]) | (node_w[:-1] >= t.node_w[-1])] = 0.0
    there = parts[:, crossing if crossing < parts.shape[1] and parts[:, crossing].any() else crossing - 1]
    weight = there / there.sum()
    joint = table_from_liquidity(
        node_w, parts.sum(axis=0), crossing, anchored=first.anchored, half_life=first.half_life,
        fee_in=float(weight @ [t.fee_in for t in tables]), fee_out=float(weight @ [t.fee_out for t in tables]))
    low = max(-np.inf if t.bounded else _root(t, t.quoted[0]) for t in tables)
    high = min(np.inf if t.bounded else _root(t, t.quoted[1]) for t in tables)
    if all(t.bounded for t in tables):
        return replace(joint, bounded=True)
    covered = _sold_at(joint, np.array([low, high]))
    return replace(joint, quoted=(float(covered[0]), float(covered[1])))


def _cells(table: ProfileTable, w: np.ndarray) -> np.ndarray:
    """The cell of each w, the outermost beyond the ends."""
    return np.clip(np.searchsorted(table.node_w, w, side="right") - 1, 0, len(table.liquidity) - 1)


def _sold_at(table: ProfileTable, w: np.ndarray) -> np.ndarray:
    i = _cells(table, w)
    w = np.clip(w, table.node_w[0], table.node_w[-1]) if table.bounded else w
    return np.asarray(table.sold[i] + (w - table.node_w[i]) * table.liquidity[i])


def _root(table: ProfileTable, s: float) -> float:
    i = int(np.clip(np.searchsorted(table.sold, s, side="right") - 1, 0, len(table.liquidity) - 1))
    return float(table.node_w[i] + (s - table.sold[i]) / table.liquidity[i])


def stack(tables: Sequence[ProfileTable | None]) -> Profiles:
    """The markets' profiles as arrays, in order; None: the market trades any quantity at its price."""
    from delever.core.profile import Profiles  # here, so that reading a world does not load the compiler

    flat = table_from_liquidity(np.array([1.0, 2.0]), np.array([1.0]), 0, quoted=EVERYWHERE)
    rows = [t or flat for t in tables]
    nodes = max((len(t.node_w) for t in rows), default=2)

    def padded(arrays: list[np.ndarray], width: int) -> np.ndarray:
        out = np.empty((len(arrays), width))
        for row, values in zip(out, arrays, strict=True):
            row[:len(values)], row[len(values):] = values, values[-1]
        return out

    return Profiles(
        node_w=padded([t.node_w for t in rows], nodes), sold=padded([t.sold for t in rows], nodes),
        paid=padded([t.paid for t in rows], nodes), liquidity=padded([t.liquidity for t in rows], nodes - 1),
        cells=np.array([len(t.liquidity) for t in rows], dtype=np.int64),
        anchored=np.array([t.anchored for t in rows], dtype=np.int64),
        has_venue=np.array([t is not None for t in tables], dtype=np.int64),
        quoted=np.array([t.quoted for t in rows], dtype=np.float64).reshape(len(rows), 2),
        bounded=np.array([t.bounded for t in rows], dtype=np.int64))

"""StableSwap pools of two or more assets: flat near balance, a constant product far from it.

    Ann S + D = Ann D + D^(n+1) / (n^n P),    S, P sum and product of the n balances, Ann = n A,  A as the contract gives it
    price of the base x in the quote y = (Ann + D^(n+1) / (n^n P x)) / (Ann + D^(n+1) / (n^n P y))
Source: Egorov, StableSwap (2019); the contract's get_D and get_y. The fee is taken from the output and, like the
admin's share of it, left out of the balances. Of a pool of more than two, base and quote trade while the other balances stand as
they are. Venues that name one `pool` share its balances: venues/shared_pool.py.

The profile passes through the pool's own price and amounts at every node, and is within 0.2 bp of the closed form in
between for trades of up to 40 % of the pool, either way, at A from 5 to 2000 (tests/venues/test_stableswap.py;
from the balances of a real pool with A = 30: 0.03 bp; of more than two assets within 0.5 bp up to 40 % of the smaller balance).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.pool_curves import CROWDING, ITERATIONS, SPAN, left_over
from delever.ingest import curve_pool
from delever.model.errors import InputError
from delever.model.quantity import Amount, Share, Text
from delever.model.references import market_of_venue
from delever.venues.base import ProfileTable, Venue, reserve_pair, table_from_sold

if TYPE_CHECKING:
    from delever.core.phase import Phase
    from delever.core.setting import Setting
    from delever.ingest.source import Source
    from delever.model.world import World


class StableSwap(Venue):
    """A Curve pool of assets that are worth about the same, two of which are the pair."""

    kind: ClassVar[str] = "stableswap"

    pair: str = Field(examples=["stETH/ETH"], description='"BASE/QUOTE": two assets that are worth about the same')
    data: str | None = Field(default=None, description="JSON file with A, fee and balances; or give the three here")
    A: float | None = Field(default=None, gt=0, le=1e6, examples=[30], description="amplification, as the contract gives it")
    balances: dict[str, Amount] | None = Field(
        default=None, examples=["{stETH: 12k, ETH: 10k}"],
        description="units of each asset that the pool holds: of the pair's two, and of others if it has them")
    fee: Share | None = Field(default=None, ge=0, lt=1, examples=["0.04 %"], description="share kept of the output")
    cells: int = Field(default=1024, ge=16, le=65536, multiple_of=2, description="cells of the profile")
    pool: Text | None = Field(
        default=None, description="name of the pool, where several of its pairs are venues: they state the same; null: alone")

    @model_validator(mode="after")
    def _data_or_numbers(self) -> StableSwap:
        given = [name for name in ("A", "balances", "fee") if getattr(self, name) is not None]
        if self.data is None and len(given) < 3:
            raise InputError("has neither data nor all of A, balances and fee", remedy="give one or the other")
        if self.data is not None and given:
            raise InputError(f"has data and {given[0]}", value=self.data, remedy="give one or the other")
        if self.balances is not None and len(self.balances) > 2:
            for name, units in self.balances.items():
                if not 0.0 < units < math.inf:
                    raise InputError(f"is {units:g}", remedy="a pool holds more than 0 of every asset", path=("balances", name))
        if self.balances is not None:
            reserve_pair(self._of_pair(self.balances), self.pair, "balances")
        return self

    def _of_pair(self, balances: Mapping[str, float]) -> dict[str, float]:
        """Of a pool of more than two, the pair's."""
        return {name: units for name, units in balances.items() if len(balances) == 2 or name in (self.base, self.quote)}

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Pairs of one pool state the same of it, and each is a market of its own."""
        if self.pool is None:
            return
        market_of_venue(str(path[-1]), world, path)
        first = next(venue for venue in world.venues.values() if isinstance(venue, StableSwap) and venue.pool == self.pool)
        for name in ("data", "A", "balances", "fee"):
            if getattr(self, name) != getattr(first, name):
                raise InputError(f"differs between venues of the pool {self.pool}", path=(*path, name), value=getattr(self, name),
                                 remedy="they are one pool: state the same")
        if self.data is not None:
            raise InputError("has data and pool", path=(*path, "data"), value=self.data, remedy="state A, balances and fee here")
        if any(venue is not self and isinstance(venue, StableSwap) and venue.pool == self.pool
               and {venue.base, venue.quote} == {self.base, self.quote} for venue in world.venues.values()):
            raise InputError(f"is twice in the pool {self.pool}", path=(*path, "pair"), value=self.pair, remedy="leave one out")

    def acts(self) -> bool:
        """See Venue."""
        return self.pool is not None

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All pools of which several pairs are venues."""
        from delever.venues.shared_pool import Pool, SharedPools  # which compiles; reading a venue does not

        pools: dict[str | None, list[str]] = {}
        for name, spec in specs.items():
            pools.setdefault(spec.pool, []).append(name)
        stated = []
        for names in pools.values():
            balances, amplification = specs[names[0]].balances or {}, specs[names[0]].A or 0.0
            stated.append(Pool(amplification, balances, total_of(list(balances.values()), len(balances) * amplification), [
                (name, specs[name].base, specs[name].quote, left_over(specs[name].cells // 2)) for name in names]))
        return SharedPools(stated, setting)

    def table(self, source: Source, price: float) -> ProfileTable:
        """Nodes in ln(x / y), dense around the balances that the pool has."""
        if self.data is not None:
            return self._read(source, self.data).table(source, price)
        if self.A is None or self.balances is None or self.fee is None:
            raise TypeError("validation gives all three")
        base, quote = reserve_pair(self._of_pair(self.balances), self.pair, "balances")
        half = self.cells // 2
        if len(self.balances) > 2 or self.pool is not None:
            others = [units for name, units in self.balances.items() if name not in (self.base, self.quote)]
            node_w, sold = curve_of_many(base, quote, others, self.A, half)
            return table_from_sold(node_w, sold, half, fee_out=self.fee, half_life=self.half_life)
        step = np.sinh(CROWDING * np.arange(-half, half + 1) / half) / math.sinh(CROWDING)
        lopsided = base / quote * np.exp(SPAN * step)  # x / y at the nodes
        ann = 2.0 * self.A
        one = invariant(lopsided, np.ones_like(lopsided), ann)  # D of a pool that holds y = 1; D is homogeneous
        bend = one * one * one / 4.0
        node_w = np.sqrt((ann + bend / lopsided) / (ann + bend / lopsided**2))
        sold = lopsided * one[half] / one * quote - base
        sold[half] = 0.0
        return table_from_sold(node_w, sold, half, fee_out=self.fee, half_life=self.half_life)

    def _read(self, source: Source, name: str) -> StableSwap:
        """The pool that the file describes."""
        where = str(source.path(name))
        try:
            return StableSwap(pair=self.pair, half_life=self.half_life, cells=self.cells,
                              **curve_pool.read(source.json(name), where))
        except InputError as error:
            raise error.at(where) from None


def curve_of_many(base: float, quote: float, others: Sequence[float], amplification: float, half: int
                  ) -> tuple[np.ndarray, np.ndarray]:
    """(1 / sqrt(price), base sold) at the 2 half + 1 nodes of a pair of a pool with others; it stands at the middle one.

    Nodes are dense at the start: the quote runs out on the one side, the base on the other, each down to e^-14 of itself.
    """
    n = 2 + len(others)
    ann, d = n * amplification, total_of([base, quote, *others], n * amplification)
    left = left_over(half)
    x = np.concatenate([(base * left)[::-1], counterpart(quote * left[1:], others, d, ann)])
    y = np.concatenate([counterpart(base * left[1:], others, d, ann)[::-1], quote * left])
    bend = bend_of(others, d) / (x * y)  # D^(n+1) / (n^n P)
    return np.sqrt((ann + bend / y) / (ann + bend / x)), x - base


def bend_of(others: Sequence[float], d: float) -> float:
    """D^(n+1) / (n^n x the product of all but two balances)."""
    n, out = 2 + len(others), d * d * d / 4.0
    for k in others:
        out *= d / k
    return out * (4.0 / float(n) ** n)


def counterpart(one: np.ndarray, others: Sequence[float], d: float, ann: float) -> np.ndarray:
    """The balance that belongs to these of the other asset of the pair: the positive root of y^2 + (b - D) y = c, as get_y."""
    b, c = one + sum(others) + d / ann - d, bend_of(others, d) / (one * ann)
    root = np.sqrt(b * b + 4.0 * c)
    return np.asarray(np.where(b > 0.0, 2.0 * c / (b + root), (root - b) / 2.0))


def total_of(balances: Sequence[float], ann: float) -> float:
    """D of any number of balances, by Newton's method from above, as get_D."""
    n, total = len(balances), sum(balances)
    d, last = total, 0.0
    for _ in range(ITERATIONS):
        if abs(d - last) <= 4e-16 * d:
            break
        product = d
        for k in balances:
            product *= d / (n * k)
        d, last = (ann * total + n * product) * d / ((ann - 1.0) * d + (n + 1) * product), d
    return d


def invariant(x: np.ndarray, y: np.ndarray, ann: float) -> np.ndarray:
    """D of balances x, y: the total of a balanced pool on the same curve. Newton's method, from above."""
    total: np.ndarray = x + y
    d, last = total, np.zeros_like(total)
    for _ in range(ITERATIONS):
        if np.all(np.abs(d - last) <= 4e-16 * d):
            break
        product = d * d * d / (4.0 * x * y)
        d, last = (ann * total + 2.0 * product) * d / ((ann - 1.0) * d + 3.0 * product), d
    return d

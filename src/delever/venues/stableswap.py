"""StableSwap pools of two assets: flat near balance, a constant product far from it.

    Ann (x + y) + D = Ann D + D^3 / (4 x y),    Ann = n A = 2 A,  A as the pool's contract gives it
    price of the base x in the quote y = (Ann + D^3 / (4 x^2 y)) / (Ann + D^3 / (4 x y^2))
Source: Egorov, StableSwap (2019); the contract's get_D and get_y. The fee is taken from the output and, like the
admin's share of it, left out of the balances.

The profile passes through the pool's own price and amounts at every node, and is within 0.2 bp of the closed form in
between for trades of up to 40 % of the pool, either way, at A from 5 to 2000 (tests/venues/test_stableswap.py;
from the balances of a real pool with A = 30: 0.03 bp).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, model_validator

from delever.ingest import curve_pool
from delever.model.errors import InputError
from delever.model.quantity import Amount, Share
from delever.venues.base import ProfileTable, Venue, reserve_pair, table_from_sold

if TYPE_CHECKING:
    from delever.ingest.source import Source

SPAN = 14.0  # nodes reach balances e^14 times as lopsided as the start's; beyond, the last liquidity goes on
CROWDING = 3.0  # nodes are sinh(3) = 10 times as dense at the start as evenly spread
ITERATIONS = 255  # of Newton's method, as in the contract; it takes about ten


class StableSwap(Venue):
    """A Curve pool of two assets that are worth about the same."""

    kind: ClassVar[str] = "stableswap"

    pair: str = Field(examples=["stETH/ETH"], description='"BASE/QUOTE": two assets that are worth about the same')
    data: str | None = Field(default=None, description="JSON file with A, fee and balances; or give the three here")
    A: float | None = Field(default=None, gt=0, le=1e6, examples=[30], description="amplification, as the contract gives it")
    balances: dict[str, Amount] | None = Field(
        default=None, examples=["{stETH: 12k, ETH: 10k}"], description="units of either asset that the pool holds")
    fee: Share | None = Field(default=None, ge=0, lt=1, examples=["0.04 %"], description="share kept of the output")
    cells: int = Field(default=1024, ge=16, le=65536, multiple_of=2, description="cells of the profile")

    @model_validator(mode="after")
    def _data_or_numbers(self) -> StableSwap:
        given = [name for name in ("A", "balances", "fee") if getattr(self, name) is not None]
        if self.data is None and len(given) < 3:
            raise InputError("has neither data nor all of A, balances and fee", remedy="give one or the other")
        if self.data is not None and given:
            raise InputError(f"has data and {given[0]}", value=self.data, remedy="give one or the other")
        if self.balances is not None:
            reserve_pair(self.balances, self.pair, "balances")
        return self

    def table(self, source: Source, price: float) -> ProfileTable:
        """Nodes in ln(x / y), dense around the balances that the pool has."""
        if self.data is not None:
            return self._read(source, self.data).table(source, price)
        if self.A is None or self.balances is None or self.fee is None:
            raise TypeError("validation gives all three")
        base, quote = reserve_pair(self.balances, self.pair, "balances")
        half = self.cells // 2
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

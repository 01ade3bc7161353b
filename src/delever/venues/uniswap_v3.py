"""Concentrated liquidity: everybody who provides chooses the prices between which his liquidity stands.

    price of a tick    1.0001^tick x 10^(decimals0 - decimals1)     units of token 1 for one of token 0
    liquidity between two ticks = sum of the positions that cover them, / 10^((decimals0 + decimals1) / 2)
Source: Uniswap v3 core whitepaper (2021), section 6; UniswapV3Pool.swap. Exact between ticks and across them, without the
contract's rounding to whole units. The fee is of the input, stays out of the liquidity, and what a swap leaves when the
liquidity ends is not traded: beyond the outermost positions the pool has nothing, and in a gap it stands at the lower end.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from delever.ingest import tick_table
from delever.model.errors import InputError
from delever.model.quantity import Ratio, Share, Whole
from delever.venues.base import ProfileTable, Venue, table_from_liquidity

if TYPE_CHECKING:
    from delever.ingest.source import Source

HALF_TICK = 0.5 * math.log1p(1e-4)  # the log of 1.0001 itself has lost four digits
LAST_TICK = 887_272
NEAR = math.sqrt(10.0)  # times: further from every position nobody means to stand, so the prices of ticks are misread


class UniswapV3(Venue):
    """A pool of positions, each between two ticks."""

    kind: ClassVar[str] = "uniswap_v3"

    positions: tuple[tuple[int, int, float], ...] = Field(
        (), examples=["[[-205000, -190000, 4e18], [-201000, -199000, 2e19]]"],
        description="lower tick, upper tick, liquidity of each, as the contract counts them")
    data: str | None = Field(
        None, description="CSV file with the columns tick and liquidity_net, of all initialised ticks; or give positions here")
    decimals: tuple[Whole, Whole] = Field((18, 18), examples=["[18, 6]"], description="of token 0 and token 1")
    base_token: Literal["token0", "token1"] = Field("token0", description="which of the two tokens is the base of the pair")
    price: Ratio | None = Field(
        None, gt=0, description="where it stands, units of the quote for one of the base; null: at the outside price")
    fee: Share = Field(0.003, ge=0, lt=1, examples=["0.3 %"], description="share kept of the input")

    @model_validator(mode="after")
    def _data_or_positions(self) -> UniswapV3:
        if (self.data is None) == (not self.positions):
            raise InputError("has neither data nor positions" if self.data is None else "has data and positions",
                             remedy="give one or the other")
        for number, (lower, upper, liquidity) in enumerate(self.positions):
            path = ("positions", number)
            if not -LAST_TICK <= lower < upper <= LAST_TICK:
                raise InputError(f"goes from tick {lower} to {upper}", path=path,
                                 remedy=f"the lower tick comes first, both within +-{LAST_TICK}")
            if not 0.0 < liquidity < math.inf:
                raise InputError(f"has liquidity {liquidity:g}", path=path, remedy="a position has more than 0")
        return self

    def table(self, source: Source, price: float) -> ProfileTable:
        """A node a tick at which liquidity changes, and one where the pool stands."""
        if self.data is not None:
            tick, net = tick_table.read(source, self.data)
        else:
            ends = np.array([end for lower, upper, _ in self.positions for end in (lower, upper)])
            change = np.array([sign * size for *_, size in self.positions for sign in (1.0, -1.0)])
            tick, where = np.unique(ends, return_inverse=True)
            net = np.bincount(where, change)
        zero, one = self.decimals
        liquidity = np.cumsum(net)[:-1]  # between a tick and the next
        liquidity[np.abs(liquidity) < 1e-12 * np.abs(net).max()] = 0.0  # what adding and taking the same leaves
        if liquidity.min(initial=0.0) < 0.0:
            raise InputError(f"liquidity from tick {tick[int(liquidity.argmin())]} on is negative", self.data or "positions",
                             remedy="give every initialised tick: what a lower one adds a higher one takes away")
        liquidity = liquidity / 10.0 ** (0.5 * (zero + one))
        root = np.exp(tick * HALF_TICK + 0.5 * (zero - one) * math.log(10.0))  # sqrt of token 0 in token 1
        node_w, between = (1.0 / root[::-1], liquidity[::-1]) if self.base_token == "token0" else (root, liquidity)
        covered = np.flatnonzero(between > 0.0)
        if not len(covered):
            raise InputError("has no liquidity", self.data or "positions", remedy="give at least one position")
        node_w, between = node_w[covered[0]:covered[-1] + 2], between[covered[0]:covered[-1] + 1]
        return self._standing(node_w, between, 1.0 / math.sqrt(self.price or price))

    def _standing(self, node_w: np.ndarray, between: np.ndarray, w: float) -> ProfileTable:
        """The pool at w = 1 / sqrt(price), which becomes a node; where no position covers that, at the next one that does."""
        if not node_w[0] / NEAR <= w <= node_w[-1] * NEAR:
            low, high = (1.0 / node_w[-1] ** 2, 1.0 / node_w[0] ** 2)
            raise InputError(f"no position is near the price {1.0 / w**2:g}", self.pair, remedy=(
                f"positions go from {low:g} to {high:g}: check `decimals`, `base_token` and `price`"))
        w = min(max(w, node_w[0]), node_w[-1])
        cell = int(np.searchsorted(node_w, w, side="right")) - 1
        if node_w[cell] != w and between[cell] > 0.0:
            node_w, between = np.insert(node_w, cell + 1, w), np.insert(between, cell + 1, between[cell])
            cell += 1
        elif cell < len(between) and between[cell] == 0.0:
            cell += 1  # a gap stands for its lower end
        return replace(table_from_liquidity(node_w, between, cell, fee_in=self.fee, half_life=self.half_life), bounded=True)

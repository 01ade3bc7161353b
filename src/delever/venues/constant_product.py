"""Constant-product pools: base reserve x quote reserve stays constant but for the fee on what goes in.

Source: Uniswap v2 core whitepaper (2020), section 3.2.1; UniswapV2Pair.sol keeps 0.3 % of the input. Exact: the
liquidity L = sqrt(base x quote) is the same at every price, so one cell is the pool. The fee stays with the pool
but not in the profile: there it would add fee x volume to L.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, model_validator

from delever.model.quantity import Amount, Share
from delever.venues.base import EVERYWHERE, ProfileTable, Venue, reserve_pair, table_from_liquidity

if TYPE_CHECKING:
    from delever.ingest.source import Source


class ConstantProduct(Venue):
    """A pool that keeps x y = k."""

    kind: ClassVar[str] = "constant_product"

    reserves: dict[str, Amount] = Field(
        examples=["{ETH: 5000, USD: 10m}"], description="units of either asset that the pool holds")
    fee: Share = Field(default=0.0, ge=0, lt=1, description="share kept of the input")
    follows: bool = Field(default=False, description="its makers re-centre it on the outside price, at the same base reserve")

    @model_validator(mode="after")
    def _both_reserves(self) -> ConstantProduct:
        reserve_pair(self.reserves, self.pair, "reserves")
        return self

    def table(self, source: Source, price: float) -> ProfileTable:
        """One cell, which goes on to price 0 and without end upwards."""
        base, quote = reserve_pair(self.reserves, self.pair, "reserves")
        w = 1.0 if self.follows else math.sqrt(base / quote)
        depth = base if self.follows else math.sqrt(base * quote)  # in prices relative to the outside one, L = base
        return table_from_liquidity(np.array([w, 2.0 * w]), np.array([depth]), 0, anchored=self.follows,
                                    fee_in=self.fee, quoted=EVERYWHERE, half_life=self.half_life)

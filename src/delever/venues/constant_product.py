"""Constant-product pools: base reserve x quote reserve stays constant but for the fee on what goes in.

Source: Uniswap v2 core whitepaper (2020), section 3.2.1; UniswapV2Pair.sol keeps 0.3 % of the input. Exact: the
liquidity L = sqrt(base x quote) is the same at every price, so one cell is the pool. A fee that the pool keeps, as the pair
does, adds to L and moves the price, by path: venues/kept_fees.py. Else it is its providers', and the curve stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from delever.model.errors import InputError
from delever.model.quantity import Amount, Share
from delever.model.references import Path, market_of_venue
from delever.venues.base import EVERYWHERE, ProfileTable, Venue, reserve_pair, table_from_liquidity

if TYPE_CHECKING:
    from delever.core.phase import Phase
    from delever.core.setting import Setting
    from delever.ingest.source import Source
    from delever.model.world import World


class ConstantProduct(Venue):
    """A pool that keeps x y = k."""

    kind: ClassVar[str] = "constant_product"

    reserves: dict[str, Amount] = Field(
        examples=["{ETH: 5000, USD: 10m}"], description="units of either asset that the pool holds")
    fee: Share = Field(default=0.0, ge=0, lt=1, description="share kept of the input")
    keeps_fee: bool = Field(default=False, description="the fee joins what the pool holds, as in a pair of Uniswap v2; "
                            "false: it is paid out to those who provide")
    follows: bool = Field(default=False, description="its makers re-centre it on the outside price, at the same base reserve")

    @model_validator(mode="after")
    def _both_reserves(self) -> ConstantProduct:
        reserve_pair(self.reserves, self.pair, "reserves")
        if self.keeps_fee and self.follows:
            raise InputError("has keeps_fee and follows", remedy="makers who re-centre a pool choose what it holds: drop one")
        return self

    def check(self, world: World, path: Path) -> None:
        """A pool that deepens is a market of its own."""
        if self.keeps_fee:
            market_of_venue(str(path[-1]), world, path)

    def acts(self) -> bool:
        """See Venue."""
        return self.keeps_fee

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All that keep their fees."""
        from delever.venues.kept_fees import KeptFees  # which compiles; reading a venue does not

        return KeptFees(list(specs), setting)

    def table(self, source: Source, price: float) -> ProfileTable:
        """One cell, which goes on to price 0 and without end upwards."""
        base, quote = reserve_pair(self.reserves, self.pair, "reserves")
        w = 1.0 if self.follows else math.sqrt(base / quote)
        depth = base if self.follows else math.sqrt(base * quote)  # in prices relative to the outside one, L = base
        return table_from_liquidity(np.array([w, 2.0 * w]), np.array([depth]), 0, anchored=self.follows,
                                    fee_in=self.fee, quoted=EVERYWHERE, half_life=self.half_life)

"""A maker book given as a table: how much can be sold or bought before the price has moved that far.

A level (quantity, price) says that selling (bids) or buying (asks) that quantity in all brings the marginal price to
`price`, relative to the outside price. Between levels the liquidity L is constant; beyond the last level the last goes
on, and what is traded there is reported as extrapolated. Makers quote around the outside price and follow it.
Source of `data`: quotes of a DEX aggregator, read and made monotone by ingest/aggregator_quotes.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, model_validator

from delever.ingest import aggregator_quotes
from delever.model.errors import InputError
from delever.model.quantity import Amount, Ratio, Share
from delever.venues.base import ProfileTable, Venue, table_from_sold

if TYPE_CHECKING:
    from delever.ingest.source import Source

Levels = Sequence[tuple[float, float]]  # (units of the base in all, price then reached [of the outside price])


class DepthTable(Venue):
    """Bids and asks around the outside price."""

    kind: ClassVar[str] = "depth_table"

    data: str | None = Field(default=None, description="folder of aggregator quotes; or give bids and asks here")
    bids: tuple[tuple[Amount, Ratio], ...] = Field(
        default=(), examples=["[[500, 0.98], [2000, 0.9]]"], description="units sold in all, price reached; falling")
    asks: tuple[tuple[Amount, Ratio], ...] = Field(
        default=(), examples=["[[500, 1.02], [2000, 1.1]]"], description="units bought in all, price reached; rising")
    fee: Share = Field(default=0.0, ge=0, lt=1, description="share kept of the input")

    @model_validator(mode="after")
    def _data_or_levels(self) -> DepthTable:
        if (self.data is None) == (not self.bids and not self.asks):
            raise InputError("has neither data nor bids and asks" if self.data is None else "has data and levels",
                             remedy="give one or the other")
        if self.data is None:
            check_levels(self.bids, -1.0, "bids")
            check_levels(self.asks, 1.0, "asks")
        return self

    def table(self, source: Source, price: float) -> ProfileTable:
        """One cell between each level and the next."""
        bids: Levels = self.bids
        asks: Levels = self.asks
        if self.data is not None:
            depth = aggregator_quotes.read(lambda file: source.table(f"{self.data}/{file}"), self.base, self.quote)
            bids, asks = depth.bids.levels[1:], depth.asks.levels[1:]  # the first is the outside price itself
            try:
                check_levels(bids, -1.0, "bids")
                check_levels(asks, 1.0, "asks")
            except InputError as error:
                raise error.at(f"{self.data} for {self.pair}") from None
        points = [(-quantity, level) for quantity, level in reversed(asks)] + [(0.0, 1.0), *bids]
        sold = np.array([point[0] for point in points])
        node_w = 1.0 / np.sqrt([point[1] for point in points])
        return table_from_sold(node_w, sold, len(asks), anchored=True, fee_in=self.fee, half_life=self.half_life)


def check_levels(levels: Levels, direction: float, side: str) -> None:
    """Quantities rise from above 0, prices go away from 1. direction: -1 bids, 1 asks."""
    if not levels:
        raise InputError("is missing", remedy="give both sides as [[quantity, relative price], ...]", path=(side,))
    way, place = ("fall", "below") if direction < 0.0 else ("rise", "above")
    for row, ((before, near), (quantity, far)) in enumerate(itertools.pairwise([(0.0, 1.0), *levels]), start=1):
        if not before < quantity < np.inf:
            raise InputError(f"quantity of level {row} is {quantity:g}", path=(side,),
                             remedy=f"quantities add up from level to level: it must be above {before:g}")
        if not 0.0 < direction * (far - near) < np.inf or far <= 0.0:
            raise InputError(f"price of level {row} is {far:g}", path=(side,),
                             remedy=f"prices are shares of the outside price and {way}: it must be {place} {near:g}")

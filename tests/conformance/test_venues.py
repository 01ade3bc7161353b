"""Venues: a profile that rises with the price, and stands where the venue does."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.claims import EveryMechanism
from conformance.house import HERE, world_with
from delever.ingest.source import Source
from delever.venues.base import ProfileTable


class TestVenues(EveryMechanism):
    """Every file of venues/."""

    role = "venues"

    def table(self, kind: str) -> ProfileTable:
        """Of the example, at the outside price of its pair."""
        venue: Any = world_with(self.role, kind).venues["its"]
        return venue.table(Source(HERE), self.outside(kind))

    def outside(self, kind: str) -> float:
        """Price of its pair, units of the quote for one of the base."""
        venue: Any = world_with(self.role, kind).venues["its"]
        return 2000.0 if venue.pair == "ETH/USD" else 0.99

    def test_who_sells_more_sells_cheaper(self, kind: str) -> None:
        table = self.table(kind)
        assert (np.diff(table.node_w) > 0.0).all()
        assert (np.diff(table.sold) > 0.0).all()
        assert (np.diff(table.paid) > 0.0).all()
        assert (table.liquidity > 0.0).all()
        assert np.isfinite(table.liquidity).all()

    def test_it_stands_where_nothing_is_sold_yet(self, kind: str) -> None:
        table = self.table(kind)
        assert table.sold[table.start] == 0.0 == table.paid[table.start]
        assert 0 <= table.start < len(table.node_w)
        outside = 1.0 if table.anchored else self.outside(kind)
        assert abs(table.start_log_price - np.log(outside)) < 0.1

    def test_fees_and_range_are_such(self, kind: str) -> None:
        table = self.table(kind)
        assert 0.0 <= table.fee_in < 1.0
        assert 0.0 <= table.fee_out < 1.0
        assert table.quoted[0] < 0.0 < table.quoted[1]

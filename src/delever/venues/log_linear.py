"""Linear impact in log price: every unit sold lowers the log price by 1 / depth, relative to the outside price.

    x(s) = -s / depth
Source: the linear impact of Kyle (1985), taken in logs so that prices stay positive. The profile passes through the law
at every node and is within 2e-5 of its log price in between (tests/venues/test_log_linear.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from delever.model.quantity import Amount, Share
from delever.venues.base import ProfileTable, Venue, table_from_sold

if TYPE_CHECKING:
    from delever.ingest.source import Source

REACH = 8.0  # nodes go to log prices of +-8; beyond, the outermost liquidity goes on
CELLS = 1024


class LogLinear(Venue):
    """Makers around the outside price whose depth is the same in every step of log price."""

    kind: ClassVar[str] = "log_linear"

    depth: Amount = Field(gt=0, examples=["20k"], description="units whose sale moves the log price by -1")
    fee: Share = Field(default=0.0, ge=0, lt=1, description="share kept of the input")

    def table(self, source: Source, price: float) -> ProfileTable:
        """Nodes evenly spread in log price."""
        fall = np.linspace(-REACH, REACH, CELLS + 1)
        return table_from_sold(np.exp(fall / 2.0), fall * self.depth, CELLS // 2, anchored=True, fee_in=self.fee,
                               half_life=self.half_life)

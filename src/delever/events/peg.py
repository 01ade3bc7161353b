"""The ratio at which a pegged asset trades moves, and it alone: a depeg.

    e += ln(1 + change) / steps     of its market against its peg, in each of the steps
Source: the scenario.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from delever.events.price import Price
from delever.model.quantity import Change


class Peg(Price):
    """A move of pegged assets' ratios."""

    kind: ClassVar[str] = "peg"
    pegged: ClassVar[bool] = True
    change: dict[str, Change] = Field(min_length=1, examples=["{stETH: -5 %}"], description="of the ratio, by pegged asset")

"""The ratio at which a pegged asset trades moves, and it alone: a depeg.

    e += ln(1 + change) / steps     of its market against its peg, in each of the steps
Source: the scenario.
"""

from __future__ import annotations

from typing import ClassVar

from delever.events.price import Price


class Peg(Price):
    """A move of pegged assets' ratios."""

    kind: ClassVar[str] = "peg"
    pegged: ClassVar[bool] = True

"""A feed that never moves: a protocol that takes a price as given.

Source: Compound v2 priced USDC at 1 fixed; many protocols do so with a bridged or wrapped asset.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field

from delever.core.setting import Setting
from delever.oracles.base import FeedPhase, FeedSpec


class Fixed(FeedSpec):
    """Always the same answer."""

    kind: ClassVar[str] = "fixed"
    moves: ClassVar[bool] = False
    answer: float | None = Field(default=None, gt=0, description="price of the pair; without one, that of the start")

    def start_answer(self, log_price: float) -> float:
        """The fixed answer."""
        return math.log(self.answer) if self.answer is not None else log_price

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """Nothing happens."""
        return FeedPhase()

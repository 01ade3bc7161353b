"""Compound's jump rate: a multiplier up to the kink, a larger one beyond.

    r = base + multiplier min(u, kink) + jump max(u - kink, 0)
Source: Compound v2's JumpRateModelV2, from its documentation; no contract was run. There utilisation leaves out what the protocol
has put by, borrows / (cash + borrows - reserves): state `cash` less of that.
"""

from __future__ import annotations

from pydantic import Field

from delever.model.quantity import PerYear, Share
from delever.rates.kinked import Curve, KinkedCurve


class Jump(KinkedCurve):
    """Compound's: slopes a unit of utilisation."""

    kind = "jump"

    base: PerYear = Field(0.0, ge=0, description="borrow rate where nothing is lent out")
    multiplier: PerYear = Field(ge=0, examples=["5 %"], description="slope up to the kink, at full use")
    jump: PerYear = Field(ge=0, examples=["109 %"], description="slope beyond the kink, at full use")
    kink: Share = Field(gt=0, lt=1, examples=["80 %"], description="utilisation from which it is steep")

    def curve(self) -> Curve:
        """See KinkedCurve."""
        return Curve(self.base, self.multiplier * self.kink, self.jump * (1.0 - self.kink), self.kink)

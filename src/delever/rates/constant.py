"""A rate that does not move, which suppliers get: with it claims grow by what debts do, as with any curve.

    r = at
An asset's `borrow_rate` is as constant and is nobody's: debts grow and claims do not, which is right where nobody asks who lends.
Source: fixed-rate lending; where a curve is not known, an assumption.
"""

from __future__ import annotations

from pydantic import Field

from delever.model.quantity import PerYear
from delever.rates.kinked import Curve, KinkedCurve


class Constant(KinkedCurve):
    """The same at any use."""

    kind = "constant"

    at: PerYear = Field(ge=0, examples=["6 %"], description="borrow rate")

    def curve(self) -> Curve:
        """See KinkedCurve."""
        return Curve(self.at, 0.0, 0.0, 0.5)

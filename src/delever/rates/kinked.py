"""A kinked curve: rates rise slowly up to the utilisation that is aimed at, and steeply beyond.

    r = base + slope min(u, kink) / kink + steep max(u - kink, 0) / (1 - kink)
Source: Aave's DefaultReserveInterestRateStrategy (v3.0.2, v3.6), exact against the contract.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from pydantic import Field

from delever.core.jit import helper, kernel
from delever.core.setting import Setting
from delever.model.quantity import PerYear, Share
from delever.rates.base import YEAR, RateCurve, RatesPhase, Reserve


class Curve(NamedTuple):
    """A kinked curve, in rates a year."""

    base: float
    slope: float  # what the way up to the kink adds
    steep: float  # what the way from there adds
    kink: float


BASE, SLOPE, STEEP, KINK = range(4)


class KinkedCurve(RateCurve):
    """A curve of two straight lines."""

    @abstractmethod
    def curve(self) -> Curve:
        """Its numbers."""

    @classmethod
    def phase(cls, specs: Mapping[Reserve, KinkedCurve], setting: Setting) -> Kinks:
        """See RateCurve."""
        return Kinks(specs, setting)


class Kinked(KinkedCurve):
    """Aave's: rates at no use, at the kink and at full use, as differences."""

    kind = "kinked"

    base: PerYear = Field(0.0, ge=0, description="borrow rate where nothing is lent out")
    slope: PerYear = Field(ge=0, examples=["4 %"], description="what it gains up to the kink")
    steep: PerYear = Field(ge=0, examples=["60 %"], description="what it gains from the kink to full use")
    kink: Share = Field(gt=0, lt=1, examples=["90 %"], description="utilisation from which it is steep")

    def curve(self) -> Curve:
        """See KinkedCurve."""
        return Curve(self.base, self.slope, self.steep, self.kink)


@helper
def kinked_rate(u: float, base: float, slope: float, steep: float, kink: float) -> float:
    """Borrow rate at utilisation u, in the unit of base and slopes."""
    if u <= kink:
        return base + slope * (u / kink)
    return base + slope + steep * ((u - kink) / (1.0 - kink))


@kernel
def rates_of(curve: np.ndarray, used: np.ndarray, rate: np.ndarray) -> None:
    """curve: [n, 4] a second; used: [n, P]; rate: [n, P], written."""
    for i in range(curve.shape[0]):
        base, slope, steep, kink = curve[i, BASE], curve[i, SLOPE], curve[i, STEEP], curve[i, KINK]
        for p in range(used.shape[1]):
            rate[i, p] = kinked_rate(used[i, p], base, slope, steep, kink)


class Kinks(RatesPhase):
    """All kinked curves."""

    def __init__(self, specs: Mapping[Reserve, KinkedCurve], setting: Setting) -> None:
        super().__init__(specs, setting)
        self.curve = np.array([spec.curve() for spec in specs.values()])
        self.curve[:, :KINK] /= YEAR

    def rates(self, step_length: float) -> None:
        """See RatesPhase."""
        rates_of(self.curve, self.used, self.rate)

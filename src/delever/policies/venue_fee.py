"""A venue's fee follows the volatility that its pair has realised: on each path its own.

    r      log-move of the pair's outside price over the step
    var    <- keep var + (1 - keep) r^2 / dt,   keep = 2^(-dt / half_life);  at the start usual^2     [1 / year]
    fee    = min(stated x max(1, sqrt(var) / usual), most)      of what a trader gives or gets, as the venue states it
Source: fees in proportion to volatility compensate what providers lose to arbitrage, which grows with its square: Milionis,
Moallemi, Roughgarden, Zhang, Automated Market Making and Loss-Versus-Rebalancing (2022). The form is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import OF, Column, Value, mean_of
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.model.quantity import PerYear, Seconds, Share, Text
from delever.model.references import market_of_venue
from delever.model.world import World
from delever.policies.base import Policy

YEAR = 365.0 * 86400.0  # [s]


class VenueFee(Policy):
    """A rule of one venue."""

    kind: ClassVar[str] = "venue_fee"
    venue: Text = Field(examples=["eth"], description="whose fee it is; it states one")
    usual: PerYear = Field(gt=0, examples=["60 %"], description="volatility up to which the fee is as stated; assumption")
    most: Share = Field(gt=0, lt=1, examples=["3 %"], description="highest fee; assumption")
    half_life: Seconds = Field(3600.0, gt=0, description="time in which a past move counts half; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A venue that is a market of its own."""
        market_of_venue(self.venue, world, (*path, "venue"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All such rules."""
        return Fees(specs, setting)


HIGHEST = Column("highest_fee", "share", f"highest fee of the venue of {OF}", mean_of(
    "highest_fee", f"the highest fee of the venue of {OF}"), section="Venues' fees")
RAISED = Column("fee_raised", "share", "by how much it raised the fee at most")


class Fees(Phase):
    """All rules. P: paths."""

    def __init__(self, specs: Mapping[str, VenueFee], setting: Setting) -> None:
        self.specs, layout = specs, setting.layout
        self.rows = [layout.venues[spec.venue] for spec in specs.values()]
        self.variance = [np.full(setting.paths, spec.usual**2) for spec in specs.values()]  # [P] of each, 1 / year
        self.last = [np.full(setting.paths, layout.start[layout.tree.pair[m]]) for m in self.rows]  # [P] log price a step ago
        self.keep = [2.0 ** (-setting.step_length / spec.half_life) for spec in specs.values()]
        self.stated: list[np.ndarray] = []  # [2] of each, at the start
        self.highest = [np.zeros(setting.paths) for _ in self.rows]

    def adapt(self, state: State) -> None:
        """Once prices stand."""
        if not self.stated:
            self.stated = [state.markets.fee[:, m, 0].copy() for m in self.rows]
        for spec, m, keep, variance, last, stated, highest in zip(
                self.specs.values(), self.rows, self.keep, self.variance, self.last, self.stated, self.highest, strict=True):
            price = state.markets.exogenous[m]
            move = price - last
            variance[:] = keep * variance + (1.0 - keep) * (move * move * (YEAR / state.step_length))
            last[:] = price
            times = np.maximum(np.sqrt(variance) / spec.usual, 1.0)
            for side in (0, 1):
                state.markets.fee[side, m] = np.minimum(stated[side] * times, max(spec.most, stated[side]))
            np.maximum(highest, state.markets.fee[:, m].max(axis=0), out=highest)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [value for name, highest, stated in zip(self.specs, self.highest, self.stated, strict=True) for value in (
            Value(HIGHEST, highest, of=name),
            Value(RAISED, highest - stated.max(), of=name, place=f"policies.{name}"))]

"""Who provides liquidity on a venue, and takes it away when prices fall or move too much: one side or both, as far as nothing.

    withdraws   where the price of the pair stands `fall` or more below the highest of the last `window`, or its volatility of the
                last `window` is `volatility` or more: `delay` later depth -= share, of the sides that he provides
    returns     once neither has been so for `returns`: depth += what he took
A share is of the liquidity at the start; where less is left, he takes what is left. No price moves by it.
volatility^2 = sum of the squared log-moves of the last n = window / dt steps / (n dt in years). The price is the outside's.
Source: none; makers and LPs left books thin on 12 March 2020 and 10 October 2025. All parameters are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from delever.actors.base import Actor
from delever.core.columns import OF, Column, Value, mean_of
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.model.asset import perps
from delever.model.errors import InputError
from delever.model.quantity import PerYear, Seconds, Share, Text
from delever.model.references import market_of_venue
from delever.model.world import World

YEAR = 365.0 * 86400.0  # [s]
SIDES = {"both": (0, 1), "bids": (0,), "asks": (1,)}


class Providers(Actor):
    """Providers of one venue who act alike."""

    kind: ClassVar[str] = "providers"
    venue: Text = Field(examples=["eth"], description="where they provide")
    share: Share = Field(
        gt=0, le=1, examples=["60 %"], description="of the venue's liquidity at the start that is theirs; assumption")
    side: Literal["both", "bids", "asks"] = Field("both", description="what they take away; a sale meets bids, a purchase asks")
    fall: Share | None = Field(
        None, gt=0, lt=1, examples=["10 %"],
        description="below the highest outside price of the window at which they leave; assumption")
    volatility: PerYear | None = Field(
        None, gt=0, description="of the outside price over the window at which they leave; assumption")
    window: Seconds = Field(3600.0, gt=0, description="time that they look back; assumption")
    delay: Seconds = Field(0.0, ge=0, description="from the step in which they see it to when they have left; assumption")
    returns: Seconds | None = Field(None, gt=0, description="calm after which they are back; null: they stay away; assumption")

    @model_validator(mode="after")
    def _some_reason(self) -> Providers:
        if self.fall is None and self.volatility is None:
            raise InputError("never leave", remedy="give `fall`, `volatility` or both")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A venue that is a market of its own; of a perp they leave something."""
        market_of_venue(self.venue, world, (*path, "venue"))
        pair = str(getattr(world.venues[self.venue], "pair", ""))
        if self.share == 1.0 and pair.partition("/")[0] in perps(world.assets):
            raise InputError("leaves nothing", path=(*path, "share"), value=self.share, remedy="a perp's book keeps something")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Withdrawals(specs, setting)

    def says(self) -> str:
        """See Actor."""
        sides = "bids and asks" if self.side == "both" else self.side
        return f"assumed: take {self.share:.0%} of the {sides} of {self.venue} away when it falls or moves"


AWAY = Column("liquidity_gone", "share", f"most of a side's liquidity that {OF} had taken away at a time", mean_of(
    "liquidity_gone", f"the most of a side's liquidity that {OF} had taken away at a time"), section="Providers")


class Withdrawals(Phase):
    """All providers. n: steps of a window; P: paths."""

    def __init__(self, specs: Mapping[str, Providers], setting: Setting) -> None:
        self.specs, paths = specs, setting.paths
        self.rows = {name: setting.layout.venues[spec.venue] for name, spec in specs.items()}
        self.n = {name: max(1, round(spec.window / setting.step_length)) for name, spec in specs.items()}
        # [n + 1, P] outside log prices of the last steps, the oldest first; before the start: the start
        self.seen = {name: np.repeat(setting.layout.start[setting.layout.tree.pair[row]], (n + 1) * paths).reshape(n + 1, paths)
                     for (name, row), n in zip(self.rows.items(), self.n.values(), strict=True)}
        self.leave = {name: np.full(paths, np.inf) for name in specs}  # [P] when they have left [s]; inf: they have not seen it
        self.calm = {name: np.zeros(paths) for name in specs}  # [P] since when neither is so [s]
        self.taken = {name: np.zeros((2, paths)) for name in specs}  # [2, P] depth that they have taken, of bids and asks
        self.most = {name: np.zeros(paths) for name in specs}  # [P]

    def observe(self, state: State) -> None:
        """Once a step, at its start."""
        now = (state.step - 1) * state.step_length
        for name, spec in self.specs.items():
            m, depth = self.rows[name], state.markets.depth
            wild = self._wild(name, spec, state.markets.exogenous[m], state.step_length)
            leave, calm, taken = self.leave[name], self.calm[name], self.taken[name]
            leave[wild] = np.minimum(leave[wild], now + spec.delay)
            calm[wild] = now
            back = leave <= now
            if spec.returns is not None:
                back &= now - calm >= spec.returns
                for side in SIDES[spec.side]:
                    depth[side, m, back] += taken[side, back]
                    taken[side, back] = 0.0
                leave[back] = np.inf
            goes = leave <= now
            for side in SIDES[spec.side]:
                here = goes & (taken[side] == 0.0)
                taken[side, here] = np.minimum(spec.share, depth[side, m, here])
                depth[side, m, here] -= taken[side, here]
            np.maximum(self.most[name], taken.max(axis=0), out=self.most[name])

    def _wild(self, name: str, spec: Providers, price: np.ndarray, dt: float) -> np.ndarray:
        """[P] whether there is a reason to leave. price: [P] outside log price now."""
        seen, wild = self.seen[name], np.zeros(len(price), np.bool_)
        seen[:-1] = seen[1:].copy()
        seen[-1] = price
        if spec.fall is not None:
            wild |= price - seen.max(axis=0) <= math.log1p(-spec.fall) + 1e-12
        if spec.volatility is not None:
            total = np.zeros(len(price))
            for before, after in pairwise(seen):
                total += (after - before) * (after - before)
            wild |= total >= spec.volatility**2 * (self.n[name] * dt / YEAR)
        return wild

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(AWAY, most, of=name, place=f"actors.{name}") for name, most in self.most.items()]

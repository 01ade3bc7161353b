"""A chain whose blocks fill when markets move: base fee and room of a step's blocks follow the volatility realised so far.

    r        log-move of the market price of `follows` in USD over the step
    var      <- keep var + (1 - keep) r^2 / dt,   keep = 2^(-dt / half_life);  at the start usual^2     [1 / year]
    base fee  = stated x clamp((vol / usual)^elasticity, 1 / most, most)      vol = sqrt(var)
    room      = max(1, floor(stated / max(1, (vol / usual)^crowd)))
Where an event has written another base fee or room since, that is what is stated from then on.
Source: none; that base fees jump in crashes is seen on 12 March 2020 and 19 May 2021. The form is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import OF, Column, Figure, Value, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import kernel
from delever.core.phase import Phase
from delever.core.route import log_usd_price
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Tree
from delever.model.errors import InputError
from delever.model.quantity import PerYear, Ratio, Seconds, Text
from delever.model.references import known_asset
from delever.model.world import World
from delever.networks.blocks import Blocks

YEAR = 365.0 * 86400.0  # [s]
USUAL, KEEP, ELASTICITY, CROWD, MOST, NETWORK, ASSET = range(7)  # columns of the rules
LEAST = 1e-12  # of vol / usual: only so that its log exists
WHOLE = 1e-9  # share of a place that rounding may cost


class Busy(Blocks):
    """A chain that others use too."""

    kind: ClassVar[str] = "busy"
    follows: Text = Field("ETH", description="asset whose market price in USD stands for how much everybody trades; assumption")
    usual: PerYear = Field(gt=0, examples=["60 %"], description="volatility at which base fee and room are as stated; assumption")
    half_life: Seconds = Field(3600.0, gt=0, description="time in which a past move counts half; assumption")
    elasticity: float = Field(1.0, ge=0, le=10, description="per cent of base fee that 1 % of volatility adds; assumption")
    crowd: float = Field(0.5, ge=0, le=10, description="per cent of room that others take with 1 % of volatility; assumption")
    most: Ratio = Field(50.0, ge=1, description="times by which the base fee rises or falls at most; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """An asset with a price."""
        known_asset(self.follows, world, (*path, "follows"))
        if self.follows == "USD":
            raise InputError("does not move", path=(*path, "follows"), value="USD", remedy="name an asset that has a price")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All such chains."""
        rules = [[s.usual, 2.0 ** (-setting.step_length / s.half_life), s.elasticity, s.crowd, s.most,
                  setting.networks.index(name), setting.layout.asset(s.follows)] for name, s in specs.items()]
        return Demand(tuple(specs), np.array(rules), setting)


@kernel
def follow(rules: np.ndarray, step_length: float, variance: np.ndarray, last: np.ndarray, stated: np.ndarray,
           written: np.ndarray, tree: Tree, price: np.ndarray, base_fee: np.ndarray, room: np.ndarray) -> None:
    """Base fee and room of each chain on each path. rules: [n, columns]; variance [1/year], last [log USD]: [n, P].

    stated, written: [2, n, P] base fee and room as stated, and as written here last; price: [M, P]; base_fee, room: [N, P].
    """
    for i in range(rules.shape[0]):
        c, a, usual, keep = int(rules[i, NETWORK]), int(rules[i, ASSET]), rules[i, USUAL], rules[i, KEEP]
        for p in range(variance.shape[1]):
            now = log_usd_price(a, p, tree, price)
            move = now - last[i, p]
            last[i, p] = now
            variance[i, p] = keep * variance[i, p] + (1.0 - keep) * (move * move * (YEAR / step_length))
            if base_fee[c, p] != written[0, i, p]:
                stated[0, i, p] = base_fee[c, p]
            if room[c, p] != written[1, i, p]:
                stated[1, i, p] = room[c, p]
            log_ratio = log_(max(math.sqrt(variance[i, p]) / usual, LEAST))
            factor = exp_(min(max(rules[i, ELASTICITY] * log_ratio, -log_(rules[i, MOST])), log_(rules[i, MOST])))
            others = exp_(max(rules[i, CROWD] * log_ratio, 0.0))
            base_fee[c, p] = stated[0, i, p] * factor
            room[c, p] = max(1, int(math.floor(stated[1, i, p] / others + WHOLE)))
            written[0, i, p], written[1, i, p] = base_fee[c, p], room[c, p]


HIGHEST = Column("highest_base_fee", "gwei", f"highest base fee of {OF}", (
    *mean_of("highest_base_fee", f"the highest base fee of {OF}"),
    Figure("highest_base_fee_95", "quantile", f"95th percentile over paths of the highest base fee of {OF}", level=0.95)),
    section="Networks")


class Demand(Phase):
    """All chains of this kind. n: how many, P: paths."""

    def __init__(self, names: Sequence[str], rules: np.ndarray, setting: Setting) -> None:
        """names: of each; rules: [n, columns]."""
        n, paths, tree = len(rules), setting.paths, setting.layout.tree
        self.names, self.rules, self.highest = names, rules, np.zeros((n, paths))  # [n, P] gwei
        self.variance = np.repeat(rules[:, USUAL, None] ** 2, paths, axis=1)  # [n, P] 1 / year
        log_usd = [tree.log_rate[a] + sum(setting.start_price[m] for m in tree.chain[a, :tree.length[a]])
                   for a in rules[:, ASSET].astype(int)]
        self.last = np.repeat(np.array(log_usd)[:, None], paths, axis=1)  # [n, P] log price in USD a step ago
        self.stated, self.written = np.full((2, n, paths), np.nan), np.full((2, n, paths), np.nan)

    def adapt(self, state: State) -> None:
        """Once prices stand."""
        follow(self.rules, state.step_length, self.variance, self.last, self.stated, self.written, state.tree,
               state.markets.price, state.networks.base_fee, state.networks.room)
        np.maximum(self.highest, self.written[0], out=self.highest)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. How dear the chain was at its worst."""
        return [Value(HIGHEST, fee, of=name) for name, fee in zip(self.names, self.highest, strict=True)]

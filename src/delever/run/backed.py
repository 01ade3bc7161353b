"""Assets with a market of their own and a rate: how they start, how the rate grows, and what a run says of them."""

from __future__ import annotations

import math

import numpy as np

from delever.core.backing import Backing, new_backing
from delever.core.columns import BASE, OF, QUOTE, Column, Figure, Value, mean_of
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.prices.base import YEAR


def start(setting: Setting, paths: int) -> Backing:
    """The table at the start of a run."""
    layout, specs = setting.layout, [setting.world.assets[name] for name in setting.derived]
    return new_backing(np.array([layout.asset(name) for name in setting.derived], np.int64),
                       np.array([layout.asset(spec.below) for spec in specs], np.int64),
                       np.array([layout.markets.index(name) for name in setting.derived], np.int64),
                       np.array([spec.rate for spec in specs], np.float64),
                       np.array([math.inf if spec.reserve is None else spec.reserve for spec in specs], np.float64), paths)


SECTION = "Redeemable assets"
DEEPEST = Column("deepest_discount", "share", "deepest discount of the market price to the rate at the end of a block", (
    *mean_of("deepest_discount", f"deepest discount of {OF} to its rate", under="deepest discount"),
    Figure("deepest_discount_95", "quantile", f"95th percentile over paths of the deepest discount of {OF} to its rate",
           level=0.95, under="deepest discount (95 %)")), section=SECTION)
LAST = Column("discount", "share", "discount of the market price to the rate", (
    *mean_of("discount", f"discount of {OF} to its rate at the end", under="discount at the end"),
    Figure("probability_below_par_1", "share_above", f"paths that end with {OF} more than 1 % below its rate", "share",
           level=0.01, under="ends > 1 % below"),
    Figure("probability_below_par_5", "share_above", f"paths that end with {OF} more than 5 % below its rate", "share",
           level=0.05, under="ends > 5 % below")), section=SECTION, stock=True)
RATE = Column("rate", QUOTE, "what a unit stands for", mean_of(
    "rate", "what a unit stands for at the end", under="rate"), section=SECTION, stock=True)
LEFT = Column("reserve_left", QUOTE, "what there is to redeem with", mean_of(
    "reserve_left", "what there is to redeem with at the end", under="reserve left"),
    section=SECTION, stock=True)
QUEUE = Column("redemption_queue", BASE, "units that wait to be redeemed", mean_of(
    "redemption_queue", "units that wait to be redeemed at the end", under="queue"), section=SECTION, stock=True)


class Backed(Phase):
    """All such assets of a world. B: how many, P: paths."""

    def __init__(self, setting: Setting) -> None:
        specs = [setting.world.assets[name] for name in setting.derived]
        self.growth = np.array([spec.growth * setting.step_length / YEAR for spec in specs])  # [B] log of the rate, a step
        self.limited = [spec.reserve is not None for spec in specs]
        self.deepest = np.zeros((len(specs), setting.paths))  # [B, P] log
        self.market = np.array([setting.layout.markets.index(name) for name in setting.derived], np.int64)
        self.moves = np.zeros((setting.steps + 1, len(setting.layout.markets)))
        self.moves[1:, self.market] = self.growth

    def happen(self, state: State) -> None:
        """Once a step: the rate grows, and the market's outside price with it."""
        state.backing.log_rate[:] += self.growth[:, None]
        state.moves[self.market] += self.growth

    def wake(self, state: State) -> None:
        """At the end of every block: how deep the discount has been."""
        np.maximum(self.deepest, self.below(state), out=self.deepest)

    def below(self, state: State) -> np.ndarray:
        """ln rate - ln price [B, P]."""
        out: np.ndarray = state.backing.log_rate - state.markets.price[self.market]
        return out

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py."""
        now, backing, found = self.below(state), state.backing, []
        for b, m in enumerate(self.market.tolist()):
            found += [Value(DEEPEST, 1.0 - np.exp(-self.deepest[b]), market=m), Value(LAST, 1.0 - np.exp(-now[b]), market=m),
                      Value(RATE, np.exp(backing.log_rate[b]), market=m), Value(QUEUE, backing.queued[b].copy(), market=m)]
            if self.limited[b]:
                found.append(Value(LEFT, backing.reserve[b].copy(), market=m))
        return found

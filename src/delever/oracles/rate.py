"""The exchange rate as the contract of an asset states it: a protocol that reads it is blind to the market's discount.

    answer = ln(units of the peg that one unit stands for) + bias, in every block; while it is halted, what it was
Source: Aave's stETH and wstETH prices, stETH per wstETH from the contract times ETH/USD; rate providers of pools.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.setting import Layout, Setting
from delever.core.state import State
from delever.model.asset import Asset
from delever.model.errors import InputError
from delever.model.references import derived
from delever.model.world import World
from delever.oracles.base import FeedPhase, FeedSpec


class Rate(FeedSpec):
    """Reads the rate at which an asset is redeemed."""

    kind: ClassVar[str] = "rate"
    of: str = Field(examples=["stETH/ETH"], description="an asset with a rate, and its peg: asset/peg")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """An asset with a rate, in units of its peg."""
        asset, _, quote = self.of.partition("/")
        derived(asset, world, (*path, "of"))
        if quote != world.assets[asset].below:
            raise InputError("is not what it is redeemed for", path=(*path, "of"), value=self.of,
                             remedy=f"write {asset}/{world.assets[asset].below}")

    def composed(self, layout: Layout, assets: Mapping[str, Asset]) -> tuple[float, list[tuple[int, float]]]:
        """The rate at the start; no market."""
        return math.log(assets[self.of.partition("/")[0]].rate or 1.0), []

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """All of them."""
        return Rates([(setting.feed(name), setting.backed(spec.of.partition("/")[0])) for name, spec in specs.items()])


class Rates(FeedPhase):
    """All feeds that read a rate."""

    def __init__(self, reads: list[tuple[int, int]]) -> None:
        """reads: (feed, row of state.backing)."""
        self.reads = reads

    def observe(self, state: State) -> None:
        """In every block that a path takes part in."""
        feeds = state.feeds
        for f, b in self.reads:
            looks = state.active & (state.halts.feed[f] <= state.time)  # a path that sleeps keeps its answer
            np.copyto(feeds.answer[f], state.backing.log_rate[b] + feeds.bias[f], where=looks)

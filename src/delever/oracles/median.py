"""The median of several feeds: it goes nowhere that honest ones do not, while fewer than half of them are wrong.

    answer = number n // 2 of its parts' answers, in order, counted from 0; + bias      of an even number the upper of the middle
With at most ceil(n / 2) - 1 parts that answer anything at all it lies between two that are right. It asks nobody and costs no
transaction: whoever reads it reads its parts. While it is halted its last answer stands.
Source: Chainlink's off-chain reports (OCR2Aggregator: the median of observers, at n // 2), Maker's Median (odd numbers alone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.model.quantity import Text
from delever.model.world import World
from delever.oracles.base import FeedPhase, FeedSpec


class Median(FeedSpec):
    """Of feeds of the same pair."""

    kind: ClassVar[str] = "median"
    feeds: tuple[Text, ...] = Field(
        min_length=1, examples=[("eth_usd",)], description="the feeds whose median it is; each may fail by itself")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Feeds of its pair."""
        for n, name in enumerate(self.feeds):
            self.check_part(name, world, (*path, "feeds", n))

    def parts(self) -> tuple[str, ...]:
        """As named."""
        return self.feeds

    def together(self, answers: Sequence[float]) -> float:
        """The middle one."""
        return sorted(answers)[len(answers) // 2]

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FeedPhase:
        """One kernel call for all of them."""
        part = [[setting.feed(name, "feeds", own, "feeds") for name in spec.feeds] for own, spec in specs.items()]
        first = np.cumsum([0, *map(len, part)])
        return Medians(np.array([setting.feed(name) for name in specs], np.int64), first, np.concatenate(part))


@kernel
def choose(number: np.ndarray, first: np.ndarray, part: np.ndarray, scratch: np.ndarray, time: float, active: np.ndarray,
           feeds: Feeds, halted: np.ndarray) -> None:
    """number: [n] feeds of this kind; first: [n + 1] where their parts begin; part: feeds; scratch: [most parts]; halted: [F, P]
    until when it does not look [s]."""
    answer = feeds.answer
    for i in range(number.shape[0]):
        f, count = number[i], first[i + 1] - first[i]
        for p in range(active.shape[0]):
            if not active[p] or halted[f, p] > time:
                continue
            for k in range(count):  # put in its place among those before it
                now, at = answer[part[first[i] + k], p], k
                while at > 0 and scratch[at - 1] > now:
                    scratch[at] = scratch[at - 1]
                    at -= 1
                scratch[at] = now
            answer[f, p], feeds.updated[f, p] = scratch[count // 2] + feeds.bias[f], time


class Medians(FeedPhase):
    """All feeds of the kind."""

    composed = True

    def __init__(self, number: np.ndarray, first: np.ndarray, part: np.ndarray) -> None:
        """number: [n]; first: [n + 1] where the parts of each begin; part: feeds."""
        self.number, self.first, self.part, self.scratch = number, first, part, np.zeros(int(np.diff(first).max()))

    def observe(self, state: State) -> None:
        """In every block, once the others have looked, on the paths that take part."""
        choose(self.number, self.first, self.part, self.scratch, state.time, state.active, state.feeds, state.halts.feed)

    def refresh(self, state: State) -> bool:
        """Its parts may have read the market again."""
        self.observe(state)
        return True

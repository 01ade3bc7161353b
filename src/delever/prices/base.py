"""A price process moves the exogenous log price of every market, on every path, once a step.

It is given the order of markets and their start prices, and adds its increments to state.markets.exogenous, together with
what events bring in the step, state.moves. Where it draws paths otherwise than the world states (scenario.tail), it writes their
state.weight in the last step. It touches nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from delever.core.state import State
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.model.scenario import Tail
from delever.model.spec import Spec

YEAR = 365.0 * 86400.0  # [s]


class PriceSpec(Spec, ABC):
    """A price process."""

    @abstractmethod
    def compile(self, markets: Sequence[str], source: Source, step_length: float, steps: int) -> Process:
        """Read and check what the process needs, once. markets: the asset of each; step_length in s."""


class Process(ABC):
    """A process that is ready to run; shared by all paths."""

    @abstractmethod
    def phase(self, paths: int) -> PricePhase:
        """For a chunk of paths."""

    def toward(self, tail: Tail, markets: Sequence[str], step_length: float, steps: int) -> Process:
        """The same process with paths drawn around a move, each with its weight. markets: the asset of each; step_length in s.

        InputError: it cannot be drawn so.
        """
        raise InputError("draws nothing that could be drawn otherwise", "scenario.tail", None,
                         "leave it out, or take prices of kind lognormal")

    @abstractmethod
    def spread(self, steps: int) -> float:
        """How far a price typically moves by itself in so many steps, in log price: a guess for planning work."""


class PricePhase(ABC):
    """What the step calls."""

    @abstractmethod
    def move(self, state: State) -> None:
        """Add the increments of state.step."""


def plainly(path: np.ndarray, plain: float) -> np.ndarray:
    """Which paths are drawn as the world states where a share `plain` of them is: evenly, by their numbers."""
    return np.asarray(np.floor((path + 1) * plain) > np.floor(path * plain))

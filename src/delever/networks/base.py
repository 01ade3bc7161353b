"""The role of a network: a chain for whose blocks transactions compete, or a bridge between two.

A phase of a chain has its rows of state.networks: `adapt` may change room and base_fee once a step. A bridge moves what
actors hold from one chain to another, see bridge.py. Which rows a block takes in is the engine's (engine/inclusion.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.model.spec import Spec


class NetworkSpec(Spec, ABC):
    """What a user states about a network."""

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """One phase for all networks of this kind."""


class Link(NetworkSpec):
    """A way between two chains."""

    @abstractmethod
    def ends(self) -> tuple[str, str]:
        """The two chains."""

    @abstractmethod
    def terms(self) -> tuple[float, float, float, float, float]:
        """(delay from the first end, from the second [s], fee [share], capacity [USD], window of the capacity [s])."""


class Chain(NetworkSpec):
    """A network with blocks."""

    @abstractmethod
    def time_between_blocks(self) -> float:
        """[s]."""

    @abstractmethod
    def start(self) -> tuple[int, float, str]:
        """(transactions that fit in a block, least bid [gwei], asset in which gas is paid) at the start."""

    @abstractmethod
    def gas_of(self, kind: str, usual: float) -> float:
        """Units of gas of a kind of transaction, where `usual` is what the kind itself says."""

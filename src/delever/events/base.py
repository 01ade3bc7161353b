"""The role of an event: something that the scenario says happens, on every path, from a step on.

The phase of a kind serves all its events. `happen` is called once a step, before prices move; it may write what the event is
about: state.moves (log-moves of outside prices, which the price process adds), depth of markets, feeds, halts, networks,
ledgers in double entry. An event that sells or buys offers a transaction like anybody else (`offer`, `kinds`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from pydantic import Field

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.model.quantity import Seconds
from delever.model.spec import Spec


class Event(Spec, ABC):
    """What a user states about an event."""

    at: Seconds = Field(0.0, ge=0, description="when, from the start")

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """One phase for all events of this kind, by their place in scenario.events."""

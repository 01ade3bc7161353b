"""The role of a layer of a default waterfall: who bears what accounts fall short of.

Layers of a protocol are served in the order of its list. The step calls, on all paths of a chunk at once:

  begin    once a step, before the blocks: what the layer does of its own accord (a vault unwinds)
  absorb   at the end of every block: state.fallen[:n_fallen] are accounts of exchanges below zero, in the order called,
           -1 where an earlier layer has finished with them; deficits of reserves stand in ledgers.booked[DEFICIT]

A layer may touch those accounts and, through core/touch.py, others of its protocol; markets, ledgers, flows, safety and
closings. It serves the paths that take part in the block (state.active).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from delever.core.state import State
from delever.model.spec import Spec


class Layer(Spec, ABC):
    """What a user states about a layer."""

    exchanges_only: ClassVar[bool] = False  # has no meaning behind a lending protocol

    @abstractmethod
    def compile(self, number: int, step_length: float) -> LayerPhase:
        """The layer of the protocol of that number. step_length: [s]."""

    def fund(self) -> Mapping[str, float]:
        """Units of each asset in the insurance fund at the start."""
        return {}

    def vault(self) -> tuple[float, float]:
        """(cash of the backstop vault at the start [USD], maintenance margins it must hold); (0, -1): it brings none."""
        return 0.0, -1.0


class LayerPhase:
    """A layer, ready to run; this one does nothing."""

    def __init__(self, number: int) -> None:
        self.number = number

    def begin(self, state: State) -> None:
        """Once a step, before the blocks."""

    def absorb(self, state: State) -> None:
        """At the end of a block."""

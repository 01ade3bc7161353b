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
from typing import ClassVar, NamedTuple

import numpy as np

from delever.core.columns import OF, Column, Figure, Value, mean_of, never_as_nan
from delever.core.phase import Phase
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


IN_ORDER = f"Default waterfall of {OF}, in its order"  # section of a report
LEFT = "left at the end"  # column there


class Served(NamedTuple):
    """What a layer says of itself, in words."""

    layer: int  # its row in core.tables.Safety.served and .dry
    name: str
    label: str  # in a report
    bore: str  # what it bore
    dry: str  # when it could not serve in full


def served_columns(served: Served) -> tuple[Column, Column, Column]:
    """What a layer bore, when it ran dry, and since when it bore anything."""
    _, name, label, bore, dry = served
    when = "median time at which that first happened, over them"
    return (Column(name, "USD", bore, mean_of(name, bore, label, "bore"), section=IN_ORDER, label=label),
            Column(f"{name}_dry", "s", f"first time at which {dry}; nan: never", (
                Figure(f"{name}_ran_dry", "share_where", f"paths on which {dry}", "share", label=label, under="ran dry on paths"),
                Figure(f"{name}_dry", "median_where", when, label=label, under="first after")), section=IN_ORDER, label=label),
            began_column(name, label, bore))


def began_column(name: str, label: str, what: str) -> Column:
    """When there first was any of that."""
    return Column(f"{name}_began", "s", f"end of the block in which there first were {what}; nan: never", (
        Figure(f"{name}_began", "median_where", f"median time at which there first were {what}, over paths with any", label=label,
               under="from"),), section=IN_ORDER, label=label)


class LayerPhase(Phase):
    """A layer, ready to run; this one does nothing."""

    serves: ClassVar[Served | None] = None  # None: it has nothing to say
    priced: ClassVar[bool] = True  # whether it reads state.seen.price of every path in `absorb`

    def __init__(self, number: int) -> None:
        self.number, self.numbers = number, (number,)

    def begin(self, state: State) -> None:
        """Once a step, before the blocks."""

    def absorb(self, state: State) -> None:
        """At the end of a block."""

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What the layer bore up to now [USD]; one that holds something adds what it holds."""
        if self.serves is None:
            return []
        layer = self.serves[0]
        return [Value(served_columns(self.serves)[0], state.safety.served[layer, self.number], self.number)]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. When it ran dry, and when it first bore anything."""
        if self.serves is None:
            return []
        layer, (_, dry, began) = self.serves[0], served_columns(self.serves)
        return [Value(began, never_as_nan(state.safety.began[layer, self.number]), self.number),
                Value(dry, never_as_nan(state.safety.dry[layer, self.number]), self.number)]

    def holds(self, name: str, meaning: str, values: np.ndarray) -> Value:
        """A stock of the layer [P], USD."""
        assert self.serves is not None
        figures = mean_of(name, f"{meaning}, at the end", self.serves.label, LEFT)
        return Value(Column(name, "USD", meaning, figures, section=IN_ORDER, stock=True), values, self.number)

"""The role of a margin engine: what an exchange does with accounts below their maintenance margin.

The step calls, once a block and on all paths: `liquidate`, after unhealthy accounts are known (state.pool.called, in
the order of path and account) and before the included transactions. It may touch the accounts, markets, ledgers, flows and
the vault, and adds whoever is below zero afterwards to state.fallen, for the layers of the default waterfall.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.model.spec import Spec


class ExchangeRules(Spec, ABC):
    """What a user states about a margin engine."""

    margin: ClassVar[bool] = True  # accounts hold positions against margin, not collateral against debt

    @abstractmethod
    def compile(self, number: int) -> ExchangePhase:
        """The engine of the exchange of that number."""

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Engines:
        """The engines of all exchanges, in their order."""
        return Engines([spec.compile(setting.protocols.index(name)) for name, spec in specs.items()])


class Engines(Phase):
    """Margin engines: each calls its own accounts."""

    def __init__(self, engines: Sequence[ExchangePhase]) -> None:
        self.engines = engines

    def liquidate(self, state: State) -> None:
        """Call the unhealthy accounts of this block."""
        for engine in self.engines:
            engine.liquidate(state)


class ExchangePhase(ABC):
    """A margin engine, ready to run."""

    def __init__(self, number: int) -> None:
        self.number = number

    @abstractmethod
    def liquidate(self, state: State) -> None:
        """Call the unhealthy accounts of this exchange in this block."""

"""The role of a margin engine: what an exchange does with accounts below their maintenance margin.

The step calls, once a block and on all paths: `liquidate`, after unhealthy accounts are known (state.pool.called, in
the order of path and account) and before the included transactions. It may touch the accounts, markets, ledgers, flows and
the vault, and adds whoever is below zero afterwards to state.fallen, for the layers of the default waterfall.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np

from delever.core.closings import closing_columns
from delever.core.columns import OF, Column, Figure, Value, added, mean_of, never_as_nan, of_protocol
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, LIQUIDATIONS
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.model.spec import Spec

CLOSED = f"Positions closed on {OF}"  # section of a report


def flow(name: str, words: str) -> Column:
    """What happened to positions, USD."""
    return Column(name, "USD", words, mean_of(name, words), section=CLOSED)


FLOWS = {  # by the field of core.state.Flows; an exchange says all of them, whoever does them, so that worlds compare
    "liquidated": flow("liquidated", "positions closed by the engine, on books or at a flat price, at marks"),
    "taken": flow("taken_over", "positions that the backstop vault took over, at marks"),
    "deleveraged": flow("deleveraged", "winners' positions that auto-deleveraging closed, at marks"),
    "haircut": flow("haircut", "what auto-deleveraging cost winners against the mark"),
    "slippage": flow("slippage", "what closing positions on books cost against the mark"),
}
AT_ONCE = ("liquidated", "taken", "deleveraged", "haircut")  # those that the timeline shows
CALLED = Column("accounts_liquidated", "count", "accounts that were liquidated at least once",
                mean_of("accounts_liquidated", "accounts liquidated at least once"), section=CLOSED)
CALLS = Column("liquidations", "count", "calls of accounts in which something was closed",
               mean_of("liquidations", "calls of accounts in which something was closed"), section=CLOSED)
FIRST = (
    Column("first_liquidation", "s", "time of the first liquidation; nan: none", (
        Figure("first_liquidation", "median_where", "median time of the first liquidation, over the paths that have one"),),
        section=CLOSED),
    Column("first_adl", "s", "time of the first auto-deleveraging; nan: none", (
        Figure("probability_of_adl", "share_where", "paths with auto-deleveraging", "share", label="probability of ADL"),
        Figure("first_adl", "median_where", "median time of the first auto-deleveraging, over the paths that have one",
               label="first ADL"),
        Figure("adl_delay", "median_where", "median time from the first liquidation to the first auto-deleveraging, over the "
               "paths that have both", minus="first_liquidation", label="delay of ADL")), section=CLOSED),
)  # the rows of core.tables.Safety.first


class ExchangeRules(Spec, ABC):
    """What a user states about a margin engine."""

    margin: ClassVar[bool] = True  # accounts hold positions against margin, not collateral against debt
    assumes: ClassVar[str] = ("no trader adds margin or closes of his own accord, and none opens a position; "
                              "ADL closes everybody it needs at once")

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
        self.engines = self.parts = engines

    def liquidate(self, state: State) -> None:
        """Call the unhealthy accounts of this block."""
        for engine in self.engines:
            engine.liquidate(state)


class ExchangePhase(Phase, ABC):
    """A margin engine, ready to run."""

    def __init__(self, number: int) -> None:
        self.number, self.numbers = number, (number,)

    @abstractmethod
    def liquidate(self, state: State) -> None:
        """Call the unhealthy accounts of this exchange in this block."""

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What happened to positions up to now."""
        return [Value(FLOWS[name], self._sum(state, name), self.number) for name in AT_ONCE]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. Who was called and closed, when, and how hard it hit whom; an engine may add to it."""
        counted, first, perp = state.ledgers.totals[:, self.number], state.safety.first[:, self.number], state.margins.perp
        return [
            Value(FLOWS["slippage"], self._sum(state, "slippage"), self.number),
            Value(CALLED, counted[ACCOUNTS_LIQUIDATED], self.number), Value(CALLS, counted[LIQUIDATIONS], self.number),
            *(Value(column, never_as_nan(when), self.number) for column, when in zip(FIRST, first, strict=True)),
            *closing_columns(state, self.number, CLOSED),
            *(Value(column, getattr(state.flows, name)[r], self.number, int(state.reserves.asset[r]))
              for r in of_protocol(state, self.number) if perp[r] for name, column in FLOWS.items())]

    def _sum(self, state: State, name: str) -> np.ndarray:
        """One of Flows over the perps of the exchange [P], USD."""
        table = getattr(state.flows, name)
        return added([table[r] for r in of_protocol(state, self.number) if state.margins.perp[r]], state.paths)

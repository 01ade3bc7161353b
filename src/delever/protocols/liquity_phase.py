"""What the rules of Liquity have in common in every version: systems of troves, and the call that liquidates some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from delever.core.columns import Value
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import BookTables, Reserves, Touched, Transactions
from delever.protocols.base import Liquidatable, RulesPhase
from delever.protocols.liquity_book import Placed
from delever.protocols.liquity_calls import call_rows, offer_calls, size_calls
from delever.protocols.liquity_formulas import CAP, COLUMNS, COMPENSATION, POOL_GETS, SELLS
from delever.protocols.liquity_results import standing
from delever.protocols.liquity_system import AGE, COLLATERAL_RESERVE, PROTOCOL, STALE


class TrovesPhase(RulesPhase):
    """All systems of a version, ready to run."""

    def __init__(self, names: Sequence[str], systems: Sequence[Placed], setting: Setting) -> None:
        super().__init__(setting, {name: [] for name in names}, dict.fromkeys(names, False))
        self.limited, self.counters, self.assets = False, (), setting.layout.assets  # collateral is not lent out
        self.systems = list(systems)
        self.of = np.full(len(setting.accounts), -1)  # [accounts] system
        for number, (_, place) in enumerate(self.systems):
            self.of[place >= 0] = number
        self.call = Liquidation(self)

    def sales_per_call(self, book: BookTables) -> int:
        """What the pool's depositors sell."""
        return 1

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Nothing: no account of these is in the index."""

    def split(self, number: np.ndarray, picked: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Rows by number of what they are about. number: [picked]."""
        for one in np.unique(number).tolist():
            yield one, picked[number == one]

    def called(self, state: State, picked: np.ndarray) -> Iterator[tuple[Placed, np.ndarray]]:
        """Rows that liquidate troves, by system."""
        for number, mine in self.split(self.of[state.transactions.ref[picked]], picked):
            yield self.systems[number], mine

    def size(self, state: State, picked: np.ndarray) -> None:
        """Those of these rows that are of its kinds, at what stands."""
        rows = state.transactions
        for (system, place), mine in self.called(state, picked[rows.kind[picked] == self.call.number]):
            size_calls(mine, place, system, state.reserves, state.seen, rows)

    def offer_calls(self, state: State, number: int) -> None:
        """Troves of a system that may be liquidated, of the paths that take part."""
        system = self.systems[number].system
        state.room_for_rows(state.paths * (len(system.account) + 1))
        state.n_rows = offer_calls(self.call.number, state.time, state.active, state.halts.liquidation[int(system.of[PROTOCOL])],
                                   system, state.reserves, state.seen, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """At once where troves have changed, whose redistribution may have brought others down; when a halt ends."""
        for number, (system, place) in enumerate(self.systems):
            stale = system.sums[:, STALE] > 0.0
            np.minimum(state.wake, np.where(stale & state.active, state.time, np.inf), out=state.wake)
            halted = state.halts.liquidation[int(system.of[PROTOCOL])]
            if np.isfinite(halted).any():
                np.minimum(state.wake, np.where(halted > state.time, halted, np.inf), out=state.wake)
            if system.sums[:, AGE].max() + 3 > system.gains.shape[1]:
                more = np.zeros((state.paths, system.gains.shape[1], 2))
                self.systems[number] = Placed(system._replace(gains=np.concatenate([system.gains, more], axis=1)), place)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. How pools and troves stand."""
        return [value for system, _ in self.systems for value in standing(state, system, self.assets)]

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """See RulesPhase: whole troves below MCR, covered by the pool, which keeps what it does not sell."""
        g, first = book.signature, int(book.first_debt[0])
        held, owed = book.amount[:, 0], book.amount[:, first]
        price, stable = seen_price[book.reserve[g, 0]], seen_price[book.reserve[g, first]]
        called = np.isin(book.protocol[g], self.numbers) & (book.debts[g] > 0) & (
            held * price * book.threshold[g, 0] < owed * stable)
        terms = np.zeros((len(seen_price), COLUMNS))  # of each collateral
        for system, _ in self.systems:
            terms[system.of[COLLATERAL_RESERVE]] = system.terms
        row = terms[np.where(called, book.reserve[g, 0], 0)]
        with np.errstate(invalid="ignore"):
            caller = np.minimum(held * row[:, COMPENSATION], row[:, CAP])
            seized = np.where(called, np.minimum(held, caller + owed * row[:, POOL_GETS] * stable / price), 0.0)
        return Liquidatable(np.where(called, 0, -1), np.where(called, first, -1), np.where(called, owed, 0.0), seized,
                            seized * (1.0 - row[:, SELLS]))


class Liquidation(Kind):
    """Of a trove, or of several in one call."""

    name: ClassVar[str] = "trove_liquidation"
    gas: ClassVar[float] = 500_000.0  # assumption
    liquidates: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    def __init__(self, rules: TrovesPhase) -> None:
        self.rules = rules

    def accounts(self, state: State, picked: np.ndarray) -> np.ndarray:
        """Whose troves the rows liquidate, the first of each."""
        return state.transactions.ref[picked]

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot."""
        self.rules.size(state, picked)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Troves of one path are liquidated one after the other, each as its predecessors have left pool and mode."""
        price_rows(state, picked)
        state.room_for_sales(len(picked))
        for (system, place), mine in self.rules.called(state, picked):
            state.n_sales = call_rows(mine, place, system, state.reserves, state.seen, state.ledgers, state.transactions,
                                      state.sales, state.n_sales)

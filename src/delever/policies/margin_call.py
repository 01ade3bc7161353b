"""A margin call with a period of grace: whoever is found unhealthy is told, and sold only if he still is at the deadline.

    t        the first block in which the account is found unhealthy: the call; nobody may close it before  t + grace
    sold     from the first block at or after t + grace on, for as long as it is unhealthy;
             at once where  health < floor  (backing / debt, or equity / maintenance margin), or where no backing is left
    lapsed   at the end of the first block in which it is healthy again: if it falls once more, that is a new call
Owners see the call and may answer; an account that is halted by others as well is called all the same.
Source: the margin calls of brokers and of desks that lend; grace and floor are what their contracts say, else assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field

from delever.core.columns import Column, Value, mean_of
from delever.core.empty import longer
from delever.core.exchange_tables import Margins
from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.margin import equity_of
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import NOTHING, STANDING, BookTables, Reserves, Touched, Transactions
from delever.model.errors import InputError
from delever.model.quantity import Seconds, Share, Text
from delever.model.references import known_name
from delever.model.world import World
from delever.policies.base import Policy, names

NONE, CALLED, SOLD = range(3)  # state of a call
GRACE, FLOOR = range(2)  # columns of the terms
ROUNDING = 1e-12  # share of a moment: a deadline that falls on a block is met by that block
ALWAYS_MORE = -np.inf  # a floor that nobody is below


class MarginCall(Policy):
    """Owners' time to answer, on some protocols."""

    kind: ClassVar[str] = "margin_call"
    protocols: Annotated[tuple[Text, ...], BeforeValidator(names)] = Field(
        min_length=1, examples=["[aave]"], description="whose accounts are called before they are sold")
    grace: Seconds = Field(gt=0, examples=["24 h"], description="time from the call to the deadline")
    floor: Share | None = Field(None, description="health (of a margin account: equity by its maintenance margin) below which an "
                                "account is sold at once; null: never")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Protocols of the world, each with one period of grace."""
        for name in self.protocols:
            known_name(name, world.protocols, "protocol", (*path, "protocols"))
            others = [other for other, policy in world.policies.items()
                      if isinstance(policy, MarginCall) for named in policy.protocols if named == name]
            if len(others) > 1:
                raise InputError("has two periods of grace", path=(*path, "protocols"), value=name,
                                 remedy=f"name it once: {' and '.join(dict.fromkeys(others))} call its accounts")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> MarginCalls:
        """All of them: a row of terms a protocol."""
        terms = np.zeros((len(setting.protocols), 2))
        for spec in specs.values():
            for name in spec.protocols:
                terms[setting.protocol(name)] = spec.grace, ALWAYS_MORE if spec.floor is None else spec.floor
        return MarginCalls(terms, setting.paths, tuple(specs))


class Calls(NamedTuple):
    """The calls of a chunk, a row a touched slot; and the slots that have one, in no order."""

    status: np.ndarray  # [slots] NONE, CALLED, SOLD
    deadline: np.ndarray  # [slots] [s]
    stands: np.ndarray  # [slots] number of the block at whose end it was last unhealthy
    slot: np.ndarray  # [slots] those with a status, the first n of it


class Counts(NamedTuple):
    """What has happened on each path."""

    calls: np.ndarray  # [P] margin calls
    lapsed: np.ndarray  # [P] of these, answered or overtaken by prices in time
    sold: np.ndarray  # [P] of these, let to liquidators: deadline passed or below the floor


@helper
def is_held(slot: int, p: int, health: float, gone: bool, terms: np.ndarray, time: float, calls: Calls, n: np.ndarray,
            counts: Counts) -> bool:
    """Whether an unhealthy account is still spared; begins its call where it has none. terms: [2]; n: [1] calls now."""
    if calls.status[slot] == NONE:
        calls.status[slot], calls.deadline[slot] = CALLED, (time + terms[GRACE]) * (1.0 - ROUNDING)
        calls.slot[n[0]] = slot
        n[0] += 1
        counts.calls[p] += 1
    if calls.status[slot] == CALLED and (gone or health < terms[FLOOR] or time >= calls.deadline[slot]):
        calls.status[slot] = SOLD
        counts.sold[p] += 1
    return calls.status[slot] == CALLED


@kernel
def hold_rows(first: int, last: int, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves,
              price: np.ndarray, terms: np.ndarray, time: float, calls: Calls, n: np.ndarray, counts: Counts) -> None:
    """Strike calls of lending that must wait. price: [P, R] seen; terms: [protocols, 2], grace 0: has none."""
    for i in range(first, last):
        number, slot, p = rows.protocol[i], rows.ref[i], rows.path[i]
        if terms[number, GRACE] <= 0.0:
            continue
        g = book.signature[touched.account[slot]]
        backing, debt = account_health(slot, p, g, touched.amount, book, reserves, price)
        if debt <= 0.0:
            continue  # a remainder below zero: nothing is owed that anybody could call
        if is_held(slot, p, backing / debt, backing <= 0.0, terms[number], time, calls, n, counts):
            rows.state[i] = NOTHING


@kernel
def hold_accounts(called: np.ndarray, n_called: int, touched: Touched, book: BookTables, margins: Margins, price: np.ndarray,
                  terms: np.ndarray, time: float, calls: Calls, n: np.ndarray, counts: Counts) -> int:
    """Leave out those of called[:n_called] that must wait; how many stay, in order. As hold_rows."""
    kept = 0
    for j in range(n_called):
        slot = called[j]
        p, g = touched.path[slot], book.signature[touched.account[slot]]
        number, held = book.protocol[g], False
        if terms[number, GRACE] > 0.0:
            equity, margin = equity_of(slot, p, g, touched.amount, book, margins, price)
            gone = not margin > 0.0  # cash that is owed, and nothing that could mend it
            held = is_held(slot, p, 0.0 if gone else equity / margin, gone, terms[number], time, calls, n, counts)
        if not held:
            called[kept] = slot
            kept += 1
    return kept


@kernel
def follow_up(standing: np.ndarray, n_standing: int, touched: Touched, block: int, calls: Calls, n: np.ndarray, counts: Counts,
              wake: np.ndarray) -> None:
    """After a block: calls of accounts that are healthy lapse, deadlines wake their paths. standing: [n_standing] slots."""
    for j in range(n_standing):
        calls.stands[standing[j]] = block
    kept = 0
    for j in range(n[0]):
        slot = calls.slot[j]
        p = touched.path[slot]
        if calls.stands[slot] != block:
            counts.lapsed[p] += calls.status[slot] == CALLED
            calls.status[slot] = NONE
            continue
        if calls.status[slot] == CALLED:
            wake[p] = min(wake[p], calls.deadline[slot])
        calls.slot[kept] = slot
        kept += 1
    n[0] = kept


def called(name: str, words: str) -> Column:
    """A number of margin calls."""
    return Column(name, "count", words, mean_of(name, words), section="Margin calls")


COUNTED = (called("margin_calls", "margin calls"),
           called("margin_calls_lapsed", "margin calls that were answered, or overtaken by prices, in time"),
           called("margin_calls_sold", "margin calls that ended in a liquidation: deadline passed, or below the floor"))  # Counts


class MarginCalls(Phase):
    """Margin calls of all protocols that make them."""

    def __init__(self, terms: np.ndarray, paths: int, names: Sequence[str] = ()) -> None:
        """terms: [protocols, 2] grace [s], 0: none; floor. names: of the policies."""
        self.terms, self.place = terms, ", ".join(f"policies.{name}" for name in names)
        self.table = Calls(np.zeros(64, np.int64), np.zeros(64), np.zeros(64, np.int64), np.zeros(64, np.int64))
        self.open = np.zeros(1, np.int64)  # how many calls stand
        self.counts = Counts(np.zeros(paths, np.int64), np.zeros(paths, np.int64), np.zeros(paths, np.int64))
        self.block = 0  # of the chunk, from 1

    def restrain(self, state: State, first: int, last: int) -> None:
        """See Phase."""
        if last == first and not state.n_called:
            return
        self.table = longer(self.table, len(state.pool.due))
        if last > first:
            hold_rows(first, last, state.transactions, state.pool.touched, state.book, state.reserves, state.seen.price,
                      self.terms, state.time, self.table, self.open, self.counts)
        if state.n_called:
            state.n_called = hold_accounts(state.pool.called, state.n_called, state.pool.touched, state.book, state.margins,
                                           state.seen.price, self.terms, state.time, self.table, self.open, self.counts)

    def wake(self, state: State) -> None:
        """See Phase."""
        self.block += 1
        if self.open[0]:
            self.table = longer(self.table, len(state.pool.due))
            follow_up(state.pool.standing, int(state.watch.counts[STANDING]), state.pool.touched, self.block, self.table,
                      self.open, self.counts, state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What became of the calls of all protocols."""
        return [Value(column, values, place=self.place if i == 0 else "")
                for i, (column, values) in enumerate(zip(COUNTED, self.counts, strict=True))]


__all__ = ["MarginCall", "MarginCalls"]

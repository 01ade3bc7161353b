"""A mechanism that is ready to run, and the kinds of transaction it brings: what the step calls, and when.

    once a step    happen    events: what the scenario says happens now
                   adapt     policies and networks, once prices stand: limits, fees, halts
                   observe   actors: everybody looks at what he can see and decides what he wants
    in a block     restrain  policies: what was found unhealthy and may not be called now is struck
                   offer     rules and events: transactions that anybody may take, or that are somebody's already
                   react     owners: answers to what is offered on their accounts
                   bid       actors: what pays is taken, at a fee
                   afford    policies, actors: at its slot, what may not happen or cannot be paid for reverts
                   trade     actors who act on exchanges' books, off chain, at the end of the block
                   reshape   venues whose curve depends on more than their own trades
                   wake      whoever waits for a moment says so: state.wake is the earliest of all
Of its results it says, in the columns of core/columns.py:

    amounts       at any moment: what has come together up to then, and what is there. They make the timeline
    columns       what else is to be said at the end of a run
    counters      what its kernels count: rows of Ledgers.totals, whose numbers they are handed (`row`)
A mechanism overrides what it needs and is called for nothing else. On all paths of a chunk at once; on those of
state.active. docs/mechanisms.md has a complete example of every role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from delever.core.columns import Column, Value
from delever.core.state import State
from delever.core.tables import EXECUTED

Resize = Callable[[State, np.ndarray], None]  # sizes the rows of these numbers anew, within their `most`
AnyPhase = TypeVar("AnyPhase", bound="Phase")


class Kind:
    """A kind of transaction. Its place in the list of kinds is its number; within a batch kinds take turns."""

    name: ClassVar[str]  # as gas is stated by: networks.NAME.gas.oracle
    gas: ClassVar[float]  # units; assumption unless a network states it
    turn: ClassVar[int] = 2  # within a batch: 0 answers of oracles, 1 owners, 2 who takes collateral, 3 orders
    liquidates: ClassVar[bool] = False  # an executed one is a liquidation
    trades: ClassVar[bool] = False  # sells what it gets or gives, for the other: waits while a market on that way is halted
    looks: ClassVar[bool] = False  # wants fresh price levels of the paths concerned
    answers: ClassVar[bool] = False  # by which a feed answers: `ref` is the feed
    sold_by_protocol: ClassVar[bool] = False  # of nobody's account, but of `protocol`, which a replay then names
    moves_seen: ClassVar[bool] = False  # what protocols see is composed anew after it
    number: int = -1  # given at assembly

    def accounts(self, state: State, picked: np.ndarray) -> np.ndarray:
        """Whose accounts these rows are about, by number [rows]; -1: nobody's. Where `ref` is a touched slot, see `in_slots`."""
        return np.full(len(picked), -1)

    def in_slots(self, state: State, picked: np.ndarray) -> np.ndarray:
        """Accounts in the slots that the rows name [rows]."""
        return state.pool.touched.account[state.transactions.ref[picked]]

    def check(self, state: State, picked: np.ndarray) -> None:
        """Revert those of these rows that no longer hold: asked before a group of rows is carried out.

        Whoever may revert a row in `execute` finds it here, at what stands before any row of the group is carried out.
        Kinds are asked in the order of their turns, so that a later one sees how earlier ones have been sized.
        """

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Carry out included rows, by number: each becomes EXECUTED or REVERTED; sales go to state.sales."""
        raise NotImplementedError

    def take_back(self, state: State, picked: np.ndarray) -> None:
        """Of these executed rows `unsold` units found no buyer: they are the actor's, who may offer them again."""


class Phase:
    """Does nothing."""

    moves: np.ndarray | None = None  # [steps + 1, M] log-moves of outside prices that it is known to bring; for planning
    counters: tuple[Column, ...] = ()
    first_row: int = -1  # of its counters in Ledgers.totals; -1: none is reserved yet
    numbers: tuple[int, ...] = ()  # of the protocols that it belongs to; none: it acts for all
    strikes_last: bool = False  # restrains behind those that keep the time of what is found unhealthy
    parts: Sequence[Phase] = ()  # phases that it is made of, which say their results themselves

    def kinds(self) -> Sequence[Kind]:
        """Kinds of transaction of its own."""
        return ()

    def happen(self, state: State) -> None:
        """Once a step, before prices move."""

    def adapt(self, state: State) -> None:
        """Once a step, once prices stand."""

    def observe(self, state: State) -> None:
        """Once a step, before the blocks."""

    def restrain(self, state: State, first: int, last: int) -> None:
        """In every block: rows first..last-1 are calls of unhealthy accounts, not yet sized; state.pool.called are exchanges'."""

    def offer(self, state: State) -> None:
        """In every block: append rows."""

    def react(self, state: State, first: int, last: int) -> None:
        """In a block with calls: append rows that answer rows first..last-1, which are sized."""

    def bid(self, state: State, first: int, last: int, resize: Resize) -> None:
        """In a block with something to take: take rows among first..last-1, or append copies of what others have taken."""

    def afford(self, state: State, kind: Kind, picked: np.ndarray) -> None:
        """At their slot, before these rows of a kind are carried out: an actor reverts those of its own that he cannot pay for, a
        policy those that it does not allow."""

    def trade(self, state: State) -> None:
        """At the end of every block; state.seen.price is fresh."""

    def reshape(self, state: State) -> None:
        """Whenever something may have traded: once venues have relaxed, after a slot's sales, at the end of a block."""

    def wake(self, state: State) -> None:
        """At the end of every block: lower state.wake to when this mechanism next wants a block, where it does."""

    def amounts(self, state: State) -> list[Value]:
        """What has come together up to now, or is there; state.seen.price is fresh."""
        return []

    def columns(self, state: State) -> list[Value]:
        """What else is to be said at the end of a run; state.seen.price is fresh."""
        return []

    def reserve(self, state: State) -> None:
        """Rows of Ledgers.totals for its counters, behind those that are there: once for each state."""
        if self.counters:
            totals = state.ledgers.totals
            self.first_row = len(totals)
            more = np.zeros((len(self.counters), *totals.shape[1:]))
            state.ledgers = state.ledgers._replace(totals=np.concatenate([totals, more]))

    def row(self, state: State, counter: int = 0) -> int:
        """The row of one of its counters, which a kernel takes as an argument: totals[row, protocol, path] += 1."""
        if self.first_row < 0:  # it came after the state was made
            self.reserve(state)
        return self.first_row + counter

    def count(self, state: State, picked: np.ndarray, counter: int = 0) -> None:
        """Add those of these rows that have been executed to one of its counters."""
        rows = state.transactions
        done = picked[rows.state[picked] == EXECUTED]
        np.add.at(state.ledgers.totals[self.row(state, counter)], (rows.protocol[done], rows.path[done]), 1.0)

    def counted(self, state: State) -> list[Value]:
        """Its counters, of its protocols or of every one."""
        return [Value(column, state.ledgers.totals[self.row(state, i), p], p) for i, column in enumerate(self.counters)
                for p in self.numbers or range(state.ledgers.totals.shape[1])]


def each_once(things: Iterable[Any]) -> list[Phase]:
    """The phases among these things, those in lists and those that others are made of, each once."""
    found: dict[int, Phase] = {}
    todo = list(things)
    while todo:
        one = todo.pop(0)
        if isinstance(one, Phase):
            found.setdefault(id(one), one)
        todo[:0] = one.parts if isinstance(one, Phase) else one if isinstance(one, list | tuple) else ()
    return list(found.values())


def overriding(phases: Iterable[AnyPhase], hook: str) -> list[AnyPhase]:
    """Those that do something at this hook."""
    return [phase for phase in phases if getattr(type(phase), hook) is not getattr(Phase, hook)]


def grouped(specs: dict[Any, Any]) -> list[tuple[Any, dict[Any, Any]]]:
    """(class whose `phase` makes them ready, specs by name) of each family of kinds, in the order of first appearance.

    One phase serves all mechanisms of a family: compile and call once a kind, not once a name.
    """
    out: dict[Any, dict[Any, Any]] = {}
    for name, spec in specs.items():
        owner = next(base for base in type(spec).__mro__ if "phase" in vars(base))
        out.setdefault(owner, {})[name] = spec
    return list(out.items())

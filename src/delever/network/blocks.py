"""Blocks with finite room, filled by fee: the highest bids first, the first offered among equals.

Every included transaction pays gas x bid, also when it reverts; what finds no room is offered again in the next block.
Source: a priority gas auction as since EIP-1559, with a base fee that does not move within a run (assumption).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.columns import Column, Figure, Phase, Value
from delever.core.jit import kernel
from delever.core.outcomes import REVERTED as REVERTS
from delever.core.state import Queue, State, Tally
from delever.core.tables import (
    BLOCK_BUILDERS,
    EXECUTED,
    INCLUDED,
    OFFERED,
    REVERTED,
    WAITING,
    Transactions,
)
from delever.model.errors import InputError, nearest
from delever.model.quantity import Gwei, Seconds
from delever.model.spec import Spec

UNLIMITED = np.iinfo(np.int64).max
GAS = {"oracle": 100_000.0, "top_up": 250_000.0, "liquidation": 500_000.0, "order": 300_000.0}  # by kind, in its order


class Blocks(Spec):
    """A chain."""

    kind: ClassVar[str] = "blocks"
    block_time: Seconds = Field(gt=0, description="time between blocks")
    room: int = Field(gt=0, description="transactions of this world that fit in a block")
    base_fee: Gwei = Field(ge=0, description="least bid, a unit of gas")
    native: str = Field(default="ETH", description="asset in which gas is paid")
    gas: dict[str, float] = Field(default_factory=dict, description="gas of a transaction by kind; assumption: "
                                  "oracle 100,000, top_up 250,000, liquidation 500,000, order 300,000")

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        for name, units in self.gas.items():
            if name not in GAS:
                raise InputError("unknown kind of transaction", value=name, remedy=nearest(name, GAS), path=("gas",))
            if not 0.0 <= units < math.inf:
                raise InputError(f"is {units:g}", value=units, remedy="gas is a number, 0 or more", path=("gas", name))
        return self

    def gas_by_kind(self) -> dict[str, float]:
        """Units of gas."""
        return {**GAS, **self.gas}


@kernel
def include(n: int, rows: Transactions, room: int, base_fee: float, sequential: bool, kinds: int, by_path: np.ndarray,
            queue: np.ndarray, paths: int, unfit: np.ndarray) -> np.ndarray:
    """Fill the blocks of all paths. by_path, queue: [rows]; returns where each (slot, kind) begins in `queue`."""
    path, kind, state, bid = rows.path, rows.kind, rows.state, rows.bid
    start = np.zeros(paths + 1, np.int64)
    for i in range(n):
        if state[i] == OFFERED:
            if bid[i] >= base_fee:
                start[path[i] + 1] += 1
            else:
                state[i] = WAITING
                unfit[path[i]] += 1
    for p in range(paths):
        start[p + 1] += start[p]
    end = start[:paths].copy()
    longest = 0
    for i in range(n):  # a stable insertion, cut off at the room of the block
        if state[i] != OFFERED:
            continue
        p = path[i]
        first, j = start[p], end[p]
        if room < UNLIMITED:
            while j > first and bid[by_path[j - 1]] < bid[i]:
                j -= 1
        if j - first >= room:
            state[i] = WAITING
            unfit[p] += 1
            continue
        if end[p] - first == room:
            state[by_path[end[p] - 1]] = WAITING
            unfit[p] += 1
        else:
            end[p] += 1
        for k in range(end[p] - 1, j, -1):
            by_path[k] = by_path[k - 1]
        by_path[j] = i
        longest = max(longest, end[p] - first)
    slots = longest if sequential else min(longest, 1)
    begin = np.zeros(slots * kinds + 1, np.int64)
    for p in range(paths):
        for k in range(start[p], end[p]):
            slot = k - start[p] if sequential else 0
            begin[slot * kinds + kind[by_path[k]] + 1] += 1
    for c in range(slots * kinds):
        begin[c + 1] += begin[c]
    at = begin[:slots * kinds].copy()
    for p in range(paths):
        for k in range(start[p], end[p]):
            i = by_path[k]
            c = (k - start[p] if sequential else 0) * kinds + kind[i]
            queue[at[c]] = i
            at[c] += 1
            state[i] = INCLUDED
    return begin


@kernel
def close(n: int, rows: Transactions, gas: np.ndarray, payer: np.ndarray, of_called: np.ndarray, native: int, base_fee: float,
          tokens: np.ndarray, time: float, wake: np.ndarray, active: np.ndarray, tally: Tally, totals: np.ndarray) -> int:
    """After a block: gas is paid, cascades are counted, and who takes part in the next one; how many do.

    gas, payer, of_called: [kinds]; of_called: executed ones count as liquidations. wake: [P].
    """
    path, kind, state, bid = rows.path, rows.kind, rows.state, rows.bid
    executed, cascade, longest = tally.executed, tally.cascade, tally.longest
    spent = tally.gas
    took_part = active.copy()
    for p in range(active.shape[0]):
        if tally.called[p] > 0:
            wake[p] = time
        tally.called[p] = 0
    for i in range(n):
        p = path[i]
        if state[i] == EXECUTED or state[i] == REVERTED:
            wake[p] = time
            executed[p] += of_called[kind[i]] and state[i] == EXECUTED  # beside the calls of exchanges
            if state[i] == REVERTED:
                tally.reverted[p] += 1
                if of_called[kind[i]]:
                    totals[REVERTS, rows.protocol[i], p] += 1.0
            if gas[kind[i]] > 0.0 and bid[i] > 0.0:
                cost = gas[kind[i]] * bid[i] * 1e-9
                tokens[payer[kind[i]], native, p] -= cost
                tokens[BLOCK_BUILDERS, native, p] += cost
                spent[p] += cost
        elif state[i] == WAITING and bid[i] >= base_fee:
            wake[p] = time
    some = 0
    for p in range(active.shape[0]):
        if took_part[p]:
            cascade[p] = cascade[p] + 1 if executed[p] > 0 else 0
            longest[p] = max(longest[p], cascade[p])
            executed[p] = 0
        active[p] = wake[p] <= time
        some += active[p]
    return some


CASCADE = Column("cascade_length", "blocks", "longest row of blocks with liquidations", (
    Figure("cascade_length", "quantile", "95th percentile over paths of the longest row of blocks with liquidations",
           level=0.95),), section="Liquidations")
FAILED = Column("reverted", "count", "included transactions that reverted")
SPENT = Column("gas", "native", "fees paid")
UNFIT = Column("found_no_room", "count", "transactions that found no room in a block, or bid too little")


class Network(Phase):
    """Includes transactions; without a chain everything is included and gas is free."""

    def __init__(self, spec: Blocks | None, native: int, sequential: bool, kinds: Sequence[Any]) -> None:
        self.room = spec.room if spec else UNLIMITED
        self.base_fee = spec.base_fee if spec else 0.0
        stated = spec.gas_by_kind() if spec else {}
        self.gas = np.array([stated.get(kind.name, kind.gas) if spec else 0.0 for kind in kinds])
        self.payer = np.array([kind.payer for kind in kinds])
        self.of_called = np.array([kind.called for kind in kinds])
        self.native, self.sequential = native, sequential

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        tally = state.tally
        return [Value(CASCADE, tally.longest), Value(FAILED, tally.reverted), Value(SPENT, tally.gas), Value(UNFIT, tally.unfit)]

    def include(self, state: State) -> None:
        """Decide what goes in, and in which order."""
        state.queue = queue_of_length(state.queue, state.n_rows)
        by_path = np.empty(state.n_rows, np.int64)
        begin = include(state.n_rows, state.transactions, self.room, self.base_fee, self.sequential, len(self.gas), by_path,
                        state.queue.row, state.paths, state.tally.unfit)
        state.queue = Queue(state.queue.row, begin)

    def close(self, state: State) -> int:
        """Gas, and the paths that take part in the next block; after the last of a step nobody waits for an answer."""
        return close(state.n_rows, state.transactions, self.gas, self.payer, self.of_called, self.native, self.base_fee,
                     state.ledgers.tokens, state.time, state.wake, state.active, state.tally, state.ledgers.totals)


def queue_of_length(queue: Queue, size: int) -> Queue:
    """The queue with room for so many rows."""
    return queue if len(queue.row) >= size else Queue(np.empty(2 * size, np.int64), queue.start)

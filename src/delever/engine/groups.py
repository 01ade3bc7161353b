"""Rows of a group are carried out all or none.

Once the slot of a group has come, every kind in it is asked which of its rows still hold; where one does not, all of them
revert and pay their gas. What has passed is carried out kind by kind, in the order of turns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.state import State
from delever.core.tables import EXECUTED, REVERTED, Transactions


def stand_together(kinds: Sequence[Kind], state: State, slot: int) -> None:
    """Groups in this slot: if one of its rows no longer holds, none of them is carried out."""
    rows = state.transactions
    begin, end = state.queue.start[slot * len(kinds)], state.queue.start[(slot + 1) * len(kinds)]
    here = state.queue.row[begin:end]
    here = here[rows.group[here] > 0]
    if not len(here):
        return
    price_rows(state, here)
    for kind in kinds:
        picked = here[rows.kind[here] == kind.number]
        if len(picked):
            kind.check(state, picked)
    failed = here[rows.state[here] == REVERTED]
    for i in failed.tolist():
        rows.state[here[(rows.path[here] == rows.path[i]) & (rows.group[here] == rows.group[i])]] = REVERTED


def all_or_none(rows: Transactions, grouped: np.ndarray) -> None:
    """Of no group some rows were carried out and others not. grouped: their numbers, ascending."""
    one, other = grouped[:-1], grouped[1:]
    same = (rows.group[one] == rows.group[other]) & (rows.path[one] == rows.path[other])
    half = same & ((rows.state[one] == EXECUTED) != (rows.state[other] == EXECUTED))
    if half.any():
        raise RuntimeError(f"half of group {rows.group[one][half][0]} was carried out; this is a fault of the program: "
                           "a kind of transaction reverts what its `check` let pass")

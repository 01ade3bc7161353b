"""What is said of Maker's auctions: what was kicked, bought and started anew, what is for sale, what the protocol earned."""

from __future__ import annotations

import numpy as np

from delever.core.columns import OF, Column, Figure, Value, mean_of, worth
from delever.core.state import State
from delever.core.tables import TREASURY

AUCTIONS = f"Auctions of {OF}"  # section of a report
KICKS, TAKES, REDOS = range(3)  # places in COUNTED


def counted(name: str, words: str) -> Column:
    """A number of transactions."""
    return Column(name, "count", words, mean_of(name, words), section=AUCTIONS)


COUNTED = (counted("kicks", "vaults, or parts of them, that were put up for sale"), counted("takes", "purchases from lots"),
           counted("redos", "auctions that were started anew"))
OPEN = Column("lots_open", "count", "lots for sale", (
    *mean_of("lots_open", "lots still for sale at the end"),
    Figure("lots_left", "share_above", "paths on which lots are still for sale at the end", "share")), section=AUCTIONS,
    stock=True)
OWED = Column("owed_by_lots", "USD", "debt of lots for sale, without penalty, at prices seen", mean_of(
    "owed_by_lots", "debt of lots still for sale at the end, without penalty, at prices seen"), section=AUCTIONS, stock=True)
SURPLUS = Column("surplus", "USD", "penalties, less rewards of keepers and deficits that were healed, at prices seen", mean_of(
    "surplus", "penalties, less rewards of keepers and deficits that were healed, at prices seen at the end; below 0 where "
    "rewards were more"), section=AUCTIONS)


def lots_now(state: State, number: int) -> list[Value]:
    """What is for sale of one protocol."""
    lots, n = state.lots, state.n_lots
    mine = np.flatnonzero((lots.open[:n] == 1) & (lots.protocol[:n] == number))
    path = lots.path[mine]
    usd = lots.owed[mine] * state.seen.price[path, lots.reserve[mine]]
    return [Value(OPEN, np.bincount(path, minlength=state.paths), number),
            Value(OWED, np.bincount(path, usd, state.paths), number)]


def surplus_now(state: State, number: int) -> Value:
    """What one protocol has earned."""
    return Value(SURPLUS, worth(state, state.ledgers.booked[TREASURY], number), number)

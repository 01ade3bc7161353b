"""Rows of the table of lots are used again: a transaction means the lot that it was offered, and none that came after."""

from __future__ import annotations

from delever.core.jit import helper
from delever.core.tables import Lots, Transactions


@helper
def still_open(i: int, rows: Transactions, lots: Lots) -> bool:
    """Whether the lot that row i names is for sale, and the one it was offered: what opened a lot tells them apart."""
    k = rows.ref[i]
    return lots.open[k] != 0 and lots.cause[k] == rows.cause[i]

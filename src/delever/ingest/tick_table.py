"""The initialised ticks of a concentrated-liquidity pool: a CSV file with the columns `tick` and `liquidity_net`.

liquidity_net: what the pool's liquidity changes by when the price rises through the tick, as `ticks(tick)` of the contract says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from delever.model.errors import InputError

if TYPE_CHECKING:
    from delever.ingest.source import Source


def read(source: Source, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(ticks, ascending; change of liquidity at each). Raises InputError for what is missing, doubled or no number."""
    where, table = str(source.path(name)), source.table(name)
    for column in ("tick", "liquidity_net"):
        if column not in table.column_names:
            raise InputError(f"has no column {column}", where, remedy="a tick table has the columns tick and liquidity_net")
    try:
        tick = np.array([int(str(value)) for value in table["tick"].to_pylist()])
        net = np.array([float(str(value)) for value in table["liquidity_net"].to_pylist()])
    except ValueError as error:
        raise InputError("is not a tick table", where, remedy=f"{error}: ticks are whole numbers, liquidity a number") from None
    order = np.argsort(tick, kind="stable")
    tick, net = tick[order], net[order]
    if len(tick) < 2 or (np.diff(tick) == 0).any() or not np.isfinite(net).all():
        raise InputError("is not a tick table", where, remedy="it has each initialised tick once, two or more of them")
    return tick, net

"""What a mechanism says of results: columns of a number a path, with unit, meaning, how they add up and become figures.

A phase of any role declares what it brings in its own file (core/phase.py: `amounts`, `columns`, `counters`). The run
collects them and names them NAME.PROTOCOL.ASSET; unit, meaning and figures stand in the schema of the table, so that figures and
reports follow from the table and know no mechanism. A value that has a `place` says what came about, path by path, of what the
world asks for there; 0 is nothing.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from delever.core.state import State

# Units that depend on what a column is of.
ASSET, BASE, QUOTE = "{asset}", "{base}", "{quote}"  # the asset of the value; base and quote of its market
OF = "{of}"  # in words: the protocol, market or asset that the value is of

# How the paths become a figure, each with its 95 % interval where it has one (run/estimates.py).
Reduce = Literal[
    "mean",
    "quantile",  # `level` of the paths do not exceed it
    "tail_mean",  # of the worst 1 - `level` of the paths
    "entropic",  # entropic value at risk at `level`
    "share_above",  # of paths whose value is above `level`
    "yearly_share_above",  # that in a year: in one of so many independent stretches as long as the run, each as risky
    "share_where",  # of paths on which it happened: the value is not nan
    "mean_where",  # over the paths on which it happened
    "mean_positive",  # over the paths with more than nothing
    "median_where",  # over the paths on which it happened
    "largest",  # on any path
]


class Figure(NamedTuple):
    """A figure that follows from a column."""

    name: str
    reduce: Reduce
    meaning: str
    unit: str = ""  # that of the column where empty
    level: float = 0.0  # of quantiles, tails and thresholds
    minus: str = ""  # name of a column of the same mechanism that is taken off before
    label: str = ""  # what a report calls it; its name in words where empty
    under: str = ""  # in a table with a row a label: the heading of its column
    years: float = 0.0  # that the run is long, of what is made yearly


class Column(NamedTuple):
    """A number a path."""

    name: str
    unit: str
    meaning: str
    figures: tuple[Figure, ...] = ()
    over: Literal["", "sum", "largest"] = ""  # what figures are of: each protocol by itself, or this over all that declare it
    section: str = ""  # heading under which a report shows its figures
    label: str = ""  # as a heading
    stock: bool = False  # what is there at a moment, not what has come together up to then


class Value(NamedTuple):
    """A column, and what it is on each path."""

    column: Column
    values: np.ndarray  # [P]
    protocol: int = -1  # numbers of what it is of; -1: of none
    asset: int = -1
    market: int = -1
    of: str = ""  # a name of the mechanism's own, such as an actor's
    place: str = ""  # where the world states what this is the outcome of, as scenario.events.2: asked and done (run/asked.py)
    asked: float = math.nan  # how much is asked for there; nan: no amount, anything but 0 is something


def mean_of(name: str, meaning: str, label: str = "", under: str = "") -> tuple[Figure]:
    """The one figure that most columns have."""
    return (Figure(name, "mean", f"mean over paths of {meaning}", label=label, under=under),)


def of_protocol(state: State, number: int) -> range:
    """Reserves of a protocol: they stand together."""
    return range(int(state.margins.first[number]), int(state.margins.first[number + 1]))


def added(rows: list[np.ndarray], paths: int) -> np.ndarray:
    """Their sum, row by row: NumPy's adds a single path's in another order, which moves a bit."""
    total = np.zeros(paths)
    for row in rows:
        total += row
    return total


def worth(state: State, units: np.ndarray, number: int) -> np.ndarray:
    """Worth of units [R, P] of a protocol's reserves at seen prices [P], USD."""
    total = added([units[r] * state.seen.price[:, r] for r in of_protocol(state, number)], state.paths)
    return total * state.margins.in_usd[number]


def market_price(state: State, asset: int) -> np.ndarray:
    """Market price of an asset now [P], USD."""
    tree = state.tree
    log_price = np.full(state.paths, tree.log_rate[asset])
    for m in tree.chain[asset, :tree.length[asset]]:
        log_price += state.markets.price[m]
    price: np.ndarray = np.exp(log_price)
    return price


def never_as_nan(when: np.ndarray) -> np.ndarray:
    """Times [s]; nan where it did not happen."""
    return np.where(np.isinf(when), np.nan, when)


@lru_cache(maxsize=8192)
def written(column: Column) -> str:
    """A column as text, for the schema of a table."""
    return json.dumps([*column[:3], [list(figure) for figure in column.figures], *column[4:]])


def read(text: str) -> Column:
    """A column from that text."""
    name, unit, meaning, figures, *rest = json.loads(text)
    return Column(name, unit, meaning, tuple(Figure(*figure) for figure in figures), *rest)

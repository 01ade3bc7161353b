"""How much of a fall is made by liquidations: the run beside its twin, in which nobody is liquidated.

    made by liquidations = deepest fall with nobody liquidated - deepest fall as it is      a path and market, shares of the price
                         = loss as it is - loss with nobody liquidated                      a path, USD

Both runs draw the same random numbers, so that differences are paired and their intervals short. A difference may be negative:
forced buying holds a price, and who is liquidated in time loses his lenders less than who is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from delever.analysis.bearers import bearers
from delever.analysis.tables import Column, table
from delever.run.estimates import mean, share
from delever.run.figures import drawn_of
from delever.run.result import Result
from delever.run.stress import Run
from delever.run.twin import twin_of

LOWEST = "lowest."  # column of paths: deepest fall of a market since the start


@dataclass(frozen=True, repr=False)
class Twin(Result):
    """A run beside its twin.

    markets: a row a market, the one that liquidations move most first. losses: one row. run: the twin itself, with its tables.
    """

    markets: pa.Table
    losses: pa.Table
    run: Run

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.markets

    def __repr__(self) -> str:
        return f"Twin of {self.run.world.name}: nobody liquidated, {self.run.paths.num_rows:,} paths"


def twin(run: Run, threads: int | None = None, progress: Callable[[str, int, int], None] | None = None) -> Twin:
    """The same paths with nobody liquidated, and what liquidations made of prices and losses.

    It takes about as long as the run; beside a run's folder it is kept, and read again. threads: no figure depends on it.
    """
    other = twin_of(run, threads, progress)
    names = [name for name in run.paths.column_names if name.startswith(LOWEST)]
    falls = [(name.removeprefix(LOWEST), run.paths[name].to_numpy(), other.paths[name].to_numpy()) for name in names]
    drawn = drawn_of(run.model, run.paths)
    falls.sort(key=lambda one: -abs(mean(one[2] - one[1], drawn)[0]))
    made = [mean(without - with_, drawn) for _, with_, without in falls]
    markets = table(
        Column("market", "", [name for name, _, _ in falls], kind=pa.string()),
        Column("as it is", "share", [mean(with_, drawn)[0] for _, with_, _ in falls],
               "deepest fall since the start, mean over paths", pa.float64()),
        Column("nobody liquidated", "share", [mean(without, drawn)[0] for _, _, without in falls], "the same in the twin",
               pa.float64()),
        Column("made by liquidations", "share", [one[0] for one in made], "how much deeper, path by path; mean", pa.float64()),
        Column("low", "share", [one[1] for one in made], "and high: 95 % interval of that mean, sampling error alone",
               pa.float64()),
        Column("high", "share", [one[2] for one in made], kind=pa.float64()),
        Column("deeper on", "share", [share(with_ < without, drawn)[0] for _, with_, without in falls],
               "paths on which it falls deeper than in the twin", pa.float64()))
    lost, spared = bearers(run).total, bearers(other).total
    value, low, high = mean(lost - spared, drawn)
    losses = table(
        Column("as it is", "USD", [mean(lost, drawn)[0]], "mean loss over paths, lending and exchanges together"),
        Column("nobody liquidated", "USD", [mean(spared, drawn)[0]],
               "the same in the twin; what is owed beyond collateral at the end"),
        Column("made by liquidations", "USD", [value], "the difference; below 0: liquidations spare lenders more than they cost"),
        Column("low", "USD", [low], "and high: 95 % interval"), Column("high", "USD", [high]))
    return Twin(markets, losses, other)

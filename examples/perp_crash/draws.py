"""One draw of the forecast: its world, run, and what is asked of it.

Every unit of a position that its owner loses by force counts once, where it leaves him:
- *liquidated*, at the mark: the owner had fallen below maintenance. Closed on the books, taken over by the vault, or closed
  against winners; what the vault then does with what it took does not count again;
- *deleveraged*, at the mark: the owner was healthy and his position was closed against a fallen account or a fallen vault.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import book
import exchange
import history
import inputs
import numpy as np
import pyarrow.parquet

from delever.core.state import State
from delever.core.tables import DEFICIT
from delever.ingest.source import Source
from delever.run.assemble import Model, assemble
from delever.run.chunk import run_state
from delever.worlds import load

SEED = 20251010
DOUBLE = 2.0
ALL = "all"
UNITS = {  # quantity of the whole exchange -> unit; the shares are told for each coin too
    "liquidated": "USD",
    "closed on the books": "USD",
    "taken over by the vault": "USD",
    "closed against winners": "USD",
    "deleveraged": "USD",
    "liquidated share of open interest": "share of 1",
    "deleveraged share of open interest": "share of 1",
    "delay from first liquidation to first deleveraging": "s",
    "vault loss": "USD",
    "shortfall that nothing bears": "USD",
    "haircut of deleveraged accounts": "USD",
    "coins whose mark doubles": "coins",
}
Answers = dict[tuple[str, str], float]  # (coin or "all", quantity) -> number
Result = tuple[Answers, dict[str, float]]  # answers, and the values of inputs


class Task(NamedTuple):
    """One run. quantile: of the inputs, where they are not drawn; those not named at their median."""

    way: str
    number: int
    quantile: Mapping[str, float] | None = None
    settings: exchange.Settings = exchange.CHOSEN


@cache
def prepared() -> tuple[inputs.Known, np.ndarray]:
    """What stood before, and the shape of depth: read once a process."""
    source = Source(None)
    return inputs.read(source), history.depth_shape(source)


def simulate(task: Task) -> Result:
    """Answers of one draw, and the values of its inputs."""
    known, shape = prepared()
    random = inputs.generator(SEED, task.number)
    if task.quantile is None:
        drawn = inputs.draw(known, random)
    else:
        drawn = inputs.at(known, task.quantile, inputs.index_at(known, task.quantile.get("index", 0.5), SEED))
    legs = book.book(known, drawn, random)
    with TemporaryDirectory() as folder:
        prices = Path(folder) / "index.parquet"
        pyarrow.parquet.write_table(exchange.index_table(known, drawn), prices)
        model = assemble(load(exchange.world_of(known, drawn, legs, str(prices), shape, task.way, task.settings)))
    return quantities(known, drawn, model), drawn.values()


class Highest:
    """A probe: the highest seen price of every reserve [R, USD], of one path."""

    def __init__(self, reserves: int) -> None:
        self.price = np.zeros(reserves)

    def observe(self, state: State) -> None:
        """Once a step."""
        np.maximum(self.price, state.seen.price[0], out=self.price)


def quantities(known: inputs.Known, drawn: inputs.Inputs, model: Model) -> Answers:
    """Run the path and read what is asked."""
    row = {asset: r for r, (_, asset) in enumerate(model.positions.reserves)}
    highest = Highest(len(row))
    state = run_state(model, 0, 1, [], [highest])[0]
    perps = [row[f"{coin}-PERP"] for coin in known.coins]
    oi = known.open_interest * np.where(known.measured, 1.0, drawn.oi_level)
    flows, matched = state.flows, closed_against_fallen(state, len(row))
    ways = np.array([flows.liquidated[:, 0], flows.taken[:, 0], matched])[:, perps]  # [ways out, coins]
    liquidated = ways.sum(axis=0)
    deleveraged = flows.deleveraged[perps, 0]
    out: Answers = {}
    for c, coin in enumerate(known.coins):
        out[coin, "liquidated share of open interest"] = liquidated[c] / oi[c]
        out[coin, "deleveraged share of open interest"] = deleveraged[c] / oi[c]
    first = state.safety.first[:, 0, 0]
    told = (liquidated.sum(), *ways.sum(axis=1), deleveraged.sum(), liquidated.sum() / oi.sum(),
            deleveraged.sum() / oi.sum(), first[1] - first[0] if np.isfinite(first[1]) else np.inf,
            exchange.vault_equity(known, drawn) - worth_of_vault(state, model, row),
            state.ledgers.booked[DEFICIT, row["USD"], 0], flows.haircut.sum(),
            (highest.price[perps] > DOUBLE * known.price).sum())
    return out | {(ALL, name): float(value) for name, value in zip(UNITS, told, strict=True)}


def worth_of_vault(state: State, model: Model, row: Mapping[str, int]) -> float:
    """Cash and positions of the vault at the end, at marks [USD]."""
    marks = np.exp(state.feeds.answer[:, 0])
    held = sum(float(state.safety.vault[row[perp], 0] * marks[k]) for k, perp in enumerate(model.world.feeds))
    return float(state.safety.vault[row["USD"], 0]) + held


def closed_against_fallen(state: State, reserves: int) -> np.ndarray:
    """Notional at marks [reserves, USD] of fallen accounts that was closed against winners.

    The haircut is units x (mark - price); a fallen vault's positions close at the mark itself, with none, and do not count.
    """
    closings = state.closings
    reserve, units, price, haircut = (column[:state.n_closings] for column in (
        closings.reserve, closings.units, closings.price, closings.haircut))
    of_account = haircut != 0.0
    mark = price[of_account] + haircut[of_account] / units[of_account]
    return np.bincount(reserve[of_account].astype(int), np.abs(units[of_account]) * mark, reserves)

"""A few paths of a model, or of a variation of it: the same paths every time (common random numbers).

Paths are run here one chunk after the other: these samples are small, and threads would cost more than they give.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from delever.model.spec import Spec
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import run_state, simulate
from delever.run.outcomes import tabulate_paths

AT_ONCE = 64  # paths in a chunk
ACCOUNT_PATHS = 2_000_000  # accounts x paths in a chunk at most: below 1 GiB if every account is touched on every path


def run_model(model: Model, first: int, last: int) -> pa.Table:
    """Paths first .. last - 1, a row each, as in the paths of a run."""
    return pa.concat_tables([simulate(model, at, count, []).paths for at, count in chunks(model, first, last)])


def run_watched(model: Model, paths: int, accounts: Sequence[int]) -> tuple[pa.Table, dict[int, np.ndarray]]:
    """Paths 0 .. paths - 1, and on which of them each of these accounts came into reach of liquidation."""
    tables, met = [], {account: [np.empty(0, np.int64)] for account in accounts}
    for at, count in chunks(model, 0, paths):
        state, mechanisms, *_ = run_state(model, at, count, [])
        tables.append(tabulate_paths(model, mechanisms, state))
        touched = state.pool.touched  # rows not used yet read path 0: one path too many does no harm
        for account in accounts:
            met[account].append(at + np.unique(touched.path[touched.account == account]))
    return pa.concat_tables(tables), {account: np.concatenate(found) for account, found in met.items()}


def chunks(model: Model, first: int, last: int) -> list[tuple[int, int]]:
    """(first path, number of paths), as many at once as memory allows."""
    size = max(1, min(AT_ONCE, ACCOUNT_PATHS // max(1, len(model.positions.accounts))))
    return [(at, min(size, last - at)) for at in range(first, last, size)]


def plainly(world: World) -> World:
    """The world with all paths drawn as it states: for what counts paths."""
    return world if world.scenario.tail is None else world.replace("scenario.tail", None)


def without(model: Model, accounts: Iterable[int]) -> Model:
    """The model with these accounts emptied. They keep their place, so every path stays the same for all others.

    The index keeps their entries too: an entry only says when to look at an account, and one that owes nothing is found
    healthy. The other side of a position that is left out is then held by makers outside.
    """
    tables, emptied = model.positions.tables, list(accounts)
    amount, cost = tables.amount.copy(), tables.cost.copy()
    amount[emptied], cost[emptied] = 0.0, 0.0
    return replace(model, positions=replace(model.positions, tables=tables._replace(amount=amount, cost=cost)))


def with_events(model: Model, events: Sequence[Spec]) -> Model:
    """The model under other events; nothing is read anew."""
    scenario = model.world.scenario.model_copy(update={"events": tuple(events)})
    return replace(model, world=model.world.model_copy(update={"scenario": scenario}))

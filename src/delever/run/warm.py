"""Compiles, or loads from disk, every kernel a world needs: a few steps of one path in which everybody is unhealthy."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np

from delever.engine.index import EITHER, make_index
from delever.run.assemble import Model, unwatched
from delever.run.chunk import simulate
from delever.run.exchanges import positions_by_perp, positions_of
from delever.run.positions import Positions

ACCOUNTS, STEPS = 64, 3  # of each protocol
LONG_AGO = 1e9  # [s]
WORTH = 1e-3  # of their thresholds: nobody's collateral backs his debt
OWED = 2.0  # times what all positions are worth: everybody on an exchange is below zero


def every_kernel(model: Model) -> None:
    """Run the world's own phases on some accounts of each protocol, with its orders brought forward."""
    world, positions = model.world, few_accounts(model)
    at_once = tuple(event.model_copy(update={"at": 0.0}) for event in world.scenario.events)
    scenario = world.scenario.model_copy(update={"events": at_once})
    specs = tuple(spec.model_copy(update={"age": LONG_AGO}) if "age" in type(spec).model_fields else spec
                  for spec in model.oracles.specs)  # so that every feed answers
    everything = replace(model, oracles=replace(model.oracles, specs=specs), positions=positions,
                         world=world.model_copy(update={"scenario": scenario}),
                         lists=cache(partial(make_index, positions.tables, np.exp(model.start_seen), positions.margins,
                                             unwatched(world, positions))),
                         steps=min(STEPS, model.steps))
    simulate(everything, 0, 1, [])


def few_accounts(model: Model) -> Positions:
    """The first accounts of each protocol, and arbitrageurs', all of them far below water."""
    positions, tables = model.positions, model.positions.tables
    protocol = positions.protocol
    rank = np.zeros(len(protocol), np.int64)
    for number in range(len(model.world.protocols)):
        mine = protocol == number
        rank[mine] = np.arange(mine.sum())
    chosen = np.flatnonzero((rank < ACCOUNTS) | (tables.margin[tables.signature] == EITHER))
    few = tables._replace(amount=tables.amount[chosen], signature=tables.signature[chosen], cost=tables.cost[chosen],
                          threshold=tables.threshold * WORTH)
    account, leg = positions_of(few)
    reserve = few.reserve[few.signature[account], leg]
    worth = np.bincount(account, np.abs(few.amount[account, leg]) * model.seen_price()[reserve], len(chosen))
    owes = few.margin[few.signature] > 0
    few.amount[owes, 0] = -OWED * worth[owes]
    first, holder, position_leg = positions_by_perp(few, len(positions.reserves))
    return replace(positions, tables=few, bands=positions.bands[chosen], interest_rate=positions.interest_rate[chosen],
                   accounts=tuple(positions.accounts[i] for i in chosen), protocol=protocol[chosen],
                   owner=positions.owner[chosen],
                   margins=positions.margins._replace(position_first=first, position_account=holder, position_leg=position_leg))

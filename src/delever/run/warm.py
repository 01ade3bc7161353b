"""Compiles, or loads from disk, every kernel a world needs: a few steps of one path in which everybody is unhealthy."""

from __future__ import annotations

from dataclasses import replace

from delever.engine.index import make_index
from delever.run.assemble import Model
from delever.run.chunk import simulate

ACCOUNTS, STEPS = 64, 3
LONG_AGO = 1e9  # [s]
WORTH = 1e-3  # of their thresholds: nobody's collateral backs his debt


def every_kernel(model: Model) -> None:
    """Run the world's own phases on its first accounts, with its orders brought forward."""
    tables, world = model.positions.tables, model.world
    few = tables._replace(amount=tables.amount[:ACCOUNTS].copy(), signature=tables.signature[:ACCOUNTS].copy(),
                          threshold=tables.threshold * WORTH)
    positions = replace(model.positions, tables=few, accounts=model.positions.accounts[:ACCOUNTS])
    orders = tuple(shock.model_copy(update={"at": 0.0, "over": 0.0}) for shock in world.scenario.shocks if shock.order)
    scenario = world.scenario.model_copy(update={"shocks": orders})
    specs = tuple(spec.model_copy(update={"age": LONG_AGO}) if "age" in type(spec).model_fields else spec
                  for spec in model.seeing.specs)  # so that every feed answers
    everything = replace(model, seeing=replace(model.seeing, specs=specs), positions=positions,
                         world=world.model_copy(update={"scenario": scenario}), index=make_index(few, model.seen_price(), model.positions.margins),
                         steps=min(STEPS, model.steps))
    simulate(everything, 0, 1, [])

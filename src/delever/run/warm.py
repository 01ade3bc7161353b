"""Compiles, or loads from disk, every kernel a world needs: three steps of one path in which everything falls."""

from __future__ import annotations

from dataclasses import replace

from delever.model.scenario import Shock
from delever.run.assemble import Model
from delever.run.chunk import simulate


def every_kernel(model: Model) -> None:
    """Run the world's own phases once on a crash, with its orders brought forward."""
    world = model.world
    fall = {name: -0.6 for name, asset in world.assets.items() if asset.price is not None}
    orders = [shock.model_copy(update={"at": 0.0, "over": 0.0}) for shock in world.scenario.shocks if shock.order]
    scenario = world.scenario.model_copy(update={"shocks": (Shock(price=fall), *orders)})
    crash = world.model_copy(update={"scenario": scenario})
    simulate(replace(model, world=crash, steps=min(3, model.steps)), 0, 1, [])

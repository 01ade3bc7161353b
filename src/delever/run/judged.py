"""The probes by which a run's outcomes are judged: of whom, against what, with the scenario's thresholds and windows."""

from __future__ import annotations

import numpy as np

from delever.engine.deleveraging import Deleveraging, log_band
from delever.engine.markouts import Markouts, steps_of
from delever.engine.probes import Probe
from delever.engine.unhealthy import Unhealthy
from delever.run.assemble import Model


def exposure(model: Model) -> np.ndarray:
    """By protocol at the start [USD]: debt at prices seen; of an exchange all positions at marks, long and short added up."""
    tables, price, first = model.positions.tables, model.seen_price(), int(model.positions.tables.first_debt[0])
    held = np.arange(tables.amount.shape[1] - first) < tables.debts[tables.signature][:, None]
    usd = np.where(held, tables.amount[:, first:] * price[tables.reserve[tables.signature][:, first:]], 0.0)
    margin = tables.margin[tables.signature] != 0
    owed = np.where(margin, np.abs(usd).sum(1), usd.sum(1))
    return np.bincount(model.positions.protocol, owed, len(model.world.protocols))


def probes_of(model: Model) -> list[Probe]:
    """In the order in which they must look; none where nobody asks."""
    judged, world = model.world.scenario.judged, model.world
    if judged is None:
        return []
    lends = np.array([name in world.lending for name in world.protocols], np.bool_)
    inverse = np.zeros(len(lends), np.bool_)
    of = {name: n for n, name in enumerate(world.protocols)}
    for (name, _), sense in zip(model.positions.reserves, model.positions.sense, strict=True):
        inverse[of[name]] |= sense < 0.0
    unhealthy = Unhealthy(steps_of(judged.regret_after, model.step_length))
    window = steps_of(judged.event_within, model.step_length)
    own = any(getattr(protocol.rules, "watches", False) for protocol in world.protocols.values())
    bands = (log_band(judged.price_band), judged.health_band, judged.depth_band)
    events = Deleveraging(lends, exposure(model), unhealthy, window, judged.event_share, bands)
    return [unhealthy, events, Markouts(lends, inverse, unhealthy, events, own)]

"""The options of a world as the engine's table, and what they are worth at the start."""

from __future__ import annotations

import math

import numpy as np

from delever.core.options import Options, value_at
from delever.core.setting import Layout
from delever.model.world import World


def options_of(world: World, layout: Layout, paths: int) -> Options:
    """Every call and put, in the order of the assets."""
    named = [(name, spec) for name, spec in world.assets.items() if spec.is_option]
    expiry = [(spec.expires - world.as_of).total_seconds() for _, spec in named if spec.expires is not None]
    return Options(
        np.array([layout.markets.index(name) for name, _ in named], np.int64),
        np.array([layout.asset(str(spec.follows)) for _, spec in named], np.int64),
        np.array([1.0 if spec.put is not None else 0.0 for _, spec in named]),
        np.array([math.log(spec.strike or math.nan) for _, spec in named]),
        np.array([spec.volatility or math.nan for _, spec in named]), np.array(expiry), np.full((len(named), paths), np.nan))


def values_at_start(options: Options, log_spot: np.ndarray) -> np.ndarray:
    """What each is worth in its coin at the start [n], at log USD prices of the coins [n]."""
    out = np.zeros(len(options.market))
    if len(out):
        value_at(options, 0.0, np.ascontiguousarray(log_spot), out)
    return out

"""The scenario's outside prices without anybody who acts: the engine's own price process, draws and events, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from delever.core.empty import new_markets
from delever.core.jit import interpreted
from delever.core.state import State
from delever.core.tables import Markets
from delever.prices.base import Process
from delever.prices.lognormal import Diffusion
from delever.prices.replay import Table
from delever.run.assemble import Model, phases
from delever.run.start import fees, new_state


@dataclass
class Outside:
    """The part of a state that a price process reads and moves (prices/base.py)."""

    first_path: int
    paths: int
    seed: np.ndarray
    step_length: float
    markets: Markets
    moves: np.ndarray  # [M] of this step, by events
    step: int = 0


def walk(model: Model, process: Process, jumps: np.ndarray, first: int, paths: int) -> Iterator[tuple[int, np.ndarray]]:
    """(step, log moves of outside prices since the start [M, paths]) after each step. jumps: [steps, M] of events."""
    layout, seed = model.layout, model.world.scenario.seed
    start = layout.start[layout.tree.pair]
    markets = new_markets(start, model.start_price, fees(model), paths)
    state = Outside(first, paths, np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint64), model.step_length, markets,
                    np.zeros(len(layout.pairs)))
    phase, count = process.phase(paths), len(layout.markets)
    for jump in jumps:
        state.step += 1
        state.moves[:] = jump
        phase.move(cast("State", state))
        yield state.step, markets.exogenous[:count] - start[:count, None]


def moves_by_events(model: Model) -> np.ndarray:
    """[steps, M] log moves of outside prices that the scenario's events bring, the same on every path."""
    moves = np.zeros((model.steps, len(model.layout.pairs)))
    with interpreted(len(model.positions.accounts)):
        chunk = phases(model, 1, ())
        if chunk.happening:
            state = new_state(model, 0, 1, chunk)
            for k in range(model.steps):
                state.step += 1
                state.moves[:] = 0.0
                for phase in chunk.happening:
                    phase.happen(state)
                moves[k] = state.moves
    return moves


def different_paths(process: Process, paths: int) -> int:
    """As many as differ: a table of prices is replayed over and over."""
    return min(paths, process.level.shape[2]) if isinstance(process, Table) else paths


@dataclass(frozen=True)
class Law:
    """What is known of a log-normal process. Axes: M markets, n that have a volatility."""

    load: np.ndarray  # [M, n] of a step
    drift: np.ndarray  # [M] of the log price, a step, with what events bring in every step
    lumpy: np.ndarray  # [M] bool: events move it, not evenly

    def scale(self, vectors: np.ndarray) -> np.ndarray:
        """Volatility of combinations of log prices, a square root of a step. vectors: [D, M]."""
        return np.sqrt(np.square(vectors @ self.load).sum(axis=1))

    @property
    def convexity(self) -> np.ndarray:
        """[M] half of the variance of a step: what volatility takes from the growth of the log price."""
        return np.asarray(0.5 * np.square(self.load).sum(axis=1))


def law_of(model: Model, jumps: np.ndarray) -> Law | None:
    """None: the process is no geometric Brownian motion."""
    process, count = model.prices, len(model.layout.markets)
    if not isinstance(process, Diffusion):
        return None
    load = np.zeros((count, len(process.number)))
    load[process.number] = process.load
    return Law(load, process.drift + jumps[0], np.ptp(jumps, axis=0) > 0.0)


def louder(process: Process, by: float) -> Process | None:
    """The same process with all volatilities times 1 + by, the same draws and expected growth; None: it has none."""
    if not isinstance(process, Diffusion):
        return None
    half, drift = 0.5 * np.square(process.load).sum(axis=1), process.drift.copy()
    drift[process.number] -= half * ((1.0 + by) ** 2 - 1.0)
    return Diffusion(process.number, process.load * (1.0 + by), drift)

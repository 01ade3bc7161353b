"""Correlated log-normal prices (geometric Brownian motion).

    e <- e + (drift - volatility^2 / 2) dt + volatility sqrt(dt) (C z),   C C' = correlation,  dt in years
Source: Black and Scholes 1973. Normals: Philox stream 0, one row for each asset with a volatility, in the world's order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.jit import kernel
from delever.core.philox import PRICES, draw_normals
from delever.core.state import State
from delever.ingest.source import Source
from delever.model.errors import InputError, nearest
from delever.model.quantity import PerYear
from delever.prices.base import YEAR, PricePhase, PriceSpec, Process


class LogNormal(PriceSpec):
    """Volatility, drift and correlation of the assets that move by themselves."""

    kind: ClassVar[str] = "lognormal"
    volatility: dict[str, PerYear] = Field(
        default_factory=dict, examples=["{ETH: 80 %}"], description="of log-returns, a square root of a year")
    drift: dict[str, PerYear] = Field(default_factory=dict, description="expected growth a year")
    correlation: dict[str, float] = Field(default_factory=dict, description='"A/B": of log-returns; others 0')

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """Correlation matrix [n, n] of the assets named."""
        where = "scenario.prices.correlation"
        matrix = np.eye(len(names))
        for pair, value in self.correlation.items():
            parts = pair.split("/")
            if len(parts) != 2:
                raise InputError("correlation", f"{where}.{pair}", pair, 'name two assets as "A/B"')
            for name in parts:
                if name not in names:
                    raise InputError("has no volatility", f"{where}.{pair}: {name}", None,
                                     f"add scenario.prices.volatility.{name}, or correct the name: {nearest(name, names)}")
            if not -1.0 <= value <= 1.0:
                raise InputError(f"is {value:g}", f"{where}.{pair}", value, "a correlation lies between -1 and 1")
            i, j = (names.index(name) for name in parts)
            matrix[i, j] = matrix[j, i] = value
        return matrix

    def compile(self, markets: Sequence[str], source: Source, step_length: float, steps: int) -> Process:
        """See PriceSpec."""
        for kind, named in (("volatility", self.volatility), ("drift", self.drift)):
            for name in named:
                if name not in markets:
                    raise InputError("asset", f"scenario.prices.{kind}", name,
                                     f"only base and pegged assets have a price process; {nearest(name, markets)}")
        names = [name for name in markets if name in self.volatility]
        matrix = self.matrix(names)
        least = float(np.linalg.eigvalsh(matrix).min()) if names else 1.0
        if least <= 0.0:
            raise InputError("correlation matrix", "scenario.prices.correlation", f"smallest eigenvalue {least:.3g}",
                             "it is not positive definite; bring the correlations closer to 0")
        dt = step_length / YEAR
        volatility = np.array([self.volatility[name] for name in names])
        load = np.linalg.cholesky(matrix) * (volatility * math.sqrt(dt))[:, None] if names else np.zeros((0, 0))
        drift = np.array([self.drift.get(name, 0.0) * dt for name in markets])
        number = np.array([list(markets).index(name) for name in names], np.int64)
        drift[number] -= 0.5 * volatility**2 * dt
        return Diffusion(number, load, drift)


@kernel
def advance(step: int, first_path: int, seed: np.ndarray, number: np.ndarray, load: np.ndarray, drift: np.ndarray,
            word: np.ndarray, normal: np.ndarray, exogenous: np.ndarray) -> None:
    """number: [n] markets with a volatility; load: [n, n] lower; drift: [M] of this step; exogenous: [M, P]."""
    for m in range(drift.shape[0]):
        row, by = exogenous[m], drift[m]
        if by != 0.0:
            for p in range(row.shape[0]):
                row[p] += by
    draw_normals(step, first_path, seed, PRICES, word, normal)
    for a in range(number.shape[0]):
        row = exogenous[number[a]]
        for b in range(a + 1):
            z, by = normal[b], load[a, b]
            if by != 0.0:
                for p in range(row.shape[0]):
                    row[p] += by * z[p]


class Diffusion(Process):
    """number: [n] markets with a volatility; load: [n, n]; drift: [M] a step."""

    def __init__(self, number: np.ndarray, load: np.ndarray, drift: np.ndarray) -> None:
        self.number, self.load, self.drift = number, load, drift

    def phase(self, paths: int) -> PricePhase:
        """See Process."""
        return Moving(self.number, self.load, self.drift, paths)

    def spread(self, steps: int) -> float:
        """See Process."""
        step = float(np.sqrt((self.load**2).sum(1)).max(initial=0.0))
        return step * math.sqrt(steps) + float(np.abs(self.drift).max(initial=0.0)) * steps


class Moving(PricePhase):
    """One kernel call a step."""

    def __init__(self, number: np.ndarray, load: np.ndarray, drift: np.ndarray, paths: int) -> None:
        self.number, self.load, self.drift = number, load, drift
        self.word = np.zeros((4, paths), np.uint64)
        self.normal = np.zeros(((len(number) + 3) // 4 * 4, paths))

    def move(self, state: State) -> None:
        """Drift, what events bring, and noise of state.step."""
        advance(state.step, state.first_path, state.seed, self.number, self.load, self.drift + state.moves, self.word,
                self.normal, state.markets.exogenous)

"""Correlated log-normal prices (geometric Brownian motion).

    e <- e + (drift - volatility^2 / 2) dt + volatility sqrt(dt) (C z),   C C' = correlation,  dt in years
Source: Black and Scholes 1973. Normals: Philox stream 0, one row for each asset with a volatility, in the world's order.

Drawn around a move (scenario.tail): the horizon is cut into K stretches of m steps. One path in 1 / plain is drawn as above, each
of the others with z + theta in place of z in one stretch, in turn, theta being the shortest that makes the move in m steps:

    m C theta = move,   L = mean over stretches of exp(theta' (sum of its z as used) - m |theta|^2 / 2)
    weight = 1 / (plain + (1 - plain) L)

L is how much likelier the others make what was drawn. Every path counts by this one rule, however it was drawn; the mean of
weights is 1, and none is above 1 / plain.
Source: Hesterberg 1995 (defensive mixture), Technometrics 37; Veach and Guibas 1995 (balance heuristic), SIGGRAPH.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.philox import PRICES, draw_normals
from delever.core.state import State
from delever.ingest.source import Source
from delever.model.errors import InputError, nearest
from delever.model.quantity import PerYear
from delever.model.scenario import Tail
from delever.prices.base import YEAR, PricePhase, PriceSpec, Process

MOST = 600.0  # of ln L: what is so much likelier counts as nothing


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

    def toward(self, tail: Tail, markets: Sequence[str], step_length: float, steps: int) -> Process:
        """See Process. InputError: an asset does not move by itself."""
        names = [markets[m] for m in self.number]
        for asset in tail.change:
            if asset not in names:
                raise InputError("does not move by itself", f"scenario.tail.change.{asset}", None,
                                 f"name an asset of scenario.prices.volatility: {nearest(asset, names)}")
        width = steps if tail.over is None else min(steps, max(1, round(tail.over / step_length)))
        move = np.array([math.log1p(change) for change in tail.change.values()])
        rows = self.load[[names.index(asset) for asset in tail.change]]
        theta = np.linalg.lstsq(rows, move / width, rcond=None)[0]
        return Leaning(self, theta, Draws(tail.plain, width, -(-steps // width)), steps)

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


class Draws(NamedTuple):
    """How paths are drawn."""

    plain: float  # share of paths as they are
    width: int  # steps of a stretch
    stretches: int


class Leaning(Diffusion):
    """A diffusion of which some paths are drawn around a move. theta: [n] shift of the normals of a step of their stretch."""

    def __init__(self, like: Diffusion, theta: np.ndarray, draws: Draws, steps: int) -> None:
        super().__init__(like.number, like.load, like.drift)
        self.theta, self.draws, self.steps = theta, draws, steps
        self.shift = np.asarray(like.load @ theta)  # [n] log price a step

    def phase(self, paths: int) -> PricePhase:
        """See Process."""
        return Leant(self, paths)

    def spread(self, steps: int) -> float:
        """See Process."""
        return super().spread(steps) + float(np.abs(self.shift).max(initial=0.0)) * min(steps, self.draws.width)


@helper
def stretch_of(path: int, plain: float, stretches: int) -> int:
    """The stretch in which a path leans; -1: none. A run of any length has its share of each."""
    before = math.floor(path * plain)  # paths drawn plainly
    return -1 if math.floor((path + 1) * plain) > before else (path - before) % stretches


@kernel
def lean(first_path: int, stretch: int, plain: float, stretches: int, number: np.ndarray, theta: np.ndarray, shift: np.ndarray,
         normal: np.ndarray, along: np.ndarray, exogenous: np.ndarray) -> None:
    """Shift the step just drawn, and add up theta' z. theta, shift: [n]; normal: [rows, P] drawn; along: [P]."""
    for p in range(along.shape[0]):
        leans = stretch_of(first_path + p, plain, stretches) == stretch
        for a in range(number.shape[0]):
            along[p] += theta[a] * normal[a, p]
            if leans:
                along[p] += theta[a] * theta[a]
                exogenous[number[a], p] += shift[a]


@kernel
def close_stretch(half: float, stretches: int, along: np.ndarray, likelier: np.ndarray) -> None:
    """Add a stretch to L [P] and begin the next. half: steps |theta|^2 / 2; along: [P] theta' (sum of the z used)."""
    for p in range(along.shape[0]):
        likelier[p] += exp_(min(along[p] - half, MOST)) / stretches
        along[p] = 0.0


class Leant(Moving):
    """A step as without, then what is shifted of it: paths drawn plainly keep every bit."""

    def __init__(self, of: Leaning, paths: int) -> None:
        super().__init__(of.number, of.load, of.drift, paths)
        self.of, self.along, self.likelier = of, np.zeros(paths), np.zeros(paths)

    def move(self, state: State) -> None:
        """See Moving; weights are known at the end."""
        super().move(state)
        of, (plain, width, stretches) = self.of, self.of.draws
        lean(state.first_path, (state.step - 1) // width, plain, stretches, of.number, of.theta, of.shift, self.normal,
             self.along, state.markets.exogenous)
        if state.step % width == 0 or state.step == of.steps:
            half = 0.5 * ((state.step - 1) % width + 1) * float(of.theta @ of.theta)
            close_stretch(half, stretches, self.along, self.likelier)
        if state.step == of.steps:
            state.weight[:] = 1.0 / (plain + (1.0 - plain) * self.likelier)

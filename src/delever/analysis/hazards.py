"""How often owners act, by how near to the boundary they are: estimated from a panel of who could and who did.

    p = 1 - e^(-h dt),     h(x) = far + near e^(-x / scale)      [1/day; log distance]
Each row is an account that could act in a span of dt days, x above the boundary at its nearest, and whether it did. The logs of
the three numbers are found by maximum likelihood (Fisher scoring, from several starts, steps halved until they help). Standard
errors are of the logs and robust: rows of one cluster (an owner, a day) belong together; of several ways the largest counts.

Where nobody acts far away, or nobody near, a number is not identified: its standard error says so.
Source: H. White, Maximum Likelihood Estimation of Misspecified Models (1982): the errors; the form of h is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from delever.model.errors import InputError

STARTS = ((0.005, 0.1, 0.03), (0.05, 1.0, 0.05), (0.001, 0.02, 0.1), (0.5, 5.0, 0.02))  # far, near [1/day], scale
LEAST = math.log(1e-9)  # a log below which a number is nothing
STEPS, ENOUGH = 200, 1e-9  # Fisher steps, and the gain of log likelihood below which they end
SHARES, FACTORS = np.linspace(0.01, 1.0, 100), np.exp(np.linspace(-1.5, 1.5, 61))  # the grid of `fit_watching`


@dataclass(frozen=True)
class Hazard:
    """far, near: [1/day]; scale: log distance. errors: of their logs, robust. rows, acts: what it rests on."""

    far: float
    near: float
    scale: float
    errors: tuple[float, float, float]
    log_likelihood: float
    rows: int
    acts: int

    def at(self, x: np.ndarray | float) -> np.ndarray:
        """Rate at distances x [1/day]."""
        return np.asarray(self.far + self.near * np.exp(-np.asarray(x) / self.scale))


def fit_hazard(x: np.ndarray, days: np.ndarray | float, acted: np.ndarray, clusters: Sequence[np.ndarray] = ()) -> Hazard:
    """The hazard of a panel. x: [rows] nearest log distance, above 0; days: [rows] how long; acted: [rows] bool; clusters: each
    [rows], what belongs together.

    InputError: nobody acted, everybody did, or distances are not above 0.
    """
    x, acted = np.asarray(x, float), np.asarray(acted, bool)
    dt = np.broadcast_to(np.asarray(days, float), x.shape)
    if not len(x) or not (x > 0.0).all() or not (dt > 0.0).all():
        raise InputError("has distances or spans that are not above 0", "panel", None, "leave out who is eligible already")
    if acted.all() or not acted.any():
        raise InputError(f"has {int(acted.sum()):,} acts in {len(x):,} rows", "panel", None, "some must act, and some not")
    one = np.ones(len(x))
    return _hazard(*max((climb(np.log(start), x, dt, acted, one) for start in STARTS), key=lambda one: one[1]), x, dt, acted, one,
                   clusters)


def _hazard(theta: np.ndarray, value: float, x: np.ndarray, dt: np.ndarray, acted: np.ndarray, counts: np.ndarray,
            clusters: Sequence[np.ndarray]) -> Hazard:
    far, near, scale = np.exp(theta).tolist()
    errors = _errors(*_parts(theta, x, dt, acted, counts), clusters).tolist()
    return Hazard(far, near, scale, tuple(errors), value, len(x), int(acted.sum()))


def climb(theta: np.ndarray, x: np.ndarray, dt: np.ndarray, acted: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, float]:
    """(logs of far, near and scale at the top, log likelihood there), from a start. counts: [rows] how much each does."""
    value = _log_likelihood(theta, x, dt, acted, counts)
    for _ in range(STEPS):
        slope, weight, residual = _parts(theta, x, dt, acted, counts)
        information = (slope * weight[:, None]).T @ slope + 1e-9 * np.eye(3)
        step = np.clip(np.linalg.solve(information, slope.T @ (residual * weight)), -1.0, 1.0)
        for halved in range(30):
            tried = np.maximum(theta + step * 0.5**halved, LEAST)
            there = _log_likelihood(tried, x, dt, acted, counts)
            if there > value:
                break
        else:
            break
        gain, theta, value = there - value, tried, there
        if gain < ENOUGH:
            break
    return theta, value


def _log_likelihood(theta: np.ndarray, x: np.ndarray, dt: np.ndarray, acted: np.ndarray, counts: np.ndarray) -> float:
    exposure = _exposure(theta, x, dt)[0]
    return float((counts * np.where(acted, np.log(-np.expm1(-exposure)), -exposure)).sum())


def _exposure(theta: np.ndarray, x: np.ndarray, dt: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h dt, and what of it is far and near [rows]."""
    far, near, scale = np.exp(theta)
    fading = near * np.exp(-x / scale) * dt
    return np.maximum(far * dt + fading, 1e-300), far * dt, fading


def _parts(theta: np.ndarray, x: np.ndarray, dt: np.ndarray, acted: np.ndarray, counts: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(slopes of p in the three logs [rows, 3], counts / (p (1 - p)), whether it acted less p)."""
    exposure, far, fading = _exposure(theta, x, dt)
    stays = np.exp(-exposure)
    p = -np.expm1(-exposure)
    slope = stays[:, None] * np.column_stack([far, fading, fading * x / np.exp(theta[2])])
    return slope, counts / np.maximum(p * stays, 1e-300), acted - p


def _errors(slope: np.ndarray, weight: np.ndarray, residual: np.ndarray, clusters: Sequence[np.ndarray]
            ) -> np.ndarray:
    """Standard errors [k], the largest over ways to cluster; none is each row by itself."""
    inverse = np.linalg.pinv((slope * weight[:, None]).T @ slope)
    score = slope * (weight * residual)[:, None]
    found = []
    for of in clusters or (np.arange(len(slope)),):
        number = np.unique(of, return_inverse=True)[1]
        summed = np.column_stack([np.bincount(number, column) for column in score.T])
        found.append(np.sqrt(np.maximum(np.diag(inverse @ (summed.T @ summed) @ inverse), 0.0)))
    return np.asarray(np.max(found, axis=0))


def fit_factor(expected: np.ndarray, z: np.ndarray, acted: np.ndarray, clusters: Sequence[np.ndarray] = ()
               ) -> tuple[float, float]:
    """(b, its standard error) of p = 1 - e^(-H e^(a + b z)): what a unit of z multiplies a known hazard by is e^b.

    expected: [rows] H, hazard times span; z: [rows]; acted: [rows] bool; clusters: as of `fit_hazard`. Fisher scoring in a and b.
    """
    z, theta = np.asarray(z, float), np.zeros(2)
    if z.min() == z.max():
        raise InputError("has one value throughout", "z", float(z[0]), "a factor needs two that differ")
    for _ in range(STEPS):
        slope, weight, residual = _factor_parts(theta, expected, z, acted)
        step = np.linalg.solve((slope * weight[:, None]).T @ slope, slope.T @ (residual * weight))
        theta = theta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < ENOUGH:
            break
    return float(theta[1]), float(_errors(*_factor_parts(theta, expected, z, acted), clusters)[1])


def _factor_parts(theta: np.ndarray, expected: np.ndarray, z: np.ndarray, acted: np.ndarray
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_parts`, of a and b."""
    exposure = np.maximum(expected * np.exp(theta[0] + theta[1] * z), 1e-300)
    stays, p = np.exp(-exposure), -np.expm1(-exposure)
    return (stays * exposure)[:, None] * np.column_stack([np.ones_like(z), z]), 1.0 / np.maximum(p * stays, 1e-300), acted - p


@dataclass(frozen=True)
class Watching:
    """share: of owners who ever act; hazards: of each act, of those who do, errors by owner.

    low, high: shares within 1.92 of the log likelihood's top (95 %; owners independent, hazards in proportion); gain: of log
    likelihood over all of them acting alike. owners: how many; idle: who never acted; alone: how many if all acted alike.
    """

    share: float
    hazards: tuple[Hazard, ...]
    low: float
    high: float
    gain: float
    owners: int
    idle: int
    alone: float


def fit_watching(x: np.ndarray, days: np.ndarray | float, acts: Sequence[np.ndarray], owner: np.ndarray) -> Watching:
    """The share w of owners who act at all, and the hazards of those, where the rest never does any of these acts.

        likelihood of an owner:  w prod p + (1 - w) [he never acted],     over his days and each of the acts
    Who never acted may only have had no time to: he watches with probability w e^-S / (w e^-S + 1 - w), S the sum of his h dt.
    Hazards are fitted with everybody counting by that, and w is its mean; both again until w stands (expectation, maximisation).
    acts: each [rows] bool; owner: [rows]; x, days, InputError as of `fit_hazard`.
    """
    x, dt = np.asarray(x, float), np.broadcast_to(np.asarray(days, float), np.shape(x))
    number = np.unique(owner, return_inverse=True)[1]
    idle = np.bincount(number, np.any(acts, axis=0)) == 0.0
    alike = [fit_hazard(x, dt, acted) for acted in acts]
    tops = [(np.log([one.far, one.near, one.scale]), 0.0) for one in alike]
    alone = _unmoved(tops, x, dt, number)
    share, watches = 1.0, np.where(idle, 0.5, 1.0)
    for _ in range(STEPS):
        before, share = share, float(watches.mean())
        tops = [climb(theta, x, dt, acted, watches[number]) for (theta, _), acted in zip(tops, acts, strict=True)]
        lucky = share * _unmoved(tops, x, dt, number)
        watches = np.where(idle, lucky / (lucky + 1.0 - share), 1.0)
        if abs(share - before) < 1e-5:
            break
    hazards = tuple(_hazard(*top, x, dt, acted, watches[number], (owner,)) for top, acted in zip(tops, acts, strict=True))
    value = _profile([_exposure(theta, x, dt)[0] for theta, _ in tops], acts, number, idle)
    within = SHARES[value >= value.max() - 1.92]
    gain = float(value.max()) - sum(one.log_likelihood for one in alike)
    return Watching(share, hazards, float(within[0]), float(within[-1]), gain, len(idle), int(idle.sum()), float(alone.sum()))


def _unmoved(tops: Sequence[tuple[np.ndarray, float]], x: np.ndarray, dt: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Probability that an owner who watches does nothing on all his days. [owners]"""
    return np.exp(-np.bincount(number, np.sum([_exposure(theta, x, dt)[0] for theta, _ in tops], axis=0)))


def _profile(exposures: Sequence[np.ndarray], acts: Sequence[np.ndarray], number: np.ndarray, idle: np.ndarray) -> np.ndarray:
    """The most that log likelihood is at each of SHARES, hazards in proportion. exposures: h dt of each act [rows]."""
    of_owner = np.zeros((len(FACTORS), len(idle)))
    for exposure, acted in zip(exposures, acts, strict=True):
        for k, factor in enumerate(FACTORS):
            of_owner[k] += np.bincount(number, np.where(acted, np.log(-np.expm1(-factor * exposure)), -factor * exposure))
    active, lucky, alike = of_owner[:, ~idle].sum(axis=1), np.exp(of_owner[:, idle]), of_owner.sum(axis=1)
    return np.array([(active + (~idle).sum() * math.log(w) + np.log(w * lucky + (1.0 - w)).sum(axis=1)).max()
                     for w in SHARES[:-1]] + [alike.max()])

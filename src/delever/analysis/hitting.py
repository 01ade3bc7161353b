"""When a price that diffuses first comes so far: probability, time, and how both bend, in closed form.

A log price starts a > 0 away from a boundary, drifts towards it by nu and scatters by sigma, each in the same unit of time. With
s = sigma sqrt(tau), d1 = (nu tau - a) / s, d2 = -(nu tau + a) / s, by the reflection principle

    P(T <= tau)         = N(d1) + Q,   Q = exp(2 nu a / sigma^2) N(d2)
    E[T; T <= tau]      = a / nu (N(d1) - Q);   nu = 0:  c (2 sqrt(tau) n(c / sqrt(tau)) - 2 c N(-c / sqrt(tau))),  c = a / sigma
    dP/da               = -2 n(d1) / s + 2 nu / sigma^2 Q
    d2P/da2             = -2 d1 n(d1) / s^2 + 2 nu / sigma^2 (2 nu / sigma^2 Q - n(d1) / s)
    dP/dnu              = 2 a / sigma^2 Q
    dP/dsigma           = 2 a n(d1) / (sigma^2 sqrt(tau)) - 4 nu a / sigma^3 Q

Who looks only every dt misses what comes back in between: as if the boundary lay 0.5826 sigma sqrt(dt) farther away, where
0.5826 = -zeta(1/2) / sqrt(2 pi); the error that stays is o(sqrt(dt)).
Sources: Borodin and Salminen, Handbook of Brownian Motion, 2.2.0.2; Broadie, Glasserman and Kou 1997, "A continuity correction
for discrete barrier options", Mathematical Finance 7.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
BETWEEN = 0.5825971579390106  # -zeta(1/2) / sqrt(2 pi)
FLAT = 1e-4  # |nu| sqrt(tau) / sigma below which times are those without drift, reweighted: relative error FLAT^2 / 2
FAR = 5.0  # from here on N(-x) / n(x) is a continued fraction
TERMS = 60  # of it: full precision from FAR on
_ERFC = np.frompyfunc(math.erfc, 1, 1)


class Hitting(NamedTuple):
    """What happens within the horizon [accounts]; derivatives are per unit of what they are by."""

    probability: Floats
    time: Floats  # E[T; T <= tau]: not yet divided by the probability
    by_distance: Floats
    by_distance_twice: Floats
    by_drift: Floats
    by_volatility: Floats


def normal_cdf(x: ArrayLike) -> Floats:
    """N(x), to the last digits also far below 0.

    >>> [f"{x:.12g}" for x in normal_cdf([0.0, -10.0])]
    ['0.5', '7.61985302416e-24']
    """
    return 0.5 * np.asarray(_ERFC(np.asarray(x, np.float64) * -math.sqrt(0.5)), np.float64)


def normal_density(x: Floats) -> Floats:
    """n(x)."""
    return np.asarray(np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))


def beyond(distance: ArrayLike, volatility: ArrayLike, step: float) -> Floats:
    """The distance at which a boundary seems to lie for who looks once a step. step: in the volatility's unit of time."""
    return np.asarray(distance, np.float64) + BETWEEN * np.asarray(volatility, np.float64) * math.sqrt(step)


def hitting(distance: ArrayLike, drift: ArrayLike, volatility: ArrayLike, horizon: ArrayLike) -> Hitting:
    """First passage within a horizon; arrays broadcast. distance: log price, > 0; drift: towards the boundary.

    Without volatility the price goes straight there: probability 0 or 1, derivatives 0.
    """
    a, nu, sigma, tau = (x.astype(np.float64) for x in np.broadcast_arrays(distance, drift, volatility, horizon))
    still = (sigma <= 0.0) | (tau <= 0.0)
    safe, time = np.where(still, 1.0, sigma), np.where(still, 1.0, tau)
    s = safe * np.sqrt(time)
    d1, d2 = (nu * time - a) / s, -(nu * time + a) / s
    straight, density = normal_cdf(d1), normal_density(d1)
    pull = 2.0 * nu / safe**2
    mirrored = _mirrored(pull * a, d2, density)
    flat = np.abs(nu) * np.sqrt(time) < FLAT * safe
    c, root = a / safe, np.sqrt(time)
    level = c * (2.0 * root * normal_density(c / root) - 2.0 * c * normal_cdf(-c / root)) * np.exp(
        np.where(flat, nu * a / safe**2, 0.0))
    late = np.where(flat, level, a / np.where(flat, 1.0, nu) * (straight - mirrored))
    smooth = Hitting(
        np.clip(straight + mirrored, 0.0, 1.0), np.maximum(late, 0.0), -2.0 * density / s + pull * mirrored,
        -2.0 * d1 * density / s**2 + pull * (pull * mirrored - density / s), 2.0 * a / safe**2 * mirrored,
        2.0 * a * density / (safe**2 * root) - 4.0 * nu * a / safe**3 * mirrored)
    with np.errstate(divide="ignore", invalid="ignore"):
        arrives = np.where(nu > 0.0, a / nu, np.inf)
    there = (arrives <= tau) & (tau > 0.0)
    zero = np.zeros_like(a)
    straightly = Hitting(there.astype(np.float64), np.where(there, arrives, 0.0), zero, zero, zero, zero)
    return Hitting(*(np.where(still, one, other) for one, other in zip(straightly, smooth, strict=True)))


def _mirrored(exponent: Floats, d2: Floats, density: Floats) -> Floats:
    """exp(2 nu a / sigma^2) N(d2): far out n(d1) N(d2) / n(d2), for the exponent is (d2^2 - d1^2) / 2."""
    far = d2 < -FAR
    plain = np.exp(np.where(far, 0.0, exponent)) * normal_cdf(np.where(far, 0.0, d2))
    x, ratio = np.where(far, -d2, FAR), np.zeros_like(d2)
    for k in range(TERMS, 0, -1):
        ratio = k / (x + ratio)
    return np.where(far, density / (x + ratio), plain)

"""Branch-free exp and log: they vectorise, and give the same bits compiled and as plain Python.

Accuracy: 2e-16 relative (exp on |x| < 700, log on normal numbers), measured in tests/core.
Source: argument reduction and Taylor series; nothing but + - * / and bit moves, so no library decides a bit.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.jit import helper

LN2 = 0.6931471805599453
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the rounded integer in the lowest bits
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
TICKS = 2.0**24  # one tick is 6e-8 of log price; int32 holds moves of +-128
ROUNDING = 2.0**-50  # relative: as much as a few operations on floats may part what is equal
FARTHEST = 60.0  # log price that a series may move, so that an int32 holds the difference of two; exp(60) is nobody's scenario


@helper
def log_(x: float) -> float:
    """ln x = k ln 2 + 2 artanh((m - 1) / (m + 1)),  x = m 2^k,  m in [sqrt(1/2), sqrt 2)."""
    bits = np.float64(x).view(np.int64)
    k = (bits - SQRT_HALF_BITS) >> 52
    m = np.int64(bits - (k << 52)).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    tail = q * (1 / 11 + q * (1 / 13 + q * (1 / 15 + q * (1 / 17 + q * (1 / 19)))))
    return k * LN2 + 2.0 * (s + s * q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + tail)))))


@helper
def exp_(x: float) -> float:
    """e^x = 2^k e^r,  |r| <= ln(2) / 2."""
    shifted = x * 1.4426950408889634 + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    tail = r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r * (
        1 / 479001600 + r * (1 / 6227020800))))))
    poly = 1.0 + r * (1.0 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (
        1 / 5040 + tail)))))))
    return poly * np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)


@helper
def held(move: float) -> float:
    """A move in log price that ticks can hold: what goes further, or is none, stands at the farthest."""
    return move if abs(move) < FARTHEST else FARTHEST if move > 0.0 else -FARTHEST


@helper
def ticks_down(move: float) -> np.int32:
    """A move in log price in whole ticks, rounded down."""
    return np.int32(math.floor(held(move) * TICKS))


@helper
def ticks_up(move: float) -> np.int32:
    """The same, rounded up."""
    return np.int32(math.ceil(held(move) * TICKS))

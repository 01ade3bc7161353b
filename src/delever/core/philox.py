"""Counter-based random numbers: path i sees the same world everywhere, whatever the chunk or thread.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC'11), keyed by the
seed, counted by (path, step, item, stream).
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from delever.core.elementary import log_
from delever.core.jit import helper

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF, THREE_QUARTERS = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(3 << 30)

PRICES, BORROWERS = np.uint64(0), np.uint64(1)  # streams: one per use; others have theirs from `stream`
NAMED: dict[int, str] = {}  # of those, who has which


def stream(name: str) -> np.uint64:
    """The stream of a use, from its name, such as "prices.jumps": nobody else draws from it. To be called once, in a module."""
    number = zlib.crc32(name.encode()) | 1 << 31  # above those that are numbered
    if NAMED.setdefault(number, name) != name:
        raise ValueError(f"the streams {name} and {NAMED[number]} have the same number: give one another name")
    return np.uint64(number)


@helper
def philox(c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
           ) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Four 32-bit words, kept in 64-bit lanes."""
    for _ in range(10):
        a, b = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (b >> HALF) ^ c1 ^ k0, b & LOW, (a >> HALF) ^ c3 ^ k1, a & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


@helper
def uniform(word: np.uint64) -> float:
    """A number in (0, 1) from 32 bits."""
    return (np.float64(np.int64(word)) + 0.5) * 2.0**-32


@helper
def cos_of_turn(word: np.uint64) -> float:
    """cos(2 pi u) = sin(2 pi |u - 1/2| - pi/2),  u = word / 2^32; Taylor, the argument is within +-pi/2."""
    v = abs(np.float64(np.int64(word)) * 2.0**-32 - 0.5) * (2 * math.pi) - math.pi / 2
    q = v * v
    tail = q * (1 / 1307674368000 - q * (1 / 355687428096000 - q * (
        1 / 121645100408832000 - q / 5.109094217170944e19)))
    return v - v * q * (1 / 6 - q * (1 / 120 - q * (1 / 5040 - q * (1 / 362880 - q * (
        1 / 39916800 - q * (1 / 6227020800 - tail))))))


@helper
def draw_normals(step: int, first_path: int, seed: np.ndarray, stream: np.uint64, word: np.ndarray, normal: np.ndarray
                 ) -> None:
    """Box-Muller: normal[i, p] for the paths first_path + p, four rows from each call of Philox.

    word: [4, paths] uint64, scratch. normal: [rows, paths], rows a multiple of 4.
    """
    for quad in range(normal.shape[0] // 4):
        w0, w1, w2, w3 = word[0], word[1], word[2], word[3]
        for p in range(w0.shape[0]):
            w0[p], w1[p], w2[p], w3[p] = philox(np.uint64(first_path + p), np.uint64(step), np.uint64(quad),
                                                stream, seed[0], seed[1])
        for half in range(2):
            x, y = normal[4 * quad + 2 * half], normal[4 * quad + 2 * half + 1]
            radius, angle = word[2 * half], word[2 * half + 1]
            for p in range(x.shape[0]):
                y[p] = math.sqrt(-2.0 * log_(uniform(radius[p])))
            for p in range(x.shape[0]):
                x[p] = y[p] * cos_of_turn(angle[p])
            for p in range(x.shape[0]):
                y[p] *= cos_of_turn((angle[p] + THREE_QUARTERS) & LOW)  # the sine

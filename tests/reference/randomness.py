"""Philox4x32-10 and what is drawn from it, in Python integers.

Source: Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC'11.
"""

from __future__ import annotations

import math

MASK = 0xFFFFFFFF
PRICES, BORROWERS = 0, 1  # streams


def philox(counter: tuple[int, int, int, int], seed: int) -> tuple[int, int, int, int]:
    """Four words of 32 bits. counter: (path, step or account, quad, stream)."""
    c0, c1, c2, c3 = counter
    k0, k1 = seed & MASK, seed >> 32 & MASK
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & MASK, (a >> 32) ^ c3 ^ k1, a & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def uniform(word: int) -> float:
    """A number in (0, 1)."""
    return (word + 0.5) * 2.0**-32


def normals(count: int, path: int, step: int, seed: int) -> list[float]:
    """Box-Muller: words 0 and 1 give two numbers (cosine, sine), words 2 and 3 the next two."""
    drawn: list[float] = []
    for quad in range((count + 3) // 4):
        words = philox((path, step, quad, PRICES), seed)
        for radius, angle in (words[:2], words[2:]):
            r = math.sqrt(-2.0 * math.log(uniform(radius)))
            turn = 2.0 * math.pi * angle * 2.0**-32
            drawn += [r * math.cos(turn), r * math.sin(turn)]
    return drawn[:count]


def cholesky(matrix: list[list[float]]) -> list[list[float]]:
    """Lower factor C with C C' = matrix."""
    n = len(matrix)
    factor = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(factor[i][b] * factor[j][b] for b in range(j))
            factor[i][j] = math.sqrt(rest) if i == j else rest / factor[j][j]
    return factor

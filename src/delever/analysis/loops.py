"""Matrices of offspring: how fast generations grow, which elements that hangs on, and the loop that grows fastest by itself.

K[i, j] is what a unit of j leads to of i. Over many generations a unit grows by the spectral radius each: below 1 all that a
sale leads to in the end is finite. With right and left eigenvectors v and w of the radius r, the share of K[i, j] in it is

    w_i K_ij v_j / (r w v),   which add up to 1        (elasticity; Caswell, Matrix Population Models, 2001)

and a loop i -> j -> ... -> i grows by the geometric mean of its elements a turn; the largest such mean of all loops is found
by Karp's theorem (Discrete Mathematics 23, 1978). It is at most the radius, and the radius where the loop is all there is.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def spectral_radius(matrix: np.ndarray) -> float:
    """Largest absolute eigenvalue of [n, n]; 0 of nothing."""
    return float(np.abs(np.linalg.eigvals(matrix)).max(initial=0.0)) if matrix.size else 0.0


def shares(matrix: np.ndarray) -> np.ndarray:
    """Share of each element [n, n] in the spectral radius; zeros where that is 0."""
    radius = spectral_radius(matrix)
    if radius <= 0.0:
        return np.zeros_like(matrix)
    right, left = _dominant(matrix, radius), _dominant(matrix.T, radius)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.outer(left, right) * matrix / (radius * (left @ right))
    return np.where(np.isfinite(out), out, 0.0)


def _dominant(matrix: np.ndarray, radius: float) -> np.ndarray:
    """The eigenvector of the spectral radius, none of its entries negative."""
    values, vectors = np.linalg.eig(matrix)
    return np.abs(np.real(vectors[:, int(np.abs(values - radius).argmin())]))


def strongest_loop(matrix: np.ndarray) -> tuple[list[int], float]:
    """The loop (each leads to the next, the last to the first) of largest geometric mean [a turn]; ([], 0): there is none."""
    n = len(matrix)
    with np.errstate(divide="ignore"):
        weight = np.log(matrix)  # from column to row
    best, parent = np.full((n + 1, n), -np.inf), np.zeros((n + 1, n), int)
    best[0] = 0.0  # from anywhere
    for k in range(1, n + 1):
        ways = weight + best[k - 1]
        parent[k], best[k] = ways.argmax(1), ways.max(1)
    if n == 0 or not np.isfinite(best[n]).any():
        return [], 0.0
    with np.errstate(invalid="ignore"):
        mean = np.where(np.isfinite(best[:n]), (best[n] - best[:n]) / (n - np.arange(n))[:, None], np.inf).min(0)
    at = int(np.where(np.isfinite(best[n]), mean, -np.inf).argmax())
    walk = [at]
    for k in range(n, 0, -1):
        walk.append(int(parent[k, walk[-1]]))
    return _loop_in(walk[::-1], matrix)


def _loop_in(walk: list[int], matrix: np.ndarray) -> tuple[list[int], float]:
    """The loop of largest geometric mean among those that a walk closes."""
    found, best, stack = list[int](), 0.0, list[int]()
    for node in walk:
        if node in stack:
            loop = stack[stack.index(node):]
            turns = [matrix[b, a] for a, b in pairwise([*loop, node])]
            mean = float(np.exp(np.log(turns).mean()))
            if mean > best:
                found, best = loop, mean
            stack = stack[: stack.index(node)]
        stack.append(node)
    return found, best

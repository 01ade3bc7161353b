"""The smallest size at which something happens: sizes tried upwards, then the edge between two of them halved.

It need not be monotone in the size. Whether a size between two that do not do it would, nobody looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

CLOSE = 1.01  # of the bracket at the end, its upper end by its lower one

Edge = tuple[float, float]  # (largest size below that is known not to do it, smallest known to do it)


def first_edge(grid: Sequence[float], does: Callable[[float], bool], close: float = CLOSE, apart: float = 0.0) -> Edge | None:
    """Where the first size of the grid that does it begins to; None: none of the grid does.

    grid: sizes, rising. close: ratio of the ends of the bracket at which it is known well enough; apart: their distance at which
    it is. Where the smallest size does it the bracket begins at 0.

    >>> first_edge([1.0, 2.0, 4.0], lambda size: size >= 3.0)
    (2.98582, 3.00204)
    """
    low = 0.0
    for high in grid:
        if does(high):
            break
        low = high
    else:
        return None
    while low > 0.0 and high / low > close and high - low > apart:
        middle = float(f"{math.sqrt(low * high):.6g}")
        low, high = (low, middle) if does(middle) else (middle, high)
    return low, high


def relapses(grid: Sequence[float], edge: Edge, does: Callable[[float], bool]) -> list[float]:
    """Sizes of the grid beyond the edge that do not do it after all; none: it is monotone at the sizes looked at."""
    return [size for size in grid if size > edge[1] and not does(size)]

"""Parts that add up exactly: of values that are whole multiples of one number, shared out in whole numbers of it.

    quantum   64 times the last binary digit of the largest value: no value moves by more than 1e-14 of that, and up to 2^47
    quanta in
              size their differences, and sums of those in any order, are exact
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import permutations

Sets = Mapping[frozenset[int], Fraction]  # of parts that have gone over before, with their weights
DIGITS = 64  # of the last place


def quantum(values: Sequence[float]) -> float:
    """What these values are brought to whole multiples of, a power of two."""
    return DIGITS * math.ulp(max(map(abs, values), default=1.0))


def quanta(value: float, one: float) -> int:
    """A value as a number of quanta, the nearest."""
    return round(value / one)  # one is a power of two: the division is exact


def chain(n: int) -> list[Sets]:
    """One part after the other: of each, the set before it."""
    return [{frozenset(range(k)): Fraction(1)} for k in range(n)]


def shapley(n: int) -> list[Sets]:
    """Of each part, the sets before it in all orders, with the share of orders in which they are."""
    found: list[dict[frozenset[int], Fraction]] = [{} for _ in range(n)]
    for order in permutations(range(n)):
        for place, k in enumerate(order):
            key = frozenset(order[:place])
            found[k][key] = found[k].get(key, Fraction(0)) + Fraction(1, math.factorial(n))
    return list(found)


def share_out(weights: Sequence[Sets], whole: Mapping[frozenset[int], int]) -> list[int]:
    """Of each part, in quanta: the mean of whole[set with it] - whole[set]. They add up to whole[all] - whole[none].

    Rounded down, what is left goes to those with the largest rest.
    """
    every = range(len(weights))
    exact = [sum((weight * (whole[key | {k}] - whole[key]) for key, weight in weights[k].items()), Fraction(0)) for k in every]
    parts = [math.floor(value) for value in exact]
    left = whole[frozenset(every)] - whole[frozenset()] - sum(parts)
    for k in sorted(every, key=lambda k: parts[k] - exact[k])[:left]:
        parts[k] += 1
    return parts

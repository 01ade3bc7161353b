"""A system of Liquity by itself, on one path, and its depositors as a test keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from delever.protocols.liquity_formulas import COLUMNS, compounded, gained
from delever.protocols.liquity_system import (
    AGE,
    COLL,
    DEBT,
    EPOCH,
    POOL,
    POOL_COLL,
    PRODUCT,
    SCALES,
    SUMS,
    TOLD,
    System,
    call,
    place,
    since,
)

WIDTH = 64  # scales and epochs
TERMS = [1.1, 1.5, 0.005, 200.0, 0.0, 0.0, 0.005, 43_200.0, 2.0, 2000.0, 0.0, 1.0, 0.0, np.inf, np.inf, np.inf]  # mainnet


def system(troves: int, terms: list[float]) -> System:
    """No trove is open yet."""
    many = [np.zeros((1, troves)) for _ in range(5)]
    out = System(np.zeros(8, np.int64), np.array(terms), np.arange(troves), *many, np.zeros((1, troves), np.int8),
                 np.zeros((1, troves)), np.zeros((1, SUMS)), np.zeros((1, WIDTH, 2)), np.zeros((1, 8)), np.zeros((TOLD, 1)),
                 np.zeros(troves, np.int64), np.zeros(troves))
    assert len(terms) == COLUMNS
    out.sums[0, PRODUCT] = 1.0
    return out


def opened(s: System, k: int, coll: float, debt: float) -> None:
    """A new trove."""
    place(0, k, coll, debt, s)
    s.sums[0, COLL] += coll
    s.sums[0, DEBT] += debt


def liquidated(s: System, order: list[int], price: float, sequence: bool = False) -> int:
    """One call for these, in this order."""
    s.order[:len(order)] = order
    return call(0, len(order), sequence, price, 1.0, s)


@dataclass
class Deposit:
    units: float = 0.0
    product: float = 1.0
    gain: np.ndarray = field(default_factory=lambda: np.zeros(2))
    age: int = 0
    epoch: int = 0
    scale: int = 0


class Depositors:
    """Who came when."""

    def __init__(self, s: System) -> None:
        self.s, self.of = s, dict[int, Deposit]()

    def left(self, who: int) -> float:
        """Of his deposit."""
        one, sums = self.of.get(who, Deposit()), self.s.sums[0]
        if one.epoch < sums[EPOCH]:
            return 0.0
        return compounded(one.units, one.product, int(sums[SCALES]) - one.scale, sums[PRODUCT])

    def gains(self, who: int) -> float:
        """Collateral that he may take out."""
        one, s = self.of.get(who, Deposit()), self.s
        return gained(one.units, one.product, since(one.gain, s.gains[0, one.age]), s.gains[0, one.age + 1].sum())

    def put(self, who: int, units: float) -> float:
        """Deposit (or withdraw, where it is negative) so much; what is paid in collateral."""
        sums, left, gain = self.s.sums[0], self.left(who), self.gains(who)
        sums[POOL] += units
        sums[POOL_COLL] -= gain
        age = int(sums[AGE])
        self.of[who] = Deposit(left + units, sums[PRODUCT], self.s.gains[0, age].copy(), age, int(sums[EPOCH]), int(sums[SCALES]))
        return gain

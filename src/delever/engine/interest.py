"""Interest: supply and borrow indices of reserves without a curve of their own grow at constant rates.

    index = exp(rate x time)     amounts are kept at index 1
Where a reserve's cash is known its claims may be cut, and it grows step by step from there. So interest is a term of the move
of a reserve, not a touch of its accounts.
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import kernel
from delever.core.state import State


@kernel
def write(number: np.ndarray, level: np.ndarray, log_level: np.ndarray, index: np.ndarray, log_index: np.ndarray) -> None:
    """The same index on every path. number, level, log_level: [n]; index, log_index: [R, P], rows `number` written."""
    for i in range(number.shape[0]):
        r = number[i]
        for p in range(index.shape[1]):
            index[r, p], log_index[r, p] = level[i], log_level[i]


class Interest:
    """supply, borrow: [R] growth of the log index [1/s]; number: [n] the reserves that grow so; cut: [n] claims may be cut."""

    def __init__(self, supply: np.ndarray, borrow: np.ndarray, number: np.ndarray, cut: np.ndarray, step_length: float, steps: int
                 ) -> None:
        self.from_here = number[cut]
        self.step = np.stack([supply[self.from_here], borrow[self.from_here]])[:, :, None] * step_length  # [2, n, 1]
        self.more = np.exp(self.step)
        time, rest = np.arange(steps + 1)[:, None] * step_length, number[~cut]
        self.earns, self.owes = rest[supply[rest] != 0.0], rest[borrow[rest] != 0.0]  # whose index moves at all
        self.log_supply, self.log_borrow = time * supply[self.earns], time * borrow[self.owes]  # [steps + 1, n]
        self.supply, self.borrow = np.exp(self.log_supply), np.exp(self.log_borrow)

    def accrue(self, state: State) -> None:
        """Indices at the end of the step."""
        k, reserves = state.step, state.reserves
        if len(self.earns):
            write(self.earns, self.supply[k], self.log_supply[k], reserves.supply_index, reserves.log_supply)
        if len(self.owes):
            write(self.owes, self.borrow[k], self.log_borrow[k], reserves.borrow_index, reserves.log_borrow)
        if len(self.from_here):
            for levels, logs, more, by in zip((reserves.supply_index, reserves.borrow_index),
                                              (reserves.log_supply, reserves.log_borrow), self.more, self.step, strict=True):
                levels[self.from_here] *= more
                logs[self.from_here] += by

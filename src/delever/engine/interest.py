"""Interest: supply and borrow indices of reserves without a curve of their own grow at constant rates.

    index = exp(rate x time)     amounts are kept at index 1
Where a reserve's cash is known its claims may be cut, and it grows step by step from there. So interest is a term of the move
of a reserve, not a touch of its accounts.
"""

from __future__ import annotations

import numpy as np

from delever.core.state import State


class Interest:
    """supply, borrow: [R] growth of the log index [1/s]; number: [n] the reserves that grow so; cut: [n] claims may be cut."""

    def __init__(self, supply: np.ndarray, borrow: np.ndarray, number: np.ndarray, cut: np.ndarray, step_length: float, steps: int
                 ) -> None:
        self.from_here = number[cut]
        self.step = np.stack([supply[self.from_here], borrow[self.from_here]])[:, :, None] * step_length  # [2, n, 1]
        self.more = np.exp(self.step)
        self.number, supply, borrow = number[~cut], supply[number[~cut]], borrow[number[~cut]]
        time = np.arange(steps + 1)[:, None] * step_length
        self.log_supply, self.log_borrow = time * supply, time * borrow
        self.supply, self.borrow = np.exp(self.log_supply), np.exp(self.log_borrow)

    def accrue(self, state: State) -> None:
        """Indices at the end of the step."""
        k, n, reserves = state.step, self.number, state.reserves
        for column, grown in ((reserves.supply_index, self.supply), (reserves.borrow_index, self.borrow),
                              (reserves.log_supply, self.log_supply), (reserves.log_borrow, self.log_borrow)):
            column[n] = grown[k][:, None]
        if len(self.from_here):
            for levels, logs, more, by in zip((reserves.supply_index, reserves.borrow_index),
                                              (reserves.log_supply, reserves.log_borrow), self.more, self.step, strict=True):
                levels[self.from_here] *= more
                logs[self.from_here] += by

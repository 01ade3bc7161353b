"""Interest: every reserve's supply and borrow index grows at a constant rate.

    index = exp(rate x time)     amounts are kept at index 1
So interest is a term of the move of a reserve, not a touch of its accounts.
"""

from __future__ import annotations

import numpy as np

from delever.core.state import State


class Interest:
    """supply, borrow: [R] growth of the log index [1/s]."""

    def __init__(self, supply: np.ndarray, borrow: np.ndarray, step_length: float, steps: int) -> None:
        time = np.arange(steps + 1)[:, None] * step_length
        self.log_supply, self.log_borrow = time * supply, time * borrow
        self.supply, self.borrow = np.exp(self.log_supply), np.exp(self.log_borrow)

    def accrue(self, state: State) -> None:
        """Indices at the end of the step."""
        k, reserves = state.step, state.reserves
        reserves.supply_index[:], reserves.borrow_index[:] = self.supply[k][:, None], self.borrow[k][:, None]
        reserves.log_supply[:], reserves.log_borrow[:] = self.log_supply[k][:, None], self.log_borrow[k][:, None]

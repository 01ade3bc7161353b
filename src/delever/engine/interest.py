"""Interest: supply and borrow indices of reserves without a curve of their own grow at constant rates.

    index = exp(rate x time)     amounts are kept at index 1
So interest is a term of the move of a reserve, not a touch of its accounts.
"""

from __future__ import annotations

import numpy as np

from delever.core.state import State


class Interest:
    """supply, borrow: [R] growth of the log index [1/s]; number: [n] the reserves that grow so."""

    def __init__(self, supply: np.ndarray, borrow: np.ndarray, number: np.ndarray, step_length: float, steps: int) -> None:
        self.number, supply, borrow = number, supply[number], borrow[number]
        time = np.arange(steps + 1)[:, None] * step_length
        self.log_supply, self.log_borrow = time * supply, time * borrow
        self.supply, self.borrow = np.exp(self.log_supply), np.exp(self.log_borrow)

    def accrue(self, state: State) -> None:
        """Indices at the end of the step."""
        k, n, reserves = state.step, self.number, state.reserves
        for column, grown in ((reserves.supply_index, self.supply), (reserves.borrow_index, self.borrow),
                              (reserves.log_supply, self.log_supply), (reserves.log_borrow, self.log_borrow)):
            column[n] = grown[k][:, None]

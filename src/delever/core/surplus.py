"""Surplus against bad debt, as Maker's vow nets them: what a protocol has earned pays what it has lost, as far as it goes.

Source: makerdao/dss fa4f6630 (vow.sol: heal).
"""

from __future__ import annotations

import numpy as np

from delever.core.jit import helper
from delever.core.tables import COVERED, DEFICIT, TREASURY


@helper
def heal(s: int, p: int, booked: np.ndarray) -> None:
    """Income of the protocol pays deficits that stand in its reserve, as far as it goes."""
    paid = min(booked[TREASURY, s, p], booked[DEFICIT, s, p])
    if paid > 0.0:
        booked[TREASURY, s, p] -= paid
        booked[DEFICIT, s, p] -= paid
        booked[COVERED, s, p] += paid

"""How far prices may go from where they start, so that a run can reckon with them."""

from __future__ import annotations

import numpy as np

from delever.core.elementary import FARTHEST
from delever.core.setting import Layout
from delever.engine.step import Phases
from delever.model.errors import InputError

FARTHEST_TRADED = 16.0  # log price that trades may move a market by, a hundred thousand times its pool (measured: residual 1e-9)
TAIL = 6.0  # typical moves that the farthest of a path is, one in a billion
REMEDY = "take smaller moves, volatility or drift, or less time"


def check_start(layout: Layout, price: np.ndarray, spread: float, chunk: Phases) -> None:
    """Where venues stand, and what the scenario says, is known before a run.

    price: [M] log prices at the start; spread: how far a price typically moves by itself [log].
    """
    apart = np.abs(price - layout.start[layout.tree.pair])
    if not apart.max(initial=0.0) <= FARTHEST:
        m = int(np.nan_to_num(apart, nan=np.inf).argmax())
        raise InputError("is too far from the outside price at the start", f"venue of {layout.rows[m]}",
                         f"by a factor of exp({apart[m]:.3g})", "take both of one moment, and in units of one size")
    known = [np.abs(np.cumsum(phase.moves, axis=0)).max(initial=0.0) for phase in chunk.everybody if phase.moves is not None]
    farthest = TAIL * spread + float(sum(known))
    if farthest > FARTHEST:
        by = f"by a factor of exp({farthest:.3g})"
        raise InputError("has larger moves of prices than can be reckoned with", "scenario", by, REMEDY)

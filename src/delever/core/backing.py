"""What stands behind assets that have a market of their own and are redeemed at a rate: staked, fiat-backed, pegged coins.

    price in units of the peg = rate x (1 - discount)
    rate     grows with time and is cut by events; whatever moves ln rate moves the outside price of the market by as much
    frozen   nobody redeems or mints before
    reserve  units of the peg that there are to redeem with
B: such assets, in the order of the markets; P: paths.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Backing(NamedTuple):
    """Written by who redeems and mints, and by events."""

    asset: np.ndarray  # [B]
    underlying: np.ndarray  # [B] its peg
    market: np.ndarray  # [B] of the two
    log_rate: np.ndarray  # [B, P] log units of the peg that one unit stands for
    frozen: np.ndarray  # [B, P] until when nothing is redeemed or minted [s], that moment not included; inf: for ever
    reserve: np.ndarray  # [B, P] units of the peg; inf: without end
    queued: np.ndarray  # [B, P] units that wait to be redeemed


def new_backing(asset: np.ndarray, underlying: np.ndarray, market: np.ndarray, rate: np.ndarray, reserve: np.ndarray, paths: int
                ) -> Backing:
    """At the start. asset, underlying, market, rate, reserve: [B]."""
    def across(row: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.repeat(row[:, None], paths, axis=1))

    shape = (len(asset), paths)
    return Backing(asset, underlying, market, across(np.log(rate)), np.full(shape, -np.inf), across(reserve), np.zeros(shape))

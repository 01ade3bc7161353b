"""The arithmetic of an English auction in two phases, as Maker's flip: bids rise up to what must be raised, then lots fall.

    tend    bid < tab:   a bid b of  bid < b <= tab  with  b >= beg bid, or b = tab;   the lot stays whole
    dent    bid = tab:   a lot l < lot  with  beg l <= lot;   the bid stays tab, what is forgone goes back to the owner
    every bid counts for ttl; nobody bids once that or the auction's own tau has passed
    deal    until < t  or  end < t,  where somebody has bid: his is the lot;   tick: end < t where nobody has: another tau
Moments are whole seconds and compared strictly: in the very second `until` neither a bid nor a deal is possible.
Source: makerdao/dss (flip.sol @03c6df6, before Liquidations 2.0).
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.jit import helper

CLOCK = 1e-6  # [s]: block times are floats, contracts count whole seconds
ROUNDING = 1e-12  # share: what a product of floats may miss a bound by that a contract's integers meet
BEG, TTL, TAU, LUMP, COUNTED_AT = range(5)  # columns of the terms of a protocol's auctions; LUMP: most units in a lot


@helper
def seconds(time: float) -> float:
    """A moment as a contract reads it: whole seconds."""
    return float(math.floor(time + CLOCK))


@helper
def may_bid(until: float, ends: float, now: float) -> bool:
    """Whether the auction still runs. until: of the standing bid, inf where there is none [whole s]."""
    return until > now and ends > now


@helper
def is_over(until: float, ends: float, now: float) -> bool:
    """Whether somebody who has bid may take the lot; until < inf: somebody has."""
    return until < np.inf and (until < now or ends < now)


@helper
def raises(new: float, bid: float, tab: float, beg: float) -> bool:
    """Whether a bid on the whole lot beats the one that stands, 0: none."""
    return bid < new <= tab and (new == tab or new >= beg * bid * (1.0 - ROUNDING))


@helper
def lowers(new: float, lot: float, beg: float) -> bool:
    """Whether somebody who pays the whole tab asks for little enough less than stands."""
    return 0.0 < new < lot and beg * new <= lot * (1.0 + ROUNDING)


@helper
def wanted(price: float, lot: float, bid: float, tab: float, beg: float) -> tuple[float, float]:
    """(what he brings, units he asks for) of a bidder to whom a unit is worth `price`; (-1, 0): he is outbid already."""
    if bid < tab:
        new = min(tab, price * lot)
        return (new, lot) if raises(new, bid, tab, beg) else (-1.0, 0.0)
    units = tab / price
    return (tab, units) if lowers(units, lot, beg) else (-1.0, 0.0)

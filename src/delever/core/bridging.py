"""Sending for money: what somebody lacks on one chain and has on another is sent over a bridge, in a transaction of its own.

    by the open bridge of least delay (the first of equals) whose far end has some of the asset and the gas to send it
    units = min(what is free there less that gas, missing / (1 - fee), room of the capacity / price)
Nothing is sent for an asset on a chain while some of it is on its way there already, nor what is worth less than its own
gas, unless it is to pay for gas.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.holdings import SPARE, Bridges, Purses, free
from delever.core.jit import helper, kernel
from delever.core.route import usd_price
from delever.core.tables import HOLDERS, OFFERED, Networks, Transactions, Tree

MORE = 1e-9  # share that is sent beyond what is missing, so that rounding does not leave it short


class Wants(NamedTuple):
    """What one actor lacks, sorted by path."""

    path: np.ndarray  # [wants]
    network: np.ndarray  # [wants] where
    asset: np.ndarray  # [wants]
    missing: np.ndarray  # [wants] units


@helper
def sendable(a: int, d: int, holder: int, p: int, bridges: Bridges, networks: Networks, purses: Purses) -> float:
    """Units that he could send from chain d: what is free, less the gas where that is paid in it; 0 without the gas."""
    native, cost = networks.native[d], networks.gas[d, bridges.kind[0]] * networks.base_fee[d, p] * 1e-9
    units = free(d, holder, a, p, purses) * (1.0 - SPARE)
    if native == a:
        return max(units - cost, 0.0)
    return units if free(d, holder, native, p, purses) * (1.0 - SPARE) >= cost else 0.0


@helper
def asked(a: int, c: int, p: int, begin: int, n: int, rows: Transactions, bridges: Bridges) -> bool:
    """Whether one of rows begin..n-1 sends this asset to this chain."""
    here = n - 1
    while here >= begin and rows.path[here] == p:
        ends = bridges.ends[rows.ref[here]]
        if rows.give_asset[here] == a and ends[0] + ends[1] - rows.network[here] == c:
            return True
        here -= 1
    return False


@kernel
def send_for(wants: Wants, holder: int, private: int, rows: Transactions, n: int, networks: Networks, bridges: Bridges,
             is_open: np.ndarray, tree: Tree, price: np.ndarray, purses: Purses) -> int:
    """Offer what is to be sent: the number of rows then. is_open: [bridges, P]; price: [M, P]."""
    begin, k = n, holder - HOLDERS
    for j in range(wants.path.shape[0]):
        a, c, p = wants.asset[j], wants.network[j], wants.path[j]
        if purses.coming[c, k, a, p] > 0.0 or asked(a, c, p, begin, n, rows, bridges):
            continue
        way, side = -1, 0
        for b in range(bridges.fee.shape[0]):
            for s in range(2):
                if not (is_open[b, p] and bridges.ends[b, 1 - s] == c
                        and sendable(a, bridges.ends[b, s], holder, p, bridges, networks, purses) > 0.0):
                    continue
                if way < 0 or bridges.delay[b, s] < bridges.delay[way, side]:
                    way, side = b, s
        if way < 0:
            continue
        d = bridges.ends[way, side]
        units = min(sendable(a, d, holder, p, bridges, networks, purses),
                    wants.missing[j] / (1.0 - bridges.fee[way]) * (1.0 + MORE),
                    (bridges.capacity[way] - bridges.used[way, p]) * (1.0 - MORE) / usd_price(a, p, tree, price))
        cost = networks.gas[d, bridges.kind[0]] * networks.base_fee[d, p] * 1e-9
        least = cost * usd_price(networks.native[d], p, tree, price) if a != networks.native[c] else 0.0
        if not units * usd_price(a, p, tree, price) > least:
            continue
        rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.network[n] = p, bridges.kind[0], OFFERED, way, d
        rows.actor[n], rows.give_asset[n], rows.give[n], rows.most[n] = holder, a, units, units
        rows.bid[n], rows.private[n] = networks.base_fee[d, p], private
        purses.reserved[d, k, a, p] += units
        purses.reserved[d, k, networks.native[d], p] += cost
        n += 1
    return n

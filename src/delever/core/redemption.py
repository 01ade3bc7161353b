"""Redemption: what is handed in waits in a queue and is then paid out of the reserve of its asset.

    handed in at t     served = max(served, t) + units / capacity,   due = served + delay
    paid               in the first block at or after `due` in which the asset is not frozen, in the order handed in, at
                       min(rate when handed in, rate now) (1 - fee) a unit, as long as there is a reserve
What waits stands in the token ledger under IN_FLIGHT; what is paid for is burned: ISSUER has it back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.backing import Backing
from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.tables import IN_FLIGHT, ISSUER

ROUNDING = 1e-12  # share of all that has been redeemed that counts as nothing


class Claims(NamedTuple):
    """What waits to be paid, in the order handed in."""

    path: np.ndarray  # [claims]
    desk: np.ndarray  # [claims] whose it is: a row of Purse
    units: np.ndarray  # [claims]
    log_rate: np.ndarray  # [claims] when it was handed in
    due: np.ndarray  # [claims] [s]


class Purse(NamedTuple):
    """Who redeems, by desk. n: desks."""

    backed: np.ndarray  # [n] row of Backing
    holder: np.ndarray  # [n] row of the token ledger
    delay: np.ndarray  # [n] [s]
    capacity: np.ndarray  # [n] units that the queue serves a second; inf: all at once
    fee: np.ndarray  # [n] share that the issuer keeps of what is redeemed
    money: np.ndarray  # [n, P] units of the peg
    served: np.ndarray  # [n, P] when the queue has served all that was handed in [s]
    redeemed: np.ndarray  # [n, P] units paid for


def new_claims(size: int) -> Claims:
    """Nothing waits."""
    return Claims(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size), np.zeros(size), np.zeros(size))


@helper
def hand_in(i: int, p: int, units: float, time: float, purse: Purse, backing: Backing, tokens: np.ndarray, claims: Claims,
            n: int) -> int:
    """Units that desk i has go into the queue; the number of claims then."""
    b = purse.backed[i]
    a = backing.asset[b]
    purse.served[i, p] = max(purse.served[i, p], time) + units / purse.capacity[i]
    claims.path[n], claims.desk[n], claims.units[n], claims.log_rate[n] = p, i, units, backing.log_rate[b, p]
    claims.due[n] = purse.served[i, p] + purse.delay[i]
    tokens[purse.holder[i], a, p] -= units
    tokens[IN_FLIGHT, a, p] += units
    backing.queued[b, p] += units
    return n + 1


@kernel
def pay(n: int, time: float, active: np.ndarray, claims: Claims, purse: Purse, backing: Backing, tokens: np.ndarray) -> int:
    """What is due is paid, as long as there is a reserve; the rest stays, in its order. The number of claims then.

    active: [P]; tokens: [holders, A, P].
    """
    left = 0
    for j in range(n):
        backing.queued[purse.backed[claims.desk[j]], claims.path[j]] = 0.0
    for j in range(n):
        i, p, units = claims.desk[j], claims.path[j], claims.units[j]
        b, due, log_rate = purse.backed[i], claims.due[j], claims.log_rate[j]
        have = backing.reserve[b, p]
        if active[p] and due <= time and backing.frozen[b, p] <= time and have > 0.0:
            each = exp_(min(log_rate, backing.log_rate[b, p])) * (1.0 - purse.fee[i])
            asked, slack = units * each, ROUNDING * (purse.redeemed[i, p] + units) * each
            paid, gone = asked, units
            if asked > have - slack:
                paid = have
                gone = units if asked <= have + slack else units * (have / asked)
            a, u = backing.asset[b], backing.underlying[b]
            tokens[IN_FLIGHT, a, p] -= gone
            tokens[ISSUER, a, p] += gone
            tokens[ISSUER, u, p] -= paid
            tokens[purse.holder[i], u, p] += paid
            backing.reserve[b, p] = have - paid if paid < have else 0.0
            purse.money[i, p] += paid
            purse.redeemed[i, p] += gone
            units -= gone
        if units > 0.0:
            claims.path[left], claims.desk[left], claims.units[left] = p, i, units
            claims.log_rate[left], claims.due[left] = log_rate, due
            backing.queued[b, p] += units
            left += 1
    return left


@kernel
def await_payment(n: int, time: float, claims: Claims, purse: Purse, backing: Backing, wake: np.ndarray) -> None:
    """A path wakes when something can be paid, and when a freeze ends. wake: [P]."""
    for j in range(n):
        b, p = purse.backed[claims.desk[j]], claims.path[j]
        if backing.reserve[b, p] > 0.0:
            wake[p] = min(wake[p], max(claims.due[j], backing.frozen[b, p]))
    for b in range(backing.frozen.shape[0]):
        for p in range(wake.shape[0]):
            if backing.frozen[b, p] > time:
                wake[p] = min(wake[p], backing.frozen[b, p])

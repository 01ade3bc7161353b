"""What actors have on each chain, and what is on its way between chains. The token ledger says what of an asset an actor
gained in all; purses say where it lies and so what he can spend.

    in a block   reserved   whoever bids or offers sets aside what it may cost: no money is promised twice
                 spent      at its slot a row takes what it gives out of what is left of `held`, or reverts (afford)
    after it     held       -= give, gas;  += what is kept, what its sale brought;  reserved, spent = 0  (account)
N: networks, A: assets, P: paths.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.jit import helper, kernel
from delever.core.tables import EXECUTED, HOLDERS, INCLUDED, REVERTED, Networks, Transactions

BORROWED = 2  # Transactions.must_pay
SPARE = 1e-12  # share of what somebody has that he does not promise: no rounding may overspend


class Purses(NamedTuple):
    """Of actors who have finite money; the others' rows stay 0."""

    held: np.ndarray  # [N, actors, A, P] units
    reserved: np.ndarray  # [N, actors, A, P] of these, set aside for rows of this block
    spent: np.ndarray  # [N, actors, A, P] of these, taken at slots of this block
    coming: np.ndarray  # [N, actors, A, P] on its way there over bridges


class Bridges(NamedTuple):
    """Ways between chains. state.halts.bridge says until when one is closed, inf: dead."""

    ends: np.ndarray  # [bridges, 2] networks
    delay: np.ndarray  # [bridges, 2] from the first end, from the second [s]
    fee: np.ndarray  # [bridges] share of what is sent
    capacity: np.ndarray  # [bridges] inf: none [USD]
    window: np.ndarray  # [bridges] time for which the capacity is; inf: what is in flight at a time counts [s]
    used: np.ndarray  # [bridges, P] of the capacity [USD]
    kind: np.ndarray  # [1] kind of the transaction that sends: give of give_asset, from `network` over bridge `ref`


class Messages(NamedTuple):
    """What is in flight, in the order of sending; its units stand in the ledger under IN_FLIGHT."""

    path: np.ndarray  # [messages]
    bridge: np.ndarray  # [messages]
    holder: np.ndarray  # [messages] whose it is
    asset: np.ndarray  # [messages]
    network: np.ndarray  # [messages] where it goes
    units: np.ndarray  # [messages] before the fee
    usd: np.ndarray  # [messages] of the capacity that it takes [USD]
    arrives: np.ndarray  # [messages] [s]


def new_purses(networks: int, actors: int, assets: int, paths: int) -> Purses:
    """Empty; no memory until they are written."""
    return Purses(*(np.zeros((networks, actors, assets, paths)) for _ in Purses._fields))


def new_messages(size: int) -> Messages:
    """Nothing is in flight."""
    i, f = np.int64, np.float64
    return Messages(*(np.zeros(size, kind) for kind in (i,) * 5 + (f,) * 3))


@helper
def free(c: int, holder: int, a: int, p: int, purses: Purses) -> float:
    """Units that an actor has on a network and has not set aside."""
    return max(purses.held[c, holder - HOLDERS, a, p] - purses.reserved[c, holder - HOLDERS, a, p], 0.0)


@helper
def gas_cost(i: int, rows: Transactions, networks: Networks) -> float:
    """What a row pays for its place [units of the native asset]."""
    return networks.gas[rows.network[i], rows.kind[i]] * rows.bid[i] * 1e-9


@kernel
def afford(picked: np.ndarray, rows: Transactions, purses: Purses) -> None:
    """At their slot: a row takes what it gives out of its actor's purse, unless that is borrowed, or reverts.

    The rows are those of actors with purses, sized as they will be carried out: perhaps in another asset than was offered.
    """
    for i in picked:
        if rows.state[i] != INCLUDED or rows.give[i] <= 0.0 or rows.must_pay[i] == BORROWED:
            continue
        c, k, b, p = rows.network[i], rows.actor[i] - HOLDERS, rows.give_asset[i], rows.path[i]
        if purses.spent[c, k, b, p] + rows.give[i] <= purses.held[c, k, b, p]:
            purses.spent[c, k, b, p] += rows.give[i]
        else:
            rows.state[i] = REVERTED


@kernel
def account(n: int, has_purse: np.ndarray, rows: Transactions, networks: Networks, purses: Purses) -> None:
    """After a block: what its rows 0..n-1 moved in purses. What a claim got and did not keep was sold for what it gave."""
    for i in range(n):
        if not has_purse[rows.actor[i]]:
            continue
        c, k, p, a, b = rows.network[i], rows.actor[i] - HOLDERS, rows.path[i], rows.get_asset[i], rows.give_asset[i]
        native = networks.native[c]
        for any_asset in range(purses.held.shape[2]):
            purses.reserved[c, k, any_asset, p], purses.spent[c, k, any_asset, p] = 0.0, 0.0
        if rows.state[i] == EXECUTED or (rows.state[i] == REVERTED and not rows.private[i]):
            purses.held[c, k, native, p] -= gas_cost(i, rows, networks)
        if rows.state[i] != EXECUTED:
            continue
        if rows.give[i] > 0.0:
            purses.held[c, k, b, p] -= rows.give[i]
        if rows.get[i] > 0.0 and (rows.holds[i] or rows.give[i] <= 0.0):
            purses.held[c, k, a, p] += rows.get[i] - rows.kept[i]
        if rows.brought[i] > 0.0:
            purses.held[c, k, b if rows.get[i] > 0.0 else a, p] += rows.brought[i]

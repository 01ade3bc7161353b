"""Where the troves of a book stand: one system of Liquity for each collateral and stablecoin of a protocol.

Every trove starts with a stake as large as its collateral, and nothing has been redistributed yet (assumption: a book says what
is held and owed, not how often a trove has been touched). Its debt includes what it sets aside for gas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from delever.core.setting import Setting
from delever.model.errors import InputError
from delever.protocols.liquity_formulas import BASE
from delever.protocols.liquity_system import (
    BASE_RATE,
    COLL,
    DEBT,
    DONE,
    IN_RECOVERY,
    LOWEST,
    OPEN,
    POOL,
    PRODUCT,
    STAKES,
    STALE,
    SUMS,
    TOLD,
    System,
)

Terms = Callable[[str, float], np.ndarray]  # the columns of liquity_formulas.py, of a collateral and its MCR
AGES = 8  # scales and epochs of a pool that there is room for at first


class Placed(NamedTuple):
    """A system, and whose troves are where."""

    system: System
    place: np.ndarray  # [accounts] trove of each account of the world, -1: none of this system


def read_systems(name: str, terms: Terms, pools: Mapping[str, float], aside: str | None, setting: Setting) -> list[Placed]:
    """The systems of a protocol, in the order of their reserves. terms: of a collateral with its MCR.

    pools: units deposited at the start, by collateral; aside: the asset that troves set aside for whoever liquidates them,
    None: the stablecoin.
    """
    book, mine = setting.book, troves_of(name, setting)
    first, g = int(book.first_debt[0]), book.signature[mine]
    pair = np.column_stack([book.reserve[g, 0], book.reserve[g, first]])
    kinds, of = np.unique(pair, axis=0, return_inverse=True)
    held = [setting.reserves[int(r)][1] for r, _ in kinds]
    for asset in pools:
        if (name, asset) not in setting.reserves:
            raise InputError("nobody holds it", path=("protocols", name, "rules", "stability_pool"), value=asset,
                             remedy=f"name a collateral of its book: {', '.join(held) or 'it has none'}")
    for s in np.unique(kinds[:, 1]):  # against all that is owed, also by whom a few accounts of a book leave out
        deposited = sum(pools.get(asset, 0.0) for asset, pair in zip(held, kinds, strict=True) if pair[1] == s)
        if deposited > setting.owed[s]:
            stable = setting.reserves[int(s)][1]
            raise InputError(f"more than the {setting.owed[s]:g} {stable} that its troves owe, which is all there is", path=(
                "protocols", name, "rules", "stability_pool"), value=deposited, remedy="deposit less, or give the whole book")
    if aside is not None and len(kinds) and (name, aside) not in setting.reserves:
        raise InputError("nobody holds it", path=("protocols", name, "rules", "set_aside_asset"), value=aside,
                         remedy=f"its price is that of a collateral: name one of {', '.join(held)}")
    third = [int(s) if aside is None else setting.reserves.index((name, aside)) for s in kinds[:, 1]]
    return [lay_out(name, mine[of.ravel() == i], (int(r), int(s), third[i]), terms, pools.get(held[i], 0.0), setting)
            for i, (r, s) in enumerate(kinds)]


def troves_of(name: str, setting: Setting) -> np.ndarray:
    """Numbers of the accounts that owe something: each has one collateral and one debt."""
    book, number = setting.book, setting.protocols.index(name)
    g, first = book.signature, int(book.first_debt[0])
    mine = np.flatnonzero((setting.account_protocol == number) & (book.debts[g] > 0) & (book.amount[:, first:] > 0.0).any(1))
    for i in mine:
        if book.collaterals[g[i]] != 1 or book.debts[g[i]] != 1:
            raise InputError(f"has {book.collaterals[g[i]]} collaterals and {book.debts[g[i]]} debts", f"protocols.{name}.book",
                             setting.accounts[i], "a trove has one of each: make it a trove for each pair")
        if not book.amount[i, 0] > 0.0:
            raise InputError(f"holds {book.amount[i, 0]:g} of its collateral", f"protocols.{name}.book", setting.accounts[i],
                             "a trove without collateral cannot be: leave it out")
    return mine


def lay_out(name: str, accounts: np.ndarray, three: tuple[int, int, int], terms: Terms, pool: float, setting: Setting) -> Placed:
    """One system at the start, on all paths. three: reserves of collateral, stablecoin, what is set aside; pool: units deposited.
    """
    book, (r, s, aside), paths, n = setting.book, three, setting.paths, len(accounts)
    coll, debt = (book.amount[accounts, leg].astype(np.float64) for leg in (0, int(book.first_debt[0])))
    stable = setting.reserves[s][1]
    if stable in setting.layout.markets and stable not in setting.world.oracles.get(name, {}):
        raise InputError("is read from its market, which the contract does not do", path=("oracles", name, stable), value=stable,
                         remedy=f"write a feed {{kind: fixed, of: {stable}/USD, answer: 1}} and name it there")
    threshold = float(book.threshold[book.signature[accounts[0]], 0])
    if not threshold > 0.0:
        raise InputError("is 0", path=("protocols", name, "parameters", setting.reserves[r][1], "liquidation_threshold"),
                         value=threshold, remedy="it is 1 / MCR: 90.9 % where troves fall below 110 %")
    row = terms(setting.reserves[r][1], 1.0 / threshold)
    protocol = setting.protocols.index(name)
    asset = [setting.layout.asset(setting.reserves[i][1]) for i in (r, s, aside)]
    of = np.array([*asset[:2], r, s, protocol, setting.homes[protocol], asset[2], aside], np.int64)
    sums = np.zeros((paths, SUMS))
    for column, value in ((STAKES, coll.sum()), (COLL, coll.sum()), (DEBT, debt.sum()), (OPEN, n), (POOL, pool), (PRODUCT, 1.0),
                          (BASE_RATE, row[BASE]), (LOWEST, 0.0), (STALE, 1.0)):
        sums[:, column] = value
    told = np.zeros((TOLD, paths))
    told[IN_RECOVERY] = np.inf
    mine, zeros = np.repeat(coll[None, :], paths, axis=0), np.zeros((paths, n))
    system = System(of, row, accounts.astype(np.int64), mine, np.repeat(debt[None, :], paths, axis=0), mine.copy(), zeros.copy(),
                    zeros.copy(), np.ones((paths, n), np.int8), zeros.copy(), sums, np.zeros((paths, AGES, 2)),
                    np.zeros((paths, DONE)), told, np.zeros(n, np.int64), np.zeros(n))
    place = np.full(len(setting.accounts), -1, np.int64)
    place[accounts] = np.arange(n)
    return Placed(system, place)

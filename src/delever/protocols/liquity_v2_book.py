"""Where the branches of a book stand: interest rates, who is a zombie, and which branches mint one stablecoin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from delever.core.setting import Setting
from delever.model.errors import InputError
from delever.protocols.liquity_formulas import BASE, LEAST_DEBT
from delever.protocols.liquity_system import COLLATERAL, NETWORK, PROTOCOL, STABLE, STABLE_RESERVE, System
from delever.protocols.liquity_v2_branch import BRANCH_TOLD, DOWN_AT, NEXT, NOBODY_NEXT, Branch
from delever.protocols.liquity_v2_redeem import NOW, RATE, ROWS, Registry

YEAR = 365.0 * 86400.0  # [s]
HIGHEST = 2.5  # interest that a trove may state [1/year]


def known(name: str, field: str, collaterals: Iterable[str], setting: Setting) -> None:
    """A field of the rules of protocol `name` names collaterals of its book."""
    for asset in collaterals:
        if (name, asset) not in setting.reserves:
            raise InputError("nobody holds it", path=("protocols", name, "rules", field), value=asset,
                             remedy="name a collateral of its book")


def lay_branch(terms: np.ndarray, interest_rate: float, s: System, setting: Setting) -> Branch:
    """One branch at the start, on all paths. terms: of Branch; interest_rate: of troves for which the book says none [1/year]."""
    name, paths = setting.protocols[s.of[PROTOCOL]], setting.paths
    stated = setting.interest_rate[s.account]
    for account, rate in zip(s.account, stated, strict=True):
        if not np.isnan(rate) and not 0.0 <= rate <= HIGHEST:
            raise InputError(f"pays {rate:g} a year", f"protocols.{name}.book", setting.accounts[account],
                             f"interest_rate is a share a year from 0 to {HIGHEST:g}")
    rate = np.where(np.isnan(stated), interest_rate, stated)
    now = np.zeros((paths, 3))
    now[:, NEXT], now[:, DOWN_AT] = NOBODY_NEXT, np.inf
    return Branch(terms, rate / YEAR, np.argsort(rate, kind="stable"), s.debt.copy(),
                  (s.debt < s.terms[LEAST_DEBT]).astype(np.int8), now, np.zeros((BRANCH_TOLD, paths)))


def registries(systems: Sequence[System], setting: Setting) -> tuple[list[Registry], list[list[int]]]:
    """The branches that mint one stablecoin of one protocol: their registry, and their numbers."""
    key = [(int(s.of[PROTOCOL]), int(s.of[STABLE_RESERVE])) for s in systems]
    members = [[i for i, one in enumerate(key) if one == wanted] for wanted in dict.fromkeys(key)]
    made = []
    for mine in members:
        s, now = systems[mine[0]], np.zeros((setting.paths, NOW))
        now[:, RATE] = s.terms[BASE]
        made.append(Registry(s.of[[STABLE, STABLE_RESERVE, PROTOCOL, NETWORK]].copy(),
                             np.array([systems[i].of[COLLATERAL] for i in mine], np.int64), s.terms.copy(), now,
                             np.zeros((ROWS, len(mine), setting.paths))))
    return made, members

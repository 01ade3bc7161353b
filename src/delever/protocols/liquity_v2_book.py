"""Where the branches of a book stand: interest rates, who is a zombie, and which branches mint one stablecoin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from delever.core.setting import Setting
from delever.model.errors import InputError
from delever.protocols.liquity_formulas import BASE, LEAST_DEBT, MCR
from delever.protocols.liquity_system import COLLATERAL, COLLATERAL_RESERVE, NETWORK, PROTOCOL, STABLE, STABLE_RESERVE, System
from delever.protocols.liquity_v2_branch import BRANCH_TOLD, DOWN_AT, NEXT, NOBODY_NEXT, Branch
from delever.protocols.liquity_v2_redeem import NOW, RATE, ROWS, Registry

if TYPE_CHECKING:
    from delever.protocols.liquity_v2 import LiquityV2

YEAR = 365.0 * 86400.0  # [s]
HIGHEST = 2.5  # interest that a trove may state [1/year]


def lay_branch(spec: LiquityV2, s: System, setting: Setting) -> Branch:
    """One branch at the start, on all paths."""
    name, paths = setting.protocols[s.of[PROTOCOL]], setting.paths
    collateral, stable = (setting.reserves[s.of[column]][1] for column in (COLLATERAL_RESERVE, STABLE_RESERVE))
    for field in ("spread_penalty", "shutdown_ratio"):
        for asset in getattr(spec, field):
            if (name, asset) not in setting.reserves:
                raise InputError("nobody holds it", path=("protocols", name, "rules", field), value=asset,
                                 remedy="name a collateral of its book")
    stated = setting.interest_rate[s.account]
    for account, rate in zip(s.account, stated, strict=True):
        if not np.isnan(rate) and not 0.0 <= rate <= HIGHEST:
            raise InputError(f"pays {rate:g} a year", f"protocols.{name}.book", setting.accounts[account],
                             f"interest_rate is a share a year from 0 to {HIGHEST:g}")
    parameters = setting.world.protocols[name].parameters
    interest = 0.0 if isinstance(parameters, str) else getattr(parameters.get(stable), "borrow_rate", 0.0)
    if interest:
        raise InputError("is beside the rates that troves state", path=("protocols", name, "parameters", stable, "borrow_rate"),
                         value=interest, remedy="leave it out: write interest_rate in the book, or in the rules")
    rate = np.where(np.isnan(stated), spec.interest_rate, stated)
    now = np.zeros((paths, 3))
    now[:, NEXT], now[:, DOWN_AT] = NOBODY_NEXT, np.inf
    terms = np.array([spec.shutdown_ratio.get(collateral, s.terms[MCR]), spec.pool_yield, spec.urgent_bonus])
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

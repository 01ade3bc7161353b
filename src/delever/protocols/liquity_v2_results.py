"""What is said of Liquity v2 alone: interest, shutdown, urgent redemptions, debt that no pool covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.columns import ASSET, Column, Figure, Value, never_as_nan
from delever.core.state import State
from delever.protocols.liquity_results import SECTION, STABLECOIN, of_system, said
from delever.protocols.liquity_system import BASE_RATE, DEBT, POOL, STABLE_RESERVE, System
from delever.protocols.liquity_v2_branch import DOWN_AT, INTEREST, URGENT, URGENT_COLL, YIELD, Branch
from delever.protocols.liquity_v2_redeem import RATE, Registry

SHUTDOWN = Column("shutdown", "s", "when the branch was shut down; nan: never", (
    Figure("shutdown", "share_where", "share of paths on which the branch was shut down", "share", under="P(shut down)"),),
    section=SECTION)
TOLD = ((INTEREST, said("interest_minted", STABLECOIN, "interest on troves")),
        (YIELD, said("pool_yield", STABLECOIN, "interest that depositors of the pool got")),
        (URGENT, said("urgently_redeemed", STABLECOIN, "stablecoin handed in for collateral after the shutdown")),
        (URGENT_COLL, said("urgent_collateral", ASSET, "collateral that it brought")))
UNBACKED = said("unbacked", STABLECOIN, "debt beyond what is in the stability pool, by which redemptions are split", True)


def keep_rate(reg: Registry, systems: Sequence[System]) -> None:
    """Every branch says the base rate of all of them."""
    for s in systems:
        s.sums[:, BASE_RATE] = reg.now[:, RATE]


def branch_stands(state: State, s: System, br: Branch, assets: Sequence[str]) -> list[Value]:
    """How a branch stands now. assets: names by number."""
    owed = s.sums[:, DEBT] * state.reserves.borrow_index[s.of[STABLE_RESERVE]]
    return [of_system(UNBACKED, np.maximum(owed - s.sums[:, POOL], 0.0), s, state, assets)]


def branch_told(state: State, s: System, br: Branch, assets: Sequence[str]) -> list[Value]:
    """What came of a branch. assets: names by number."""
    out = [of_system(column, br.told[row].copy(), s, state, assets) for row, column in TOLD]
    return [*out, of_system(SHUTDOWN, never_as_nan(br.now[:, DOWN_AT]), s, state, assets)]

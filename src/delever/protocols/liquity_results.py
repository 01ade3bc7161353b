"""What is said of Liquity: what the pool burned and gained, what was redistributed and redeemed, recovery mode, how it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.columns import ASSET, OF, Column, Figure, Value, added, mean_of, never_as_nan
from delever.core.jit import kernel
from delever.core.loans import counts, owed_at_start, said_of
from delever.core.state import State
from delever.core.tables import Reserves
from delever.protocols.liquity_calls import price_of
from delever.protocols.liquity_formulas import compounded
from delever.protocols.liquity_system import (
    BASE_RATE,
    COLL,
    COLLATERAL_RESERVE,
    DEBT,
    EPOCH,
    FEES,
    GAINED,
    IN_RECOVERY,
    OFFSET,
    OPEN,
    POOL,
    PRODUCT,
    PROTOCOL,
    REDEEMED,
    REDEMPTIONS,
    SCALES,
    SPREAD,
    SPREAD_COLL,
    STABLE,
    STABLE_RESERVE,
    System,
    entire,
    since,
)

NOTHING_OWED = 1e-6  # units of stablecoin that rounding may leave of a debt that is paid
STABLECOIN = "stablecoin"  # unit of columns: its name stands there in results
SECTION = f"Stability pool of {OF}"  # of a report


def said(name: str, unit: str, meaning: str, stock: bool = False) -> Column:
    """A column whose mean is a figure."""
    return Column(name, unit, meaning, mean_of(name, meaning, under=name.replace("_", " ")), section=SECTION, stock=stock)


RECOVERY = Column("recovery_mode", "s", "when the system first was in recovery mode; nan: never", (
    Figure("recovery_mode", "share_where", "share of paths on which the system was in recovery mode", "share",
           under="P(recovery mode)"),), section=SECTION)
STABLES = ((OFFSET, said("burned", STABLECOIN, "debt burned against the stability pool")),
           (SPREAD, said("redistributed", STABLECOIN, "debt redistributed to the troves that are left, each time that it is")),
           (REDEEMED, said("redeemed", STABLECOIN, "stablecoin handed in for collateral")))
COLLATERALS = ((GAINED, said("pool_gained", ASSET, "collateral that depositors of the pool got for what was burned")),
               (SPREAD_COLL, said("collateral_redistributed", ASSET, "collateral redistributed with it")),
               (FEES, said("redemption_fees", ASSET, "collateral kept as the fee of redemptions")),
               (REDEMPTIONS, said("redemptions", "count", "redemptions that settled")))
NOW = (said("pool", STABLECOIN, "stablecoin in the stability pool", True),
       said("open_troves", "count", "troves that are open", True),
       said("claimable", ASSET, "collateral that owners of closed troves may claim", True),
       Column("total_ratio", "share", "collateral of all troves by what they owe, at the price seen; nan: they owe nothing", (
           Figure("total_ratio", "mean_where", "mean of collateral of all troves by what they owe, over paths on which they owe "
                  "anything", under="total ratio"),), section=SECTION, stock=True),
       said("base_rate", "share", "base rate of redemption fees, as the last redemption left it", True))
UNIT = (said("unit_left", "share", "what is left of a unit deposited at the start", True),
        said("unit_gained", ASSET, "collateral that a unit deposited at the start has gained", True))


@kernel
def survey(s: System, reserves: Reserves, price: np.ndarray, short: np.ndarray) -> None:
    """What troves owe beyond their collateral. price: [P, R] seen [USD]; short: [P], added to."""
    r, t = s.of[COLLATERAL_RESERVE], s.of[STABLE_RESERVE]
    for p in range(short.shape[0]):
        for k in range(s.coll.shape[1]):
            if s.open[p, k]:
                coll, debt = entire(p, k, s)
                short[p] += max(debt * reserves.borrow_index[t, p] * price[p, t] - coll * price[p, r], 0.0)


def of_system(column: Column, values: np.ndarray, s: System, state: State, assets: Sequence[str]) -> Value:
    """A value of one system: of its protocol and collateral. assets: names by number."""
    unit = assets[s.of[STABLE]] if column.unit == STABLECOIN else column.unit
    return Value(column._replace(unit=unit), values, int(s.of[PROTOCOL]), int(state.reserves.asset[s.of[COLLATERAL_RESERVE]]))


def standing(state: State, s: System, assets: Sequence[str]) -> list[Value]:
    """How pool and troves stand now. assets: names by number."""
    sums, t = s.sums, s.of[STABLE_RESERVE]
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.array([price_of(p, s, state.seen) for p in range(state.paths)])
        owed = sums[:, DEBT] * state.reserves.borrow_index[t]
        ratio = np.where(owed > NOTHING_OWED, sums[:, COLL] * price / owed, np.nan)
    kept = sums[:, EPOCH] == 0.0
    left = [compounded(1.0, 1.0, int(row[SCALES]), row[PRODUCT]) if first else 0.0 for row, first in zip(sums, kept, strict=True)]
    gained = [since(np.zeros(2), gains[0]) + since(np.zeros(2), gains[1]) * 1e-9 for gains in s.gains]
    claims = added(list(s.surplus.T), state.paths)
    found = (sums[:, POOL], sums[:, OPEN], claims, ratio, sums[:, BASE_RATE], np.array(left), np.array(gained))
    return [of_system(column, values.copy(), s, state, assets) for column, values in zip((*NOW, *UNIT), found, strict=True)]


def recovery(state: State, systems: list[System], assets: Sequence[str]) -> list[Value]:
    """When systems first were in recovery mode. assets: names by number."""
    return [of_system(RECOVERY, never_as_nan(s.told[IN_RECOVERY]), s, state, assets) for s in systems]


def results(state: State, systems: list[System], numbers: tuple[int, ...], assets: Sequence[str]) -> list[Value]:
    """What liquidations and redemptions came to, losses and calls; state.seen.price is fresh. assets: names by number."""
    short, out = np.zeros(state.ledgers.totals.shape[1:]), []
    for s in systems:
        survey(s, state.reserves, state.seen.price, short[s.of[PROTOCOL]])
        out += [of_system(column, s.told[row].copy(), s, state, assets) for row, column in (*STABLES, *COLLATERALS)]
    owed = owed_at_start(state)
    return [*out, *(value for number in numbers
                    for value in (*said_of(state, number, np.zeros_like(short), short, owed), *counts(state, number)))]

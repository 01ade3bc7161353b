"""Assets and liabilities of lending protocols: what is supplied and owed of each asset, and what backs which debt.

An account's collateral is divided among its debts in proportion to their value, its debts among its collateral likewise, so that
a collateral's row adds up to what accounts who owe hold of it, and a debt's column to what is owed of it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.analysis.tables import Column, table
from delever.analysis.valuation import Legs
from delever.analysis.walls import Pairs, sums
from delever.model.parameters import look_up
from delever.run.assemble import Model


def assets_table(model: Model, legs: Legs) -> pa.Table:
    """A row a lending protocol and asset."""
    positions, price = model.positions, model.seen_price()
    lends = [r for r, (name, _) in enumerate(positions.reserves) if name in model.world.lending]
    owes = legs.total(np.where(legs.debt, legs.amount * price[legs.reserve], 0.0)) > 0.0
    backs = ~legs.debt & owes[legs.account]
    pledged = np.bincount(legs.reserve[backs], legs.amount[backs], len(positions.reserves))
    supplied = supplied_of(model)
    listed = {name: look_up(model.world.protocols[name].parameters) for name in model.world.lending}

    def cap(r: int, field: str) -> float | None:
        name, asset = positions.reserves[r]
        value: float | None = getattr(listed[name].get(asset), field, None)
        return value

    return table(
        Column("protocol", "", [positions.reserves[r][0] for r in lends], kind=pa.string()),
        Column("asset", "", [positions.reserves[r][1] for r in lends], kind=pa.string()),
        Column("supplied_usd", "USD", (supplied * price)[lends], "loans and cash where cash is stated, else what accounts hold"),
        Column("pledged_usd", "USD", (pledged * price)[lends], "held by accounts that owe"),
        Column("borrowed_usd", "USD", (positions.owed * price)[lends]),
        Column("supply_cap", "units", [cap(r, "supply_cap") for r in lends], kind=pa.float64()),
        Column("borrow_cap", "units", [cap(r, "borrow_cap") for r in lends], kind=pa.float64()),
    )


def supplied_of(model: Model) -> np.ndarray:
    """Units of each reserve [R], as caps count them."""
    positions = model.positions
    known = np.isfinite(positions.cash)
    return np.where(known, np.where(known, positions.cash, 0.0) + positions.owed, positions.held)


def matrix_table(model: Model, legs: Legs) -> pa.Table:
    """A row a lending protocol, collateral asset and debt asset."""
    pairs, value = Pairs(model, legs), legs.amount * model.seen_price()[legs.reserve]
    size, side = np.abs(value), 2 * legs.account + legs.debt
    share = size / np.maximum(np.bincount(side, size, 2 * legs.accounts)[side], 1e-300)  # of a leg in its side [K]
    groups = len(pairs.debts)
    backing = sums(pairs.kind, value[pairs.collateral] * share[pairs.debt], groups)
    owed = sums(pairs.kind, value[pairs.debt] * share[pairs.collateral], groups)
    owed += sums(pairs.bare_kind, value[pairs.bare], groups)
    return table(
        Column("protocol", "", pairs.protocols, kind=pa.string()),
        Column("collateral", "", pairs.collaterals, kind=pa.string()),
        Column("debt", "", pairs.debts, kind=pa.string()),
        Column("collateral_usd", "USD", backing),
        Column("debt_usd", "USD", owed),
        Column("ltv", "share", [d / c if c > 0.0 else None for c, d in zip(backing, owed, strict=True)], "debt over collateral",
               pa.float64()),
    )

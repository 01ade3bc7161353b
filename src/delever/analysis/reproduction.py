"""How many accounts' legs give back what the source reports of them, and what the book looks like by health."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.tables import Column, table
from delever.analysis.valuation import Health, Legs
from delever.ingest.recompute import leg_totals, recomputation
from delever.model.book import Book
from delever.model.parameters import ReserveParameters, look_up
from delever.run.assemble import Model

BANDS = ((-np.inf, 1.0, "HF < 1"), (1.0, 1.2, "1 to 1.2"), (1.2, 1.5, "1.2 to 1.5"), (1.5, 2.0, "1.5 to 2"),
         (2.0, np.inf, "2 and more"))  # fmt: skip


def reproduction(model: Model) -> pa.Table:
    """A row a protocol and tolerance: accounts whose known legs, remainders left out, give back totals and health.

    At the prices that the protocol sees at the start, in its unit. Books without reported totals have no row,
    nor have those of margin exchanges, whose sources report none.
    """
    rows = []
    for protocol in model.world.lending:
        book = model.positions.book.of(protocol)
        if book.accounts.num_rows == 0:
            continue
        legs, price = with_thresholds(model, protocol, book), unit_prices(model, protocol)
        healthy, totals = recomputation(legs, book.accounts, price), leg_totals(legs, book.accounts, price, False)
        collateral, debt = (book.accounts[f"reported_{side}"].to_numpy() for side in ("collateral", "debt"))
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.maximum(np.abs(totals["collateral"] / collateral - 1.0), np.abs(totals["debt"] / debt - 1.0))
        for row in healthy.to_pylist():
            within = error < row["tolerance"]
            rows.append({"protocol": protocol, "tolerance": row["tolerance"], "accounts": row["of_accounts"],
                         "totals": int(within.sum()), "totals_collateral": _share(collateral, within),
                         "totals_debt": _share(debt, within), "health": row["accounts"],
                         "health_collateral": row["collateral_share"], "health_debt": row["debt_share"]})

    def column(name: str, unit: str, meaning: str = "", kind: pa.DataType | None = None) -> Column:
        return Column(name, unit, [row[name] for row in rows], meaning, kind or pa.float64())

    return table(
        column("protocol", "", kind=pa.string()),
        column("tolerance", "ratio", "largest relative error"),
        column("accounts", "1", "with reported totals", pa.int64()),
        column("totals", "1", "accounts whose known legs, remainders left out, give back both totals", pa.int64()),
        column("totals_collateral", "share", "their share of the reported collateral"),
        column("totals_debt", "share"),
        column("health", "1", "accounts whose known legs give back the reported health factor", pa.int64()),
        column("health_collateral", "share"),
        column("health_debt", "share"),
    )


def _share(values: np.ndarray, of: np.ndarray) -> float:
    return float(values[of].sum() / values.sum()) if values.sum() else 0.0


def unit_prices(model: Model, protocol: str) -> dict[str, float]:
    """Prices that a protocol sees at the start, in the unit it counts in."""
    seen = np.exp(model.start_seen)
    return {asset: float(seen[r]) for r, (of, asset) in enumerate(model.positions.reserves) if of == protocol}


def with_thresholds(model: Model, protocol: str, book: Book) -> pa.Table:
    """The legs of a protocol's book with the thresholds of its parameters where they carry none of their own."""
    legs = book.legs
    missing = pc.and_(pc.is_null(legs["liquidation_threshold"]), pc.equal(legs["side"], "collateral"))
    if not pc.any(missing).as_py():
        return legs
    parameters, filled = look_up(model.world.protocols[protocol].parameters), []
    for row in legs.select(["asset", "emode", "liquidation_threshold"]).to_pylist():
        entry = parameters.get(row["asset"])
        entry = entry if isinstance(entry, ReserveParameters) else None  # of an exchange: no thresholds
        known = row["liquidation_threshold"] is not None or entry is None
        filled.append(row["liquidation_threshold"] if known or entry is None
                      else entry.emode.get(row["emode"], entry).liquidation_threshold)
    place = legs.column_names.index("liquidation_threshold")
    return legs.set_column(place, legs.schema.field(place), pa.array(filled, pa.float64()))


def bands(model: Model, legs: Legs, at_start: Health) -> pa.Table:
    """Accounts with debt by protocol and health factor at the start, and what of their debt is not covered."""
    positions, rows = model.positions, []
    collateral = legs.total(at_start.value, ~legs.debt)
    missing = np.maximum(at_start.debt - at_start.backing, 0.0)
    beyond = np.maximum(at_start.debt - legs.total(at_start.value * loan_to_value(model, legs), ~legs.debt), 0.0)
    for number, protocol in enumerate(model.world.protocols):
        if protocol not in model.world.lending:
            continue
        mine = (positions.protocol == number) & (at_start.debt > 0.0)
        for low, high, name in BANDS:
            here = mine & (at_start.factor >= low) & (at_start.factor < high)
            worth = [float(usd[here].sum()) for usd in (collateral, at_start.debt, missing, beyond)]
            rows.append((protocol, name, int(here.sum()), *worth))
    return table(
        Column("protocol", "", [row[0] for row in rows], kind=pa.string()),
        Column("health_factor", "", [row[1] for row in rows], kind=pa.string()),
        Column("accounts", "1", [row[2] for row in rows], "that owe something", pa.int64()),
        Column("collateral_usd", "USD", [row[3] for row in rows], kind=pa.float64()),
        Column("debt_usd", "USD", [row[4] for row in rows], kind=pa.float64()),
        Column("shortfall_usd", "USD", [row[5] for row in rows], "debt beyond collateral x liquidation threshold", pa.float64()),
        Column("shortfall_at_factor_usd", "USD", [row[6] for row in rows], "debt beyond collateral x loan to value; none "
               "where an asset of theirs states none", pa.float64()),
    )


def loan_to_value(model: Model, legs: Legs) -> np.ndarray:
    """Share of each leg's value up to which may be borrowed, [K]; nan: not stated; of what has no parameters its threshold."""
    positions = model.positions
    stated = []
    for r, category in [*((r, 0) for r in range(len(positions.reserves))), *positions.categories]:
        name, asset = positions.reserves[r]
        entry = look_up(model.world.protocols[name].parameters).get(asset)
        terms = entry.emode.get(category, entry) if isinstance(entry, ReserveParameters) else None
        stated.append(-1.0 if terms is None else math.nan if terms.loan_to_value is None else terms.loan_to_value)
    found = np.array(stated)[legs.term]
    return np.where(found < 0.0, legs.threshold, found)

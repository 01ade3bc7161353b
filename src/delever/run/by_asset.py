"""Figures asset by asset: of what mechanisms declare of each asset of a protocol, beside its open interest at the start."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.run.assemble import Model
from delever.run.collect import declared, numbers
from delever.run.estimates import quantile
from delever.run.figures import drawn_of, reduced

SCHEMA = pa.schema([("protocol", pa.string()), ("perp", pa.string()), ("open_interest", pa.float64()), ("figure", pa.string()),
                    ("value", pa.float64()), ("unit", pa.string()), ("low", pa.float64()), ("high", pa.float64()),
                    ("median", pa.float64()), ("of_open_interest", pa.float64())])


def by_asset(model: Model, paths: pa.Table) -> pa.Table:
    """Mean with its interval, median, and the mean as a share of the open interest at the start.

    Open interest [USD at marks]: longs or shorts, whichever is more.
    """
    interest, drawn, rows = open_interest(model), drawn_of(model, paths), []
    for one in declared(paths):
        if not (one.protocol and one.asset) or (one.protocol, one.asset) not in interest:
            continue
        values, usd = numbers(paths, one.field), interest[one.protocol, one.asset]
        for figure in one.column.figures:
            value, low, high = reduced(values, figure, one.column.unit, drawn)
            rows.append({"protocol": one.protocol, "perp": one.asset, "open_interest": usd, "figure": figure.name,
                         "value": value, "unit": figure.unit or one.column.unit, "low": low, "high": high,
                         "median": quantile(values, 0.5, drawn)[0], "of_open_interest": value / usd if usd > 0.0 else np.nan})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def open_interest(model: Model) -> dict[tuple[str, str], float]:
    """By protocol and perp at the start, USD at marks: longs or shorts, whichever is more."""
    tables, margins, price = model.positions.tables, model.positions.margins, model.seen_price()
    out: dict[tuple[str, str], float] = {}
    for r in np.flatnonzero(margins.perp):
        held = slice(margins.position_first[r], margins.position_first[r + 1])
        units = tables.amount[margins.position_account[held], margins.position_leg[held]]
        out[model.positions.reserves[r]] = float(max(units[units > 0.0].sum(), -units[units < 0.0].sum()) * price[r])
    return out

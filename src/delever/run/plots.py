"""Pictures of result tables for notebooks: Altair charts, which carry their numbers and show them under the mouse.

`alt` is the module altair, which who plots has installed; a chart is made of rows as they stand in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from delever.model.asset import USD
from delever.model.errors import InputError, nearest
from delever.run.collect import declared, together
from delever.run.figures import counted

MOST_POINTS = 500  # of a curve
PANELS = 8  # figures of a comparison
SHARE, MONEY = ".0%", "$.3s"  # formats of axes


def reach_by_shock(alt: Any, totals: pa.Table) -> Any:
    """Bars by shock, stacked by protocol: debt of eligible accounts; of exchanges positions below maintenance."""
    rows = [{"shock": row["shock"], "protocol": row["protocol"],
             "reached": row.get("positions_usd") if row.get("eligible_debt_usd") is None else row["eligible_debt_usd"]}
            for row in totals.to_pylist()]
    return alt.Chart(alt.Data(values=rows)).mark_bar().encode(
        x=alt.X("shock:O", axis=alt.Axis(format=SHARE), title="move of the price"),
        y=alt.Y("reached:Q", axis=alt.Axis(format=MONEY), title="debt eligible, positions below maintenance [USD]"),
        color=alt.Color("protocol:N"), tooltip=["protocol:N", "shock:Q", "reached:Q"])


def by_health(alt: Any, accounts: pa.Table) -> Any:
    """Bars of debt by health factor, stacked by protocol."""
    rows = [{key: row[key] for key in ("protocol", "health_factor", "accounts", "debt_usd")} for row in accounts.to_pylist()]
    bands = list(dict.fromkeys(row["health_factor"] for row in rows))
    return alt.Chart(alt.Data(values=rows)).mark_bar().encode(
        x=alt.X("health_factor:O", sort=bands, title="health factor"),
        y=alt.Y("debt_usd:Q", axis=alt.Axis(format=MONEY), title="debt [USD]"),
        color=alt.Color("protocol:N"), tooltip=["protocol:N", "health_factor:O", "accounts:Q", "debt_usd:Q"])


def short_by_protocol(alt: Any, protocols: pa.Table) -> Any:
    """Bars by protocol, a panel a shock: what is short at the oracle's prices, the market's and at exit."""
    rows = [{"shock": row["shock"], "protocol": row["protocol"], "prices": basis, "short": -row[f"equity_{basis}_usd"]}
            for row in protocols.to_pylist() for basis in ("oracle", "market", "exit")]
    return alt.Chart(alt.Data(values=rows)).mark_bar().encode(
        x=alt.X("short:Q", axis=alt.Axis(format=MONEY), title="owed beyond what stands against it [USD]"),
        y=alt.Y("protocol:N", title=None), yOffset=alt.YOffset("prices:N", sort=["oracle", "market", "exit"]),
        color=alt.Color("prices:N"), row=alt.Row("shock:O", header=alt.Header(format=SHARE)),
        tooltip=["protocol:N", "prices:N", "short:Q"])


def factor_by_cap(alt: Any, factors: pa.Table) -> Any:
    """A line a collateral: its highest collateral factor over the cap, in what is supplied now."""
    rows = [{"collateral": f"{row['protocol']} {row['asset']}", **{key: row[key] for key in ("times", "factor", "cap")}}
            for row in factors.to_pylist()]
    return alt.Chart(alt.Data(values=rows)).mark_line(point=True).encode(
        x=alt.X("times:Q", title="cap, times what is supplied now"),
        y=alt.Y("factor:Q", axis=alt.Axis(format=SHARE), title="highest collateral factor without bad debt"),
        color=alt.Color("collateral:N"), tooltip=["collateral:N", "cap:Q", "factor:Q"])


def by_leverage(alt: Any, accounts: pa.Table, curve: pa.Table) -> Any:
    """Probability of liquidation against leverage: accounts as points, kinds of position at that volatility as lines."""
    keys = ("protocol", "asset", "leverage", "probability")
    points = [{key: row[key] for key in (*keys, "account", "boundary")} for row in accounts.to_pylist()
              if row["probability"] and row["leverage"]]
    lines = [{**{key: row[key] for key in keys}, "kind": f"{row['protocol']}: {row['price']}, {row['side']}"}
             for row in curve.to_pylist()]
    x = alt.X("leverage:Q", scale=alt.Scale(type="log"))
    y = alt.Y("probability:Q", axis=alt.Axis(format=SHARE), title="probability of reaching the boundary")
    return alt.layer(
        alt.Chart(alt.Data(values=lines)).mark_line().encode(x=x, y=y, color=alt.Color("kind:N", title=None)),
        alt.Chart(alt.Data(values=points)).mark_circle().encode(
            x=x, y=y, tooltip=["protocol:N", "account:N", "boundary:N", "leverage:Q", "probability:Q"]))


def exceedance(alt: Any, paths: pa.Table, column: str | None = None) -> Any:
    """On which share of paths a column is at least so much. column: by default the first in USD that is not the same on all."""
    names = list(dict.fromkeys(one.column.name for one in declared(paths) if one.column.over and one.column.unit == USD))
    if column is not None and column not in names:
        raise InputError("unknown column", "plot", column, nearest(column, names))
    moving = [name for name in names if np.ptp(together(paths, name)) > 0.0]
    column = column or (moving or names)[0]
    values, w = together(paths, column), counted(paths)
    order = np.argsort(values, kind="stable")
    values, w = values[order], np.ones(len(order)) if w is None else w[order]
    share = np.cumsum(w[::-1])[::-1] / w.sum()
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).astype(int))
    rows = [{"value": float(values[i]), "share": float(share[i])} for i in at]
    return alt.Chart(alt.Data(values=rows)).mark_line(interpolate="step-before").encode(
        x=alt.X("value:Q", axis=alt.Axis(format=MONEY), title=f"{column.replace('_', ' ')} [USD]"),
        y=alt.Y("share:Q", axis=alt.Axis(format=SHARE), title="share of paths with at least so much"),
        tooltip=["value:Q", "share:Q"])


def intervals(alt: Any, differences: pa.Table, figures: Sequence[str]) -> Any:
    """A panel a figure: what each variant differs from the baseline, with its 95 % interval.

    figures: by default those that differ.
    """
    rows = [{key: row[key] for key in ("variant", "figure", "difference", "low", "high", "unit")}
            for row in differences.to_pylist()]
    there = list(dict.fromkeys(row["figure"] for row in rows))
    for name in figures:
        if name not in there:
            raise InputError("unknown figure", "plot", name, nearest(name, there))
    moved = [name for name in there if any(row["difference"] for row in rows if row["figure"] == name)]
    shown = list(figures) or (moved or there)[:PANELS]
    base = alt.Chart(alt.Data(values=[row for row in rows if row["figure"] in shown])).encode(
        y=alt.Y("variant:N", title=None), tooltip=["variant:N", "difference:Q", "low:Q", "high:Q", "unit:N"])
    drawn = alt.layer(base.mark_rule().encode(x=alt.X("low:Q", title="difference to the baseline"), x2="high:Q"),
                      base.mark_point(filled=True).encode(x="difference:Q"))
    return drawn.facet(row=alt.Row("figure:N", sort=shown, title=None)).resolve_scale(x="independent")


def over_fields(alt: Any, table: pa.Table, fields: Sequence[str], values: Sequence[Sequence[str]], figure: str | None = None
                ) -> Any:
    """A figure over one field as a line, over two as a map. figure: by default the first that moves."""
    rows = table.to_pylist()
    there = list(dict.fromkeys(row["figure"] for row in rows))
    if figure is not None and figure not in there:
        raise InputError("unknown figure", "plot", figure, nearest(figure, there))
    figure = figure or next((row["figure"] for row in rows if row["difference"]), there[0])
    short = {field: field.rpartition(".")[2] for field in fields}
    shown = [{**{f"field{i}": row[field] for i, field in enumerate(fields[:2])},
              **{key: row[key] for key in ("value", "difference", "low", "high")}} for row in rows if row["figure"] == figure]
    x = alt.X("field0:O", sort=list(values[0]), title=short[fields[0]])
    tooltip = ["value:Q", "difference:Q", "low:Q", "high:Q"]
    chart = alt.Chart(alt.Data(values=shown))
    if len(fields) == 1:
        return chart.mark_line(point=True).encode(x=x, y=alt.Y("value:Q", title=figure.replace("_", " ")), tooltip=tooltip)
    return chart.mark_rect().encode(x=x, y=alt.Y("field1:O", sort=list(values[1]), title=short[fields[1]]),
                                    color=alt.Color("value:Q", title=figure.replace("_", " ")), tooltip=tooltip)


def by_size(alt: Any, table: pa.Table) -> Any:
    """A panel a kind of thing that may be done: the smallest size of each that breaks a limit, with its interval."""
    rows = [{key: None if isinstance(row[key], float) and np.isnan(row[key]) else row[key]
             for key in ("by", "what", "size", "low", "high", "unit", "cost_usd")}
            for row in table.to_pylist() if row["size"] > 0.0]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("what:N", title=None), tooltip=["what:N", "size:Q", "unit:N", "low:Q", "high:Q", "cost_usd:Q"])
    size = alt.X("size:Q", scale=alt.Scale(type="log"), title="smallest size that breaks it")
    drawn = alt.layer(base.mark_rule().encode(x=alt.X("low:Q", scale=alt.Scale(type="log")), x2="high:Q"),
                      base.mark_point(filled=True).encode(x=size))
    return drawn.facet(row=alt.Row("by:N", title=None)).resolve_scale(x="independent", y="independent")

"""Whom it hinges on: risk figures without each of the largest owners, and the accounts nearest to their liquidation price."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.largest import BASELINE
from delever.report.html.figure import Figure, Given, html_table, pct, short, signed, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed

OF = ("shortfall", "seized_collateral")  # the first of them that is not nothing is shown
CHANGED = 0.05  # of the baseline
SHOWN = 240  # accounts of the table
AXIS_SPACE = 60  # below and above the rows [px]
HEADS = (
    ("account", 0),
    ("protocol", 0),
    ("position", 0),
    ("side", 0),
    ("worth, USD", 1),
    ("price, USD", 1),
    ("liquidation price, USD", 1),
    ("move until then", 1),
)


def concentration(given: Given) -> Figure | None:
    """The figure; none where nobody was left out, or nothing happens with everybody in."""
    if given.concentration is None or given.concentration.num_rows < 2:
        return None
    found = given.concentration.to_pylist()
    base = next(row for row in found if row["owner"] == BASELINE)
    of = next((name for name in OF if (base.get(name) or 0.0) > 0.0), None)
    if of is None:
        return None
    whole, said = float(base[of]), {"shortfall": "shortfall", "seized_collateral": "seized collateral"}[of]
    rows = [
        {
            "who": f"{short(row['owner'])} · {row['protocol']}",
            "usd": float(row[of]),
            "base": whole,
            "c": C["loss"] if abs(float(row[of]) - whole) > CHANGED * whole else C["mute"],
            "d": f"without {row['owner']}: mean {said} {usd(float(row[of]))} instead of {usd(whole)}",
        }
        for row in found
        if row["owner"] != BASELINE
    ]
    rows = sorted(rows, key=lambda row: float(str(row["usd"])))

    def make(narrow: bool) -> Any:
        alt = needed()
        order = [row["who"] for row in rows]
        y = alt.Y("who:N", sort=order, title=None, axis=None)
        x = alt.X(
            "usd:Q",
            title=f"mean {said} without this owner, USD",
            axis=alt.Axis(labelExpr=MONEY, tickCount=4),
            scale=alt.Scale(zero=True),
        )
        line = (
            chart(rows)
            .mark_rule(yOffset=7, strokeWidth=1.5, aria=False)
            .encode(y=y, x=x, x2="base:Q", color=alt.Color("c:N", scale=None))
        )
        dots = (
            chart(rows)
            .mark_point(filled=True, size=90, opacity=1, yOffset=7)
            .encode(y=y, x="usd:Q", color=alt.Color("c:N", scale=None), description="d:N")
        )
        level = chart([{"base": whole}]).mark_rule(strokeDash=[4, 3], aria=False).encode(x="base:Q")
        name = (
            chart([row | {"zero": 0.0} for row in rows]).mark_text(align="left", yOffset=-7).encode(y=y, x="zero:Q", text="who:N")
        )
        return alt.layer(level, line, dots, name).properties(height=34 * len(rows) + AXIS_SPACE)

    least = rows[0]
    moved = whole - float(str(least["usd"])) > CHANGED * whole
    title = (
        f"Without {str(least['who']).split(' · ')[0]}, the mean {said} falls from {usd(whole)} to {usd(float(str(least['usd'])))}"
        if moved
        else f"No single owner moves the mean {said} by more than {pct(CHANGED)}"
    )
    return Figure(
        "concentration",
        title,
        f"Mean {said} without each of the largest owners, USD; dashed: with everybody"
        + (f"; {given.sample}" if given.sample else ""),
        drawn(make),
        (
            ("Without", "all accounts of the owner are emptied; everybody else draws the same random numbers"),
            ("Large", "owes most, or has the largest positions"),
            ("Horizon", given.horizon),
            ("Source", "concentration.parquet"),
        ),
        html_table(given.concentration, "Largest owners"),
        (("loss", f"changes it by more than {pct(CHANGED)}", "dot"), ("mute", "does not", "dot")),
    )


def accounts(given: Given) -> tuple[str, int, int]:
    """(rows of the table, shown, of all): positions by how far their price is from liquidation, the nearest first."""
    table = given.positions
    if table is None or not table.num_rows:
        return "", 0, 0
    near = nearest(table)
    return "".join(map(account_row, near.slice(0, SHOWN).to_pylist())), min(near.num_rows, SHOWN), near.num_rows


def account_row(row: dict[str, Any]) -> str:
    """One position as a row of the table; data-v is what it is sorted by."""

    def number(value: float | None, text: str) -> str:
        return f'<td class="n" data-v="{value if value is not None else 0:.10g}">{escape(text)}</td>'

    move, price, worth = row["move"], row.get("price_usd"), row.get("value_usd")
    target = row.get("liquidation_price_usd")
    name = str(row["account"])
    return (
        f'<tr><td><code title="{escape(name, quote=True)}">{escape(short(name))}</code></td>'
        f"<td>{escape(str(row['protocol']))}</td>"
        f"<td>{escape(str(row['asset']))}</td><td>{escape(str(row['side']))}</td>"
        + number(worth, usd(float(worth), False) if worth is not None else "–")
        + number(price, f"{price:,.6g}" if price is not None else "–")
        + number(target, f"{target:,.6g}" if target is not None else "–")
        + number(move, signed(float(move)))
        + "</tr>"
    )


def nearest_of(positions: pa.Table | None) -> dict[str, Any] | None:
    """The position nearest to its liquidation price that is worth anything."""
    near = nearest(positions).slice(0, 1).to_pylist() if positions is not None and positions.num_rows else []
    return near[0] if near else None


def nearest(positions: pa.Table) -> pa.Table:
    """Those that the move of one price can bring to liquidation, the nearest first."""
    there = positions.filter(pc.is_valid(positions["move"]))
    return there.take(pa.array(np.argsort(np.abs(there["move"].to_numpy()), kind="stable")))

"""Does it feed on itself: how deep prices fell on their venues, and outside, path by path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from delever.report.html.figure import Figure, Given, html_table, pct, signed
from delever.report.html.theme import PERCENT, C, chart, drawn, needed
from delever.run.estimates import mean

LOWEST, OUTSIDE = "lowest.", "lowest_outside."
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
MATERIAL = 1e-4  # of a price: less is not shown
MOST = 10
AXIS_SPACE = 60  # below and above the rows [px]


def falls(given: Given) -> Figure | None:
    """The figure; none where no market fell deeper on its venues than outside."""
    found = []
    for name in given.run.paths.column_names:
        if name.startswith(LOWEST) and OUTSIDE + name.removeprefix(LOWEST) in given.run.paths.column_names:
            pair = name.removeprefix(LOWEST)
            inside, outside = (given.run.paths[one].to_numpy() for one in (name, OUTSIDE + pair))
            extra, low, _ = mean(outside - inside)
            if extra > MATERIAL:
                found.append((extra, low > 0.0, pair, np.quantile(inside, LEVELS), np.quantile(outside, LEVELS)))
    if not found:
        return None
    found = sorted(found, key=lambda one: -one[0])[:MOST]
    rows = []
    for _, _, pair, inside, outside in found:
        for q, colour, what, offset in ((inside, "loss", "on its venues", -7), (outside, "calm", "outside", 7)):
            rows.append(
                {
                    "pair": pair,
                    "c": C[colour],
                    "offset": offset,
                    **{f"q{i}": float(v) for i, v in enumerate(q)},
                    "d": f"{pair}, deepest fall {what}: median {signed(float(q[2]))}, 90 % of paths {signed(float(q[0]))} to "
                    f"{signed(float(q[4]))}",
                }
            )

    def make(narrow: bool) -> Any:
        alt = needed()
        order = [pair for _, _, pair, _, _ in found]
        x = alt.X(
            "q0:Q",
            title="deepest fall since the start",
            axis=alt.Axis(labelExpr="datum.value == 0 ? '0' : " + PERCENT, tickCount=5),
        )
        layers = []
        for offset in (-7, 7):
            mine = [row for row in rows if row["offset"] == offset]
            base = chart(mine)
            y, tint = alt.Y("pair:N", sort=order, title=None, axis=None), alt.Color("c:N", scale=None)
            layers += [
                base.mark_rule(strokeWidth=2, yOffset=offset + 4, aria=False).encode(y=y, x=x, x2="q4:Q", color=tint),
                base.mark_rule(strokeWidth=7, yOffset=offset + 4, opacity=0.45, aria=False).encode(
                    y=y, x="q1:Q", x2="q3:Q", color=tint
                ),
                base.mark_point(filled=True, size=70, opacity=1, yOffset=offset + 4).encode(
                    y=y, x="q2:Q", color=tint, description="d:N"
                ),
            ]
        name = (
            chart([{"pair": pair, "x": 0.0} for pair in order])
            .mark_text(align="right", yOffset=-18, fontWeight=600)
            .encode(y=alt.Y("pair:N", sort=order, axis=None), x="x:Q", text="pair:N")
        )
        return alt.layer(*layers, name).properties(height=54 * len(found) + AXIS_SPACE)

    extra, sure, pair, _, _ = found[0]
    table = pa.Table.from_pylist(
        [
            {"market": one, "extra_fall": more, "median_on_venues": float(a[2]), "median_outside": float(b[2])}
            for more, _, one, a, b in found
        ]
    )
    share = {"unit": "share"}
    table = table.cast(
        pa.schema([table.schema.field("market"), *(field.with_metadata(share) for field in list(table.schema)[1:])])
    )
    return Figure(
        "falls",
        f"Selling takes {pair} {pct(extra)} of its price deeper, on average, than the outside alone does"
        if sure
        else "No market is told apart from the outside: what sales did to prices is within sampling error",
        "Deepest fall of each market since the start: median (dot), middle half and 90 % of paths",
        drawn(make),
        (
            ("On its venues", "where liquidators, exchanges, owners and orders trade"),
            ("Outside", "the price that the scenario draws, were nobody to trade here"),
            ("Caution", "part of the difference may be orders and owners, not liquidations alone"),
            ("Horizon", given.horizon),
            ("Source", "paths.parquet"),
        ),
        html_table(table, "Deepest falls"),
        (("loss", "on its venues", "dot"), ("calm", "outside", "dot")),
    )

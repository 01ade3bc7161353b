"""Whom auto-deleveraging closed: mean haircut by account, the largest first."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.report.document import column, table_of
from delever.report.html.figure import Figure, Given, html_table, pct, short, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed

MOST = 12  # bars
AXIS_SPACE = 60  # below and above them [px]


def deleveraged(given: Given) -> Figure | None:
    """The figure; none where nobody was."""
    adl, paths = given.run.adl, given.run.paths.num_rows
    if not adl.num_columns or not adl.num_rows:
        return None
    keys = list(zip(adl["protocol"].to_pylist(), adl["account"].to_pylist(), strict=True))
    names = list(dict.fromkeys(keys))
    number = {key: i for i, key in enumerate(names)}
    at = np.array([number[key] for key in keys])
    haircut = np.bincount(at, adl["haircut"].to_numpy(), len(names)) / paths  # [accounts] mean over all paths, USD
    closed = np.bincount(at, adl["notional"].to_numpy(), len(names)) / paths
    hit = np.array([len(set(adl["path"].to_numpy()[at == i].tolist())) for i in range(len(names))]) / paths
    order = np.argsort(-haircut, kind="stable")
    whole = float(haircut.sum())
    rows: list[dict[str, Any]] = [
        {
            "who": f"{short(names[i][1])} · {names[i][0]}",
            "usd": float(haircut[i]),
            "c": C[given.colour[names[i][0]]],
            "d": f"{names[i][1]} on {names[i][0]}: {usd(float(haircut[i]))} taken, closed on {pct(float(hit[i]))} of paths",
        }
        for i in order[:MOST]
    ]

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("who:N", sort=[row["who"] for row in rows], title=None, axis=None)
        x = alt.X("usd:Q", title="mean haircut, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4), scale=alt.Scale(zero=True))
        bars = chart(rows).mark_bar(height=12, yOffset=7).encode(y=y, x=x, color=alt.Color("c:N", scale=None), description="d:N")
        name = (
            chart([row | {"zero": 0.0} for row in rows])
            .mark_text(align="left", yOffset=-8, fontWeight=600)
            .encode(y=y, x="zero:Q", text="who:N")
        )
        return alt.layer(bars, name).properties(height=36 * len(rows) + AXIS_SPACE)

    table = table_of(
        column("account", [names[i][1] for i in order]),
        column("protocol", [names[i][0] for i in order]),
        column("mean haircut", haircut[order].tolist(), "USD"),
        column("mean closed", closed[order].tolist(), "USD"),
        column("on paths", hit[order].tolist(), "share"),
    )
    first, share = names[order[0]], float(haircut[order[0]]) / whole if whole > 0.0 else 0.0
    title = (
        f"{short(first[1])} on {first[0]} bears {pct(share)} of what auto-deleveraging takes"
        if whole > 0.0
        else f"Auto-deleveraging closes {len(names):,} accounts and takes nothing from them"
    )
    return Figure(
        "deleveraged",
        title,
        f"Whom auto-deleveraging closed: mean haircut over all paths, USD; the {len(rows)} largest of {len(names):,}",
        drawn(make),
        (
            ("Haircut", "what the closing price took from the account, against the mark"),
            ("Below 0", "the account was closed at a better price than the mark"),
            ("Horizon", given.horizon),
            ("Paths", f"{paths:,}"),
            ("Source", "adl.parquet"),
        ),
        html_table(table, "Accounts that auto-deleveraging closed"),
    )

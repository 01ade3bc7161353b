"""Who pays: the mean loss by who bears it, with its interval."""

from __future__ import annotations

from typing import Any

from delever.report.html.figure import Figure, Given, html_table, pct, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed

MOST = 14  # bars
AXIS_SPACE = 60  # below and above them [px]


def who_pays(given: Given) -> Figure | None:
    """The figure; none where nothing is lost."""
    table = given.losses.table
    found = [row for row in table.to_pylist() if row["mean_usd"] > 0.0]
    if not found:
        return None
    found = sorted(found, key=lambda row: -float(row["mean_usd"]))[:MOST]
    whole = sum(float(row["mean_usd"]) for row in table.to_pylist())
    rows = [bar(given, row) for row in found]

    def make(narrow: bool) -> Any:
        alt = needed()
        order = [row["who"] for row in rows]
        y = alt.Y("who:N", sort=order, title=None, axis=None)
        x = alt.X("usd:Q", title="mean loss, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4), scale=alt.Scale(zero=True))
        bars = chart(rows).mark_bar(height=12, yOffset=7).encode(y=y, x=x, color=alt.Color("c:N", scale=None), description="d:N")
        line = chart(rows).mark_rule(strokeWidth=2, yOffset=7, aria=False).encode(y=y, x="low:Q", x2="high:Q")
        name = (
            chart([row | {"zero": 0.0} for row in rows])
            .mark_text(align="left", yOffset=-8, fontWeight=600)
            .encode(y=y, x="zero:Q", text="who:N")
        )
        return alt.layer(bars, line, name).properties(height=36 * len(rows) + AXIS_SPACE)

    first = found[0]
    return Figure(
        "who-pays",
        f"{pct(float(first['mean_usd']) / whole)} of the mean loss falls on {first['protocol']}: {first['who']}",
        "Mean loss over paths by who bears it, USD; line: 95 % interval",
        drawn(make),
        (
            ("Suppliers", "shortfall of a lending protocol that no layer of its default waterfall bore"),
            ("Nobody", "deficits of an exchange that no layer bore"),
            ("Not shown", "what borrowers and traders lose to penalties and prices"),
            ("Horizon", given.horizon),
            ("Interval", "sampling error of the mean alone"),
            ("Source", "paths.parquet"),
        ),
        html_table(table, "Who bears the loss"),
    )


def bar(given: Given, row: dict[str, Any]) -> dict[str, Any]:
    """What is drawn of one bearer."""
    mean, low, high = (float(row[name]) for name in ("mean_usd", "low_usd", "high_usd"))
    who = f"{row['protocol']}: {row['who']}"
    colour = "loss" if row["who"] == "nobody" else given.colour[row["protocol"]]
    return {
        "who": who,
        "usd": mean,
        "low": max(low, 0.0),
        "high": high,
        "c": C[colour],
        "d": f"{who}: {usd(mean)}, 95 % interval {usd(low)} to {usd(high)}",
    }

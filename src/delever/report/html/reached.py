"""Who reaches his boundary first: the accounts most probably liquidated within the horizon if nobody acts."""

from __future__ import annotations

from typing import Any

from delever.analysis.passage import FirstPassage, first_passage_of
from delever.analysis.passage_case import Asked
from delever.report.html.figure import Figure, Given, html_table, pct, plain, short, signed
from delever.report.html.theme import C, chart, drawn, needed
from delever.report.numbers import duration
from delever.report.passage import headline, nearest

PATHS, CELLS = 1000, 200_000  # at most: paths, and accounts x paths, of the part that is simulated
ROW, AXIS_SPACE = 34, 60  # [px]
SHARE = "replace(format(datum.value, '.3~p'), '%', '\u00a0%')"  # of a label of an axis
COLUMNS = ("protocol", "account", "boundary", "method", "asset", "leverage", "move", "debt_usd", "collateral_usd",
           "positions_usd", "probability", "low", "high", "time_if_reached")


def reached(given: Given) -> Figure | None:
    """The figure; none where nobody may reach his boundary."""
    model = given.run.model
    paths = min(model.world.scenario.paths, PATHS, max(1, CELLS // max(1, len(model.positions.accounts))))
    found = first_passage_of(model, Asked(paths=paths))
    shown = nearest(found.accounts)
    return figure(given, found, shown) if shown else None


def figure(given: Given, found: FirstPassage, shown: list[dict[str, Any]]) -> Figure:
    """Bars of probability, the most probable first."""
    rows = [bar(given, row) for row in shown]

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("at:O", sort=None, title=None, axis=None)
        top = min(1.0, 1.15 * max(max(row["p"], row["high"]) for row in rows))
        x = alt.X("p:Q", title="probability within the horizon", axis=alt.Axis(labelExpr=SHARE, tickCount=4 if narrow else 6),
                  scale=alt.Scale(domain=[0, top], nice=False))
        bars = chart(rows).mark_bar(height=10, yOffset=7).encode(y=y, x=x, color=alt.Color("c:N", scale=None), description="d:N")
        line = chart(rows).mark_rule(strokeWidth=2, yOffset=7, aria=False).encode(y=y, x="low:Q", x2="high:Q")
        name = chart([row | {"zero": 0.0} for row in rows]).mark_text(align="left", yOffset=-7).encode(
            y=y, x="zero:Q", text="brief:N" if narrow else "who:N")
        return alt.layer(bars, line, name).properties(height=ROW * len(rows) + AXIS_SPACE)

    table = found.accounts.select(COLUMNS).sort_by([("probability", "descending")])
    told = found.accounts["method"].to_pylist()
    return Figure(
        "reached",
        headline(found),
        f"Probability of reaching the liquidation boundary within {given.horizon}, if nobody acts; line: 95 % interval of "
        "simulated accounts",
        drawn(make),
        (
            ("Boundary", "health factor 1, or equity at its maintenance margin, looked at once a step"),
            ("Told by", f"closed form {told.count('closed form'):,}, simulated {told.count('simulated'):,} on the first "
                        f"{found.paths:,} price paths"),
            ("Leaves out", "sales and what they do to prices, top-ups, late oracles, funding"),
            *(("Not told", one) for one in found.said if "are left out: with" in one),
            ("Horizon", given.horizon),
            ("Source", "delever passage"),
        ),
        html_table(table, "First passage by account"),
    )


def bar(given: Given, row: dict[str, Any]) -> dict[str, Any]:
    """What is drawn of one account."""
    share = float(row["probability"])
    low, high = (share if row[key] is None else float(row[key]) for key in ("low", "high"))
    move = "now" if row["move"] is None else f"{row['asset']} {signed(row['move'])}"
    when = f", if so after {plain(duration(row['time_if_reached']))}" if row["time_if_reached"] else ""
    brief = f"{row['protocol']} {short(row['account'])}: {pct(share)}"
    return {"at": f"{row['protocol']} {row['account']}", "p": share, "low": low, "high": high,
            "c": C[given.colour[row["protocol"]]], "brief": brief, "who": f"{brief} ({move}{when})",
            "d": f"{row['protocol']} {row['account']}: {pct(share)}, {row['boundary']}, {row['method']}{when}"}

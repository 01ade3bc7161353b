"""What would be missing if all collateral had to be sold: owed beyond it at exit, at the market and by the oracles, by price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever.report.html.figure import Figure, Given, html_table, pct, signed, usd
from delever.report.html.theme import MONEY, PERCENT, C, chart, drawn, needed
from delever.report.html.walls import NOW, SAID
from delever.report.solvency import AT_EXIT

if TYPE_CHECKING:
    from delever.analysis import Solvency

PRICES = (("exit", "at exit prices", "loss", 2.5), ("market", "at the market's", "c2", 6.0),
          ("oracle", "by the oracles", "ink", 1.5))  # basis, words, colour, width: what is often one line is seen as two


def exits(given: Given) -> list[Figure]:
    """One an asset, where somebody would be short."""
    return [figure(asset, found) for asset, found in given.solvency.items() if any(found.totals["short_exit"].to_pylist())]


def figure(asset: str, found: Solvency) -> Figure:
    """Lines by move of the asset."""
    rows = sorted(found.totals.to_pylist(), key=lambda row: row["shock"])
    points = [{"x": row["shock"], "usd": -row[f"equity_{name}_usd"], "c": C[colour],
               "d": f"{asset} {signed(row['shock'])}: {usd(-row[f'equity_{name}_usd'])} short {words}"}
              for name, words, colour, _ in PRICES for row in rows]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("x:Q", title=f"move of {asset}", scale=alt.Scale(domain=[rows[0]["shock"], rows[-1]["shock"]], nice=False),
                  axis=alt.Axis(labelExpr=NOW + PERCENT, tickCount=5 if narrow else 7))
        y = alt.Y("usd:Q", title="short, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4), scale=alt.Scale(zero=True))
        colour = alt.Color("c:N", scale=None)
        lines = [chart([one for one in points if one["c"] == C[tint]]).mark_line(strokeWidth=wide, aria=False).encode(
            x=x, y=y, color=colour) for *_, tint, wide in PRICES]
        dots = chart(points).mark_point(size=50, filled=True).encode(x=x, y=y, color=colour, description="d:N")
        return alt.layer(*lines, dots).properties(height=210 if narrow else 240)

    at = min(rows, key=lambda row: abs(row["shock"] - SAID))
    part = at["hidden_debt_usd"] / at["debt_usd"] if at["debt_usd"] else 0.0
    hides = at["equity_market_usd"] - at["equity_exit_usd"]
    title = (f"If all who owe sold at once at {asset} {signed(at['shock'])}, {usd(-at['equity_exit_usd'])} of "
             f"{usd(at['debt_usd'])} owed would be short: {usd(hides)} of it by selling")
    return Figure(
        f"exits-{asset}", title, f"Owed beyond what stands against it by price of {asset}, all protocols, USD", drawn(make),
        (("At exit", AT_EXIT.removeprefix("At exit: ")),
         ("Leaves out", "owners who answer, outsiders who trade back, time: an upper bound"),
         ("Hidden", f"{at['hidden']:,} accounts with {pct(part)} of all debt: short at exit, not by the oracles"),
         ("Horizon", "none: an instant"),
         ("Source", f"delever solvency --asset {asset}")),
        html_table(found.table, f"Solvency by move of {asset}"),
        tuple((colour, words, "line") for _, words, colour, _ in PRICES))

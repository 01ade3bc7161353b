"""What would be missing if all collateral had to be sold: owed beyond it at exit, at the market and by the oracles, by price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isclose
from typing import TYPE_CHECKING, Any

from delever.analysis.solvency_tables import CENT
from delever.report.html.figure import Figure, Given, html_table, pct, signed, usd
from delever.report.html.theme import MONEY, PERCENT, C, chart, drawn, needed
from delever.report.html.walls import NOW, SAID, bad_debt
from delever.report.solvency import AT_EXIT

if TYPE_CHECKING:
    from delever.analysis import Solvency

PRICES = (("exit", "at exit prices", "loss", 2.5), ("market", "at the market's", "c2", 6.0),
          ("oracle", "by the oracles", "ink", 1.5))  # basis, words, colour, width: what is often one line is seen as two
SAME = 1e-9  # relative: differences that are rounding


def exits(given: Given) -> list[Figure]:
    """One an asset, where somebody would be short."""
    return [figure(given, asset, found) for asset, found in given.solvency.items()
            if any(found.totals["short_exit"].to_pylist())]


def figure(given: Given, asset: str, found: Solvency) -> Figure:
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
    now = min(rows, key=lambda row: abs(row["shock"]))
    part = at["hidden_debt_usd"] / at["debt_usd"] if at["debt_usd"] else 0.0
    hides = at["equity_market_usd"] - at["equity_exit_usd"]
    title = (f"If all who owe sold at once as much as they must at {asset} {signed(at['shock'])}, {usd(-at['equity_exit_usd'])} "
             f"of the {usd(at['debt_usd'])} owed would not be covered: {usd(hides)} of it because they sell")
    return Figure(
        f"exits-{asset}", title, f"Owed beyond what stands against it by price of {asset}, all protocols, USD", drawn(make),
        (("At exit", AT_EXIT.removeprefix("At exit: ")),
         ("Leaves out", "owners who answer, outsiders who trade back, time: an upper bound"),
         ("Hidden", f"{at['hidden']:,} accounts with {pct(part)} of all debt: short at exit, not by the oracles"),
         ("Owed", f"{usd(at['debt_usd'])} at {asset} {signed(at['shock'])}, {usd(now['debt_usd'])} now"),
         ("Horizon", "none: an instant"),
         ("Source", f"delever solvency --asset {asset}")),
        html_table(found.table, f"Solvency by move of {asset}"),
        tuple((colour, words, "line") for _, words, colour, _ in PRICES),
        tuple(bridge(given, asset, at)))


def bridge(given: Given, asset: str, at: Mapping[str, Any]) -> Iterator[str]:
    """From the wall's bad debt to what is short at exit, and to what the run lost: what each counts, and what lies between."""
    by_oracle, at_market, at_exit = (-float(at[f"equity_{name}_usd"]) for name, *_ in reversed(PRICES))
    shown = given.walls[asset].totals.to_pylist() if asset in given.walls else []
    bad = sum(bad_debt(row) for row in shown if isclose(row["shock"], at["shock"], abs_tol=SAME))
    same = isclose(bad, by_oracle, rel_tol=SAME, abs_tol=CENT)
    where = f"{asset} {signed(at['shock'])}"
    yield (f"{usd(by_oracle)}{' (the bad debt of the wall)' if same else ''} is owed at {where} beyond what stands against it at "
           f"the oracles’ prices, before anybody sells{'' if same else f'; the wall counts {usd(bad)} as bad debt'}.")
    if abs(at_market - by_oracle) >= 1.0:
        yield f"{more(at_market - by_oracle)} at the market’s prices instead of the oracles’."
    yield (f"{more(at_exit - at_market)} because all who owe sell at once as much as they must, and get less the more is sold: "
           f"{usd(at_exit)} in all.")
    yield (f"Beside them, the run lost {usd(given.losses.mean[0])} on average within {given.horizon}: its prices are the "
           "scenario’s, it sells no more than is liquidated, and time passes between sales.")


def more(change: float) -> str:
    """A change of USD in words."""
    return f"{usd(abs(change))} {'more' if change >= 0.0 else 'less'}"

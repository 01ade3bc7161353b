"""Which loan terms are beyond what oracles and venues bear: the highest collateral factor by cap, and what is exceeded."""

from __future__ import annotations

from typing import Any

from delever.analysis.limits import Limits, limits_of
from delever.report.html.figure import Figure, Given, html_table, pct
from delever.report.html.theme import C, chart, drawn, needed

LINES = ("c1", "c2", "c3", "alt", "c4")  # colours, one a collateral
SHARE = "replace(format(datum.value, '.0%'), '%', '\u00a0%')"  # of a label of an axis
MOST = 8  # findings that are told


def loan_terms(given: Given) -> Figure | None:
    """The figure; none where nobody lends, or nothing is collateral."""
    if not given.run.world.lending:
        return None
    found = limits_of(given.run.model)
    return figure(found) if found.factors.num_rows else None


def figure(found: Limits) -> Figure:
    """A line a collateral, the largest by what is supplied first."""
    names = list(dict.fromkeys((row["protocol"], row["asset"]) for row in found.factors.to_pylist()))[:len(LINES)]
    colour = {name: C[tint] for name, tint in zip(names, LINES, strict=False)}
    rows = [{"x": row["times"], "y": row["factor"], "c": colour[row["protocol"], row["asset"]], "stated": row["stated"],
             "d": f"{row['asset']} on {row['protocol']}, cap of {row['times']:g} times what is supplied: at most "
                  f"{pct(row['factor'])}, {pct(row['stated'])} stated"}
            for row in found.factors.to_pylist() if (row["protocol"], row["asset"]) in colour]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("x:Q", title="cap, times what is supplied now", scale=alt.Scale(type="log", base=2),
                  axis=alt.Axis(tickCount=5, labelExpr="'x ' + format(datum.value, '~g')"))
        y = alt.Y("y:Q", title="collateral factor", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(labelExpr=SHARE, tickCount=5))
        paint = alt.Color("c:N", scale=None)
        line = chart(rows).mark_line(strokeWidth=2, aria=False).encode(x=x, y=y, color=paint)
        dots = chart(rows).mark_point(size=50, filled=True).encode(x=x, y=y, color=paint, description="d:N")
        now = chart(rows).mark_line(strokeWidth=1, strokeDash=[4, 3], aria=False).encode(x=x, y="stated:Q", color=paint)
        return alt.layer(now, line, dots).properties(height=210 if narrow else 240)

    exceeded = [row for row in found.findings.to_pylist() if row["level"] != "ok"]
    return Figure(
        "loan-terms", title(found, exceeded),
        f"Highest collateral factor that leaves no bad debt by cap, {pct(found.share)} of it liquidated at once after "
        f"{found.shock.replace('-', '−') or 'no shock'}; dashed: as stated",
        drawn(make),
        (("Nothing is run", "terms beside delays and deviations of oracles, the spiral of a sale, and depth; not what owners do"),
         ("Assumption", f"{pct(found.share)} of a cap is liquidated at once; slippage may be what the incentive pays for"),
         ("Horizon", "none: an instant"), ("Source", "delever limits")),
        html_table(found.terms, "Terms of collateral, against oracles and spirals"),
        tuple((tint, f"{asset} on {protocol}", "line") for (protocol, asset), tint in zip(names, LINES, strict=False)),
        tuple(f"{row['where'].removeprefix('protocols.')}: {row['what']}. {row['value']}." for row in exceeded[:MOST]))


def title(found: Limits, exceeded: list[dict[str, Any]]) -> str:
    """What is counted."""
    of = len({row["where"] for row in exceeded})
    whole = found.terms.num_rows
    if not of:
        return f"None of {whole} terms of collateral is beyond what oracles and venues bear"
    return f"{of} of {whole} terms of collateral are beyond what oracles or venues bear" if of <= whole else (
        f"{of} terms and caps are beyond what oracles or venues bear")

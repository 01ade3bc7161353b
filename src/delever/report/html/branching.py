"""Does it feed on itself: the branching ratio n(p) at every price, above 1 where a forced sale forces a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever.report.criticality import rests_on
from delever.report.html.figure import Figure, Given, html_table, pct, signed, usd
from delever.report.html.theme import PERCENT, C, chart, drawn, needed
from delever.report.numbers import magnitude, price

if TYPE_CHECKING:
    from delever.analysis import Criticality

CUT = 6.0  # of the axis: what is above is cut, and says so


def branching(given: Given) -> list[Figure]:
    """One an asset of which forced sales are foreseen at some price."""
    return [figure(asset, found) for asset, found in given.criticality.items() if highest(found) > 0.0]


def highest(found: Criticality) -> float:
    """The largest n."""
    return max((float(n) for n in found.levels["n"].to_pylist() if n is not None), default=0.0)


def figure(asset: str, found: Criticality) -> Figure:
    """n by price of one asset."""
    levels = found.levels.to_pylist()
    edges = [float(row["shock"]) for row in levels]
    top = min(max(highest(found) * 1.1, 1.2), CUT)
    rows = [
        {"a": a, "b": b, "n": min(float(row["n"]), top), "over": float(row["n"]) > 1.0,
         "d": f"{asset} {signed(a)} to {signed(b)}: n = {float(row['n']):.3g}"}
        for row, a, b in zip(levels, edges, edges[1:], strict=False) if row["n"] is not None
    ]  # fmt: skip

    def make(narrow: bool) -> Any:
        alt = needed()
        label = "abs(datum.value) < 1e-9 ? 'now' : " + PERCENT
        axis = alt.Axis(title=f"move of {asset}", labelExpr=label, tickCount=5 if narrow else 9)
        x = alt.X("a:Q", scale=alt.Scale(domain=[min(edges), max(edges)], nice=False), axis=axis)
        y = alt.Y(
            "n:Q", title="n, USD sold by force for each USD sold", scale=alt.Scale(domain=[0, top]), axis=alt.Axis(tickCount=5)
        )
        tint = alt.condition("datum.over", alt.value(C["loss"]), alt.value(C["calm"]))
        bars = chart(rows).mark_rect().encode(x=x, x2="b:Q", y=y, y2=alt.datum(0), color=tint, description="d:N")
        one = chart([{"n": 1.0}]).mark_rule(strokeWidth=1.5, aria=False).encode(y="n:Q")
        return alt.layer(bars, one).properties(height=210 if narrow else 240)

    cut = (
        [("Cut", f"at {top:.3g}; the highest bar is {magnitude(highest(found))} (see the table)")] if highest(found) > top else []
    )
    return Figure(
        f"branching-{asset}",
        title(asset, found),
        f"Branching ratio n by price of {asset}: USD sold by force for each USD that is sold by force there",
        drawn(make),
        (
            ("n", "forced sale per further unit of fall x fall per unit sold; above 1 a sale forces a larger one"),
            ("Rests on", rests_on(found).replace(" -", " −")),
            ("Leaves out", "outside buyers who come back, owners who answer, late oracles: an upper bound"),
            *cut,
            *([("Steps", f"{pct(abs(edges[1] - edges[0]))} of the price")] if len(edges) > 1 else []),
            ("Horizon", "none: who is due is called at once"),
            ("Source", f"delever criticality --asset {asset}"),
        ),
        html_table(found.levels, f"Branching ratio of {asset}"),
        (("loss", "n > 1: selling feeds on itself", "solid"), ("calm", "n at most 1", "solid"), ("ink", "n = 1", "line")),
    )


def title(asset: str, found: Criticality) -> str:
    """From where on n is above 1, on how many stretches, and at which price one USD sold forces most; all read off the levels."""
    top = max((row for row in found.levels.to_pylist() if row["n"] is not None), key=lambda row: float(row["n"]))
    at = f"{asset} {signed(float(top['shock']))} ({price(float(top['price_usd']))}\u00a0USD)"
    if not found.runs.num_rows:
        return f"Selling does not feed on itself: 1\u00a0USD sold by force forces at most {usd(float(top['n']))} more, at {at}"
    first, count = float(found.runs["from"][0].as_py()), found.runs.num_rows
    where = "on one stretch of prices" if count == 1 else f"on {count} stretches of prices"
    return (f"From {asset} {signed(first)} on, selling feeds on itself {where}; most at {at}, where 1\u00a0USD sold by force "
            f"forces {usd(float(top['n']))} more")

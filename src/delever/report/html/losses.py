"""What each path lost: every path a bar, so that nobody has to trust a bin; above some hundreds, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.report.document import column, table_of
from delever.report.html.figure import Figure, Given, html_table, pct, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed

AS_BARS = 300  # paths that are drawn one by one
NOTHING = 1.0  # a loss below is none [USD]
BESIDE = 0.35  # of the paths, above which the mean is written
GAP = 0.08  # of a bar


def losses(given: Given) -> Figure:
    """The figure."""
    total = given.losses.total
    var, tail, mean = given.losses.var[0], given.losses.expected_shortfall[0], given.losses.mean[0]
    order = np.argsort(total, kind="stable")
    shown = order if len(order) <= AS_BARS else order[np.round(np.linspace(0, len(order) - 1, AS_BARS)).astype(int)]
    place = np.searchsorted(total[order], total[shown], side="left") / len(order)
    count, one = len(shown), "a path" if len(shown) == len(order) else f"one path of {len(order):,} in {AS_BARS}"
    rows = [
        {
            "a": (i + GAP) / count,
            "b": (i + 1 - GAP) / count,
            "usd": float(total[p]),
            "zero": 0.0,
            "tail": bool(total[p] >= var > 0),
            "d": f"path {p}: loss {usd(float(total[p]))}, more than {pct(float(at))} of paths",
        }
        for i, (p, at) in enumerate(zip(shown, place, strict=True))
    ]
    top = max(float(total.max()) * 1.24, 1.0)
    low = float(np.quantile(total, BESIDE)) < mean  # there is room on the line

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X(
            "a:Q",
            title="paths, from the smallest loss to the largest",
            scale=alt.Scale(domain=[0, 1], nice=False),
            axis=alt.Axis(labelExpr="replace(format(datum.value, '.0%'), '%', '\u00a0%')", tickCount=5),
        )
        y = alt.Y("zero:Q", title="USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4), scale=alt.Scale(domain=[0, top]))
        tint = alt.condition("datum.tail", alt.value(C["loss"]), alt.value(C["c1"]))
        bars = chart(rows).mark_rect().encode(x=x, x2="b:Q", y=y, y2="usd:Q", color=tint, description="d:N")
        level = chart([{"usd": mean}]).mark_rule(strokeDash=[4, 3], aria=False).encode(y="usd:Q")
        name = (
            chart([{"usd": mean if low else top * 0.985, "a": 0.005, "t": f"mean {usd(mean)}{'' if low else ', dashed'}"}])
            .mark_text(align="left", baseline="bottom" if low else "top", dy=-4 if low else 0, fontWeight=600)
            .encode(x=x, y="usd:Q", text="t:N")
        )
        at = chart([{"a": 0.95}]).mark_rule(strokeDash=[2, 3], aria=False).encode(x="a:Q")
        below = top * (0.985 - (0.11 if narrow else 0.1))
        told = (
            chart(
                [
                    {"a": 0.945, "usd": top * 0.985, "t": f"VaR 95 % {usd(var)}"},
                    {"a": 0.945, "usd": below, "t": f"ES 5 % {usd(tail)}"},
                ]
            )
            .mark_text(align="right", fontWeight=600, baseline="top")
            .encode(x="a:Q", y="usd:Q", text="t:N")
        )
        return alt.layer(bars, level, name, at, told).properties(height=210 if narrow else 240)

    kept = order[::-1]
    data = table_of(column("path", kept.tolist()), column("loss", total[kept].tolist(), "USD"))
    return Figure(
        "losses",
        _title(total, mean),
        f"Loss of each path within {given.horizon}, USD; a bar is {one}",
        drawn(make),
        (
            (
                "Loss",
                "lending: shortfall, i.e. debt written off or owed beyond the collateral; exchanges: what the layers of the "
                "default waterfall bore, and what nobody did",
            ),
            ("VaR 95 %", "the smallest loss that at least 95 % of paths do not exceed"),
            ("ES 5 %", "mean of the worst 5 % of paths"),
            ("Horizon", given.horizon),
            ("Paths", f"{len(total):,}, seed {given.run.world.scenario.seed}"),
            ("Source", "paths.parquet"),
        ),
        html_table(data, "Loss by path, the largest first"),
        (("c1", one, "solid"), ("loss", "at or beyond the VaR", "solid")),
    )


def _title(total: np.ndarray, mean: float) -> str:
    """What the distribution says: nothing lost, nearly all of it on few paths, or spread out. A share counted, not inferred."""
    hit, count = int((total > NOTHING).sum()), len(total)
    if hit == 0:
        return f"Nothing is lost on any of {count:,} paths"
    if hit == count:
        return f"Every path loses something; half of them more than {usd(float(np.median(total)))}"
    ordered = np.sort(total)[::-1]
    half = int(np.searchsorted(np.cumsum(ordered), 0.5 * ordered.sum())) + 1
    if half <= 0.1 * count:
        worst = (
            f"the worst {half:,} bear half of all that is lost"
            if half > 1
            else "the worst bears at least half of all that is lost"
        )
        return f"{hit:,} of {count:,} paths lose something; {worst}"
    each = usd(float(total[total > NOTHING].mean()))
    return f"{hit:,} of {count:,} paths lose something, {each} on average; the mean over all is {usd(mean)}"

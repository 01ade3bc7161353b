"""What breaks at which price: the wall of an asset, liquidatable now and eligible besides apart, and bad debt."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from delever.report.html.figure import Figure, Given, html_table, pct, signed, usd
from delever.report.html.theme import MONEY, PALE, PERCENT, C, chart, drawn, needed

if TYPE_CHECKING:
    from delever.analysis import Wall

SAID = -0.3  # the shock that titles speak of, or the one nearest to it
NOW = "abs(datum.value) < 1e-9 ? 'now' : "


def walls(given: Given) -> list[Figure]:
    """One an asset."""
    return [figure(given, asset, found) for asset, found in given.walls.items()]


def figure(given: Given, asset: str, found: Wall) -> Figure:
    """The wall of one asset."""
    rows = found.totals.to_pylist()
    shocks = sorted({float(row["shock"]) for row in rows})
    step = min((b - a for a, b in pairwise(shocks)), default=0.05)
    bars, bad = stacked(given, asset, rows, step), beyond(asset, rows)
    top = max((row["y1"] for row in bars), default=1.0) * 1.08 or 1.0
    start = next(float(row["price_usd"]) / (1.0 + float(row["move"])) for row in found.moves.to_pylist() if row["move"] > -1.0)
    low, high = shocks[0] - step / 2, shocks[-1] + step / 2

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X(
            "x0:Q",
            scale=alt.Scale(domain=[low, high], nice=False),
            axis=alt.Axis(labelExpr=NOW + PERCENT, tickCount=5 if narrow else 9, title=f"move of {asset}"),
        )
        y = alt.Y("y0:Q", title="USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4), scale=alt.Scale(domain=[0, top]))
        drawn_bars = (
            chart(bars)
            .mark_rect(stroke=None)
            .encode(
                x=x,
                x2="x1:Q",
                y=y,
                y2="y1:Q",
                color=alt.Color("c:N", scale=None),
                opacity=alt.Opacity("o:Q", scale=None),
                description="d:N",
            )
        )
        line = chart(bad).mark_line(color=C["loss"], strokeWidth=2.5, aria=False).encode(x="x:Q", y="usd:Q")
        dots = (
            chart(bad).mark_point(color=C["loss"], opacity=0, size=90, filled=True).encode(x="x:Q", y="usd:Q", description="d:N")
        )
        now = chart([{"x": 0.0}]).mark_rule(strokeDash=[4, 3], aria=False).encode(x="x:Q")
        tag = (
            chart([{"x": 0.0, "usd": top, "t": f"now {start:,.6g} USD"}])
            .mark_text(align="right", dx=-5, dy=2, baseline="top", fontWeight=600)
            .encode(x="x:Q", y="usd:Q", text="t:N")
        )
        return alt.layer(drawn_bars, line, dots, now, tag).properties(height=250 if narrow else 300)

    legend = [(given.colour[name], name, "solid") for name in dict.fromkeys(row["protocol"] for row in rows)]
    return Figure(
        f"wall-{asset}",
        title(asset, rows, shocks),
        f"Debt of loans and size of positions that a move of {asset} alone puts below their threshold, USD",
        drawn(make),
        (
            (
                "Solid",
                "liquidatable now: what one call per account may repay under the protocol's rules; of an exchange, positions of "
                "accounts below maintenance",
            ),
            ("Pale", "eligible besides: the rest of what those accounts owe"),
            ("Line", "bad debt: what accounts owe beyond all of their collateral, and equity below zero"),
            ("Assumes", "every oracle sees the move at once; nobody trades, sells or tops up"),
            ("Horizon", "none: an instant"),
            ("Source", f"delever wall --asset {asset}"),
        ),
        html_table(found.totals, f"Wall of {asset}"),
        (*legend, ("mute", "eligible besides", "pale"), ("loss", "bad debt", "line")),
    )


def stacked(given: Given, asset: str, rows: list[dict[str, Any]], step: float) -> list[dict[str, Any]]:
    """Rectangles: of each shock the protocols one above the other, what is liquidatable now below what is eligible besides."""
    out: list[dict[str, Any]] = []
    height: dict[float, float] = {}
    for row in rows:
        x, name = float(row["shock"]), str(row["protocol"])
        for value, opacity, what in parts(row):
            if value <= 0.0:
                continue
            below = height.get(x, 0.0)
            height[x] = below + value
            out.append(
                {
                    "x0": x - 0.42 * step,
                    "x1": x + 0.42 * step,
                    "y0": below,
                    "y1": below + value,
                    "c": C[given.colour[name]],
                    "o": opacity,
                    "d": f"{asset} {signed(x)}: {name}, {what}: {usd(value)}",
                }
            )
    return out


def parts(row: Mapping[str, Any]) -> list[tuple[float, float, str]]:
    """(USD, opacity, what it is) of one protocol at one shock."""
    if row.get("positions_usd") is not None:
        return [(float(row["positions_usd"]), 1.0, "positions below maintenance")]
    now, whole = float(row["liquidatable_debt_usd"] or 0.0), float(row["eligible_debt_usd"] or 0.0)
    return [(now, 1.0, "liquidatable now"), (whole - now, PALE, "eligible, not liquidatable now")]


def beyond(asset: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bad debt by shock, over all protocols."""
    total: dict[float, float] = {}
    for row in rows:
        total[float(row["shock"])] = total.get(float(row["shock"]), 0.0) + bad_debt(row)
    return [{"x": x, "usd": value, "d": f"{asset} {signed(x)}: bad debt {usd(value)}"} for x, value in sorted(total.items())]


def bad_debt(row: Mapping[str, Any]) -> float:
    """Of one protocol at one shock [USD]."""
    return float(row.get("bad_debt_usd") or 0.0) + float(row.get("shortfall_usd") or 0.0)


def reached(row: Mapping[str, Any]) -> float:
    """Debt or positions below their threshold [USD]."""
    return sum(value for value, _, _ in parts(row))


def title(asset: str, rows: list[dict[str, Any]], shocks: list[float]) -> str:
    """What the shock nearest to -30 % reaches, and how much of it is bad debt; both read off the wall."""
    at = min(shocks, key=lambda x: abs(x - SAID))
    mine = [row for row in rows if row["shock"] == at]
    whole, bad = sum(map(reached, mine)), sum(map(bad_debt, mine))
    if whole <= 0.0:
        return f"A fall of {asset} by {pct(-at)} alone reaches nobody"
    return f"If {asset} alone falls by {pct(-at)}, {usd(whole)} is within reach" + (
        f", {usd(bad)} of it bad debt" if bad >= 1.0 else "; none of it is bad debt yet"
    )

"""What breaks at which price: the wall of an asset, liquidatable now and eligible besides apart, and bad debt."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from delever.report.html.figure import Figure, Given, html_table, pct, signed, usd
from delever.report.html.theme import MONEY, PALE, PERCENT, C, Make, chart, drawn, needed

if TYPE_CHECKING:
    from delever.analysis import Wall

SAID = -0.3  # the shock that titles speak of, or the one nearest to it
SHOWN = 1.0  # bad debt below is none [USD]
NOW = "abs(datum.value) < 1e-9 ? 'now' : "


def walls(given: Given) -> list[Figure]:
    """One an asset."""
    return [figure(given, asset, found) for asset, found in given.walls.items()]


def figure(given: Given, asset: str, found: Wall) -> Figure:
    """The wall of one asset, and below it bad debt on an axis of its own: beside the wall it would not be seen."""
    rows = found.totals.to_pylist()
    shocks = sorted({float(row["shock"]) for row in rows})
    step = min((b - a for a, b in pairwise(shocks)), default=0.05)
    start = next(float(row["price_usd"]) / (1.0 + float(row["move"])) for row in found.moves.to_pylist() if row["move"] > -1.0)
    bars, bad = stacked(given, asset, rows, step), [row for row in beyond(asset, rows, step) if row["usd"] >= SHOWN]
    ends = (shocks[0] - step / 2, shocks[-1] + step / 2)
    return Figure(
        f"wall-{asset}",
        title(asset, rows, shocks),
        f"Debt of loans and size of positions that a move of {asset} alone puts below their threshold, USD"
        + ("; below it bad debt" if bad else ""),
        drawn(wall(asset, bars, start, ends)) + (drawn(panel(asset, bad, ends)) if bad else ""),
        (
            (
                "Solid",
                "liquidatable now: what one call per account may repay under the protocol's rules; of an exchange, positions of "
                "accounts below maintenance",
            ),
            ("Pale", "eligible besides: the rest of what those accounts owe"),
            ("Bad debt", "what accounts owe beyond all of their collateral, and equity below zero; part of what is within reach"),
            ("Assumes", "every oracle sees the move at once; nobody trades, sells or tops up"),
            ("Horizon", "none: an instant"),
            ("Source", f"delever wall --asset {asset}"),
        ),
        html_table(found.totals, f"Wall of {asset}"),
        legend(given, bars),
    )


def wall(asset: str, bars: list[dict[str, Any]], start: float, ends: tuple[float, float]) -> Make:
    """The stacked bars. start: price today [USD]; ends: of the axis."""
    top = max((row["y1"] for row in bars), default=1.0) * 1.08 or 1.0

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("y0:Q", title="USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4), scale=alt.Scale(domain=[0, top]))
        rects = chart(bars).mark_rect(stroke=None).encode(
            x=moves(asset, ends, narrow), x2="x1:Q", y=y, y2="y1:Q", color=alt.Color("c:N", scale=None),
            opacity=alt.Opacity("o:Q", scale=None), description="d:N")
        now = chart([{"x": 0.0}]).mark_rule(strokeDash=[4, 3], aria=False).encode(x="x:Q")
        tag = chart([{"x": 0.0, "usd": top, "t": f"now {start:,.6g} USD"}]).mark_text(
            align="right", dx=-5, dy=2, baseline="top", fontWeight=600).encode(x="x:Q", y="usd:Q", text="t:N")
        return alt.layer(rects, now, tag).properties(height=250 if narrow else 300)

    return make


def panel(asset: str, bad: list[dict[str, Any]], ends: tuple[float, float]) -> Make:
    """Bad debt, its figure on each bar; on a narrow page on every other one, that of the title among them."""
    top = 1.3 * max(row["usd"] for row in bad)

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("zero:Q", title="bad debt, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=2), scale=alt.Scale(domain=[0, top]))
        rects = chart(bad).mark_rect(color=C["loss"]).encode(x=moves(asset, ends, narrow), x2="x1:Q", y=y, y2="usd:Q",
                                                             description="d:N")
        told = chart([row for row in bad if row["told"] or not narrow]).mark_text(align="left", dy=-7).encode(
            x="x0:Q", y="usd:Q", text="t:N")
        return alt.layer(rects, told).properties(height=120)

    return make


def moves(asset: str, ends: tuple[float, float], narrow: bool) -> Any:
    """The axis of moves."""
    alt = needed()
    return alt.X("x0:Q", scale=alt.Scale(domain=list(ends), nice=False),
                 axis=alt.Axis(labelExpr=NOW + PERCENT, tickCount=5 if narrow else 9, title=f"move of {asset}"))


def legend(given: Given, bars: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Each protocol in its colour; pale as it is drawn, in the colour of the first that has any."""
    names = list(dict.fromkeys(row["protocol"] for row in bars))
    pale = next((row["protocol"] for row in bars if row["o"] == PALE), None)
    said = "pale: eligible besides" if len(names) > 1 else "eligible besides"
    return [*((given.colour[name], f"{name}: liquidatable now" if len(names) == 1 and pale else name, "solid")
              for name in names), *([(given.colour[pale], said, "pale")] if pale else [])]


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
                    "protocol": name,
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


def beyond(asset: str, rows: list[dict[str, Any]], step: float) -> list[dict[str, Any]]:
    """Bad debt by shock, over all protocols."""
    total: dict[float, float] = {}
    for row in rows:
        total[float(row["shock"])] = total.get(float(row["shock"]), 0.0) + bad_debt(row)
    return [{"x0": x - 0.42 * step, "x1": x + 0.42 * step, "zero": 0.0, "usd": value, "t": usd(value, False),
             "told": round((x - SAID) / step) % 2 == 0, "d": f"{asset} {signed(x)}: bad debt {usd(value)}"}
            for x, value in sorted(total.items())]


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

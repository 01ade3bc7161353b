"""How prices went on all paths: median, middle half and 90 % over time; of the market, and of it without forced selling.

Without: the twin's market, in which nobody is liquidated, where one is kept beside the run; else the outside price, were nobody
to trade here at all. Title: the lowest median of the market over time, and what the other stands at then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from delever.report.document import column, table_of
from delever.report.html.figure import Figure, Given, html_table, plain
from delever.report.html.theme import C, chart, drawn, needed
from delever.report.numbers import moment
from delever.run.price_fans import WITHIN, price_quantiles

MOST = 3  # figures
TOLD = 0.01  # a difference of medians worth saying, share of the price
LOW = 0.0025  # within which of its lowest a median has come to it, share of the price
Q = ("q05", "q25", "q50", "q75", "q95")
HOURS = 6.0  # longest horizon that is told in minutes


class Fan(NamedTuple):
    """One series over time: times [s], and each quantile."""

    time: list[float]
    q: dict[str, list[float]]

    def at(self, i: int) -> float:
        """The median."""
        return self.q["q50"][i]


def fans(given: Given) -> list[Figure]:
    """Markets that moved, those first whose median differs most from what it is without."""
    known = split(given.run.price_quantiles)
    twin = split(price_quantiles(given.twin.prices)) if given.twin is not None else {}
    found = []
    for series, one in known.items():
        kind, _, pair = series.partition(".")
        if kind != "price" or max(one.q["q95"]) <= min(one.q["q05"]) * (1.0 + TOLD):
            continue
        without = twin.get(series) or known.get(f"outside.{pair}")
        both = zip(without.q["q50"], one.q["q50"], strict=True) if without else ()
        gap = max((abs(b / a - 1.0) for a, b in both), default=0.0)
        fall = 1.0 - min(one.q["q50"]) / one.at(0)
        found.append((gap if gap > TOLD else 0.0, fall, pair, one, without))
    found.sort(key=lambda one: (-one[0], -one[1]))
    return [figure(given, pair, one, without, feeds_of(given, pair, known)) for _, _, pair, one, without in found[:MOST]]


def split(table: pa.Table) -> dict[str, Fan]:
    """Quantiles by series."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["series"], []).append(row)
    return {name: Fan([row["time"] for row in mine], {q: [row[q] for row in mine] for q in Q}) for name, mine in rows.items()}


def feeds_of(given: Given, pair: str, known: dict[str, Fan]) -> dict[str, Fan]:
    """Stated feeds that answer for a pair."""
    oracles = given.run.model.oracles
    return {name: known[f"feed.{name}"] for name, spec in zip(oracles.names, oracles.specs, strict=True)
            if spec.of == pair.partition("@")[0] and f"feed.{name}" in known}


def figure(given: Given, pair: str, one: Fan, without: Fan | None, feeds: dict[str, Fan]) -> Figure:
    """The fan of one market."""
    quote, exact = pair.partition("@")[0].partition("/")[2], given.twin is not None
    scale, unit = (60.0, "minutes") if one.time[-1] <= 3600.0 * HOURS else (3600.0, "hours")
    other = "with nobody liquidated" if exact else "outside"
    shown = [(one, "loss", "market"), *([(without, "calm", other)] if without else [])]
    rows = [row for fan, colour, what in shown for row in band(fan, colour, what, quote, scale)]
    lines = [{"t": t / scale, "y": y, "of": name} for name, fan in feeds.items()
             for t, y in zip(fan.time, fan.q["q50"], strict=True)]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("t:Q", title=f"{unit} since the start", axis=alt.Axis(tickCount=5 if narrow else 8),
                  scale=alt.Scale(domain=[0, one.time[-1] / scale], nice=False))
        y = alt.Y("q05:Q", title=quote, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=False, nice=True))
        layers = []
        for i, (_, colour, what) in enumerate(shown):
            mine = chart([row for row in rows if row["what"] == what])
            pale = 0.16 if i == 0 else 0.2
            layers += [mine.mark_area(opacity=pale, color=C[colour], aria=False).encode(x=x, y=y, y2="q95:Q"),
                       mine.mark_area(opacity=pale + 0.1, color=C[colour], aria=False).encode(x=x, y="q25:Q", y2="q75:Q")]
        if lines:
            layers.append(chart(lines).mark_line(color=C["ink"], strokeDash=[4, 3], strokeWidth=1.2, aria=False
                                                 ).encode(x=x, y="y:Q", detail="of:N"))
        for _, colour, what in reversed(shown):
            mine = chart([row for row in rows if row["what"] == what])
            layers += [mine.mark_line(color=C[colour], strokeWidth=2.2, aria=False).encode(x=x, y="q50:Q"),
                       mine.mark_point(color=C[colour], opacity=0, size=70, filled=True).encode(
                           x=x, y="q50:Q", description="d:N")]
        return alt.layer(*layers).properties(height=210 if narrow else 260)

    legend = [("loss", "market: median, middle half, 90 %", "solid"), *([("calm", other, "solid")] if without else []),
              *([("ink", "dashed: median of the feed " + ", ".join(feeds), "line")] if feeds else [])]
    return Figure(
        f"fan-{pair}", title(pair, quote, one, without, exact),
        f"{pair} on its venues, {quote}: median (line), middle half and 90 % of all {given.run.paths.num_rows:,} paths (bands)",
        drawn(make), notes(given, exact, bool(without), bool(feeds)),
        html_table(data(one, without, other, quote), f"Quantiles of {pair}"), legend)


def band(fan: Fan, colour: str, what: str, quote: str, scale: float) -> list[dict[str, Any]]:
    """What is drawn of one series."""
    rows = []
    for i, t in enumerate(fan.time):
        q = {name: fan.q[name][i] for name in Q}
        said = f"{what} after {moment(t)}" if t else f"{what} at the start"
        rows.append({"t": t / scale, **q, "what": what, "c": C[colour],
                     "d": f"{said}: median {price(q['q50'])} {quote}, 90 % of paths {price(q['q05'])} to {price(q['q95'])}"})
    return rows


def title(pair: str, quote: str, one: Fan, without: Fan | None, exact: bool) -> str:
    """The lowest median, when it first comes near it, and what the other stands at then."""
    least = min(one.q["q50"])
    low = next(i for i in range(len(one.time)) if one.at(i) <= least * (1.0 + LOW))
    if one.at(low) >= one.at(0) * (1.0 - TOLD):
        last = [plain(price(one.q[q][-1])) for q in ("q05", "q95")]
        return f"The median of {pair} does not fall; in the end 90\u00a0% of paths stand at {last[0]} to {last[1]}\u00a0{quote}"
    said = f"The median of {pair} falls to {plain(price(one.at(low)))}\u00a0{quote} after {plain(moment(one.time[low]))}"
    if without is None:
        return said
    there = without.at(low)
    if abs(there / one.at(low) - 1.0) <= TOLD:
        return f"{said}, {'as it does with nobody liquidated' if exact else 'as outside'}"
    return f"{said}; {'with nobody liquidated' if exact else 'outside'} it stands at {plain(price(there))} then"


def notes(given: Given, exact: bool, without: bool, feeds: bool) -> Sequence[tuple[str, str]]:
    """What must be said about it."""
    rows = [("Bands", "of each moment by itself, at 48 of them: no path need run along them")]
    if without and exact:
        rows.append(("Nobody liquidated", "the same paths with every protocol spared; the gap is what liquidations make"))
    elif without:
        rows.append(("Outside", "the price that the scenario draws, were nobody to trade here; part of the gap may be orders "
                     "and owners, not liquidations alone: delever twin tells them apart"))
    if feeds:
        rows.append(("Dashed", "what the oracle's feed last answered, median"))
    return (*rows, ("Axis", "does not begin at 0"), ("Prices", f"to within {100 * WITHIN:.2f}\u00a0%"),
            ("Horizon", given.horizon), ("Paths", f"{given.run.paths.num_rows:,}, all of them"), ("Source", "prices.parquet"))


def price(value: float) -> str:
    """Four digits, of which the last is sure to within one: 1,366; 0.9981; 36,100."""
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000.0 else f"{rounded:.4g}"


def data(one: Fan, without: Fan | None, other: str, quote: str) -> pa.Table:
    """The numbers."""
    heads = {"q05": "5 %", "q25": "25 %", "q50": "median", "q75": "75 %", "q95": "95 %"}

    def text(values: list[float]) -> list[str]:
        return [price(value) for value in values]

    columns = [column("after", [moment(t) for t in one.time], right=True)]
    columns += [column(f"{heads[q]} [{quote}]", text(one.q[q]), right=True) for q in Q]
    if without is not None:
        columns += [column(f"{other}: {heads[q]}", text(without.q[q]), right=True) for q in ("q05", "q50", "q95")]
    return table_of(*columns)

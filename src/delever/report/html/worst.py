"""How it goes: the worst path, step by step. Price where most is sold, what is liquidated when, and sentences with causes.

Title: what the path loses, how long most of its liquidations take, and the share that earlier liquidations of a step led to; all
counted on the one path. Sentences: the first liquidation, the largest ones, and for each layer the first time that it bears
something or cannot serve in full, in the order of time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.analysis.worst import Worst
from delever.report.document import column, table_of
from delever.report.html.fans import price
from delever.report.html.figure import Figure, Given, html_table, pct, plain, short, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed
from delever.report.numbers import duration, moment
from delever.run.recorder import CALL, DELEVERAGED, DRY, WATERFALL

LARGEST = 8  # liquidations that are told
BINS = 60  # of the bars
MARGIN = 0.4  # of the time that most takes, before and after it
LEAST_STEPS = 8  # on each side
ROWS = 300  # of the table
LINES = ("path", "step", "time")


def worst_path(given: Given) -> Figure | None:
    """The figure; none where nothing is liquidated on any path."""
    found = given.worst
    if found is None or found.liquidated <= 0.0:
        return None
    rows, window = found.rows.to_pylist(), window_of(given, found)
    pair, quote = market_of(given, found, rows)
    scale, unit = (60.0, "minutes") if window[1] - window[0] <= 6.0 * 3600.0 else (3600.0, "hours")
    svg = drawn(prices(given, found, pair, quote, window, scale, unit)) + drawn(bars(given, found, rows, window, scale, unit))
    seen = seen_of(given, found, pair, quote)
    legend = [("loss", f"{pair}: market", "line"), ("calm", "outside", "line"),
              *([("ink", f"dashed: as {seen.split('.')[1]} sees it", "line")] if seen else []),
              *((given.colour[name], f"liquidated on {name}", "solid") for name in given.run.world.protocols
                if any(rows[i]["protocol"] == name for i in found.forced))]
    return Figure(
        "worst", title(found),
        f"Path {found.path} of {given.run.paths.num_rows:,}: {pair}, {quote}; below it what is liquidated, USD",
        svg, notes(given, found, rows), table(given, rows, window), legend, steps(given, found, rows))


def title(found: Worst) -> str:
    """What is counted on the path."""
    first, last = found.span
    took = f"within {plain(duration(last - first))}" if last > first else "in one block"
    lost = f"loses {usd(found.loss)}" if found.loss >= 1.0 else "loses nothing"
    said = f"The worst path ({found.path}) {lost}: most of {usd(found.liquidated)} is liquidated {took}"
    return f"{said}, {pct(found.followed)} of it led to by earlier liquidations" if found.followed > 0.0 else said


def window_of(given: Given, found: Worst) -> tuple[float, float]:
    """What is drawn [s]: from before the first of what is liquidated to after most of it."""
    first, last = found.span
    more = max(MARGIN * (last - first), LEAST_STEPS * given.run.model.step_length)
    return max(first - more, 0.0), min(last + more, given.run.world.scenario.horizon)


def market_of(given: Given, found: Worst, rows: list[dict[str, Any]]) -> tuple[str, str]:
    """(pair, quote) of the market of what most is liquidated of; of what wraps another, the other's."""
    of: dict[str, float] = {}
    for i in found.forced:
        row = rows[i]
        name = (row["gives"] or row["gets"]) if row["kind"] == CALL else row["gets"]
        of[name] = of.get(name, 0.0) + float(row["usd"])
    assets, name = given.run.world.assets, max(of, key=lambda one: of[one])
    while name in assets and assets[name].wraps is not None:
        name = assets[name].below
    pairs = [pair for pair in given.run.model.layout.rows if pair.partition("/")[0] == name]
    pair = pairs[0] if pairs else given.run.model.layout.rows[0]
    return pair, pair.partition("@")[0].partition("/")[2]


def seen_of(given: Given, found: Worst, pair: str, quote: str) -> str:
    """The column of the trace that says how a protocol with liquidations sees the pair; empty: none counts in its quote."""
    hit = dict.fromkeys(found.rows["protocol"][i].as_py() for i in found.forced)
    named = (f"seen.{name}.{pair.partition('/')[0]}" for name in hit if given.run.world.protocols[name].unit == quote)
    return next((name for name in named if name in found.trace.column_names), "")


def prices(given: Given, found: Worst, pair: str, quote: str, window: tuple[float, float], scale: float, unit: str) -> Any:
    """The market, the outside, and what the protocol sees."""
    trace = found.trace
    names = [(f"outside.{pair}", "calm", "outside"), (f"price.{pair}", "loss", "market")]
    seen = seen_of(given, found, pair, quote)
    if seen:
        names.append((seen, "ink", f"as {seen.split('.')[1]} sees it"))
    time = trace["time"].to_numpy()
    inside = (time >= window[0]) & (time <= window[1])
    rows = [{"t": float(t) / scale, "y": float(y), "c": C[colour], "of": what,
             "d": f"{what} after {moment(float(t))}: {price(float(y))} {quote}"}
            for name, colour, what in names for t, y in zip(time[inside], trace[name].to_numpy()[inside], strict=True)]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("t:Q", title=None, axis=alt.Axis(tickCount=5 if narrow else 8, labels=False),
                  scale=alt.Scale(domain=[w / scale for w in window], nice=False))
        y = alt.Y("y:Q", title=quote, axis=alt.Axis(tickCount=4), scale=alt.Scale(zero=False))
        layers = []
        for _, colour, what in names:
            mine = chart([row for row in rows if row["of"] == what])
            dash: dict[str, Any] = {"strokeDash": [4, 3], "interpolate": "step-after"} if colour == "ink" else {}
            layers.append(mine.mark_line(color=C[colour], strokeWidth=1.4 if dash else 2.2, aria=False, **dash).encode(x=x, y=y))
        layers.append(chart([row for row in rows if row["of"] == "market"]).mark_point(
            color=C["loss"], opacity=0, size=60, filled=True).encode(x=x, y=y, description="d:N"))
        return alt.layer(*layers).properties(height=150 if narrow else 180)

    return make


def bars(given: Given, found: Worst, rows: list[dict[str, Any]], window: tuple[float, float], scale: float, unit: str) -> Any:
    """What is liquidated, stacked by protocol."""
    edges = np.linspace(*window, BINS + 1)
    whole, drawn_rows = np.zeros(BINS), []
    for name in given.run.world.protocols:
        mine = [i for i in found.forced if rows[i]["protocol"] == name]
        usd_in = np.histogram([rows[i]["time"] for i in mine], edges, weights=[float(rows[i]["usd"]) for i in mine])[0]
        for b in np.flatnonzero(usd_in > 0.0).tolist():
            drawn_rows.append({"a": edges[b] / scale, "b": edges[b + 1] / scale, "y0": float(whole[b]),
                               "y1": float(whole[b] + usd_in[b]), "c": C[given.colour[name]],
                               "d": f"from {moment(float(edges[b]))} on: {usd(float(usd_in[b]))} on {name}"})
        whole += usd_in
    marks = [{"t": time / scale} for _, _, time in found.dry if window[0] <= time <= window[1]]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X("a:Q", title=f"{unit} since the start", axis=alt.Axis(tickCount=5 if narrow else 8),
                  scale=alt.Scale(domain=[w / scale for w in window], nice=False))
        y = alt.Y("y0:Q", title="liquidated, USD", axis=alt.Axis(labelExpr=MONEY, tickCount=3))
        layers = [chart(drawn_rows).mark_rect().encode(x=x, x2="b:Q", y=y, y2="y1:Q", color=alt.Color("c:N", scale=None),
                                                       description="d:N")]
        if marks:
            layers.append(chart(marks).mark_rule(strokeDash=[2, 3], aria=False).encode(x="t:Q"))
        return alt.layer(*layers).properties(height=120 if narrow else 140)

    return make


# --- in words ------------------------------------------------------------------------------------------------------------


def said(row: dict[str, Any]) -> str:
    """What happened."""
    about, protocol = short(str(row["about"])), row["protocol"]
    if row["actor"] == WATERFALL:
        layer = str(row["kind"]).replace("_", " ")
        return (f"the {layer} of {protocol} cannot serve in full" if row["outcome"] == DRY
                else f"the {layer} of {protocol} bears {usd(row['usd'])}")
    if row["kind"] == "oracle":
        return f"{row['about']} answers {price(float(row['price']))}"
    if row["kind"] == CALL:
        asset = row["gives"] or row["gets"]
        return f"{protocol} calls {about}: {usd(row['usd'])} of {asset} at a mark of {price(float(row['price']))}"
    if row["kind"] == DELEVERAGED:
        return f"{protocol} closes the winner {about}: {usd(row['usd'])} of {row['gives']}, {usd(row['kept'])} of it taken"
    what = str(row["kind"]).replace("_", " ")
    return f"{row['actor']}: {what}{f' of {about}' if about else ''}{f' on {protocol}' if protocol else ''}, " + (
        f"{usd(row['usd'])} of {row['gets']}" if row["gets"] else str(row["outcome"]))


def named(row: dict[str, Any]) -> str:
    """It as a cause."""
    if row["kind"] == "oracle":
        return f"{row['about']} had answered {price(float(row['price']))}"
    if row["kind"] == CALL:
        return f"{row['protocol']} had called {short(str(row['about']))}"
    return f"{str(row['kind']).replace('_', ' ')}{' of ' + short(str(row['about'])) if row['about'] else ''} moved a price"


def because(rows: list[dict[str, Any]], row: dict[str, Any]) -> str:
    """In words, and of an answer what had moved it; what nothing led to, the outside."""
    if row["because"] is None:
        return "by outside prices and events"
    before = rows[row["because"] - 1]
    further = "" if before["kind"] != "oracle" or before["because"] is None else f", after {named(rows[before['because'] - 1])}"
    return f"because {named(before)}{further}"


def steps(given: Given, found: Worst, rows: list[dict[str, Any]]) -> list[str]:
    """Sentences."""
    largest = sorted(found.forced, key=lambda i: -float(rows[i]["usd"]))[:LARGEST]
    layers: dict[tuple[str, str, bool], int] = {}
    for i, row in enumerate(rows):
        if row["actor"] == WATERFALL:
            layers.setdefault((row["protocol"], row["kind"], row["outcome"] == DRY), i)
    first_adl = [i for i, row in enumerate(rows) if row["kind"] == DELEVERAGED][:1]
    chosen = sorted({found.forced[0], *largest, *layers.values(), *first_adl})
    return [f"{moment(rows[i]['time'])}: {said(rows[i])}, {because(rows, rows[i])}" for i in chosen]


def notes(given: Given, found: Worst, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What must be said about it."""
    count: dict[str, int] = {}
    for row in rows:
        count[row["outcome"]] = count.get(row["outcome"], 0) + 1
    out = [("Worst", "the path with the largest loss; where nothing is lost, with most liquidated"),
           ("Most", "all but the first and the last 5 % of it"),
           ("Over the path", ", ".join(f"{n:,} {name}" for name, n in count.items())),
           ("Led to by earlier ones", "a liquidation stands in the chain of what moved a price or an answer before it in its "
            "step; over longer times nothing is counted: a lower bound")]
    if found.dry:
        said_dry = (f"{kind.replace('_', ' ')} of {protocol} from {moment(time)} on" for protocol, kind, time in found.dry)
        out.append(("Could not serve in full", "; ".join(said_dry) + ", dotted"))
    feeds = [name for name in found.trace.column_names if name.startswith("age.") and name[4:] in given.run.world.feeds]
    if feeds:
        age, name = max((float(np.max(found.trace[name].to_numpy())), name) for name in feeds)
        out.append(("Oldest answer", f"{name.removeprefix('age.')}, {duration(age)} at the end of a step"))
    return [*out, ("Horizon", given.horizon),
            ("Source", f"delever replay RUN --path {found.path}, whose numbers also count what waited")]


def table(given: Given, rows: list[dict[str, Any]], window: tuple[float, float]) -> str:
    """Its rows, those that did something."""
    shown = [row for row in rows if row["outcome"] in ("executed", DRY) and window[0] <= row["time"] <= window[1]][:ROWS]
    return html_table(table_of(
        column("event", [row["event"] for row in shown]), column("after", [moment(row["time"]) for row in shown], right=True),
        column("what", [said(row) for row in shown]), column("worth", [row["usd"] for row in shown], "USD"),
        column("because of event", [row["because"] for row in shown])),
        f"What was executed, from {moment(window[0])} to {moment(window[1])}, at most {ROWS} rows")

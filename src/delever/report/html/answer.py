"""The answer: a headline with a number, what decides it, and the cards; each sentence by a rule stated here.

headline    nothing lost on any path, or the mean loss with how many paths lose anything (both counted)
decides     the owner without whom the mean falls most, if by more than a twentieth; else the position nearest to liquidation
setting     what happens by script, what is owed, how many inputs are measured
cards       the same figures as the tables, with their 95 % intervals; red where the lower end is above nothing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever.analysis.largest import exposure
from delever.report.html.figure import Card, Figure, Given, pct, short, signed, usd
from delever.report.html.hinges import CHANGED, OF, accounts_of, named, sample
from delever.report.html.losses import NOTHING
from delever.report.html.walls import SAID, bad_debt, reached
from delever.report.numbers import magnitude, moment

if TYPE_CHECKING:
    from delever.analysis import Criticality

FIRST = (
    "probability_of_any_bad_debt",
    "probability_of_shortfall",
    "lar",
    "seized_collateral",
    "cascade_length",
    "liquidations",
    "liquidator_profit",
)  # figures that make cards, in this order, where the run has them
MOST = 8  # cards
BAD = frozenset({"probability_of_any_bad_debt", "probability_of_shortfall"})
ONES = frozenset({"", "1", "count"})


def headline(given: Given) -> str:
    """One sentence with a number."""
    total = given.losses.total
    count, hit = len(total), int((total > NOTHING).sum())
    if hit == 0:
        seized = figures(given).get("seized_collateral", {}).get("value") or 0.0
        rest = f"; {usd(float(seized))} of collateral is seized on average" if seized > 0.0 else ""
        return f"No loss on any of {count:,} paths within {given.horizon}{rest}"
    mean, low, high = given.losses.mean
    if mean < NOTHING:
        return f"Nothing to speak of is lost within {given.horizon}: less than {usd(NOTHING)} on average over {count:,} paths"
    within = f", 95 % interval {usd(max(low, 0.0), False)} to {usd(high)}" if low == low else ""
    who = "every path loses" if hit == count else f"{hit:,} of {count:,} paths lose anything"
    return f"{usd(mean)} lost on average within {given.horizon}{within}; {who}"


def decides(given: Given) -> str:
    """Whom or what it hinges on."""
    said = _owner(given)
    if given.near[0]:
        near = given.near[0][0]
        move = float(near["move"])
        nearest = (
            f"The position nearest to liquidation is {near['asset']} of {short(str(near['account']))} on {near['protocol']} "
            f"({usd(float(near['value_usd']))}): it can be called once its price has moved by {signed(move)}."
        )
        return f"{said} {nearest}" if said else nearest
    return said or "Nobody of the book can be brought to liquidation by the move of a single price."


def _owner(given: Given) -> str:
    """The owner without whom the mean falls most."""
    if given.concentration is None or given.concentration.num_rows < 2:
        return ""
    rows: list[dict[str, Any]] = given.concentration.to_pylist()
    of = next((name for name in OF if (rows[0].get(name) or 0.0) > 0.0), None)
    if of is None:
        return ""
    base, least = float(rows[0][of]), min(rows[1:], key=lambda row: float(row[of]))
    what, on, name = of.replace("_", " "), sample(given, of), str(least["owner"])
    if base - float(least[of]) <= CHANGED * base:
        return f"No single owner moves the mean {what} by more than {pct(CHANGED)}{on}."
    who = named(name, str(least["protocol"]), accounts_of(given).get(name, []))
    return (f"Of the largest owners one decides most: without {who} the mean {what} falls from {usd(base)} to "
            f"{usd(float(least[of]))}{on}.")


def setting(given: Given, stated: pa.Table) -> str:
    """What happens by script, what is owed, and of what kind the inputs are: without these the headline says little."""
    world = given.run.world
    told = [f"{moves_of(event)} after {moment(getattr(event, 'at', 0.0))}" for event in world.scenario.events]
    script = f"By script: {'; '.join(told)}; besides, outside prices move" if told else "By script: nothing; outside prices move"
    held = "owed" if not world.exchanges else "in positions" if not world.lending else "owed or in positions"
    kinds = stated["kind"].to_pylist()
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    none = "" if "measured" in kinds else "; nothing is measured"
    whole = usd(float(exposure(given.run.model).sum()))
    return f"{script}. {whole} are {held} at the start. Of {len(kinds)} inputs {counts}{none}."


def moves_of(event: Any) -> str:
    """What an event does to prices; else its kind."""
    change = getattr(event, "change", None)
    if type(event).kind != "price" or not change:
        return str(type(event).kind)
    return ", ".join(f"{name} {signed(float(by))}" for name, by in change.items())


def brief(given: Given, found: Mapping[str, Sequence[Figure]], stated: pa.Table) -> list[tuple[str, str]]:
    """The rest of the page that is printed first: what was asked, and the finding of each section; what is assumed, counted."""
    events = given.run.world.scenario.events
    asked = "events: " + ", ".join(type(event).kind for event in events) if events else "no event: outside prices alone"
    rows = [("Asked", f"{given.horizon}, {given.run.paths.num_rows:,} paths; {asked}")]
    for term, section in (("Breaks", "price"), ("Feeds", "feedback"), ("Goes", "course"), ("Pays", "bearers"),
                          ("Infects", "infects"), ("Hinges on", "hinges")):
        rows += [(term, found[section][0].title)] if found.get(section) else []
    if given.comparison is not None:
        rows.append(("Changes it", ", ".join(given.comparison.labels)))
    kinds = stated["kind"].to_pylist()
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    return [*rows, ("Assumed", f"of {len(kinds)} inputs {counts}; see What is assumed")]


def figures(given: Given) -> dict[str, dict[str, Any]]:
    """Rows of the summary by name."""
    return {str(row["figure"]): row for row in given.run.summary.to_pylist()}


def cards(given: Given) -> list[Card]:
    """Loss first, then the wall, then the run's own figures."""
    losses = given.losses
    out = [
        _money("Mean loss", losses.mean, "mean over paths of what is lost, lending and exchanges together"),
        _money("VaR (95 %)", losses.var, "the smallest loss that at least 95 % of paths do not exceed"),
    ]
    for asset, found in list(given.walls.items())[:1]:
        shocks = sorted({float(row["shock"]) for row in found.totals.to_pylist()}, key=lambda x: abs(x - SAID))
        mine = [row for row in found.totals.to_pylist() if row["shock"] == shocks[0]]
        out.append(
            Card(
                f"In reach at {asset} {signed(shocks[0])}",
                usd(sum(map(reached, mine))),
                f"bad debt {usd(sum(map(bad_debt, mine)))}",
                "debt and positions below their threshold; an instant, nobody sells",
                "USD",
            )
        )
    out += [_ratio(asset, found) for asset, found in given.criticality.items()]
    rows = figures(given)
    out += [_row(rows[name]) for name in FIRST if name in rows]
    return out[:MOST]


def _ratio(asset: str, found: Criticality) -> Card:
    """The highest branching ratio, and where."""
    rows = [row for row in found.levels.to_pylist() if row["n"] is not None]
    top = max(rows, key=lambda row: float(row["n"]))
    n, many = float(top["n"]), int(top["accounts"] or 0)
    whom = f"{many:,} account{'' if many == 1 else 's'}"
    return Card(
        f"Feeds on itself at {asset} {signed(float(top['shock']))}" if n > 1.0 else "Does not feed on itself",
        f"n = {magnitude(n)}",
        f"there 1\u00a0USD sold by force forces {usd(n)} more; rests on {whom}" if n > 0.0 else "nothing is sold by force",
        "branching ratio where it is highest; above 1 a forced sale forces a larger one; an upper bound",
        "ratio",
        n > 1.0,
    )


def _money(label: str, estimate: tuple[float, float, float], definition: str) -> Card:
    value, low, high = estimate
    return Card(label, usd(value), between(max(low, 0.0), high, "USD"), definition, "USD", low > 0.0)  # no loss is below nothing


def _row(row: dict[str, Any]) -> Card:
    label = str(row["label"] or str(row["figure"]).replace("_", " "))
    value, unit = float(row["value"]), str(row["unit"])
    low = float("nan") if row["low"] is None else float(row["low"])
    high = float("nan") if row["high"] is None else float(row["high"])
    return Card(
        label[:1].upper() + label[1:],
        said(value, unit),
        between(low, high, unit),
        str(row["definition"]),
        unit,
        row["figure"] in BAD and low > 0.0,
    )


def said(value: float, unit: str) -> str:
    """A value with its unit."""
    if value != value:
        return "–"
    if unit == "share":
        return pct(value)
    text = usd(value, False)
    return text if unit in ONES else f"{text}\u00a0{unit.removesuffix('s') if text == '1' else unit}"


def between(low: float, high: float, unit: str) -> str:
    """An interval; open ends are said."""
    if low != low and high != high:
        return "no interval: too few paths"
    if high != high:
        return f"at least {said(low, unit)}"
    if low != low:
        return f"at most {said(high, unit)}"
    return f"{said(low, unit)} to {said(high, unit)}"

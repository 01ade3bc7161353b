"""First passage in words and tables: the book first, then who is nearest, what moves it, and what leverage does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import NONE, duration, human, magnitude, percent, signed_percent

if TYPE_CHECKING:
    from delever.analysis import FirstPassage

REACHED = (
    "An account reaches its boundary when at the end of some step its health factor is below 1, or its equity below its "
    "maintenance margin. Amounts are all that such accounts have now, at the prices of now; how much one call takes is less."
)
HOW = (
    "Closed form: it hangs on one log price that is normal (of one asset, or of two against each other), which first falls so "
    "far by the reflection principle; the boundary lies 0.5826 standard deviations of a step farther away, for the engine looks "
    "once a step (Broadie, Glasserman, Kou 1997). Simulated: on the scenario's own price paths, with a 95 % interval."
)
GREEKS = (
    "Change of the probability, in points: when this asset's price is 1 % higher, by how much that change itself changes, and "
    "when all volatilities are 1 % of themselves higher. Of simulated accounts by differences on the same draws (estimate)."
)
ASSUMED = (
    "Assumptions: nobody acts, so nothing is sold or topped up and no sale moves a price; every oracle sees each price at the "
    "end of its step, but fixed ones; terms stay; funding is left out. For what selling adds: delever stress."
)
SHOWN = 12  # accounts
LEVELS = (1e-4, 1e-3, 0.01, 0.1, 0.5)  # probabilities at which a curve is read
MOMENTS = 6
RARE = 1e-6  # probability that is not told apart from none


def headline(result: FirstPassage) -> str:
    """The finding, a sentence with numbers."""
    rows = {row["what"]: row for row in result.book.to_pylist() if row["protocol"] == "all"}
    accounts, within = rows["accounts"], duration(result.horizon)
    if not accounts["whole"]:
        return f"No account hangs on the price of {result.asset}" if result.asset else "No account hangs on outside prices alone"
    many = f"{between(accounts)} of {accounts['whole']:,.0f} accounts are expected to reach their boundary"
    amounts = [f"{between(rows[what])} USD of {what}" for what in ("debt", "positions") if rows[what]["whole"]]
    now = f", {accounts['now']:,.0f} of them are there now" if accounts["now"] else ""
    return f"{many} within {within}{now}" + (f": {' and '.join(amounts)}" if amounts else "")


def between(row: dict[str, Any]) -> str:
    """What is expected, and its interval where it is one: "9.7 (9.3 to 10.1)"."""
    low, high = row["low"], row["high"]
    if low is None:
        return f"about {magnitude(row['expected'])}"
    ends = (magnitude(max(low, row["now"])), magnitude(min(high, row["whole"])))
    return magnitude(row["expected"]) + ("" if ends[0] == ends[1] else f" ({ends[0]} to {ends[1]})")


def passage_report(name: str, result: FirstPassage) -> Report:
    """For people."""
    there = any(row["whole"] for row in result.book.to_pylist())
    sections: list[Section | Remarks] = [_book(result)] if there else []
    near = nearest(result.accounts)
    sections += [_accounts(near, result), _greeks(near)] if near else []
    sections += [_bands(result)] if result.leverage.num_rows else []
    sections += [_curve(result)] if result.curve.num_rows else []
    sections += [_times(result)] if there else []
    if result.said:
        sections.append(Remarks("To know", tuple(Remark("", f"{text[0].upper()}{text[1:]}.") for text in result.said)))
    of = f": {result.asset}" if result.asset else ""
    return Report(f"First passage in {name}, {duration(result.horizon)}{of}", tuple(sections), (REACHED, HOW, ASSUMED),
                  headline(result))


def nearest(accounts: pa.Table) -> list[dict[str, Any]]:
    """Accounts that may reach their boundary, the most probable first, of equals the largest."""
    size = pc.add(accounts["debt_usd"], accounts["positions_usd"])
    some = accounts.append_column("size_usd", size).filter(pc.greater_equal(accounts["probability"], RARE))
    found: list[dict[str, Any]] = some.sort_by([("probability", "descending"), ("size_usd", "descending")])[:SHOWN].to_pylist()
    return found


def _book(result: FirstPassage) -> Section:
    rows = result.book.to_pylist()
    protocols = {row["protocol"] for row in rows}
    shown = [row for row in rows if row["whole"] and (row["protocol"] != "all" or len(protocols) > 2)]
    columns = [column("protocol", [row["protocol"] for row in shown]), column("what", [row["what"] for row in shown])]
    labels = {"whole": "all of it", "now": "there now", "q50": "median", "q95": "95 %", "q99": "99 %"}
    columns += [column("expected", [between(row) for row in shown], right=True)]
    columns += [column(label, [magnitude(row[key]) for row in shown], right=True) for key, label in labels.items()]
    told = result.accounts["method"].to_pylist()
    notes = (f"accounts in closed form: {told.count('closed form'):,}, simulated: {told.count('simulated'):,}, on "
             f"{result.paths:,} price paths, of which the quantiles are; in brackets: 95 % interval",
             *(("collateral of margin accounts: their equity",) if any(row["what"] == "positions" for row in shown) else ()))
    return Section("What of the book reaches its boundary", table_of(*columns), notes, keys=2)


def _accounts(rows: list[dict[str, Any]], result: FirstPassage) -> Section:
    def interval(row: dict[str, Any]) -> str:
        return NONE if row["low"] is None else f"{percent(row['low'])} to {percent(row['high'])}"

    columns = [
        column("account", [row["account"] for row in rows]), column("protocol", [row["protocol"] for row in rows]),
        column("probability", [chance(row["probability"]) for row in rows], right=True),
        column("interval", [interval(row) for row in rows], right=True),
        column("if so, after", [human(row["time_if_reached"], "s") for row in rows], right=True),
        column("leverage", [human(row["leverage"]) for row in rows], right=True),
        column("asset", [row["asset"] for row in rows]),
        column("moves", [NONE if row["move"] is None else signed_percent(row["move"]) for row in rows], right=True),
        column("hangs on", [row["boundary"] for row in rows]), column("told by", [row["method"] for row in rows]),
        column("size", [row["size_usd"] for row in rows], "USD")]
    rest = result.accounts.num_rows - len(rows)
    notes = ("if so, after: expected time if it is reached; moves: of this price alone, until then; size: debt, or positions",)
    return Section("Who reaches it first", table_of(*columns),
                   (*notes, *((f"{rest:,} more accounts; --csv FILE and --json hold all",) if rest else ())))


def _greeks(rows: list[dict[str, Any]]) -> Section:
    shown = [row for row in rows if row["delta"] is not None and row["method"] != "none needed"]

    def points(key: str, factor: float) -> list[str]:
        return [NONE if row[key] is None else _points(row[key] * factor) for row in shown]

    return Section("What moves the probability", table_of(
        column("account", [row["account"] for row in shown]), column("asset", [row["asset"] for row in shown]),
        column("probability", [percent(row["probability"]) for row in shown], right=True),
        column("price +1 %", points("delta", 0.01), right=True), column("bend of that", points("gamma", 1e-4), right=True),
        column("volatility +1 %", points("vega", 0.01), right=True)), (GREEKS,), keys=2)


def chance(share: float) -> str:
    """A probability; what is below a millionth is said to be so."""
    return "< 0.0001 %" if 0.0 < share < RARE else percent(share)


def _points(share: float) -> str:
    """A change of a share, in points."""
    return f"{'+' if share > 0.0 else ''}{magnitude(100.0 * share)}"


def _bands(result: FirstPassage) -> Section:
    rows = result.leverage.to_pylist()
    columns = [
        column("protocol", [row["protocol"] for row in rows]),
        column("leverage", [f"{row['from']:g} to {row['to']:g}" if row["to"] else f"{row['from']:g} and more" for row in rows]),
        column("accounts", [row["accounts"] for row in rows]), column("size", [row["size_usd"] for row in rows], "USD"),
        column("distance", [NONE if row["distance"] is None else percent(row["distance"]) for row in rows], right=True),
        column("probability", [chance(row["probability"]) for row in rows], right=True),
        column("times the band below", [human(row["multiple"]) for row in rows], right=True)]
    notes = ("distance: median move of the price until liquidation; probability: mean, by size",)
    return Section("By leverage", table_of(*columns), notes, keys=2)


def _curve(result: FirstPassage) -> Section:
    rows = read_at(result.curve)
    columns = [
        column("protocol", [row["protocol"] for row in rows]), column("price", [row["price"] for row in rows]),
        column("side", [row["side"] for row in rows]),
        column("leverage", [magnitude(row["leverage"]) for row in rows], right=True),
        column("moves", [signed_percent(row["move"]) for row in rows], right=True),
        column("probability", [chance(row["probability"]) for row in rows], right=True),
        column("elasticity", [magnitude(row["elasticity"]) for row in rows], right=True),
        column("doubles with", [NONE if row["doubles_with"] is None else signed_percent(row["doubles_with"]) for row in rows],
               right=True)]
    notes = ("at the scenario's volatility, without its events; terms are the median of such accounts",
             "elasticity: per cent by which 1 % more leverage raises the probability; doubles with: so much more leverage")
    return Section("Convexity of ruin", table_of(*columns), notes, keys=3)


def read_at(curve: pa.Table) -> list[dict[str, Any]]:
    """Of each kind the rows nearest to a few probabilities."""
    rows, found = curve.to_pylist(), list[dict[str, Any]]()
    for kind in dict.fromkeys((row["protocol"], row["price"], row["side"]) for row in rows):
        mine = [row for row in rows if (row["protocol"], row["price"], row["side"]) == kind]
        share = np.array([row["probability"] for row in mine])
        picked = [mine[int(np.abs(share / level - 1.0).argmin())] for level in LEVELS]
        found += list({row["leverage"]: row for row in picked}.values())
    return found


def _times(result: FirstPassage) -> Section:
    rows = result.times.to_pylist()
    rows = rows[::-1][:: -(-len(rows) // MOMENTS)][::-1]
    columns = [column("by", [duration(row["time"]) for row in rows]),
               column("accounts", [magnitude(row["accounts"]) for row in rows], right=True)]
    columns += [column(key.removesuffix("_usd"), [row[key] for row in rows], "USD")
                for key in ("debt_usd", "collateral_usd", "positions_usd") if any(row[key] for row in rows)]
    columns += [column("5 % to 95 % of paths", [f"{magnitude(row['low_usd'])} to {magnitude(row['high_usd'])}" for row in rows],
                       "USD", right=True)]
    return Section("By when", table_of(*columns), ("expected of accounts that have reached their boundary; last column: debt and "
                                                   "positions",))


def passage_json(name: str, result: FirstPassage) -> dict[str, Any]:
    """The same for machines."""
    def rows(table: pa.Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    return {
        "world": name, "asset": result.asset, "horizon": result.horizon, "step": result.step, "paths": result.paths,
        "finding": headline(result), "definitions": {"reached": REACHED, "method": HOW, "greeks": GREEKS, "assumed": ASSUMED},
        "book": rows(result.book), "accounts": rows(result.accounts), "times": rows(result.times),
        "leverage": rows(result.leverage), "curve": rows(result.curve), "to_know": list(result.said)}

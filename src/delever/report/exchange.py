"""Exchanges in the summary of a stress test: who was closed, layer by layer who bore the rest, over time, coin by coin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.report.document import Section, column, table_of
from delever.report.numbers import NONE, magnitude, moment, percent

if TYPE_CHECKING:
    from delever.run.stress import Run

Transactions = Mapping[str, Mapping[str, Any]]  # rows of the summary by figure
CLOSED = (
    "liquidated", "slippage", "taken_over", "accounts_liquidated", "liquidations", "first_liquidation", "probability_of_adl",
    "first_adl", "adl_delay", "deleveraged", "haircut", "adl_accounts", "adl_severity", "adl_profit_taken",
    "adl_largest_haircut", "adl_largest_part", "adl_coverability", "adl_overshoot", "adl_unfairness",
)  # fmt: skip
LAYERS = {"insurance_fund": "insurance fund", "backstop": "backstop", "adl": "ADL", "socialised_loss": "socialised loss"}
BORE = {
    "insurance_fund": "Fund: deficits paid.",
    "backstop": "Backstop: equity below zero taken over.",
    "adl": "ADL: what it cost winners against the mark.",
    "socialised_loss": "Socialised: taken pro rata.",
}
HELD = {"insurance_fund": "fund_left", "backstop": "vault_equity"}  # what is left of a layer at the end
SHORT = ("deficit_booked", "residual_shortfall", "residual_shortfall_95", "probability_of_shortfall")
OVER_TIME = ("liquidated", "taken_over", "deleveraged", *LAYERS, "fund_left", "vault_equity")
COINS = 15  # perps shown, the largest
LISTED = 10  # accounts shown, those that ADL hit hardest
NEVER = "never"


def of_protocol(rows: Transactions, name: str, figures: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a protocol in this order, named without it."""
    return [{**rows[f"{figure}.{name}"], "figure": figure} for figure in figures if f"{figure}.{name}" in rows]


def of_arbitrageurs(rows: dict[str, dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of arbitrageurs, by name; they are taken away."""
    return [{**rows.pop(f"naked.{name}"), "figure": name} for name in names if f"naked.{name}" in rows]


def waterfall_section(rows: Transactions, name: str, order: Sequence[str], paths: int) -> Section | None:
    """A row a layer, in the order in which they are asked, and what nobody bore."""
    residual = rows.get(f"residual_shortfall.{name}")
    if residual is None:
        return None

    def found(figure: str, key: str = "value") -> Any:
        return rows.get(f"{figure}.{name}", {}).get(key)

    def interval(figure: str) -> str:
        low, high = found(figure, "low"), found(figure, "high")
        known = paths > 1 and low is not None and low == low
        return f"{magnitude(low)} to {magnitude(high)}" if known else ""

    kinds = [kind for kind in order if f"{kind}.{name}" in rows]
    share = [found(f"{kind}_ran_dry") for kind in kinds]
    first = [found(f"{kind}_dry") for kind in kinds]
    columns = [
        column("layer", [*(LAYERS[kind] for kind in kinds), "nobody"]),
        column("bore", [*(magnitude(found(kind)) for kind in kinds), magnitude(residual["value"])], right=True),
        column("95 % interval", [*(interval(kind) for kind in kinds), interval("residual_shortfall")]),
        column("ran dry on", [*(f"{percent(part)} of paths" for part in share), ""], right=True),
        column("first after", [*(when(value) for value in first), ""], right=True),
        column("left at the end", [*(_left(found(HELD[kind])) if kind in HELD else "" for kind in kinds), ""], right=True),
    ]
    notes = ["bore: mean over paths, USD. " + " ".join(BORE[kind] for kind in kinds) + " Nobody: the deficit that stays.",
             "ran dry: could once not serve in full; first after: median over those paths, from the start."]  # fmt: skip
    tail, hit = found("residual_shortfall_95"), found("probability_of_shortfall")
    notes.append(f"A deficit stays on {percent(hit)} of paths; 95th percentile {magnitude(tail)} USD. Deficits booked before the "
                 f"fund or socialised losses bore any: mean {magnitude(found('deficit_booked'))} USD.")  # fmt: skip
    return Section(f"Default waterfall of {name}, in its order", table_of(*columns), tuple(notes),
                   totals=frozenset({len(kinds)}))  # fmt: skip


def _left(value: float | None) -> str:
    return NONE if value is None else f"{magnitude(value)} USD"


def when(seconds: float | None) -> str:
    """A time from the start; never where there is none."""
    return NEVER if seconds is None or seconds != seconds else moment(seconds)


def over_time(run: Run, name: str) -> Section | None:
    """Medians over paths at the times around which they change; columns in which nothing happens are left out."""
    from delever.run.timeline import digest

    table = digest(run.timeline, name)
    columns = [column("after", [moment(t) for t in table["time"].to_pylist()], right=True)]
    quiet, present = [], _present(run, name)
    if not any(any(table[use].to_pylist()) for use in present - set(HELD.values())):
        return None  # nothing happens on most paths
    for use in OVER_TIME:
        values = table[use].to_pylist()
        if use not in present:
            continue
        if any(values):
            columns.append(column(LAYERS.get(use, use.replace("_", " ")), values, "USD"))
        else:
            quiet.append(LAYERS.get(use, use.replace("_", " ")))
    notes = ["medians over paths of what had been closed or borne up to then (USD at marks), and of what fund and vault hold; "
             "all times, path by path: timeline.parquet"]  # fmt: skip
    if quiet:
        notes.append(f"0 on most paths throughout: {', '.join(quiet)}")
    return Section(f"{name} over time", table_of(*columns), tuple(notes))


def _present(run: Run, name: str) -> set[str]:
    """The columns of a timeline that have a meaning for a protocol."""
    from delever.model.exchange import is_exchange

    protocol = run.world.protocols[name]
    kinds = {layer.kind for layer in protocol.waterfall}
    found = kinds | {HELD[kind] for kind in kinds if kind in HELD}
    return found | ({"liquidated", "taken_over", "deleveraged"} if is_exchange(protocol) else set())


def perps_section(perps: pa.Table, name: str) -> Section | None:
    """A row a perp, by open interest."""
    rows = [row for row in perps.to_pylist() if row["protocol"] == name]
    coins: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        coins.setdefault(row["perp"], {})[row["figure"]] = row
    ranked = sorted(coins, key=lambda perp: -coins[perp]["liquidated"]["open_interest"])
    if not ranked:
        return None
    shown = ranked[:COINS]

    def values(figure: str, key: str = "value") -> list[float]:
        return [coins[perp][figure][key] for perp in shown]

    notes = ["means over paths, USD at marks; open interest: longs or shorts at the start, whichever is more; intervals and "
             "medians: perps.parquet"]  # fmt: skip
    if len(ranked) > len(shown):
        notes.append(f"{len(ranked) - len(shown)} smaller ones are there too")
    return Section(
        f"{name} coin by coin",
        table_of(
            column("perp", shown),
            column("open interest", values("liquidated", "open_interest"), "USD"),
            column("liquidated", values("liquidated"), "USD"),
            column("of interest", values("liquidated", "of_open_interest"), "share"),
            column("taken over", values("taken_over"), "USD"),
            column("deleveraged", values("deleveraged"), "USD"),
            column("of interest ", values("deleveraged", "of_open_interest"), "share"),
            column("haircut", values("haircut"), "USD"),
        ),
        tuple(notes),
    )


def hardest_hit(adl: pa.Table, name: str, paths: int) -> list[dict[str, Any]]:
    """Positions by what ADL cost them, means over all paths; on how many it did. The hardest first."""
    mine = adl.filter(pc.equal(adl["protocol"], name)).group_by(["account", "perp"], use_threads=False)
    found = mine.aggregate([("notional", "sum"), ("haircut", "sum"), ("units", "sum"), ("path", "count_distinct")]).to_pylist()
    found.sort(key=lambda row: (-row["haircut_sum"], -row["notional_sum"], row["account"], row["perp"]))
    return [{"account": row["account"], "perp": row["perp"], "side": "long" if row["units_sum"] > 0 else "short",
             "paths": row["path_count_distinct"], "notional_usd": row["notional_sum"] / paths,
             "haircut_usd": row["haircut_sum"] / paths} for row in found]  # fmt: skip


def adl_section(adl: pa.Table, name: str, paths: int) -> Section | None:
    """Who was deleveraged, and by how much."""
    rows = hardest_hit(adl, name, paths)
    if not rows:
        return None
    shown = rows[:LISTED]
    total = sum(row["haircut_usd"] for row in rows)
    part = sum(row["haircut_usd"] for row in shown) / total if total else float(np.nan)
    which = f"the {len(shown)} of {len(rows):,} that lost most by it" if len(rows) > len(shown) else "all of them"
    of_all = f", {percent(part)} of all haircuts" if total and len(rows) > len(shown) else ""
    return Section(
        f"Positions deleveraged on {name}: {which}",
        table_of(
            column("account", [row["account"] for row in shown]),
            column("perp", [row["perp"] for row in shown]),
            column("side", [row["side"] for row in shown]),
            column("on paths", [percent(row["paths"] / paths) for row in shown], right=True),
            column("closed", [row["notional_usd"] for row in shown], "USD"),
            column("haircut", [row["haircut_usd"] for row in shown], "USD"),
        ),
        (f"means over all paths, at marks{of_all}; every one of them, with time, units and price: adl.parquet",),
    )


def exchange_json(run: Run) -> dict[str, Any]:
    """Tables of exchanges and default waterfalls for machines; nothing in worlds without."""
    from delever.run.timeline import medians

    if not run.timeline.num_columns:
        return {}
    names = list(dict.fromkeys(run.timeline["protocol"].to_pylist()))
    return {
        "perps": run.perps.to_pylist(),
        "timeline_medians": {name: medians(run.timeline, name).to_pylist() for name in names},
        "deleveraged": {name: hardest_hit(run.adl, name, run.paths.num_rows) for name in names},
    }

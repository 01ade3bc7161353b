"""Positions in the summary of a stress test: asset by asset what happened to them, and who was deleveraged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.model.book import DEBT
from delever.report.document import Section, column, table_of
from delever.report.numbers import percent

COINS = 15  # perps shown, the largest
LISTED = 10  # accounts shown, those that ADL hit hardest


def perps_section(perps: pa.Table, name: str) -> Section | None:
    """A row a perp, by open interest: every figure that is declared of perps, and what part of the open interest it is."""
    coins: dict[str, dict[str, dict[str, Any]]] = {}
    for row in perps.to_pylist():
        if row["protocol"] == name:
            coins.setdefault(row["perp"], {})[row["figure"]] = row
    if not coins:
        return None
    interest = {perp: next(iter(figures.values()))["open_interest"] for perp, figures in coins.items()}
    ranked = sorted(coins, key=lambda perp: -interest[perp])
    shown, figures = ranked[:COINS], list(coins[ranked[0]])
    quiet = [figure for figure in figures if not any(coins[perp][figure]["value"] for perp in shown)]
    notes = ["means over paths, USD at marks, and as a share of the open interest: longs or shorts at the start, whichever is "
             "more; intervals and medians: perps.parquet"]  # fmt: skip
    if quiet:
        notes.append(f"0 throughout: {', '.join(figure.replace('_', ' ') for figure in quiet)}")
    if len(ranked) > len(shown):
        notes.append(f"{len(ranked) - len(shown)} smaller ones are there too")
    columns = [column("perp", shown), column("open interest", [interest[perp] for perp in shown], "USD")]
    for number, figure in enumerate(figure for figure in figures if figure not in quiet):
        rows = [coins[perp][figure] for perp in shown]
        columns += [column(figure.replace("_", " "), [row["value"] for row in rows], rows[0]["unit"]),
                    column("of interest" + " " * number, [row["of_open_interest"] for row in rows], "share")]  # fmt: skip
    return Section(f"{name} coin by coin", table_of(*columns), tuple(notes))


def hardest_hit(adl: pa.Table, name: str, w: np.ndarray) -> list[dict[str, Any]]:
    """Positions by what ADL cost them, means over all paths; on how many it did. The hardest first. w: [paths] how much each
    counts."""
    if not len(adl):
        return []  # a table without columns, where no protocol could deleverage
    mine = adl.filter(pc.equal(adl["protocol"], name))
    each = pa.array(w[mine["path"].to_numpy()] / w.sum())
    for what in ("notional", "haircut"):
        mine = mine.append_column(f"{what}_usd", pc.multiply(mine[what], each))
    found = mine.group_by(["account", "perp"], use_threads=False).aggregate(
        [("notional_usd", "sum"), ("haircut_usd", "sum"), ("units", "sum"), ("path", "distinct")]).to_pylist()
    found.sort(key=lambda row: (-row["haircut_usd_sum"], -row["notional_usd_sum"], row["account"], row["perp"]))
    return [{"account": row["account"], "perp": row["perp"], "side": "long" if row["units_sum"] > 0 else "short",
             "paths": len(row["path_distinct"]), "on": float(w[row["path_distinct"]].sum() / w.sum()),
             "notional_usd": row["notional_usd_sum"], "haircut_usd": row["haircut_usd_sum"]} for row in found]  # fmt: skip


def adl_section(adl: pa.Table, name: str, w: np.ndarray) -> Section | None:
    """Who was deleveraged, and by how much. w: as above."""
    rows = hardest_hit(adl, name, w)
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
            column("on paths", [percent(row["on"]) for row in shown], right=True),
            column("closed", [row["notional_usd"] for row in shown], "USD"),
            column("haircut", [row["haircut_usd"] for row in shown], "USD"),
        ),
        (f"means over all paths, at marks{of_all}; every one of them, with time, units and price: adl.parquet",),
    )


def records(positions: pa.Table) -> list[dict[str, Any]]:
    """Liquidation prices as dashboards exchange them: owner, liqPrice [USD], collateral, collateralAmount [units], extra.

    Of collateral and of positions; what is owed is nobody's collateral, and what no price of its own liquidates has no record.
    """
    return [{"owner": row["owner"], "liqPrice": row["liquidation_price_usd"], "collateral": row["asset"],
             "collateralAmount": abs(row["amount"]), "extra": {key: row[key] for key in ("protocol", "account", "side")}}
            for row in positions.to_pylist() if row["side"] != DEBT and row["liquidation_price_usd"] is not None]

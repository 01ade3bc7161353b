"""What a price alone reaches: the wall over falls, one price of it in full, one account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.largest import exposure
from delever.analysis.position_prices import prices_of, sorted_by
from delever.analysis.walls import Wall, wall_of
from delever.model.book import COLLATERAL
from delever.report.html import walls as told
from delever.run.assemble import Model
from delever.web.desk.state import Desk, Settings

ACCOUNTS = 100  # of each protocol that are listed
WHO = ("protocol", "account")


def walk(model: Model, asset: str, shocks: str | float, others: Mapping[str, float]) -> Wall:
    """The wall of an asset, with other assets moved by so much at each of its prices."""
    if not others:
        return wall_of(model, asset, shocks)
    return wall_of(model, None, {asset: shocks, **others})


def wall(desk: Desk, settings: Settings, asset: str, span: str, others: Mapping[str, float]) -> dict[str, Any]:
    """Totals by shock and protocol, and the finding."""
    model = desk.model(settings)
    found = walk(model, asset, span, others)
    rows = found.totals.to_pylist()
    return {
        "asset": asset,
        "exposure": float(exposure(model).sum()),
        "rows": rows,
        "title": told.title(asset, rows, sorted({float(row["shock"]) for row in rows})),
        "said": list(found.said),
        "warnings": [f"{row['where']}: {row['what']}" for row in found.findings.to_pylist() if row["level"] == "warn"],
    }


def at(desk: Desk, settings: Settings, asset: str, shock: float, others: Mapping[str, float]) -> dict[str, Any]:
    """One price in full: by protocol, by pair of assets, by account."""
    found = walk(desk.model(settings), asset, shock, others)
    price = next(row["price_usd"] for row in found.moves.to_pylist() if row["asset"] == asset)
    return {"shock": shock, "price": price, "rows": found.totals.to_pylist(), "pairs": found.table.to_pylist(),
            "accounts": by_account(found.accounts)}


def by_account(legs: pa.Table) -> list[dict[str, Any]]:
    """Accounts that are reached, the largest first: protocol, account, health, what it owes or its positions, its assets."""
    if not legs.num_rows:
        return []
    owed = legs.filter(pc.not_equal(legs["side"], COLLATERAL))
    now = owed["value_usd"] if "liquidatable" not in legs.column_names else pc.coalesce(owed["liquidatable"], owed["value_usd"])
    sums = pa.table({**{key: owed[key] for key in WHO}, "usd": owed["value_usd"], "now": now}).group_by(list(WHO)).aggregate(
        [("usd", "sum"), ("now", "sum")])
    ranked = sums.sort_by([("usd_sum", "descending"), ("account", "ascending")])
    largest = pa.concat_tables([ranked.filter(pc.equal(ranked["protocol"], name)).slice(0, ACCOUNTS)
                                for name in ranked["protocol"].unique().to_pylist()])
    of: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in legs.filter(pc.is_in(legs["account"], largest["account"])).to_pylist():
        of.setdefault((row["protocol"], row["account"]), []).append(row)
    return [{"protocol": one["protocol"], "account": one["account"], "usd": one["usd_sum"], "now": one["now_sum"],
             "health": health_of(of[one["protocol"], one["account"]][0]),
             "assets": [row["asset"] for row in of[one["protocol"], one["account"]]]}
            for one in sorted(largest.to_pylist(), key=lambda one: -one["usd_sum"])]


def health_of(row: Mapping[str, Any]) -> float | None:
    """Health factor, or equity over maintenance margin."""
    if row.get("health_factor") is not None:
        return float(row["health_factor"])
    return row["equity_usd"] / row["maintenance_usd"] if row.get("maintenance_usd") else None


def account(desk: Desk, settings: Settings, protocol: str, account: str) -> list[dict[str, Any]]:
    """Its legs or positions: how much, what it is worth, at which price it can be called."""
    table = prices_of(desk.model(settings))
    mine = pc.and_(pc.equal(table["protocol"], protocol), pc.equal(table["account"], account))
    rows: list[dict[str, Any]] = table.filter(mine).to_pylist()
    return rows


def wall_csv(desk: Desk, settings: Settings, asset: str, span: str, others: Mapping[str, float]) -> bytes:
    """The wall as a file."""
    return csv(walk(desk.model(settings), asset, span, others).totals)


def positions_csv(desk: Desk, settings: Settings) -> bytes:
    """Every position with its liquidation price, as a file."""
    return csv(sorted_by(prices_of(desk.model(settings)), "move"))


def csv(table: pa.Table) -> bytes:
    """A table as CSV."""
    import pyarrow.csv

    out = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, out)
    return bytes(out.getvalue().to_pybytes())

"""What a price alone reaches: the wall over falls, one price of it in full, one account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from delever.analysis.largest import exposure
from delever.analysis.position_prices import prices_of, sorted_by
from delever.analysis.walls import Wall, wall_of
from delever.report.html import walls as told
from delever.run.assemble import Model
from delever.web.desk.state import Desk, Settings

ACCOUNTS = 200  # that are listed


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
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in legs.to_pylist():
        one = found.setdefault((row["protocol"], row["account"]), {
            "protocol": row["protocol"], "account": row["account"], "health": row.get("health_factor"), "usd": 0.0,
            "now": 0.0, "assets": []})
        one["assets"].append(row["asset"])
        if row["side"] != "collateral":
            one["usd"] += row["value_usd"]
            one["now"] += row["value_usd"] if row.get("liquidatable") is None else row["liquidatable"]
        if one["health"] is None and row.get("maintenance_usd"):
            one["health"] = row["equity_usd"] / row["maintenance_usd"]
    return sorted(found.values(), key=lambda one: (-one["usd"], one["account"]))[:ACCOUNTS]


def account(desk: Desk, settings: Settings, protocol: str, account: str) -> list[dict[str, Any]]:
    """Its legs or positions: how much, what it is worth, at which price it can be called."""
    rows = prices_of(desk.model(settings)).to_pylist()
    return [row for row in rows if row["protocol"] == protocol and row["account"] == account]


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

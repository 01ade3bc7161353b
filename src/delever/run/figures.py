"""Risk figures of a run, each with its definition, horizon and 95 % interval."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from delever.model.exchange import is_exchange
from delever.run.assemble import Model
from delever.run.estimates import Estimate, mean, quantile, share, tail_mean
from delever.run.exchange_figures import by_exchange, by_layer

SCHEMA = pa.schema([("figure", pa.string()), ("value", pa.float64()), ("unit", pa.string()), ("low", pa.float64()),
                    ("high", pa.float64()), ("definition", pa.string()), ("horizon", pa.string())])

def duration(seconds: float) -> str:
    """A length of time in the largest unit that divides it."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length and abs(seconds / length - round(seconds / length)) < 1e-9 and not (
                unit == "d" and seconds == length):
            return f"{round(seconds / length)} {unit}"
    return f"{seconds:g} s"


def total(paths: pa.Table, name: str, protocols: list[str]) -> np.ndarray:
    """Sum of a column over protocols, a number a path."""
    summed: np.ndarray = np.sum([np.asarray(paths[f"{name}.{protocol}"]) for protocol in protocols], axis=0)
    return summed


def summarise(model: Model, paths: pa.Table) -> pa.Table:
    """The figures of a run, a row each."""
    horizon = duration(model.world.scenario.horizon)
    lending = [name for name, protocol in model.world.protocols.items() if not is_exchange(protocol)]
    rows = [*(by_lending(model, paths, lending) if lending else []), *by_exchange(model, paths), *by_layer(model, paths)]
    rows.append(
        ("cascade_length", quantile(np.asarray(paths["cascade_length"], float), 0.95), "blocks",
         "95th percentile over paths of the longest row of blocks with liquidations"))
    for pair in model.layout.pairs:
        if model.venues[model.layout.pairs.index(pair)] is None:
            continue
        extra = np.asarray(paths[f"lowest_outside.{pair}"]) - np.asarray(paths[f"lowest.{pair}"])
        rows.append((f"extra_fall.{pair}", mean(extra), "share", f"mean over paths of how much deeper {pair} fell on its "
                     "venues than outside: deepest fall less deepest outside fall, both since the start"))
        beyond = np.asarray(paths[f"extrapolated.{pair}"])
        rows.append((f"extrapolated.{pair}", share(beyond > 0), "share",
                     f"paths in which {pair} traded beyond the last quote, where depth is extrapolated"))
    residual = max(float(np.max(np.asarray(paths[name]))) for name in paths.column_names if name.startswith("residual."))
    rows.append(("conservation_residual", (residual, math.nan, math.nan), "share",
                 "largest violation of conservation of any asset on any path, as a share of its turnover"))
    return pa.Table.from_pylist([{"figure": name, "value": value, "unit": unit, "low": low, "high": high,
                                  "definition": definition, "horizon": horizon}
                                 for name, (value, low, high), unit, definition in rows], schema=SCHEMA)


def by_lending(model: Model, paths: pa.Table, protocols: list[str]) -> list[tuple[str, Estimate, str, str]]:
    """Transactions of the lending protocols together."""
    bad, short = total(paths, "bad_debt", protocols), total(paths, "shortfall", protocols)
    repaid, seized = total(paths, "repaid_debt", protocols), total(paths, "seized_collateral", protocols)
    count, owed = total(paths, "liquidations", protocols), debt_at_start(model)
    return [
        ("var", quantile(short, 0.95), "USD", "95th percentile over paths of shortfall: written off, or owed beyond the "
         "collateral at the end, at the prices protocols see"),
        ("expected_shortfall", tail_mean(short, 0.95), "USD", "mean shortfall of the worst 5 % of paths"),
        ("evar", quantile(short, 0.99), "USD", "99th percentile over paths of shortfall"),
        ("bad_debt", mean(bad), "USD", "mean over paths of debt without collateral, written off or still open"),
        ("shortfall", mean(short), "USD", "mean over paths of shortfall"),
        ("probability_of_bad_debt", share(short > 0.01 * owed), "share", "paths whose shortfall exceeds 1 % of all debt"),
        ("lar", quantile(seized, 0.95), "USD", "95th percentile over paths of collateral seized, at prices seen"),
        ("seized_collateral", mean(seized), "USD", "mean over paths of collateral seized, at prices seen"),
        ("repaid_debt", mean(repaid), "USD", "mean over paths of debt repaid by liquidators, at prices seen"),
        ("liquidations", mean(count), "count", "mean over paths of liquidation calls"),
        ("accounts_liquidated", mean(total(paths, "accounts_liquidated", protocols)), "count",
         "mean over paths of accounts liquidated at least once"),
        ("liquidator_profit", mean(np.asarray(paths["liquidator_profit"])), "USD",
         "mean over paths of what liquidators hold at the end, after gas, at market prices of the end"),
    ]


def debt_at_start(model: Model) -> float:
    """What all accounts of lending protocols owe at the start, at prices seen [USD]."""
    tables, price = model.positions.tables, model.seen_price()
    first, lent = int(tables.first_debt[0]), tables.margin[tables.signature] == 0
    reserve = tables.reserve[tables.signature[lent]][:, first:]
    return float((tables.amount[lent, first:] * price[reserve]).sum())


__all__ = ["debt_at_start", "duration", "mean", "quantile", "share", "summarise", "tail_mean", "total"]

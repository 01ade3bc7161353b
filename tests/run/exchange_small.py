"""A small exchange beside a small lending pool, in which every layer of the default waterfall is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World

ETH = 4000.0  # price at the start [USD]


def positions(accounts: int = 60, seed: int = 5) -> Book:
    """As many longs as shorts in units; margins from thin to thick."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(accounts):
        size = float(np.round(10.0 ** rng.uniform(0.0, 2.0), 3))
        for side, name in ((1.0, f"long{i}"), (-1.0, f"short{i}")):
            margin = float(rng.uniform(1.02, 8.0)) / 25.0
            rows.append({"account": name, "instrument": "ETH-PERP", "size": side * size, "entry_price": ETH,
                         "margin_mode": "cross", "collateral": margin * size * ETH})
    return Book.from_table(pa.Table.from_pylist(rows), protocol="perps")


def loans() -> Book:
    """Twenty borrowers against ETH, health factors from 1.05 up."""
    rows = []
    for i in range(20):
        rows.append({"account": f"b{i}", "asset": "ETH", "side": "collateral", "amount": 10.0})
        rows.append({"account": f"b{i}", "asset": "USD", "side": "debt", "amount": 10.0 * ETH * 0.8 / (1.05 + 0.05 * i)})
    return Book.from_table(pa.Table.from_pylist(rows), protocol="pool")


def exchange(lending: bool = False, fall: float = -0.25, **scenario: Any) -> World:
    """ETH falls within an hour; a thin book, a fund and a vault that are too small. fall: share."""
    protocols: dict[str, Any] = {"perps": {
        "rules": "hyperliquid", "book": positions(), "parameters": {"ETH-PERP": {"max_leverage": 25}},
        "waterfall": [{"kind": "insurance_fund", "start": {"USD": 20_000}},
                      {"kind": "backstop", "equity": 100_000, "half_life": 600},
                      {"kind": "adl", "rule": "hyperliquid"}, {"kind": "socialised_loss"}]}}
    if lending:
        protocols = {"pool": {"rules": "aave.v3_3", "book": loans(),
                              "parameters": {"ETH": {"liquidation_threshold": 0.8, "incentive": 0.05}}}, **protocols}
    return worlds.load({
        "name": "small", "as_of": "2025-10-10T20:45:00Z", "assets": {"ETH": {"price": ETH}, "ETH-PERP": {"perp": "ETH"}},
        "protocols": protocols,
        "feeds": {"eth": {"kind": "mark", "of": "ETH-PERP/USD", "formula": "hyperliquid"}},
        "oracles": {"perps": {"ETH-PERP": "eth"}},
        "venues": {"perp": {"kind": "log_linear", "pair": "ETH-PERP/USD", "depth": 5000, "half_life": 600}},
        "execution": {"rounds": 2}, "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "scenario": {"horizon": 7200, "step": 60, "paths": 7, "seed": 3,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.9}},
                     "events": [{"at": 1800, "over": 1200, "kind": "price", "change": {"ETH": fall}}], **scenario}})

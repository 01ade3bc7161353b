"""Inverse contracts and perps held both ways: the index still misses nobody, and value is conserved in the coin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine import boundary
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.book import Book
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from engine.test_margin_boundary import PATHS, below

BTC = 50_000.0  # price at the start [USD]
TIERS = [{"floor": 0, "maintenance": 0.01}, {"floor": 2, "maintenance": 0.02}, {"floor": 10, "maintenance": 0.1}]  # floors in BTC
DOLLAR_TIERS = [{"floor": 0, "maintenance": 0.01}, {"floor": 60_000, "maintenance": 0.02}, {"floor": 300_000, "maintenance": 0.1}]


def coin_rows(rng: np.random.Generator, accounts: int) -> list[dict[str, Any]]:
    """Accounts with coins and contracts of dollars, some of two delivery dates, some held both ways."""
    rows: list[dict[str, Any]] = []
    for i in range(accounts):
        account, size, paid = {"account": f"c{i}", "margin_mode": "cross"}, 0.0, 0.0
        both = rng.random() < 0.3
        for perp in rng.choice(["BTC-COIN", "BTC-NEXT"], rng.integers(1, 3), replace=False):
            for side in (1.0, -1.0) if both else (float(rng.choice([1.0, -1.0])),):
                dollars = float(rng.lognormal(11.5, 1.2))
                entry = BTC * float(rng.uniform(0.97, 1.03))
                size += dollars / BTC
                paid += -side * dollars * (1.0 / entry - 1.0 / BTC)  # what it has lost so far
                rows.append({**account, "instrument": perp, "size": side * dollars, "entry_price": entry})
        rows.append({**account, "collateral": max(paid, 0.0) + size / float(rng.uniform(3.0, 30.0)) + 0.03 * size,
                     "collateral_asset": "BTC"})
    return rows


def dollar_rows(rng: np.random.Generator, accounts: int) -> list[dict[str, Any]]:
    """Accounts with dollars and linear perps, many of them held both ways."""
    rows: list[dict[str, Any]] = []
    for i in range(accounts):
        account, size = {"account": f"d{i}", "margin_mode": "cross"}, 0.0
        for side in (1.0, -1.0) if rng.random() < 0.6 else (float(rng.choice([1.0, -1.0])),):
            dollars = float(rng.lognormal(11.5, 1.2))
            size += dollars
            rows.append({**account, "instrument": "BTC-PERP", "size": side * dollars / BTC,
                         "entry_price": BTC * float(rng.uniform(0.99, 1.01))})
        rows.append({**account, "collateral": size / float(rng.uniform(5.0, 30.0)) + 0.03 * size, "collateral_asset": "USD"})
    return rows


def book_of(rows: list[dict[str, Any]], protocol: str) -> Book:
    names = ("account", "instrument", "size", "entry_price", "margin_mode", "collateral", "collateral_asset")
    defaults = {"collateral_asset": "BTC" if protocol == "coin" else "USD", "collateral": 0.0}
    return Book.from_table(pa.table({name: [row.get(name, defaults.get(name)) for row in rows] for name in names}),
                           protocol=protocol)


def coin_world(seed: int, accounts: int = 40, **scenario: Any) -> dl.World:
    """A coin-margined exchange with every layer of the waterfall beside one that counts in USD; BTC goes up and down."""
    rng = np.random.default_rng(seed)
    stages = [{"stage": "market", "partial_above": 80_000, "cooldown": 30, "limit": "bankruptcy", "fee": 0.001},
              {"stage": "backstop", "below": 0.5}]
    engine = {"kind": "exchange", "stages": stages}
    funding = {"interval": "10 min", "cap": 0.04} if seed % 2 else None
    return dl.load({
        "as_of": "2025-10-10T20:45:00Z",
        "assets": {"BTC": {"price": BTC}, "BTC-PERP": {"perp": "BTC"}, "BTC-COIN": {"perp": "BTC", "inverse": True},
                   "BTC-NEXT": {"perp": "BTC", "inverse": True}},
        "protocols": {
            "coin": {"rules": engine, "unit": "BTC", "funding": funding, "book": book_of(coin_rows(rng, accounts), "coin"),
                     "parameters": {"BTC-COIN": {"floors_in": "BTC", "tiers": TIERS}, "BTC-NEXT": {"maintenance": 0.02}},
                     "waterfall": [{"kind": "insurance_fund", "start": {"BTC": 0.1}},
                                   {"kind": "backstop", "equity": 20_000, "half_life": "5 min"},
                                   {"kind": "adl", "rule": ("binance", "wealth_pro_rata", "hyperliquid")[seed % 3]},
                                   {"kind": "socialised_loss"}]},
            "perps": {"rules": engine, "funding": funding, "book": book_of(dollar_rows(rng, accounts), "perps"),
                      "parameters": {"BTC-PERP": {"tiers": DOLLAR_TIERS}},
                      "waterfall": [{"kind": "insurance_fund", "start": {"USD": 1000}}, {"kind": "adl", "rule": "binance"},
                                    {"kind": "socialised_loss"}]}},
        "feeds": {"coin_mark": {"kind": "mark", "of": "BTC-COIN/BTC", "formula": ("binance", "hyperliquid")[seed // 2 % 2]}},
        "oracles": {"coin": {"BTC-COIN": "coin_mark"}},
        "venues": {"coin": {"kind": "log_linear", "pair": "BTC-COIN/BTC", "depth": 3e6, "half_life": "3 min"},
                   "next": {"kind": "log_linear", "pair": "BTC-NEXT/BTC", "depth": 2e6, "half_life": "3 min"},
                   "perp": {"kind": "log_linear", "pair": "BTC-PERP/USD", "depth": 60, "half_life": "3 min"}},
        "execution": {"rounds": 2},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": PATHS, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": {"BTC": 1.0}},
                     "events": [{"at": "20 min", "kind": "price", "change": {"BTC": -0.1}},
                                {"at": "40 min", "kind": "price", "change": {"BTC": 0.2}}], **scenario},
    })


@pytest.mark.parametrize("seed", range(6))
def test_called_are_exactly_those_below_maintenance_in_the_coin(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every block, whichever way the price goes; nothing of any asset appears or is lost."""
    model = assemble(coin_world(seed))
    chunk, state = phases(model, PATHS, ()), new_state(model, 0, PATHS)
    search, found, coin = boundary.search, [], [0]

    def both(state: State) -> int:
        claims = search(state)
        touched = state.pool.touched
        called = {(int(touched.path[slot]), int(touched.account[slot])) for slot in state.pool.called[:state.n_called]}
        assert called == below(model, state)
        found.append(len(called))
        coin[0] += sum(model.positions.protocol[account] == 0 for _, account in called)
        return claims

    monkeypatch.setattr(boundary, "search", both)
    for _ in range(model.steps):
        step(chunk, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    assert sum(found) > 60 and coin[0] > 20 and found.count(0) > 10
    assert math.isfinite(float(state.safety.vault.sum())) and (state.flows.deleveraged.sum(axis=1) > 0.0).any()

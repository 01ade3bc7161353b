"""No margin account below its maintenance margin is ever missed: the index against a look at every account."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.core import seen_prices
from delever.core.margin import equity_of
from delever.core.state import State
from delever.core.touch import enter_slots, slot_of
from delever.engine import boundary
from delever.engine.step import step
from delever.model.book import Book
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state

TIERS = [{"floor": 0, "maintenance": 0.01}, {"floor": 50_000, "maintenance": 0.02}, {"floor": 200_000, "maintenance": 0.1}]
PATHS = 4


def random_world(seed: int) -> dl.World:
    """Accounts of one to four perps, long and short, with collateral that moves; tiers low enough to be crossed."""
    rng = np.random.default_rng(seed)
    coins = {"BTC": 100_000.0, "ETH": 4_000.0, "SOL": 200.0}
    rows: list[dict[str, Any]] = []
    for i in range(60):
        account = {"protocol": "perps", "account": f"a{i}"}
        size = 0.0
        for coin in rng.choice(list(coins), rng.integers(1, 4), replace=False):
            notional = float(rng.lognormal(11.0, 1.2)) * (1 if rng.random() < 0.6 else -1)
            size += abs(notional)
            entry = coins[coin] * float(rng.uniform(0.97, 1.03))
            rows.append({**account, "asset": f"{coin}-PERP", "side": "position", "amount": notional / coins[coin],
                         "entry_price": entry})
        margin = size / float(rng.uniform(3.0, 30.0)) + 0.03 * size
        eth = float(rng.random() < 0.4) * margin / 2.0
        if eth:
            rows.append({**account, "asset": "ETH", "side": "collateral", "amount": eth / coins["ETH"]})
        rows.append({**account, "asset": "USD", "side": "collateral", "amount": margin - eth})
    book = _book(rows)
    return dl.load({
        "as_of": "2025-10-10T20:45:00Z",
        "assets": {**{coin: {"price": price} for coin, price in coins.items()},
                   **{f"{coin}-PERP": {"perp": coin} for coin in coins}},
        "protocols": {"perps": {
            "rules": {"kind": "exchange", "stages": [
                {"stage": "market", "partial_above": 30_000, "cooldown": 30, "limit": "bankruptcy"},
                {"stage": "backstop", "below": 0.5}]},
            "parameters": {**{f"{coin}-PERP": {"tiers": TIERS} for coin in coins}, "ETH": {"haircut": 0.1}},
            "funding": {"interval": "10 min", "cap": 0.04} if seed % 2 else None, "book": book,
            "waterfall": [{"kind": "insurance_fund", "start": {"USD": 1000}},
                          {"kind": "backstop", "equity": 20_000, "half_life": "5 min"},
                          {"kind": "adl", "rule": "hyperliquid"}, {"kind": "socialised_loss"}]}},
        "venues": {coin: {"kind": "log_linear", "pair": f"{coin}-PERP/USD", "depth": 3e6 / price, "half_life": "3 min"}
                   for coin, price in coins.items()},
        "execution": {"rounds": 2},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": PATHS, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": {"BTC": 1.0, "ETH": 1.5, "SOL": 2.0}},
                     "events": [{"at": "20 min", "kind": "price", "change": {"BTC": -0.06, "ETH": -0.1, "SOL": 0.08}},
                                {"at": "40 min", "kind": "price", "change": {"BTC": 0.08, "ETH": 0.1, "SOL": -0.15}}]},
    })


def _book(rows: list[dict[str, Any]]) -> Book:
    names = ("protocol", "account", "asset", "side", "amount", "entry_price")
    return Book.from_table(pa.table({name: [row.get(name) for row in rows] for name in names}))


def below(model: Model, state: State) -> set[tuple[int, int]]:
    """(path, account) of everybody below maintenance, by a look at all."""
    seen_prices.price_all(state)
    enter_slots(state)
    found = set()
    for p in range(state.paths):
        if not state.active[p]:
            continue
        for account, g in enumerate(state.book.signature):
            slot = slot_of(p, account, state.watch)
            table, row = (state.pool.touched.amount, slot) if slot >= 0 else (state.book.amount, account)
            equity, margin = equity_of(row, p, g, table, state.book, state.margins, state.seen.price)
            if equity < margin:
                found.add((p, account))
    return found


def with_moving_terms(world: dl.World, seed: int) -> dl.World:
    """Margins that follow volatility or open interest, up and down, a haircut that follows depth, and a vote."""
    rng = np.random.default_rng(100 + seed)

    def policy(term: str, follows: str, **more: Any) -> dict[str, Any]:
        return {"kind": "dynamic_terms", "protocol": "perps", "term": term, "follows": follows, "every": "1 min",
                "half_life": "5 min", "speed": None if rng.random() < 0.5 else 1.0} | more

    vote = {"kind": "governance", "at": "15 min", "protocol": "perps", "delay": "10 min",
            "parameters": {"ETH": {"haircut": "25 %"}} | ({"SOL-PERP": {"margin": 1.5}} if seed % 2 else {})}
    scenario = world.scenario.events
    return world.replace("policies", {
        "margins": policy("margin", "realised_volatility" if seed % 3 else "open_interest", assets=["BTC-PERP", "ETH-PERP"],
                          usual=1.0 if seed % 3 else None, elasticity=float(rng.uniform(0.5, 2.0)), least=0.5, most=4.0),
        "haircuts": policy("haircut", "realised_volatility", usual=1.0, elasticity=-0.2, least=0.6, most=1.0),
    }).replace("scenario.events", [*scenario, vote])


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_called_are_exactly_those_below_maintenance(seed: int, moving: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every block, also in those in which nobody is called."""
    model = assemble(with_moving_terms(random_world(seed), seed) if moving else random_world(seed))
    chunk = phases(model, PATHS, ())
    state = new_state(model, 0, PATHS, chunk)
    search, found = boundary.search, []

    def both(state: State) -> int:
        claims = search(state)
        touched = state.pool.touched
        called = {(int(touched.path[slot]), int(touched.account[slot])) for slot in state.pool.called[:state.n_called]}
        assert called == below(model, state)
        found.append(len(called))
        return claims

    monkeypatch.setattr(boundary, "search", both)
    for _ in range(model.steps):
        step(chunk, state)
    assert sum(found) > 30 and found.count(0) > 10 and math.isfinite(float(state.safety.vault.sum()))

"""Short calls and puts: who is called in every block is who a valuation of every account by itself says should be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import delever as dl
from core.test_options import black
from delever.analysis.margins import MarginBook
from delever.analysis.walls import wall_of
from delever.core.options import LEAST
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.core.touch import enter_slots, slot_of
from delever.engine import boundary
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.errors import InputError
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state
from engine.test_inverse_boundary import BTC, PATHS, book_of

CHARGE, SLACK = 0.075, 1e-9
SERIES = {"CALL-55": ("call", 55_000.0, 0.02, 0.6), "CALL-50": ("call", 50_000.0, 0.02, 0.55),
          "PUT-45": ("put", 45_000.0, 0.02, 0.7), "PUT-48": ("put", 48_000.0, 0.1, 0.6),
          "PUT-120": ("put", 120_000.0, 0.1, 0.6)}  # kind, strike [USD], time to expiry [years], volatility


def option_world(seed: int, accounts: int = 40) -> dl.World:
    """Short calls, puts and strangles, some covered by coins, longs or inverse perps; BTC falls and rises."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(accounts):
        account, needed = {"account": f"o{i}", "margin_mode": "cross", "collateral_asset": "BTC"}, 0.0
        for name in rng.choice(list(SERIES), rng.integers(1, 4), replace=False):
            kind, strike, left, volatility = SERIES[name]
            units = float(rng.lognormal(0.0, 1.0)) * (1.0 if rng.random() < 0.25 else -1.0)
            value = max(black(kind == "put", BTC, strike, volatility, left), LEAST)
            rows.append({**account, "instrument": name, "size": units, "entry_price": value})
            needed += max(-units, 0.0) * (CHARGE * max(1.0, value * (kind == "put")) + value)
        if rng.random() < 0.4:
            dollars = float(rng.lognormal(10.0, 1.0)) * float(rng.choice([1.0, -1.0]))
            rows.append({**account, "instrument": "BTC-COIN", "size": dollars, "entry_price": BTC})
            needed += abs(dollars) / BTC * 0.02
        rows.append({**account, "collateral": needed * float(rng.uniform(1.01, 1.8)) + 1e-3})
    return dl.load({
        "as_of": "2025-10-10T20:00:00Z",
        "assets": {"BTC": {"price": BTC}, "BTC-COIN": {"perp": "BTC", "inverse": True},
                   **{name: {kind: "BTC", "strike": strike, "volatility": volatility, "expires": expiry(left)}
                      for name, (kind, strike, left, volatility) in SERIES.items()}},
        "protocols": {"coin": {
            "rules": {"kind": "exchange", "stages": [{"stage": "market"}]}, "unit": "BTC", "book": book_of(rows, "coin"),
            "parameters": {"BTC-COIN": {"maintenance": 0.02}, **{name: {"short_margin": CHARGE} for name in SERIES}},
            "funding": {"interval": "10 min", "cap": 0.04} if seed % 2 else None,
            "waterfall": [{"kind": "insurance_fund", "start": {"BTC": 0.1}}, {"kind": "adl", "rule": "wealth_pro_rata"},
                          {"kind": "socialised_loss"}]}},
        "venues": {"coin": {"kind": "log_linear", "pair": "BTC-COIN/BTC", "depth": 3e6, "half_life": "3 min"},
                   "calls": {"kind": "log_linear", "pair": "CALL-55/BTC", "depth": 300, "half_life": "3 min"}},
        "execution": {"rounds": 2},
        "scenario": {"horizon": "40 min", "step": "1 min", "paths": PATHS, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": {"BTC": 1.0}},
                     "events": [{"at": "10 min", "kind": "price", "change": {"BTC": -0.08}},
                                {"at": "25 min", "kind": "price", "change": {"BTC": 0.2}}]},
    })


def expiry(left: float) -> str:
    """So many years behind the beginning."""
    return str(np.datetime64("2025-10-10T20:00:00") + np.timedelta64(round(left * 365 * 86400), "s")) + "Z"


def left_of(name: str) -> float:
    return round(SERIES[name][2] * 365 * 86400) / (365 * 86400)


def spare(model: Model, state: State, p: int, account: int) -> float:
    """E - M of an account priced alone, from the price of the coin and the clock, with nothing of the engine but its amounts."""
    slot, g = slot_of(p, account, state.watch), int(state.book.signature[account])
    row = state.pool.touched.amount[slot] if slot >= 0 else state.book.amount[account]
    spot = math.exp(state.markets.price[model.layout.markets.index("BTC"), p])
    first, total = int(state.book.first_debt[0]), float(row[0])
    for k in range(first, first + int(state.book.debts[g])):
        r, q = int(state.book.reserve[g, k]), float(row[k])
        name = model.positions.reserves[r][1]
        market = model.layout.markets.index(name)
        if name not in SERIES:
            value = math.exp(state.markets.price[market, p])
            total += q * (value - state.margins.paid[r, p]) - abs(q) * value * 0.02
            continue
        kind, strike, _, volatility = SERIES[name]
        put, left = float(kind == "put"), left_of(name) - state.step * state.step_length / (365 * 86400)
        value = max(black(put, spot, strike, volatility, left), LEAST)
        value *= math.exp(state.markets.price[market, p] - state.markets.exogenous[market, p])  # what trades moved it by
        total += q * value - (max(-q, 0.0) * (value + CHARGE * max(1.0, put * value)))
    return total


@pytest.mark.parametrize("seed", range(4))
def test_called_are_exactly_those_whom_a_valuation_by_itself_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = assemble(option_world(seed))
    chunk, state = phases(model, PATHS, ()), new_state(model, 0, PATHS)
    search, found = boundary.search, []

    def both(state: State) -> int:
        claims = search(state)
        touched = state.pool.touched
        called = {(int(touched.path[slot]), int(touched.account[slot])) for slot in state.pool.called[:state.n_called]}
        enter_slots(state)
        for p in np.flatnonzero(state.active):
            for account in range(len(state.book.signature)):
                rest = spare(model, state, int(p), account)
                if abs(rest) > SLACK:  # beyond the digits that two ways of summing keep
                    assert ((int(p), account) in called) == (rest < 0.0), (p, account, rest)
        found.append(len(called))
        return claims

    monkeypatch.setattr(boundary, "search", both)
    for _ in range(model.steps):
        step(chunk, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    assert sum(found) > 30 and found.count(0) > 10


def test_who_is_below_maintenance_from_the_start_is_called_however_far_his_mark_falls_before_that() -> None:
    """A short put without margin enough, and BTC rises at once: its mark falls to a tenth and less, its charge stays."""
    world = dl.load({
        "as_of": "2025-10-10T20:00:00Z",
        "assets": {"BTC": {"price": BTC}, "P": {"put": "BTC", "strike": 0.8 * BTC, "volatility": 0.6, "expires": expiry(0.05)}},
        "protocols": {"coin": {"rules": {"kind": "exchange", "stages": [{"stage": "market"}]}, "unit": "BTC",
                               "parameters": {"P": {"short_margin": CHARGE}}, "book": book_of([
                                   {"account": "a", "instrument": "P", "size": -1.0, "entry_price": 0.003,
                                    "margin_mode": "cross", "collateral": 0.05}], "coin")}},
        "scenario": {"horizon": "2 min", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [{"at": 0, "kind": "price", "change": {"BTC": 0.4}}]}})
    assert black(1.0, BTC, 0.8 * BTC, 0.6, 0.05) > 10.0 * black(1.0, 1.4 * BTC, 0.8 * BTC, 0.6, 0.05)
    assert dl.stress(world, keep=False).paths["accounts_liquidated.coin"].to_pylist() == [1.0]


def test_a_wall_prices_options_anew_after_its_shock() -> None:
    """A put of 120,000 is worth more than two coins at 40,000, so its margin is by its mark: by hand."""
    model = assemble(option_world(1))
    price = model.seen_price()
    r = model.positions.reserve("coin", "PUT-120")
    assert price[r] == pytest.approx(black(1.0, BTC, 120_000.0, 0.6, left_of("PUT-120")) * BTC, rel=1e-9)
    whole = wall_of(model, "BTC", -0.2)
    rows = {row["account"]: row for row in whole.accounts.to_pylist() if row["asset"] == "PUT-120" and row["side"] == "short"}
    assert rows
    for row in rows.values():
        value = black(1.0, 40_000.0, 120_000.0, 0.6, left_of("PUT-120")) * 40_000.0
        assert row["value_usd"] == pytest.approx(row["amount"] * value, rel=1e-9)
    book, moved = MarginBook(model), 0.8 * BTC
    falls = np.array([asset != "BTC-COIN" for _, asset in model.positions.reserves])  # dollars of a contract stay dollars
    standing = book.at(model.seen_price(np.where(falls, np.log(0.8), 0.0)))
    alone = [i for i in range(len(book.accounts)) if (book.trader == i).sum() == 1]
    for i in alone:
        k = int(np.flatnonzero(book.trader == i)[0])
        name = model.positions.reserves[book.perp[k]][1]
        if name in SERIES and book.size[k] < 0.0:
            kind, strike, _, volatility = SERIES[name]
            put, value = float(kind == "put"), 0.0
            value = max(black(put, moved, strike, volatility, left_of(name)), LEAST)
            hand = -book.size[k] * (value + CHARGE * max(1.0, put * value)) * moved
            assert standing.maintenance[i] == pytest.approx(hand, rel=1e-9)


ASSETS: dict[str, Any] = {"strike": 50_000, "expires": "2025-12-26T08:00:00Z", "volatility": 0.5}


@pytest.mark.parametrize(("changes", "terms", "line"), [
    ({"expires": None}, {"short_margin": 0.075},
     "assets.C.expires is missing; an option has strike, expires, volatility: write `expires: 2025-12-26T08:00:00Z`"),
    ({"volatility": None}, {"short_margin": 0.075},
     "assets.C.volatility is missing; an option has strike, expires, volatility: write `volatility: 55 %`"),
    ({"expires": "2025-10-10T20:30:00Z"}, {"short_margin": 0.075}, "assets.C.expires is within the run: "
     "'2025-10-10T20:30:00Z'; settlement is not modelled: end the run before it, or leave C out"),
    ({}, {"max_leverage": 10},
     "protocols.coin.parameters.C is an option without margin; write `{short_margin: 7.5 %}`, of a coin a short contract"),
])
def test_what_an_option_lacks_is_said_in_one_line(changes: dict[str, Any], terms: dict[str, Any], line: str) -> None:
    option = {name: value for name, value in ({"call": "BTC"} | ASSETS | changes).items() if value is not None}
    with pytest.raises(InputError) as caught:
        dl.load({
            "as_of": "2025-10-10T20:00:00Z", "assets": {"BTC": {"price": BTC}, "C": option},
            "protocols": {"coin": {"rules": "exchange", "unit": "BTC", "parameters": {"C": terms}, "book": book_of(
                [{"account": "a", "instrument": "C", "size": -1.0, "entry_price": 0.1, "margin_mode": "cross"}], "coin")}},
            "scenario": {"horizon": "1 h", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}})
    assert str(caught.value) == f"world.{line}"


def test_an_option_is_of_an_exchange_that_counts_in_its_coin() -> None:
    with pytest.raises(InputError, match="C is paid in BTC, and the exchange counts in USD: 'C'; write `unit: BTC` on the"):
        dl.load({
            "as_of": "2025-10-10T20:00:00Z", "assets": {"BTC": {"price": BTC}, "C": {"call": "BTC"} | ASSETS},
            "protocols": {"usd": {"rules": "exchange", "parameters": {"C": {"short_margin": 0.075}}, "book": book_of(
                [{"account": "a", "instrument": "C", "size": -1.0, "entry_price": 0.1, "margin_mode": "cross"}], "usd")}},
            "scenario": {"horizon": "1 h", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}})

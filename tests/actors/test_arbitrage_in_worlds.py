"""Arbitrageurs, marks and funding in whole worlds: one state, watched accounts, money in transit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.actors.arbitrageurs import Arbitrage
from delever.core.state import State
from delever.core.tables import CASH, FUNDING, SLOTS
from delever.engine.step import step
from delever.model.book import Book
from delever.model.errors import InputError
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state

USD, PERP = 0, 2  # assets
ONE = {"kind": "arbitrageurs", "exchange": "perps", "account": "basis", "spot": 300.0, "threshold": 0.001, "leverage": 10.0}


def world(shock: float, basis_cash: float, whale: float = 1000.0, **changes: Any) -> Model:
    """BTC at 100 USD; a leveraged whale and an arbitrageur short 300 on the perp; funding every two minutes."""
    rows = [{"protocol": "perps", "account": account, "asset": asset, "side": side, "amount": amount, "entry_price": entry}
            for account, asset, side, amount, entry in (
                ("whale", "USD", "collateral", 20_000.0, None), ("whale", "BTC-PERP", "position", whale, 100.0),
                ("basis", "USD", "collateral", basis_cash, None), ("basis", "BTC-PERP", "position", -300.0, 100.0))]
    columns = pa.schema([(name, pa.string()) for name in ("protocol", "account", "asset", "side")]
                        + [(name, pa.float64()) for name in ("amount", "entry_price")])
    given: dict[str, Any] = {
        "as_of": "2025-10-10T20:45:00Z", "assets": {"BTC": {"price": 100.0}, "BTC-PERP": {"perp": "BTC"}},
        "protocols": {"perps": {
            "rules": "hyperliquid", "parameters": {"BTC-PERP": {"max_leverage": 20}},
            "book": Book.from_table(pa.Table.from_pylist(rows, columns)),
            "funding": {"interval": "2 min", "period": "8 min", "cap": "4 %"}}},
        "feeds": {"mark": {"kind": "mark", "of": "BTC-PERP/USD", "formula": "hyperliquid"}},
        "oracles": {"perps": {"BTC-PERP": "mark"}},
        "venues": {"spot": {"kind": "log_linear", "pair": "BTC/USD", "depth": 1e5},
                   "perp": {"kind": "log_linear", "pair": "BTC-PERP/USD", "depth": 1e4, "half_life": "10 min"}},
        "actors": {"one": ONE},
        "scenario": {"horizon": "10 min", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [{"at": 60, "kind": "price", "change": {"BTC": shock}}]}}
    return assemble(worlds.load(given | changes))


def run(model: Model) -> tuple[State, Arbitrage]:
    """To the end."""
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    ties = next(phase for phase in chunk.everybody if isinstance(phase, Arbitrage))
    assert isinstance(ties, Arbitrage)
    return state, ties


def positions(state: State) -> np.ndarray:
    """Units of the perp of every account."""
    units = state.book.amount[:, 1].copy()
    for slot in range(int(state.watch.counts[SLOTS])):
        units[state.pool.touched.account[slot]] = state.pool.touched.amount[slot, 1]
    return units


def basis(state: State) -> float:
    """Log price of the perp above spot's."""
    return float(state.markets.price[1, 0] - state.markets.price[0, 0])


def test_an_arbitrageur_carries_a_liquidation_of_the_perp_over_to_spot() -> None:
    alone, _ = run(world(-0.18, 1e5, actors={"one": ONE | {"spot": 0.0}}))
    tied, ties = run(world(-0.18, 1e5))
    assert positions(alone)[0] < 1000.0  # the whale's engine has sold
    assert alone.markets.price[0, 0] == pytest.approx(np.log(82.0), abs=1e-12)  # and spot has not felt it
    assert tied.markets.price[0, 0] < np.log(82.0) - 1e-4
    assert basis(alone) < basis(tied) < 0.0
    assert ties.desks.spot[0, 0] == 0.0  # all that he could sell
    assert ties.naked(tied)["one"][0] == pytest.approx(0.0, abs=1e-9)


def test_a_liquidated_arbitrageur_is_left_with_his_other_leg() -> None:
    state, ties = run(world(0.3, 9000.0, whale=100.0))
    assert positions(state)[1] > -300.0  # his short was closed against him
    assert ties.naked(state)["one"][0] > 100.0
    assert ties.desks.spot[0, 0] >= 0.0


@pytest.mark.parametrize(("shock", "cash"), [(-0.18, 1e5), (-0.3, 1e5), (0.3, 9000.0), (0.05, 1e4)])
def test_funding_in_transit_is_what_open_positions_owe_through_every_step(shock: float, cash: float) -> None:
    model = world(shock, cash)
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    perp = model.positions.reserve("perps", "BTC-PERP")
    for _ in range(model.steps):
        step(chunk, state)
        owed = (positions(state) * state.margins.paid[perp, 0]).sum()
        assert state.ledgers.tokens[FUNDING, USD, 0] == pytest.approx(-owed, rel=1e-9, abs=1e-9)
        assert state.ledgers.tokens[CASH, PERP, 0] == pytest.approx(
            positions(state).sum() - state.book.amount[:, 1].sum(), abs=1e-9)
        assert np.all(np.abs(state.ledgers.tokens.sum(0)) <= 1e-12 * (1.0 + state.ledgers.turnover))
    assert state.margins.paid[perp, 0] != 0.0


def test_an_arbitrageur_without_an_account_is_refused() -> None:
    with pytest.raises(InputError, match=r"actors\.one\.account"):
        run(world(0.1, 1e5, actors={"one": ONE | {"account": "nobody"}}))

"""Halts are honoured by whoever trades, opens or liquidates, and what waits goes on in the block in which a halt ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.core.outcomes import LIQUIDATIONS, TOP_UPS
from delever.core.state import State
from delever.core.tables import HALTED, ORDER_OWNERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.inclusion import hold_back
from delever.engine.step import step
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from run.exchange_small import exchange
from run.small import Mapping, fall, loan, one_market

Halt = Callable[[State], None]


def run(world: World, halt: Halt) -> tuple[State, list[tuple[float, float, float]]]:
    """The end; after each step, on path 0: time of its last block, liquidations, ETH that owners of orders have sold."""
    model, seen = assemble(world), []
    chunk = phases(model, world.scenario.paths, ())
    state = new_state(model, 0, world.scenario.paths, chunk)
    halt(state)
    for _ in range(model.steps):
        step(chunk, state)
        seen.append((state.time, float(state.ledgers.totals[LIQUIDATIONS, :, 0].sum()),
                     -float(state.ledgers.tokens[ORDER_OWNERS, 1, 0])))
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < LIMIT
    return state, seen


def trading(until: float, market: int = 0) -> Halt:
    def halt(state: State) -> None:
        state.halts.trading[market] = until
    return halt


def world(**changes: Any) -> World:
    """A loan that falls at 60 s, an order at 60 s; blocks every 15 s."""
    events = [fall(0.1, 60.0), {"at": 60, "kind": "order", "order": "sell 3 ETH"}]
    return one_market(loan("a", 10.0, 8000.0), **{"execution": {"rounds": 4}, "scenario": {"events": events}} | changes)


@pytest.mark.parametrize("rules", ["aave.v3_0", "pro_rata"])
@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_transactions_that_trade_on_a_halted_market_wait_until_it_is_open(mode: str, rules: str) -> None:
    """To 150 s: they are carried out in that block, the second of its step, for which the path wakes."""
    given = world(rules=rules, execution={"mode": mode, "rounds": 4})
    assert [row[1:] for row in run(given, lambda state: None)[1]][1] == (1.0, 3.0)
    state, seen = run(given, trading(150.0))
    assert seen[1] == (75.0, 0.0, 0.0), "the first block of the step, then it sleeps"
    assert seen[2][1:] == (1.0, 3.0) and seen[2][0] == 165.0
    assert state.tally.unfit[0] == 0


def test_owners_top_up_while_the_market_is_halted() -> None:
    state, seen = run(world(borrowers={"attentive": 1.0, "budget": 1.0}), trading(500.0))
    assert state.ledgers.totals[TOP_UPS].sum() == 1.0 and seen[-1][1] == 0.0


def test_a_row_that_waits_says_so() -> None:
    model = assemble(world())
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    trading(500.0)(state)
    for _ in range(2):
        step(chunk, state)
    assert set(state.transactions.state[:state.n_rows]) == {HALTED} and state.wake[0] == 500.0


def test_a_group_waits_with_its_member() -> None:
    """Two rows of a group: one trades on the halted market, the other does not trade; a third stands alone."""
    model = assemble(world())
    state = new_state(model, 0, 1)
    state.room_for_rows(3)
    rows = state.transactions
    rows.group[:3], rows.kind[:3], rows.get_asset[:3] = (1, 1, 0), (0, 1, 0), (1, 1, 1)
    wake = np.full(1, np.inf)

    def held() -> list[bool]:
        rows.state[:3] = 0
        hold_back(3, rows, np.array([False, True]), state.halts.trading, 10.0, wake, state.tree, state.book, state.pool.touched,
                  state.reserves)
        return [bool(one) for one in rows.state[:3] == HALTED]

    assert held() == [False] * 3
    state.halts.trading[0] = 11.0
    assert held() == [True, True, False] and wake[0] == 11.0


def test_a_halt_of_liquidations_leaves_rows_for_owners_alone() -> None:
    def halt(state: State) -> None:
        state.halts.liquidation[0] = 150.0

    state, seen = run(world(), halt)
    assert [row[1] for row in seen[:3]] == [0.0, 0.0, 1.0] and seen[2][0] == 165.0
    assert seen[1][2] == 3.0, "the order is sold"
    state, seen = run(world(borrowers={"attentive": 1.0, "budget": 1.0}), halt)
    assert state.ledgers.totals[TOP_UPS].sum() == 1.0 and seen[-1][1] == 0.0


def test_a_halt_for_good_is_as_if_nobody_were_looked_at() -> None:
    def halt(state: State) -> None:
        state.halts.liquidation[0] = np.inf

    state, seen = run(world(borrowers={"attentive": 1.0, "budget": 1.0}), halt)
    assert seen[-1][1] == 0.0 and state.ledgers.totals[TOP_UPS].sum() == 0.0


def test_nobody_brings_a_halted_pool_to_the_outside_price() -> None:
    """It falls by 10 %; the pool follows by half a minute's half-life, once it is open."""
    given = one_market(loan("a", 10.0, 1000.0), scenario={"events": [fall(0.1, 60.0)]}, venues={"pool": {
        "kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 1000, "USD": 1e6}, "half_life": 30}})
    free, halted = run(given, lambda state: None)[0], run(given, trading(1e9))[0]
    assert free.markets.price[0, 0] == pytest.approx(np.log(900.0), abs=1e-4)
    assert halted.markets.price[0, 0] == pytest.approx(np.log(1000.0), rel=1e-14)
    assert halted.ledgers.turnover.sum() == 0.0 < free.ledgers.turnover.sum()


# ---- exchanges --------------------------------------------------------------------------------------------------


def test_an_engine_and_what_stands_behind_it_wait_for_the_perps_market() -> None:
    """Market 1 is the perp's. Until 90 minutes nobody is called, closed out or deleveraged; then everybody who still falls."""
    given = exchange(paths=3)
    free, halted = run(given, lambda state: None)[0], run(given, trading(1e9, 1))[0]
    assert np.all(free.flows.liquidated.sum(0) > 0.0) and np.all(free.safety.served.sum((0, 1)) > 0.0)
    for nothing in (halted.flows.liquidated, halted.flows.taken, halted.flows.deleveraged, halted.safety.served):
        assert not nothing.any()
    later = run(given, trading(5400.0, 1))[0]
    assert np.all(later.flows.liquidated.sum(0) > 0.0)
    assert np.all(later.safety.first[0, 0] >= 5400.0 - 1e-6)


def test_a_vault_keeps_what_it_holds_while_the_market_is_halted() -> None:
    model = assemble(exchange(paths=1))
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    perp = int(np.flatnonzero(state.margins.perp)[0])
    while state.safety.vault[perp, 0] == 0.0:
        step(chunk, state)
    trading(1e9, 1)(state)
    held = float(state.safety.vault[perp, 0])
    for _ in range(5):
        step(chunk, state)
    assert state.safety.vault[perp, 0] == held


# ---- arbitrageurs -----------------------------------------------------------------------------------------------

ONE = {"kind": "arbitrageurs", "exchange": "perps", "account": "basis", "spot": 300.0, "threshold": 0.001, "leverage": 10.0}


def basis(held: float) -> World:
    """An arbitrageur with `held` of the perp, which the liquidation of a long makes cheap."""
    rows = [{"protocol": "perps", "account": account, "asset": asset, "side": side, "amount": amount, "entry_price": price}
            for account, asset, side, amount, price in (
                ("whale", "USD", "collateral", 12_000.0, None), ("whale", "BTC-PERP", "position", 1000.0, 100.0),
                ("basis", "USD", "collateral", 20_000.0, None), ("basis", "BTC-PERP", "position", held, 100.0))]
    columns = pa.schema([(name, pa.string()) for name in ("protocol", "account", "asset", "side")]
                        + [(name, pa.float64()) for name in ("amount", "entry_price")])
    given: Mapping = {
        "as_of": "2025-10-10T20:45:00Z", "assets": {"BTC": {"price": 100.0}, "BTC-PERP": {"perp": "BTC"}},
        "protocols": {"perps": {"rules": "hyperliquid", "parameters": {"BTC-PERP": {"max_leverage": 20}},
                                "book": Book.from_table(pa.Table.from_pylist(rows, columns))}},
        "feeds": {"mark": {"kind": "mark", "of": "BTC-PERP/USD", "formula": "hyperliquid"}},
        "oracles": {"perps": {"BTC-PERP": "mark"}},
        "venues": {"spot": {"kind": "log_linear", "pair": "BTC/USD", "depth": 1e5},
                   "perp": {"kind": "log_linear", "pair": "BTC-PERP/USD", "depth": 1e4}},
        "actors": {"one": ONE},
        "scenario": {"horizon": "10 min", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [{"at": 60, "kind": "price", "change": {"BTC": -0.12}}]}}
    return worlds.load(given)


def position(state: State) -> float:
    """Units of the perp on the arbitrageur's account."""
    his = int(np.flatnonzero(np.abs(state.book.amount[:, 1]) == 50.0)[0])
    for slot in range(int(state.watch.counts[SLOTS])):
        if state.pool.touched.account[slot] == his:
            return float(state.pool.touched.amount[slot, 1])
    return float(state.book.amount[his, 1])


def opening(until: float) -> Halt:
    def halt(state: State) -> None:
        state.halts.opening[0] = until
    return halt


def test_arbitrageurs_rest_while_one_of_their_markets_is_halted() -> None:
    """Market 0 is spot's: the engine may call, the arbitrageur may not trade."""
    free, halted = run(basis(50.0), lambda state: None)[0], run(basis(50.0), trading(1e9))[0]
    assert position(free) > 60.0 and position(halted) == 50.0
    assert halted.ledgers.totals[LIQUIDATIONS].sum() > 0.0


@pytest.mark.parametrize(("held", "ends"), [(50.0, 50.0), (-50.0, 0.0)])
def test_arbitrageurs_only_close_while_nothing_may_be_opened(held: float, ends: float) -> None:
    """The perp is cheap, so he would buy: a long stays as it is, a short is bought back and no more."""
    assert position(run(basis(held), lambda state: None)[0]) > held + 55.0
    assert position(run(basis(held), opening(1e9))[0]) == pytest.approx(ends, abs=1e-12)

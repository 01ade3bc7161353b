"""Reserves that run empty: who asks for what is not there waits, takes less, or gets nothing and is counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from delever.core.reserves import cash_of, owed_of
from delever.core.tables import DEPOSITS
from delever.engine.step import step
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from run.small import conserved, fall, loan, one_market

MODES = pytest.mark.parametrize("mode", ["sequential", "batched"])
CURVE = {"kind": "kinked", "slope": 0.1, "steep": 4.0, "kink": 0.8}


def market(cash: dict[str, float], mode: str = "sequential", accounts: int = 1, **more: Any) -> World:
    """Borrowers of 800 USD against one ETH each, at 1000 USD."""
    legs = [leg for i in range(accounts) for leg in loan(f"a{i}", 1.0, 800.0)]
    world = one_market(legs, execution={"mode": mode}, **more)
    return world.replace("protocols.pool.cash", cash)


@MODES
def test_a_call_takes_no_more_than_the_cash_that_is_there(mode: str) -> None:
    """All ETH is lent out but 0.1: the call repays what 0.1 ETH is worth, less the incentive, and no more is possible."""
    state, columns = conserved(market({"ETH": 0.1}, mode, scenario={"events": [fall(0.1)]}))
    r = int(np.flatnonzero(state.reserves.cash == 0.1)[0])
    assert state.ledgers.booked[DEPOSITS, r, 0] == pytest.approx(-0.1, rel=1e-12)
    assert cash_of(r, 0, state.reserves, state.ledgers) == pytest.approx(0.0, abs=1e-15)
    assert columns["repaid"][0] == pytest.approx(0.1 * 900.0 / 1.05, rel=1e-12)
    assert columns["no_cash"][0] == 1  # it is still unhealthy, block after block


@MODES
def test_where_there_is_none_nobody_is_called(mode: str) -> None:
    _, columns = conserved(market({"ETH": 0.0}, mode, scenario={"events": [fall(0.1)]}))
    assert columns["liquidations"][0] == 0
    assert columns["no_cash"][0] == 1  # the account, in each of ten steps


@MODES
def test_of_several_in_a_block_the_first_take_it(mode: str) -> None:
    """Half of each debt: 400 USD and 0.4667 ETH a call; 1.2 ETH are there for five calls."""
    state, columns = conserved(market({"ETH": 1.2}, mode, accounts=5, scenario={"events": [fall(0.1)], "horizon": 60}))
    r = int(np.flatnonzero(state.reserves.cash == 1.2)[0])
    assert cash_of(r, 0, state.reserves, state.ledgers) >= -1e-15
    assert columns["liquidations"][0] >= 2
    assert columns["no_cash"][0] >= 2


def test_cash_that_nobody_states_never_runs_out() -> None:
    _, columns = conserved(market({}, scenario={"events": [fall(0.1)]}))
    assert columns["liquidations"][0] > 0
    assert "no_cash" not in columns


# --- depositors who leave ------------------------------------------------------------------------------------


def run_on(cash: float, **lender: Any) -> World:
    """Lenders of the 800 USD that are borrowed and of the cash."""
    world = one_market(loan("a", 1.0, 800.0), scenario={"horizon": "24 h", "step": "10 min"})
    world = world.replace("protocols.pool.cash", {"USD": cash}).replace("protocols.pool.rates", {"USD": CURVE})
    return world.replace("actors.lenders", {"kind": "depositors", "protocol": "pool", "asset": "USD", **lender})


def test_who_leaves_at_a_constant_rate_leaves_exponentially() -> None:
    """A day at half a day: 1 - e^(-1/2) of all deposits, 393.5 of 1000, of which cash pays all."""
    _, columns = conserved(run_on(200.0e6, base=0.5))
    assert columns["withdrawn"][0] == pytest.approx((200.0e6 + 800.0) * -math.expm1(-0.5), rel=1e-6)
    assert columns["waiting"][0] == 0.0
    assert columns["locked"][0] == 0.0


def test_at_full_utilisation_they_queue_and_the_rate_is_at_its_highest() -> None:
    state, columns = conserved(run_on(100.0, base=0.5))
    r = int(np.flatnonzero(state.reserves.cash == 100.0)[0])
    assert columns["withdrawn"][0] == pytest.approx(100.0, rel=1e-9)
    assert cash_of(r, 0, state.reserves, state.ledgers) == pytest.approx(0.0, abs=1e-9)
    assert columns["waiting"][0] == pytest.approx(900.0 * -math.expm1(-0.5) - 100.0, rel=0.05)
    assert columns["locked"][0] > 12 * 3600.0
    assert columns["utilisation"][0] == pytest.approx(1.0)
    assert columns["highest_borrow_rate"][0] == pytest.approx(4.1)


def test_what_rounding_leaves_in_a_reserve_keeps_nobody_awake() -> None:
    """Steps after the cash is gone have one block each: the first, in which every path takes part."""
    world = run_on(1.0 / 3.0, base=1.0).replace("execution.rounds", 20).replace("scenario.horizon", "4 h")
    model = assemble(world)
    acting, blocks = phases(model, 1, ()), []
    state = new_state(model, 0, 1, acting)
    for _ in range(model.steps):
        step(acting, state)
        blocks.append(state.block)
    assert max(blocks[:6]) > 1  # the cash that there is
    assert blocks[6:] == [1] * (len(blocks) - 6)


def test_a_queue_is_paid_by_whoever_repays() -> None:
    """A fall at noon: the liquidator brings USD, and those who wait get it in the next block."""
    world = run_on(10.0, base=0.5)
    quiet = conserved(world)[1]
    columns = conserved(world.replace("scenario.events", [fall(0.2, at=12 * 3600.0)]))[1]
    assert quiet["withdrawn"][0] == pytest.approx(10.0, rel=1e-9)
    assert columns["withdrawn"][0] > 200.0
    assert columns["repaid"][0] >= columns["withdrawn"][0] - 10.0 - 1e-9


@pytest.mark.parametrize("why", [{"uneasy": 5.0, "content": 0.02}, {"herd": 0.9}])
def test_each_reason_makes_more_of_them_leave(why: dict[str, float]) -> None:
    calm = conserved(run_on(300.0, base=0.2))[1]
    more = conserved(run_on(300.0, base=0.2, **why))[1]
    assert more["withdrawn"][0] + more["waiting"][0] > 1.02 * (calm["withdrawn"][0] + calm["waiting"][0])


def test_bad_debt_that_they_see_makes_them_leave() -> None:
    def world(loss: float) -> World:
        events = [fall(0.5, at=3600.0)]
        return run_on(300.0, base=0.01, loss=loss).replace("scenario.events", events).replace("protocols.pool.rules", "aave.v3_3")

    blind, seen = (conserved(world(loss))[1] for loss in (0.0, 5.0))
    assert blind["bad_debt"][0] > 0
    assert seen["withdrawn"][0] + seen["waiting"][0] > 2.0 * (blind["withdrawn"][0] + blind["waiting"][0])


def test_a_socialised_loss_is_borne_by_all_who_supplied() -> None:
    """liabilities = cash + owed + deficit: claims shrink by what was written off, so that lenders are not paid in full."""
    world = run_on(300.0, base=0.0).replace("scenario.events", [fall(0.5, at=3600.0)])
    world = world.replace("protocols.pool.rules", "aave.v3_3").replace("protocols.pool.waterfall", ["socialised_loss"])
    state, columns = conserved(world)
    r = int(np.flatnonzero(state.reserves.cash == 300.0)[0])
    assert columns["deficit"][0] > 0
    assert state.reserves.supply_index[r, 0] < 1.0
    assert np.log(state.reserves.supply_index[r, 0]) == pytest.approx(state.reserves.log_supply[r, 0], abs=1e-14)
    assets = cash_of(r, 0, state.reserves, state.ledgers) + owed_of(r, 0, state.reserves, state.ledgers)
    assert 1100.0 * state.reserves.supply_index[r, 0] == pytest.approx(assets, rel=1e-9)


def test_two_who_lend_the_same_are_refused() -> None:
    more = {"kind": "depositors", "protocol": "pool", "asset": "USD"}
    with pytest.raises(InputError, match=r"lend what .* lend too.*they are all who lend it"):
        run_on(100.0).replace("actors.others", more)


@pytest.mark.parametrize(("change", "words"), [
    ({"protocol": "aave"}, r"unknown protocol.*aave"),
    ({"asset": "ETH"}, r"cash\.ETH.*is missing"),
    ({"herd": 1.5}, r"herd")])
def test_bad_input_is_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        assemble(run_on(100.0, **change))


def test_lenders_need_deposits_of_their_own() -> None:
    world = run_on(100.0)
    book = one_market([*loan("a", 1.0, 800.0), ("b", "USD", "collateral", 2000.0)]).protocols["pool"].book
    protocols = {"pool": world.protocols["pool"].model_copy(update={"book": book})}
    with pytest.raises(InputError, match=r"no deposits of USD but those of its book"):
        phases(assemble(world.model_copy(update={"protocols": protocols})), 1, ())

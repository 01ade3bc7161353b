"""Owners who keep their leverage, by hand; and the limits of a protocol that stand against them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.core.reserves import owed_of
from delever.core.state import State
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from run.small import conserved, fall, loan, one_market

MODES = pytest.mark.parametrize("mode", ["sequential", "batched"])


def loops(*events: Any, mode: str = "sequential", accounts: int = 1, usd: float = 770.0, legs: Any = (), cash: Any = None,
          parameters: Any = None, venues: Any = None, scenario: Any = None, **fields: Any) -> World:
    """ETH at 1000, threshold 0.85; owners of one ETH who owe 770 USD: health 1.1039."""
    every = [leg for i in range(accounts) for leg in loan(f"a{i}", 1.0, usd)] + list(legs)
    world = one_market(every, execution={"mode": mode}, venues=venues or {}, parameters=parameters or {},
                       scenario={"events": list(events), **(scenario or {})})
    who = {"kind": "loopers", "protocol": "pool", "collateral": "ETH", "debt": "USD", "low": 1.05, "target": 1.1, "high": 1.2,
           "slippage": 0.01} | fields
    world = world.replace("actors.loopers", who)
    return world.replace("protocols.pool.cash", cash) if cash else world


def sides(state: State, slot: int = 0) -> tuple[float, float]:
    """(ETH, USD) of an account at the end."""
    amount = state.pool.touched.amount[slot]
    return float(amount[0]), float(amount[1])


def test_inside_of_its_bounds_nobody_acts() -> None:
    """Down 4 %: 1.0597; up 8 %: 1.192."""
    for move in (0.04, -0.08):
        state, columns = conserved(loops(fall(move)))
        assert columns["levered"][0] == 0.0 == columns["delevered"][0]
        assert not state.ledgers.booked.any()


@MODES
def test_below_the_low_bound_he_repays_up_to_his_target(mode: str) -> None:
    """Down 6 %: backing 799, debt 770, health 1.0377; x = (847 - 799) / (1.1 - 0.8585) = 198.758."""
    state, columns = conserved(loops(fall(0.06), mode=mode))
    x = (1.1 * 770.0 - 799.0) / (1.1 - 0.85 * 1.01)
    assert columns["delevered"][0] == pytest.approx(x, rel=1e-12)
    eth, usd = sides(state)
    assert (eth, usd) == pytest.approx((1.0 - 1.01 * x / 940.0, 770.0 - x), rel=1e-12)
    assert eth * 940.0 * 0.85 / usd == pytest.approx(1.1, rel=1e-12)
    assert columns["seized"][0] == 0.0 == columns["repaid"][0]
    assert state.ledgers.tokens[-1, 0, 0] == pytest.approx(0.01 * x, rel=1e-9)  # the market is infinitely deep: what was spared


@MODES
def test_above_the_high_bound_he_borrows_and_buys(mode: str) -> None:
    """Up 20 %: backing 1020, health 1.3247; y = (1020 - 847) / (1.1 - 0.8415) = 669.25."""
    state, columns = conserved(loops(fall(-0.2), mode=mode))
    y = (1020.0 - 847.0) / (1.1 - 0.85 * 0.99)
    assert columns["levered"][0] == pytest.approx(y, rel=1e-12)
    eth, usd = sides(state)
    assert (eth, usd) == pytest.approx((1.0 + 0.99 * y / 1200.0, 770.0 + y), rel=1e-12)
    assert eth * 1200.0 * 0.85 / usd == pytest.approx(1.1, rel=1e-12)


def test_who_never_borrows_more_has_no_high_bound() -> None:
    _, columns = conserved(loops(fall(-0.5), high=None))
    assert columns["levered"][0] == 0.0


def test_selling_moves_the_price_and_makes_the_next_sell() -> None:
    """Twenty owners of the same position and a book: more is sold than twenty times what one alone would sell."""
    def sold(accounts: int) -> float:
        world = loops(fall(0.06), accounts=accounts, venues={"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 100}},
                          slippage=0.05, high=None)
        return float(conserved(world)[1]["delevered"][0])

    assert sold(20) > 20.0 * 1.3 * sold(1)


def test_no_more_is_borrowed_than_there_is() -> None:
    """500 USD are there, 669 wanted: it fails, step after step."""
    _, columns = conserved(loops(fall(-0.2), cash={"USD": 500.0}))
    assert columns["levered"][0] == 0.0
    assert conserved(loops(fall(-0.2), cash={"USD": 700.0}))[1]["levered"][0] > 600.0


@MODES
@pytest.mark.parametrize(("cap", "levered"), [(2 * 770.0 + 669.0, 0), (2 * 770.0 + 670.0, 1), (2 * 770.0 + 2 * 670.0, 2)])
def test_a_borrow_cap_is_reached_and_not_passed(cap: float, levered: int, mode: str) -> None:
    """Two owners want 669.25 each; each takes it whole or not at all."""
    world = loops(fall(-0.2), accounts=2, mode=mode, parameters={"USD": {"borrow_cap": cap}})
    state, columns = conserved(world)
    assert columns["levered"][0] == pytest.approx(levered * (1020.0 - 847.0) / (1.1 - 0.85 * 0.99), rel=1e-9)
    usd = int(np.flatnonzero(state.reserves.asset == 0)[0])
    assert owed_of(usd, 0, state.reserves, state.ledgers) <= cap * (1.0 + 1e-12)


@pytest.mark.parametrize(("cap", "levered"), [(2.5, 0), (2.6, 1), (3.2, 2)])
def test_a_supply_cap_too(cap: float, levered: int) -> None:
    """Each adds 0.5521 ETH."""
    _, columns = conserved(loops(fall(-0.2), accounts=2, parameters={"ETH": {"supply_cap": cap}}))
    assert columns["levered"][0] == pytest.approx(levered * (1020.0 - 847.0) / (1.1 - 0.85 * 0.99), rel=1e-9)


@pytest.mark.parametrize(("ceiling", "levered"), [(1.0, 0), (2 * 770.0 + 669.0, 0), (2 * 770.0 + 670.0, 1), (9e9, 2)])
def test_isolated_collateral_has_a_ceiling_of_debt(ceiling: float, levered: int) -> None:
    """What others owe against the same collateral counts; below what is owed already nobody is thrown out."""
    _, columns = conserved(loops(fall(-0.2), accounts=2, parameters={"ETH": {"debt_ceiling": ceiling}}))
    assert columns["levered"][0] == pytest.approx(levered * (1020.0 - 847.0) / (1.1 - 0.85 * 0.99), rel=1e-9)
    assert columns["liquidations"][0] == 0


@pytest.mark.parametrize(("siloed", "levers"), [(False, True), (True, False)])
def test_a_siloed_debt_is_the_only_one(siloed: bool, levers: bool) -> None:
    """He owes a little BTC beside."""
    world = one_market([*loan("a", 1.0, 700.0), ("a", "BTC", "debt", 0.001)], scenario={"events": [fall(-0.3)]},
                       assets={"ETH": {"price": 1000.0}, "BTC": {"price": 50_000.0}},
                       parameters={"BTC": {"liquidation_threshold": 0.7, "incentive": 0.05, "siloed": siloed}})
    world = world.replace("actors.loopers", loops().actors["loopers"])
    assert (conserved(world)[1]["levered"][0] > 0.0) == levers


def test_while_nothing_may_be_opened_nobody_borrows() -> None:
    pause = {"at": 0.0, "kind": "pause", "protocol": "pool", "liquidations": False, "lasting": 600.0}
    assert conserved(loops(fall(-0.2), pause))[1]["levered"][0] == 0.0


def test_a_vote_opens_a_cap_and_another_closes_it() -> None:
    """Nothing is lent beyond 1540 until the vote of minute four; then a whole 669 is, in that step."""
    vote = {"at": 240.0, "kind": "governance", "protocol": "pool", "parameters": {"USD": {"borrow_cap": 5000.0}}}
    capped = {"USD": {"borrow_cap": 1540.0}}
    assert conserved(loops(fall(-0.2), accounts=2, parameters=capped))[1]["levered"][0] == 0.0
    assert conserved(loops(fall(-0.2), vote, accounts=2, parameters=capped))[1]["levered"][0] > 1300.0


@pytest.mark.parametrize(("fields", "line"), [
    ({"low": 1.2}, "out of order"), ({"high": 1.05}, "out of order"), ({"collateral": "BTC"}, "BTC"),
    ({"protocol": "pol"}, "did you mean pool"), ({"target": 1.001, "low": 1.0005, "slippage": 0.2}, "is not above 1.02"),
])
def test_bad_input_is_one_line(fields: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        assemble(loops(**fields))
    assert len(str(error.value).splitlines()) == 1

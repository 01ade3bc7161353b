"""Recursive positions: wound up as the geometric series says, through the venue; unwound to nothing; the frontier of loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.state import State
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from run.small import conserved, fall, loan, one_market, pool
from stated import some

T, BONUS = 0.95, 0.01  # liquidation threshold and bonus of the formulas' case
TWELVE = (12_000.0, 11_000.0)  # units of ETH, thousands of USD owed: leverage 12


def position(eth: float, usd: float, *events: Any, deep: float | None = None, mode: str = "sequential", blocks: int = 40,
             minutes: int = 10, **fields: Any) -> World:
    """An owner of ETH at 1000 USD who owes USD, winds up or unwinds as the fields say; a pool of `deep` ETH, or endless depth."""
    who = {"kind": "recursive", "protocol": "pool", "collateral": "ETH", "debt": "USD", "slippage": 0.0,
           "accounts": ["a0"], **fields}
    actors = {"liquidators": {"kind": "liquidators", "rule": "always"}, **({"owner": who} if fields else {})}
    venues = {"eth": pool(deep, 1000.0 * deep, fee=0.003)} if deep else {}
    return one_market([*loan("a0", eth, usd), *loan("other", 1.0, 1.0)], execution={"mode": mode, "rounds": blocks},
                      venues=venues, parameters={"ETH": {"liquidation_threshold": T, "incentive": BONUS}}, actors=actors,
                      scenario={"events": list(events), "horizon": 60 * minutes})


def sides(state: State) -> tuple[float, float]:
    """(ETH, USD) of the first account at the end."""
    slot = int(np.flatnonzero(state.pool.touched.account[:1] == 0)[0])
    amount = state.pool.touched.amount[slot]
    return float(amount[0]), float(amount[1])


def series(ltv: float, rounds: int) -> tuple[float, float]:
    """(Collateral, debt) of one of equity after so many rounds without slippage."""
    return (1.0 - ltv ** (rounds + 1)) / (1.0 - ltv), ltv * (1.0 - ltv**rounds) / (1.0 - ltv)


def loss_frontier(leverage: float, threshold: float, bonus: float) -> tuple[float, float]:
    """(Fall at which it may be called, fall beyond which a call leaves bad debt): max(1 - 1/HF, 1 - (1 + b) LT / HF)."""
    factor = threshold * leverage / (leverage - 1.0)
    return 1.0 - 1.0 / factor, max(1.0 - 1.0 / factor, 1.0 - (1.0 + bonus) * threshold / factor)


@pytest.mark.parametrize("mode", ["sequential", "batched"])
@pytest.mark.parametrize("rounds", [1, 2, 12])
def test_it_winds_up_as_the_geometric_series_says(rounds: int, mode: str) -> None:
    state, said = conserved(position(10.0, 0.0, enters=0, rounds=rounds, ltv=0.8, mode=mode))
    collateral, debt = series(0.8, rounds)
    assert sides(state) == pytest.approx((10.0 * collateral, 10_000.0 * debt), rel=1e-12)
    assert said["rounds_in"] == [rounds]
    assert said["recursive_equity"] == pytest.approx([10_000.0], rel=1e-12)
    assert said["wound_up"] == pytest.approx([10_000.0 * debt], rel=1e-12)


@settings(max_examples=25)
@given(st.integers(1, 24), st.floats(0.1, 0.9), st.floats(50.0, 5000.0))
def test_through_a_venue_each_round_buys_at_the_price_that_the_last_one_left(rounds: int, ltv: float, deep: float) -> None:
    """Round by round on the pool, with its fee; feeds read the pool: he borrows against what he holds at its price."""
    state, said = conserved(position(10.0, 0.0, enters=0, rounds=rounds, ltv=ltv, deep=deep, minutes=1))
    eth, usd, held, owed, added = deep, 1000.0 * deep, 10.0, 0.0, 10.0
    done = 0
    for _ in range(rounds):
        price = usd / eth
        borrowed = ltv * added * price
        bought = eth - eth * usd / (usd + borrowed * 0.997)
        if (held + bought) * price * T < owed + borrowed or bought <= 1e-9 * held:
            break
        eth, usd, held, owed, added, done = eth - bought, usd + borrowed * 0.997, held + bought, owed + borrowed, bought, done + 1
    assert said["rounds_in"] == [done]
    if done:
        assert sides(state) == pytest.approx((held, owed), rel=1e-9)


def out_in(factor: float, debt: float, threshold: float, cost: float, keep: float = 1.0) -> float:
    """Rounds that unwinding takes: w(k) = w(0) ((1 - cost) / (keep threshold))^k, where all sales bring 1 - cost."""
    first = (factor - keep) * debt / threshold  # of worth
    ratio = (1.0 - cost) / (keep * threshold)
    return math.ceil(math.log1p(debt * (ratio - 1.0) / (first * (1.0 - cost))) / math.log(ratio) - 1e-9)


@pytest.mark.parametrize("leverage", [2.0, 5.0, 12.0])
def test_it_unwinds_round_by_round_to_nothing_in_as_many_as_the_series_says(leverage: float) -> None:
    state, said = conserved(position(leverage, 1000.0 * (leverage - 1.0), leaves=0, keep=1.0, blocks=90))
    factor = T * leverage / (leverage - 1.0)
    assert said["rounds_out"] == [out_in(factor, leverage - 1.0, T, 0.0)]
    assert sides(state) == (pytest.approx(1.0, rel=1e-9), 0.0)
    assert said["recursive_equity"] == pytest.approx([1000.0], rel=1e-9)
    assert said["unwound"] == pytest.approx([1000.0 * (leverage - 1.0)], rel=1e-9)
    assert said["recursive_debt"] == [0.0]


def test_twelve_loops_come_out_of_twelve_loops() -> None:
    """Wound up by twelve rounds, held, unwound: on a market without cost the owner has what he began with."""
    state, said = conserved(position(10.0, 0.0, enters=0, rounds=12, ltv=0.9, leaves=120, keep=1.0))
    assert said["rounds_in"] == [12.0]
    assert sides(state) == (pytest.approx(10.0, rel=1e-9), 0.0)


def test_by_flash_it_is_one_transaction_and_also_of_an_account_that_may_be_called() -> None:
    """Down 5 %: leverage 12 is called from 3.51 % on; round by round there is nothing free to take out."""
    for how, out in (("flash", 1.0), ("rounds", 0.0)):
        world = position(12.0, 11_000.0, fall(0.05, at=60), low=1.0, by=how)
        _, said = conserved(world.replace("actors.liquidators.rule", "profitable").replace("actors.liquidators.min_profit", 1e9))
        assert said["rounds_out"] == [out]
        assert said["recursive_debt"][0] == (0.0 if out else 11_000.0)
        assert said["recursive_equity"] == pytest.approx([12_000.0 * 0.95 - 11_000.0], rel=1e-9)


@settings(max_examples=15)
@given(st.floats(1.5, 15.0), st.floats(200.0, 5000.0))
def test_by_flash_no_more_is_sold_than_repays(leverage: float, deep: float) -> None:
    """One trade: what goes into the pool leaves x y as it was."""
    debt = 1000.0 * (leverage - 1.0)
    state, said = conserved(position(leverage, debt, leaves=0, by="flash", deep=deep, minutes=1, blocks=1))
    usd = 1000.0 * deep
    into = deep * usd / (usd - debt) - deep if debt < usd else math.inf
    sold = into / 0.997
    if sold > leverage:
        assert said["rounds_out"] == [0.0]
        return
    assert sides(state) == (pytest.approx(leverage - sold, abs=1e-9), 0.0)


@pytest.mark.parametrize(("leverage", "cost", "out"), [(8.0, 0.04, True), (15.0, 0.1, False)])
def test_where_sales_cost_more_than_the_threshold_leaves_rounds_shrink(leverage: float, cost: float, out: bool) -> None:
    """T = 0.95: sales that bring 0.96 of their worth grow from round to round; those that bring 0.9 stop short of the debt."""
    world = position(leverage, 1000.0 * (leverage - 1.0), leaves=0, keep=1.0, blocks=300, minutes=1)
    venue = {"kind": "log_linear", "pair": "ETH/USD", "depth": 1e9, "fee": cost}
    _, said = conserved(world.replace("venues.eth", venue))
    factor = T * leverage / (leverage - 1.0)
    if out:
        assert said["rounds_out"] == [out_in(factor, leverage - 1.0, T, cost)]
        assert said["recursive_debt"] == [0.0]
        return
    first, ratio = (factor - 1.0) * (leverage - 1.0) / T, (1.0 - cost) / T
    left = leverage - 1.0 - first * (1.0 - cost) / (1.0 - ratio)
    assert said["recursive_debt"] == pytest.approx([1000.0 * left], rel=1e-3)


# --- the frontier of loss ---------------------------------------------------------------------------------------------


def test_the_frontier_of_twelve_loops_is_the_formulas() -> None:
    eligible, frontier = loss_frontier(12.0, T, BONUS)
    assert eligible == pytest.approx(0.0351, abs=5e-5) and frontier == pytest.approx(0.07417, abs=5e-6)


def called(leverage: float, share: float) -> dict[str, np.ndarray]:
    """What a sudden fall does to a position of this leverage that is only called by others."""
    return conserved(position(1000.0 * leverage, 1e6 * (leverage - 1.0), fall(share, at=60), blocks=60))[1]


def test_twelve_loops_are_called_at_one_end_of_the_frontier_and_leave_bad_debt_beyond_the_other() -> None:
    eligible, frontier = loss_frontier(12.0, T, BONUS)
    assert called(12.0, eligible - 1e-6)["liquidations"] == [0.0]
    between = called(12.0, eligible + 1e-6)
    assert between["liquidations"][0] > 0.0 and between["bad_debt"][0] == 0.0
    assert called(12.0, frontier - 1e-6)["bad_debt"] == pytest.approx([0.0], abs=1e-6)
    assert called(12.0, frontier + 1e-4)["bad_debt"][0] > 0.0


@settings(max_examples=20)
@given(st.integers(1, 30), st.floats(0.3, 0.94), some(0.0, 1.0))
def test_any_number_of_rounds_is_called_and_lost_where_the_formula_says(rounds: int, ltv: float, place: float) -> None:
    """A fall on either side of both ends."""
    collateral, debt = series(ltv, rounds)
    leverage = collateral / (collateral - debt)
    eligible, frontier = loss_frontier(leverage, T, BONUS)
    inside = called(leverage, eligible + (frontier - eligible) * (0.001 + 0.998 * place))
    assert inside["liquidations"][0] > 0.0 and inside["bad_debt"] == pytest.approx([0.0], abs=1e-3)
    assert called(leverage, eligible - 1e-4)["liquidations"] == [0.0]
    beyond = called(leverage, min(frontier + 1e-3 + 0.01 * place, 0.999))
    assert beyond["bad_debt"][0] > 0.0


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fields", "line"), [
    ({"ltv": 0.5}, "neither enters nor leaves; write `enters`, `leaves` or `low`"),
    ({"leaves": 0, "protocol": "pol"}, "did you mean pool"), ({"leaves": 0, "collateral": "BTC"}, "BTC"),
    ({"enters": 0, "ltv": 1.0}, "ltv is 1.0"), ({"leaves": 0, "keep": 0.9}, "keep is 0.9"),
    ({"leaves": 0, "accounts": ["b"]}, r"actors\.owner\.accounts.*no such account"),
    ({"leaves": 0, "debt": "ETH"}, "accounts: holds no ETH or has no place for ETH: 'a0'; give it both in the book")])
def test_bad_input_is_one_line(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        assemble(position(1.0, 1.0, **fields))
    assert len(str(error.value).splitlines()) == 1

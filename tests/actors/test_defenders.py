"""Owners who act before they are called: as often as their hazard says, by what their gain says, and never below the boundary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from delever.actors.defenders import DAY
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import stress
from run.small import conserved, fall, loan, one_market, unlike

OFTEN = 1440.0  # a day: once a minute, in the mean


def owners(xs: Any, *events: Any, paths: int = 1, steps: int = 10, legs: Any = (), **fields: Any) -> World:
    """Loans of one ETH at 1000 USD, threshold 0.85, each so far above the boundary [log]; one step a minute."""
    every = [leg for i, x in enumerate(xs) for leg in loan(f"a{i}", 1.0, 850.0 * math.exp(-x))] + list(legs)
    who = {"kind": "defenders", "defend": 0.0} | fields
    world = one_market(every, scenario={"events": list(events), "paths": paths, "horizon": 60.0 * steps},
                       parameters={"WBTC": {"liquidation_threshold": 0.85, "incentive": 0.05}} if legs else {},
                       assets={"ETH": {"price": 1000.0}, **({"WBTC": {"price": 1000.0}} if legs else {})})
    return world.replace("actors.owners", who)


def sides(state: State) -> list[tuple[float, float]]:
    """(ETH, USD) of every account that was touched, at the end."""
    n = int(state.watch.counts[SLOTS])
    return [(float(amount[0]), float(amount[-1])) for amount in state.pool.touched.amount[:n]]


def acts(world: World) -> np.ndarray:
    """By path."""
    return np.asarray(stress(world, keep=False, threads=1).paths["owners_acts.owners"].to_numpy())


@pytest.mark.parametrize(("x", "fields"), [
    (0.02, {"defend": 200.0, "defend_scale": 0.04}), (0.3, {"defend_far": 100.0}),
    (0.05, {"close": 0.0, "defend": 300.0, "defend_scale": 0.1, "defend_far": 20.0})])
def test_as_many_act_as_the_hazard_says(x: float, fields: dict[str, float]) -> None:
    """Nothing moves, and gains too small to matter: 60 accounts, 40 paths and 10 steps are so many independent draws."""
    n = 60 * 40 * 10
    rate = fields.get("defend_far", 0.0) + fields.get("defend", 0.0) * math.exp(-x / fields.get("defend_scale", 1.0))
    p = -math.expm1(-rate * 60.0 / DAY)
    found = acts(owners([x] * 60, paths=40, gain=1e-6, spread=0.0, **fields)).sum()
    assert abs(found - n * p) < 4.0 * math.sqrt(n * p * (1.0 - p)), (found, n * p)


def test_those_nearer_act_more_often_each_by_its_own_distance() -> None:
    """A list of very different distances, drawn from its steep end on."""
    xs = [0.005, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64] * 8
    world = owners(xs, paths=60, gain=1e-6, spread=0.0, repays=0.0, defend=400.0, defend_scale=0.05)
    found = acts(world)
    p = np.array([-math.expm1(-400.0 * math.exp(-x / 0.05) * 60.0 / DAY) for x in xs])
    mean, sd = 600.0 * p.sum(), math.sqrt(600.0 * (p * (1.0 - p)).sum())
    assert abs(found.sum() - mean) < 4.0 * sd


def test_an_account_of_several_lists_is_drawn_once() -> None:
    """Half ETH, half WBTC, two pairs of series; ETH falls, so that its pair moves further. What counts is the account's own x."""
    legs = [(f"b{i}", asset, "collateral", 0.5) for i in range(60) for asset in ("ETH", "WBTC")]
    legs += [(f"b{i}", "USD", "debt", 850.0 * math.exp(-0.15)) for i in range(60)]
    world = owners([], fall(0.1), paths=40, legs=legs, gain=1e-6, spread=0.0, defend=400.0, defend_scale=0.1)
    x = 0.15 + math.log(0.95)
    n, p = 60 * 40 * 10, -math.expm1(-400.0 * math.exp(-x / 0.1) * 60.0 / DAY)
    assert abs(acts(world).sum() - n * p) < 4.0 * math.sqrt(n * p)


@pytest.mark.parametrize("repays", [0.0, 1.0])
def test_a_defence_adds_its_gain_to_the_distance(repays: float) -> None:
    """One step in which he acts almost surely."""
    world = owners([0.05], steps=1, defend_far=1e5, gain=0.04, spread=0.0, repays=repays)
    state, columns = conserved(world)
    ((eth, usd),) = sides(state)
    assert math.log(850.0 * eth / usd) == pytest.approx(0.09, rel=1e-12)
    debt = 850.0 * math.exp(-0.05)
    assert columns["owners_added"][0] == pytest.approx((1.0 - repays) * 1000.0 * (math.exp(0.04) - 1.0))
    assert columns["owners_repaid"][0] == pytest.approx(repays * debt * (1.0 - math.exp(-0.04)))


def test_it_costs_no_more_than_his_budget() -> None:
    state, columns = conserved(owners([0.05], steps=1, defend_far=1e5, gain=1.0, spread=0.0, repays=0.0, budget=0.03))
    assert sides(state)[0][0] == pytest.approx(1.03) and columns["owners_added"][0] == pytest.approx(30.0)


@pytest.mark.parametrize("sells", [0.0, 1.0])
def test_who_closes_owes_nothing(sells: float) -> None:
    """Out of his pocket, or by selling what it takes and what the sale may cost; the market here is infinitely deep."""
    state, columns = conserved(owners([0.05], steps=1, close_far=1e5, sells=sells, slippage=0.01))
    debt = 850.0 * math.exp(-0.05)
    ((eth, usd),) = sides(state)
    assert usd == 0.0 and eth == pytest.approx(1.0 - sells * debt * 1.01 / 1000.0)
    assert columns["owners_sold" if sells else "owners_repaid"][0] == pytest.approx(debt)


def test_who_is_eligible_or_never_watches_does_not_act() -> None:
    """ETH falls by 10 % before anybody could act; those who were 5 % above are called instead."""
    fallen = conserved(owners([0.05] * 20, fall(0.1), steps=1, defend_far=1e5))[1]
    assert fallen["owners_acts"][0] == 0.0
    assert acts(owners([0.05] * 20, defend_far=1e5, watching=0.0)).sum() == 0.0
    some = acts(owners([0.05] * 100, paths=20, steps=1, defend_far=1e5, watching=0.25))
    assert abs(some.sum() - 500.0) < 4.0 * math.sqrt(2000 * 0.25 * 0.75)


def test_defences_spare_accounts_that_a_fall_would_have_called() -> None:
    xs = np.linspace(0.01, 0.2, 40)
    slow = fall(0.12) | {"over": 600.0}
    still, defended = (float(np.mean(stress(owners(xs, slow, paths=20, defend=rate), keep=False, threads=1).paths[
        "liquidations.pool"].to_numpy())) for rate in (0.0, OFTEN))
    assert 0.0 < defended < 0.7 * still


def test_the_same_bits_whatever_the_chunk() -> None:
    world = owners(np.linspace(0.0, 0.3, 30), fall(0.1), paths=7, defend=OFTEN, close=OFTEN / 4.0, sells=0.5)
    one, all_ = (stress(world, keep=False, threads=1, chunk=chunk).paths for chunk in (1, 7))
    assert unlike(one, all_) == [] and one["owners_acts.owners"].to_numpy().sum() > 0


def test_two_groups_of_one_protocol_are_refused() -> None:
    with pytest.raises(InputError, match="two kinds of owners who act"):
        stress(owners([0.1]).replace("actors.others", {"kind": "defenders", "defend": 1.0}), keep=False)

"""Liquity v2 by hand: penalties of pool and redistribution, interest, redemption by rate and its split, shutdown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.core.seen_prices import price_all
from delever.core.state import State
from delever.core.tables import BANDS, DEBTS, DEPOSITS, SLOTS, TREASURY
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.world import World
from delever.protocols.liquity_formulas import shared_out
from delever.protocols.liquity_system import FEES, OFFSET, POOL, POOL_COLL, REDEEMED, SPREAD, SPREAD_COLL, STABLE, STABLE_RESERVE
from delever.protocols.liquity_v2 import LiquityV2Phase
from delever.protocols.liquity_v2_branch import DOWN_AT, INTEREST, NEXT, URGENT, URGENT_COLL, YIELD
from delever.protocols.liquity_v2_redeem import ASKED, AT, FEE, MOST, RATE, redeem
from protocols.liquity_v2_worlds import PRICE, Found, Trove, found, started, world

LIQUIDATORS = -1  # the last row of the token ledger is the only actor's
YEAR = 365.0 * 86400.0
SAFE = (Trove("WETH", 100.0, 40_000.0), Trove("wstETH", 100.0, 40_000.0), Trove("rETH", 100.0, 40_000.0))


def run(made: World, steps: int = 1) -> tuple[dict[str, Found], State, LiquityV2Phase]:
    """Branches, state and rules after so many steps; value is conserved after each."""
    chunk, state, rules = started(made)
    for _ in range(steps):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-12
    price_all(state)
    return found(rules, state, chunk_names(rules)), state, rules


def chunk_names(rules: LiquityV2Phase) -> tuple[str, ...]:
    """Accounts, by number."""
    return tuple(f"t{i}" for i in range(len(rules.of)))


def said(state: Any, rules: Any, name: str, asset: str) -> float:
    """A column of a branch."""
    (value,) = (v for v in rules.columns(state) + rules.amounts(state)
                if v.column.name == name and v.asset == rules.assets.index(asset))
    return float(value.values[0])


# ------------------------------------------------------------- liquidation
# t0 of 10 WETH owes 15,000 and WETH falls to 1600: 106.7 %. The caller gets 0.05 of it, 9.95 are left.

FALLEN = Trove("WETH", 10.0, 15_000.0)
FALL = {"WETH": -0.2}


def test_a_pool_gets_105_percent_of_what_it_burns_and_the_owner_the_rest() -> None:
    branches, state, rules = run(world(FALLEN, *SAFE, change=FALL, rules={"stability_pool": {"WETH": 20_000}}))
    weth, gets = branches["WETH"], 15_000.0 * 1.05 / 1600.0  # 9.84375
    assert weth.troves.keys() == {"t1"} and weth.surplus == {"t0": pytest.approx(9.95 - gets)}
    assert weth.system.sums[0, POOL] == pytest.approx(5000.0) and weth.system.sums[0, POOL_COLL] == pytest.approx(gets)
    tokens, eth, bold = state.ledgers.tokens, rules.assets.index("WETH"), rules.assets.index("BOLD")
    assert tokens[LIQUIDATORS, eth, 0] == pytest.approx(0.05 + 0.0375) and tokens[LIQUIDATORS, bold, 0] == 0.0
    assert tokens[BANDS, eth, 0] == pytest.approx(gets - 0.0375) and tokens[BANDS, bold, 0] == pytest.approx(-15_000.0)
    assert said(state, rules, "burned", "WETH") == pytest.approx(15_000.0)


def test_a_pool_keeps_one_unit() -> None:
    branches, _, _ = run(world(FALLEN, *SAFE, change=FALL, rules={"stability_pool": {"WETH": 15_000}}))
    assert branches["WETH"].system.sums[0, POOL] == pytest.approx(1.0)
    assert branches["WETH"].system.told[SPREAD, 0] == pytest.approx(1.0)


def test_a_redistribution_gives_others_110_percent_and_eats_what_the_pool_left_to_the_owner() -> None:
    """Half is burned: the pool gets 7500 x 1.05 / 1600 of 4.975; 4.975 + 0.053125 are less than 7500 x 1.10 / 1600."""
    branches, _, _ = run(world(FALLEN, *SAFE, change=FALL, rules={"stability_pool": {"WETH": 7501}}))
    told, weth = branches["WETH"].system.told[:, 0], branches["WETH"]
    assert told[OFFSET] == pytest.approx(7500.0) and told[SPREAD] == pytest.approx(7500.0)
    assert told[SPREAD_COLL] == pytest.approx(9.95 - 7500.0 * 1.05 / 1600.0) and not weth.surplus
    assert weth.troves["t1"] == (pytest.approx(100.0 + told[SPREAD_COLL]), pytest.approx(47_500.0))


def test_a_stated_penalty_of_redistributions_leaves_the_owner_more() -> None:
    branches, _, _ = run(world(FALLEN, *SAFE, change=FALL, rules={"spread_penalty": {"WETH": 0.02}}))
    assert branches["WETH"].surplus == {"t0": pytest.approx(9.95 - 15_000.0 * 1.02 / 1600.0)}


def test_a_caller_gets_half_a_per_cent_and_two_units_at_most() -> None:
    branches, state, rules = run(world(Trove("WETH", 1000.0, 1_500_000.0), *SAFE, change=FALL,
                                       rules={"stability_pool": {"WETH": 1_550_000}}))
    assert state.ledgers.tokens[LIQUIDATORS, rules.assets.index("WETH"), 0] == pytest.approx(2.0375)
    assert branches["WETH"].surplus == {"t0": pytest.approx(998.0 - 1_500_000.0 * 1.05 / 1600.0)}


def test_whoever_liquidates_another_collateral_gets_what_was_set_aside_in_weth() -> None:
    """115 % is below the 120 % of that branch; its pool takes 5 %, and another branch's pool takes nothing."""
    low = Trove("wstETH", 10.0, 24_000.0 / 1.25)
    pools = {"wstETH": 30_000, "WETH": 9000}
    branches, state, rules = run(world(low, *SAFE, change={"wstETH": -0.08}, rules={"stability_pool": pools}))
    gets = state.ledgers.tokens[LIQUIDATORS, :, 0]
    assert gets[rules.assets.index("WETH")] == pytest.approx(0.0375) and gets[rules.assets.index("wstETH")] == pytest.approx(0.05)
    assert branches["wstETH"].surplus == {"t0": pytest.approx(9.95 - low.debt * 1.05 / (2400.0 * 0.92))}
    assert branches["WETH"].system.sums[0, POOL] == 9000.0 and branches["WETH"].system.told[OFFSET, 0] == 0.0


@pytest.mark.parametrize(("ratio", "left"), [(1.1 * (1 + 1e-9), True), (1.1 * (1 - 1e-9), False)])
def test_a_trove_at_the_edge_stays_and_just_below_it_goes(ratio: float, left: bool) -> None:
    branches, _, _ = run(world(Trove("WETH", 10.0, 20_000.0 / ratio), *SAFE))
    assert ("t0" in branches["WETH"].troves) == left


def test_there_is_no_recovery_mode() -> None:
    """All together at 121 %, below any CCR: nobody above MCR is liquidated."""
    branches, _, _ = run(world(Trove("WETH", 10.0, 17_000.0), Trove("WETH", 30.0, 49_000.0), *SAFE[1:],
                               rules={"stability_pool": {"WETH": 60_000}}))
    assert branches["WETH"].troves.keys() == {"t0", "t1"}


def test_the_last_trove_of_a_branch_stays_and_a_redistribution_stays_in_its_branch() -> None:
    branches, _, _ = run(world(FALLEN, *SAFE[1:], change=FALL), steps=2)
    assert branches["WETH"].troves.keys() == {"t0"}
    assert branches["rETH"].troves["t2"] == (100.0, 40_000.0) and branches["wstETH"].troves["t1"] == (100.0, 40_000.0)


@given(st.floats(0.0, 2.0), st.floats(1.0, 1e6), st.floats(0.0, 1.0), st.floats(0.0, 0.2), st.floats(0.0, 0.4))
def test_collateral_is_shared_out_whole_and_nobody_gets_more_than_his_penalty(ratio: float, debt: float, covered: float,
                                                                              pool: float, spread: float) -> None:
    price, burned = 2.0, covered * debt
    coll = ratio * debt / price
    to_pool, to_others, left = shared_out(coll, debt, burned, price, 1.0 + pool, 1.0 + spread)
    assert to_pool + to_others + left == pytest.approx(coll) and min(to_pool, to_others, left) >= 0.0
    assert to_pool * price <= burned * (1.0 + pool) * (1 + 1e-12)
    assert to_others * price <= (debt - burned) * (1.0 + spread) * (1 + 1e-12)
    if ratio <= 1.0 + min(pool, spread):
        assert left == pytest.approx(0.0, abs=1e-9 * max(coll, 1.0))
    if ratio > 1.0 + max(pool, spread):
        assert left > 0.0
    assert shared_out(coll, debt, burned, price, np.inf, np.inf)[2] == 0.0  # v1: nothing is the owner's


# ------------------------------------------------------------- interest

def test_interest_is_simple_a_pool_gets_three_quarters_and_governance_the_rest() -> None:
    """36.5 % a year is a thousandth a day: 40 units on 40,000."""
    rows = (SAFE[0]._replace(rate=0.365), *SAFE[1:])
    made = world(*rows, scenario__horizon="24 h", scenario__step="1 h")
    branches, state, rules = run(made, steps=24)
    assert branches["WETH"].troves["t0"][1] == pytest.approx(40_040.0)
    told, reserve = branches["WETH"].branch.told[:, 0], branches["WETH"].system.of[STABLE_RESERVE]
    bold = rules.assets.index("BOLD")
    assert told[INTEREST] == pytest.approx(40.0) and told[YIELD] == pytest.approx(30.0)
    assert state.ledgers.tokens[BANDS, bold, 0] == pytest.approx(30.0)
    assert state.ledgers.booked[TREASURY, reserve, 0] == pytest.approx(10.0)
    assert state.ledgers.booked[DEBTS, reserve, 0] == pytest.approx(40.0)


def test_a_trove_without_a_rate_pays_what_the_rules_say() -> None:
    branches, _, _ = run(world(SAFE[0]._replace(rate=None), *SAFE[1:], rules={"interest_rate": 0.365},
                               scenario__horizon="24 h", scenario__step="1 h"), steps=24)
    assert branches["WETH"].troves["t0"][1] == pytest.approx(40_040.0) and branches["rETH"].troves["t2"][1] == 40_000.0


def test_what_is_redistributed_bears_no_interest_until_its_trove_is_touched() -> None:
    rows = (FALLEN, SAFE[0]._replace(rate=0.365), *SAFE[1:])
    branches, _, _ = run(world(*rows, change=FALL, scenario__horizon="24 h", scenario__step="1 h"), steps=24)
    assert branches["WETH"].troves["t1"][1] == pytest.approx(55_040.0)


def test_interest_alone_brings_a_trove_down() -> None:
    """At 110.01 % and 250 % a year it takes some 20 minutes."""
    low = Trove("WETH", 10.0, 20_000.0 / 1.1001, 2.5)
    branches, _, _ = run(world(low, *SAFE, scenario__horizon="60 min"), steps=10)
    assert "t0" in branches["WETH"].troves
    branches, _, _ = run(world(low, *SAFE, scenario__horizon="60 min"), steps=30)
    assert "t0" not in branches["WETH"].troves


# ------------------------------------------------------------- redemption

def line(*rows: tuple[float, float, float]) -> tuple[Found, Any]:
    """A branch with troves of (WETH, debt, rate), before anything has happened."""
    _, state, rules = started(world(*(Trove("WETH", *row) for row in rows)))
    names = chunk_names(rules)
    return found(rules, state, names)["WETH"], lambda: found(rules, state, names)["WETH"].troves


def test_a_redemption_takes_from_the_lowest_rate_first_and_leaves_the_fee_there() -> None:
    """Not the lowest ratio: t0 has that, and pays most. 6000 of t2 and 1000 of t1 at 2000, 1 % of which stays."""
    branch, now = line((10.0, 15_000.0, 0.05), (10.0, 8000.0, 0.02), (10.0, 6000.0, 0.01))
    paid, drawn = redeem(0, 7000.0, 2000.0, 0.01, 1.0, branch.system, branch.branch)
    assert (paid, drawn) == (pytest.approx(7000.0), pytest.approx(3.5 * 0.99))
    assert now() == {"t0": (10.0, 15_000.0), "t1": (pytest.approx(10.0 - 0.495), pytest.approx(7000.0)),
                     "t2": (pytest.approx(10.0 - 2.97), 0.0)}
    assert branch.branch.zombie[0].tolist() == [0, 0, 1] and branch.branch.now[0, NEXT] == -1.0  # nothing is left of t2's debt


def test_a_zombie_that_still_owes_is_next_whatever_its_rate_and_others_are_passed_over() -> None:
    branch, now = line((10.0, 15_000.0, 0.01), (10.0, 8000.0, 0.02), (10.0, 1999.0, 0.0))
    assert branch.branch.zombie[0].tolist() == [0, 0, 1]  # by its book, and not the next
    branch.system.coll[0, 0] = 7.4  # 98.7 %: passed over
    redeem(0, 7500.0, 2000.0, 0.0, 1.0, branch.system, branch.branch)
    assert now()["t1"][1] == pytest.approx(500.0) and branch.branch.now[0, NEXT] == 1.0
    branch.system.coll[0, 0] = 10.0
    redeem(0, 700.0, 2000.0, 0.0, 1.0, branch.system, branch.branch)
    assert now()["t1"][1] == 0.0 and now()["t0"][1] == pytest.approx(14_800.0) and now()["t2"][1] == 1999.0
    assert branch.branch.now[0, NEXT] == -1.0


@pytest.mark.parametrize(("coll", "passed"), [(7.5, False), (7.5 * (1 - 1e-9), True)])
def test_a_trove_that_has_less_than_it_owes_is_passed_over(coll: float, passed: bool) -> None:
    branch, now = line((coll, 15_000.0, 0.01), (10.0, 8000.0, 0.02))
    redeem(0, 1000.0, 2000.0, 0.0, 1.0, branch.system, branch.branch)
    assert now()["t0"][1] == (15_000.0 if passed else 14_000.0)


@pytest.mark.parametrize(("debt", "zombie"), [(2000.0, 0), (1999.999, 1)])
def test_a_trove_left_with_less_than_the_least_debt_is_a_zombie(debt: float, zombie: int) -> None:
    branch, _ = line((10.0, 8000.0, 0.01), (10.0, 8000.0, 0.02))
    redeem(0, 8000.0 - debt, 2000.0, 0.0, 1.0, branch.system, branch.branch)
    assert branch.branch.zombie[0, 0] == zombie


CHEAP: dict[str, Any] = {"bold": 0.9, "depth": 1e5}


def redeemed(branches: dict[str, Found]) -> dict[str, float]:
    return {name: float(one.system.told[REDEEMED, 0]) for name, one in branches.items()}


def test_a_redemption_is_split_by_what_pools_do_not_cover() -> None:
    """Of 40,000 each, pools cover 10,000 and 30,000: 4 : 3 : 1."""
    branches, state, rules = run(world(*SAFE, **CHEAP, rules={
        "redemptions": True, "stability_pool": {"wstETH": 10_000, "rETH": 30_000}}))
    got = redeemed(branches)
    assert got["WETH"] > 100.0
    assert got["wstETH"] / got["WETH"] == pytest.approx(0.75) and got["rETH"] / got["WETH"] == pytest.approx(0.25)
    assert said(state, rules, "unbacked", "WETH") == pytest.approx(40_000.0 - got["WETH"])


def test_where_pools_cover_everything_it_is_split_by_debts() -> None:
    rows = (SAFE[0], SAFE[1]._replace(debt=20_000.0), SAFE[2]._replace(debt=10_000.0))
    pools = {"WETH": 40_000, "wstETH": 20_000, "rETH": 10_000}
    got = redeemed(run(world(*rows, **CHEAP, rules={"redemptions": True, "stability_pool": pools}))[0])
    assert got["wstETH"] / got["WETH"] == pytest.approx(0.5) and got["rETH"] / got["WETH"] == pytest.approx(0.25)


def test_no_more_is_redeemed_at_once_than_pools_do_not_cover() -> None:
    pools = {"WETH": 39_900, "wstETH": 39_950, "rETH": 40_000}
    branches, _, rules = run(world(*SAFE, bold=0.9, depth=1e9, rules={"redemptions": True, "stability_pool": pools}))
    assert redeemed(branches) == {"WETH": pytest.approx(100.0), "wstETH": pytest.approx(50.0), "rETH": 0.0}
    assert rules.registries[0].now[0, ASKED] == rules.registries[0].now[0, MOST] == pytest.approx(150.0)


def test_the_fee_rises_by_the_share_redeemed_and_halves_in_six_hours() -> None:
    pools = {"WETH": 34_000, "wstETH": 34_000, "rETH": 40_000}  # 12,000 of 120,000
    made = world(*SAFE, bold=0.5, depth=1e9, rules={"redemptions": True, "stability_pool": pools, "base_rate": 0.02})
    branches, _, rules = run(made.replace("scenario.horizon", "6 h").replace("scenario.step", "6 h"))
    now = rules.registries[0].now[0]
    assert now[FEE] == pytest.approx(0.01 + 0.1 + 0.005) and now[RATE] == pytest.approx(0.11) and now[AT] == 21_600.0
    told = branches["WETH"].system.told[:, 0]
    assert told[FEES] == pytest.approx(told[REDEEMED] / 2000.0 * 0.115)
    assert branches["WETH"].troves["t0"][0] == pytest.approx(100.0 - 6000.0 / 2000.0 * (1 - 0.115))


def test_somebody_redeems_until_it_no_longer_pays_and_at_the_peg_nobody() -> None:
    """What a unit brings at the end: dc/dx = 1 - fee - x / supply, at a price of BOLD that has risen to just that."""
    branches, state, rules = run(world(*SAFE, bold=0.97, depth=1e5, rules={"redemptions": True}))
    x, now = sum(redeemed(branches).values()), rules.registries[0].now[0]
    assert 0.0 < x == pytest.approx(now[ASKED])
    market = list(rules.assets).index("BOLD")
    price = float(np.exp(state.markets.price[market - 1, 0]))
    assert price == pytest.approx(1.0 - now[FEE] - x / 120_000.0, rel=1e-6)
    assert sum(redeemed(run(world(*SAFE, bold=0.996, depth=1e5, rules={"redemptions": True}))[0]).values()) == 0.0


def test_where_markets_of_a_collateral_are_halted_nobody_redeems() -> None:
    halt = [{"kind": "outage", "at": 0, "venue": "reth", "lasting": 90}]
    made = world(*SAFE, **CHEAP, rules={"redemptions": True}).replace("scenario.events", halt)
    assert sum(redeemed(run(made)[0]).values()) == 0.0
    assert sum(redeemed(run(made, steps=2)[0]).values()) > 0.0


# ------------------------------------------------------------- shutdown

LOW = (Trove("WETH", 20.0, 32_000.0, 0.365), Trove("WETH", 20.0, 32_000.0, 0.2))


@pytest.mark.parametrize(("price", "down"), [(1760.001, False), (1759.999, True)])
def test_a_branch_whose_troves_together_are_below_scr_is_shut_down(price: float, down: bool) -> None:
    """40 WETH for 64,000 are at 110 % where WETH is at 1760; shut down, it bears no interest any more."""
    rows = tuple(one._replace(rate=0.0) for one in LOW)
    branches, state, rules = run(world(*rows, *SAFE[1:], change={"WETH": price / 2000.0 - 1.0}))
    assert branches["WETH"].branch.now[0, DOWN_AT] == (60.0 if down else np.inf)
    assert np.isnan(said(state, rules, "shutdown", "WETH")) != down and np.isnan(said(state, rules, "shutdown", "rETH"))


def test_a_shutdown_ends_interest_and_redemptions_of_its_branch_alone() -> None:
    """WETH falls by a fifth: both of its troves are at 100 %, and one is liquidated."""
    rows = (*LOW, *(one._replace(rate=0.365) for one in SAFE[1:]))
    branches, _, _ = run(world(*rows, change={"WETH": -0.2}, **CHEAP, rules={"redemptions": True}), steps=10)
    weth, reth = branches["WETH"], branches["rETH"]
    assert weth.branch.told[INTEREST, 0] == pytest.approx(64_000.0 * (0.365 + 0.2) / 2 * 60.0 / YEAR, rel=1e-6)
    assert weth.system.told[REDEEMED, 0] == 0.0 < reth.system.told[REDEEMED, 0]
    assert reth.branch.told[INTEREST, 0] > 0.0 and weth.branch.told[URGENT, 0] > 0.0


def test_an_urgent_redemption_gets_102_percent_and_no_more_than_a_trove_has() -> None:
    """At a deep market all is redeemed, as far as 1600 a WETH are worth 102 % of it; the rest has nothing behind it.

    One of the two is liquidated first: its 19.9 WETH and 32,000 of debt are the other's, 39.9 for 64,000.
    """
    rows = tuple(one._replace(rate=0.0) for one in LOW)
    branches, state, rules = run(world(*rows, *SAFE[1:], change={"WETH": -0.2}))
    weth, all_of_it = branches["WETH"], 39.9 * 1600.0 / 1.02
    assert weth.branch.told[URGENT, 0] == pytest.approx(all_of_it) and weth.branch.told[URGENT_COLL, 0] == pytest.approx(39.9)
    assert list(weth.troves.values()) == [(pytest.approx(0.0, abs=1e-12), pytest.approx(64_000.0 - all_of_it))]
    shortfall = next(v for v in rules.columns(state) if v.column.name == "shortfall").values[0]
    assert shortfall == pytest.approx(64_000.0 - all_of_it)


def test_an_urgent_redemption_of_a_sound_trove_pays_the_bonus_out_of_its_collateral() -> None:
    """With an SCR of 200 % a branch at 150 % is shut down: 1 unit for 1.02 / 2000, lowest rate first."""
    rows = (Trove("WETH", 30.0, 40_000.0, 0.02), Trove("WETH", 30.0, 40_000.0, 0.01), *SAFE[1:])
    branches, _, _ = run(world(*rows, depth=1e5, bold=0.999, rules={"shutdown_ratio": {"WETH": 2.0}}))
    weth = branches["WETH"]
    x, drawn = weth.branch.told[URGENT, 0], weth.branch.told[URGENT_COLL, 0]
    assert 0.0 < x < 40_000.0 and drawn == pytest.approx(x * 1.02 / 2000.0)
    assert weth.troves["t0"][0] == 30.0 and weth.troves["t1"][0] == pytest.approx(30.0 - drawn)


def test_without_a_bonus_on_the_market_nobody_redeems_urgently() -> None:
    rows = (Trove("WETH", 30.0, 40_000.0), Trove("WETH", 30.0, 40_000.0), *SAFE[1:])
    for bold, some in ((1.0201, False), (1.0195, True)):
        branches, _, _ = run(world(*rows, depth=1e5, bold=bold, rules={"shutdown_ratio": {"WETH": 2.0}}))
        assert (branches["WETH"].branch.told[URGENT, 0] > 0.0) == some


# ------------------------------------------------------------- whole runs

@pytest.mark.parametrize("fall", [0.05, 0.3, 0.6])
def test_what_troves_hold_and_owe_is_what_the_ledgers_say(fall: float) -> None:
    rng = np.random.default_rng(5)
    rows = [Trove(name, float(held), float(held * price / ratio), float(rate)) for name, price in PRICE.items()
            for held, ratio, rate in zip(rng.lognormal(2.0, 1.0, 12), rng.uniform(1.25, 2.6, 12), rng.uniform(0.005, 0.5, 12),
                                         strict=True)]
    pools = {"WETH": 20_000, "wstETH": 50_000}
    branches, state, _ = run(world(*rows, change=dict.fromkeys(PRICE, -fall), bold=0.97, depth=1e6,
                                   rules={"redemptions": True, "stability_pool": pools, "pool_sells": 0.5}), steps=6)
    owed = 0.0
    for name, one in branches.items():
        coll, debt = np.array(list(one.troves.values())).sum(0)
        held = sum(row.held for row in rows if row.collateral == name)
        claims = state.ledgers.booked[DEPOSITS, one.system.of[2], 0]
        assert coll + sum(one.surplus.values()) == pytest.approx(held + claims, rel=1e-12)
        owed += debt
    debts = state.ledgers.booked[DEBTS, branches["WETH"].system.of[STABLE_RESERVE], 0]
    assert owed == pytest.approx(sum(row.debt for row in rows) + debts, rel=1e-12)
    assert branches["WETH"].system.of[STABLE] == branches["rETH"].system.of[STABLE]

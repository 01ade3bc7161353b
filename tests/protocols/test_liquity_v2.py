"""Liquity v2 by hand: penalties of pool and redistribution, what the caller gets, interest; what a run keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.core.tables import BANDS, DEBTS, DEPOSITS, TREASURY
from delever.protocols.liquity_formulas import shared_out
from delever.protocols.liquity_system import OFFSET, POOL, POOL_COLL, SPREAD, SPREAD_COLL, STABLE, STABLE_RESERVE
from delever.protocols.liquity_v2_branch import INTEREST, YIELD
from protocols.liquity_v2_worlds import PRICE, SAFE, Trove, run, said, world

LIQUIDATORS = -1  # the last row of the token ledger is the only actor's


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

"""Liquity v2 by hand: redemption by rate and its split to branches, fees, shutdown and urgent redemption; both sides of edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever import worlds
from delever.core.tables import EXECUTED
from delever.protocols.liquity_calls import reward
from delever.protocols.liquity_formulas import decayed, raised
from delever.protocols.liquity_system import COLL, DEBT, FEES, REDEEMED, STAKES, call
from delever.protocols.liquity_v2 import LiquityV2
from delever.protocols.liquity_v2_branch import DOWN_AT, INTEREST, NEXT, URGENT, URGENT_COLL, Branch
from delever.protocols.liquity_v2_redeem import ASKED, AT, EDGE, FEE, LOT, MOST, RATE, SHARE, VALUE, redeem
from delever.protocols.liquity_v2_redeem import PRICE as PRICE_SEEN
from delever.protocols.liquity_v2_urgent import redeem as urgent_redeem
from protocols.liquity_systems import TERMS, opened, system
from protocols.liquity_v2_worlds import PRICE, SAFE, Found, Trove, found, run, said, started, stated, troves, world

YEAR = 365.0 * 86400.0

# ------------------------------------------------------------- redemption

def line(*rows: tuple[float, float, float]) -> tuple[Found, Callable[[], dict[str, tuple[float, float]]]]:
    """A branch with troves of (WETH, debt, rate), before anything has happened; and its troves whenever asked."""
    _, _, rules = started(world(*(Trove("WETH", *row) for row in rows)))
    return found(rules)["WETH"], lambda: found(rules)["WETH"].troves


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


rows_of_troves = st.lists(st.tuples(st.floats(0.5, 4.0), st.floats(100.0, 9000.0), st.integers(0, 3)), min_size=1, max_size=6)


@given(rows_of_troves, st.floats(1.0, 40_000.0), st.floats(0.0, 0.2))
def test_a_redemption_lowers_no_ratio_keeps_the_order_and_adds_up(rows: list[tuple[float, float, int]], units: float, fee: float
                                                                  ) -> None:
    """Troves of (WETH, debt, rate in steps) at 2000, of which some are below 100 % and some below the least debt."""
    s, price = system(len(rows), TERMS), 2000.0
    for k, (coll, debt, _) in enumerate(rows):
        opened(s, k, coll, debt)
    rate = np.array([float(step) for _, _, step in rows])
    br = Branch(np.zeros(3), rate, np.argsort(rate, kind="stable"), s.debt.copy(), (s.debt < 2000.0).astype(np.int8),
                np.array([[-1.0, 0.0, np.inf]]), np.zeros((4, 1)))
    may = [k for k, (coll, debt, _) in enumerate(rows) if debt >= 2000.0 and coll * price >= debt]
    paid, drawn = redeem(0, units, price, fee, 1.0, s, br)
    assert paid == pytest.approx(min(units, sum(rows[k][1] for k in may)))
    assert drawn == pytest.approx(paid / price * (1.0 - fee), abs=1e-12)
    assert s.sums[0, COLL] == pytest.approx(s.coll.sum()) and s.sums[0, DEBT] == pytest.approx(s.debt.sum(), abs=1e-6)
    touched = [k for k in range(len(rows)) if s.debt[0, k] < rows[k][1]]
    assert set(touched) <= set(may)
    for k in touched:
        assert s.debt[0, k] * rows[k][0] <= s.coll[0, k] * rows[k][1] * (1 + 1e-12)  # no ratio falls
        assert all(s.debt[0, other] == 0.0 for other in may if (rate[other], other) < (rate[k], k))  # who comes first gave all
        assert br.zombie[0, k] == (s.debt[0, k] < 2000.0) and br.principal[0, k] == s.debt[0, k]
    half = [k for k in touched if 0.0 < s.debt[0, k] < 2000.0]
    assert len(half) <= 1 and br.now[0, NEXT] == (half[0] if half else -1)


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


def test_the_base_rate_of_a_minute_is_the_contracts_factor() -> None:
    rules = LiquityV2()
    assert decayed(1.0, 60.0, rules.half_life) == pytest.approx(0.9980764435756288, rel=1e-15)
    assert raised(0.0, 0.1, rules.beta) == 0.1


def test_the_clock_of_the_base_rate_moves_by_whole_minutes() -> None:
    """A redemption after 90 s leaves half a minute to the next."""
    made = world(*SAFE, bold=0.97, depth=1e5, rules={"redemptions": True}, scenario__horizon="180 s", scenario__step="90 s")
    _, state, rules = run(made)
    assert state.time == 90.0 and rules.registries[0].now[0, AT] == 60.0


@pytest.mark.parametrize("together", [False, True])
def test_a_basket_brings_what_a_row_says_also_where_its_ways_meet(together: bool) -> None:
    """Venues of some depth; rETH and wstETH may be quoted in WETH, whose market all three then sell on."""
    stated_so = stated(troves(*SAFE), {"redemptions": True, "stability_pool": {"rETH": 10_000}}, {}, 0.9, 2e5)
    for name in PRICE:
        stated_so["venues"][name.lower()] = {"kind": "log_linear", "pair": f"{name}/USD", "depth": 300.0, "half_life": 600}
    if together:
        for name in ("wstETH", "rETH"):
            stated_so["assets"][name] = {"peg": "WETH", "ratio": PRICE[name] / PRICE["WETH"]}
            stated_so["venues"][name.lower()]["pair"] = f"{name}/WETH"
    _, state, rules = run(worlds.load(stated_so))
    rows = state.transactions
    (i,) = np.flatnonzero((rows.state[:state.n_rows] == EXECUTED) & (rows.kind[:state.n_rows] == rules.redemption.number))
    reg = rules.registries[0]
    assert rows.brought[i] == pytest.approx(reg.branch[VALUE, :, 0].sum(), rel=1e-9)
    assert rows.brought[i] > rows.give[i] > 1000.0
    edge = reg.branch[EDGE, :, 0] / reg.branch[PRICE_SEEN, :, 0]
    marginal = float((edge * (reg.branch[SHARE, :, 0] * (1.0 - reg.now[0, FEE]) - reg.branch[LOT, :, 0] / 120_000.0)).sum())
    assert marginal == pytest.approx(1.0, abs=1e-6)


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


def test_where_nobody_else_has_collateral_nothing_is_redistributed() -> None:
    """An urgent redemption has emptied t1, whose stake is 0: t0's debt cannot be borne, t1's can."""
    branch, now = line((10.0, 15_000.0, 0.02), (5.0, 10_000.0, 0.01))
    s, br = branch.system, branch.branch
    paid, drawn = urgent_redeem(0, 10_000.0, 1600.0, 1.0, s, br._replace(order=np.array([1])))
    assert (paid, drawn) == (pytest.approx(5.0 * 1600.0 / 1.02), 5.0) and s.sums[0, STAKES] == s.stake[0, 0] == 10.0
    before = now()
    assert reward(0, 0, 1600.0, 1.0, 60.0, s) == 0.0 < reward(0, 1, 1600.0, 1.0, 60.0, s)
    s.order[0] = 0
    assert call(0, 1, False, 1600.0, 1.0, s) == 0 and now() == before
    s.order[0] = 1
    assert call(0, 1, False, 1600.0, 1.0, s) == 1
    assert now() == {"t0": (10.0, pytest.approx(15_000.0 + 10_000.0 - paid))}


def test_without_a_bonus_on_the_market_nobody_redeems_urgently() -> None:
    rows = (Trove("WETH", 30.0, 40_000.0), Trove("WETH", 30.0, 40_000.0), *SAFE[1:])
    for bold, some in ((1.0201, False), (1.0195, True)):
        branches, _, _ = run(world(*rows, depth=1e5, bold=bold, rules={"shutdown_ratio": {"WETH": 2.0}}))
        assert (branches["WETH"].branch.told[URGENT, 0] > 0.0) == some

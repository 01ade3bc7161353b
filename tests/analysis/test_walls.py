"""The wall: eligible and liquidatable are two things, their rows add up, and shocks reach what they should."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.analysis import liquidation_prices, remainder_worlds, wall
from delever.analysis.shocks import parse_shocks
from delever.analysis.walls import AMOUNTS, wall_of
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.positions import records
from delever.run.assemble import assemble
from stated import some

from .conftest import Leg, staked

DOLLARS = [name for name in AMOUNTS if name.endswith("_usd")]
amounts = st.floats(0.1, 1e4)


@st.composite
def borrowers(draw: Any) -> list[Leg]:
    """Accounts that hold ether of some kind and owe dollars or ether, healthy and not."""
    legs: list[Leg] = []
    for i in range(draw(st.integers(1, 6))):
        held = draw(st.lists(st.sampled_from(["ETH", "stETH", "wstETH", "USDC"]), min_size=1, max_size=3, unique=True))
        legs += [(f"a{i}", "collateral", name, draw(amounts) * (2000 if name == "USDC" else 1)) for name in held]
        owed = draw(st.lists(st.sampled_from(["USDC", "ETH"]), min_size=1, max_size=2, unique=True))
        legs += [(f"a{i}", "debt", name, draw(amounts) * (1600 if name == "USDC" else 0.7)) for name in owed]
    return legs


def eligible(world: World, asset: str, shock: float) -> set[str]:
    return set(wall(world, asset, shock).accounts["account"].to_pylist())


@settings(max_examples=40, deadline=None)
@given(borrowers(), some(-0.9, 0.5), st.sampled_from(["aave.v2", "aave.v3_0", "aave.v3_3"]))
def test_rows_add_up_to_totals_and_a_call_never_takes_more_than_there_is(legs: list[Leg], shock: float, rules: str
                                                                         ) -> None:
    world = staked(legs).replace("protocols.pool.rules", rules)
    found = wall(world, "ETH", shock)
    rows, totals, accounts = found.table.to_pylist(), found.totals.to_pylist(), found.accounts.to_pylist()
    for name in DOLLARS:
        assert sum(row[name] for row in rows) == pytest.approx(totals[0][name], rel=1e-12)
    for side in ("collateral", "debt"):
        held = sum(row["value_usd"] for row in accounts if row["side"] == side)
        called = sum(row["liquidatable"] for row in accounts if row["side"] == side)
        assert totals[0][f"eligible_{side}_usd"] == pytest.approx(held, rel=1e-12)
        assert totals[0][f"liquidatable_{side}_usd"] == pytest.approx(called, rel=1e-12)
        for row in rows:
            for unit in ("", "_usd"):
                most = row[f"eligible_{side}{unit}"]
                assert 0.0 <= row[f"liquidatable_{side}{unit}"] <= most * (1 + 1e-12)
    assert all(row["liquidatable"] <= row["value_usd"] * (1 + 1e-12) for row in accounts)
    assert all(row["health_factor"] < 1 for row in accounts)


@settings(max_examples=30, deadline=None)
@given(borrowers(), some(-0.9, 0.0), some(-0.9, 0.0))
def test_the_eligible_set_grows_with_the_fall_where_only_dollars_are_owed(legs: list[Leg], one: float, two: float
                                                                          ) -> None:
    world = staked([leg for leg in legs if leg[1] == "collateral" or leg[2] == "USDC"] + [("b", "debt", "USDC", 1.0)])
    assert eligible(world, "ETH", max(one, two)) <= eligible(world, "ETH", min(one, two))


@settings(max_examples=30, deadline=None)
@given(borrowers(), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_the_eligible_set_grows_as_the_threshold_falls(legs: list[Leg], one: float, two: float) -> None:
    world = staked(legs)
    field = "protocols.pool.parameters.ETH.liquidation_threshold"
    low, high = (world.replace(field, value) for value in sorted((one, two)))
    assert eligible(high, "ETH", -0.2) <= eligible(low, "ETH", -0.2)


def test_eligible_is_all_that_is_held_and_liquidatable_what_one_call_takes() -> None:
    found = wall(staked([("a", "collateral", "ETH", 10.0), ("a", "debt", "USDC", 15_000.0)]), "ETH", "-10%")
    (row,) = found.table.to_pylist()
    assert (row["protocol"], row["collateral"], row["debt"], row["accounts"]) == ("pool", "ETH", "USDC", 1)
    assert row["eligible_collateral"] == pytest.approx(10.0, rel=1e-12)
    assert row["eligible_collateral_usd"] == pytest.approx(18_000.0, rel=1e-12)
    assert row["eligible_debt_usd"] == pytest.approx(15_000.0, rel=1e-12)
    assert row["liquidatable_debt"] == pytest.approx(7_500.0, rel=1e-12)  # v2: half of the debt
    assert row["liquidatable_collateral"] == pytest.approx(7_500.0 * 1.05 / 1800.0, rel=1e-12)


@pytest.mark.parametrize(("shock", "bad"), [("-20%", 0.0), ("-40%", 3_000.0)])
def test_bad_debt_is_what_is_owed_beyond_all_collateral(shock: str, bad: float) -> None:
    """10 ETH at 2,000 USD; 12,000 at -40 %. Another account's surplus does not help."""
    legs = [("a", "collateral", "ETH", 10.0), ("a", "debt", "USDC", 15_000.0), ("b", "collateral", "ETH", 100.0),
            ("b", "debt", "USDC", 1.0)]
    (row,) = wall(staked(legs), "ETH", shock).totals.to_pylist()
    assert row["bad_debt_usd"] == pytest.approx(bad, abs=1e-6)


def test_collateral_is_divided_by_debt_value_and_debt_by_collateral_value() -> None:
    legs = [("a", "collateral", "ETH", 3.0), ("a", "collateral", "USDC", 2000.0), ("a", "debt", "USDC", 6_000.0),
            ("a", "debt", "ETH", 1.0)]
    rows = {(row["collateral"], row["debt"]): row for row in wall(staked(legs), "ETH", 0.0).table.to_pylist()}
    assert rows["ETH", "ETH"]["eligible_collateral"] == pytest.approx(3.0 * 2 / 8, rel=1e-12)
    assert rows["USDC", "USDC"]["eligible_debt"] == pytest.approx(6_000.0 / 4, rel=1e-12)


def test_a_call_that_takes_more_than_a_pairs_share_is_still_part_of_it() -> None:
    legs = [("a", "collateral", "ETH", 1.0), ("a", "debt", "USDC", 1_000.0), ("a", "debt", "ETH", 0.5)]
    world = staked(legs).replace("protocols.pool.rules", "aave.v3_0")
    for row in wall(world, "USDC", 0.0).table.to_pylist():
        assert row["liquidatable_collateral"] <= row["eligible_collateral"] * (1 + 1e-12)


def test_debt_without_collateral_has_a_row_of_its_own() -> None:
    legs = [("a", "debt", "USDC", 5.0), ("b", "collateral", "ETH", 1.0), ("b", "debt", "USDC", 1.0)]
    (row,) = wall(staked(legs), "ETH", "0%").table.to_pylist()
    assert (row["collateral"], row["eligible_debt"], row["liquidatable_debt"]) == ("(none)", 5.0, 0.0)


def test_a_shock_to_the_base_carries_pegs_and_wraps_along_and_one_to_the_peg_leaves_the_base() -> None:
    legs = [("a", "collateral", name, 1.0) for name in ("ETH", "stETH", "wstETH")] + [("a", "debt", "USDC", 9_000.0)]
    base, peg = ({row["asset"]: row["value_usd"] for row in wall(staked(legs), asset, -0.1).accounts.to_pylist()}
                 for asset in ("ETH", "stETH"))
    assert base == pytest.approx({"ETH": 1800.0, "stETH": 1800.0, "wstETH": 1980.0, "USDC": 9000.0})
    assert peg == pytest.approx({"ETH": 2000.0, "stETH": 1800.0, "wstETH": 1980.0, "USDC": 9000.0})


def test_a_fixed_price_is_not_moved() -> None:
    found = wall(staked([("a", "collateral", "ETH", 1.0), ("a", "debt", "USDC", 9_000.0)]), "USDC", -0.5)
    assert {row["asset"]: row["value_usd"] for row in found.accounts.to_pylist()} == pytest.approx(
        {"ETH": 2000.0, "USDC": 9000.0})


def test_the_pro_rata_rules_take_a_share_of_every_leg() -> None:
    legs = [("a", "collateral", "ETH", 1.0), ("a", "collateral", "USDC", 2000.0), ("a", "debt", "USDC", 3_000.0),
            ("a", "debt", "ETH", 0.1)]
    found = wall(staked(legs).replace("protocols.pool.rules", "{kind: pro_rata, close_factor: 0.5}"), "ETH", -0.2)
    shares = defaultdict(set)
    for row in found.accounts.to_pylist():
        shares[row["side"]].add(round(row["liquidatable"] / row["value_usd"], 12))
    assert shares == {"debt": {0.5}, "collateral": {round(0.5 * 3160 * 1.05 / 3600, 12)}}


def test_accounts_are_those_of_the_largest_shock() -> None:
    world = staked([("a", "collateral", "ETH", 10.0), ("a", "debt", "USDC", 15_000.0)])
    found = wall(world, "ETH", "-60%..0%")
    assert found.shock == -0.6
    assert found.accounts.to_pylist() == wall(world, "ETH", -0.6).accounts.to_pylist()
    assert sorted(set(found.totals["shock"].to_pylist())) == [round(-0.6 + 0.05 * i, 12) for i in range(13)]


@pytest.mark.parametrize(("text", "shocks"), [
    ("-5%", [-0.05]), ("-5 %", [-0.05]), (-0.05, [-0.05]), ([-0.1, 0.1], [-0.1, 0.1]), ("-5%, -10%", [-0.05, -0.1]),
    ("-15%..0%", [-0.15, -0.1, -0.05, 0.0]), ("0%..-12%", [0.0, -0.05, -0.1, -0.12]),
    ("-4%..0% by 2%", [-0.04, -0.02, 0.0]), ("-30%..0% in 3", [-0.3, -0.15, 0.0]), ("-5%..-5%", [-0.05]),
])
def test_shocks_are_read_as_people_write_them(text: Any, shocks: list[float]) -> None:
    assert parse_shocks(text) == shocks


@pytest.mark.parametrize(("asset", "shock", "claim"), [
    ("ETHH", "-5%", "did you mean ETH"), ("wstETH", "-5%", "shock that"), ("USD", "-5%", "counted in"),
    ("ETH", "-100%", "above -1"), ("ETH", "-60", "-0.6"), ("ETH", "lots", "not a number"),
    ("ETH", "-60%..0% by 0%", "larger steps"), ("ETH", "-60%..0% in 1.5", "number of shocks"),
])
def test_a_mistake_is_one_line_with_its_remedy(asset: str, shock: str, claim: str) -> None:
    with pytest.raises(InputError, match=claim):
        wall(staked([("a", "collateral", "ETH", 1.0), ("a", "debt", "USDC", 1.0)]), asset, shock)


def test_remainders_are_shown_constant_and_moving_with_what_backs_the_book() -> None:
    legs = [("a", "collateral", "stETH", 1.0), ("a", "collateral", "rest", 1_000.0), ("a", "debt", "USDC", 1.0)]
    worlds = remainder_worlds(staked(legs, labels={"rest": "remainder"}))
    assert list(worlds) == ["remainder constant", "remainder moving with ETH"]
    held = {}
    for label, world in worlds.items():
        model = assemble(world.replace("protocols.pool.parameters.rest.liquidation_threshold", 0.001)
                         .replace("protocols.pool.parameters.stETH.liquidation_threshold", 0.0))
        rows = wall_of(model, "ETH", -0.5).accounts.to_pylist()
        held[label] = [row["value_usd"] for row in rows if row["asset"] == "rest"]
    assert held == {"remainder constant": [], "remainder moving with ETH": [pytest.approx(500.0)]}
    assert remainder_worlds(staked(legs)) == {}


def test_sixty_shocks_on_every_real_account_take_well_under_a_second(real: Any) -> None:
    model = assemble(real("world.yaml"))
    wall_of(model, "ETH", -0.05)  # compiles
    start = time.process_time()  # of this process: what else the machine does is not counted
    found = wall_of(model, "ETH", "-60%..0% in 60")
    assert time.process_time() - start < 1.0
    for name in DOLLARS:
        assert np.sum(found.table[name]) == pytest.approx(np.sum(found.totals[name]), rel=1e-12)


def test_walls_of_real_accounts_are_those_of_a_plain_count(real: Any) -> None:
    """Health by hand for every account of v2, from the book's own rows: stETH moves, dollars in ETH do not."""
    model = assemble(real("world.yaml"))
    seen = {asset: price for (protocol, asset), price in
            zip(model.positions.reserves, np.exp(model.start_seen), strict=True) if protocol == "aave_v2"}
    backing, debt = defaultdict(float), defaultdict(float)
    for leg in model.positions.book.of("aave_v2").legs.to_pylist():
        worth = leg["amount"] * seen[leg["asset"]] * (0.9 if leg["asset"] == "stETH" else 1.0)
        if leg["side"] == "debt":
            debt[leg["account"]] += worth
        else:
            backing[leg["account"]] += worth * leg["liquidation_threshold"]
    below = {account for account, owed in debt.items() if owed > 0 and backing[account] < owed}
    rows = wall_of(model, "stETH", -0.1).accounts.to_pylist()
    assert {row["account"] for row in rows if row["protocol"] == "aave_v2"} == below


def test_a_feed_that_looks_at_one_venue_of_several_sees_a_shock_to_the_pair(first: World) -> None:
    second = {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 1000, "USD": 2_500_000}}
    apart = first.replace("liquidity", "fragmented").replace("venues.second", second)
    found = wall(apart.replace("feeds.eth_usd.venue", "second"), "ETH", -0.3)
    assert found.totals["eligible_debt_usd"][0].as_py() > 0.0
    assert found.totals == wall(apart, "ETH", -0.3).totals


def test_liquidation_prices_as_dashboards_exchange_them() -> None:
    """What is owed is no collateral; what no price of its own liquidates has no record."""
    found = liquidation_prices(staked([("a", "collateral", "ETH", 1.0), ("a", "debt", "USDC", 800.0)]))
    (one,) = records(found)
    assert one == {"owner": "a", "liqPrice": pytest.approx(1000.0), "collateral": "ETH", "collateralAmount": 1.0,
                   "extra": {"protocol": "pool", "account": "a", "side": "collateral"}}
    assert records(found.slice(0, 0)) == []

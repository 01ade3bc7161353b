"""Variations on the same random numbers: emptied accounts, orders of many sizes, worlds side by side."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from delever.analysis import compare, concentration, find_critical
from delever.analysis.largest import FIGURES, falls, rerun
from delever.analysis.samples import run_model, run_watched, without
from delever.model.errors import InputError
from delever.model.scenario import Order
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.figures import summarise
from delever.run.positions import read_books
from delever.run.stress import stress

from .conftest import staked

LOOPS = [leg for i in range(20) for leg in (
    (f"a{i}", "collateral", "stETH", 400.0), (f"a{i}", "debt", "ETH", 400.0 * 0.8 / (1.02 + 0.01 * i)))]


def outcomes(table: Any, *, protocol: str = "aave") -> dict[str, list[float]]:
    names = ("bad_debt", "shortfall", "repaid_debt", "seized_collateral", "liquidations")
    return {name: table[f"{name}.{protocol}"].to_pylist() for name in names}


def account_number(model: Model, protocol: str, account: str) -> int:
    of = list(model.world.protocols).index(protocol)
    return next(i for i, name in enumerate(model.positions.accounts) if name == account and model.positions.protocol[i] == of)


def test_an_emptied_account_is_one_that_is_not_in_the_book(first: World) -> None:
    world = first.replace("actors.borrowers", "null").replace("scenario.paths", 6)  # owners draw by their place in the book
    model = assemble(world)
    book = read_books(world, model.source).without("a30")
    left = assemble(world.replace("protocols.aave.book", book))
    emptied = without(model, [account_number(model, "aave", "a30")])
    assert outcomes(run_model(emptied, 0, 6)) == outcomes(run_model(left, 0, 6))
    assert outcomes(run_model(model, 0, 6)) != outcomes(run_model(left, 0, 6))
    assert model.positions.tables.amount.any(axis=1).all()  # the model itself is as it was


def test_paths_on_which_an_account_is_not_met_need_not_be_run_again(first: World) -> None:
    model, paths = assemble(first), 24
    accounts = [account_number(model, "aave", name) for name in ("a40", "a26", "a12")]
    baseline, met = run_watched(model, paths, accounts)
    assert 0 < sum(len(found) for found in met.values()) < paths * len(accounts)
    for account in accounts:
        emptied = without(model, [account])
        short, whole = rerun(emptied, baseline, met[account]), run_model(emptied, 0, paths)
        assert outcomes(short) == outcomes(whole)
        assert short["path"].to_pylist() == list(range(paths))


def test_concentration_has_the_baseline_and_each_figure_without_the_account(first: World) -> None:
    run = stress(first.replace("scenario.paths", 20), keep=False)
    rows = concentration(run, n=3).to_pylist()
    assert [row["owner"] for row in rows] == ["(nobody left out)", "o40", "o30", "o33"]
    figures = dict(zip(run.summary["figure"].to_pylist(), run.summary["value"].to_pylist(), strict=True))
    assert {name: rows[0][name] for name in FIGURES} == {name: figures[name] for name in FIGURES}
    emptied = without(run.model, [account_number(run.model, "aave", "a30")])
    alone = summarise(run.model, run_model(emptied, 0, 20))
    again = dict(zip(alone["figure"].to_pylist(), alone["value"].to_pylist(), strict=True))
    assert {name: rows[2][name] for name in FIGURES} == {name: again[name] for name in FIGURES}
    assert sum(row["share_of_debt"] for row in rows[1:]) < 1.0


def test_the_liquidation_distance_is_the_fall_at_which_health_is_one() -> None:
    legs = [("a", "collateral", "ETH", 10.0), ("a", "debt", "USDC", 12_000.0), ("b", "collateral", "stETH", 10.0),
            ("b", "debt", "ETH", 6.0), ("c", "collateral", "ETH", 1.0), ("c", "debt", "USDC", 1_999.0)]
    model = assemble(staked(legs))
    fall = dict(zip(model.layout.markets, falls(model, [0, 1, 2]), strict=True))
    assert fall["ETH"].tolist() == [pytest.approx(0.25, abs=1e-9), np.inf, 0.0]
    assert fall["stETH"].tolist() == [np.inf, pytest.approx(0.25, abs=1e-9), 0.0]


def test_the_critical_order_is_where_selling_runs_away() -> None:
    world = staked(LOOPS)
    found = find_critical(world, "sell N stETH")
    assert found["asset"] == "stETH"
    low, high = found["runaway_bracket"]
    assert high == found["runaway"]
    assert 1.0 < high / low <= 1.01
    assert json.loads(json.dumps(found)) == found
    for size, does in ((low, False), (high, True)):
        shocked = world.replace("scenario.events", [{"kind": "order", "order": f"sell {size} stETH"}])
        forced = np.mean(stress(shocked, keep=False).paths["forced_sales.stETH"])
        assert bool(forced > size) is does


def test_no_critical_order_where_nobody_can_be_liquidated() -> None:
    found = find_critical(staked([("a", "collateral", "stETH", 1.0), ("a", "debt", "ETH", 1e-6)]), "sell N stETH")
    assert found["runaway"] is None
    assert found["bad_debt"] is None
    assert found["largest_tried"] == pytest.approx(20 * 10_000 * (math.sqrt(2.0) - 1.0), rel=1e-5)  # halves the price


def test_the_worlds_own_order_is_the_one_that_varies() -> None:
    world = staked(LOOPS).replace("scenario.events", [{"at": 600, "kind": "order", "order": "sell 5 stETH"},
                                                      {"kind": "price", "change": {"ETH": -0.01}}])
    found = find_critical(world, Order.parse("sell 5 stETH"))
    assert found["points"][0]["order"] < 100
    assert found["runaway"] is not None


def test_an_order_that_moves_no_price_is_refused() -> None:
    with pytest.raises(InputError, match="add a venue"):
        find_critical(staked(LOOPS), "sell N ETH")
    with pytest.raises(InputError, match="did you mean stETH"):
        find_critical(staked(LOOPS), "sell N stEHT")


def test_a_world_does_not_differ_from_itself_and_a_change_is_named(first: World) -> None:
    world = first.replace("scenario.paths", 12)
    table = compare(world, world, world.replace("protocols.aave.rules.close_factor", 0.25)).table
    assert table.column_names[3] == "the same"
    assert np.abs(table["the same: difference"].to_numpy()).max() == 0.0
    name = "protocols.aave.rules.close_factor=25 %"
    value, base = table[name].to_numpy(), table["baseline"].to_numpy()
    np.testing.assert_array_equal(table[f"{name}: difference"].to_numpy(), value - base)
    low, high = table[f"{name}: low"].to_numpy(), table[f"{name}: high"].to_numpy()
    assert (low <= high).all()
    assert (value != base).any()


def test_worlds_on_other_paths_cannot_be_compared(first: World) -> None:
    with pytest.raises(InputError, match="common random numbers"):
        compare(first, first.replace("scenario.seed", 8))

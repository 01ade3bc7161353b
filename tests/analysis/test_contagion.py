"""What one protocol loses by another's forced selling: a difference of two runs on the same random numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.contagion import FIGURES, OTHERS, contagion, figures_of, run_paths, sides_of, spare
from delever.cli.main import app
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.estimates import mean

BOTH = ("pool", "perps")


def lending(random: np.random.Generator, asset: str, price: float) -> Book:
    """Twenty loans of USDC on one collateral, at health factors from 1.02 to 1.3."""
    legs = []
    for i in range(20):
        units = float(random.uniform(5.0, 50.0))
        legs += [{"account": f"a{i}", "asset": asset, "side": "collateral", "amount": units},
                 {"account": f"a{i}", "asset": "USDC", "side": "debt", "amount": units * price * 0.8 / random.uniform(1.02, 1.3)}]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="pool")


def margin(random: np.random.Generator, perp: str, price: float) -> Book:
    """Twenty longs and ten shorts at leverage 4 to 18."""
    rows = []
    for i in range(30):
        units = float(random.uniform(5.0, 50.0)) * (1.0 if i < 20 else -2.0)
        rows.append({"account": f"b{i}", "instrument": perp, "size": units, "entry_price": price, "margin_mode": "cross",
                     "collateral": abs(units) * price / random.uniform(4.0, 18.0)})
    return Book.from_table(pa.Table.from_pylist(rows), protocol="perps")


def world(seed: int, shared: bool, **changes: Any) -> World:
    """A pool on ETH, and an exchange whose index is ETH too (shared) or BTC; both fall."""
    random = np.random.default_rng(seed)
    coin, price = ("ETH", 2000.0) if shared else ("BTC", 30_000.0)
    mapping: dict[str, Any] = {
        "name": "two", "as_of": "2024-01-15T12:00:00Z",
        "assets": {"ETH": {"price": 2000.0}, "BTC": {"price": 30_000.0}, "USDC": {"price": 1.0}, "PERP": {"perp": coin}},
        "protocols": {
            "pool": {"rules": str(random.choice(["aave.v2", "aave.v3_0", "aave.v3_3"])), "book": lending(random, "ETH", 2000.0),
                     "parameters": {"ETH": {"liquidation_threshold": 0.8, "incentive": 0.05},
                                    "USDC": {"liquidation_threshold": 0.8, "incentive": 0.05}}},
            "perps": {"rules": str(random.choice(["hyperliquid", "binance"])), "book": margin(random, "PERP", price),
                      "parameters": {"PERP": {"max_leverage": 20}},
                      "waterfall": [{"kind": "insurance_fund", "start": {"USD": 1000}},
                                    {"kind": "backstop", "equity": 20_000.0, "half_life": 600.0},
                                    {"kind": "adl", "rule": "binance"}]}},
        "feeds": {"mark": {"kind": "mark", "of": "PERP/USD", "formula": "index"}},
        "oracles": {"perps": {"PERP": "mark"}},
        "venues": {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 3000.0, "half_life": 1800.0},
                   "btc": {"kind": "log_linear", "pair": "BTC/USD", "depth": 3000.0, "half_life": 1800.0},
                   "perp": {"kind": "log_linear", "pair": "PERP/USD", "depth": 3000.0, "half_life": 1800.0}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "execution": {"mode": "sequential", "rounds": 4},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": 4, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.9, "BTC": 0.9}},
                     "events": [{"at": 600.0, "kind": "price", "change": {"ETH": -0.12, "BTC": -0.12}}]},
    }
    if shared:
        mapping["actors"] |= {"basis": {"kind": "arbitrageurs", "exchange": "perps", "account": "b0", "spot": 400.0,
                                        "threshold": 0.001,
                                             "leverage": 10.0}}
    return dl.load({**mapping, **changes})


def values(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy(), float)


@pytest.mark.parametrize("seed", range(6))
def test_separate_markets_give_nothing_to_each_other_bit_for_bit(seed: int) -> None:
    paths = contagion(world(seed, shared=False)).paths
    for affected, source in (BOTH, BOTH[::-1]):
        for figure in FIGURES:
            with_it, without = values(paths, f"{figure}.{affected}"), values(paths, f"{figure}.{affected}.without.{source}")
            assert np.array_equal(with_it, without), (figure, affected)
    assert all(values(paths, f"liquidated.{name}").min() > 0.0 for name in BOTH)  # there was something to give


@pytest.mark.parametrize("seed", range(3))
def test_a_shared_asset_carries_the_fall_both_ways(seed: int) -> None:
    table = contagion(world(seed, shared=True)).table.to_pylist()
    came = {(row["affected"], row["source"]): row["from there"] for row in table if row["figure"] == "liquidated"}
    assert came["pool", "perps"] > 0.0
    assert came["perps", "pool"] > 0.0


def test_who_is_spared_is_not_liquidated_and_loses_nothing() -> None:
    model = assemble(world(1, shared=True))
    sides = sides_of(model.world, {})
    everybody = figures_of(model, run_paths(model), sides)
    for name in BOTH:
        found = figures_of(model, run_paths(spare(model, [name])), sides)
        assert everybody["liquidated", name].min() > 0.0
        assert not found["liquidated", name].any()
    nobody = figures_of(model, run_paths(spare(model, BOTH)), sides)
    assert not nobody["liquidated", "pool"].any() and not nobody["liquidated", "perps"].any()
    assert not nobody["loss", "perps"].any()


def test_the_table_is_the_mean_of_the_differences_of_paths() -> None:
    two = world(2, shared=True)
    found = contagion(two)
    paths, table = found.paths, found.table.to_pylist()
    assert [(row["affected"], row["figure"]) for row in table] == [
        (name, figure) for name in sorted(BOTH) for figure in FIGURES]
    for row in table:
        name = f"{row['figure']}.{row['affected']}"
        difference = values(paths, name) - values(paths, f"{name}.without.{row['source']}")
        assert row["from there"] == pytest.approx(difference.mean(), rel=1e-12, abs=1e-9)
        assert (row["low"], row["high"]) == pytest.approx(mean(difference)[1:], rel=1e-12)
        assert row["paths"] == np.mean(difference != 0.0)


def test_of_three_sides_the_others_are_also_spared_at_once() -> None:
    two = world(3, shared=True)
    pool, perps = two.protocols["pool"], two.protocols["perps"]
    lend = {"rules": "aave.v2", "book": pool.book, "parameters": pool.parameters}
    three = world(3, shared=True, protocols={"pool": lend, "again": lend, "perps": perps})
    sources = {(row["affected"], row["source"]) for row in contagion(three).table.to_pylist()}
    assert ("pool", OTHERS) in sources and ("pool", "again") in sources
    joined = contagion(three, {"lending": ["pool", "again"]}).table.to_pylist()
    assert {(row["affected"], row["source"]) for row in joined} == {("lending", "perps"), ("perps", "lending")}


@pytest.mark.parametrize(("groups", "says"), [
    ({"a": ["pol"]}, "did you mean pool"),
    ({"a": ["pool"], "b": ["pool"]}, "stands in two groups"),
    ({"a": ["pool", "perps"]}, "one side alone"),
    ({"perps": ["pool"]}, "outside of the group of that name"),
])
def test_groups_that_make_no_sense_are_refused(groups: dict[str, list[str]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sides_of(world(1, shared=True), groups)


COMMAND = """
name: pair
as_of: 2024-01-15T12:00:00Z
assets: {ETH: {price: 2000}, USDC: {price: 1}}
protocols:
  one: {rules: aave.v2, book: book.csv, parameters: &terms {ETH: {liquidation_threshold: 80 %, incentive: 5 %},
                                                            USDC: {liquidation_threshold: 80 %, incentive: 5 %}}}
  two: {rules: aave.v2, book: book.csv, parameters: *terms}
venues: {eth: {kind: log_linear, pair: ETH/USD, depth: 1000}}
actors: {liquidators: {kind: liquidators, rule: always}}
scenario: {horizon: 1 h, step: 1 min, paths: 3, seed: 1, prices: {kind: lognormal, volatility: {ETH: 50 %}},
           events: [{at: 5 min, kind: price, change: {ETH: -15 %}}]}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Two protocols with the same loans."""
    (tmp_path / "world.yaml").write_text(COMMAND)
    (tmp_path / "book.csv").write_text("account,asset,side,amount\n" + "".join(
        f"a{i},ETH,collateral,20\na{i},USDC,debt,{20_000 + 1000 * i}\n" for i in range(10)))
    return tmp_path


def test_the_command_prints_the_table_and_the_definitions(pair: Path) -> None:
    result = CliRunner().invoke(app, ["contagion", str(pair)], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    for text in ("What came from whom", "one", "two", "liquidated", "loss", "written off", "Sources need not add up"):
        assert text in result.output


def test_the_commands_figures_are_the_librarys(pair: Path) -> None:
    result = CliRunner().invoke(app, ["contagion", str(pair), "--paths", "2", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["paths"] == 2
    table = contagion(dl.load(pair, set={"scenario.paths": 2})).table.to_pylist()
    assert found["contagion"] == [{name.replace(" ", "_"): value for name, value in row.items()} for row in table]
    assert any(row["from there"] > 0.0 for row in table)


@pytest.mark.parametrize(("group", "says"), [("one", "is no group"), ("a=one,three", "unknown protocol"),
                                             ("a=one,two", "one side alone")])
def test_a_mistaken_group_is_one_line(pair: Path, group: str, says: str) -> None:
    result = CliRunner().invoke(app, ["contagion", str(pair), "--group", group])
    assert result.exit_code == 2
    assert says in result.stderr and len(result.stderr.strip().splitlines()) == 1

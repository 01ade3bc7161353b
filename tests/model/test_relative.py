"""Changes stated by how much mean just that, for every quantity; plain values stay values."""

from __future__ import annotations

import pytest

from delever import catalog
from delever.examples import example
from delever.model.asset import Asset
from delever.model.errors import InputError
from delever.model.relative import quantity_at
from delever.model.world import World
from delever.worlds import load

THRESHOLD = "protocols.aave.parameters.WBTC.liquidation_threshold"  # 78 %
NAMED = "aave-v3-ethereum-2023-06"


@pytest.fixture(scope="module")
def world() -> World:
    return load(example("first"))


@pytest.mark.parametrize(("path", "text", "value"), [
    (THRESHOLD, "+3 points", 0.81),
    (THRESHOLD, "-3 points", 0.75),
    (THRESHOLD, "+ 50 bp", 0.785),
    (THRESHOLD, "x0.5", 0.39),
    (THRESHOLD, "-10 %", 0.702),
    (THRESHOLD, "+10%", 0.858),
    (THRESHOLD, "80 %", 0.8),
    (THRESHOLD, "0.8", 0.8),
    ("scenario.prices.volatility.ETH", "x20", 16.0),
    ("scenario.prices.volatility.ETH", "+10 points", 0.9),
    ("scenario.paths", "x2", 1000),
    ("scenario.paths", "+10 %", 550),
    ("scenario.horizon", "+1 h", 90_000.0),
    ("scenario.horizon", "-1 h", 82_800.0),
    ("actors.liquidators.min_profit", "-20 USD", 30.0),
    ("actors.liquidators.min_profit", "20", 20.0),
    ("venues.eth_pool.reserves.ETH", "x0.5", 18_000.0),
    ("venues.eth_pool.reserves.ETH", "+1k", 37_000.0),
    ("scenario.events.0.change.ETH", "-10 %", -0.1),  # a change itself: this is its value, as in a file
    ("scenario.events.0.change.ETH", "x1.5", -0.3),
])
def test_what_is_written_is_what_is_meant(world: World, path: str, text: str, value: float) -> None:
    found = quantity_at(world.replace(path, text), path.split("."))
    assert found is not None
    assert found.value == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(("path", "text", "line"), [
    (THRESHOLD, "x1.5", "would be 1.17"),
    (THRESHOLD, "+30 points", "would be 1.08"),
    ("scenario.horizon", "+3 points", "points are of shares"),
    ("scenario.paths", "x0.001", "whole number"),
    ("actors.liquidators.min_profit", "+3 h", "amount of USD"),
    ("protocols.aave.parameters.WBTC.supply_cap", "x2", "has no value to change"),
    ("protocols.aave.parameters.WBTC.borrow_rate", "+10 %", "is 0"),
    ("protocols.aave.parameters.WBTC.borow_rate", "+10 %", "did you mean borrow_rate"),
])
def test_what_cannot_be_changed_so_is_one_clear_line(world: World, path: str, text: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        world.replace(path, text)


def test_a_name_that_looks_like_a_change_stays_a_name(world: World) -> None:
    assert world.replace("name", "x2").name == "x2"


def test_parameters_from_the_catalog_are_written_out_where_a_path_leads_into_them(world: World) -> None:
    keys = ["protocols", "aave", "parameters", "ETH", "liquidation_threshold"]
    before = catalog.get(NAMED)["ETH"]["liquidation_threshold"]
    assets = {name: Asset(price=1.0) for name in catalog.get(NAMED)} | dict(world.assets)
    protocol = world.protocols["aave"].model_copy(update={"parameters": NAMED})
    listed = world.model_copy(update={"assets": assets, "protocols": {"aave": protocol}}).spelled_out(keys)
    assert quantity_at(listed, keys) == (before, quantity_at(world, THRESHOLD.split(".")).unit)  # type: ignore[union-attr]

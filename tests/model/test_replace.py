"""Any field of a world can be changed by its path, and everything is checked again."""

from __future__ import annotations

from typing import Any

import pytest

from delever.model.errors import InputError
from delever.model.world import World

from .conftest import Aave, Liquidators, Pool, cases


def value_at(world: World, path: str) -> Any:
    found: Any = world
    for key in path.split("."):
        if isinstance(found, tuple):
            found = found[int(key)]
        else:
            found = found[key] if isinstance(found, dict) else getattr(found, key)
    return found


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("actors.liquidators.rule", "always", "always"),
        ("scenario.paths", "100", 100),
        ("scenario.horizon", "12 h", 43200.0),
        ("scenario.prices.volatility.ETH", "90 %", 0.9),
        ("scenario.prices.volatility.USDC", "1 %", 0.01),
        ("scenario.prices.correlation.ETH/USDC", "0.1", 0.1),
        ("scenario.events.0.over", "2 h", 7200.0),
        ("scenario.events.0.order.amount", "75,000", 75_000.0),
        ("protocols.aave.rules.close_factor", 0.25, 0.25),
        ("protocols.aave.rules", "aave.v3_0", Aave(version="v3_0")),
        ("protocols.aave.parameters.stETH.incentive", "7 %", 0.07),
        ("assets.stETH.ratio", "0.95", 0.95),
        ("oracles.aave.stETH", "steth_eth * 0.99", "steth_eth * 0.99"),
        ("venues.curve.half_life", "null", None),
        ("venues.curve", "{kind: pool, pair: ETH/USD}", Pool(pair="ETH/USD")),
        ("actors", "null", {}),
        ("actors.liquidators", "{kind: liquidators, rule: always}", Liquidators(rule="always")),
        ("actors.keepers", "{kind: liquidators, rule: always}", Liquidators(rule="always")),
        ("networks", "null", {}),
        ("scenario.events", None, ()),
        ("execution.mode", "batched", "batched"),
    ],
)
def test_a_value_is_replaced_by_its_path(world: World, path: str, text: object, value: object) -> None:
    assert value_at(world.replace(path, text), path) == value


def test_null_takes_a_mechanism_away(world: World) -> None:
    assert world.replace("actors.liquidators", "null").actors == {}


def test_a_value_put_back_gives_the_same_world(world: World) -> None:
    path = "scenario.prices.volatility.ETH"
    assert world.replace(path, "90 %").replace(path, "80 %") == world


def test_the_world_itself_stays_as_it_was(world: World) -> None:
    before = world.fingerprint()
    world.replace("scenario.prices.volatility.ETH", 0.1)
    assert world.fingerprint() == before


@pytest.mark.parametrize(("path", "value", "line"), cases("settings.txt"))
def test_a_wrong_path_or_value_is_answered(world: World, path: str, value: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        world.replace(path, value)
    assert str(caught.value).startswith(line)  # known names may follow


def test_a_world_built_in_python_takes_specs_in_place_of_kinds(world: World) -> None:
    built = World(**world.fields())
    with pytest.raises(InputError, match="built in Python: give its spec"):
        built.replace("protocols.aave.rules", "aave.v3_0")
    changed = built.replace("protocols.aave.rules", Aave(version="v3_0"))
    assert changed.protocols["aave"].rules == Aave(version="v3_0")

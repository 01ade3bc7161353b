"""Worlds load, refuse what cannot be meant, and say where and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from delever.model.asset import Asset, market_of, markets, price_usd
from delever.model.dump import plain
from delever.model.errors import InputError, nearest
from delever.model.load import mapping_from_yaml, world_from_mapping
from delever.model.world import Order, Protocol, ReserveParameters, Scenario, World, parse_oracle

from .conftest import Aave, Liquidators, LogNormal, cases, resolve

Complaint = Callable[[str, str], str]


def test_a_world_loads_with_its_units(world: World) -> None:
    assert world.as_of == datetime(2023, 6, 20, 14, 20, tzinfo=UTC)
    assert world.scenario.steps == 1440
    assert world.scenario.paths == 10_000
    assert world.protocols["aave"].rules == Aave(version="v2")
    assert world.scenario.events[0].order == Order(amount=50_000, asset="stETH")
    assert world.scenario.prices == LogNormal(volatility={"ETH": 0.8})
    assert world.actors == {"liquidators": Liquidators()}


def test_prices_follow_pegs_and_wraps_down_to_usd(world: World) -> None:
    assert price_usd("wstETH", world.assets) == pytest.approx(1.1 * 0.99 * 2000)
    assert price_usd("USD", world.assets) == 1
    assert markets(world.assets) == {"ETH/USD": "ETH", "stETH/ETH": "stETH", "USDC/USD": "USDC"}
    assert market_of("wstETH", world.assets) is None


def test_a_dumped_world_loads_as_the_same_world(world: World) -> None:
    again = world_from_mapping(plain(world), resolve)
    assert plain(again) == plain(world)
    assert again.fingerprint() == world.fingerprint()
    assert world.replace("scenario.seed", 8).fingerprint() != world.fingerprint()


def test_a_world_built_in_python_is_the_world_of_the_file(world: World) -> None:
    built = World(**{**world.fields(), "actors": {"liquidators": Liquidators()}, "scenario": world.scenario})
    assert plain(built) == plain(world)


def test_liquidators_are_there_unless_a_file_says_null(mapping: dict[str, Any]) -> None:
    del mapping["actors"]
    assert world_from_mapping(mapping, resolve).actors == {"liquidators": Liquidators()}
    assert world_from_mapping({**mapping, "actors": {"liquidators": None}}, resolve).actors == {}
    others = {"keepers": {"kind": "liquidators", "rule": "always"}}  # who liquidates under another name
    assert world_from_mapping({**mapping, "actors": others}, resolve).actors == {"keepers": Liquidators(rule="always")}


@pytest.mark.parametrize(("old", "new", "line"), cases("mistakes.txt"))
def test_a_mistake_is_answered_with_place_value_and_remedy(complaint: Complaint, old: str, new: str, line: str) -> None:
    assert complaint(old, new).startswith(line)  # known names may follow


@pytest.mark.parametrize(("event", "line"), cases("events.txt"))
def test_an_event_that_cannot_be_meant_is_refused(mapping: dict[str, Any], event: str, line: str) -> None:
    mapping["scenario"]["events"] = [yaml.safe_load(event)]
    with pytest.raises(InputError) as caught:
        world_from_mapping(mapping, resolve, "world.yaml")
    assert str(caught.value).startswith("world.yaml: " + line)


@pytest.mark.parametrize(
    ("text", "amount", "asset", "into"),
    [
        ("sell 50,000 stETH", 50_000, "stETH", None),
        ("sell 50k stETH for ETH", 50_000, "stETH", "ETH"),
        ("sell 1.5 m USDC", 1.5e6, "USDC", None),
    ],
)
def test_an_order_reads_as_it_is_said(text: str, amount: float, asset: str, into: str | None) -> None:
    assert Order.parse(text) == Order(amount=amount, asset=asset, into=into)


def test_an_oracle_is_a_product_of_feeds_and_rates(world: World) -> None:
    path = parse_oracle("rate * steth_eth * eth_usd", "wstETH", world)
    assert path.constant == 1.1
    assert path.feeds == (("steth_eth", 1), ("eth_usd", 1))
    assert parse_oracle("1", "USDC", world) == (1.0, ())
    assert parse_oracle("2 / eth_usd", "USDC", world) == (2.0, (("eth_usd", -1),))
    for broken in ("", "*", "eth_usd *", "eth_usd eth_usd", "* eth_usd", "-1", "nan"):
        with pytest.raises(InputError):
            parse_oracle(broken, "USDC", world)


def test_a_world_may_have_several_networks(mapping: dict[str, Any]) -> None:
    mapping["networks"]["second"] = mapping["networks"]["ethereum"]
    mapping["protocols"]["aave"]["network"] = "second"
    assert list(world_from_mapping(mapping, resolve).networks) == ["ethereum", "second"]


def test_a_key_that_stands_twice_in_the_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"world\.yaml, line 3, column 1 is not YAML: 'a stands twice'"):
        mapping_from_yaml("a: 1\nb: 2\na: 3\n", "world.yaml")


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\t- x", "- 1", "just text", ""])
def test_broken_yaml_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        mapping_from_yaml(text, "world.yaml")
    assert str(caught.value).startswith("world.yaml")
    assert "\n" not in str(caught.value)


def test_a_key_that_yaml_reads_as_true_is_answered(mapping: dict[str, Any]) -> None:
    mapping["assets"][True] = {"price": 1}
    with pytest.raises(InputError, match="assets: a key is not a name: True; put it in quotes"):
        world_from_mapping(mapping, resolve)


def test_an_age_of_something_unknown_is_refused(mapping: dict[str, Any]) -> None:
    mapping["ages"] = {"venue:curv": "2023-06-20"}
    with pytest.raises(InputError, match=r"ages\.venue:curv: unknown venue: 'curv'; did you mean curve\?"):
        world_from_mapping(mapping, resolve)


def test_a_spec_in_python_names_itself_in_its_error() -> None:
    with pytest.raises(InputError, match=r"^ReserveParameters.liquidation_threshold is 83; it is a share, so 0.83$"):
        ReserveParameters(liquidation_threshold=83, incentive=0.05)
    with pytest.raises(InputError, match=r"^Protocol.rules must be a mechanism"):
        Protocol(rules={"kind": "aave"}, parameters="p", book="b")
    with pytest.raises(InputError, match=r"^Asset has price and peg"):
        Asset(price=1, peg="ETH", ratio=1)
    with pytest.raises(InputError, match=r"^Scenario.events must be a list"):
        Scenario(horizon=1, step=1, paths=1, seed=1, prices=LogNormal(), events={"at": 0})


def test_specs_are_frozen(world: World) -> None:
    with pytest.raises(ValueError, match="frozen"):
        world.name = "other"  # type: ignore[misc]


def test_an_unknown_name_lists_what_is_known_or_the_nearest_of_many() -> None:
    assert nearest("banana", ["b", "a"]) == "known: a, b"
    assert nearest("eth", ["ETH", "BTC"]) == "did you mean ETH? known: BTC, ETH"
    assert nearest("eth", ["ETH"]) == "did you mean ETH?"
    assert nearest("x", []) == "none is known here"
    assert nearest("banana", [f"n{i:02}" for i in range(19)]).endswith("n17, n18")
    many = [f"name{i:02}" for i in range(20)]
    assert nearest("nam07", many) == "did you mean name07?"
    assert nearest("7", many).startswith("nearest of 20: ")
    assert nearest("7", many).count(",") == 4


def test_missing_fields_come_all_at_once() -> None:
    with pytest.raises(InputError, match=r"misses horizon, step and seed; write `horizon: 24 h` \(.*; `step: 1 min` .*`seed: 7`"):
        Scenario(paths=3, prices=LogNormal())  # type: ignore[call-arg]

"""A small world in text, with stand-ins for the mechanisms of the roles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from delever import worlds
from delever.model.errors import InputError, nearest
from delever.model.load import mapping_from_yaml, world_from_mapping
from delever.model.quantity import Gwei, PerYear, Seconds, Share
from delever.model.spec import Spec
from delever.model.world import World

WORLD = """
as_of: 2023-06-20T14:20:00Z
assets:
  ETH: {price: 2000 USD}
  stETH: {peg: ETH, ratio: 0.99}
  wstETH: {wraps: stETH, rate: 1.1}
  USDC: {price: 1}
protocols:
  aave:
    rules: aave.v2
    unit: ETH
    book: positions.csv
    parameters: {stETH: {liquidation_threshold: 83 %, incentive: 5 %}}
feeds:
  steth_eth: {kind: push, of: stETH/ETH, heartbeat: 24 h, deviation: 0.5 %}
  eth_usd: {kind: push, of: ETH/USD, heartbeat: 1 h, deviation: 0.5 %}
oracles:
  aave: {stETH: steth_eth, wstETH: rate * steth_eth * eth_usd, USDC: 1}
venues:
  curve: {kind: pool, pair: stETH/ETH, half_life: 30 min}
networks: {ethereum: {block_time: 12 s, base_fee: 20 gwei}}
actors: {liquidators: {kind: liquidators, rule: profitable}}
scenario:
  horizon: 24 h
  step: 1 min
  paths: 10_000
  seed: 7
  prices: {kind: lognormal, volatility: {ETH: 80 %}}
  events:
    - {at: 6 h, kind: order, order: "sell 50,000 stETH", over: 1 h}
"""


class Aave(Spec):
    kind: ClassVar[str] = "aave"
    version: Literal["v2", "v3_0"]
    close_factor: Share = 0.5


class Push(Spec):
    kind: ClassVar[str] = "push"
    of: str
    heartbeat: Seconds
    deviation: Share


class Pool(Spec):
    kind: ClassVar[str] = "pool"
    pair: str
    half_life: Seconds | None = Field(None, gt=0)


class Blocks(Spec):
    kind: ClassVar[str] = "blocks"
    block_time: Seconds
    base_fee: Gwei
    native: str = "ETH"


class Liquidators(Spec):
    kind: ClassVar[str] = "liquidators"
    bids: ClassVar[bool] = True
    rule: Literal["always", "profitable"] = "profitable"


class LogNormal(Spec):
    kind: ClassVar[str] = "lognormal"
    volatility: dict[str, PerYear] = Field({})
    correlation: dict[str, float] = Field({})


KNOWN: dict[str, list[type[Spec]]] = {
    "protocols": [Aave],
    "oracles": [Push],
    "venues": [Pool],
    "networks": [Blocks],
    "actors": [Liquidators],
    "prices": [LogNormal],
    "events": list(worlds.kinds("events").values()),
}


def resolve(role: str, kind: str) -> type[Spec]:
    known = {spec.kind: spec for spec in KNOWN[role]}
    if kind not in known:
        raise InputError(f"unknown kind of {role}", value=kind, remedy=nearest(kind, known))
    return known[kind]


def cases(name: str) -> list[tuple[str, ...]]:
    """The blocks of a text file of cases, each line without its mark."""
    blocks = (Path(__file__).parent / name).read_text().strip().split("\n\n")[1:]
    return [tuple(line[2:] for line in block.splitlines()) for block in blocks]


@pytest.fixture
def mapping() -> dict[str, Any]:
    return mapping_from_yaml(WORLD, "world.yaml")


@pytest.fixture
def world(mapping: dict[str, Any]) -> World:
    return world_from_mapping(mapping, resolve, "world.yaml")


@pytest.fixture
def complaint() -> Callable[..., str]:
    """The one line that a changed text of the world is answered with."""

    def ask(old: str, new: str) -> str:
        assert WORLD.count(old) == 1, f"{old!r} must stand once in the world"
        with pytest.raises(InputError) as caught:
            world_from_mapping(mapping_from_yaml(WORLD.replace(old, new), "world.yaml"), resolve, "world.yaml")
        line = str(caught.value)
        assert "\n" not in line
        return line

    return ask

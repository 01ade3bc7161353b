"""A world with lending and a margin exchange, in text, with stand-ins for the mechanisms of the roles."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from delever.model.errors import InputError, nearest
from delever.model.load import mapping_from_yaml, world_from_mapping
from delever.model.quantity import Amount, Share
from delever.model.spec import Spec
from delever.model.world import World

from . import conftest

TEXT = """
as_of: 2025-10-10T20:45:00Z
assets:
  BTC: {price: 100k USD}
  ETH: {price: 4000 USD}
  stETH: {peg: ETH, ratio: 1}
  wstETH: {wraps: stETH, rate: 1.25}
  BTC-PERP: {perp: BTC}
  ETH-PERP: {perp: ETH}
  wstETH-PERP: {perp: wstETH}
protocols:
  aave:
    rules: aave.v2
    book: loans.csv
    parameters:
      ETH: {liquidation_threshold: 83 %, incentive: 5 %}
  perps:
    rules: margin
    book: positions.csv
    parameters:
      BTC-PERP: {tiers: [{floor: 0 USD, max_leverage: 40}, {floor: 150m USD, max_leverage: 20}]}
      ETH-PERP: {max_leverage: 25}
      ETH: {haircut: 10 %}
      stETH: {}
    waterfall:
      - {kind: insurance_fund, start: {USD: 1m}}
      - backstop
      - {kind: adl, rule: hyperliquid}
    funding: {interval: 1 h, cap: 4 %}
actors:
  desk: {kind: arbitrageurs, threshold: 0.1 %}
scenario:
  horizon: 24 h
  step: 1 min
  paths: 10
  seed: 7
  prices: {kind: lognormal, volatility: {ETH: 80 %}}
  events:
    - {at: 0, kind: price, change: {ETH: -20 %}}
"""


class Margin(Spec):
    kind: ClassVar[str] = "margin"
    margin: ClassVar[bool] = True
    fee: Share = 0.0


class InsuranceFund(Spec):
    kind: ClassVar[str] = "insurance_fund"
    start: dict[str, Amount] = Field({})


class Backstop(Spec):
    kind: ClassVar[str] = "backstop"
    equity: Amount = 0.0


class Adl(Spec):
    kind: ClassVar[str] = "adl"
    rule: Literal["hyperliquid", "binance"] = "hyperliquid"


class Arbitrageurs(Spec):
    kind: ClassVar[str] = "arbitrageurs"
    threshold: Share


KNOWN: dict[str, list[type[Spec]]] = {
    **conftest.KNOWN,
    "protocols": [conftest.Aave, Margin],
    "waterfall": [InsuranceFund, Backstop, Adl],
    "actors": [conftest.Liquidators, Arbitrageurs],
}


def resolve(role: str, kind: str) -> type[Spec]:
    known = {spec.kind: spec for spec in KNOWN[role]}
    if kind not in known:
        raise InputError(f"unknown kind of {role}", value=kind, remedy=nearest(kind, known))
    return known[kind]


def load(text: str) -> World:
    return world_from_mapping(mapping_from_yaml(text, "world.yaml"), resolve, "world.yaml")

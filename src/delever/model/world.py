"""The world: assets, protocols with their books, oracles, venues, actors, and the scenario that befalls them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, PrivateAttr, model_validator

from .asset import USD, Asset
from .book import Book
from .checks import check_world
from .dump import plain
from .errors import InputError
from .mechanism import Resolve, lift
from .oracle import OraclePath, compose
from .quantity import Count, Instant, PerYear, Share, Text
from .replace import from_text, keys_of, put
from .scenario import Order, Scenario, Shock
from .spec import Spec

Mechanism = InstanceOf[Spec]  # a spec from one of the roles' folders


class EmodeParameters(Spec):
    """Risk parameters of a collateral in one efficiency-mode category, in place of the ordinary ones."""

    liquidation_threshold: Share = Field(examples=["93 %"], description="share of the value that backs debt")
    incentive: Share = Field(examples=["1 %"], description="what a liquidator gets on top of what he repays")


class ReserveParameters(Spec):
    """Risk parameters of one asset in one protocol."""

    liquidation_threshold: Share = Field(examples=["83 %"], description="share of the value that backs debt")
    incentive: Share = Field(examples=["5 %"], description="what a liquidator gets on top of what he repays")
    protocol_fee: Share = Field(0.0, description="the protocol's part of the incentive")
    supply_rate: PerYear = Field(0.0, description="growth of deposits, continuously compounded")
    borrow_rate: PerYear = Field(0.0, description="growth of debts, continuously compounded")
    emode: dict[int, EmodeParameters] = Field({}, description="parameters by efficiency-mode category (1, 2, ...)")


def _read_parameters(value: object) -> object:
    """A name from the catalog, or a block by asset; built here so that an error says which field it is in."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        remedy = "name a parameter set of the catalog, or write `ASSET: {liquidation_threshold: ..., incentive: ...}`"
        raise InputError("needs a name or a block by asset", value=value, remedy=remedy)
    return {asset: _read_reserve(asset, given) for asset, given in value.items()}


def _read_reserve(asset: str, given: object) -> ReserveParameters:
    if isinstance(given, ReserveParameters):
        return given
    if not isinstance(given, Mapping):
        remedy = "write `{liquidation_threshold: 83 %, incentive: 5 %}`"
        raise InputError("must be a block", path=(asset,), value=given, remedy=remedy)
    try:
        return ReserveParameters(**given)
    except InputError as error:
        raise error.at("", asset) from None


class Protocol(Spec):
    """A lending protocol: its rules, its risk parameters, who is in it."""

    rules: Mechanism = Field(examples=["aave.v3_0"], description="how accounts are liquidated")
    parameters: Annotated[str | dict[str, ReserveParameters], BeforeValidator(_read_parameters)] = Field(
        examples=["aave-v3-ethereum-2023-06"], description="name in the catalog, or parameters by asset"
    )
    book: str | InstanceOf[Book] = Field(examples=["positions.csv"], description="file of the accounts, or a Book")
    unit: Text = Field(USD, description="asset the protocol counts in")


class Execution(Spec):
    """How a block's transactions are executed."""

    mode: Literal["sequential", "batched"] = Field(
        "sequential", description="one after the other, each repriced, or all sales of a block as one trade"
    )
    rounds: Count = Field(1, description="blocks a step, in a world without a network")


class World(Spec):
    """Everything a run needs. References between its parts are checked when it is built."""

    name: str = Field("world", description="what results are called by")
    as_of: Instant = Field(examples=["2023-06-20T14:20:00Z"], description="the moment at which the run begins")
    assets: dict[str, Asset] = Field(examples=["{ETH: {price: 1719.57 USD}}"], description="all but USD, by name")
    protocols: dict[str, Protocol] = Field(examples=["{aave: {rules: aave.v3_0, ...}}"], description="by name")
    feeds: dict[str, Mechanism] = Field({}, description="price feeds, by name")
    oracles: dict[str, dict[str, Text]] = Field(
        {}, description="the price a protocol sees of an asset, as a product of feeds: `rate * steth_eth * eth_usd`"
    )
    venues: dict[str, Mechanism] = Field({}, description="where assets trade, by name")
    networks: dict[str, Mechanism] = Field({}, description="the chain whose blocks transactions compete for")
    liquidators: Mechanism | None = Field(
        None, description="who liquidates; null: nobody; a file that does not say has those with the default settings"
    )
    borrowers: Mechanism | None = Field(None, description="how owners react; null: nobody tops up")
    execution: Execution = Field(Execution(), description="order of execution within a block")
    scenario: Scenario = Field(
        examples=["{horizon: 24 h, step: 1 min, paths: 100, seed: 7, prices: {kind: lognormal, ...}}"],
        description="what befalls the world",
    )
    ages: dict[str, Instant] = Field({}, description="the moment an input is from, by book:NAME, venue:NAME, ...")

    _resolve: Resolve | None = PrivateAttr(None)
    _folder: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _references(self) -> Self:
        check_world(self)
        return self

    @property
    def folder(self) -> Path | None:
        """The folder its file lies in, where its data are looked for; None for a world built in Python."""
        return self._folder

    def replace(self, path: str, value: Any) -> World:
        """A world with one value changed: `world.replace("liquidators.rule", "always")`.

        Text is read as in a file, with units; "null" empties an optional block, `{kind: NAME, ...}` gives another
        mechanism. Everything is checked again.
        """
        keys = keys_of(path)
        try:
            value = lift(from_text(value) if isinstance(value, str) else value, tuple(keys), self._resolve)
        except InputError as error:
            raise error if error.path else error.at("", *keys) from None
        changed: World = put(self, path, value, {*self.assets, USD})
        return changed.located(self._folder, self._resolve)

    def located(self, folder: Path | None, resolve: Resolve | None) -> World:
        """The same world that knows where its data lie and how kinds are found."""
        copy = self.model_copy()
        copy._folder, copy._resolve = folder, resolve
        return copy

    def fingerprint(self) -> str:
        """sha256 of everything the world states, its books included; files it names are hashed where they are read."""
        text = json.dumps(plain(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def parse_oracle(expression: str, asset: str, world: World) -> OraclePath:
    """The price a protocol sees of an asset, as a factor and feeds: seen = constant x product of feed ** sign."""
    return compose(expression, asset, world.assets, world.feeds)


__all__ = [
    "EmodeParameters",
    "Execution",
    "Mechanism",
    "OraclePath",
    "Order",
    "Protocol",
    "ReserveParameters",
    "Scenario",
    "Shock",
    "World",
    "parse_oracle",
]

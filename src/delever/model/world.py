"""The world: assets, protocols with their books, oracles, venues, actors, and the scenario that befalls them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, PrivateAttr, model_validator

from .asset import USD, Asset
from .book import Book
from .checks import check_world
from .dump import plain, texts
from .errors import InputError
from .exchange import is_exchange
from .mechanism import Resolve, check_texts, lift
from .oracle import OraclePath, compose
from .origin import Origin
from .parameters import (
    CollateralParameters,
    EmodeParameters,
    Parameters,
    PerpParameters,
    ReserveParameters,
    Tier,
    look_up,
    read_parameters,
)
from .quantity import Amount, Count, Instant, Name, Seconds, Share, Text
from .relative import resolved
from .replace import from_text, keys_of, put
from .scenario import Order, Scenario
from .spec import Spec

Mechanism = InstanceOf[Spec]  # a spec from one of the roles' folders


class Funding(Spec):
    """What longs pay to shorts from time to time, so that a perp keeps near its index.

    Rate of an interval = mean premium + clamp(interest - mean premium, -clamp, clamp), times interval / period, at most
    +-cap: https://hyperliquid.gitbook.io/hyperliquid-docs/trading/funding. The defaults are Hyperliquid's and Binance's.
    """

    interval: Seconds = Field(gt=0, examples=["1 h"], description="time between two payments, a whole number of steps")
    period: Seconds = Field(8 * 3600.0, gt=0, description="time that interest and premium are stated for")
    interest: Share = Field(0.0001, description="interest a period")
    clamp: Share = Field(0.0005, description="most that interest may differ from the premium, a period")
    cap: Share = Field(examples=["4 %"], description="limit of the rate of one interval, either way")


class Protocol(Spec):
    """A lending protocol or a margin exchange: its rules, its risk parameters, who is in it, who bears its losses."""

    rules: Mechanism = Field(examples=["aave.v3_0"], description="how accounts are liquidated")
    parameters: Annotated[
        str | dict[str, ReserveParameters | PerpParameters | CollateralParameters], BeforeValidator(read_parameters)
    ] = Field(
        examples=["aave-v3-ethereum-2023-06"], description="name in the catalog, or parameters by asset"
    )
    book: str | InstanceOf[Book] = Field(examples=["positions.csv"], description="file of the accounts, or a Book")
    unit: Text = Field(USD, description="asset the protocol counts in; of an exchange USD, or the coin in which its inverse "
                      "perps are paid")
    waterfall: tuple[Mechanism, ...] = Field(
        (), description="layers that bear what accounts fall short of, in their order; none: it stays booked"
    )
    funding: Funding | None = Field(None, description="what perps of an exchange pay; null: nothing")
    cash: dict[str, Amount] = Field(
        {}, description="units of an asset that can be taken out at the start, by asset; not stated: without end"
    )
    borrowed: dict[str, Amount] = Field(
        {}, description="units owed at the start, by asset, also by accounts that the book lacks; not stated: what the book owes"
    )
    rates: dict[str, Mechanism] = Field(
        {}, description="how interest answers what is lent out, by asset; of others it is constant (parameters)"
    )
    network: Text | None = Field(None, description="the chain it stands on; null: the only one; an exchange acts off chain")


class Execution(Spec):
    """How a block's transactions are executed."""

    mode: Literal["sequential", "batched"] = Field(
        "sequential", description="one after the other, each repriced, or all sales of a block as one trade"
    )
    rounds: Count = Field(1, description="blocks a step, in a world without a network")


class World(Spec):
    """Everything a run needs. References between its parts are checked when it is built."""

    name: Name = Field("world", description="what results are called by")
    as_of: Instant = Field(examples=["2023-06-20T14:20:00Z"], description="the moment at which the run begins")
    assets: dict[str, Asset] = Field(examples=["{ETH: {price: 1719.57 USD}}"], description="all but USD, by name")
    protocols: dict[str, Protocol] = Field(examples=["{aave: {rules: aave.v3_0, ...}}"], description="by name")
    feeds: dict[str, Mechanism] = Field({}, description="price feeds, by name")
    oracles: dict[str, dict[str, Text]] = Field(
        {}, description="the price a protocol sees of an asset, as a product of feeds: `rate * steth_eth * eth_usd`"
    )
    venues: dict[str, Mechanism] = Field({}, description="where assets trade, by name")
    liquidity: Literal["unified", "fragmented"] = Field(
        "unified", description="several venues of one pair: one market, in which whatever is traded is spread best at no cost, "
        "or each with a price of its own. Unified is the upper bound of what routers and arbitrage do; assumption")
    networks: dict[str, Mechanism] = Field(
        {}, description="chains whose blocks transactions compete for, and bridges between them, by name; none: all is included"
    )
    actors: dict[str, Mechanism] = Field(
        {}, description="who acts, by name; a file that names nobody who liquidates has `liquidators`, unless that is null"
    )
    policies: dict[str, Mechanism] = Field({}, description="rules that change or stop other rules, by name, in their order")
    execution: Execution = Field(Execution(), description="order of execution within a block")
    scenario: Scenario = Field(
        examples=["{horizon: 24 h, step: 1 min, paths: 100, seed: 7, prices: {kind: lognormal, ...}}"],
        description="what befalls the world",
    )
    ages: dict[str, Instant] = Field({}, description="the moment an input is from, by book:NAME, venue:NAME, ...")
    inputs: dict[str, Origin] = Field(
        {}, examples=["{book:aave: {how: measured, source: subgraph}}"], description="of what kind an input is, by book:NAME, "
        "parameters:NAME, venue:NAME, feed:NAME, network:NAME, actor:NAME, policy:NAME, prices, events, execution"
    )

    _resolve: Resolve | None = PrivateAttr(None)
    _folder: Path | None = PrivateAttr(None)
    _own: frozenset[str] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _references(self) -> Self:
        check_world(self)
        return self

    @property
    def folder(self) -> Path | None:
        """The folder its file lies in, where its data are looked for; None for a world built in Python."""
        return self._folder

    @property
    def own_files(self) -> frozenset[str] | None:
        """Texts that the user gave beside its file, which name files of his own choice wherever they lie; None: all do."""
        return self._own

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Its margin exchanges, by name."""
        return tuple(name for name, protocol in self.protocols.items() if is_exchange(protocol))

    @property
    def lending(self) -> tuple[str, ...]:
        """Its lending protocols, by name."""
        return tuple(name for name, protocol in self.protocols.items() if not is_exchange(protocol))

    @property
    def loans(self) -> tuple[str, ...]:
        """Those of `lending` whose loans are what their accounts say, by name; not those that keep them in bands of their own."""
        return tuple(name for name in self.lending if not getattr(self.protocols[name].rules, "watches", False))

    def replace(self, path: str, value: Any) -> World:
        """A world with one value changed: `world.replace("actors.liquidators.rule", "always")`.

        Text is read as in a file, with units; "null" empties an optional block, `{kind: NAME, ...}` gives another
        mechanism; "+3 points", "x0.5" or "-10 %" change what is there (relative.py). Everything is checked again.
        """
        keys = keys_of(path)
        listed = self.spelled_out(keys)
        if listed is not self:
            return listed.replace(path, value)
        try:
            value = resolved(self, keys, value) if isinstance(value, str) else value
            value = from_text(value) if isinstance(value, str) else value
            check_texts(value, tuple(keys))
            value = lift(value, tuple(keys), self._resolve)
        except InputError as error:
            raise error if error.path else error.at("", *keys) from None
        changed: World = put(self, path, value, {*self.assets, USD})
        return changed.located(self._folder, self._resolve, None if self._own is None else self._own | set(texts(plain(value))))

    def spelled_out(self, keys: list[str]) -> World:
        """The world with a parameter set that the catalog names written out, where a path leads into it."""
        protocol = self.protocols.get(keys[1]) if len(keys) > 3 and keys[0] == "protocols" and keys[2] == "parameters" else None
        if protocol is None or not isinstance(protocol.parameters, str):
            return self
        changed: World = put(self, ".".join(keys[:3]), look_up(protocol.parameters))
        return changed.located(self._folder, self._resolve, self._own)

    def located(self, folder: Path | None, resolve: Resolve | None, own: frozenset[str] | None = None) -> World:
        """The same world that knows where its data lie, how kinds are found and which files may lie elsewhere (None: all)."""
        copy = self.model_copy()
        copy._folder, copy._resolve, copy._own = folder, resolve, own
        return copy

    def fingerprint(self) -> str:
        """sha256 of everything the world states, its books included; files it names are hashed where they are read."""
        text = json.dumps(plain(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def parse_oracle(expression: str, asset: str, world: World) -> OraclePath:
    """The price a protocol sees of an asset, as a factor and feeds: seen = constant x product of feed ** sign."""
    return compose(expression, asset, world.assets, world.feeds)


__all__ = [
    "CollateralParameters",
    "EmodeParameters",
    "Execution",
    "Funding",
    "Mechanism",
    "OraclePath",
    "Order",
    "Parameters",
    "PerpParameters",
    "Protocol",
    "ReserveParameters",
    "Scenario",
    "Tier",
    "World",
    "parse_oracle",
]

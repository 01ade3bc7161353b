"""References between the parts of a world: every name that is used is known, every pair is a market."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from .asset import USD, check_assets
from .book import Book
from .errors import InputError, nearest
from .exchange import check_lending_only, check_one_home, check_sides, check_terms, check_waterfall
from .new_assets import unknown_assets, without_terms
from .oracle import compose
from .origin import PARTS
from .parameters import categories_of
from .parts import WorldParts
from .references import Path, known_asset, market, market_of_venue, own_price, pair_of_assets
from .spec import Spec

BY_ASSET = ("volatility", "drift")  # fields of a price process that are tables by asset


def check_world(world: WorldParts) -> None:
    """Raise InputError for the first name that leads nowhere."""
    check_assets(world.assets)
    _protocols(world)
    _feeds_and_oracles(world)
    _venues(world)
    _networks(world)
    _scenario(world)
    _mechanisms(world)
    _ages(world)


def check_book(book: Book, world: WorldParts, where: str, protocol: str | None = None) -> None:
    """Every asset of a book is an asset of the world, and its legs are such as the protocol has, where one is named."""
    if protocol is not None:
        try:
            check_sides(book, world, where, protocol)
        except InputError as error:
            raise without_terms(error, book, world, protocol) from None
    known = pa.array([*world.assets, USD])
    row = int(pc.index(pc.is_in(book.legs["asset"], known), False).as_py())
    if row >= 0:
        raise unknown_assets(book, world, where, row, protocol)


def _protocols(world: WorldParts) -> None:
    if not world.protocols:
        raise InputError("has no protocol", path=("protocols",), remedy="a stress test needs a book to stress")
    for name, protocol in world.protocols.items():
        known_asset(protocol.unit, world, ("protocols", name, "unit"))
        if not isinstance(protocol.parameters, str):
            for asset, entry in protocol.parameters.items():
                known_asset(asset, world, ("protocols", name, "parameters", asset))
                unknown = sorted({*(getattr(entry, "borrowable_in", None) or ())} - {0, *categories_of(protocol.parameters)})
                if unknown:
                    raise InputError("is no category", path=("protocols", name, "parameters", asset, "borrowable_in"),
                                     value=unknown[0], remedy="write 0 for accounts in none, or one in the `emode` of some asset")
        for part, assets in (("cash", protocol.cash), ("borrowed", protocol.borrowed), ("rates", protocol.rates)):
            for asset in assets:
                known_asset(asset, world, ("protocols", name, part, asset))
        check_terms(name, world)
        check_waterfall(name, world)
        check_lending_only(name, world)
    check_one_home(world)
    for name, protocol in world.protocols.items():
        if not isinstance(protocol.book, str):
            check_book(protocol.book, world, f"book of {name}", name)


def _feeds_and_oracles(world: WorldParts) -> None:
    for name, feed in world.feeds.items():
        pair_of_assets(getattr(feed, "of", None), world, ("feeds", name, "of"))
        venue = getattr(feed, "venue", None)
        if venue is not None:
            market_of_venue(venue, world, ("feeds", name, "venue"))
    for protocol, seen in world.oracles.items():
        if protocol not in world.protocols:
            remedy = nearest(protocol, world.protocols)
            raise InputError("unknown protocol", path=("oracles", protocol), value=protocol, remedy=remedy)
        for asset, expression in seen.items():
            path = ("oracles", protocol, asset)
            known_asset(asset, world, path)
            try:
                compose(expression, asset, world.assets, world.feeds)
            except InputError as error:
                raise error.at("", *path) from None


def _venues(world: WorldParts) -> None:
    for name, venue in world.venues.items():
        market(getattr(venue, "pair", None), world, ("venues", name, "pair"))


def _networks(world: WorldParts) -> None:
    for name, network in world.networks.items():
        native, block_time = getattr(network, "native", None), getattr(network, "block_time", None)
        if native is not None:
            known_asset(native, world, ("networks", name, "native"))
        if block_time:
            blocks = world.scenario.step / block_time
            if round(blocks) < 1 or not math.isclose(blocks, round(blocks), rel_tol=1e-9):
                what = f"is {world.scenario.step:g} s, {blocks:.6g} blocks of {block_time:g} s"
                remedy = f"make it a whole number of blocks, such as {max(1, round(blocks)) * block_time:g} s"
                raise InputError(what, path=("scenario", "step"), remedy=remedy)


def _scenario(world: WorldParts) -> None:
    prices = world.scenario.prices
    for field in BY_ASSET:
        for asset in getattr(prices, field, ()):
            known_asset(asset, world, ("scenario", "prices", field, asset))
            own_price(asset, world, ("scenario", "prices", field, asset))
    for pair in getattr(prices, "correlation", ()):
        pair_of_assets(pair, world, ("scenario", "prices", "correlation", pair))
        for asset in pair.split("/"):
            own_price(asset, world, ("scenario", "prices", "correlation", pair))


def _mechanisms(world: WorldParts) -> None:
    """What mechanisms check of their own: a method `check(world, path)` of their specs."""
    for path, spec in mechanisms(world):
        check = getattr(spec, "check", None)
        if check is not None:
            check(world, path)


def mechanisms(world: WorldParts) -> Iterator[tuple[Path, Spec]]:
    """Every mechanism of a world and where it stands."""
    for name, protocol in world.protocols.items():
        yield ("protocols", name, "rules"), protocol.rules
        yield from ((("protocols", name, "waterfall", n), layer) for n, layer in enumerate(protocol.waterfall))
        yield from ((("protocols", name, "rates", asset), curve) for asset, curve in protocol.rates.items())
    for part in ("feeds", "venues", "networks", "actors", "policies"):
        yield from (((part, name), spec) for name, spec in getattr(world, part).items())
    yield ("scenario", "prices"), world.scenario.prices
    yield from ((("scenario", "events", n), event) for n, event in enumerate(world.scenario.events))


def _ages(world: WorldParts) -> None:
    for place, keys in (("ages", world.ages), ("inputs", world.inputs)):
        for key in keys:
            kind, _, name = key.partition(":")
            known: Collection[str] = getattr(world, PARTS[kind]) if kind in PARTS else (name,)
            if name not in known:
                raise InputError(f"unknown {kind}", path=(place, key), value=name, remedy=nearest(name, known))

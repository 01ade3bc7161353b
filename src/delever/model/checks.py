"""References between the parts of a world: every name that is used is known, every pair is a market."""

from __future__ import annotations

import math
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from .asset import USD, check_assets, markets
from .book import Book
from .book_rows import row_error
from .errors import InputError, nearest
from .exchange import check_one_home, check_sides, check_terms, check_waterfall
from .oracle import compose
from .parts import WorldParts
from .scenario import Shock

Path = tuple[str | int, ...]
BY_ASSET = ("volatility", "drift")  # fields of a price process that are tables by asset


def check_world(world: WorldParts) -> None:
    """Raise InputError for the first name that leads nowhere."""
    check_assets(world.assets)
    _protocols(world)
    _feeds_and_oracles(world)
    _venues(world)
    _networks(world)
    _scenario(world)
    _ages(world)


def check_book(book: Book, world: WorldParts, where: str, protocol: str | None = None) -> None:
    """Every asset of a book is an asset of the world, and its legs are such as the protocol has, where one is named."""
    if protocol is not None:
        check_sides(book, world, where, protocol)
    known = pa.array([*world.assets, USD])
    row = int(pc.index(pc.is_in(book.legs["asset"], known), False).as_py())
    if row >= 0:
        name = book.legs["asset"][row].as_py()
        raise row_error("unknown asset", where, row, "asset", name, nearest(name, world.assets))


def _asset(name: str, world: WorldParts, path: Path) -> None:
    if name != USD and name not in world.assets:
        raise InputError("unknown asset", path=path, value=name, remedy=nearest(name, {*world.assets, USD}))


def _pair(pair: object, world: WorldParts, path: Path) -> None:
    """`A/B`, two known assets."""
    names = pair.split("/") if isinstance(pair, str) else []
    if len(names) != 2 or names[0] == names[1]:
        raise InputError("is not a pair", path=path, value=pair, remedy="write base and quote: stETH/ETH")
    for name in names:
        _asset(name, world, path)


def _market(pair: object, world: WorldParts, path: Path) -> None:
    """A pair in which an asset has its own price."""
    _pair(pair, world, path)
    known = markets(world.assets)
    if pair not in known:
        base, _, quote = str(pair).partition("/")
        flipped = f"{quote}/{base}"
        own = next((market for market in known if market.startswith(f"{base}/")), None)
        remedy = f"did you mean {flipped}?" if flipped in known else nearest(str(pair), known)
        if own is not None and flipped not in known:
            remedy = f"the market of {base} is {own}"
        elif base in world.assets and world.assets[base].wraps is not None:
            remedy = f"{base} is unwrapped and trades as {world.assets[base].wraps}"
        raise InputError("no such market", path=path, value=pair, remedy=remedy)


def _protocols(world: WorldParts) -> None:
    if not world.protocols:
        raise InputError("has no protocol", path=("protocols",), remedy="a stress test needs a book to stress")
    for name, protocol in world.protocols.items():
        _asset(protocol.unit, world, ("protocols", name, "unit"))
        if not isinstance(protocol.parameters, str):
            for asset in protocol.parameters:
                _asset(asset, world, ("protocols", name, "parameters", asset))
        check_terms(name, world)
        check_waterfall(name, world)
    check_one_home(world)
    for name, protocol in world.protocols.items():
        if not isinstance(protocol.book, str):
            check_book(protocol.book, world, f"book of {name}", name)


def _feeds_and_oracles(world: WorldParts) -> None:
    for name, feed in world.feeds.items():
        _pair(getattr(feed, "of", None), world, ("feeds", name, "of"))
    for protocol, seen in world.oracles.items():
        if protocol not in world.protocols:
            remedy = nearest(protocol, world.protocols)
            raise InputError("unknown protocol", path=("oracles", protocol), value=protocol, remedy=remedy)
        for asset, expression in seen.items():
            path = ("oracles", protocol, asset)
            _asset(asset, world, path)
            try:
                compose(expression, asset, world.assets, world.feeds)
            except InputError as error:
                raise error.at("", *path) from None


def _venues(world: WorldParts) -> None:
    for name, venue in world.venues.items():
        _market(getattr(venue, "pair", None), world, ("venues", name, "pair"))


def _networks(world: WorldParts) -> None:
    if len(world.networks) > 1:
        names = ", ".join(world.networks)
        raise InputError("has more than one network", path=("networks",), value=names, remedy="keep one, for now")
    for name, network in world.networks.items():
        native, block_time = getattr(network, "native", None), getattr(network, "block_time", None)
        if native is not None:
            _asset(native, world, ("networks", name, "native"))
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
            _asset(asset, world, ("scenario", "prices", field, asset))
            _own_price(asset, world, ("scenario", "prices", field, asset))
    for pair in getattr(prices, "correlation", ()):
        _pair(pair, world, ("scenario", "prices", "correlation", pair))
        for asset in pair.split("/"):
            _own_price(asset, world, ("scenario", "prices", "correlation", pair))
    for number, shock in enumerate(world.scenario.shocks):
        _shock(shock, world, ("scenario", "shocks", number))


def _shock(shock: Shock, world: WorldParts, path: Path) -> None:
    for asset in shock.price or ():
        _priced(asset, world, (*path, "price", asset), pegged_only=False)
    for asset in shock.peg or ():
        _priced(asset, world, (*path, "peg", asset), pegged_only=True)
    for pair in shock.depth or ():
        _market(pair, world, (*path, "depth", pair))
    if shock.order is not None:
        _asset(shock.order.asset, world, (*path, "order", "asset"))
        if shock.order.asset == USD:
            raise InputError("sells USD", path=(*path, "order"), remedy="sell an asset that has a price")
        if shock.order.into is not None:
            _asset(shock.order.into, world, (*path, "order", "into"))


def _priced(asset: str, world: WorldParts, path: Path, pegged_only: bool) -> None:
    """An asset with a market of its own."""
    _asset(asset, world, path)
    if asset == USD:
        raise InputError("cannot be shocked", path=path, value=asset, remedy="USD is what prices are counted in")
    spec = world.assets[asset]
    if spec.wraps is not None:
        raise InputError("has no market", path=path, value=asset, remedy=f"it wraps {spec.wraps}: shock that")
    _own_price(asset, world, path)
    if pegged_only and spec.peg is None:
        raise InputError("has no peg", path=path, value=asset, remedy="write `price` in place of `peg`")


def _own_price(asset: str, world: WorldParts, path: Path) -> None:
    """A perp's outside price is its underlying's; nothing else moves it."""
    underlying = world.assets[asset].perp if asset != USD else None
    if underlying is not None:
        raise InputError(f"follows {underlying}", path=path, value=asset, remedy=f"shock {underlying}")


def _ages(world: WorldParts) -> None:
    known: dict[str, Collection[str]] = {
        "book": world.protocols, "parameters": world.protocols, "venue": world.venues, "feed": world.feeds,
    }
    for key in world.ages:
        kind, _, name = key.partition(":")
        if kind in known and name not in known[kind]:
            raise InputError(f"unknown {kind}", path=("ages", key), value=name, remedy=nearest(name, known[kind]))

"""Names that a mechanism uses are checked when the world is built: assets, pairs, markets, and the mechanisms' own checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from .asset import USD, Asset, markets, perps
from .errors import InputError, nearest
from .spec import Spec

Path = tuple[str | int, ...]


class HasAssets(Protocol):
    """What these checks need of a world."""

    @property
    def assets(self) -> Mapping[str, Asset]: ...


class HasVenues(HasAssets, Protocol):
    """And to know where they trade."""

    @property
    def venues(self) -> Mapping[str, Spec]: ...

    @property
    def liquidity(self) -> str: ...


def known_asset(name: str, world: HasAssets, path: Path) -> None:
    """An asset of the world, or USD."""
    if name != USD and name not in world.assets:
        raise InputError("unknown asset", path=path, value=name, remedy=nearest(name, {*world.assets, USD}))


def known_name(name: str, names: Iterable[str], what: str, path: Path) -> None:
    """One of these names."""
    known = list(names)
    if name not in known:
        raise InputError(f"unknown {what}", path=path, value=name, remedy=nearest(name, known) if known else "the world has none")


def pair_of_assets(pair: object, world: HasAssets, path: Path) -> None:
    """`A/B`, two known assets."""
    names = pair.split("/") if isinstance(pair, str) else []
    if len(names) != 2 or names[0] == names[1]:
        raise InputError("is not a pair", path=path, value=pair, remedy="write base and quote: stETH/ETH")
    for name in names:
        known_asset(name, world, path)


def market(pair: object, world: HasAssets, path: Path) -> None:
    """A pair in which an asset has its own price."""
    pair_of_assets(pair, world, path)
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


def pairs_apart(world: HasVenues) -> dict[str, list[str]]:
    """Pairs whose venues are markets of their own, with their venues; of perps none are."""
    found: dict[str, list[str]] = {}
    for name, venue in world.venues.items() if world.liquidity == "fragmented" else ():
        found.setdefault(str(getattr(venue, "pair", "")), []).append(name)
    return {pair: names for pair, names in found.items() if len(names) > 1 and pair.partition("/")[0] not in perps(world.assets)}


def market_of_venue(name: str, world: HasVenues, path: Path) -> str:
    """The market that a venue is: its pair, or PAIR@VENUE where that has several; not one that it shares."""
    known_name(name, world.venues, "venue", path)
    pair = str(getattr(world.venues[name], "pair", ""))
    others = [other for other, venue in world.venues.items() if other != name and getattr(venue, "pair", "") == pair]
    if not others:
        return pair
    if pair not in pairs_apart(world):
        remedy = "venues of a perp are one book" if world.liquidity == "fragmented" else "write `liquidity: fragmented`"
        raise InputError(f"is one market with {', '.join(others)}", path=path, value=name, remedy=remedy)
    return f"{pair}@{name}"


def markets_of(name: str, world: HasVenues, path: Path) -> list[str]:
    """Venues that a name stands for: itself, or all of a pair."""
    if "/" not in name:
        market_of_venue(name, world, path)
        return [name]
    market(name, world, path)
    return [venue for venue, spec in world.venues.items() if getattr(spec, "pair", None) == name]


def priced(asset: str, world: HasAssets, path: Path, pegged_only: bool = False) -> None:
    """An asset with a market of its own, which an event may move."""
    known_asset(asset, world, path)
    if asset == USD:
        raise InputError("cannot be shocked", path=path, value=asset, remedy="USD is what prices are counted in")
    spec = world.assets[asset]
    if spec.wraps is not None:
        raise InputError("has no market", path=path, value=asset, remedy=f"it wraps {spec.wraps}: shock that")
    own_price(asset, world, path)
    if pegged_only and spec.peg is None:
        raise InputError("has no peg", path=path, value=asset, remedy="write `kind: price` in place of `kind: peg`")


def own_price(asset: str, world: HasAssets, path: Path) -> None:
    """A perp's outside price is its underlying's; nothing else moves it."""
    underlying = world.assets[asset].follows if asset != USD else None
    if underlying is not None:
        raise InputError(f"follows {underlying}", path=path, value=asset, remedy=f"shock {underlying}")


def derived(asset: str, world: HasAssets, path: Path) -> None:
    """An asset with a market of its own and a rate at which it is redeemed."""
    known_asset(asset, world, path)
    if asset == USD or not world.assets[asset].derived:
        raise InputError("is redeemed for nothing", path=path, value=asset,
                         remedy="name an asset with a `peg` and a `rate`, such as {peg: ETH, ratio: 1.12, rate: 1.13}")

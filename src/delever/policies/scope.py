"""What a policy names: protocols, assets, markets or venues, and what of each can be looked at or halted.

A protocol stands for itself, and for the markets of its perps; a market or a venue for that market; an asset for the protocols
that list it, its wrappers or its perps, for its price in USD, and for the market that sells it.
A pair whose venues are apart is halted on all of them; its price is that of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from delever.core.setting import Setting
from delever.model.asset import down_to_usd, market_of, markets
from delever.model.errors import InputError, nearest
from delever.model.parameters import PerpParameters, look_up
from delever.model.references import Path, market, pairs_apart
from delever.model.world import World


def meaning(name: str, world: World, path: Path) -> tuple[str, str]:
    """(protocol, market or asset; its name) that a name stands for."""
    pairs = markets(world.assets)
    found = [("protocol", name)] if name in world.protocols else []
    found += [("market", name)] if name in pairs else []
    found += [("market", _venue(name, world))] if name in world.venues else []
    found += [("asset", name)] if name in world.assets else []
    if len(found) > 1:
        raise InputError(f"is {' and '.join(what for what, _ in found)} at once", path=path, value=name,
                         remedy="rename one, or name the market as a pair")
    if not found:
        if "/" in name:
            market(name, world, path)
        raise InputError("unknown name", path=path, value=name,
                         remedy=nearest(name, {*world.protocols, *world.assets, *world.venues, *pairs}))
    return found[0]


def _venue(name: str, world: World) -> str:
    """The market that a venue is, or is a part of."""
    pair = str(getattr(world.venues[name], "pair", ""))
    return f"{pair}@{name}" if pair in pairs_apart(world) else pair


def protocols_on(what: str, name: str, world: World) -> list[str]:
    """Protocols that a name stands for."""
    if what != "asset":
        return [name] if what == "protocol" else []
    near = {name, *(other for other, asset in world.assets.items() if name in (asset.wraps, asset.follows))}
    return [protocol for protocol, terms in world.protocols.items() if near & set(look_up(terms.parameters))]


def markets_on(what: str, name: str, world: World) -> list[str]:
    """Pairs whose market a name stands for."""
    if what == "market":
        return [name]
    if what == "asset":
        return [pair for step in down_to_usd(name, world.assets) if (pair := market_of(step, world.assets)) is not None][:1]
    listed = look_up(world.protocols[name].parameters)
    return [str(market_of(asset, world.assets)) for asset, terms in listed.items()
            if isinstance(terms, PerpParameters) and asset in world.assets]


def check_looked_at(names: Sequence[str], world: World, path: Path, by_volume: bool) -> None:
    """Protocols where volumes are counted, what has a price where prices are."""
    for name in names:
        what, _ = meaning(name, world, path)
        if by_volume and what != "protocol":
            raise InputError(f"is {'an' if what == 'asset' else 'a'} {what}", path=path, value=name,
                             remedy="liquidations are counted by protocol: name one, and what is halted under `where`")
        if not by_volume and what == "protocol":
            raise InputError("is a protocol", path=path, value=name,
                             remedy="it has no price: name an asset or a market, and the protocol under `where`")


def check_halted(names: Sequence[str], world: World, path: Path, halts: Sequence[str]) -> None:
    """Each name has something that is halted, and each halt something to act on."""
    meant = [meaning(name, world, path) for name in names]
    on = {halt: [bool((markets_on if halt == "trading" else protocols_on)(*one, world)) for one in meant] for halt in halts}
    remedies = {"trading": "name the markets under `where`"}
    for halt, has in on.items():
        if not any(has):
            raise InputError(f"has no {'market' if halt == 'trading' else 'protocol'} whose {halt} could halt", path=path,
                             value=", ".join(names), remedy=remedies.get(halt, "name the protocols under `where`"))
    for number, name in enumerate(names):
        if not any(has[number] for has in on.values()):
            what = meant[number][0]
            raise InputError(f"has no {' or '.join(halts)} to halt", path=path, value=name,
                             remedy=f"it is {'an' if what == 'asset' else 'a'} {what}: leave it out")


class Looked(NamedTuple):
    """Log prices that are looked at, as composed of markets."""

    chain: np.ndarray  # [items, L] markets
    length: np.ndarray  # [items]
    constant: np.ndarray  # [items] part that does not move


def prices_of(names: Sequence[str], setting: Setting, path: Path) -> Looked:
    """Of markets in their quote, of assets in USD."""
    layout, tree = setting.layout, setting.layout.tree
    chain, length, constant = np.zeros((len(names), tree.chain.shape[1]), np.int64), [], []
    for i, name in enumerate(names):
        what, meant = meaning(name, setting.world, path)
        if what == "market":
            chain[i, 0] = layout.market(meant, ".".join(map(str, path)))
        else:
            chain[i] = tree.chain[layout.asset(meant)]
        length.append(1 if what == "market" else int(tree.length[layout.asset(meant)]))
        constant.append(0.0 if what == "market" else float(tree.log_rate[layout.asset(meant)]))
    return Looked(chain, np.array(length, np.int64), np.array(constant))


def protocols_of(names: Sequence[str], setting: Setting, path: Path) -> np.ndarray:
    """Numbers of the protocols that these names stand for."""
    found = {name for one in names for name in protocols_on(*meaning(one, setting.world, path), setting.world)}
    return np.array([n for n, name in enumerate(setting.protocols) if name in found], np.int64)


def markets_of(names: Sequence[str], setting: Setting, path: Path) -> np.ndarray:
    """Numbers of the markets that these names stand for."""
    found = {market for one in names for market in markets_on(*meaning(one, setting.world, path), setting.world)}
    rows = {m for name in found for m in setting.layout.rows_of(name.partition("@")[2] or name)}
    return np.array(sorted(rows), np.int64)

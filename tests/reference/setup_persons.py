"""Reads who owns which accounts, how owners act and who margins them, into what the plain implementation starts from."""

from __future__ import annotations

from delever.model.book import Book
from delever.model.world import World
from reference.persons import Broker, Defenders, Persons
from reference.setup_house import chain_of


def persons_of(world: World, path: int) -> Persons:
    """Of one path."""
    owner: dict[int, str] = {}
    for name, protocol in world.protocols.items():
        assert isinstance(protocol.book, Book)
        rows = protocol.book.of(name).legs.to_pylist()
        for number, who in enumerate(dict.fromkeys((row["account"], row["owner"]) for row in rows), len(owner)):
            owner[number] = who[1]
    acting = [Defenders(name, one.attentive, one.low, one.target, one.keep, one.fee)
              for name, one in world.actors.items() if one.kind == "owners"]
    brokers = [Broker(list(spec.protocols) or list(world.protocols), spec.margin)
               for spec in world.policies.values() if spec.kind == "prime_broker"]
    caps = {(name, asset): reserve.supply_cap for name, protocol in world.protocols.items()
            for asset, reserve in protocol.parameters.items() if getattr(reserve, "supply_cap", None) is not None}
    return Persons(owner, acting[0] if acting else None, brokers,
                   {name: chain_of(world, protocol) for name, protocol in world.protocols.items()},
                   {asset: underlying_of(asset, world) for asset in ("USD", *world.assets)}, caps, path, world.scenario.seed)


def underlying_of(asset: str, world: World) -> str:
    """What a contract follows, or a wrapped asset wraps; else itself."""
    while asset != "USD" and (below := world.assets[asset].perp or world.assets[asset].wraps) is not None:
        asset = below
    return asset

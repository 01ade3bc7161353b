"""What one should know of a world besides its books: who is missing, and how old its inputs are."""

from __future__ import annotations

from collections.abc import Iterator

from delever.analysis.inputs import Input
from delever.model.finding import OK, WARN, Finding
from delever.model.world import World
from delever.run.asked import underbidding

OLD = 30 * 86400.0  # an input that is further from the world's date than this is from another time [s]


def actors_found(world: World) -> Iterator[Finding]:
    """Who is missing."""
    lends = bool(world.lending)
    actors = world.actors.values()
    if lends and not any(getattr(actor, "bids", False) for actor in actors):
        yield Finding(WARN, "liquidator.none", "actors", "none", "write `actors: {liquidators: {kind: liquidators}}`")
    for name in world.lending:
        if getattr(world.protocols[name].rules, "bid_for", False) and not any(getattr(one, "buys_lots", False) for one in actors):
            yield Finding(WARN, "auction.no_bidder", f"protocols.{name}.rules", world.protocols[name].rules.kind,
                          "write `actors: {keepers: {kind: auction_keepers, capital: {USD: 2m}}}`, gas money too")
    if lends and not any(getattr(actor, "answers", False) for actor in actors):
        yield Finding(OK, "owner.none", "actors", "none",
                      "write `actors: {owners: {kind: borrowers, attentive: 30 %}}` to let some top up")
    if not world.networks and lends:
        yield Finding(OK, "network.none", "networks", "none",
                      "write `networks: {ethereum: {block_time: 12 s, room: 30, base_fee: 20 gwei}}`")
    yield from underbidding(world)


def inputs_found(world: World, rows: list[Input]) -> Iterator[Finding]:
    """Inputs of another time, or of none."""
    dateless = [row.name for row in rows if row.age is None]
    if dateless:
        yield Finding(OK, "input.undated", "ages", ", ".join(dateless),
                      f"write `{dateless[0]}: {world.as_of:%Y-%m-%dT%H:%M:%SZ}` there, with the moment it is from")
    for row in rows:
        if row.age is not None and abs(row.age) > OLD:
            yield Finding(WARN, "input.old", f"ages.{row.name}", row.text,
                          "find data of the world's date, or say beside the figures that it is not")

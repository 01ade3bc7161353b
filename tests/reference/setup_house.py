"""Reads networks, bidders, auctions and policies of a world into what the plain implementation starts from."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from delever.model.world import World
from reference.auctions import Terms
from reference.breakers import Breaker
from reference.setting import Bidder, Network
from reference.storefront import Store

GAS = {"oracle": 100_000.0, "top_up": 250_000.0, "shift": 500_000.0, "withdrawal": 200_000.0, "liquidation": 500_000.0,
       "order": 300_000.0, "kick": 300_000.0, "take": 400_000.0, "redo": 150_000.0, "joint": 0.0,
       "close": 600_000.0, "leave": 600_000.0, "unwind": 600_000.0, "lever": 700_000.0, "wind": 700_000.0,
       "hard_liquidation": 500_000.0,
       "band_trade": 400_000.0, "redemption": 400_000.0, "minting": 400_000.0,
       "conversion": 400_000.0, "conversion_sale": 400_000.0, "absorb": 300_000.0, "buy_collateral": 350_000.0,
       "trove_liquidation": 500_000.0, "trove_redemption": 600_000.0}
TERMS = ("curve", "buf", "tail", "cusp", "cut", "step", "tau", "tip", "chip", "dust", "hole", "hole_of_all")


def chains_of(world: World) -> tuple[dict[str, Network], int]:
    """Networks, and blocks in a step of a clock on which the blocks of all of them fall."""
    found = world.networks
    if not found:
        return {"": Network()}, world.execution.rounds
    times = [Fraction(net.block_time).limit_denominator(10**6) for net in found.values()]
    common = math.lcm(*(time.denominator for time in times))
    tick = Fraction(math.gcd(*(int(time * common) for time in times)), common)
    chains = {name: Network(net.room, net.base_fee, net.native, {**GAS, **net.gas}, int(time / tick))
              for (name, net), time in zip(found.items(), times, strict=True)}
    return chains, round(world.scenario.step / float(tick))


def chain_of(world: World, spec: Any) -> str:
    """The network of a protocol, a feed, an order; the only one, where it does not say."""
    named = getattr(spec, "network", None)
    return str(named) if named is not None else next(iter(world.networks), "")


def bidders_of(world: World) -> list[Bidder]:
    """In the order in which they are stated."""
    found = []
    for name, actor in world.actors.items():
        if actor.kind == "liquidators":
            found.append(Bidder(name, actor.rule == "profitable", actor.min_profit, actor.fee_share, actor.network))
        elif actor.kind == "joint":
            found.append(Bidder(name, True, actor.min_profit, actor.fee_share, pairs=True))
    return found


def auctions_of(world: World) -> dict[str, Terms]:
    """Of protocols with clip rules."""
    return {name: Terms(**{f: value for f in TERMS if (value := getattr(p.rules, f)) is not None})
            for name, p in world.protocols.items() if p.rules.kind == "clip"}


def stores_of(world: World) -> dict[str, Store]:
    """Of protocols with comet rules; what somebody holds, in the order in which all books name it first."""
    found = {}
    rules = [name for name, p in world.protocols.items() if p.rules.kind == "comet"]
    books = [p.book.of(name).legs["asset"].to_pylist() for name, p in world.protocols.items() if rules]
    first = dict.fromkeys(asset for book in books for asset in book)
    for name in rules:
        p = world.protocols[name]
        held = {row["asset"] for row in p.book.of(name).legs.to_pylist()} - {p.rules.base}
        found[name] = Store(p.rules.base, p.rules.store_front, p.rules.target, p.rules.reserves, p.rules.counted_on,
                            p.rules.decimals,
                            {asset: p.parameters[asset].incentive for asset in first if asset in held})
    return found


def breakers_of(world: World) -> list[Breaker]:
    """What each looks at and halts; names are protocols, assets or markets."""
    found, step = [], world.scenario.step
    for spec in world.policies.values():
        if spec.kind != "breaker":
            continue
        trigger = next(name for name in ("move", "volatility", "liquidations") if getattr(spec, name) is not None)
        where = spec.where or spec.of
        found.append(Breaker(
            list(spec.of), trigger, getattr(spec, trigger), spec.direction, round(spec.window / step), step, spec.lasts,
            spec.cool_off, liquidations=[name for name in where if name in world.protocols] * ("liquidations" in spec.halts),
            trading=halted_venues(world, where) * ("trading" in spec.halts)))
    return found


def halted_venues(world: World, where: list[str]) -> list[str]:
    """By the keys of venues: all of a pair, or the one that is named."""
    found, first = [], {}
    for name, venue in world.venues.items():
        first.setdefault(venue.pair, name)
    for name in where:
        if "/" in name:
            found.append(name.split("/")[0])
        found += [v for v, venue in world.venues.items() if venue.pair == name and v != first[name]]
        if name in world.venues:
            pair = world.venues[name].pair
            found.append(pair.split("/")[0] if first[pair] == name else name)
    return found


def margin_calls_of(world: World) -> dict[str, tuple[float, float]]:
    """Per protocol: grace, floor."""
    return {name: (spec.grace, -math.inf if spec.floor is None else spec.floor)
            for spec in world.policies.values() if spec.kind == "margin_call" for name in spec.protocols}

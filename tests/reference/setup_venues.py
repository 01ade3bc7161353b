"""Reads venues that are apart, and who acts on them, into what the plain implementation starts from."""

from __future__ import annotations

import math
from typing import Any

from delever.model.asset import factor_of
from delever.model.world import World
from reference.between import Desk, FeeRule, Outage, Provider
from reference.pool import Market, Profile
from reference.shared_pool import KeptFee, SharedPool


def profile_of(venue: Any, price: float, source: Any) -> Profile:
    """Its curve. price: of the outside world, units of the quote."""
    table = venue.table(source, price)
    return Profile(list(map(float, table.node_w)), list(map(float, table.liquidity)), list(map(float, table.sold)),
                   table.fee_in, table.fee_out, table.anchored, table.quoted, table.bounded)


def further_of(world: World, markets: dict[str, Market], source: Any) -> dict[str, list[Market]]:
    """By base: venues of a pair behind its first, in the order of the world."""
    found: dict[str, list[Market]] = {}
    for name, venue in world.venues.items():
        base, quote = venue.pair.split("/")
        if name == markets[base].venue:
            continue
        profile = profile_of(venue, factor_of(base, world.assets), source)
        found.setdefault(base, []).append(
            Market(base, quote, markets[base].e, profile, venue.half_life, venue=name, key=name))
    return found


def pools_of(world: World, markets: dict[str, Market], further: dict[str, list[Market]]) -> list[SharedPool | KeptFee]:
    """Pools of several pairs, and those that keep their fee."""
    everywhere = {v.venue: v for m in markets for v in [markets[m], *further.get(m, [])]}
    names: dict[str, list[str]] = {}
    for name, venue in world.venues.items():
        if getattr(venue, "pool", None):
            names.setdefault(venue.pool, []).append(name)
    found: list[SharedPool | KeptFee] = [
        KeptFee(everywhere[name]) for name, venue in world.venues.items() if getattr(venue, "keeps_fee", False)]
    for some in names.values():
        spec: Any = world.venues[some[0]]
        found.append(SharedPool(spec.A, dict(spec.balances), [everywhere[name] for name in some], spec.cells))
    return found


def outages_of(world: World) -> list[Outage]:
    """Of venues."""
    return [Outage(s.venue, int(s.at // world.scenario.step) + 1, s.lasting)
            for s in world.scenario.events if s.kind == "outage" and s.venue]


def providers_of(world: World) -> list[Provider]:
    step, sides = world.scenario.step, {"both": (0, 1), "bids": (0,), "asks": (1,)}
    return [Provider(one.venue, one.share, sides[one.side], one.fall, one.volatility, max(1, round(one.window / step)),
                     one.delay, math.inf if one.returns is None else one.returns)
            for one in world.actors.values() if one.kind == "providers"]


def fee_rules_of(world: World) -> list[FeeRule]:
    return [FeeRule(p.venue, p.usual, p.most, p.half_life) for p in world.policies.values() if p.kind == "venue_fee"]


def desks_of(world: World) -> list[Desk]:
    return [Desk(name, one.pair.split("/")[0], *(one.capital.get(a, 0.0) for a in one.pair.split("/")), one.delay, one.threshold)
            for name, one in world.actors.items() if one.kind == "venue_arbitrageurs"]

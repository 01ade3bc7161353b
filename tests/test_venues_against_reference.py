"""The engine against the plain implementation on random worlds whose pairs have several venues that are apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from delever.core import tables
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds
from reference.pool import Market
from reference.setting import Result
from reference.shared_pool import SharedPool
from reference.worlds_venues import venues_world
from test_against_reference import close
from test_house_against_reference import HouseResult, house_differences, of_path

WORLDS = 120
BATCH = 30


@dataclass
class VenuesResult:
    """What else stands in the engine's tables of a path, by venue."""

    house: HouseResult
    venues: dict[str, tuple[float, float, float, float, float, float]]  # s, u, depth of bids and asks, fees in and out


def on_venues(world: World, model: Model, played: Played, p: int) -> VenuesResult:
    """What stands in the tables of path p."""
    state = played.state
    house, markets = of_path(world, model, played, p), state.markets
    for number, (name, actor) in enumerate(world.actors.items()):
        if actor.kind == "venue_arbitrageurs":
            row = state.ledgers.tokens[tables.HOLDERS + number, :, p]
            house.lending.ledger |= {(name, asset): float(row[a]) for a, asset in enumerate(model.layout.assets)}
    return VenuesResult(house, {name: (
        float(markets.consumed[m, p]), float(markets.price[m, p]), *map(float, markets.depth[:, m, p]),
        *map(float, markets.fee[:, m, p])) for name, m in model.layout.venues.items()})


def venues_differences(world: World, plain: Result, engine: VenuesResult) -> Iterator[str]:
    """What the two do not agree on. What is known of a venue's s is the scale of what it and its traders have."""
    turnover, virtual = Counter(plain.turnover), Counter(plain.virtual)
    for venue in plain.venues:
        virtual[venue.asset] = max(virtual[venue.asset], venue.virtual())
    for actor in plain.desks:
        for asset, units in ((actor.pair, virtual[actor.pair]),
                             (world.assets[actor.pair].below, virtual[actor.pair] * math.exp(plain.log_price[actor.pair]))):
            turnover[actor.name, asset] += units
    yield from house_differences(world, replace(plain, turnover=dict(turnover), virtual=dict(virtual)), engine.house)
    for venue in plain.venues:
        if venue.profile is None:
            continue
        s, u, *rest = engine.venues[venue.venue]
        moved = max(plain.turnover.get((holder, venue.asset), 0.0) for holder in ("venues", "makers"))
        if not close(venue.s, s, moved + venue.virtual()):
            yield f"sold into {venue.venue}: {venue.s!r} plain, {s!r} engine"
        if not close(venue.u(venue.s), u, 1.0):
            yield f"log price of {venue.venue}: {venue.u(venue.s)!r} plain, {u!r} engine"
        for what, a, b in zip(("bids", "asks", "fee in", "fee out"),
                              (*venue.depth, venue.profile.fee_in, venue.profile.fee_out), rest, strict=True):
            if not close(a, b, 0.0):
                yield f"{what} of {venue.venue}: {a!r} plain, {b!r} engine"


VENUES = Worlds(venues_world, on_venues, venues_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    VENUES.hold_together(range(first, first + BATCH), most_excused=3, pushed=True)


def test_worlds_in_which_an_arbitrageur_comes_to_the_end_of_a_venue() -> None:
    """Short of it by rounding he traded crumbs, and looked again only after his delay."""
    VENUES.hold_together((187, 206), most_excused=0)


# in how many worlds it must have happened on some path
LEAST = {
    # where a trade goes
    "finds the best, the first": 40, "finds the best, another": 40, "trades where it says, the first": 12,
    "trades where it says, another": 20, "several venues of a pair in one trade": 4, "passes a venue that is halted": 20,
    "passes an empty side": 15, "meets an empty side": 2, "waited for a market": 12,
    # how far
    "fills in part": 15, "stays what it was": 15, "stays what it has become on the way": 6, "crosses a gap": 6,
    "ends at its last position": 15, "depth is gone": 12, "book and pool": 30,
    # of which kind, and traded
    "uniswap_v3": 60, "stableswap": 30, "constant_product": 30, "depth_table": 30, "pools of many": 15, "anew in both": 6,
    "keeps its fee": 15,
    # who acts
    "arbitrage": 40, "arbitrage, nothing left": 15, "arbitrage, later": 15, "arbitrage, third venue": 6,
    "providers leave": 15, "providers come back": 4, "a fee is higher": 10, "a feed of another venue answers": 20,
    "an outage": 40, "a breaker of one venue trips": 4,
    # among what else
    "liquidations": 70, "declined": 50, "reverted_claim": 20, "takes": 20, "pairs": 15, "top_ups": 20, "answers": 80, "waits": 40,
    "sequential": 50, "batched": 30, "networks": 50, "no network": 20}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """anew in both: two pairs of a pool traded at once; arbitrage, nothing left: of what he has; later: than he saw the gap."""
    seen = VENUES.seen(range(WORLDS), happened)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What happened on some path; of what there is in a world, what acted."""
    found = {name for path in paths for name, count in path.counts.items() if count > 0} | {world.execution.mode}
    found |= {"networks" if world.networks else "no network"}
    found |= {"an outage" for event in world.scenario.events if event.kind == "outage"}
    alone = [p for p in world.policies.values() if p.kind == "breaker" and any(name in world.venues for name in p.where)]
    found |= {"a breaker of one venue trips" for path in paths if alone and path.counts["trips"]}
    first = {venue.pair: name for name, venue in reversed(world.venues.items())}
    found |= {"a feed of another venue answers" for name, feed in world.feeds.items() if feed.venue
              and first[feed.of] != feed.venue and paths[0].answers[name] != paths[0].log_price[feed.of.split("/")[0]]}
    for path in paths:
        found |= of_venues(world, path)
        found |= {"arbitrage" for desk in path.desks if desk.trades} | {
            "arbitrage, nothing left" for desk in path.desks if desk.short} | {
            "arbitrage, later" for desk in path.desks if desk.delayed and desk.trades} | {
            "arbitrage, third venue" for desk in path.desks if desk.second}
        found |= {"providers leave" for one in path.providers if one.left} | {
            "providers come back" for one in path.providers if one.back} | {
            "a fee is higher" for rule in path.fee_rules if rule.raised and named(path, rule.venue).key in path.traded} | {
            "pools of many" if isinstance(pool, SharedPool) else "keeps its fee" for pool in path.pools if pool.shared} | {
            "anew in both" for pool in path.pools if pool.together}
    return found


def of_venues(world: World, path: Result) -> set[str]:
    """What became of them."""
    found, kinds = set(), {}
    for venue in path.venues:
        if venue.profile is None or venue.key not in path.traded:
            continue
        found.add(world.venues[venue.venue].kind)
        kinds.setdefault(venue.asset, set()).add(venue.profile.anchored)
        found |= {"ends at its last position" for end in venue.profile.ends if venue.s == end and venue.s != 0.0}
        found |= {"depth is gone" for depth in venue.depth if depth == 0.0}
    return found | {"book and pool" for both in kinds.values() if len(both) == 2}


def named(path: Result, name: str) -> Market:
    """The venue of that name."""
    return next(venue for venue in path.venues if venue.venue == name)


def test_tokens_are_moved_and_never_made() -> None:
    assert VENUES.made(range(0, WORLDS, 4)) == []


def test_no_venue_fills_more_than_it_holds() -> None:
    for seed in range(WORLDS):
        for path in VENUES.plain(seed):
            for venue in path.venues:
                if venue.profile is not None:
                    assert venue.profile.ends[0] <= venue.s <= venue.profile.ends[1]
                    assert min(venue.depth) >= 0.0

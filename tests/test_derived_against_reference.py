"""The engine against the plain implementation on random worlds of assets that are redeemed at a rate, of coins with a sister."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from delever.actors.algorithmic import Burning
from delever.actors.redeemers import Redeeming
from delever.core import tables
from delever.core.conversion import BURNED, FILLED, HELD, MINTED, MONEY, SUPPLY
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds
from reference.setting import Result
from reference.worlds_derived import derived_world
from test_against_reference import close
from test_venues_against_reference import VenuesResult, on_venues, venues_differences

WORLDS = 84
BATCH = 28
ACTORS = ("redeemers", "algorithmic")
TABLES = ("ISSUER", "IN_FLIGHT", "OUTSIDE")
OF_COINS = ("money", "d", "supply", "held down", "held up", "burned down", "burned up", "made down", "made up")


@dataclass
class DerivedResult:
    """What else stands in the engine's tables of a path."""

    venues: VenuesResult
    backed: dict[str, tuple[float, float, float]]  # log rate, reserve, queued
    desks: dict[str, tuple[float, float, float, float]]  # money, served, redeemed, minted
    coins: dict[str, tuple[float, ...]]  # money, d, supply; held, burned, made of both ways


def of_path(world: World, model: Model, played: Played, p: int) -> DerivedResult:
    """What stands in the tables of path p."""
    state, assets = played.state, model.layout.assets
    venues, backing = on_venues(world, model, played, p), state.backing
    rows = {name.lower(): getattr(tables, name) for name in TABLES}
    rows |= {name: tables.HOLDERS + i for i, (name, actor) in enumerate(world.actors.items()) if actor.kind in ACTORS}
    venues.house.lending.ledger |= {(name, asset): float(state.ledgers.tokens[row, a, p])
                       for name, row in rows.items() for a, asset in enumerate(assets)}
    found = DerivedResult(venues, {assets[a]: tuple(float(column[b, p]) for column in (
        backing.log_rate, backing.reserve, backing.queued)) for b, a in enumerate(backing.asset)}, {}, {})
    for one in played.mechanisms:
        if isinstance(one, Redeeming):
            purse = one.desks.purse
            found.desks |= {name: tuple(float(column[i, p]) for column in (purse.money, purse.served, purse.redeemed, one.minted))
                            for i, name in enumerate(one.names)}
        if isinstance(one, Burning):
            _, _, pairs, made = one.table
            found.coins |= {name: (*(float(pairs[row, k, p]) for row in (MONEY, FILLED, SUPPLY)),
                                   *(float(made[row, 2 * k + way, p]) for row in (HELD, BURNED, MINTED) for way in (0, 1)))
                            for k, name in enumerate(one.names)}
    return found


def derived_differences(world: World, plain: Result, engine: DerivedResult) -> Iterator[str]:
    """What the two do not agree on. What a venue's s is known to is what its traders may have had more or less of."""
    turnover, virtual = Counter(plain.turnover), plain.virtual
    traded = [(desk.name, desk.asset) for desk in plain.redeemers]
    traded += [(one.name, asset) for one in plain.coins for asset in (one.coin, one.sister)]
    for name, m in traded:
        for holder in (name, "issuer", "in_flight"):
            turnover[holder, m] += virtual[m]
            turnover[holder, world.assets[m].below] += virtual[m]
    yield from venues_differences(world, replace(plain, turnover=dict(turnover)), engine.venues)
    for name, (log_rate, reserve, queued) in engine.backed.items():
        one = plain.backed[name]
        yield from apart(name, {
            "rate": (one.log_rate, log_rate, 1.0), "queue": (one.queued, queued, turnover["in_flight", name]),
            "reserve": (one.reserve, reserve, (world.assets[name].reserve or 0.0) + turnover["issuer", one.peg])})
    for desk in plain.redeemers:
        money = turnover[desk.name, world.assets[desk.asset].below] + desk.capital
        coins, theirs = turnover[desk.name, desk.asset], engine.desks[desk.name]
        yield from apart(desk.name, {
            "money": (desk.money, theirs[0], money), "served": (desk.served, theirs[1], world.scenario.horizon),
            "redeemed": (desk.redeemed, theirs[2], coins), "minted": (desk.minted, theirs[3], coins)})
    for pair in plain.coins:
        money = turnover[pair.name, world.assets[pair.coin].below] + pair.capital
        coins, sisters = turnover[pair.name, pair.coin], turnover[pair.name, pair.sister]
        mine = (pair.money, pair.d, pair.supply, *pair.held, *pair.burned, *pair.made)
        scales = (money, money + coins, pair.supply + coins, sisters, coins, coins, sisters, sisters, coins)
        yield from apart(pair.name, {what: (a, b, scale) for what, a, b, scale in zip(
            OF_COINS, mine, engine.coins[pair.name], scales, strict=True)})


def apart(name: str, both: dict[str, tuple[float, float, float]]) -> Iterator[str]:
    """Where (plain, engine, scale) differ."""
    for what, (a, b, scale) in both.items():
        if a != b and not close(a, b, scale):
            yield f"{what} of {name}: {a!r} plain, {b!r} engine"


DERIVED = Worlds(derived_world, of_path, derived_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    DERIVED.hold_together(range(first, first + BATCH), most_excused=1, pushed=True)


# in how many worlds it must have happened on some path
LEAST = {
    # redeemers
    "redemption": 35, "minting": 18, "bound by money": 18, "bound by price": 18, "bound by reserve": 18, "bound by queue": 1,
    "nothing left to redeem with": 15, "waits for its payment": 30, "waits for the end of a freeze": 2, "runs dry": 12,
    "paid in part": 5, "cut while some wait": 6, "reverted_redemption": 1, "reverted_minting": 1,
    # burners
    "conversion down": 10, "conversion up": 8, "conversion_sale down": 10, "conversion_sale up": 8, "conversion_sale in part": 2,
    "all coins are burned": 3, "more than the spread": 6, "reverted_conversion": 3,
    # what there is
    "default: cut": 30, "default: lost": 20, "default: frozen": 30, "peg": 30, "reads a rate": 50, "own feed": 8, "pool": 10,
    "growth": 60, "reserve": 60,
    # among what else
    "liquidations": 60, "declined": 40, "takes": 15, "trips": 20, "waited for a market": 10, "sequential": 50, "batched": 25,
    "networks": 50, "no network": 20}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """bound by: what limits a purchase; in part: its market did not fill it."""
    seen = DERIVED.seen(range(WORLDS), happened)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What there is in a world, and what happened on some path."""
    found = {name for path in paths for name, count in path.counts.items() if count > 0} | {world.execution.mode}
    found |= {"networks" if world.networks else "no network"} | {event.kind for event in world.scenario.events}
    for event in world.scenario.events:
        if event.kind == "default":
            found |= {f"default: {what}" for what, so in (("cut", event.cut < 0.0), ("lost", event.lost > 0.0),
                                                          ("frozen", event.freezes)) if so}
    found |= {"reads a rate" for feed in world.feeds.values() if feed.kind == "rate"}
    found |= {"own feed" for actor in world.actors.values() if actor.kind == "algorithmic" and actor.feed}
    found |= {"pool" for actor in world.actors.values() if actor.kind == "algorithmic" and actor.pool}
    found |= {"growth" for asset in world.assets.values() if asset.growth}
    return found | {"reserve" for asset in world.assets.values() if asset.reserve is not None}


def test_tokens_are_moved_and_never_made() -> None:
    assert DERIVED.made(range(0, WORLDS, 4)) == []


def test_what_waits_is_in_flight_and_no_reserve_is_overdrawn() -> None:
    for seed in range(WORLDS):
        for result in DERIVED.plain(seed):
            for name, one in result.backed.items():
                flight = result.ledger.get(("in_flight", name), 0.0)
                assert abs(flight - one.queued) <= 1e-12 * result.turnover.get(("in_flight", name), 0.0)
                assert one.reserve >= 0.0

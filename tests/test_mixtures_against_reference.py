"""The engine against the plain implementation on random worlds with all that lend beside each other, in every mixture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from delever.model.market import home_of
from delever.model.world import World
from delever.protocols.liquity import LiquityPhase
from delever.protocols.liquity_system import BASE_RATE, POOL, POOL_COLL, System, entire
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference import liquities
from reference.comparing import Worlds, counted
from reference.setting import Result
from reference.troves import ONE
from reference.worlds_mixtures import KINDS, mixture_world
from test_against_reference import close
from test_llamma_against_reference import LlammaResult, llamma_differences, on_bands

WORLDS = range(40, 240)
BATCH = 25


@dataclass
class Troves:
    """One system of Liquity as it stands in the engine's tables of a path."""

    of: list[tuple[float, float] | None]  # collateral and debt of each trove; None: it is closed
    surplus: list[float]
    pool: tuple[float, float, float]  # stablecoin, collateral, base rate


@dataclass
class MixtureResult:
    """What else stands there."""

    bands: LlammaResult
    systems: list[Troves]


def on_path(world: World, model: Model, played: Played, p: int) -> MixtureResult:
    """What stands in the tables of path p."""
    systems = [placed.system for one in played.mechanisms if isinstance(one, LiquityPhase) for placed in one.systems]
    return MixtureResult(on_bands(world, model, played, p), [troves_of(system, p) for system in systems])


def troves_of(s: System, p: int) -> Troves:
    """One of them."""
    troves = [entire(p, k, s) if s.open[p, k] else None for k in range(len(s.account))]
    pool, collateral, base_rate = (float(s.sums[p, one]) for one in (POOL, POOL_COLL, BASE_RATE))
    return Troves(troves, s.surplus[p].tolist(), (pool, collateral, base_rate))


def mixture_differences(world: World, plain: Result, engine: MixtureResult) -> Iterator[str]:
    """What the two do not agree on."""
    yield from llamma_differences(world, plain, engine.bands)
    for system, theirs in zip(plain.systems, engine.systems, strict=True):
        yield from trove_differences(system, theirs)


def trove_differences(s: liquities.System, theirs: Troves) -> Iterator[str]:
    """The contract knows a price to 18 decimals; what is left of a pool is known to the rounding of what was in it."""
    exact = s.exact
    for k, (owner, engine) in enumerate(zip(s.owners, theirs.of, strict=True)):
        coll, debt = (units / ONE for units in exact.entire(k)) if k in exact.troves else (0.0, 0.0)
        alike = all(map(close, (coll, debt), engine or (0.0, 0.0), (s.coll, s.debt)))
        if not alike or (k in exact.troves) != (engine is not None):
            yield f"trove of {owner} in {s.protocol}: {coll, debt} plain, {engine} engine"
        if not close(exact.surplus.get(k, 0) / ONE, theirs.surplus[k], s.coll):
            yield f"surplus of {owner}: {exact.surplus.get(k, 0) / ONE} plain, {theirs.surplus[k]} engine"
    for what, units, engine, scale in zip(("pool", "collateral of the pool", "base rate"),
                                          (exact.pool, exact.pool_coll, exact.base_rate), theirs.pool, (s.debt, s.coll, 1.0),
                                          strict=True):
        if not close(units / ONE, engine, scale):
            yield f"{what} of {s.protocol} {s.a}: {units / ONE} plain, {engine} engine"


MIXTURES = Worlds(mixture_world, on_path, mixture_differences)


@pytest.mark.parametrize("first", WORLDS[::BATCH])
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    MIXTURES.hold_together(range(first, first + BATCH), most_excused=1, pushed=True)


# in how many worlds it must have happened on some path
LEAST = {
    **dict.fromkeys(KINDS, 60), "1 kind": 15, "2 kinds": 30, "3 kinds": 30, "4 kinds": 15, "5 kinds": 15,
    f"{len(KINDS)} kinds": 15, "several markets": 30,
    "v2 calls": 10, "v3_0 calls": 8, "v3_3 calls": 30, "compound calls": 50, "morpho calls": 50, "euler calls": 50, "kicks": 50,
    "takes": 40, "absorbed with a surplus": 40, "absorbed with bad debt": 40, "bought": 40, "hard liquidations": 50,
    "trades down": 30, "trades up": 5, "written off": 5, "troves in recovery mode": 40, "troves in normal mode": 10,
    "troves against the pool": 30, "troves redistributed": 30, "troves left a surplus": 10, "troves redeemed from": 5,
    "pairs": 25, "top_ups": 30, "halted calls": 40, "declined": 60, "sequential": 80, "batched": 50, "networks": 80,
    "no network": 30}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = MIXTURES.seen(WORLDS, happened)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What there is in a world, and what happened on some path."""
    kinds = {protocol.rules.kind for protocol in world.protocols.values()}
    markets = Counter(home_of(name) for name in world.protocols)
    return (counted(world, paths) | kinds | {f"{len(kinds)} kind{'s' * (len(kinds) > 1)}", world.execution.mode}
            | {"networks" if world.networks else "no network"} | {"several markets" for _ in range(markets["morpho"] > 1)})


def test_tokens_are_moved_and_never_made() -> None:
    assert MIXTURES.made(WORLDS[::4]) == []

"""The engine against the plain implementation on random worlds with Compound v3 beside other lending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from delever.core.tables import DEPOSITS, OWN_DEPOSITS
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_comet import comet_world
from test_against_reference import close, differences
from test_house_against_reference import HouseResult, of_path

WORLDS = 30
BATCH = 15


def on_path(world: World, model: Model, played: Played, p: int) -> HouseResult:
    """What stands in the tables of path p; every surplus is there."""
    booked = played.state.ledgers.booked[:, :, p]
    assert (booked[OWN_DEPOSITS] >= booked[DEPOSITS]).all(), "what was seized is not negative"
    return of_path(world, model, played, p)


def comet_differences(world: World, plain: Result, engine: HouseResult) -> Iterator[str]:
    """What the two do not agree on. Stocks and reserves are known to the rounding of what accounts had."""
    yield from differences(world, plain, engine.lending)
    size: Counter[tuple[str, str]] = Counter()
    for account in setting_of(world, 0).accounts:
        for leg in (*account.collateral, *account.debt):
            size[account.protocol, leg.asset] += abs(leg.amount)
    for where, units in plain.treasury.items():
        if not close(units, engine.treasury[where], size[where]):
            yield f"treasury of {where}: {units!r} plain, {engine.treasury[where]!r} engine"


COMETS = Worlds(comet_world, on_path, comet_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    COMETS.hold_together(range(first, first + BATCH), most_excused=1)


# in how many worlds it must have happened on some path
LEAST = {"absorbed with a surplus": 10, "absorbed with bad debt": 9, "bought": 9, "reverted_absorb": 2,
         "reverted_buy_collateral": 2, "declined": 10}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = COMETS.seen(range(WORLDS))
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen

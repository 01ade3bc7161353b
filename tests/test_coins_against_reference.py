"""The engine against the plain implementation on random worlds with inverse perps, options, and perps held both ways.

Exchanges that count in a coin stand beside linear ones and lending protocols; prices fall and rise by large steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from delever.run.outcomes import tabulate_paths
from reference.books import Books, check_books
from reference.comparing import hold_together
from reference.margin import LEAST
from reference.margin_results import ExchangeResult, as_engine_counts, exchange_differences, usd_differences
from reference.plain import Path, simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds_coins import coin_world
from test_against_reference import EngineResult, differences
from test_exchanges_against_reference import of_state

WORLDS = 110
BATCH = 22
LAYERS = ("insurance_fund", "backstop", "adl", "socialised_loss", "residual_shortfall")
Engine = tuple[EngineResult, ExchangeResult, dict[str, float | None]]  # the last: its row of the table of paths


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = coin_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(seed: int) -> list[Engine]:
    """Every path, by the engine."""
    world = coin_world(seed)
    model = assemble(world)
    played = run_state(model, 0, world.scenario.paths, [])
    rows = tabulate_paths(model, played.mechanisms, played.state).to_pylist()
    return [(*both, row) for both, row in zip(of_state(world, model, played.state), rows, strict=True)]


def all_differences(world: World, plain: Result, engine: Engine) -> Iterator[str]:
    """What the two do not agree on: lending and markets, exchanges, and what is reported in USD."""
    yield from differences(world, as_engine_counts(world, plain), engine[0])
    yield from exchange_differences(world, plain, engine[1])
    yield from usd_differences(world, plain, engine[2])


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), coin_world, plainly, by_engine, all_differences, most_excused=3, pushed=True)


# in how many worlds it must have happened on some path; of a coin: on an exchange that counts in one
LEAST_WORLDS = {
    **{f"closed {way} {kind}": 20 for way in ("long", "short") for kind in ("inverse", "call", "put")},
    **{f"deleveraged {kind}": 8 for kind in ("inverse", "call", "put")},
    "stage_market of a coin": 60, "stage_flat of a coin": 20, "stage_backstop of a coin": 20, "taken_over of a coin": 20,
    "limited bankruptcy of a coin": 10, "limited fillable of a coin": 5, "partial of a coin": 10,
    "called both ways": 60, "called both ways of a coin": 40, "one of both ways left": 20, "one of both ways left of a coin": 10,
    "taken over both ways": 10, "taken over both ways of a coin": 5, "deleveraged of both ways": 20,
    "funding in a coin": 40, "option at its least": 5, "vault in a coin": 20,
    "insurance_fund of a coin": 20, "backstop of a coin": 8, "adl of a coin": 20, "socialised_loss of a coin": 15,
    "residual_shortfall of a coin": 10, "lending, linear and a coin": 15, "collateral_sold": 40, "arbitrage": 50}


def acted(world: World, plain: Result) -> Iterator[str]:
    """What happened on a path."""
    yield from (name for name, count in plain.counts.items() if count > 0)
    coins = [e for e in plain.exchanges.values() if e.unit != "USD"]
    lending = [name for name in world.protocols if name not in plain.exchanges]
    linear = [e.name for e in plain.exchanges.values() if e.unit == "USD"]
    if all(sum(plain.liquidated[name] for name in names) for names in (lending, linear, [e.name for e in coins])):
        yield "lending, linear and a coin"
    for e in coins:
        yield from (f"{layer} of a coin" for layer in LAYERS if e.said[layer] > 0.0)
        if any(e.traffic.values()):
            yield "funding in a coin"
        if any(one.value(plain.usd[e.unit], world.scenario.horizon) == LEAST for one in e.options.values()):
            yield "option at its least"
        if e.vault.positions:
            yield "vault in a coin"


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen: Counter[str] = Counter()
    for seed in range(WORLDS):
        world = coin_world(seed)
        seen.update({name for path in plainly(seed) for name in acted(world, path)})
    assert {name: seen[name] for name, least in LEAST_WORLDS.items() if seen[name] < least} == {}, seen


def test_nothing_is_made_or_lost_in_any_block() -> None:
    """Books of exchanges against tokens, in USD and in every coin."""
    for seed in range(0, WORLDS, 4):
        path = Path(setting_of(coin_world(seed), 0))
        start, block = check_books(path, None), path.block

        def checked(b: int, path: Path = path, start: Books = start, block: Callable[[int], float] = block) -> float:
            again = block(b)
            check_books(path, start)
            return again

        path.block = checked  # type: ignore[method-assign]
        result = path.run()
        for asset in {asset for _, asset in result.ledger}:
            change = sum(units for (_, a), units in result.ledger.items() if a == asset)
            assert abs(change) <= 1e-12 * sum(units for (_, a), units in result.turnover.items() if a == asset)


def test_the_second_leg_of_a_perp_lives_by_itself() -> None:
    """Nobody's leg grows or changes sides, however the other one ends."""
    for seed in range(0, WORLDS, 4):
        start = {a.name: a for e in setting_of(coin_world(seed), 0).exchanges for a in e.accounts}
        for result in plainly(seed):
            for account in (a for e in result.exchanges.values() for a in e.accounts if not a.name.startswith("arb")):
                for leg, position in account.positions.items():
                    before = start[account.name].positions[leg].units
                    assert position.units * before > 0.0 and abs(position.units) <= abs(before), (account.name, leg)

"""The engine against the plain implementation on random small worlds with margin exchanges, alone or beside lending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import pytest

from delever.core.state import State
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.chunk import run_state
from reference.books import Books, check_books
from reference.comparing import hold_together
from reference.margin_results import INSIDE, ExchangeResult, as_engine_counts, exchange_differences, exchanges_on
from reference.plain import Path, simulate
from reference.setting import Result
from reference.setup import setting_of
from reference.setup_margin import is_exchange
from reference.worlds_margin import margin_world
from test_against_reference import EngineResult, differences, one_path

WORLDS = 400
BATCH = 40
RULES = ("hyperliquid", "hyperliquid_v2", "binance", "wealth_pro_rata", "contract_pro_rata", "capped_pro_rata")


@cache
def plainly(seed: int) -> tuple[Result, ...]:
    """Every path of the world of that number, by the plain implementation."""
    world = margin_world(seed)
    return tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))


def by_engine(world: World) -> list[tuple[EngineResult, ExchangeResult]]:
    """Every path, by the engine: lending and markets, and exchanges."""
    model = assemble(world)
    return of_state(world, model, run_state(model, 0, world.scenario.paths, []).state)


def of_state(world: World, model: Model, state: State) -> list[tuple[EngineResult, ExchangeResult]]:
    """What stands in its tables, path by path."""
    lends = [not is_exchange(world.protocols[list(world.protocols)[p]])
             for p in model.positions.tables.protocol[model.positions.tables.signature]]
    found = []
    for p in range(world.scenario.paths):
        whole = one_path(world, model, state, p)
        ledger = {key: units for key, units in whole.ledger.items() if key[1] == "USD" or not world.assets[key[1]].follows}
        for a, asset in enumerate(model.layout.assets):
            if ("cash", asset) in ledger:
                ledger["cash", asset] = sum(float(state.ledgers.tokens[h, a, p]) for h in INSIDE)
        exchanges = exchanges_on(world, model, state, p)
        found.append((replace(
            whole, ledger=ledger, amounts=[row for row, lending in zip(whole.amounts, lends, strict=True) if lending],
            deficit={key: units for key, units in whole.deficit.items() if not is_exchange(world.protocols[key[0]])}),
            exchanges))
    return found


def both_differences(world: World, plain: Result, engine: tuple[EngineResult, ExchangeResult]) -> Iterator[str]:
    """What the two do not agree on, of lending and markets, and of exchanges."""
    yield from differences(world, as_engine_counts(world, plain), engine[0])
    yield from exchange_differences(world, plain, engine[1])


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    hold_together(range(first, first + BATCH), margin_world, plainly, lambda seed: by_engine(margin_world(seed)),
                  both_differences, most_excused=4, pushed=True)


@dataclass
class Happenings:
    """In how many worlds something happened on some path."""

    worlds: Counter[str] = field(default_factory=Counter)

    def add(self, world: World, paths: tuple[Result, ...]) -> None:
        lending = [name for name, protocol in world.protocols.items() if not is_exchange(protocol)]
        seen = {name for path in paths for name, count in path.counts.items() if count > 0}
        seen |= {f"dry {layer}" for path in paths for _, layer in path.dry}
        if any(sum(path.liquidated[n] for n in lending) and sum(path.liquidated[n] for n in path.exchanges) for path in paths):
            seen.add("lending and perps")
        if any(path.fund.get((n, asset), 0.0) != units or path.socialised.get((n, asset), 0.0) > 0.0 for path in paths
               for n in lending for (of, asset), units in setting_of(world, 0).funds().items() if of == n):
            seen.add("lending waterfall")
        if any(not a.positions for path in paths for one in world.actors.values() if one.kind == "arbitrageurs"
               for a in path.exchanges[one.exchange].accounts if a.name == one.account):
            seen.add("arbitrageur closed")
        if any(len(a.positions) > 1 for a in setting_of(world, 0).exchanges[0].accounts):
            seen.add("cross")
        self.worlds.update(seen)


ALL = {"lending and perps": 100, "lending waterfall": 20, "arbitrageur closed": 50, "cross": 100, "arbitrage": 100,
       "partial": 50, "limited": 50, "collateral_sold": 50, "payments": 100, "stage_flat": 50, "taken_over": 50,
       "rescued": 50, "insured": 50, "unwound": 50, "vault_fell": 20, "socialised": 50, "residual_close_outs": 20,
       "dry insurance_fund": 50, "dry backstop": 50, "dry adl": 50, "dry socialised_loss": 20,
       **{f"adl_{rule}": 10 for rule in RULES}}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = Happenings()
    for seed in range(WORLDS):
        seen.add(margin_world(seed), plainly(seed))
    assert {name: seen.worlds[name] for name, least in ALL.items() if seen.worlds[name] < least} == {}


def test_nothing_is_made_or_lost_in_any_block() -> None:
    for seed in range(0, WORLDS, 4):
        path = Path(setting_of(margin_world(seed), 0))
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


def test_nobody_is_closed_beyond_the_size_matched() -> None:
    for seed in range(0, WORLDS, 4):
        for result in plainly(seed):
            for exchange in result.exchanges.values():
                start = {a.name: a for e in setting_of(margin_world(seed), 0).exchanges for a in e.accounts}
                for c in exchange.closings:
                    before = start[c.account].positions[c.perp].units
                    watched = c.account.startswith("arb")  # who may have traded since
                    assert watched or (c.units * before > 0.0 and abs(c.units) <= abs(before) * (1.0 + 1e-12))

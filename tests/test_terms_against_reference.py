"""The engine against the plain implementation on random worlds whose terms move: votes, policies, caps, owners who lever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from delever.core import tables
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds
from reference.margin_results import INSIDE, ExchangeResult, as_engine_counts, exchange_differences, exchanges_on
from reference.setting import Result
from reference.setup_margin import is_exchange
from reference.worlds_terms import terms_world
from test_against_reference import differences
from test_reserves_against_reference import ReservesResult, on_path, reserves_differences

WORLDS = 180
BATCH = 30
OWNERS = ("loopers", "carry", "recursive")  # kinds of actors


@dataclass
class TermsResult:
    """What the engine says of one path."""

    reserves: ReservesResult
    exchanges: ExchangeResult | None  # where there are any


def result(world: World, model: Model, played: Played, p: int) -> TermsResult:
    """What stands in the engine's tables of path p."""
    found, state, assets = on_path(world, model, played, p), played.state, model.layout.assets
    lending = found.house.lending
    for i, (name, actor) in enumerate(world.actors.items()):
        if actor.kind in OWNERS:
            row = state.ledgers.tokens[tables.HOLDERS + i, :, p]
            lending.ledger |= {(name, asset): float(row[a]) for a, asset in enumerate(assets)}
    if not any(is_exchange(protocol) for protocol in world.protocols.values()):
        return TermsResult(found, None)
    of = [world.protocols[list(world.protocols)[i]] for i in model.positions.tables.protocol[model.positions.tables.signature]]
    ledger = {key: units for key, units in lending.ledger.items() if key[1] == "USD" or not world.assets[key[1]].perp}
    for a, asset in enumerate(assets):
        if ("cash", asset) in ledger:
            ledger["cash", asset] = sum(float(state.ledgers.tokens[h, a, p]) for h in INSIDE)
    amounts = [row for row, spec in zip(lending.amounts, of, strict=True) if not is_exchange(spec)]
    lending = replace(lending, ledger=ledger, amounts=amounts,
                      deficit={key: units for key, units in lending.deficit.items() if not is_exchange(world.protocols[key[0]])})
    return TermsResult(replace(found, house=replace(found.house, lending=lending)), exchanges_on(world, model, state, p))


def terms_differences(world: World, plain: Result, engine: TermsResult) -> Iterator[str]:
    """What the two do not agree on."""
    if engine.exchanges is None:
        yield from reserves_differences(world, plain, engine.reserves)
        return
    yield from differences(world, to_its_books(world, as_engine_counts(world, plain)), engine.reserves.house.lending)
    yield from exchange_differences(world, plain, engine.exchanges)


def to_its_books(world: World, plain: Result) -> Result:
    """What arbitrageurs hedge is known to the rounding of a perp's price: a share of its book's depth."""
    turnover = dict(plain.turnover)
    for exchange in plain.exchanges.values():
        for perp, asset in exchange.underlying.items():
            traded, rate = world.assets[asset].wraps or asset, world.assets[asset].rate if world.assets[asset].wraps else 1.0
            for one in (asset, traded):
                turnover["route", one] = turnover.get(("route", one), 0.0) + plain.virtual[perp] * rate
    return replace(plain, turnover=turnover)


TERMS = Worlds(terms_world, result, terms_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    TERMS.hold_together(range(first, first + BATCH), most_excused=2, pushed=True)


# in how many worlds it must have happened on some path
LEAST = {
    **{f"{term} follows {looks}": 5 for looks in ("realised_volatility", "implied_volatility", "depth")
       for term in ("threshold", "incentive", "close_factor", "supply_cap", "borrow_cap", "haircut", "margin")},
    "margin follows open_interest": 10,
    "a threshold decides": 50, "an incentive that moved was paid": 20, "called by a close factor that moved": 30,
    "a haircut decides": 10, "a margin decides": 20, "a supply_cap that moved decides": 2, "a borrow_cap that moved decides": 2,
    **{f"vote on {what}": 20 for what in ("threshold", "incentive", "weight", "margin", "supply_cap", "borrow_cap",
                                          "debt_ceiling", "close_factor")},
    "vote on version": 8, "vote on most_discount": 8, "vote on socialises": 3, "vote on dust": 3, "vote on buf": 8,
    "top_up beyond the cap": 10, "lever beyond the supply cap": 10, "beyond a borrow cap": 10, "beyond a ceiling": 5, "siloed": 5,
    "not borrowable in its category": 6, "not borrowable in isolation": 3,
    "lever without cash": 20, "levers": 35, "reverted_lever": 40, "closes": 50, "reverted_close": 50, "reverted_leave": 15,
    "close would be unhealthy": 20, "close without cash": 30, "euler calls": 30, "v4 calls": 20,
    "vote on target_health": 6, "exchanges": 60, "networks": 60, "no network": 60, "sequential": 80, "batched": 50}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """Every term follows everything that it can, every vote passes, and what moved decides."""
    seen = TERMS.seen(range(WORLDS), happened)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What there is in a world, and what happened on some path."""
    found = {name for path in paths for name, count in path.counts.items() if count > 0} | {world.execution.mode}
    found |= {"networks" if world.networks else "no network"}
    return found | {"exchanges" for protocol in world.protocols.values() if is_exchange(protocol)}

"""The engine against the plain implementation on random worlds whose reserves have cash, curves and depositors who leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from delever.core import tables
from delever.core.reserves import cash_of
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.comparing import Worlds
from reference.lending import YEAR
from reference.setting import Result
from reference.worlds_reserves import reserves_world
from test_against_reference import close
from test_house_against_reference import HouseResult, house_differences, of_path

WORLDS = 150
BATCH = 30


@dataclass
class ReservesResult:
    """What else stands in the engine's tables of a path, by protocol and asset, by lenders' names, by protocol."""

    house: HouseResult
    supply: dict[tuple[str, str], float]  # indices
    borrow: dict[tuple[str, str], float]
    cash: dict[tuple[str, str], float]  # units; those without end left out
    rates: dict[tuple[str, str], tuple[float, float]]  # with a curve: highest borrow rate [1/year], least cash
    lenders: dict[str, tuple[float, float, float]]  # withdrawn, waiting [units], locked [s]
    no_cash: dict[str, int]


def on_path(world: World, model: Model, played: Played, p: int) -> ReservesResult:
    """What stands in the tables of path p."""
    columns = [value for one in played.mechanisms for value in (*one.columns(played.state), *one.counted(played.state))]
    state, names, protocols = played.state, model.positions.reserves, list(world.protocols)

    def found(column: str) -> dict[tuple[int, int, str], float]:
        return {(v.protocol, v.asset, v.of): float(v.values[p]) for v in columns if v.column.name == column}

    house = of_path(world, model, played, p)
    lenders = {name: actor for name, actor in world.actors.items() if actor.kind == "depositors"}
    for name in lenders:
        row = state.ledgers.tokens[tables.HOLDERS + list(world.actors).index(name), :, p]
        house.lending.ledger |= {(name, asset): float(row[a]) for a, asset in enumerate(model.layout.assets)}
    numbers = {where: (protocols.index(where[0]), model.layout.asset(where[1]), "") for where in names}
    highest, least, withdrawn, waiting, locked, no_cash = map(found, (
        "highest_borrow_rate", "least_cash", "withdrawn", "waiting", "locked", "no_cash"))
    of = {one: (-1, model.layout.asset(spec.asset), one) for one, spec in lenders.items()}
    return ReservesResult(
        house=house,
        supply={where: float(state.reserves.supply_index[r, p]) for r, where in enumerate(names)},
        borrow={where: float(state.reserves.borrow_index[r, p]) for r, where in enumerate(names)},
        cash={where: float(cash_of(r, p, state.reserves, state.ledgers)) for r, where in enumerate(names)
              if where[1] in world.protocols[where[0]].cash},
        rates={where: (highest[key], least[key]) for where, key in numbers.items()
               if where[1] in world.protocols[where[0]].rates},
        lenders={one: (withdrawn[key], waiting[key], locked[-1, -1, one]) for one, key in of.items()},
        no_cash={name: int(no_cash.get((i, -1, ""), 0.0)) for i, name in enumerate(protocols)})


def reserves_differences(world: World, plain: Result, engine: ReservesResult) -> Iterator[str]:
    """What the two do not agree on. What is deposited is the scale of what is withdrawn, and of the cash that is left; what a
    call takes out is that of what rounding leaves of it once a second call has been paid with it.
    """
    turnover, size = Counter(plain.turnover), {where: reserve.moved + reserve.size for where, reserve in plain.reserves.items()}
    for (protocol, asset) in engine.cash:
        turnover["cash", asset] += size[protocol, asset]
    for name, asset in world.assets.items():
        for wrapped in (name, asset.wraps) if asset.wraps else ():
            turnover["wrapper", wrapped] += plain.turnover.get(("cash", name), 0.0)
    for lender in plain.lenders:
        turnover[lender.name, lender.asset] += lender.deposits
    yield from house_differences(world, replace(plain, turnover=dict(turnover)), engine.house)
    for where, cash in engine.cash.items():
        if not close(plain.reserves[where].cash, cash, size[where]):
            yield f"cash of {where}: {plain.reserves[where].cash!r} plain, {cash!r} engine"
    for what, ours, theirs in (("supply", {w: r.supply for w, r in plain.reserves.items()}, engine.supply),
                               ("borrow", {w: r.borrow for w, r in plain.reserves.items()}, engine.borrow)):
        for where, index in theirs.items():
            if not close(ours[where], index, 1.0):
                yield f"{what} index of {where}: {ours[where]!r} plain, {index!r} engine"
    for where, (highest, least) in engine.rates.items():
        reserve = plain.reserves[where]
        if not (close(reserve.highest * YEAR, highest, 1.0) and close(min(reserve.least, reserve.cash), least, size[where])):
            yield (f"rates of {where}: {reserve.highest * YEAR!r}, least cash {reserve.least!r} plain, "
                   f"{highest!r}, {least!r} engine")
    for lender in plain.lenders:
        index, (withdrawn, waiting, locked) = plain.reserves[lender.protocol, lender.asset].supply, engine.lenders[lender.name]
        if not (close(lender.withdrawn, withdrawn, lender.deposits) and close(lender.waiting * index, waiting, lender.deposits)
                and close(lender.locked, locked, 0.0)):
            yield (f"{lender.name}: {lender.withdrawn!r}, {lender.waiting * index!r}, {lender.locked!r} plain, "
                   f"{withdrawn!r}, {waiting!r}, {locked!r} engine")
    if plain.no_cash != {name: engine.no_cash[name] for name in plain.no_cash}:
        yield f"no cash: {plain.no_cash} plain, {engine.no_cash} engine"


RESERVES = Worlds(reserves_world, on_path, reserves_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    RESERVES.hold_together(range(first, first + BATCH), most_excused=4)  # calls cut to the same cash bid alike but for rounding


# in how many worlds it must have happened on some path
LEAST = {
    "withdrawals": 80, "reverted_withdrawal": 10, "no cash": 60, "cut": 40, "cut in a batch": 10, "left by others": 5,
    "queue": 40, "locked": 40, "liquidations": 90, "pairs": 10, "top_ups": 25, "answers": 80, "waits": 40, "reverted_claim": 40,
    "kinked": 60, "jump": 60, "adaptive": 60, "borrowed by others": 60, "pro_rata": 8, "sequential": 60, "batched": 30,
    "networks": 60, "no network": 20, "deficit seen": 5}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """left by others: a call of a batch that found too little; deficit seen: by lenders who mind."""
    seen = RESERVES.seen(range(WORLDS), happened)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What there is in a world, and what happened on some path."""
    found = {name for path in paths for name, count in path.counts.items() if count > 0} | {world.execution.mode}
    found |= {curve.kind for protocol in world.protocols.values() for curve in protocol.rates.values()}
    found |= {protocol.rules.kind for protocol in world.protocols.values()} | {"networks" if world.networks else "no network"}
    for path in paths:
        found |= {"no cash" for count in path.no_cash.values() if count}
        found |= {"borrowed by others" for reserve in path.reserves.values() if reserve.others > 0.0}
        for lender in path.lenders:
            found |= {"queue"} if lender.waiting > 0.0 else set()
            found |= {"locked"} if lender.locked > 0.0 else set()
            missing = path.deficit.get((lender.protocol, lender.asset), 0.0)
            found |= {"deficit seen"} if missing > 0.0 and lender.loss > 0.0 else set()
    if "cut" in found and world.execution.mode == "batched":
        found.add("cut in a batch")
    return found


def test_no_reserve_is_overdrawn() -> None:
    """Nor is more than all of it lent out; indices never fall but where claims are cut."""
    for seed in range(0, WORLDS, 5):
        for path in RESERVES.plain(seed):
            for where, reserve in path.reserves.items():
                assert reserve.cash >= 0.0 and 0.0 <= reserve.used <= 1.0
                assert reserve.borrow >= 1.0 and (reserve.supply >= 1.0 or path.socialised[where] > 0.0)

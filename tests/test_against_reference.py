"""The engine against the plain implementation of the same model, on random small worlds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from delever.core import outcomes, tables
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.model.world import World
from delever.oracles.push import Push
from delever.run.assemble import Model
from delever.venues.stableswap import StableSwap
from reference.comparing import Worlds
from reference.setting import Result
from reference.setup import setting_of
from reference.worlds import random_world

WORLDS = 550
BATCH = 50
TOLERANCE = 1e-12  # relative
FIXED = ("CASH", "WRAPPER", "VENUES", "MAKERS", "ARBITRAGEURS", "ORDER_OWNERS", "REPORTERS", "BLOCK_BUILDERS")
PEOPLE = {"liquidators": "liquidators", "borrowers": "owners"}  # kind of actor -> holder in the plain ledger
COUNTED = ("liquidations", "reverted", "declined", "top_ups", "answers")


@dataclass
class EngineResult:
    """What the engine says of one path, in the order and the names of the plain implementation."""

    amounts: list[tuple[list[float], list[float]]]  # per account of setup.accounts_of: collateral, debt at index 1
    consumed: dict[str, float]  # s per market, by its base asset
    log_price: dict[str, float]  # u per market
    answers: dict[str, float]  # log answer per feed; only those of push feeds stand between steps
    ledger: dict[tuple[str, str], float]  # (holder in lower case, asset): change of tokens
    deficit: dict[tuple[str, str], float]  # (protocol, asset): units, booked
    liquidated: dict[str, int]  # per protocol
    counts: dict[str, int]  # COUNTED


def holders(world: World) -> dict[str, int]:
    """Rows of the token ledger by the names of the plain one."""
    rows = {name.lower(): getattr(tables, name) for name in FIXED}
    people = {PEOPLE[actor.kind]: tables.HOLDERS + i for i, actor in enumerate(world.actors.values()) if actor.kind in PEOPLE}
    return rows | people


def one_path(world: World, model: Model, state: State, p: int) -> EngineResult:
    """What stands in the engine's tables of a path."""
    ledgers, layout, protocols, book = state.ledgers, model.layout, list(world.protocols), model.positions.tables
    slots = int(state.watch.counts[SLOTS])
    touched, mine = state.pool.touched, np.flatnonzero(state.pool.touched.path[:slots] == p)
    amount = book.amount.copy()
    amount[touched.account[mine]] = touched.amount[mine]
    first = int(book.first_debt[0])
    amounts = []
    for row, g in zip(amount.tolist(), book.signature, strict=True):
        amounts.append((row[:book.collaterals[g]], row[first:first + book.debts[g]]))
    totals, pairs = ledgers.totals[:, :, p], len(layout.markets)  # rows of further venues stand behind those of pairs
    return EngineResult(
        amounts=amounts, consumed=dict(zip(layout.markets, state.markets.consumed[:pairs, p].tolist(), strict=True)),
        log_price=dict(zip(layout.markets, state.markets.price[:pairs, p].tolist(), strict=True)),
        answers={name: float(state.feeds.answer[model.oracles.names.index(name), p]) for name in world.feeds},
        ledger={(name, asset): float(ledgers.tokens[row, a, p])
                for name, row in holders(world).items() for a, asset in enumerate(layout.assets)},
        deficit={reserve: float(ledgers.booked[tables.DEFICIT, r, p])
                 for r, reserve in enumerate(model.positions.reserves)},
        liquidated={name: int(totals[outcomes.LIQUIDATIONS, i]) for i, name in enumerate(protocols)},
        counts={"liquidations": int(totals[outcomes.LIQUIDATIONS].sum()), "reverted": int(state.tally.reverted[p]),
                "declined": int(totals[outcomes.DECLINED].sum()), "top_ups": int(totals[outcomes.TOP_UPS].sum()),
                "answers": int(state.tally.answers[p])})


def close(plain: float, engine: float, scale: float) -> bool:
    return abs(plain - engine) <= TOLERANCE * max(abs(plain), scale)


def differences(world: World, plain: Result, engine: EngineResult) -> Iterator[str]:
    """What the two do not agree on. Scales are what was moved: a difference of large numbers has their rounding."""
    start = setting_of(world, 0).accounts
    for account, expected, found in zip(start, plain.amounts, engine.amounts, strict=True):
        for side, legs, ours, theirs in zip(("collateral", "debt"), (account.collateral, account.debt), expected, found,
                                            strict=True):
            for leg, a, b in zip(legs, ours, theirs, strict=True):
                if not close(a, b, abs(leg.amount)):
                    yield f"{account.name} {side} {leg.asset}: {a!r} plain, {b!r} engine"
    for m, s in plain.consumed.items():
        if not close(s, engine.consumed[m], max(plain.turnover.get((k, m), 0.0) for k in ("venues", "makers"))
                     + plain.virtual[m]):
            yield f"sold into {m}: {s!r} plain, {engine.consumed[m]!r} engine"
        # an option's value is a difference of numbers near 1
        known = max(1.0, 1e-4 * math.exp(-plain.log_price[m])) if world.assets[m].is_option else 1.0
        if not close(plain.log_price[m], engine.log_price[m], known):
            yield f"log price of {m}: {plain.log_price[m]!r} plain, {engine.log_price[m]!r} engine"
    for name, answer in plain.answers.items():
        if isinstance(world.feeds[name], Push) and not close(answer, engine.answers[name], 1.0):
            yield f"answer of {name}: {answer!r} plain, {engine.answers[name]!r} engine"
    moved: dict[tuple[str, str], float] = defaultdict(float)
    for holder, asset in {*plain.turnover, *engine.ledger}:
        moved[holder, asset] = plain.turnover.get((holder, asset), 0.0) + plain.turnover.get(("route", asset), 0.0)
    for m, units in plain.virtual.items():  # a pool's s is known to the rounding of its price
        for holder in ("venues", "makers", "arbitrageurs"):
            moved[holder, m] += units
            moved[holder, world.assets[m].below] += units * math.exp(plain.log_price[m])
        for name, asset in world.assets.items():
            for holder in ("cash", "wrapper", "arbitrageurs"):
                if asset.wraps == m:
                    moved[holder, name] += units / asset.rate
                    moved[holder, m] += units
    owed: dict[tuple[str, str], float] = defaultdict(float)
    for account in start:
        for leg in account.debt:
            owed[account.protocol, leg.asset] += abs(leg.amount)
    for amm in plain.amms:
        owed[amm.protocol, amm.b] += sum(loan.debt for loan in amm.loans)
    for what, mine, yours, scale in (("ledger", plain.ledger, engine.ledger, moved),
                                     ("deficit", plain.deficit, engine.deficit, owed)):
        for key in sorted({*mine, *yours}):
            a, b = mine.get(key, 0.0), yours.get(key, 0.0)
            if key[0] != "route" and not close(a, b, scale.get(key, 0.0)):
                yield f"{what} of {key}: {a!r} plain, {b!r} engine"
    for protocol, count in plain.liquidated.items():
        if engine.liquidated[protocol] != count:
            yield f"liquidations in {protocol}: {count} plain, {engine.liquidated[protocol]} engine"
    for name in COUNTED:
        if engine.counts[name] != plain.counts[name]:
            yield f"{name}: {plain.counts[name]} plain, {engine.counts[name]} engine"


LENDING = Worlds(random_world, lambda world, model, played, p: one_path(world, model, played.state, p), differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    LENDING.hold_together(range(first, first + BATCH), most_excused=1)


@dataclass
class Happenings:
    """In how many worlds something happened on some path."""

    cascades: int = 0
    bad_debt: int = 0
    declined: int = 0
    two_protocols: int = 0
    stableswap: int = 0
    late_oracle: int = 0
    top_up_races: int = 0

    def add(self, world: World, paths: tuple[Result, ...]) -> None:
        curves = {v.base for v in world.venues.values() if isinstance(v, StableSwap)}
        late = any(isinstance(feed, Push) and feed.delay > 0.0 for feed in world.feeds.values())
        self.cascades += any(r.longest_blocks >= 3 for r in paths)
        self.bad_debt += any(r.bad_debt > 1.0 for r in paths)
        self.declined += any(r.counts["declined"] > 0 for r in paths)
        self.two_protocols += any(sum(n > 0 for n in r.liquidated.values()) == 2 for r in paths)
        self.stableswap += any(bool(curves & r.traded) for r in paths)
        self.late_oracle += late and any(r.counts["late_blocks"] > 0 for r in paths)
        self.top_up_races += any(r.counts["raced"] > 0 for r in paths)


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = Happenings()
    for seed in range(WORLDS):
        seen.add(random_world(seed), LENDING.plain(seed))
    assert seen.cascades >= 100, seen  # executed claims in three blocks in a row
    assert seen.bad_debt >= 50, seen  # a deficit, or debt without collateral
    assert seen.declined >= 50, seen
    assert seen.two_protocols >= 50, seen  # with liquidations in both
    assert seen.stableswap >= 50, seen  # with a trade in it
    assert seen.late_oracle >= 50, seen  # somebody's verdict differs between seen and market price
    assert seen.top_up_races >= 50, seen  # included in the same block as a claim on the same account


def test_tokens_are_moved_and_never_made() -> None:
    assert LENDING.made(range(0, WORLDS, 5)) == []

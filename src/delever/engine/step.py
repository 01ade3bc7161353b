"""The step: the one story that every world tells. docs/design.md says exactly what each phase does.

Every phase is one call for all paths of a chunk; phases are objects that hold parameters and call a compiled kernel.
The list of phases is the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from delever.core.state import State
from delever.core.tables import (
    CLAIM,
    DEFICIT,
    KINDS,
    ORACLE,
    ORDER,
    TOP_UP,
    BookTables,
    Fills,
    Ledgers,
    Reserves,
    Rows,
    Touched,
)
from delever.engine import boundary, sight
from delever.engine.probes import Probe
from delever.engine.trade import Trading
from delever.engine.venues import Venues


class Prices(Protocol):
    """Outside prices."""

    def move(self, state: State) -> None: ...


class Policy(Protocol):
    """A rule that changes other rules: breakers, margins, rates."""

    def adapt(self, state: State) -> None: ...


class Feed(Protocol):
    """Oracle feeds of one kind."""

    def observe(self, state: State) -> None: ...

    def refresh(self, state: State) -> bool: ...


class Land(Protocol):
    """Execution of oracle answers."""

    def __call__(self, state: State, picked: np.ndarray) -> None: ...


class Rules(Protocol):
    """What a protocol lets liquidators do."""

    def assess(self, rows: Rows, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray) -> None: ...

    def settle(self, rows: Rows, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray, ledgers: Ledgers, fills: Fills, n_fills: int) -> int: ...

    def fills_per_claim(self, book: BookTables) -> int: ...


class Reaction(Protocol):
    """Borrowers."""

    def react(self, state: State, first: int, last: int) -> None: ...

    def execute(self, state: State, picked: np.ndarray) -> None: ...


class Holders(Protocol):
    """Orders."""

    def schedule(self, state: State) -> None: ...

    def offer(self, state: State) -> None: ...

    def execute(self, state: State, picked: np.ndarray) -> None: ...


class Bids(Protocol):
    """Liquidators."""

    def bid(self, state: State, first: int, last: int) -> None: ...

    def recheck(self, state: State, picked: np.ndarray) -> None: ...


class Chain(Protocol):
    """The network."""

    def include(self, state: State) -> None: ...

    def close(self, state: State) -> int: ...


class Accrual(Protocol):
    """What grows with time."""

    def accrue(self, state: State) -> None: ...


class Engine(Protocol):
    """The margin engine of an exchange."""

    def liquidate(self, state: State) -> None: ...


class Ties(Protocol):
    """Arbitrageurs."""

    def arbitrage(self, state: State) -> None: ...

    def naked(self, state: State) -> np.ndarray: ...


class Layer(Protocol):
    """One layer of a default waterfall."""

    def begin(self, state: State) -> None: ...

    def absorb(self, state: State) -> None: ...


@dataclass(frozen=True)
class Phases:
    """The model: who acts in a step."""

    prices: Prices
    venues: Venues
    accruals: Sequence[Accrual]
    policies: Sequence[Policy]
    holders: Holders | None
    feeds: Sequence[Feed]
    land: Land
    protocols: Sequence[Rules]
    exchanges: Sequence[Engine]
    borrowers: Reaction | None
    liquidators: Bids
    network: Chain
    trading: Trading
    arbitrageurs: Ties | None
    waterfall: Sequence[Layer]
    vaults: bool  # some layer holds positions, which may fall with nobody called
    probes: Sequence[Probe]


def step(phases: Phases, state: State) -> None:
    """One step of all paths of the chunk."""
    state.step += 1
    phases.prices.move(state)
    phases.venues.relax(state)
    for accrual in phases.accruals:
        accrual.accrue(state)
    for policy in phases.policies:
        policy.adapt(state)
    if phases.holders:
        phases.holders.schedule(state)
    for layer in phases.waterfall:
        layer.begin(state)
    state.active[:] = True
    for number in range(1, state.blocks + 1):
        state.block = number
        state.time = (state.step - 1) * state.step_length + number * (state.step_length / state.blocks)
        if not block(phases, state):
            break
    for probe in phases.probes:
        probe.observe(state)


def block(phases: Phases, state: State) -> int:
    """One block of the paths that take part; how many take part in the next."""
    state.n_rows, state.n_fallen = 0, 0
    phases.venues.follow(state, state.active)
    for feed in phases.feeds:
        feed.observe(state)
    see(state)
    offered = boundary.search(state)
    first, last = state.n_rows - offered, state.n_rows
    if state.n_called:
        for exchange in phases.exchanges:
            exchange.liquidate(state)
    if offered:
        claims = np.arange(first, last)
        assess(phases, state, claims)
        if phases.borrowers:
            phases.borrowers.react(state, first, last)
    if phases.holders:
        phases.holders.offer(state)
    if offered:
        phases.liquidators.bid(state, first, last)
    if state.n_rows:
        phases.network.include(state)
        execute(phases, state)
    if phases.waterfall and (state.n_called or state.n_rows or phases.vaults or state.ledgers.booked[DEFICIT].any()):
        absorb(phases, state)
    if phases.arbitrageurs:
        sight.price_all(state)
        phases.arbitrageurs.arbitrage(state)
    boundary.put_back(state)
    return phases.network.close(state)


def absorb(phases: Phases, state: State) -> None:
    """Deficits go down each protocol's default waterfall."""
    sight.price_all(state)
    for layer in phases.waterfall:
        layer.absorb(state)


def execute(phases: Phases, state: State) -> None:
    """Included transactions, slot by slot: revalidate, take, trade on the venues, settle."""
    start = state.queue.start
    slots = len(start) // KINDS
    moved = state.pool.touched.path[state.pool.called[:state.n_called]]  # claims were offered before the engines traded
    if len(moved) and sum(feed.refresh(state) for feed in phases.feeds):
        see_again(state, moved)
    for slot in range(slots):
        picked = [state.queue.row[start[slot * KINDS + kind]:start[slot * KINDS + kind + 1]] for kind in range(KINDS)]
        state.n_fills = 0
        if len(picked[ORACLE]):
            phases.land(state, picked[ORACLE])
            see_again(state, state.rows.path[picked[ORACLE]])
        if len(picked[TOP_UP]) and phases.borrowers:
            sight.price_rows(state, picked[TOP_UP])
            phases.borrowers.execute(state, picked[TOP_UP])
        if len(picked[CLAIM]):
            again = picked[CLAIM] if slot else touched_before(state, picked, moved)
            if len(again):
                sight.price_rows(state, again)
                assess(phases, state, again)
                phases.liquidators.recheck(state, again)
            settle(phases, state, picked[CLAIM])
        if len(picked[ORDER]) and phases.holders:
            phases.holders.execute(state, picked[ORDER])
        if state.n_fills:
            phases.trading.execute(state)
            if sum(feed.refresh(state) for feed in phases.feeds):  # after the last slot too: it is not every path's last
                see_again(state, state.fills.path[:state.n_fills])


def touched_before(state: State, picked: list[np.ndarray], moved: np.ndarray) -> np.ndarray:
    """Claims of the first slot on whose path an engine's call, an answer or a top-up went before; the others stand as offered.

    moved: paths on which engines have called accounts.
    """
    changed = np.zeros(state.paths, np.bool_)
    changed[moved] = True
    changed[state.rows.path[picked[ORACLE]]] = True
    changed[state.rows.path[picked[TOP_UP]]] = True
    claims = picked[CLAIM]
    return claims[changed[state.rows.path[claims]]]


def assess(phases: Phases, state: State, picked: np.ndarray) -> None:
    """Each protocol sizes its claims at what it sees now."""
    for rules in phases.protocols:
        rules.assess(state.rows, picked, len(picked), state.pool.touched, state.book, state.reserves, state.sight.price)


def settle(phases: Phases, state: State, picked: np.ndarray) -> None:
    """Each protocol carries out its claims; what is to be sold stands in state.fills."""
    for rules in phases.protocols:
        state.room_for_fills(rules.fills_per_claim(state.book) * len(picked))
        state.n_fills = rules.settle(state.rows, picked, len(picked), state.pool.touched, state.book, state.reserves,
                                     state.sight.price, state.ledgers, state.fills, state.n_fills)


def see(state: State) -> None:
    """What protocols see follows the feeds."""
    sight.look(state.sight, state.feeds.answer, state.reserves.log_supply, state.reserves.log_borrow, state.margins)


def see_again(state: State, paths: np.ndarray) -> None:
    """The same for these paths alone."""
    sight.look_again(paths, state.sight, state.feeds.answer, state.reserves.log_supply, state.reserves.log_borrow,
                     state.margins)

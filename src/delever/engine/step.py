"""The step: the one story that every world tells. docs/design.md says exactly what each phase does.

Every phase is one call for all paths of a chunk; phases are objects that hold parameters and call a compiled kernel.
The list of phases is the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from delever.core.state import State
from delever.core.tables import (
    DEFICIT,
    LIQUIDATORS,
    BookTables,
    Ledgers,
    Reserves,
    Sales,
    Touched,
    Transactions,
)
from delever.engine import boundary, seen_prices
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


class Kind(Protocol):
    """A kind of transaction, declared by the mechanism that offers it; its place in Phases.kinds is its number and its turn."""

    name: str  # as gas is stated
    gas: float  # units
    payer: int  # holder who pays it
    looks: bool  # needs fresh price levels of the paths concerned
    moves_seen: bool  # what protocols see is composed anew after it
    called: bool  # an executed one counts as a liquidation

    def execute(self, state: State, picked: np.ndarray) -> None: ...


class Rules(Protocol):
    """What a protocol lets liquidators do."""

    def assess(self, rows: Transactions, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray) -> None: ...

    def settle(self, rows: Transactions, picked: np.ndarray, count: int, touched: Touched, book: BookTables,
               reserves: Reserves, seen_price: np.ndarray, ledgers: Ledgers, sales: Sales, n_sales: int) -> int: ...

    def sales_per_call(self, book: BookTables) -> int: ...


class Reaction(Protocol):
    """Borrowers."""

    def react(self, state: State, first: int, last: int) -> None: ...



class Holders(Protocol):
    """Orders."""

    def schedule(self, state: State) -> None: ...

    def offer(self, state: State) -> None: ...


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
    kinds: Sequence[Kind]
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
    offers: Sequence[Any] = ()


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
    number, length = 1, state.step_length / state.blocks
    while number <= state.blocks:
        state.block = number
        state.time = (state.step - 1) * state.step_length + number * length
        number += 1
        if not block(phases, state):  # nobody has anything to do in the next block: on to the first in which somebody has
            soonest = state.wake.min()
            if not soonest < state.step * state.step_length:
                break
            number = max(number, int(np.ceil(soonest / length)) - (state.step - 1) * state.blocks)
            np.less_equal(state.wake, (state.step - 1) * state.step_length + number * length, out=state.active)
    for probe in phases.probes:
        probe.observe(state)


def block(phases: Phases, state: State) -> int:
    """One block of the paths that take part; how many take part in the next."""
    state.n_rows, state.n_fallen = 0, 0
    state.wake[state.active] = np.inf
    state.changed[:] = False
    phases.venues.follow(state, state.active)
    for feed in phases.feeds:
        feed.observe(state)
    see(state)
    offered = boundary.search(state)
    first, last = state.n_rows - offered, state.n_rows
    if state.n_called:
        state.changed[state.pool.touched.path[state.pool.called[:state.n_called]]] = True
        for exchange in phases.exchanges:
            exchange.liquidate(state)
    for offer in phases.offers:  # of lots
        offer.offer(state)
    last_bid = state.n_rows if phases.offers else last
    if offered:
        assess(phases, state, np.arange(first, last))
        if phases.borrowers:
            phases.borrowers.react(state, first, last)
    if phases.holders:
        phases.holders.offer(state)
    if last_bid > first:
        phases.liquidators.bid(state, first, last_bid)
    if state.n_rows:
        phases.network.include(state)
        execute(phases, state)
    if phases.waterfall and (state.n_called or state.n_rows or phases.vaults or state.ledgers.booked[DEFICIT].any()):
        absorb(phases, state)
    if phases.arbitrageurs:
        seen_prices.price_all(state)
        phases.arbitrageurs.arbitrage(state)
    boundary.put_back(state)
    return phases.network.close(state)


def absorb(phases: Phases, state: State) -> None:
    """Deficits go down each protocol's default waterfall."""
    seen_prices.price_all(state)
    for layer in phases.waterfall:
        layer.absorb(state)


def execute(phases: Phases, state: State) -> None:
    """Included transactions, slot by slot and kind by kind: revalidate, take, trade on the venues, settle."""
    start, kinds, queued = state.queue.start, phases.kinds, state.queue.row
    if state.n_called and sum(feed.refresh(state) for feed in phases.feeds):
        see_again(state, np.flatnonzero(state.changed))  # claims were offered before the engines traded
    state.n_sales, last = 0, 0
    for cell in np.flatnonzero(start[1:] > start[:-1]).tolist():
        slot, number = divmod(cell, len(kinds))
        if slot != last:
            trade(phases, state)
            last = slot
        kind, picked = kinds[number], queued[start[cell]:start[cell + 1]]
        if kind.looks:
            seen_prices.price_rows(state, picked)
        state.slot = slot
        kind.execute(state, picked)
        if slot == 0:
            state.changed[state.transactions.path[picked]] = True
        if kind.moves_seen:
            see_again(state, state.transactions.path[picked])
    trade(phases, state)


def trade(phases: Phases, state: State) -> None:
    """What a slot has brought to the market is traded; feeds that read it see that."""
    if state.n_sales:
        phases.trading.execute(state)
        if sum(feed.refresh(state) for feed in phases.feeds):  # after the last slot too: it is not every path's last
            see_again(state, state.sales.path[:state.n_sales])
        state.n_sales = 0


class Claims:
    """Calls of unhealthy accounts by liquidators: assessed anew where anything went before on the path, and settled."""

    name, gas, payer, looks, moves_seen, called = "liquidation", 500_000.0, LIQUIDATORS, False, False, True

    def __init__(self, protocols: Sequence[Rules], liquidators: Bids) -> None:
        self.protocols, self.liquidators = protocols, liquidators

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        again = picked if state.slot else picked[state.changed[state.transactions.path[picked]]]
        if len(again):
            seen_prices.price_rows(state, again)
            assess(self, state, again)
            self.liquidators.recheck(state, again)
        settle(self, state, picked)


def assess(phases: Phases | Claims, state: State, picked: np.ndarray) -> None:
    """Each protocol sizes its claims at what it sees now."""
    for rules in phases.protocols:
        rules.assess(state.transactions, picked, len(picked), state.pool.touched, state.book, state.reserves, state.seen.price)


def settle(phases: Phases | Claims, state: State, picked: np.ndarray) -> None:
    """Each protocol carries out its claims; what is to be sold stands in state.sales."""
    for rules in phases.protocols:
        state.room_for_sales(rules.sales_per_call(state.book) * len(picked))
        state.n_sales = rules.settle(state.transactions, picked, len(picked), state.pool.touched, state.book, state.reserves,
                                     state.seen.price, state.ledgers, state.sales, state.n_sales)


def see(state: State) -> None:
    """What protocols see follows the feeds."""
    seen_prices.compose(state.seen, state.feeds.answer, state.reserves.log_supply, state.reserves.log_borrow, state.margins)


def see_again(state: State, paths: np.ndarray) -> None:
    """The same for these paths alone."""
    seen_prices.compose_again(paths, state.seen, state.feeds.answer, state.reserves.log_supply, state.reserves.log_borrow,
                     state.margins)

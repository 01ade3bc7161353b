"""The step: the one story that every world tells. docs/design.md says exactly what each phase does.

Every phase is one call for all paths of a chunk; phases are objects that hold parameters and call a compiled kernel.
The list of phases is the model; which of them act at which moment follows from what they override (core/phase.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from delever.core import seen_prices
from delever.core.jit import kernel
from delever.core.outcomes import DECLINED as DECLINES
from delever.core.phase import Kind, Phase
from delever.core.state import State
from delever.core.tables import DECLINED, DEFICIT, INCLUDED, NOBODY, OFFERED, Transactions
from delever.engine import boundary, groups, halts
from delever.engine.inclusion import Inclusion
from delever.engine.probes import Probe
from delever.engine.trade import Trading, give_back
from delever.engine.venues import Venues


class Prices(Protocol):
    """Outside prices."""

    def move(self, state: State) -> None: ...


class Accrual(Protocol):
    """What grows with time."""

    def accrue(self, state: State) -> None: ...


class Feed(Protocol):
    """Oracle feeds of one kind."""

    def observe(self, state: State) -> None: ...

    def refresh(self, state: State) -> bool: ...


class Rules(Protocol):
    """What lending protocols of one kind let liquidators do."""

    def size(self, state: State, picked: np.ndarray) -> None: ...


class Engine(Protocol):
    """The margin engines of exchanges."""

    def liquidate(self, state: State) -> None: ...


class Layer(Protocol):
    """One layer of a default waterfall."""

    priced: ClassVar[bool]

    def begin(self, state: State) -> None: ...

    def absorb(self, state: State) -> None: ...


class Noter(Protocol):
    """Who looks at accounts as they are before they are called."""

    def note(self, state: State, first: int, last: int) -> None: ...


class Recorder(Protocol):
    """Who writes down what happened in a block: the state as it is when all of it has been carried out."""

    def record(self, state: State) -> None: ...


@dataclass(frozen=True)
class Phases:
    """The model: who acts in a step, and when."""

    prices: Prices
    venues: Venues
    accruals: Sequence[Accrual]
    feeds: Sequence[Feed]
    composed: Sequence[Feed]  # of these, who are made of others; they come last
    rereading: Sequence[Feed]  # of these, who reads the market again within a block
    rules: Sequence[Rules]
    engines: Sequence[Engine]
    waterfall: Sequence[Layer]
    vaults: bool  # some layer holds positions, which may fall with nobody called
    kinds: Sequence[Kind]
    inclusion: Inclusion
    trading: Trading
    probes: Sequence[Probe]
    everybody: Sequence[Phase]  # all phases of roles, in the order events, networks, policies, feeds, rules, actors
    # of these, who acts at which moment
    happening: Sequence[Phase]
    adapting: Sequence[Phase]
    observing: Sequence[Phase]
    restraining: Sequence[Phase]
    offering: Sequence[Phase]  # what anybody may take
    reacting: Sequence[Phase]
    placing: Sequence[Phase]  # orders of their own
    bidding: Sequence[Phase]
    affording: Sequence[Phase]
    trading_off_chain: Sequence[Phase]
    reshaping: Sequence[Phase]
    waiting: Sequence[Phase]
    recorder: Recorder | None = None
    noting: Sequence[Noter] = ()


def step(phases: Phases, state: State) -> None:
    """One step of all paths of the chunk."""
    state.step += 1
    state.moves[:], state.tally.mover[:] = 0.0, 0
    for phase in phases.happening:
        phase.happen(state)
    phases.prices.move(state)
    phases.venues.relax(state)
    for phase in phases.reshaping:
        phase.reshape(state)
    for accrual in phases.accruals:
        accrual.accrue(state)
    for phase in phases.adapting:
        phase.adapt(state)
    for phase in phases.observing:
        phase.observe(state)
    for layer in phases.waterfall:
        layer.begin(state)
    state.active[:] = True
    state.block = 0
    while state.block < state.blocks:
        state.block += 1
        state.time = time_of(state, state.block)
        block(phases, state)
        if not sleep(state):
            break
    for probe in phases.probes:
        probe.observe(state)


def time_of(state: State, block: int) -> float:
    """When a block of this step is [s]."""
    return (state.step - 1) * state.step_length + block * (state.step_length / state.blocks)


def sleep(state: State) -> bool:
    """On to just before the first block of the step in which somebody wakes, who then takes part; whether there is one."""
    soonest, number = float(state.wake.min()), state.block + 1
    if number > state.blocks or soonest > time_of(state, state.blocks):
        return False
    if soonest > state.time:
        elapsed = (soonest - (state.step - 1) * state.step_length) / (state.step_length / state.blocks)
        number = max(number, int(elapsed) - 1)
    while number <= state.blocks and time_of(state, number) < soonest:
        number += 1
    if number > state.blocks:
        return False
    np.less_equal(state.wake, time_of(state, number), out=state.active)
    state.block = number - 1
    return True


def block(phases: Phases, state: State) -> None:
    """One block of the paths that take part."""
    clear(state)
    phases.venues.follow(state, state.active)
    phases.venues.close(state)
    for feed in phases.feeds:
        feed.observe(state)
    see(state)
    first = state.n_rows
    boundary.search(state)
    last = state.n_rows  # rows first..last-1 are calls of unhealthy accounts
    for phase in phases.restraining:
        phase.restrain(state, first, last)
    phases.venues.close(state)
    if state.n_called or last > first:
        halts.leave_halted(state, first, last)
        for noter in phases.noting:
            noter.note(state, first, last)
    if state.n_called:
        state.changed[state.pool.touched.path[state.pool.called[:state.n_called]]] = True
        for engine in phases.engines:
            engine.liquidate(state)
    if last > first:
        size(phases, state, np.arange(first, last))
    for phase in phases.offering:
        phase.offer(state)
    anybody = state.n_rows
    if last > first:
        for phase in phases.reacting:
            phase.react(state, first, last)
    for phase in phases.placing:
        phase.offer(state)
    if anybody > first:
        bid(phases, state, first, anybody)
    if state.n_rows:
        phases.inclusion.include(state)
        execute(phases, state)
    if phases.waterfall and (state.n_called or state.n_rows or phases.vaults or state.ledgers.booked[DEFICIT].any()):
        if any(layer.priced for layer in phases.waterfall):
            seen_prices.price_all(state)
        for layer in phases.waterfall:
            layer.absorb(state)
    if phases.trading_off_chain:
        seen_prices.price_all(state)
        for phase in phases.trading_off_chain:
            phase.trade(state)
    for phase in phases.reshaping:
        phase.reshape(state)
    if phases.recorder is not None:
        phases.recorder.record(state)
    boundary.put_back(state)
    phases.inclusion.close(state)
    for phase in phases.waiting:
        phase.wake(state)


def clear(state: State) -> None:
    """Nothing has been offered yet."""
    for column in state.transactions:
        column[:state.n_rows] = 0
    state.n_rows, state.n_fallen = 0, 0
    state.wake[state.active] = np.inf
    state.changed[:] = False


def bid(phases: Phases, state: State, first: int, last: int) -> None:
    """Whoever takes what rules offer looks at these rows; what nobody wants is declined."""
    def resize(state: State, picked: np.ndarray) -> None:
        size(phases, state, picked)

    for phase in phases.bidding:
        phase.bid(state, first, last, resize)
    decline(first, last, state.transactions, state.ledgers.totals)


@kernel
def decline(first: int, last: int, rows: Transactions, totals: np.ndarray) -> None:
    """What nobody has taken."""
    for i in range(first, last):
        if rows.state[i] == OFFERED and rows.actor[i] == NOBODY:
            rows.state[i] = DECLINED
            totals[DECLINES, rows.protocol[i], rows.path[i]] += 1.0


def execute(phases: Phases, state: State) -> None:
    """Included transactions, slot by slot and kind by kind: revalidate, take, trade on the venues, settle."""
    start, kinds, queued = state.queue.start, phases.kinds, state.queue.row
    if state.n_called and sum(feed.refresh(state) for feed in phases.rereading):
        see_again(state, np.flatnonzero(state.changed))  # calls were offered before the engines traded
    state.n_sales, last, wanted = 0, 0, -1
    for cell in np.flatnonzero(start[1:] > start[:-1]).tolist():
        slot, number = divmod(cell, len(kinds))
        if slot != last:
            trade(phases, state)
            last = slot
        state.slot = slot
        if len(state.queue.grouped) and slot != wanted:
            wanted = slot
            groups.stand_together(kinds, state, slot)
        kind, picked = kinds[number], queued[start[cell]:start[cell + 1]]
        if slot == wanted:
            picked = picked[state.transactions.state[picked] == INCLUDED]  # less groups that do not stand
        if kind.looks:
            seen_prices.price_rows(state, picked)
        if phases.affording:
            for phase in phases.affording:
                phase.afford(state, kind, picked)
            picked = picked[state.transactions.state[picked] == INCLUDED]
        kind.execute(state, picked)
        if slot == 0:
            state.changed[state.transactions.path[picked]] = True
        if kind.moves_seen:
            for feed in phases.composed:
                feed.observe(state)
            see_again(state, state.transactions.path[picked])
    trade(phases, state)
    if len(state.queue.grouped):
        groups.all_or_none(state.transactions, np.sort(state.queue.grouped))


def trade(phases: Phases, state: State) -> None:
    """What a slot has brought to the market is traded; feeds that read it see that."""
    if state.n_sales:
        if phases.trading.execute(state):
            give_back(phases.kinds, state)
        for phase in phases.reshaping:
            phase.reshape(state)
        if sum(feed.refresh(state) for feed in phases.rereading):  # after the last slot too: it is not every path's last
            see_again(state, state.sales.path[:state.n_sales])
        state.n_sales = 0


def size(phases: Phases, state: State, picked: np.ndarray) -> None:
    """Each kind of rules sizes its calls at what it sees now."""
    for rules in phases.rules:
        rules.size(state, picked)


def see(state: State) -> None:
    """What protocols see follows the feeds."""
    seen_prices.compose(state.seen, state.feeds.answer, state.reserves, state.margins)
    seen_prices.value_coins(state)


def see_again(state: State, paths: np.ndarray) -> None:
    """The same for these paths alone."""
    seen_prices.compose_again(paths, state.seen, state.feeds.answer, state.reserves, state.margins)

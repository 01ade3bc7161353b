"""A bridge carries what actors have from one chain to another: late, for a fee, within a capacity, and perhaps not for ever.

    sent      give units leave the sender's purse on the chain he sends from; they stand under IN_FLIGHT
              reverts where the bridge is closed, or  used + usd > capacity,  usd = give x market price at that moment
    arrives   in the first block of the clock at or after  sent + delay  in which bridge and chain are open:
              units (1 - fee) enter his purse there, units x fee go to those who run the bridge (OUTSIDE)
    used      with a window: usd sent since the last multiple of it, counted from the start; without: usd in flight
    closed    until state.halts.bridge [s], which policies and events may write; inf: dead, from `dies` on by itself
What is in flight over a dead bridge stays its owner's, and nobody can use it.
Source: none; delays are those of finality (minutes) and of optimistic roll-ups on their way back (7 days). Assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import OF, Column, Figure, Value, mean_of
from delever.core.holdings import Bridges, Messages, Purses
from delever.core.jit import kernel
from delever.core.phase import Kind, Phase
from delever.core.route import usd_price
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import EXECUTED, HOLDERS, IN_FLIGHT, INCLUDED, OUTSIDE, REVERTED, Halts, Transactions, Tree
from delever.model.errors import InputError
from delever.model.quantity import Seconds, Share, Text, Usd
from delever.model.references import known_name
from delever.model.world import World
from delever.networks.base import Chain, Link


class Bridge(Link):
    """A way between two chains, in both directions."""

    kind: ClassVar[str] = "bridge"
    between: tuple[Text, Text] = Field(examples=[["ethereum", "base"]], description="the two chains")
    delay: Seconds = Field(gt=0, examples=["15 min"], description="from sending to arrival, from the first to the second")
    back: Seconds | None = Field(None, gt=0, description="delay from the second to the first; null: the same")
    fee: Share = Field(0.0, lt=1, description="share of what is sent that the bridge keeps")
    capacity: Usd | None = Field(None, gt=0, description="most that is in flight at a time, or sent a window; null: no limit")
    window: Seconds | None = Field(None, gt=0, description="time for which the capacity is; null: it limits what is in flight")
    dies: Seconds | None = Field(None, ge=0, description="when it stops for ever, from the start; null: never")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Between two chains of the world."""
        known = [name for name, network in world.networks.items() if isinstance(network, Chain)]
        for place, end in enumerate(self.between):
            known_name(end, known, "network", (*path, "between", place))
        if self.between[0] == self.between[1]:
            raise InputError("leads to where it begins", path=(*path, "between"), value=self.between[1],
                             remedy="name two chains")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All bridges."""
        dies = np.array([math.inf if s.dies is None else s.dies for s in specs.values()])
        return Carrying(tuple(specs), np.array([setting.bridges.index(name) for name in specs]), dies, setting)

    def ends(self) -> tuple[str, str]:
        """As stated."""
        return self.between

    def terms(self) -> tuple[float, float, float, float, float]:
        """As stated."""
        return (self.delay, self.delay if self.back is None else self.back, self.fee,
                math.inf if self.capacity is None else self.capacity, math.inf if self.window is None else self.window)


@kernel
def send(picked: np.ndarray, time: float, rows: Transactions, bridges: Bridges, closed: np.ndarray, tree: Tree,
         price: np.ndarray, tokens: np.ndarray, purses: Purses, messages: Messages, n: int) -> int:
    """What included rows send is in flight; the number of messages then. closed: [bridges, P]; price: [M, P]."""
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        b, p, c, a = rows.ref[i], rows.path[i], rows.network[i], rows.give_asset[i]
        side = 0 if bridges.ends[b, 0] == c else 1
        usd = rows.give[i] * usd_price(a, p, tree, price)
        if bridges.ends[b, side] != c or closed[b, p] > time or bridges.used[b, p] + usd > bridges.capacity[b]:
            rows.state[i] = REVERTED
            continue
        bridges.used[b, p] += usd
        tokens[rows.actor[i], a, p] -= rows.give[i]
        tokens[IN_FLIGHT, a, p] += rows.give[i]
        messages.path[n], messages.bridge[n], messages.holder[n], messages.asset[n] = p, b, rows.actor[i], a
        messages.network[n], messages.units[n], messages.usd[n] = bridges.ends[b, 1 - side], rows.give[i], usd
        messages.arrives[n] = time + bridges.delay[b, side]
        purses.coming[bridges.ends[b, 1 - side], rows.actor[i] - HOLDERS, a, p] += rows.give[i]
        rows.state[i] = EXECUTED
        n += 1
    return n


@kernel
def deliver(n: int, time: float, active: np.ndarray, messages: Messages, bridges: Bridges, halts: Halts, tokens: np.ndarray,
            purses: Purses) -> int:
    """What may arrive does; the others stay, in their order. The number of messages then."""
    left = 0
    for j in range(n):  # counted anew, so that no rounding says that something is still on its way
        purses.coming[messages.network[j], messages.holder[j] - HOLDERS, messages.asset[j], messages.path[j]] = 0.0
    for j in range(n):
        p, b, c, a, units = messages.path[j], messages.bridge[j], messages.network[j], messages.asset[j], messages.units[j]
        holder = messages.holder[j]
        if active[p] and messages.arrives[j] <= time and halts.bridge[b, p] <= time and halts.network[c, p] <= time:
            cost = units * bridges.fee[b]
            tokens[IN_FLIGHT, a, p] -= units
            tokens[holder, a, p] += units - cost
            tokens[OUTSIDE, a, p] += cost
            purses.held[c, holder - HOLDERS, a, p] += units - cost
            if bridges.window[b] == np.inf:
                bridges.used[b, p] = max(bridges.used[b, p] - messages.usd[j], 0.0)
            continue
        messages.path[left], messages.bridge[left], messages.holder[left], messages.asset[left] = p, b, holder, a
        messages.network[left], messages.units[left], messages.usd[left] = c, units, messages.usd[j]
        messages.arrives[left] = messages.arrives[j]
        purses.coming[c, holder - HOLDERS, a, p] += units
        left += 1
    return left


@kernel
def await_arrivals(n: int, messages: Messages, halts: Halts, wake: np.ndarray) -> None:
    """A path wakes when something may arrive: never over a dead bridge."""
    for j in range(n):
        p, b, c = messages.path[j], messages.bridge[j], messages.network[j]
        wake[p] = min(wake[p], max(messages.arrives[j], halts.bridge[b, p], halts.network[c, p]))


class Transfer(Kind):
    """The transaction that sends."""

    name: ClassVar[str] = "bridge"
    gas: ClassVar[float] = 150_000.0
    turn: ClassVar[int] = 3

    def __init__(self, moved: np.ndarray) -> None:
        """moved: [bridges, P] what has been sent, at market prices then [USD]."""
        self.moved = moved

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Send."""
        state.room_for_messages(len(picked))
        before = state.n_messages
        state.n_messages = send(picked, state.time, state.transactions, state.bridges, state.halts.bridge, state.tree,
                                state.markets.price, state.ledgers.tokens, state.purses, state.messages, state.n_messages)
        sent = slice(before, state.n_messages)
        np.add.at(self.moved, (state.messages.bridge[sent], state.messages.path[sent]), state.messages.usd[sent])


BRIDGES = "Bridges"  # section of a report
MOVED = Column("moved", "USD", f"what was sent over {OF}, at market prices then", mean_of(
    "moved", f"what was sent over {OF}, at market prices then"), section=BRIDGES)
IN_TRANSIT = Column("in_transit", "USD", f"what is on its way over {OF}, at market prices of when it was sent", mean_of(
    "in_transit", f"what is on its way over {OF} at the end, at market prices of when it was sent"), section=BRIDGES, stock=True)
STUCK = Column("stuck", "USD", f"what never arrives over {OF}, at market prices of when it was sent: the bridge is dead", (
    *mean_of("stuck", f"what never arrives over {OF}, at market prices of when it was sent: the bridge is dead"),
    Figure("probability_of_stuck", "share_above", f"paths on which something is stuck on {OF}", "share",
           label="something is stuck")), section=BRIDGES, stock=True)


class Carrying(Phase):
    """All bridges."""

    def __init__(self, names: Sequence[str], number: np.ndarray, dies: np.ndarray, setting: Setting) -> None:
        """names, number: of [n] bridges; dies: [n] when each stops for ever [s]."""
        self.names, self.number, self.dies = names, number, dies
        self.transfer = Transfer(np.zeros((len(setting.bridges), setting.paths)))
        self.windows = np.zeros(len(number), np.int64)  # number of the present window

    def kinds(self) -> Sequence[Kind]:
        """Transfers."""
        return (self.transfer,)

    def offer(self, state: State) -> None:
        """In every block, before anybody bids: what arrives is there."""
        for j, b in enumerate(self.number):
            if self.dies[j] <= state.time:
                state.halts.bridge[b] = np.inf
            if state.bridges.window[b] < np.inf:
                window = int(math.floor(state.time / state.bridges.window[b] + 1e-9))
                if window != self.windows[j]:
                    self.windows[j], state.bridges.used[b] = window, 0.0
        if state.n_messages:
            state.n_messages = deliver(state.n_messages, state.time, state.active, state.messages, state.bridges, state.halts,
                                       state.ledgers.tokens, state.purses)

    def wake(self, state: State) -> None:
        """For what is in flight."""
        if state.n_messages:
            await_arrivals(state.n_messages, state.messages, state.halts, state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What was sent, what is on its way, and what of that never arrives."""
        n, transit, out = state.n_messages, np.zeros(self.transfer.moved.shape), []
        np.add.at(transit, (state.messages.bridge[:n], state.messages.path[:n]), state.messages.usd[:n])
        stuck = np.where(np.isposinf(state.halts.bridge), transit, 0.0)
        for name, b in zip(self.names, self.number.tolist(), strict=True):
            out += [Value(MOVED, self.transfer.moved[b], of=name), Value(IN_TRANSIT, transit[b], of=name),
                    Value(STUCK, stuck[b], of=name)]
        return out

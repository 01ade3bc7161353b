"""What happens on one path, row by row: transactions in the order of inclusion, what engines of exchanges did off chain, and what
each layer of a default waterfall then bore.

Every row has a number of its own, `event`, and `because`, that of the event that led to it; none: the outside, prices and events.

    transaction       the one that moved a price or an answer last before it was offered in its step, the kick of a lot (`cause`)
    call of an engine the last call of the step, before the block, that traded a perp of which the account holds one, or
                      the last transaction of the step that moved a price or an answer, whichever is later
    deleveraging      the largest call of the block on the same perp
    layer             the largest liquidation or call of its protocol in the block

`price` is what a feed answers, the mark of a call or closing, and else what the protocol sees of what is got, in its unit; `usd`
what the row gets, or closes, is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.core.exchange_tables import ADL
from delever.core.phase import Kind
from delever.core.state import State
from delever.core.tables import (
    DECLINED,
    EXECUTED,
    HALTED,
    HOLDERS,
    NOBODY,
    ORDER_OWNERS,
    OUTSIDE,
    OWNERS,
    REPORTERS,
    REVERTED,
    SLOTS,
    WAITING,
    BookTables,
    Touched,
)
from delever.run.assemble import Model, log_usd

OUTCOMES = {EXECUTED: "executed", REVERTED: "reverted", WAITING: "waits", HALTED: "halted", DECLINED: "declined"}
WHATEVER = frozenset({*OUTCOMES})  # what a recorder may be asked to write down
TAKEN = WHATEVER - {DECLINED}
INCLUDED = frozenset({EXECUTED, REVERTED})
DRY = "ran dry"  # outcome of a layer's row
SENDERS = {OWNERS: "owners", ORDER_OWNERS: "order owners", REPORTERS: "reporters", OUTSIDE: "outsiders", NOBODY: ""}
CALL, DELEVERAGED, ENGINE, WATERFALL = "call", "adl", "engine", "waterfall"
FIELDS = (  # name, unit, type
    ("time", "s", pa.float64()), ("step", "", pa.int64()), ("block", "", pa.int64()), ("network", "", pa.string()),
    ("number", "", pa.int64()), ("kind", "", pa.string()), ("protocol", "", pa.string()), ("about", "", pa.string()),
    ("actor", "", pa.string()), ("gives", "", pa.string()), ("give", "units", pa.float64()), ("gets", "", pa.string()),
    ("get", "units", pa.float64()), ("kept", "units", pa.float64()), ("bid", "gwei", pa.float64()),
    ("outcome", "", pa.string()), ("group", "", pa.int64()), ("cause", "", pa.int64()),
    ("price", "unit of the protocol", pa.float64()), ("usd", "USD", pa.float64()), ("event", "", pa.int64()),
    ("because", "", pa.int64()))
SCHEMA = pa.schema([pa.field(name, kind, metadata={"unit": unit} if unit else None) for name, unit, kind in FIELDS])


class Row(NamedTuple):
    """One transaction, or one thing that an engine or a layer did; as FIELDS."""

    time: float
    step: int
    block: int
    network: str = ""
    number: int | None = None
    kind: str = ""
    protocol: str = ""
    about: str = ""  # the account, or the feed that answers
    actor: str = ""
    gives: str = ""
    give: float = 0.0
    gets: str = ""
    get: float = 0.0
    kept: float = 0.0
    bid: float = 0.0
    outcome: str = OUTCOMES[EXECUTED]
    group: int | None = None
    cause: int | None = None
    price: float | None = None
    usd: float = 0.0
    event: int = 0
    because: int | None = None


class Recorder:
    """Writes down the rows of every block of one path."""

    def __init__(self, model: Model, kinds: list[Kind], outcomes: frozenset[int] = TAKEN, layers: Mapping[int, str] | None = None
                 ) -> None:
        """outcomes: of transactions that are written down. layers: names of those of default waterfalls, by number."""
        self.model, self.kinds, self.rows, self.closings = model, kinds, list[Row](), 0
        self.known = sorted(outcomes)
        self.assets, self.protocols = (*model.layout.assets, "every one"), list(model.world.protocols)
        self.networks = model.setting(1).networks
        self.reserve = {name: r for r, name in enumerate(model.positions.reserves)}
        self.before: dict[int, np.ndarray] = {}  # by account [legs] units as they stood after the last block
        self.closed = np.zeros(len(model.positions.reserves))  # by engines on books, so far [USD]
        self.layers = dict(layers or {})
        self.served: dict[tuple[int, int], float] = {}  # (layer, protocol) -> USD so far
        self.dry: set[tuple[int, int]] = set()
        self.event_of: dict[int, int] = {}  # transaction -> event
        self.step, self.moved, self.mover = 0, dict[int, int](), 0  # of this step: perp -> event, event of the last transaction
        self.largest: dict[str, tuple[float, int]] = {}  # protocol, or protocol and perp -> (USD, event) in this block

    def record(self, state: State) -> None:
        """After a block: its transactions in the order included, what engines did, then what layers bore."""
        if state.step != self.step:
            self.step, self.moved, self.mover = state.step, {}, 0
        self.largest = {}
        rows, before = state.transactions, self.mover
        shown = np.flatnonzero(np.isin(rows.state[:state.n_rows], self.known)).tolist()
        for i in sorted(shown, key=lambda i: (rows.number[i] == 0, rows.number[i], i)):
            one = self.row(state, i)
            event = self.append(one, self.event_of.get(one.cause or 0))
            if one.number is not None:
                self.event_of[one.number] = event
            if self.kinds[int(rows.kind[i])].liquidates and one.outcome == OUTCOMES[EXECUTED]:
                self.note(one.protocol, one.usd, event)
        self.mover = self.event_of.get(int(state.tally.mover[0]), 0)
        self.calls(state, before)
        self.deleveraged(state)
        self.bore(state)

    def append(self, row: Row, because: int | None) -> int:
        """Append a row; its event."""
        event = len(self.rows) + 1
        self.rows.append(row._replace(event=event, because=because))
        return event

    def note(self, of: str, usd: float, event: int) -> None:
        """The largest of a block so far."""
        self.largest[of] = max(self.largest.get(of, (0.0, event)), (usd, event))

    def row(self, state: State, i: int) -> Row:
        """Transaction i of the block."""
        rows, kind = state.transactions, self.kinds[int(state.transactions.kind[i])]
        account, ref = int(kind.accounts(state, np.array([i]))[0]), int(rows.ref[i])
        about = self.model.oracles.names[ref] if kind.answers else self.name(account)
        sent = int(rows.actor[i])
        actor = SENDERS.get(sent, "") if sent < HOLDERS else list(self.model.world.actors)[sent - HOLDERS]
        whose = account >= 0 or kind.liquidates or kind.sold_by_protocol
        got = float(rows.get[i]) or float(rows.brought[i])  # a sale gets what it brings
        protocol, gets = self.protocols[int(rows.protocol[i])] if whose else "", self.asset(rows.get_asset[i], got)
        price = float(np.exp(state.feeds.answer[ref, 0])) if kind.answers else self.seen(state, protocol, gets)
        return Row(state.time, state.step, state.block, self.networks[int(rows.network[i])], int(rows.number[i]) or None,
                   kind.name, protocol, about, actor,
                   self.asset(rows.give_asset[i], rows.give[i]), float(rows.give[i]), gets,
                   got, float(rows.kept[i]), float(rows.bid[i]), OUTCOMES[int(rows.state[i])],
                   int(rows.group[i]) or None, int(rows.cause[i]) or None, price, self.in_usd(state, gets, got))

    def seen(self, state: State, protocol: str, asset: str) -> float | None:
        """Price of an asset as a protocol sees it, in its unit; None: it does not."""
        r = self.reserve.get((protocol, asset))
        return None if r is None else float(np.exp(state.seen.log_price[int(state.seen.like[r]), 0]))

    def in_usd(self, state: State, asset: str, units: float) -> float:
        """Of so many units at the market [USD]."""
        if asset not in self.model.layout.assets:
            return 0.0
        return units * float(np.exp(log_usd(self.model.layout, self.model.layout.asset(asset), state.markets.price[:, 0])))

    def asset(self, number: int, units: float) -> str:
        """Of what so many units are given or got; none: nothing."""
        return self.assets[int(number)] if units != 0.0 else ""

    def name(self, account: int) -> str:
        """Of an account; none: nobody's."""
        return self.model.positions.accounts[account] if account >= 0 else ""

    def calls(self, state: State, mover: int) -> None:
        """What the calls of engines have changed, a row a leg; what their waterfall did in the block is in it.

        mover: event of the last transaction of the step, before this block, that moved a price or an answer; 0: none.
        """
        touched, book, perp, moved = state.pool.touched, state.book, state.margins.perp, dict[int, int]()
        for slot in state.pool.called[:state.n_called].tolist():
            account = int(touched.account[slot])
            now, before = touched.amount[slot], self.before.get(account, book.amount[account])
            because = max([mover, *(self.moved.get(reserve, 0) for _, reserve in legs_of(book, account))])
            for leg, reserve in legs_of(book, account):
                changed = float(now[leg] - before[leg])
                if changed != 0.0:
                    protocol, asset = self.model.positions.reserves[reserve]
                    mark = self.seen(state, protocol, asset)
                    usd = abs(changed) * (mark or 0.0) * self.in_usd(state, self.model.world.protocols[protocol].unit, 1.0)
                    event = self.append(Row(
                        state.time, state.step, state.block, kind=CALL, protocol=protocol, about=self.name(account), actor=ENGINE,
                        gives=asset if changed < 0.0 else "", give=max(-changed, 0.0), gets=asset if changed > 0.0 else "",
                        get=max(changed, 0.0), price=mark, usd=usd), because or None)
                    if perp[reserve]:
                        if state.flows.liquidated[reserve, 0] > self.closed[reserve]:
                            moved[reserve] = event
                        self.note(protocol, usd, event)
                        self.note(f"{protocol} {asset}", usd, event)
        self.moved |= moved
        self.closed = state.flows.liquidated[:, 0].copy()
        self.remember(touched, int(state.watch.counts[SLOTS]), book)

    def remember(self, touched: Touched, slots: int, book: BookTables) -> None:
        """How margin accounts stand now."""
        for slot in np.flatnonzero(book.margin[book.signature[touched.account[:slots]]]).tolist():
            self.before[int(touched.account[slot])] = touched.amount[slot].copy()

    def deleveraged(self, state: State) -> None:
        """Winners: positions that auto-deleveraging closed in the block, at its price; the haircut stands in `kept`."""
        table, reserves = state.closings, self.model.positions.reserves
        for n in range(self.closings, state.n_closings):
            protocol, asset = reserves[int(table.reserve[n])]
            units, price, unit = float(table.units[n]), float(table.price[n]), self.model.world.protocols[protocol].unit
            self.append(Row(
                state.time, state.step, state.block, kind=DELEVERAGED, protocol=protocol, about=self.name(int(table.account[n])),
                actor=ENGINE, gives=asset, give=units, gets=unit, get=units * price, kept=float(table.haircut[n]), price=price,
                usd=abs(units) * price * float(table.in_usd[n])), self.largest.get(f"{protocol} {asset}", (0.0, None))[1])
        self.closings = state.n_closings

    def bore(self, state: State) -> None:
        """What each layer bore in the block, and where one could first not serve in full; what deleveraging takes is above."""
        for layer, name in self.layers.items():
            for number, protocol in enumerate(self.protocols):
                key, served = (layer, number), float(state.safety.served[layer, number, 0])
                because = self.largest.get(protocol, (0.0, None))[1]
                more = served - self.served.get(key, 0.0)
                self.served[key] = served
                told = Row(state.time, state.step, state.block, kind=name, protocol=protocol, actor=WATERFALL)
                if more > 0.0 and layer != ADL:
                    self.append(told._replace(usd=more), because)
                if key not in self.dry and state.safety.dry[layer, number, 0] < np.inf:
                    self.dry.add(key)
                    self.append(told._replace(outcome=DRY), because)

    def table(self) -> pa.Table:
        """A row a transaction."""
        return pa.Table.from_pylist([row._asdict() for row in self.rows], schema=SCHEMA)


def legs_of(book: BookTables, account: int) -> list[tuple[int, int]]:
    """(leg, reserve) of an account."""
    g, first = int(book.signature[account]), int(book.first_debt[0])
    legs = [*range(int(book.collaterals[g])), *range(first, first + int(book.debts[g]))]
    return [(leg, int(book.reserve[g, leg])) for leg in legs]

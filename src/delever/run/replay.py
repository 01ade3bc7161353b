"""One path of a run played again, alone: every transaction, with what it gave and got, what it led to, and what led to it.

A path has the same bits whatever stands beside it, so what is replayed is what was run. Rows of on-chain transactions carry a
number in the order of inclusion; `cause` is the number of the transaction that led to one (the last that moved a price or an
answer in the step, the kick of a lot), null: the outside, prices and events. Engines of exchanges act off chain and have no
number: a row a leg that a call changed, and a row a position that auto-deleveraging closed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

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
from delever.engine.step import Phases, step
from delever.model.errors import InputError
from delever.run.assemble import Model, phases
from delever.run.opened import opened
from delever.run.seal import write_table
from delever.run.start import new_state

OUTCOMES = {EXECUTED: "executed", REVERTED: "reverted", WAITING: "waits", HALTED: "halted", DECLINED: "declined"}
SENDERS = {OWNERS: "owners", ORDER_OWNERS: "order owners", REPORTERS: "reporters", OUTSIDE: "outsiders", NOBODY: ""}
FIELDS = (  # name, unit, type
    ("time", "s", pa.float64()), ("step", "", pa.int64()), ("block", "", pa.int64()), ("network", "", pa.string()),
    ("number", "", pa.int64()), ("kind", "", pa.string()), ("protocol", "", pa.string()), ("about", "", pa.string()),
    ("actor", "", pa.string()), ("gives", "", pa.string()), ("give", "units", pa.float64()), ("gets", "", pa.string()),
    ("get", "units", pa.float64()), ("kept", "units", pa.float64()), ("bid", "gwei", pa.float64()),
    ("outcome", "", pa.string()), ("group", "", pa.int64()), ("cause", "", pa.int64()))
SCHEMA = pa.schema([pa.field(name, kind, metadata={"unit": unit} if unit else None) for name, unit, kind in FIELDS])


class Row(NamedTuple):
    """One transaction, or one thing that an engine did; as FIELDS."""

    time: float
    step: int
    block: int
    network: str
    number: int | None
    kind: str
    protocol: str
    about: str  # the account, or the feed that answers
    actor: str
    gives: str
    give: float
    gets: str
    get: float
    kept: float
    bid: float
    outcome: str
    group: int | None
    cause: int | None


class Recorder:
    """Writes down the rows of every block of one path."""

    def __init__(self, model: Model, kinds: list[Kind], declined: bool) -> None:
        """declined: also what was offered and nobody took."""
        self.model, self.kinds, self.rows, self.closings = model, kinds, list[Row](), 0
        self.known = {*OUTCOMES} - (set() if declined else {DECLINED})
        self.assets, self.protocols = (*model.layout.assets, "every one"), list(model.world.protocols)
        self.networks = model.setting(1).networks
        self.before: dict[int, np.ndarray] = {}  # by account [legs] units as they stood after the last block

    def record(self, state: State) -> None:
        """After a block: its transactions in the order included, then what engines did."""
        rows, found = state.transactions, range(state.n_rows)
        shown = [i for i in found if int(rows.state[i]) in self.known]
        for i in sorted(shown, key=lambda i: (rows.number[i] == 0, rows.number[i], i)):
            self.rows.append(self.row(state, i))
        self.calls(state)
        self.deleveraged(state)

    def row(self, state: State, i: int) -> Row:
        """Transaction i of the block."""
        rows, kind = state.transactions, self.kinds[int(state.transactions.kind[i])]
        account, ref = int(kind.accounts(state, np.array([i]))[0]), int(rows.ref[i])
        about = self.model.oracles.names[ref] if kind.answers else self.name(account)
        sent = int(rows.actor[i])
        actor = SENDERS.get(sent, "") if sent < HOLDERS else list(self.model.world.actors)[sent - HOLDERS]
        whose = account >= 0 or kind.liquidates or kind.sold_by_protocol
        got = float(rows.get[i]) or float(rows.brought[i])  # a sale gets what it brings
        return Row(state.time, state.step, state.block, self.networks[int(rows.network[i])], int(rows.number[i]) or None,
                   kind.name, self.protocols[int(rows.protocol[i])] if whose else "", about, actor,
                   self.asset(rows.give_asset[i], rows.give[i]), float(rows.give[i]), self.asset(rows.get_asset[i], got),
                   got, float(rows.kept[i]), float(rows.bid[i]), OUTCOMES[int(rows.state[i])],
                   int(rows.group[i]) or None, int(rows.cause[i]) or None)

    def asset(self, number: int, units: float) -> str:
        """Of what so many units are given or got; none: nothing."""
        return self.assets[int(number)] if units != 0.0 else ""

    def name(self, account: int) -> str:
        """Of an account; none: nobody's."""
        return self.model.positions.accounts[account] if account >= 0 else ""

    def calls(self, state: State) -> None:
        """What the calls of engines have changed, a row a leg; what their waterfall did in the block is in it."""
        touched, book = state.pool.touched, state.book
        for slot in state.pool.called[:state.n_called].tolist():
            account = int(touched.account[slot])
            now, before = touched.amount[slot], self.before.get(account, book.amount[account])
            for leg, reserve in legs_of(book, account):
                changed = float(now[leg] - before[leg])
                if changed != 0.0:
                    protocol, asset = self.model.positions.reserves[reserve]
                    self.rows.append(Row(state.time, state.step, state.block, "", None, "call", protocol, self.name(account),
                                         "engine", asset if changed < 0.0 else "", max(-changed, 0.0),
                                         asset if changed > 0.0 else "", max(changed, 0.0), 0.0, 0.0, "executed", None, None))
        self.remember(touched, int(state.watch.counts[SLOTS]), book)

    def remember(self, touched: Touched, slots: int, book: BookTables) -> None:
        """How margin accounts stand now."""
        for slot in range(slots):
            account = int(touched.account[slot])
            if book.margin[book.signature[account]]:
                self.before[account] = touched.amount[slot].copy()

    def deleveraged(self, state: State) -> None:
        """Positions that auto-deleveraging closed in the block, at its price; the haircut stands in `kept`."""
        table, reserves = state.closings, self.model.positions.reserves
        for n in range(self.closings, state.n_closings):
            protocol, asset = reserves[int(table.reserve[n])]
            units, price, unit = float(table.units[n]), float(table.price[n]), self.model.world.protocols[protocol].unit
            self.rows.append(Row(state.time, state.step, state.block, "", None, "adl", protocol, self.name(int(table.account[n])),
                                 "engine", asset, units, unit, units * price, float(table.haircut[n]), 0.0, "executed", None,
                                 None))
        self.closings = state.n_closings

    def table(self) -> pa.Table:
        """A row a transaction."""
        return pa.Table.from_pylist([row._asdict() for row in self.rows], schema=SCHEMA)


def legs_of(book: BookTables, account: int) -> list[tuple[int, int]]:
    """(leg, reserve) of an account."""
    g, first = int(book.signature[account]), int(book.first_debt[0])
    legs = [*range(int(book.collaterals[g])), *range(first, first + int(book.debts[g]))]
    return [(leg, int(book.reserve[g, leg])) for leg in legs]


def replay_model(model: Model, path: int, declined: bool = False) -> pa.Table:
    """Every transaction of one path of a model. declined: also what was offered and nobody took."""
    chunk = phases(model, 1, ())
    recorder = Recorder(model, list(chunk.kinds), declined)
    play(model, path, chunk, recorder)
    return recorder.table()


def play(model: Model, path: int, chunk: Phases, recorder: Recorder) -> State:
    """One path to its end, before the eyes of a recorder."""
    if not 0 <= path < model.world.scenario.paths:
        raise InputError(f"path {path} is not run", "path", path, f"paths are numbered 0 to {model.world.scenario.paths - 1}")
    chunk, state = replace(chunk, recorder=recorder), new_state(model, path, 1, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    return state


def replay(run: Any, path: int, declined: bool = False) -> pa.Table:
    """Every transaction of one path of a run, played again. run: the Run, or its folder; declined: also what nobody took.

    InputError where the folder holds no run, or the world's files or the program are no longer what they were.
    """
    return replay_model(model_of(run), path, declined)


def model_of(run: Any) -> Model:
    """The model of a run. run: the Run, or its folder; errors as of `replay`."""
    if not isinstance(run, (str, Path)):
        model: Model = run.model
        return model
    return opened(Path(run)).model


def write_replay(table: pa.Table, folder: Path, path: int) -> Path:
    """As Parquet into a folder."""
    target = folder / f"replay-{path}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_table(target, table)
    except OSError as error:
        raise InputError("cannot be written", str(target), error.strerror, "name a file with --out") from None
    return target

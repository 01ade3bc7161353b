"""The role of a lending protocol's rules: what one liquidation call may repay and seize, and how it is settled.

One phase serves all protocols of a kind: `parameters` has a row a protocol and path, which policies may move. On all paths of
a chunk at once the step calls

  size       give, get and kept of calls of unhealthy accounts, at what is seen now; NOTHING and give_asset -1 (REVERTED, if it
             was included already) where the account is healthy or nothing can be called. A policy may have struck the row
             before: it is sized all the same, for owners answer a call that they see, even one that gives and gets nothing
  offer      transactions that need no unhealthy account: lots that are for sale
  execute    of its kinds: the accounts, the double entry, the sales that follow

State they may touch: rows of their kinds, touched accounts of their protocols, ledgers, sales, lots. Nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np

from delever.core.columns import Column, Value, mean_of
from delever.core.empty import new_touched, new_transactions
from delever.core.loans import loan_columns
from delever.core.phase import Kind, Phase
from delever.core.reserves import cut_to_cash, leave_uncovered
from delever.core.seen_prices import price_rows
from delever.core.setting import RuleNumbers, Setting
from delever.core.settlement import settle, still_pays
from delever.core.state import State
from delever.core.tables import OFFERED, BookTables, Reserves, Touched, Transactions
from delever.model.errors import InputError
from delever.model.parameters import ReserveParameters, look_up
from delever.model.references import Path
from delever.model.spec import Spec
from delever.model.world import World

MODES, ISOLATION = ("emode", "borrowable_in"), ("debt_ceiling", "siloed")  # fields of reserves: see Rules.lacks
NO_CASH = Column("no_cash", "count", "accounts not called, at some time, because the reserve was empty", mean_of(
    "no_cash", "accounts that were not called, at some time, because the reserve was empty"), "sum", "Liquidations")


class Rules(Spec, ABC):
    """What a user states about a protocol's rules."""

    lends: ClassVar[bool] = True  # what is deposited is lent out, so that a reserve may be empty

    bid_for: ClassVar[bool] = False  # its lots go to whoever bids most, of his own accord (core/bids.py)

    watches: ClassVar[bool] = False  # knows itself which of its accounts are unhealthy: the index does not look at them

    unseen: ClassVar[str] = ""  # what happens to accounts that it watches and a look at the book does not see

    quoted: ClassVar[bool] = True  # a call gives one asset and gets one: what it brings can be asked

    def unread(self) -> tuple[str, ...]:
        """Terms of assets that a run with these rules does not read: who changes them changes nothing."""
        return ()

    def lacks(self) -> tuple[str, ...]:
        """Terms of assets that the contracts of this version do not have; a run applies them all the same."""
        return ()

    def incentives(self, threshold: np.ndarray) -> np.ndarray | None:
        """The incentives that go with thresholds [n], where the rules work them out; None: they are as stated."""
        return None

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> RulesPhase:
        """The rules of all protocols of this kind, by name."""


def unseen_of(world: World) -> list[tuple[str, str]]:
    """(protocol, what of it a look at its book does not see) of those that watch their accounts themselves."""
    return [(name, protocol.rules.unseen) for name, protocol in world.protocols.items()
            if isinstance(protocol.rules, Rules) and protocol.rules.unseen]


class Liquidatable(NamedTuple):
    """What one call may do to each account now; an account that cannot be called has repay 0 and legs -1.

    Of accounts that are called pro rata, collateral_leg and debt_leg are -1 and repay, seize, kept are shares.
    """

    collateral_leg: np.ndarray  # [accounts]
    debt_leg: np.ndarray  # [accounts]
    repay: np.ndarray  # [accounts] units of the debt asset
    seize: np.ndarray  # [accounts] units of the collateral asset
    kept: np.ndarray  # [accounts] part of `seize` that the protocol keeps


class RulesPhase(Phase):
    """The rules of one kind, ready to run: a few numbers, and a call of one kernel for each method."""

    close_factor: ClassVar[int] = -1  # column of `parameters`; see core.setting.RuleNumbers

    def __init__(self, setting: Setting, rows: Mapping[str, Sequence[float]], writes_off: Mapping[str, bool]) -> None:
        """rows: the parameters of each protocol; writes_off: what is owed when no collateral is left becomes a deficit."""
        protocols = setting.protocols
        self.numbers = tuple(protocols.index(name) for name in rows)
        columns = max(map(len, rows.values()), default=0)
        self.parameters = np.zeros((len(protocols), setting.paths, columns))
        self.writes_off = np.zeros(len(protocols), np.bool_)  # [protocols]
        for name, row in rows.items():
            self.parameters[protocols.index(name)] = row
            self.writes_off[protocols.index(name)] = writes_off[name]
            number = protocols.index(name)
            setting.numbers[name] = RuleNumbers(self.parameters[number], self.close_factor, self.writes_off[number:number + 1])
        self.limited = any(name in rows and cash < np.inf for (name, _), cash in zip(setting.reserves, setting.cash, strict=True))
        if self.limited:
            self.counters = (*self.counters, NO_CASH)
        self.fee = setting.fee  # [reserves] share of the incentive that the protocol keeps
        self.call: Kind = Call(self)

    def kinds(self) -> Sequence[Kind]:
        """The first is what an unhealthy account offers."""
        return (self.call,)

    @abstractmethod
    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Fill give_asset, get_asset, give, get, kept of these rows, all on protocols of this kind; or say NOTHING.

        seen_price: [paths, reserves], in the unit in which the protocol keeps its accounts.
        """

    @abstractmethod
    def sales_per_call(self, book: BookTables) -> int:
        """How many sales one call may put on the market, at most."""

    def size(self, state: State, picked: np.ndarray) -> None:
        """Those of these rows that are of its kinds, at what is seen now."""
        mine = picked[state.transactions.kind[picked] == self.call.number]
        if len(mine):
            self.size_calls(state, mine)

    def size_calls(self, state: State, picked: np.ndarray) -> None:
        """These rows, all of its kind of call: no larger than the cash that is there, and none where there is none."""
        rows, touched, book, reserves = state.transactions, state.pool.touched, state.book, state.reserves
        self.assess(rows, picked, touched, book, reserves, state.seen.price)
        if self.limited:
            ledgers = state.ledgers
            none, more = np.zeros(ledgers.scaled.shape[1:]), np.empty(len(picked), np.int64)
            n = cut_to_cash(picked, rows, touched, book, reserves, ledgers, none, more)
            if n:
                self.assess(rows, more[:n], touched, book, reserves, state.seen.price)
                leave_uncovered(more[:n], rows, touched, book, reserves, ledgers, none, self.uncovered(state))

    def leave_uncovered(self, state: State, picked: np.ndarray) -> None:
        """Calls about to be settled that take cash which others of them have taken before."""
        if self.limited:
            leave_uncovered(picked, state.transactions, state.pool.touched, state.book, state.reserves, state.ledgers,
                            np.zeros(state.ledgers.scaled.shape[1:]), self.uncovered(state))

    def uncovered(self, state: State) -> np.ndarray:
        """Where accounts that find no cash are counted [protocols, P]."""
        return state.ledgers.totals[self.row(state, len(self.counters) - 1)]

    def columns(self, state: State) -> list[Value]:
        """See Phase. What became of the protocols' loans; rules that have more to say add to it."""
        return loan_columns(state, self.numbers)

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """A whole book at once, no paths: what one call may do to each account now. seen_price: [reserves]."""
        accounts = len(book.signature)
        rows, every = new_transactions(accounts), np.arange(accounts)
        rows.state[:], rows.ref[:], rows.protocol[:] = OFFERED, every, book.protocol[book.signature]
        rows.get_asset[:], rows.give_asset[:] = -1, -1
        mine = np.flatnonzero(np.isin(rows.protocol, self.numbers))
        who = np.zeros((accounts, 4), np.int32)
        who[:, 0] = every
        touched = new_touched(who, book.amount, book.cost, np.zeros(accounts))
        self.assess(rows, mine, touched, book, reserves, np.ascontiguousarray(seen_price[None, :]))
        called = rows.state == OFFERED
        of = reserves.asset[book.reserve[book.signature]]  # [accounts, legs]
        first, place = book.first_debt[0], np.arange(book.amount.shape[1])

        def leg(wanted: np.ndarray, debt: bool) -> np.ndarray:
            count = (book.debts if debt else book.collaterals)[book.signature][:, None]
            held = ((place >= first) == debt) & (np.where(place < first, place, place - first) < count)
            found = (of == wanted[:, None]) & held & called[:, None]
            return np.where(found.any(1), found.argmax(1), -1)

        sizes = (np.where(called, column, 0.0) for column in (rows.give, rows.get, rows.kept))
        return Liquidatable(leg(rows.get_asset, False), leg(rows.give_asset, True), *sizes)


def refuse_fee(world: World, path: Path, remedy: str) -> None:
    """Raise InputError where the protocol is stated to keep a part of incentives, and its rules keep none. path: of the rules."""
    name = str(path[1])
    for asset, given in look_up(world.protocols[name].parameters).items():
        if isinstance(given, ReserveParameters) and given.protocol_fee > 0.0:
            raise InputError("has no meaning here", path=("protocols", name, "parameters", asset, "protocol_fee"),
                             value=given.protocol_fee, remedy=remedy)


def rounds(ref: np.ndarray) -> Iterator[tuple[np.ndarray, bool]]:
    """Places of rows in rounds in which no account stands twice, in their order; and whether it is a later round. ref: [rows]."""
    order = np.argsort(ref, kind="stable")
    same = np.append(False, ref[order][1:] == ref[order][:-1])
    if not same.any():
        yield np.arange(len(ref)), False
        return
    first = np.maximum.accumulate(np.where(same, 0, np.arange(len(ref))))
    turn = np.empty(len(ref), np.int64)
    turn[order] = np.arange(len(ref)) - first
    for number in range(int(turn.max()) + 1):
        yield np.flatnonzero(turn == number), number > 0


class Call(Kind):
    """The call of an unhealthy account: sized anew where anything went before on its path, and settled at once."""

    name: ClassVar[str] = "liquidation"
    gas: ClassVar[float] = 500_000.0
    liquidates: ClassVar[bool] = True
    trades: ClassVar[bool] = True

    def __init__(self, rules: RulesPhase) -> None:
        self.rules = rules

    accounts = Kind.in_slots

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot."""
        price_rows(state, picked)
        self.rules.size_calls(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Of several who call one account in a batch, the first included comes first."""
        if state.queue.alone:
            self.settle(state, picked, False)
            return
        for round_of, later in rounds(state.transactions.ref[picked]):
            self.settle(state, picked[round_of], later)

    def settle(self, state: State, picked: np.ndarray, later: bool) -> None:
        """Calls of different accounts. later: others have called these before, in the same slot."""
        again = picked if state.slot or later else picked[state.changed[state.transactions.path[picked]]]
        if len(state.queue.grouped):
            again = again[state.transactions.group[again] == 0]  # a group has been sized as a whole, at this very slot
        if len(again):
            self.check(state, again)
        self.rules.leave_uncovered(state, picked)
        state.room_for_sales(self.rules.sales_per_call(state.book) * len(picked))
        state.n_sales = settle(state.transactions, picked, self.rules.writes_off, state.pool.touched, state.book, state.reserves,
                               state.seen.price, state.ledgers, state.sales, state.n_sales)



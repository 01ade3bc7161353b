"""Owners of recursive positions: they borrow against what they hold, buy more of it, add that, and so on; and get out again.

    enters   from `enters` on, a round a block: borrows ltv x what the last round added (the first: all held), sells it, adds
             what that brings; n rounds on a market without slippage make leverage 1 + ltv + .. + ltv^n
    leaves   from `leaves` on, or once h = backing / debt < low, until nothing is owed
      by rounds  a block each: takes out what keeps h at `keep`, (backing - keep debt) / t of worth, sells it, repays;
                 t: what a unit of collateral backs. With sales that bring 1 - c of their worth a round takes (1 - c) / t times
                 what the last one took: they shrink where c > 1 - t, and may not come to an end; none where h <= keep
      by flash   all at once: borrows what he owes, repays, takes out as much as must be sold for it, also where h < 1
Sales take up to `slippage` less than was quoted when offered; what they bring beyond that stays in the owner's purse. What
fails (no cash, a cap, a halt, a worse price) is tried again in the next block in which the path takes part.
Source: the geometric series; when they leave, how, and at what price they no longer sell are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from delever.actors.base import Actor, worth
from delever.core.columns import OF, Column, Value, mean_of
from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.levering import Lever
from delever.core.phase import Kind, Phase
from delever.core.route import quote_route
from delever.core.seen_prices import price_all
from delever.core.setting import Setting
from delever.core.settlement import leg_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import OFFERED, SLOTS, Accounts, Liquidity, Transactions
from delever.core.touch import enter_slots, slot_of, touch
from delever.core.unwinding import Close
from delever.model.errors import InputError
from delever.model.quantity import Count, Gwei, Ratio, Seconds, Share, Text
from delever.model.references import known_asset, known_name
from delever.model.world import World

COLLATERAL, DEBT, PROTOCOL, NETWORK, HOLDER, FIRST, LAST = range(7)  # columns of whole numbers; reserves, then others
ENTERS, ROUNDS, LTV, LEAVES, LOW, KEEP, SLIPPAGE, FLASH, FEE = range(9)  # columns of terms
LITTLE = 1e-9  # of a debt, of what is held: less is not worth a transaction
HALVINGS = 60


class Recursive(Actor):
    """Owners of one kind of position. A book that names 0 of the debt makes a place for it."""

    kind: ClassVar[str] = "recursive"
    touches: ClassVar[bool] = True
    protocol: Text = Field(examples=["aave"], description="where they borrow")
    collateral: Text = Field(examples=["ETH"], description="what they hold")
    debt: Text = Field(examples=["USD"], description="what they borrow")
    accounts: list[Text] | None = Field(None, description="theirs; null: all with that collateral and a place for that debt")
    enters: Seconds | None = Field(None, ge=0, description="when they begin to enter; null: they stand as the book says")
    rounds: Count = Field(12, le=1000, description="rounds of an entry; assumption")
    ltv: Share = Field(0.7, gt=0, lt=1, description="what a round borrows, of what the last one added; assumption")
    leaves: Seconds | None = Field(None, ge=0, description="when they want out; null: never; assumption")
    low: Ratio | None = Field(None, examples=[1.05], description="health factor below which they leave; null: never; assumption")
    by: Literal["rounds", "flash"] = Field("rounds", description="round by round, or by a loan for the length of a transaction")
    keep: Ratio = Field(1.001, ge=1, description="health factor that each round of leaving keeps before it repays; assumption")
    slippage: Share = Field(0.001, description="what a sale may bring less than quoted; assumption")
    fee: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.enters is None and self.leaves is None and self.low is None:
            raise InputError("neither enters nor leaves", path=("leaves",), remedy="write `enters`, `leaves` or `low`")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol and two assets."""
        known_name(self.protocol, world.loans, "lending protocol", (*path, "protocol"))
        known_asset(self.collateral, world, (*path, "collateral"))
        known_asset(self.debt, world, (*path, "debt"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Winding(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: owners of {self.collateral} against {self.debt} wind up and unwind by {self.by}"


class Owners(NamedTuple):
    """All of them. n: actors, listed: their accounts one after the other, P: paths."""

    whole: np.ndarray  # [n, 7] COLLATERAL, .. LAST: their accounts in the list
    terms: np.ndarray  # [n, 9] ENTERS, .. FEE
    account: np.ndarray  # [listed]
    done: np.ndarray  # [listed, P] rounds of the entry that are done
    added: np.ndarray  # [listed, P] units of collateral that the last of them added
    leaving: np.ndarray  # [listed, P] bool: wants out


@helper
def enough(p: int, a: int, b: int, need: float, most: float, liquidity: Liquidity) -> float:
    """Least units of a, of so many at most, whose sale brings what is needed of b; `most` brings it."""
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if quote_route(p, a, b, middle, liquidity.tree, liquidity.profiles, liquidity.markets) >= need:
            high = middle
        else:
            low = middle
    return high


@helper
def way_out(p: int, a: int, b: int, free: float, held: float, owed: float, slippage: float, flash: bool, liquidity: Liquidity
            ) -> tuple[float, float]:
    """(Units of a to take out and sell, units of b to repay with that) now; (0, 0): there is no way."""
    units, need = held if flash else min(free, held), owed * (1.0 + slippage)
    if not units > LITTLE * held:
        return 0.0, 0.0
    if a == b:
        return min(units, owed), min(units, owed)
    out = quote_route(p, a, b, units, liquidity.tree, liquidity.profiles, liquidity.markets)
    if out >= need:
        return enough(p, a, b, need, units, liquidity), owed
    return (0.0, 0.0) if flash else (units, out / (1.0 + slippage))


@kernel
def offer(time: float, first: bool, owners: Owners, active: np.ndarray, close: int, lever: int, rows: Transactions, n: int,
          accounts: Accounts, liquidity: Liquidity, watch: Watch, pool: Pool) -> int:
    """The next round of each who enters or leaves; the number of rows then. first: of the step; active: [P]."""
    whole, terms, account, leaving = owners.whole, owners.terms, owners.account, owners.leaving
    touched, book, reserves, price = pool.touched, accounts.book, accounts.reserves, accounts.price
    debts = book.first_debt[0]
    for i in range(whole.shape[0]):
        r, s, slip = whole[i, COLLATERAL], whole[i, DEBT], terms[i, SLIPPAGE]
        a, b = reserves.asset[r], reserves.asset[s]
        for p in range(active.shape[0]):
            for j in range(whole[i, FIRST], whole[i, LAST]):
                begun = leaving[j, p] or owners.done[j, p] > 0
                if not active[p] or not (first or begun):
                    continue
                slot, g = slot_of(p, account[j], watch), book.signature[account[j]]
                amount, row = (touched.amount, slot) if slot >= 0 else (book.amount, account[j])
                backing, debt = account_health(row, p, g, amount, book, reserves, price)
                c = leg_of(a, g, 0, book.collaterals[g], book.reserve, reserves.asset)
                d = leg_of(b, g, debts, debts + book.debts[g], book.reserve, reserves.asset)
                held, owed = amount[row, c] * reserves.supply_index[r, p], amount[row, d] * reserves.borrow_index[s, p]
                if not leaving[j, p]:
                    leaving[j, p] = debt > 0.0 and (time >= terms[i, LEAVES] or backing < terms[i, LOW] * debt)
                entering = not leaving[j, p] and time >= terms[i, ENTERS] and owners.done[j, p] < terms[i, ROUNDS]
                if not held > 0.0 or not (entering or (leaving[j, p] and owed > 0.0)):
                    continue
                if entering:
                    get = terms[i, LTV] * (owners.added[j, p] if owners.done[j, p] > 0 else held) * price[p, r] / price[p, s]
                    give = get if a == b else quote_route(p, b, a, get, liquidity.tree, liquidity.profiles, liquidity.markets)
                    give /= 1.0 + slip
                    kind, given, got, there = lever, a, b, give > LITTLE * held
                else:
                    t = book.threshold[g, c] * reserves.counted[book.term[g, c], p]
                    free = (backing - terms[i, KEEP] * debt) / (t * price[p, r]) if t > 0.0 else 0.0
                    get, give = way_out(p, a, b, free, held, owed, slip, terms[i, FLASH] > 0.0, liquidity)
                    kind, given, got, there = close, b, a, give > LITTLE * owed
                if not there:
                    continue
                if slot < 0:
                    slot = touch(p, account[j], book, watch, pool)
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n], rows.actor[n] = p, kind, OFFERED, slot, whole[i, HOLDER]
                rows.protocol[n], rows.network[n], rows.bid[n] = whole[i, PROTOCOL], whole[i, NETWORK], terms[i, FEE]
                rows.give_asset[n], rows.get_asset[n], rows.give[n], rows.get[n] = given, got, give, get
                rows.most[n] = give if kind == close else 0.0
                n += 1
    return n


@kernel
def stand(owners: Owners, accounts: Accounts, watch: Watch, equity: np.ndarray, owed: np.ndarray) -> None:
    """What positions are worth at seen prices, less what they owe; what they owe. [n, P] USD, written."""
    book, reserves, touched, price = accounts.book, accounts.reserves, accounts.touched, accounts.price
    for i in range(owners.whole.shape[0]):
        r, s = owners.whole[i, COLLATERAL], owners.whole[i, DEBT]
        for p in range(equity.shape[1]):
            held, owed[i, p] = 0.0, 0.0
            for j in range(owners.whole[i, FIRST], owners.whole[i, LAST]):
                a = owners.account[j]
                slot, g, first = slot_of(p, a, watch), book.signature[a], book.first_debt[0]
                amount, row = (touched.amount, slot) if slot >= 0 else (book.amount, a)
                c = leg_of(reserves.asset[r], g, 0, book.collaterals[g], book.reserve, reserves.asset)
                d = leg_of(reserves.asset[s], g, first, first + book.debts[g], book.reserve, reserves.asset)
                held += amount[row, c] * reserves.supply_index[r, p] * price[p, r]
                owed[i, p] += amount[row, d] * reserves.borrow_index[s, p] * price[p, s]
            equity[i, p] = held - owed[i, p]


SECTION = "Recursive positions"
SAID = tuple(Column(name, unit, text, mean_of(name, f"{text}{', at the end' if stock else ''}", under=under), section=SECTION,
                    stock=stock) for name, unit, text, under, stock in (
    ("wound_up", "USD", f"what {OF} borrowed to enter, at prices seen", "borrowed", False),
    ("unwound", "USD", f"what {OF} repaid to leave, at prices seen", "repaid", False),
    ("rounds_in", "count", f"rounds in which {OF} entered, all accounts together", "rounds in", False),
    ("rounds_out", "count", f"transactions in which {OF} left, all accounts together", "rounds out", False),
    ("recursive_debt", "USD", f"what {OF} still owe, at prices seen", "owed", True),
    ("recursive_equity", "USD", f"what {OF} hold less what they owe, and their purse, at prices seen", "equity", True)))


class Winding(Phase):
    """All of them."""

    def __init__(self, specs: Mapping[str, Recursive], setting: Setting) -> None:
        self.names, book, debts = tuple(specs), setting.book, int(setting.book.first_debt[0])
        sig, whole, listed = book.signature, [], list[np.ndarray]()
        collateral, owed = np.arange(book.reserve.shape[1]) < book.collaterals[:, None], np.zeros(book.reserve.shape, bool)
        owed[:, debts:] = np.arange(book.reserve.shape[1] - debts) < book.debts[:, None]
        for name, one in specs.items():
            here = ("actors", name)
            r, s = (setting.reserve(one.protocol, asset, *here, field)
                    for asset, field in ((one.collateral, "collateral"), (one.debt, "debt")))
            holds, owes = collateral & (book.reserve == r), owed & (book.reserve == s)  # [signatures, legs]
            able = holds.any(1)[sig] & owes.any(1)[sig] & (np.where(holds[sig], book.amount, 0.0).max(1, initial=0.0) > 0.0)
            mine = np.flatnonzero(able)
            if one.accounts is not None:
                mine = np.unique([setting.account(one.protocol, account, *here, "accounts") for account in one.accounts])
                wrong = [setting.accounts[a] for a in mine if not able[a]]
                if wrong:
                    raise InputError(f"holds no {one.collateral} or has no place for {one.debt}", path=(*here, "accounts"),
                                     value=wrong[0], remedy=f"give it both in the book, be it 0 of {one.debt}")
            begin, number = sum(map(len, listed)), setting.protocol(one.protocol)
            whole.append([r, s, number, setting.homes[number], setting.holder(name), begin, begin + len(mine)])
            listed.append(mine)
        account, never = np.concatenate(listed), math.inf
        terms = np.array([[never if one.enters is None else one.enters, one.rounds, one.ltv,
                           never if one.leaves is None else one.leaves, one.low or 0.0, one.keep, one.slippage,
                           one.by == "flash", one.fee] for one in specs.values()])
        shape = (len(account), setting.paths)
        self.owners = Owners(np.array(whole, np.int64), terms, account, np.zeros(shape), np.zeros(shape),
                             np.zeros(shape, np.bool_))
        self.borrowed, self.repaid, self.in_, self.out = np.zeros((4, len(specs), setting.paths))
        self.close, self.lever = Close(self.left), Lever(self.entered)

    def kinds(self) -> Sequence[Kind]:
        """A round out, a round in."""
        return (self.close, self.lever)

    def offer(self, state: State) -> None:
        """In every block: who has begun goes on, in the first of a step others begin."""
        begun = self.owners.leaving | (self.owners.done > 0.0)
        if state.block != 1 and not begun[:, state.active].any():
            return
        enter_slots(state)
        price_all(state)
        most = self.owners.done.size
        state.room_for_slots(int(state.watch.counts[SLOTS]) + most)
        state.room_for_rows(most)
        state.n_rows = offer(state.time, state.block == 1, self.owners, state.active, self.close.number, self.lever.number,
                             state.transactions, state.n_rows, state.accounts, state.liquidity, state.watch, state.pool)

    def whose(self, state: State, done: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(Actor, place in the list) of these rows."""
        rows, whole = state.transactions, self.owners.whole
        actor, account = np.searchsorted(whole[:, HOLDER], rows.actor[done]), state.pool.touched.account[rows.ref[done]]
        first, last = whole[actor, FIRST], whole[actor, LAST]
        place = [f + int(np.searchsorted(self.owners.account[f:e], a)) for f, e, a in zip(first, last, account, strict=True)]
        return actor, np.array(place, np.int64)

    def entered(self, state: State, done: np.ndarray) -> None:
        """See Lever."""
        rows, (actor, place) = state.transactions, self.whose(state, done)
        path = rows.path[done]
        self.owners.done[place, path] += 1.0
        self.owners.added[place, path] = rows.give[done]
        np.add.at(self.borrowed, (actor, path), rows.get[done] * state.seen.price[path, self.owners.whole[actor, DEBT]])
        np.add.at(self.in_, (actor, path), 1.0)

    def left(self, state: State, done: np.ndarray) -> None:
        """See Close."""
        rows, (actor, _) = state.transactions, self.whose(state, done)
        path = rows.path[done]
        np.add.at(self.repaid, (actor, path), rows.give[done] * state.seen.price[path, self.owners.whole[actor, DEBT]])
        np.add.at(self.out, (actor, path), 1.0)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        enter_slots(state)
        equity, owed = np.zeros((2, *self.borrowed.shape))
        stand(self.owners, state.accounts, state.watch, equity, owed)
        found = []
        for i, name in enumerate(self.names):
            purse = worth(state, [int(self.owners.whole[i, HOLDER])])
            values = (self.borrowed[i], self.repaid[i], self.in_[i], self.out[i], owed[i], equity[i] + purse)
            places = {"rounds_in": math.inf > self.owners.terms[i, ENTERS], "rounds_out": math.inf > self.owners.terms[i, LEAVES]}
            found += [Value(column, one.copy(), of=name, place=f"actors.{name}" if places.get(column.name) else "")
                      for column, one in zip(SAID, values, strict=True)]
        return found

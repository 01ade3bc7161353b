"""People with accounts on several lending protocols of a chain, who mend one of them out of another, in one transaction.

    who        an account with health below `low`, its owner attentive; where a call is coming, in the same block
    how        of his other accounts the first that can, in the book's order, each in the first way that it can:
      net      it owes what he holds here and holds what he owes here (a loop across two protocols): both debts are repaid out of
               the other's collateral, worth w = (target debt - backing) / (target - t), as far as all four legs go
      repay    it holds what he owes here: w = (target debt - backing) / target is taken out there and repaid here
      add      it holds what he holds here: w = (target debt - backing) / t is moved
    where      it must keep a health of `keep`, the reserve its cash; t: what a unit of the collateral here backs
Seen prices of the account that is mended count. What is there may be less than w: then so much. Once a block.
Source: none, an assumption: how funds with positions on several protocols defend them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from delever.actors.base import Actor
from delever.core.columns import OF, Column, Value, mean_of
from delever.core.empty import longer
from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.phase import Kind, Phase
from delever.core.philox import philox, stream, uniform
from delever.core.reserves import there_is
from delever.core.seen_prices import price_all
from delever.core.setting import Mates, Setting
from delever.core.shifting import ADD, NET, REPAY, Moves, Shift, new_moves
from delever.core.state import Pool, State, Watch
from delever.core.tables import OFFERED, SLOTS, Accounts, Ledgers, Transactions
from delever.core.touch import enter_slots, slot_of, touch
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Ratio, Share

ATTENTIVE = stream("owners.attentive")
LITTLE = 1e-9  # of a debt: less is not worth a transaction
LOW, TARGET, KEEP, FEE, HOLDER, KIND = range(6)  # columns of the rules


class Owners(Actor):
    """How people who own several accounts defend them. There is one such actor a world: people are the book's owners."""

    kind: ClassVar[str] = "owners"
    answers: ClassVar[bool] = True
    touches: ClassVar[bool] = True
    attentive: Share = Field(1.0, description="share of owners who act; assumption")
    low: Ratio = Field(1.0, ge=1, description="health factor below which they act; 1: in the block of a call; assumption")
    target: Ratio = Field(1.1, gt=1, description="health factor that they restore; assumption")
    keep: Ratio = Field(1.1, ge=1, description="health factor that the account it comes from must keep; assumption")
    fee: Gwei = Field(40.0, ge=0, description="what they bid a unit of gas; assumption")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.target:
            raise InputError("is not above low", path=("target",), value=self.target, remedy="write `low: 1`, `target: 1.1`")
        return self

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """The one of them."""
        names = list(specs)
        if len(names) > 1:
            raise InputError("speaks for the same people", path=("actors", names[1]), value=names[1],
                             remedy=f"{names[0]} does already: leave one out")
        one = specs[names[0]]
        rules = np.array([one.low, one.target, one.keep, one.fee, setting.holder(names[0]), 0.0])
        return Defending(names[0], rules, one.attentive, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: {self.attentive:.0%} of owners of several accounts mend one out of another"


@helper
def leg_in(asset: int, slot: int, first: int, last: int, g: int, amount: np.ndarray, accounts: Accounts) -> int:
    """The leg among first..last-1 that holds or owes something in the asset; -1: none. slot: row of `amount`. No remainder."""
    for k in range(first, last):
        if (accounts.reserves.asset[accounts.book.reserve[g, k]] == asset and amount[slot, k] > 0.0
                and accounts.book.seizable[g, k]):
            return k
    return -1


@helper
def spare_of(row: int, p: int, h: int, k: int, keep: float, amount: np.ndarray, accounts: Accounts, ledgers: Ledgers) -> float:
    """Units of collateral leg k that can be taken out of an account, row of `amount`, that must keep so much health."""
    book, reserves, price = accounts.book, accounts.reserves, accounts.price
    r = book.reserve[h, k]
    most = min(amount[row, k] * reserves.supply_index[r, p], there_is(r, p, reserves, ledgers))
    backing, debt = account_health(row, p, h, amount, book, reserves, price)
    counts = book.threshold[h, k] * reserves.counted[book.term[h, k], p]
    if debt > 0.0 and counts > 0.0:
        most = min(most, (backing - keep * debt) / (counts * price[p, r]))
    return most


@helper
def way_out(n: int, p: int, slot: int, other: int, rules: np.ndarray, accounts: Accounts, ledgers: Ledgers, watch: Watch,
            rows: Transactions, moves: Moves) -> bool:
    """The first way in which account `other` mends the one in a slot, written into row n; whether there is one."""
    book, reserves, price, touched, asset = (accounts.book, accounts.reserves, accounts.price, accounts.touched,
                                             accounts.reserves.asset)
    g, h, first, target = book.signature[touched.account[slot]], book.signature[other], book.first_debt[0], rules[TARGET]
    at = slot_of(p, other, watch)
    amount, row = (touched.amount, at) if at >= 0 else (book.amount, other)
    backing, debt = account_health(slot, p, g, touched.amount, book, reserves, price)
    least = LITTLE * debt
    for d in range(first, first + book.debts[g]):
        s = book.reserve[g, d]
        owed = touched.amount[slot, d] * reserves.borrow_index[s, p]
        c = leg_in(asset[s], row, 0, book.collaterals[h], h, amount, accounts)
        if not (owed > 0.0 and book.seizable[g, d]) or c < 0:
            continue
        r = book.reserve[h, c]
        for k in range(book.collaterals[g]):  # a loop: it owes what is held here
            back = book.reserve[g, k]
            last = leg_in(asset[back], row, first, first + book.debts[h], h, amount, accounts)
            if not (touched.amount[slot, k] > 0.0 and book.seizable[g, k]) or last < 0:
                continue
            t = book.threshold[g, k] * reserves.counted[book.term[g, k], p]
            usd = min((target * debt - backing) / (target - t), owed * price[p, s],
                      min(amount[row, c] * reserves.supply_index[r, p], there_is(r, p, reserves, ledgers)) * price[p, s])
            usd = min(usd, min(touched.amount[slot, k] * reserves.supply_index[back, p], there_is(back, p, reserves, ledgers),
                               amount[row, last] * reserves.borrow_index[book.reserve[h, last], p]) * price[p, back])
            if target > t and usd > least:
                moves.way[n], moves.from_leg[n], moves.to_leg[n], moves.back_leg[n], moves.last_leg[n] = NET, c, d, k, last
                rows.give_asset[n], rows.get_asset[n] = asset[s], asset[back]
                rows.give[n], rows.get[n] = usd / price[p, s], usd / price[p, back]
                return True
        units = min((target * debt - backing) / target / price[p, s], owed,
                    spare_of(row, p, h, c, rules[KEEP], amount, accounts, ledgers))
        if units * price[p, s] > least:
            moves.way[n], moves.from_leg[n], moves.to_leg[n] = REPAY, c, d
            rows.give_asset[n], rows.get_asset[n], rows.give[n] = asset[s], asset[s], units
            return True
    for k in range(book.collaterals[g]):
        r = book.reserve[g, k]
        t = book.threshold[g, k] * reserves.counted[book.term[g, k], p]
        c = leg_in(asset[r], row, 0, book.collaterals[h], h, amount, accounts)
        if c < 0 or not (t > 0.0 and book.seizable[g, k]):
            continue
        units = min((target * debt - backing) / (t * price[p, r]),
                    spare_of(row, p, h, c, rules[KEEP], amount, accounts, ledgers))
        if units * price[p, r] > least:
            moves.way[n], moves.from_leg[n], moves.to_leg[n] = ADD, c, k
            rows.give_asset[n], rows.get_asset[n], rows.give[n] = asset[r], asset[r], units
            return True
    return False


@kernel
def answer(slots: np.ndarray, rules: np.ndarray, mates: Mates, home: np.ndarray, attentive: np.ndarray, accounts: Accounts,
           ledgers: Ledgers, rows: Transactions, moves: Moves, watch: Watch, pool: Pool, n: int) -> int:
    """A row for each of these slots whose owner can mend it; the number of rows then. home: [protocols] network; attentive:
    [owners, P]."""
    book, touched = accounts.book, pool.touched
    for slot in slots:
        p, account = touched.path[slot], touched.account[slot]
        owner, g = mates.group[account], book.signature[account]
        if owner < 0 or book.margin[g] or not attentive[owner, p]:
            continue
        backing, debt = account_health(slot, p, g, touched.amount, book, accounts.reserves, accounts.price)
        if not (debt > 0.0 and backing < rules[LOW] * debt):
            continue
        for i in range(mates.first[owner], mates.first[owner + 1]):
            other = mates.account[i]
            number = book.protocol[book.signature[other]]
            if (other == account or book.margin[book.signature[other]] or home[number] != home[book.protocol[g]]
                    or not way_out(n, p, slot, other, rules, accounts, ledgers, watch, rows, moves)):
                continue
            at = slot_of(p, other, watch)
            moves.there[n] = at if at >= 0 else touch(p, other, book, watch, pool)
            moves.low[n], moves.keep[n] = rules[LOW], rules[KEEP]
            rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, np.int64(rules[KIND]), OFFERED, slot
            rows.protocol[n], rows.network[n], rows.actor[n] = book.protocol[g], home[book.protocol[g]], np.int64(rules[HOLDER])
            rows.bid[n] = rules[FEE]
            n += 1
            break
    return n


@kernel
def draw(first_path: int, seed: np.ndarray, share: float, attentive: np.ndarray) -> None:
    """Who acts on which path. attentive: [owners, P], written."""
    for i in range(attentive.shape[0]):
        for p in range(attentive.shape[1]):
            word = philox(np.uint64(first_path + p), np.uint64(i), np.uint64(0), ATTENTIVE, seed[0], seed[1])[0]
            attentive[i, p] = uniform(word) < share


@kernel
def in_need(low: float, mates: Mates, accounts: Accounts, watch: Watch, pool: Pool, slots: np.ndarray) -> int:
    """Accounts of owners of several whose health is below `low`, which are touched: their slots, and how many. slots: written."""
    book, touched, n = accounts.book, accounts.touched, 0
    for p in range(accounts.price.shape[0]):
        for account in mates.account:
            g, at = book.signature[account], slot_of(p, account, watch)
            if book.margin[g]:
                continue
            amount, row = (touched.amount, at) if at >= 0 else (book.amount, account)
            backing, debt = account_health(row, p, g, amount, book, accounts.reserves, accounts.price)
            if debt > 0.0 and backing < low * debt:
                slots[n] = at if at >= 0 else touch(p, account, book, watch, pool)
                n += 1
    return n


SEVERAL = "Owners of several accounts"  # section of a report
SHIFTS = Column("shifts", "count", "accounts that their owners mended out of others of theirs", mean_of(
    "shifts", f"accounts that {OF} mended out of others of theirs", under="mended"), section=SEVERAL)
SHIFTED = Column("shifted", "USD", "what owners moved between accounts of theirs, at prices seen", mean_of(
    "shifted", f"what {OF} moved between accounts of theirs, at prices seen", under="moved"), section=SEVERAL)


class Defending(Phase):
    """All owners of several accounts."""

    def __init__(self, name: str, rules: np.ndarray, share: float, setting: Setting) -> None:
        """rules: [columns]; share: of owners who act."""
        self.name, self.rules, self.share, self.mates, self.home = name, rules, share, setting.mates, setting.homes
        self.attentive = np.zeros((len(self.mates.first) - 1, setting.paths), np.bool_)
        self.times, self.worth = np.zeros((2, setting.paths))
        self.drawn, self.plans = False, new_moves(64)
        self.shift = Shift(lambda: self.plans, self.note)

    def kinds(self) -> Sequence[Kind]:
        """Moving from one account to another."""
        return (self.shift,)

    def react(self, state: State, first: int, last: int) -> None:
        """See Phase. Of accounts that are called."""
        rows, calls = state.transactions, slice(first, last)
        nothing = (rows.give[calls] <= 0.0) & (rows.get[calls] <= 0.0) & (rows.state[calls] != OFFERED)
        nothing &= rows.give_asset[calls] < 0  # see borrowers.react
        self.offer_for(state, np.unique(rows.ref[calls][np.isin(rows.kind[calls], state.opens) & ~nothing]))

    def offer(self, state: State) -> None:
        """See Phase. Of accounts that are near, in the first block of a step."""
        if state.block != 1 or self.rules[LOW] <= 1.0 or not len(self.mates.account):
            return
        enter_slots(state)
        price_all(state)
        most = len(self.mates.account) * state.paths
        state.room_for_slots(int(state.watch.counts[SLOTS]) + most)
        slots = np.zeros(most, np.int64)
        n = in_need(float(self.rules[LOW]), self.mates, state.accounts, state.watch, state.pool, slots)
        rows = state.transactions
        mine = rows.ref[:state.n_rows][rows.kind[:state.n_rows] == self.shift.number]  # who has answered a call already
        self.offer_for(state, np.setdiff1d(slots[:n], mine))

    def offer_for(self, state: State, slots: np.ndarray) -> None:
        """Rows for these slots."""
        if not len(slots):
            return
        if not self.drawn:
            draw(state.first_path, state.seed, self.share, self.attentive)
            self.drawn = True
        enter_slots(state)
        slots = slots[np.argsort(state.pool.touched.account[slots], kind="stable")]  # by account, however they were touched
        state.room_for_slots(int(state.watch.counts[SLOTS]) + len(slots))
        state.room_for_rows(len(slots))
        self.plans = longer(self.plans, len(state.transactions.path))
        self.rules[KIND] = self.shift.number
        state.n_rows = answer(slots, self.rules, self.mates, self.home, self.attentive, state.accounts, state.ledgers,
                              state.transactions, self.plans, state.watch, state.pool, state.n_rows)

    def note(self, state: State, done: np.ndarray) -> None:
        """Count what was carried out. done: row numbers."""
        rows, book = state.transactions, state.book
        signature = book.signature[state.pool.touched.account[self.plans.there[done]]]
        reserve = book.reserve[signature, self.plans.from_leg[done]]
        usd = rows.give[done] * state.seen.price[rows.path[done], reserve]
        np.add.at(self.times, rows.path[done], 1.0)
        np.add.at(self.worth, rows.path[done], usd)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(SHIFTS, self.times.copy(), of=self.name, place=f"actors.{self.name}"),
                Value(SHIFTED, self.worth.copy(), of=self.name)]

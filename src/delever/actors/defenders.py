"""Owners who act before they are called: the nearer to the boundary, the likelier they add, repay or close within the hour.

    x = ln(backing / debt) > 0:   in a step of dt an owner acts with probability  1 - e^(-(h + c) dt),    [1/day]
    h = defend_far + defend e^(-x / defend_scale)      defends: x becomes x + d,  ln d normal around ln `gain`, with `spread`
    c = close_far + close e^(-x / close_scale)         closes: out of pocket, or (`sells`) out of his collateral, on the venues
A defence adds collateral, or repays (`repays` of them), at most `budget` of the collateral's worth; it falls on the largest
collateral or debt, at prices seen. The share `watching` of owners, drawn a path and account, does so again and again; others
never. Who is eligible already acts here no more: that race is `borrowers`'.
Source: none; the form of the hazard is an assumption, and so are defaults; docs/owners.md estimates them from crvUSD's borrowers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.attention import draw, fading
from delever.core.columns import OF, Column, Value, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel
from delever.core.limits import may_supply
from delever.core.moving import pay_back, put_in
from delever.core.phase import Kind, Phase
from delever.core.philox import cos_of_turn, philox, stream, uniform
from delever.core.seen_prices import price_all
from delever.core.setting import Setting
from delever.core.settlement import leg_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import EXECUTED, OFFERED, REVERTED, SLOTS, Accounts, Ledgers, Limits, Transactions
from delever.core.touch import enter_slots, touch, watch_again
from delever.core.unwinding import Close
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Number, Ratio, Share, Text
from delever.model.references import known_name
from delever.model.world import World

DAY = 86400.0  # [s]
WHO, WHAT, WATCHES = stream("defenders.who"), stream("defenders.what"), stream("defenders.watches")
(WATCHING, DEFEND_FAR, DEFEND, DEFEND_SCALE, CLOSE_FAR, CLOSE, CLOSE_SCALE, GAIN, SPREAD, REPAYS, BUDGET, SELLS, SLIPPAGE, FEE,
 HOLDER, COLUMNS) = range(16)  # columns of the rules, a row a protocol
ADD, REPAY, SELL = range(3)  # kinds of transaction


class Defenders(Actor):
    """How owners of loans act of their own accord."""

    kind: ClassVar[str] = "defenders"
    touches: ClassVar[bool] = True
    protocol: Text | None = Field(None, description="whose owners they are; null: those of every lending protocol")
    watching: Share = Field(1.0, description="share of owners who ever act; assumption")
    defend: Number = Field(ge=0, examples=[2.0], description="defences a day at the boundary, of those who watch")
    defend_scale: Ratio = Field(0.04, description="log distance over which that falls by e")
    defend_far: Number = Field(0.0, ge=0, description="defences a day at any distance")
    close: Number = Field(0.0, ge=0, description="closings a day at the boundary")
    close_scale: Ratio = Field(0.03, description="log distance over which that falls by e")
    close_far: Number = Field(0.0, ge=0, description="closings a day at any distance")
    gain: Ratio = Field(0.04, description="median of what a defence adds to the log distance")
    spread: Number = Field(1.0, ge=0, description="standard deviation of its log")
    repays: Share = Field(0.4, description="share of defences that repay instead of adding collateral")
    budget: Share = Field(0.2, gt=0, description="most that a defence costs, of the collateral's worth")
    sells: Share = Field(0.0, description="share of closings that sell collateral; others pay from elsewhere")
    slippage: Share = Field(0.01, description="what such a sale may cost, of its worth")
    fee: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A lending protocol of the world."""
        if self.protocol is not None:
            known_name(self.protocol, world.loans, "lending protocol", (*path, "protocol"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them, a row of rules a protocol."""
        rules = np.zeros((len(setting.protocols), COLUMNS))
        for name, one in specs.items():
            for protocol in setting.world.loans if one.protocol is None else (one.protocol,):
                row = rules[setting.protocol(protocol)]
                if row[HOLDER] > 0.0:
                    raise InputError("has two kinds of owners who act", path=("actors", name, "protocol"), value=protocol,
                                     remedy="give each group a protocol of its own")
                row[:] = (one.watching, one.defend_far, one.defend, one.defend_scale, one.close_far, one.close, one.close_scale,
                          one.gain, one.spread, one.repays, one.budget, one.sells, one.slippage, one.fee, setting.holder(name))
        return Defending(rules, {setting.holder(name): name for name in specs}, setting)

    def says(self) -> str:
        """See Actor."""
        return (f"assumed: owners defend {self.defend:g} times a day at the boundary, e times less each {self.defend_scale:g} off"
                + (f", and close {self.close:g} times" if self.close else ""))


@helper
def best_leg(slot: int, p: int, first: int, last: int, index: np.ndarray, accounts: Accounts) -> tuple[int, float, float]:
    """(leg of highest value among these, its value, that of all) [USD]; leg -1: none. index: [R, P] that amounts grow with."""
    book, touched = accounts.book, accounts.touched
    g, leg, most, whole = book.signature[touched.account[slot]], -1, 0.0, 0.0
    for k in range(first, last):
        r = book.reserve[g, k]
        value = touched.amount[slot, k] * index[r, p] * accounts.price[p, r]
        whole += max(value, 0.0)
        if value > most and (k >= book.first_debt[0] or (book.seizable[g, k] and book.threshold[g, k] > 0.0)):
            leg, most = k, value
    return leg, most, whole


@kernel
def respond(picked: np.ndarray, rules: np.ndarray, kinds: np.ndarray, step: int, first_path: int, seed: np.ndarray,
            rows: Transactions, n: int, accounts: Accounts, home: np.ndarray, watch: Watch, pool: Pool) -> int:
    """Rows of those who were drawn; the number of rows then. picked: [n, 3] path, account, x; kinds: [3]; home: [protocols]."""
    book, reserves, price = accounts.book, accounts.reserves, accounts.price
    for j in range(picked.shape[0]):
        p, account, x = int(picked[j, 0]), int(picked[j, 1]), picked[j, 2]
        g, path = book.signature[account], np.uint64(first_path + p)
        number = book.protocol[g]
        of = rules[number]
        if uniform(philox(path, np.uint64(account), np.uint64(0), WATCHES, seed[0], seed[1])[0]) >= of[WATCHING]:
            continue
        word = philox(path, np.uint64(step), np.uint64(account), WHAT, seed[0], seed[1])
        defends = of[DEFEND_FAR] + fading(of[DEFEND], x, of[DEFEND_SCALE])
        closes = of[CLOSE_FAR] + fading(of[CLOSE], x, of[CLOSE_SCALE])
        slot = touch(p, account, book, watch, pool)
        first, last = book.first_debt[0], book.first_debt[0] + book.debts[g]
        c, held, collateral = best_leg(slot, p, 0, book.collaterals[g], reserves.supply_index, accounts)
        d, owed, debt = best_leg(slot, p, first, last, reserves.borrow_index, accounts)
        if c < 0 or d < 0:
            continue
        r, s = book.reserve[g, c], book.reserve[g, d]
        give, asset, get, kind, counts = 0.0, 0, 0.0, REPAY, book.threshold[g, c] * reserves.counted[book.term[g, c], p]
        if uniform(word[0]) * (defends + closes) < defends:
            normal = math.sqrt(-2.0 * log_(uniform(word[1]))) * cos_of_turn(word[2])
            gain = of[GAIN] * exp_(of[SPREAD] * normal)
            if uniform(word[3]) < of[REPAYS]:
                give, asset = min(debt * (1.0 - exp_(-gain)), owed, of[BUDGET] * collateral) / price[p, s], reserves.asset[s]
            else:
                usd = min(debt * exp_(x) * (exp_(gain) - 1.0) / counts, of[BUDGET] * collateral)
                give, asset, kind = usd / price[p, r], reserves.asset[r], ADD
        elif uniform(word[3]) >= of[SELLS]:
            give, asset = owed / price[p, s], reserves.asset[s]
        else:
            usd, asset, kind = min(owed, held / (1.0 + of[SLIPPAGE])), reserves.asset[s], SELL
            give, get = usd / price[p, s], usd * (1.0 + of[SLIPPAGE]) / price[p, r]
            rows.get_asset[n], rows.get[n], rows.most[n] = reserves.asset[r], get, give
        rows.path[n], rows.state[n], rows.ref[n], rows.actor[n] = p, OFFERED, slot, np.int64(of[HOLDER])
        rows.protocol[n], rows.network[n], rows.bid[n], rows.kind[n] = number, home[number], of[FEE], kinds[kind]
        rows.give_asset[n], rows.give[n] = asset, give
        n += 1
    return n


@kernel
def carry_out(picked: np.ndarray, adds: bool, rows: Transactions, accounts: Accounts, ledgers: Ledgers, limits: Limits,
              watch: Watch, pool: Pool) -> None:
    """Collateral is added as far as the reserve takes it in, debt repaid as far as it is owed. picked: row numbers."""
    book, reserves, touched = accounts.book, accounts.reserves, accounts.touched
    for i in picked:
        slot, p, who = rows.ref[i], rows.path[i], rows.actor[i]
        g, first, rows.state[i] = book.signature[touched.account[slot]], book.first_debt[0], REVERTED
        if adds:
            k = leg_of(rows.give_asset[i], g, 0, book.collaterals[g], book.reserve, reserves.asset)
            if not may_supply(book.reserve[g, k], p, rows.give[i], reserves, ledgers, limits):
                continue
            put_in(slot, p, book.reserve[g, k], k, rows.give[i], who, accounts, ledgers)
        else:
            k = leg_of(rows.give_asset[i], g, first, first + book.debts[g], book.reserve, reserves.asset)
            owed = touched.amount[slot, k] * reserves.borrow_index[book.reserve[g, k], p]
            if owed <= 0.0:
                continue
            rows.give[i] = pay_back(slot, p, book.reserve[g, k], k, min(rows.give[i], owed), who, accounts, ledgers)
        watch_again(slot, watch, pool)
        rows.state[i] = EXECUTED


@kernel
def find_reserves(done: np.ndarray, debt: bool, rows: Transactions, accounts: Accounts, reserve: np.ndarray) -> None:
    """The reserve of what each of these rows gave: of the account's debts, or collaterals. reserve: [done], written."""
    book, touched = accounts.book, accounts.touched
    for j in range(done.shape[0]):
        g, first = book.signature[touched.account[rows.ref[done[j]]]], book.first_debt[0]
        begin, end = (first, first + book.debts[g]) if debt else (0, book.collaterals[g])
        reserve[j] = book.reserve[g, leg_of(rows.give_asset[done[j]], g, begin, end, book.reserve, accounts.reserves.asset)]


class Paid(Kind):
    """An owner puts something into his own account out of his pocket."""

    gas: ClassVar[float] = 250_000.0
    turn: ClassVar[int] = 1
    looks: ClassVar[bool] = True
    accounts = Kind.in_slots

    def __init__(self, name: str, adds: bool, note: Callable[[State, np.ndarray], None]) -> None:
        """adds: collateral; else it repays. note: is told which rows were carried out."""
        self.name, self.adds, self.note = name, adds, note  # type: ignore[misc]

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        carry_out(picked, self.adds, state.transactions, state.accounts, state.ledgers, state.limits, state.watch, state.pool)
        self.note(state, picked[state.transactions.state[picked] == EXECUTED])


SECTION = "Owners who act before they are called"
SAID = tuple(Column(name, unit, f"{words} of {OF}", mean_of(name, f"{words} of {OF}", under=short), section=SECTION)
             for name, unit, words, short in (
    ("owners_added", "USD", "collateral added by owners, at prices seen,", "added"),
    ("owners_repaid", "USD", "debt repaid by owners from elsewhere, at prices seen,", "repaid"),
    ("owners_sold", "USD", "debt repaid by owners by selling collateral, at prices seen,", "repaid by selling"),
    ("owners_acts", "count", "additions, repayments and closings by owners", "acts")))
ACTS = 3


class Defending(Phase):
    """All of them."""

    def __init__(self, rules: np.ndarray, names: Mapping[int, str], setting: Setting) -> None:
        """rules: [protocols, COLUMNS]; names: of the actors, by their rows of the token ledger."""
        self.rules, self.names, self.homes = rules, names, np.array(setting.homes, np.int64)
        far, near = (rules[:, DEFEND_FAR] + rules[:, CLOSE_FAR]) / DAY, rules[:, [DEFEND, CLOSE]] / DAY
        scale = np.where(rules[:, [DEFEND_SCALE, CLOSE_SCALE]] > 0.0, rules[:, [DEFEND_SCALE, CLOSE_SCALE]], 1.0)
        self.hazards = np.column_stack([far, near[:, 0], scale[:, 0], near[:, 1], scale[:, 1]])
        self.drawn = np.zeros((64, 3))
        self.said = np.zeros((ACTS + 1, len(names), setting.paths))
        self.paid = (Paid("defence", True, lambda state, done: self.note(state, done, ADD)),
                     Paid("own_repayment", False, lambda state, done: self.note(state, done, REPAY)))
        self.close = Close(lambda state, done: self.note(state, done, SELL))

    def kinds(self) -> Sequence[Kind]:
        """Adding, repaying, and repaying out of collateral."""
        return (*self.paid, self.close)

    def offer(self, state: State) -> None:
        """In the first block of a step."""
        if state.block != 1:
            return
        enter_slots(state)
        price_all(state)
        n = self.draw(state)
        if n > len(self.drawn):
            self.drawn = np.zeros((2 * n, 3))
            n = self.draw(state)
        if n:
            state.room_for_slots(int(state.watch.counts[SLOTS]) + n)
            state.room_for_rows(n)
            kinds = np.array([kind.number for kind in self.kinds()], np.int64)
            state.n_rows = respond(self.drawn[:n], self.rules, kinds, state.step, state.first_path, state.seed,
                                   state.transactions, state.n_rows, state.accounts, self.homes, state.watch, state.pool)

    def draw(self, state: State) -> int:
        """Fill self.drawn with who acts in this step; how many they are."""
        return draw(state.step, state.step_length, state.first_path, state.seed, WHO, self.hazards, state.active, state.index,
                    state.seen, state.accounts, state.watch, self.drawn)

    def note(self, state: State, done: np.ndarray, kind: int) -> None:
        """Add up what was done. done: row numbers."""
        rows, reserve = state.transactions, np.zeros(len(done), np.int64)
        find_reserves(done, kind != ADD, rows, state.accounts, reserve)
        actor, path = np.searchsorted(list(self.names), rows.actor[done]), rows.path[done]
        np.add.at(self.said[kind], (actor, path), rows.give[done] * state.seen.price[path, reserve])
        np.add.at(self.said[ACTS], (actor, path), 1.0)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(column, self.said[k, i].copy(), of=name, place=f"actors.{name}")
                for i, name in enumerate(self.names.values()) for k, column in enumerate(SAID)]

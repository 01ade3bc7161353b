"""Auto-deleveraging: winners on the other side are closed against a position that nobody else can close.

Source, rule by rule: core/adl.py (exchanges' published scores; pro-rata rules of Chitra, arXiv 2512.01112). At the
bankruptcy price the fallen account ends with nothing and owes nothing: what it lacks is the winners' haircut.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.adl import RULES
from delever.core.exchange_tables import ADL, Closings, Fallen, Safety
from delever.core.jit import allocates, helper, kernel
from delever.core.margin import book_deficit, close_leg, equity_of, move_cash, sell_collateral, vault_of
from delever.core.state import Pool, State, Watch
from delever.core.tables import CASH, SLOTS, TREASURY, Accounts, BookTables, Ledgers, Liquidity, Moment, Records, Touched
from delever.core.touch import enter_slots
from delever.core.vault import close_of_vault, finish_vault, holds_position
from delever.model.errors import InputError
from delever.model.quantity import Share
from delever.waterfall.base import Layer, LayerPhase, Served
from delever.waterfall.winners import AdlRules, Candidates, Unclosed, choose, close_winners, note_round

ROUNDING = 1e-12  # of the notional closed: a debt below that is what closing at the bankruptcy price loses in digits
HALT_LEG, HALT_EQUITY, HALT_NOTIONAL, HALT_ROOM = range(4)  # ROOM: of slots and closings that are wanted, 0: none


class Scratch(NamedTuple):
    """What one call of `deleverage` works with."""

    found: Candidates
    halt: np.ndarray  # [4] where it stopped for want of room (HALT_*)


class Adl(Layer):
    """Fallen accounts' positions are closed against healthy accounts on the other side, by a rule.

    All at once, without notice (assumption; exchanges do it one order at a time). Which rule an exchange follows is published by
    some (hyperliquid, binance), read from its feed for hyperliquid_v2 (estimate), and a proposal of the paper for the others.
    """

    kind: ClassVar[str] = "adl"
    exchanges_only: ClassVar[bool] = True
    rule: Literal["hyperliquid", "hyperliquid_v2", "binance", "wealth_pro_rata", "contract_pro_rata", "capped_pro_rata"] = Field(
        "hyperliquid", description="who is closed, and by how much")
    price: Literal["bankruptcy", "mark"] = Field("bankruptcy", description="price at which winners are closed")
    cap: Share = Field(1.0, gt=0, description="share of a position that may be closed at once; rule capped_pro_rata")

    @model_validator(mode="after")
    def _cap_has_its_rule(self) -> Self:
        if self.cap < 1.0 and self.rule != "capped_pro_rata":
            raise InputError(f"is {self.cap:g}", path=("cap",), value=self.cap,
                             remedy=f"{self.rule} closes whole positions: leave it out, or set rule: capped_pro_rata")
        return self

    def compile(self, number: int, step_length: float) -> AdlPhase:
        """The layer of the exchange of that number. step_length: not used."""
        return AdlPhase(number, RULES.index(self.rule), self.price == "bankruptcy", self.cap)


@helper
def finish(slot: int, p: int, g: int, notional: float, accounts: Accounts, liquidity: Liquidity, ledgers: Ledgers) -> None:
    """An account without positions: its collateral is sold, what it then owes is booked; lost digits are the treasury's."""
    touched, book = accounts.touched, accounts.book
    sell_collateral(slot, p, g, True, accounts, liquidity, ledgers)
    cash = touched.amount[slot, 0]
    if cash < 0.0 and -cash <= ROUNDING * notional:
        move_cash(slot, p, g, -cash, touched, book, ledgers)
        touched.amount[slot, 0] = 0.0
        ledgers.booked[TREASURY, book.reserve[g, 0], p] += cash
    book_deficit(slot, p, g, touched, book, ledgers)


@helper
def has_position(slot: int, g: int, touched: Touched, book: BookTables) -> bool:
    """Whether an account has a position left."""
    some = False
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        some = some or touched.amount[slot, k] != 0.0
    return some


@helper
def whose_turn(j: int, fallen: Fallen, number: int, accounts: Accounts, safety: Safety) -> tuple[int, int]:
    """(path, slot) of entry j: a fallen account, or with slot -1 the fallen vault of path j - n; path -1: nobody."""
    touched, book, active = accounts.touched, accounts.book, fallen.active
    if j < fallen.n:
        slot = int(fallen.slot[j])
        if slot < 0:
            return -1, -1
        p = int(touched.path[slot])
        mine = book.protocol[book.signature[touched.account[slot]]] == number
        return (p, slot) if active[p] and mine else (-1, -1)
    p = j - fallen.n
    if not active[p] or not holds_position(number, p, accounts.margins, safety):
        return -1, -1
    fell = vault_of(number, p, safety.vault, -1, book.signature[0], accounts)[0] < 0.0
    return (p, -1) if fell else (-1, -1)


@kernel
@allocates
def deleverage(start: int, fallen: Fallen, rules: AdlRules, now: Moment, accounts: Accounts, watch: Watch, pool: Pool,
               liquidity: Liquidity, records: Records, closings: Closings, n_closings: int, scratch: Scratch
               ) -> tuple[int, int]:
    """Fallen accounts in the order called, then fallen vaults by path: (entry that wants more room, or the end; closings).

    start: entry to begin with. scratch.halt says where that entry stood, so that it goes on with its own equity and
    notional.
    """
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    safety, tally, number, found, halt = records.safety, records.tally, rules.number, scratch.found, scratch.halt
    end_of_list = fallen.n + fallen.active.shape[0]
    whole = end_of_list if safety.backed[number] >= 0.0 else fallen.n
    for j in range(start, whole):
        p, slot = whose_turn(j, fallen, number, accounts, safety)
        if p < 0:
            continue
        is_vault, g = slot < 0, book.signature[touched.account[max(slot, 0)]]
        begin = int(margins.first[number] if is_vault else book.first_debt[0])
        end = int(margins.first[number + 1] if is_vault else begin + book.debts[g])
        resumed, equity, notional = j == start and halt[HALT_ROOM] > 0.0, 0.0, 0.0
        if resumed:
            equity, notional = halt[HALT_EQUITY], halt[HALT_NOTIONAL]
        elif is_vault:
            tally.called[p] += 1  # the path takes part in the next block
        else:
            equity = equity_of(slot, p, g, touched.amount, book, margins, price)[0]
            for k in range(begin, end):
                notional += abs(touched.amount[slot, k]) * price[p, book.reserve[g, k]]
        for k in range(int(halt[HALT_LEG]) if resumed else begin, end):
            r = k if is_vault else int(book.reserve[g, k])
            q = safety.vault[r, p] if is_vault else touched.amount[slot, k]
            if q == 0.0 or not margins.perp[r]:
                continue
            x, side = price[p, r], 1.0 if q > 0.0 else -1.0
            if rules.at_bankruptcy and not is_vault:
                x -= side * x * equity / notional
            out = Unclosed(p, r, q, x, (x - price[p, r]) * side)
            n, winners, closed = choose(out, rules, accounts, watch, found)
            if winners > min(pool.due.shape[0] - watch.counts[SLOTS], closings.path.shape[0] - n_closings):
                halt[HALT_LEG], halt[HALT_EQUITY], halt[HALT_NOTIONAL], halt[HALT_ROOM] = k, equity, notional, winners
                return j, n_closings
            if closed < abs(q):
                safety.dry[ADL, number, p] = min(safety.dry[ADL, number, p], now.time)
            if not is_vault:
                needed = max(-equity, 0.0) * abs(q) * price[p, r] / notional
                note_round(n, p, number, out.loss, needed, margins.in_usd[number, p], found.terms, safety)
            if closed == 0.0:
                continue
            d = side * closed
            n_closings = close_winners(n, closed, out, found, number, now.step, accounts, watch, pool, records, closings,
                                       n_closings)
            safety.first[1, number, p] = min(safety.first[1, number, p], now.time)
            if is_vault:
                close_of_vault(number, p, r, d, d * x, CASH, accounts, records)
            else:
                close_leg(slot, p, g, k, d, x, CASH, accounts, records.ledgers)
        if is_vault:
            if not holds_position(number, p, margins, safety):
                finish_vault(number, p, accounts, liquidity, records)
        elif not has_position(slot, g, touched, book):
            finish(slot, p, g, notional, accounts, liquidity, records.ledgers)
            fallen.slot[j] = -1
    return end_of_list, n_closings


def new_scratch(holders: int) -> Scratch:
    """Room for so many candidates."""
    return Scratch(Candidates(np.zeros((2, holders), np.int64), np.zeros((4, holders))), np.zeros(4))


class AdlPhase(LayerPhase):
    """Auto-deleveraging on one exchange, ready to run."""

    serves = Served(ADL, "adl", "ADL", "haircuts that auto-deleveraging imposed on winners",
                    "auto-deleveraging found too few positions on the other side")

    def __init__(self, number: int, rule: int, at_bankruptcy: bool, cap: float) -> None:
        """rule: number of the rule in core.adl.RULES; cap: share of a winner's position."""
        super().__init__(number)
        self.rules = AdlRules(number, rule, at_bankruptcy, cap)
        self.scratch = new_scratch(0)  # of the holders of the perp with most, made when first needed

    def absorb(self, state: State) -> None:
        """At the end of a block: fallen accounts in the order called, then a fallen vault."""
        if not state.n_fallen and state.safety.backed[self.number] < 0.0:
            return
        if not self.scratch.found.who.shape[1]:
            begin, end = state.margins.first[self.number:self.number + 2]
            most = int(np.diff(state.margins.position_first[begin:end + 1]).max(initial=0))
            self.scratch = new_scratch(max(most, 1))
        enter_slots(state)
        done, whole, halt = 0, state.n_fallen + state.paths, self.scratch.halt
        halt[:] = 0.0
        while done < whole:
            done, state.n_closings = deleverage(
                done, state.below_zero, self.rules, state.now, state.accounts, state.watch, state.pool, state.liquidity,
                state.records, state.closings, state.n_closings, self.scratch)
            if done < whole:
                state.room_for_slots(int(state.watch.counts[SLOTS]) + int(halt[HALT_ROOM]))
                state.room_for_closings(int(halt[HALT_ROOM]))

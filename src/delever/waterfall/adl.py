"""Auto-deleveraging: winners on the other side are closed against a position that nobody else can close.

Rules and their sources: core/adl.py (exchanges' published scores; pro-rata rules of Chitra, arXiv 2512.01112). At the
bankruptcy price the fallen account ends with nothing and owes nothing: what it lacks is the winners' haircut.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.adl import CAPPED_PRO_RATA, RULES, fill_pro_rata, fill_queue, is_queue, score
from delever.core.jit import helper, kernel
from delever.core.margin import book_deficit, close_leg, equity_of, move_cash, sell_collateral, vault_of
from delever.core.profile import Profiles
from delever.core.state import Flows, Markets, Pool, State, Tally, Tree, Watch
from delever.core.tables import (
    ADL,
    CASH,
    COVERABILITY,
    DEPOSITS,
    FUNDING,
    OVERSHOOT,
    QUEUED,
    SLOTS,
    TREASURY,
    UNFAIRNESS,
    BookTables,
    Closings,
    Ledgers,
    Margins,
    Reserves,
    Safety,
    Touched,
)
from delever.core.touch import enter_slots, slot_of, touch
from delever.core.vault import close_of_vault, finish_vault, holds_position
from delever.model.errors import InputError
from delever.model.quantity import Share
from delever.waterfall.base import Layer, LayerPhase, Served

BEARABLE = 0.999  # share of a winner's equity that his haircut may take: he does not fall by it
ROUNDING = 1e-12  # of the notional closed: a debt below that is what closing at the bankruptcy price loses in digits
ACCOUNT, LEG = range(2)  # rows of AdlPhase.who
SCORE, SIZE, CLOSED, PROFIT = range(4)  # rows of AdlPhase.terms
HALT_LEG, HALT_EQUITY, HALT_NOTIONAL, HALT_ROOM = range(4)  # ROOM: of slots and closings that are wanted, 0: none


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
def candidates(p: int, r: int, q: float, loss: float, rule: int, cap: float, touched: Touched, book: BookTables,
               margins: Margins, watch: Watch, price: np.ndarray, who: np.ndarray, terms: np.ndarray) -> int:
    """Healthy accounts on the other side of q units of perp r, in the book's order: their number. Sales who and terms.

    loss: what closing a unit costs them [USD]; nobody closes more than his equity bears.
    """
    n, mark, paid = 0, price[p, r], margins.paid[r, p]
    for h in range(margins.position_first[r], margins.position_first[r + 1]):
        account, k = int(margins.position_account[h]), int(margins.position_leg[h])
        slot, g = slot_of(p, account, watch), book.signature[account]
        held = touched.amount[slot, k] if slot >= 0 else book.amount[account, k]
        if held == 0.0 or (held > 0.0) == (q > 0.0):
            continue
        if slot >= 0:
            cost = touched.cost[slot, k]
            equity, margin = equity_of(slot, p, g, touched.amount, book, margins, price)
        else:
            cost = book.cost[account, k]
            equity, margin = equity_of(account, p, g, book.amount, book, margins, price)
        if equity >= margin:
            who[ACCOUNT, n], who[LEG, n] = account, k
            terms[SCORE, n] = score(rule, held, mark, paid, cost, equity)
            terms[SIZE, n] = cap * abs(held) if rule == CAPPED_PRO_RATA else abs(held)
            if terms[SIZE, n] * loss > BEARABLE * equity:
                terms[SIZE, n] = BEARABLE * equity / loss
            terms[PROFIT, n] = max(held * (mark - paid) - cost, 0.0)
            n += 1
    return n


@helper
def choose(p: int, r: int, q: float, loss: float, rule: int, cap: float, touched: Touched, book: BookTables,
           margins: Margins, watch: Watch, price: np.ndarray, who: np.ndarray, terms: np.ndarray) -> tuple[int, int, float]:
    """Who closes how much against q units of perp r: (candidates, how many of them close something, units closed in all)."""
    n = candidates(p, r, q, loss, rule, cap, touched, book, margins, watch, price, who, terms)
    if is_queue(rule):
        closed = fill_queue(n, terms[SCORE], terms[SIZE], abs(q), terms[CLOSED])
    else:
        closed = fill_pro_rata(n, terms[SCORE], terms[SIZE], abs(q), terms[CLOSED])
    winners = 0
    for i in range(n):
        winners += terms[CLOSED, i] > 0.0
    return n, winners, closed


@helper
def close_winners(n: int, closed: float, p: int, r: int, q: float, x: float, number: int, step: int, time: float,
                  book: BookTables, reserves: Reserves, margins: Margins, watch: Watch, pool: Pool, ledgers: Ledgers,
                  flows: Flows, safety: Safety, closings: Closings, n_closings: int, price: np.ndarray, who: np.ndarray,
                  terms: np.ndarray) -> int:
    """Close the chosen against q units of perp r at x [USD]; the number of closings by then.

    The side of q is the caller's: cash of the exchange stands between the two.
    """
    mark, paid, amount, cost = price[p, r], margins.paid[r, p], pool.touched.amount, pool.touched.cost
    cash, units, usd, lost = margins.cash[number], 0.0, 0.0, 0.0
    seen, slot_at, flags = watch.copied, watch.slot_of, pool.touched.flags
    path, at, account, reserve, closed_units, closed_at, haircut = closings
    for i in range(n):
        if terms[CLOSED, i] == 0.0:
            continue
        d, k = -terms[CLOSED, i] if q > 0.0 else terms[CLOSED, i], who[LEG, i]
        slot = slot_at[p, who[ACCOUNT, i]] if seen[p, who[ACCOUNT, i] >> 6] >> (who[ACCOUNT, i] & 63) & 1 else -1
        if slot < 0 or flags[slot] & QUEUED == 0:  # else it is known and due already: a call would cost more than the rest
            slot = touch(p, who[ACCOUNT, i], book, watch, pool)
        held = amount[slot, k]
        cost[slot, k] -= cost[slot, k] if d == held else cost[slot, k] * (d / held)
        amount[slot, k] = 0.0 if d == held else held - d
        amount[slot, 0] += d * x - d * paid
        path[n_closings], at[n_closings], account[n_closings], reserve[n_closings] = p, step, who[ACCOUNT, i], r
        closed_units[n_closings], closed_at[n_closings], haircut[n_closings] = d, x, d * (mark - x)
        n_closings += 1
        units, usd, lost = units + d, usd + (d * x - d * paid), lost + d * (mark - x)
    ledgers.scaled[1, r, p] -= units  # as core/margin.py's close_leg, for all of them at once
    ledgers.booked[DEPOSITS, r, p] -= units
    ledgers.scaled[0, cash, p] += usd
    ledgers.booked[DEPOSITS, cash, p] += usd
    ledgers.tokens[CASH, 0, p] -= units * paid
    ledgers.tokens[FUNDING, 0, p] += units * paid
    ledgers.turnover[reserves.asset[r], p] += closed
    ledgers.turnover[0, p] += abs(closed * x)
    flows.deleveraged[r, p] += closed * mark
    flows.haircut[r, p] += lost
    safety.served[ADL, number, p] += lost
    safety.first[1, number, p] = min(safety.first[1, number, p], time)
    return n_closings


@helper
def note_round(n: int, p: int, number: int, loss: float, needed: float, terms: np.ndarray, safety: Safety) -> None:
    """How the closing of one position fitted the deficit that it was to raise, as analysis/adl.py measures it.

    overshoot |H - B|, unfairness |max h - min(B / U, 1)| B, coverability U / B, with U the profits of all candidates, H the
    sum and h the shares of them that were taken. loss: what closing a unit cost [USD]; needed: B [USD].
    """
    capacity, raised, highest = 0.0, 0.0, 0.0
    for i in range(n):
        profit, haircut = terms[PROFIT, i], terms[CLOSED, i] * loss
        capacity += profit
        raised += haircut
        if profit > 0.0:
            highest = max(highest, haircut / profit)
    safety.rounds[OVERSHOOT, number, p] += abs(raised - needed)
    if needed > 0.0:
        fairest = min(needed / capacity, 1.0) if capacity > 0.0 else 0.0
        safety.rounds[UNFAIRNESS, number, p] += abs(highest - fairest) * needed
        safety.rounds[COVERABILITY, number, p] = min(safety.rounds[COVERABILITY, number, p], capacity / needed)


@helper
def finish(slot: int, p: int, g: int, notional: float, touched: Touched, book: BookTables, reserves: Reserves, tree: Tree,
           profiles: Profiles, markets: Markets, ledgers: Ledgers, price: np.ndarray) -> None:
    """An account without positions: its collateral is sold, what it then owes is booked; lost digits are the treasury's."""
    sell_collateral(slot, p, g, True, touched, book, reserves, tree, profiles, markets, ledgers, price)
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
def whose_turn(j: int, fallen: np.ndarray, n_fallen: int, number: int, active: np.ndarray, touched: Touched,
               book: BookTables, margins: Margins, safety: Safety, price: np.ndarray) -> tuple[int, int]:
    """(path, slot) of entry j: a fallen account, or with slot -1 the fallen vault of path j - n_fallen; path -1: nobody."""
    if j < n_fallen:
        slot = int(fallen[j])
        if slot < 0:
            return -1, -1
        p = int(touched.path[slot])
        mine = book.protocol[book.signature[touched.account[slot]]] == number
        return (p, slot) if active[p] and mine else (-1, -1)
    p = j - n_fallen
    if not active[p] or not holds_position(number, p, margins, safety):
        return -1, -1
    fell = vault_of(number, p, safety.vault, margins, price, -1, book.signature[0], touched.amount, book)[0] < 0.0
    return (p, -1) if fell else (-1, -1)


@kernel
def deleverage(start: int, fallen: np.ndarray, n_fallen: int, number: int, rule: int, at_bankruptcy: bool, cap: float,
               step: int, time: float, active: np.ndarray, book: BookTables, reserves: Reserves, margins: Margins,
               watch: Watch, pool: Pool, tree: Tree, profiles: Profiles, markets: Markets, ledgers: Ledgers, flows: Flows,
               safety: Safety, tally: Tally, closings: Closings, n_closings: int, price: np.ndarray, who: np.ndarray,
               terms: np.ndarray, halt: np.ndarray) -> tuple[int, int]:
    """Fallen accounts in the order called, then fallen vaults by path: (entry that wants more room, or the end; closings).

    start: entry to begin with; price: [P, R] seen; active: [P]; who: [2, holders], terms: [4, holders] scratch;
    halt: [4] where that entry stood (HALT_*), so that it goes on with its own equity and notional.
    """
    touched = pool.touched
    whole = n_fallen + active.shape[0] if safety.backed[number] >= 0.0 else n_fallen
    for j in range(start, whole):
        p, slot = whose_turn(j, fallen, n_fallen, number, active, touched, book, margins, safety, price)
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
            if at_bankruptcy and not is_vault:
                x -= side * x * equity / notional
            loss = (x - price[p, r]) * side
            n, winners, closed = choose(p, r, q, loss, rule, cap, touched, book, margins, watch, price, who, terms)
            if winners > min(pool.due.shape[0] - watch.counts[SLOTS], closings.path.shape[0] - n_closings):
                halt[HALT_LEG], halt[HALT_EQUITY], halt[HALT_NOTIONAL], halt[HALT_ROOM] = k, equity, notional, winners
                return j, n_closings
            if closed < abs(q):
                safety.dry[ADL, number, p] = min(safety.dry[ADL, number, p], time)
            if not is_vault:
                needed = max(-equity, 0.0) * abs(q) * price[p, r] / notional
                note_round(n, p, number, loss, needed, terms, safety)
            if closed == 0.0:
                continue
            d = side * closed
            n_closings = close_winners(n, closed, p, r, q, x, number, step, time, book, reserves, margins, watch, pool,
                                       ledgers, flows, safety, closings, n_closings, price, who, terms)
            if is_vault:
                close_of_vault(number, p, r, d, d * x, CASH, reserves, margins, safety, ledgers)
            else:
                close_leg(slot, p, g, k, d, x, CASH, touched, book, reserves, margins, ledgers)
        if is_vault:
            if not holds_position(number, p, margins, safety):
                finish_vault(number, p, reserves, margins, safety, tree, profiles, markets, ledgers)
        elif not has_position(slot, g, touched, book):
            finish(slot, p, g, notional, touched, book, reserves, tree, profiles, markets, ledgers, price)
            fallen[j] = -1
    return n_fallen + active.shape[0], n_closings


class AdlPhase(LayerPhase):
    """Auto-deleveraging on one exchange, ready to run."""

    serves = Served(ADL, "adl", "ADL", "haircuts that auto-deleveraging imposed on winners",
                    "auto-deleveraging found too few positions on the other side")

    def __init__(self, number: int, rule: int, at_bankruptcy: bool, cap: float) -> None:
        """rule: number of the rule in core.adl.RULES; cap: share of a winner's position."""
        super().__init__(number)
        self.rule, self.at_bankruptcy, self.cap = rule, at_bankruptcy, cap
        self.who = np.zeros((2, 0), np.int64)  # [2, holders of the perp with most], made when first needed
        self.terms = np.zeros((4, 0))

    def absorb(self, state: State) -> None:
        """At the end of a block: fallen accounts in the order called, then a fallen vault."""
        if not state.n_fallen and state.safety.backed[self.number] < 0.0:
            return
        if not self.who.shape[1]:
            begin, end = state.margins.first[self.number:self.number + 2]
            most = max(int(np.diff(state.margins.position_first[begin:end + 1]).max(initial=0)), 1)
            self.who, self.terms = np.zeros((2, most), np.int64), np.zeros((4, most))
        enter_slots(state)
        done, whole, halt = 0, state.n_fallen + state.paths, np.zeros(4)
        while done < whole:
            done, state.n_closings = deleverage(
                done, state.fallen, state.n_fallen, self.number, self.rule, self.at_bankruptcy, self.cap, state.step,
                state.time, state.active, state.book, state.reserves, state.margins, state.watch, state.pool, state.tree,
                state.profiles, state.markets, state.ledgers, state.flows, state.safety, state.tally, state.closings,
                state.n_closings, state.seen.price, self.who, self.terms, halt)
            if done < whole:
                state.room_for_slots(int(state.watch.counts[SLOTS]) + int(halt[HALT_ROOM]))
                state.room_for_closings(int(halt[HALT_ROOM]))

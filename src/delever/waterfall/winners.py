"""Who is closed against a position that nobody else can close, and closing him in double entry.

Rules and their sources: core/adl.py. waterfall/adl.py says which positions these are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.adl import CAPPED_PRO_RATA, fill_pro_rata, fill_queue, is_queue, score
from delever.core.exchange_tables import ADL, COVERABILITY, FAIRNESS_REGRET, OVERSHOOT, Closings, Safety
from delever.core.jit import allocates, helper
from delever.core.margin import equity_of
from delever.core.state import Pool, Watch
from delever.core.tables import CASH, DEPOSITS, FUNDING, QUEUED, Accounts, Records
from delever.core.touch import slot_of, touch

BEARABLE = 0.999  # share of a winner's equity that his haircut may take: he does not fall by it
ACCOUNT, LEG = range(2)  # rows of Candidates.who
SCORE, SIZE, CLOSED, PROFIT = range(4)  # rows of Candidates.terms


class AdlRules(NamedTuple):
    """What an exchange's auto-deleveraging goes by."""

    number: int  # of the exchange
    rule: int  # place in core.adl.RULES
    at_bankruptcy: bool  # closed at the bankruptcy price, else at the mark
    cap: float  # share of a winner's position that may be closed at once


class Unclosed(NamedTuple):
    """A position that winners on the other side are to close."""

    path: int
    reserve: int  # of the perp
    units: float  # signed
    price: float  # at which [the exchange's unit]
    loss: float  # what closing one costs the winner against the mark [the exchange's unit]


class Candidates(NamedTuple):
    """Scratch: who stands on the other side of a perp."""

    who: np.ndarray  # [2, holders] account, leg
    terms: np.ndarray  # [4, holders] score, size, closed, profit


@helper
def candidates(out: Unclosed, rules: AdlRules, accounts: Accounts, watch: Watch, found: Candidates) -> int:
    """Healthy accounts on the other side of a position, in the book's order: their number. Fills `found`.

    Nobody closes more than his equity bears.
    """
    p, r, q, loss = out.path, out.reserve, out.units, out.loss
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    who, terms, capped = found.who, found.terms, rules.rule == CAPPED_PRO_RATA
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
            terms[SCORE, n] = score(rules.rule, held, mark, paid, cost, equity)
            terms[SIZE, n] = rules.cap * abs(held) if capped else abs(held)
            if terms[SIZE, n] * loss > BEARABLE * equity:
                terms[SIZE, n] = BEARABLE * equity / loss
            terms[PROFIT, n] = max(held * (mark - paid) - cost, 0.0)
            n += 1
    return n


@helper
@allocates
def choose(out: Unclosed, rules: AdlRules, accounts: Accounts, watch: Watch, found: Candidates) -> tuple[int, int, float]:
    """Who closes how much of a position: (candidates, how many of them close something, units closed in all)."""
    n, terms, wanted = candidates(out, rules, accounts, watch, found), found.terms, abs(out.units)
    if is_queue(rules.rule):
        closed = fill_queue(n, terms[SCORE], terms[SIZE], wanted, terms[CLOSED])
    else:
        closed = fill_pro_rata(n, terms[SCORE], terms[SIZE], wanted, terms[CLOSED])
    winners = 0
    for i in range(n):
        winners += terms[CLOSED, i] > 0.0
    return n, winners, closed


@helper
def close_winners(n: int, closed: float, out: Unclosed, found: Candidates, number: int, step: int, accounts: Accounts,
                  watch: Watch, pool: Pool, records: Records, closings: Closings, n_closings: int) -> int:
    """Close the chosen against a position; the number of closings by then. closed: units in all.

    The side of the position is the caller's: cash of the exchange stands between the two.
    """
    p, r, q, x, who, terms = out.path, out.reserve, out.units, out.price, found.who, found.terms
    book, ledgers, flows = accounts.book, records.ledgers, records.flows
    mark, paid, amount, cost = accounts.price[p, r], accounts.margins.paid[r, p], pool.touched.amount, pool.touched.cost
    cash, units, worth, lost = accounts.margins.cash[number], 0.0, 0.0, 0.0
    in_usd = accounts.margins.in_usd[number, p]
    seen, slot_at, flags = watch.copied, watch.slot_of, pool.touched.flags
    path, at, account, reserve, closed_units, closed_at, haircut, dollars = closings
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
        dollars[n_closings] = in_usd
        n_closings += 1
        units, worth, lost = units + d, worth + (d * x - d * paid), lost + d * (mark - x)
    ledgers.scaled[1, r, p] -= units  # as core/margin.py's close_leg, for all of them at once
    ledgers.size[r, p] -= closed
    ledgers.booked[DEPOSITS, r, p] -= units
    ledgers.scaled[0, cash, p] += worth
    ledgers.booked[DEPOSITS, cash, p] += worth
    unit = accounts.reserves.asset[cash]
    ledgers.tokens[CASH, unit, p] -= units * paid
    ledgers.tokens[FUNDING, unit, p] += units * paid
    ledgers.turnover[accounts.reserves.asset[r], p] += closed
    ledgers.turnover[unit, p] += abs(closed * x)
    flows.deleveraged[r, p] += closed * mark * in_usd
    flows.haircut[r, p] += lost * in_usd
    records.safety.served[ADL, number, p] += lost * in_usd
    return n_closings


@helper
def note_round(n: int, p: int, number: int, loss: float, needed: float, in_usd: float, terms: np.ndarray, safety: Safety) -> None:
    """How the closing of one position fitted the deficit that it was to raise, as analysis/adl.py measures it.

    overshoot |H - B|, fairness_regret |max h - min(B / U, 1)| B, coverability U / B, with U the profits of all candidates, H the
    sum and h the shares of them that were taken. loss: what closing a unit cost; needed: B [unit]; in_usd: the unit [USD].
    """
    capacity, raised, highest = 0.0, 0.0, 0.0
    for i in range(n):
        profit, haircut = terms[PROFIT, i], terms[CLOSED, i] * loss
        capacity += profit
        raised += haircut
        if profit > 0.0:
            highest = max(highest, haircut / profit)
    safety.rounds[OVERSHOOT, number, p] += abs(raised - needed) * in_usd
    if needed > 0.0:
        fairest = min(needed / capacity, 1.0) if capacity > 0.0 else 0.0
        safety.rounds[FAIRNESS_REGRET, number, p] += abs(highest - fairest) * needed * in_usd
        safety.rounds[COVERABILITY, number, p] = min(safety.rounds[COVERABILITY, number, p], capacity / needed)

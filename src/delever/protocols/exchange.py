"""A margin engine: accounts below their maintenance margin are closed by the exchange itself, in stages.

Stages are a list; an account gets the last stage of the list with equity < below x maintenance margin. `market` sends orders
to the book, down to a limit price, in parts with a cool-down; `flat` closes at the mark less a fixed slippage; `backstop` (or
`transfer`) hands the whole account to the exchange's vault. hyperliquid.py and binance.py are presets of this.
Source: docs/design.md, "Margin exchanges"; the fillable price is dYdX v4's.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from delever.core.jit import helper, kernel
from delever.core.maintenance import maintenance
from delever.core.margin import (
    close_leg,
    close_on_book,
    equity_of,
    move_cash,
    note_closing,
    sell_collateral,
    take_over,
)
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, LIQUIDATIONS
from delever.core.state import State
from delever.core.tables import HIT, MAKERS, TREASURY, Accounts, BookTables, Ledgers, Liquidity, Records, Touched
from delever.model.quantity import Seconds, Share, Usd
from delever.model.spec import Spec
from delever.protocols.margin import ExchangePhase, ExchangeRules

MARKET, FLAT, BACKSTOP = range(3)
NO_LIMIT, BANKRUPTCY, FILLABLE = range(3)
KIND, BELOW, ABOVE, SHARE, COOLDOWN, LIMIT, FEE, SLIPPAGE = range(8)  # columns of the table of stages
CHARGEABLE = 0.999  # share of equity that a fee may take
SPREAD = 1.5  # dYdX v4: spread to maintenance margin ratio


class Stage(Spec):
    """One way of closing an account, and when it is used."""

    stage: Literal["market", "flat", "backstop", "transfer"] = Field(description="how the account is closed")
    below: Share = Field(1.0, gt=0, description="used while equity is below this share of the maintenance margin")
    partial_above: Usd | None = Field(None, gt=0, description="a position worth more than this goes in parts; null: none; market")
    partial_share: Share = Field(0.2, gt=0, le=1, description="share of such a position that one order closes; market")
    cooldown: Seconds = Field(30.0, ge=0, description="time after a partial order in which orders are whole; market")
    limit: Literal["none", "bankruptcy", "fillable"] = Field("none", description="price beyond which nothing is sold; market")
    fee: Share = Field(0.0, ge=0, lt=1, description="liquidation fee, share of the notional closed; market, flat")
    slippage: Share = Field(0.0, ge=0, lt=1, description="loss against the mark; flat")

    def row(self) -> list[float]:
        """Its row in the table of stages."""
        kind = {"market": MARKET, "flat": FLAT}.get(self.stage, BACKSTOP)
        limit = ("none", "bankruptcy", "fillable").index(self.limit)
        above = np.inf if self.partial_above is None else self.partial_above
        return [kind, self.below, above, self.partial_share, self.cooldown, limit, self.fee, self.slippage]


class Exchange(ExchangeRules):
    """A margin engine put together from stages."""

    kind: ClassVar[str] = "exchange"
    stages: tuple[Stage, ...] = Field((Stage(stage="market"),), min_length=1, description="from the first resort to the last")

    def compile(self, number: int) -> StagedPhase:
        """The engine of the exchange of that number."""
        return StagedPhase(number, np.array([stage.row() for stage in self.stages]))


@helper
def limit_price(kind: float, q: float, mark: float, equity: float, margin: float, own: float) -> float:
    """The price [unit] beyond which a position of q units is not closed. margin: of the account; own: of the position.

        bankruptcy  m - E / q            fillable  m - A spread own / q,  A = clamp(1 - E / M, 0, 1)
    """
    if kind == NO_LIMIT:
        return 0.0 if q > 0.0 else np.inf
    if kind == BANKRUPTCY:
        limit = mark - equity / q
    else:
        limit = mark - min(max(1.0 - equity / margin, 0.0), 1.0) * SPREAD * own / q
    return max(limit, 0.0)


@helper
def largest_leg(slot: int, p: int, g: int, done: int, accounts: Accounts) -> int:
    """The position of highest maintenance margin whose bit is not set in `done`, the first of equals; -1: none left."""
    amount, book, margins, price = accounts.touched.amount, accounts.book, accounts.margins, accounts.price
    best, leg, first = -1.0, -1, book.first_debt[0]
    for k in range(first, first + book.debts[g]):
        q = amount[slot, k]
        if q != 0.0 and (done >> (k - first)) & 1 == 0:
            r = book.reserve[g, k]
            mm = margins.counted[r, p] * maintenance(q, price[p, r], r, margins)
            if mm > best:
                best, leg = mm, k
    return leg


@helper
def charge(slot: int, p: int, g: int, fee: float, equity: float, touched: Touched, book: BookTables, ledgers: Ledgers
           ) -> None:
    """A liquidation fee [unit], as far as equity goes; to the treasury, which feeds the fund where there is one.

    It leaves a thousandth of equity, so that it is never rounding that decides whether the account is below zero.
    """
    paid = min(fee, CHARGEABLE * max(equity, 0.0))
    if paid > 0.0:
        move_cash(slot, p, g, -paid, touched, book, ledgers)
        ledgers.booked[TREASURY, book.reserve[g, 0], p] += paid


@helper
def market_orders(slot: int, p: int, g: int, stage: np.ndarray, time: float, accounts: Accounts, liquidity: Liquidity,
                  records: Records) -> bool:
    """Orders to the books, the largest maintenance margin first, until the account is healthy; whether any was filled."""
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    filled, parted, done, first = False, False, 0, book.first_debt[0]
    resting, in_usd = time < touched.until[slot], margins.in_usd[book.protocol[g], p]
    equity, margin = equity_of(slot, p, g, touched.amount, book, margins, price)
    while equity < margin:
        k = largest_leg(slot, p, g, done, accounts)
        if k < 0:
            break
        done |= 1 << (k - first)
        r, q = book.reserve[g, k], touched.amount[slot, k]
        mark, d = price[p, r], q
        own = margins.counted[r, p] * maintenance(q, mark, r, margins)
        if not resting and abs(q) * mark * in_usd > stage[ABOVE]:
            d, parted = stage[SHARE] * q, True
        limit = limit_price(stage[LIMIT], q, mark, equity, margin, own)
        closed, at = close_on_book(slot, p, g, k, d, limit, accounts, liquidity, records)
        if closed != 0.0:
            filled = True
            equity, margin = equity_of(slot, p, g, touched.amount, book, margins, price)
            if stage[FEE] > 0.0:
                charge(slot, p, g, stage[FEE] * abs(closed) * at, equity, touched, book, records.ledgers)
                equity, margin = equity_of(slot, p, g, touched.amount, book, margins, price)
    if parted:
        touched.until[slot] = time + stage[COOLDOWN]
    return filled


@helper
def close_flat(slot: int, p: int, g: int, stage: np.ndarray, accounts: Accounts, records: Records) -> bool:
    """Every position at the mark less the slippage, against makers outside; whether there was one."""
    touched, book, price, ledgers, flows = accounts.touched, accounts.book, accounts.price, records.ledgers, records.flows
    some, in_usd = False, accounts.margins.in_usd[book.protocol[g], p]
    for k in range(book.first_debt[0], book.first_debt[0] + book.debts[g]):
        q = touched.amount[slot, k]
        if q == 0.0:
            continue
        r = book.reserve[g, k]
        at = price[p, r] * (1.0 - stage[SLIPPAGE] if q > 0.0 else 1.0 + stage[SLIPPAGE])
        close_leg(slot, p, g, k, q, at, MAKERS, accounts, ledgers)
        ledgers.turnover[accounts.reserves.asset[book.reserve[g, 0]], p] += abs(q) * at
        flows.liquidated[r, p] += abs(q) * price[p, r] * in_usd
        flows.slippage[r, p] += q * (price[p, r] - at) * in_usd
        note_closing(r, p, q, q * at * in_usd, flows)
        some = True
        if stage[FEE] > 0.0:
            equity = equity_of(slot, p, g, touched.amount, book, accounts.margins, price)[0]
            charge(slot, p, g, stage[FEE] * abs(q) * at, equity, touched, book, ledgers)
    return some


@kernel
def call(called: np.ndarray, n_called: int, number: int, stages: np.ndarray, time: float, accounts: Accounts,
         liquidity: Liquidity, records: Records, fallen: np.ndarray, n_fallen: int) -> int:
    """Call the accounts of exchange `number` among called[:n_called], one after the other; the new number of fallen ones.

    fallen: [slots] those below zero afterwards, in order.
    """
    touched, book, margins, price = accounts.touched, accounts.book, accounts.margins, accounts.price
    totals, first, tally, first_debt = records.ledgers.totals, records.safety.first, records.tally, book.first_debt[0]
    for j in range(n_called):
        slot = called[j]
        p, g = int(touched.path[slot]), book.signature[touched.account[slot]]
        if book.protocol[g] != number:
            continue
        equity, margin = equity_of(slot, p, g, touched.amount, book, margins, price)
        if not equity < margin:
            continue
        tally.called[p] += 1
        acted, by_vault = False, False
        for s in range(len(stages) - 1, -1, -1):
            if not equity < stages[s, BELOW] * margin and not (margin == 0.0 and equity < 0.0):
                continue
            if stages[s, KIND] == MARKET:
                acted = market_orders(slot, p, g, stages[s], time, accounts, liquidity, records)
                break
            if stages[s, KIND] == FLAT:
                acted = close_flat(slot, p, g, stages[s], accounts, records)
                break
            by_vault = take_over(slot, p, g, number, time, accounts, records)
            if by_vault:
                break
        if not by_vault:
            left = False
            for k in range(first_debt, first_debt + book.debts[g]):
                left = left or touched.amount[slot, k] != 0.0
            if not left and touched.amount[slot, 0] < 0.0 and book.collaterals[g] > 1:
                before = touched.amount[slot, 0]
                sell_collateral(slot, p, g, False, accounts, liquidity, records.ledgers)
                acted = acted or touched.amount[slot, 0] != before
            if equity_of(slot, p, g, touched.amount, book, margins, price)[0] < 0.0:
                fallen[n_fallen] = slot
                n_fallen += 1
        if acted or by_vault:
            tally.executed[p] += 1
            first[0, number, p] = min(first[0, number, p], time)
            totals[LIQUIDATIONS, number, p] += 1.0
            if touched.flags[slot] & HIT == 0:
                totals[ACCOUNTS_LIQUIDATED, number, p] += 1.0
            touched.flags[slot] |= HIT
    return n_fallen


class StagedPhase(ExchangePhase):
    """The engine of one exchange, ready to run."""

    def __init__(self, number: int, stages: np.ndarray) -> None:
        """stages: [stages, columns]."""
        super().__init__(number)
        self.stages = stages

    def liquidate(self, state: State) -> None:
        """Call the unhealthy accounts of this block."""
        state.n_fallen = call(state.pool.called, state.n_called, self.number, self.stages, state.time, state.accounts,
                              state.liquidity, state.records, state.fallen, state.n_fallen)



"""crvUSD's LLAMMA: collateral lies in bands of an AMM that sells it as the price falls and buys it back as it rises.

    soft liquidation   arbitrageurs trade with the bands whenever it pays: llamma_trade.py
    hard liquidation   a loan whose health falls below 0 is closed by whoever pays its debt: llamma_loans.py
The arithmetic stands in llamma_formulas.py, where loans lie in llamma_book.py. Each pair of collateral and debt asset of a
book is a market of its own. The liquidation discount is 1 - `liquidation_threshold` of the collateral; its incentive means
nothing. Trades and calls are offered to everybody who takes what rules offer (liquidators, keepers), compete for room, pay gas.
Source: curvefi/curve-stablecoin 46b8f04a^ (AMM.vy, Controller.vy).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Value
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.settlement import still_pays
from delever.core.state import State
from delever.core.tables import BookTables, Reserves, Touched, Transactions
from delever.model.quantity import Amount, Count, Ratio, Share
from delever.protocols.base import Liquidatable, Rules, RulesPhase, rounds
from delever.protocols.llamma_book import Market, read_markets
from delever.protocols.llamma_formulas import ADMIN, FEE
from delever.protocols.llamma_loans import LEAST, call_rows, offer_calls, size_calls, write_off
from delever.protocols.llamma_results import results, stocks
from delever.protocols.llamma_trade import PROTOCOL, offer_trades, size_trades, trade_rows


class Llamma(Rules):
    """Terms of all markets of the protocol."""

    kind: ClassVar[str] = "llamma"
    lends: ClassVar[bool] = False
    watches: ClassVar[bool] = True
    unseen: ClassVar[str] = "what bands sell before a loan is closed"
    amplification: Ratio = Field(100.0, gt=1, description="A: a band is 1/A of the price wide")
    fee: Share = Field(0.006, lt=1, description="least fee of a trade with the bands, of what comes in")
    admin_fee: Share = Field(0.0, le=1, description="part of the fee that is the protocol's; the rest stays in the bands")
    loan_discount: Share | None = Field(
        None, lt=1, description="what a collateral is taken for less when a loan is placed; null: 3 % above the liquidation "
                                "discount, as on crvUSD's markets of 2023")
    bands: Count = Field(10, ge=4, le=50, description="bands of a loan for which its book says none")
    base_price: dict[str, Amount] = Field(
        {}, description="upper edge of band 0 by collateral, units of the debt; not stated: the price seen at the start")
    writes_off: bool = Field(
        True, description="close a loan below zero of which nothing but too little stablecoin is left, the rest a deficit; "
                          "assumption: the contract leaves it open")

    def unread(self) -> tuple[str, ...]:
        """See Rules: loans are placed once, and bands have no incentive."""
        return ("liquidation_threshold", "incentive")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> LlammaPhase:
        """All protocols with these rules."""
        return LlammaPhase(specs, setting)

    def row(self) -> list[float]:
        """The columns of llamma_formulas.py; the liquidation discount is the collateral's."""
        a, loan = self.amplification, np.nan if self.loan_discount is None else self.loan_discount
        return [a, self.fee, self.admin_fee, loan, 0.0, math.log(a / (a - 1.0))]


class LlammaPhase(RulesPhase):
    """All markets, ready to run."""

    def __init__(self, specs: Mapping[str, Llamma], setting: Setting) -> None:
        super().__init__(setting, {name: [spec.fee, spec.admin_fee] for name, spec in specs.items()},
                         {name: spec.writes_off for name, spec in specs.items()})  # what governance may change in a run
        self.limited, self.counters = False, ()  # collateral is not lent out
        self.markets: list[Market] = [market for name, spec in specs.items() for market in read_markets(
            name, np.array(spec.row()), spec.bands, spec.base_price, setting)]
        self.of = np.full(len(setting.accounts), -1)  # [accounts] market
        for number, market in enumerate(self.markets):
            self.of[market.place >= 0] = number
        self.call, self.swap = Closing(self), Trade(self)

    def kinds(self) -> Sequence[Kind]:
        """What a loan below 0 offers, what the bands do."""
        return (self.call, self.swap)

    def sales_per_call(self, book: BookTables) -> int:
        """The collateral."""
        return 1

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Nothing: no account of these is in the index."""

    def split(self, number: np.ndarray, picked: np.ndarray) -> Iterator[tuple[Market, np.ndarray]]:
        """Rows by market. number: [picked] market of each."""
        for market in np.unique(number):
            yield self.markets[market], picked[number == market]

    def called(self, state: State, picked: np.ndarray) -> Iterator[tuple[Market, np.ndarray]]:
        """Rows that close loans, by market."""
        return self.split(self.of[state.transactions.ref[picked]], picked)

    def traded(self, state: State, picked: np.ndarray) -> Iterator[tuple[Market, np.ndarray]]:
        """Rows that trade with bands, by market."""
        return self.split(state.transactions.ref[picked], picked)

    def size(self, state: State, picked: np.ndarray) -> None:
        """Those of these rows that are of its kinds, at what stands."""
        rows, now = state.transactions, state.time
        kind = rows.kind[picked]
        for market, mine in self.called(state, picked[kind == self.call.number]):
            size_calls(mine, market.place, now, market.amm, market.loans, state.reserves, state.seen, rows)
        for market, mine in self.traded(state, picked[kind == self.swap.number]):
            size_trades(mine, now, market.amm, state.reserves, state.seen, state.liquidity, rows)

    def adapt(self, state: State) -> None:
        """Fees as they are in force, on all paths."""
        for market in self.markets:
            market.amm.terms[FEE:ADMIN + 1] = self.parameters[market.amm.of[PROTOCOL], 0]

    def offer(self, state: State) -> None:
        """Loans below 0, and trades that pay, of the paths that take part."""
        for number, market in enumerate(self.markets):
            state.room_for_rows(state.paths * (len(market.loans.debt) + 1))
            first, protocol, amm, now = state.n_rows, int(market.amm.of[PROTOCOL]), market.amm, state.time
            state.n_rows = offer_calls(self.call.number, now, state.active, state.halts.liquidation[protocol], amm,
                                       market.loans, state.reserves, state.seen, state.transactions, first)
            if state.n_rows > first and self.writes_off[protocol]:
                price_rows(state, np.arange(first, state.n_rows))
                write_off(first, state.n_rows, market.place, amm, market.loans, state.reserves, state.seen.price, state.ledgers,
                          state.transactions)
            halted = state.halts.liquidation[protocol]  # without end: of a protocol whose selling is left out, to compare
            trading = state.active & (halted < np.inf) if halted.max() == np.inf else state.active
            state.n_rows = offer_trades(number, self.swap.number, now, trading, amm, state.reserves, state.seen,
                                        state.liquidity, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """When a halt ends that keeps loans below 0 from being closed."""
        for market in self.markets:
            halted = state.halts.liquidation[int(market.amm.of[PROTOCOL])]
            if halted.max() > state.time:
                waits = (halted > state.time) & (market.loans.looked[:, LEAST] < 1.0)
                np.minimum(state.wake, np.where(waits, halted, np.inf), out=state.wake)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. How loans stand."""
        return stocks(state, self.markets, self.numbers)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What trades came to, and what became of the loans."""
        return results(state, self.markets, self.numbers)

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """See RulesPhase: whole loans whose collateral, less the liquidation discount, is worth less than their debt.

        Bands are not looked at: what they would hold depends on the way that prices took.
        """
        g, first, n = book.signature, int(book.first_debt[0]), len(book.signature)
        held, owed = book.amount[:, 0], book.amount[:, first]
        worth = held * seen_price[book.reserve[g, 0]] * book.threshold[g, 0]
        below = worth < owed * seen_price[book.reserve[g, first]]
        called = np.isin(book.protocol[g], self.numbers) & (book.debts[g] > 0) & below
        return Liquidatable(np.where(called, 0, -1), np.where(called, first, -1), np.where(called, owed, 0.0),
                            np.where(called, held, 0.0), np.zeros(n))


class Closing(Kind):
    """A hard liquidation."""

    name: ClassVar[str] = "hard_liquidation"
    gas: ClassVar[float] = 500_000.0  # assumption
    liquidates: ClassVar[bool] = True
    trades: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    def __init__(self, rules: LlammaPhase) -> None:
        self.rules = rules

    def accounts(self, state: State, picked: np.ndarray) -> np.ndarray:
        """Whose loans the rows close."""
        return state.transactions.ref[picked]

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot."""
        self.rules.size(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        again(self, state, picked)
        state.room_for_sales(len(picked))
        for market, mine in self.rules.called(state, picked):
            state.n_sales = call_rows(mine, market.place, market.amm, market.loans, state.reserves, state.seen.price,
                                      state.ledgers, state.transactions, state.sales, state.n_sales)


class Trade(Kind):
    """A trade of an arbitrageur with the bands."""

    name: ClassVar[str] = "band_trade"
    gas: ClassVar[float] = 400_000.0  # assumption
    turn: ClassVar[int] = 2
    trades: ClassVar[bool] = True

    def __init__(self, rules: LlammaPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: others may have traded before, or moved the market."""
        self.rules.size(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Of several who trade with one market in a batch each finds what those before him have left."""
        rows = state.transactions
        for place, later in rounds(rows.path[picked] * len(self.rules.markets) + rows.ref[picked]):
            mine = picked[place]
            again(self, state, mine, later)
            state.room_for_sales(len(mine))
            for market, some in self.rules.traded(state, mine):
                state.n_sales = trade_rows(some, state.time, market.amm, state.reserves, state.seen, state.liquidity,
                                           state.ledgers, rows, state.sales, state.n_sales)


def again(kind: Kind, state: State, picked: np.ndarray, later: bool = False) -> None:
    """Rows on whose paths something went before are sized at what stands now. later: in this very slot."""
    late = picked if state.slot or later else picked[state.changed[state.transactions.path[picked]]]
    if len(late):
        kind.check(state, late)

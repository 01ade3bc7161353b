"""What became of loans: the columns of every lending protocol, at the prices that it sees.

    bad debt    written off, or owed without any collateral at the end
    shortfall   written off, or owed beyond the collateral at the end
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.columns import ASSET, Column, Figure, Value, mean_of, of_protocol
from delever.core.jit import kernel
from delever.core.options import YEAR
from delever.core.outcomes import DEFICITS, OUTCOMES, REPAID, SEIZED
from delever.core.state import State
from delever.core.tables import (
    COVERED,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    OWN_DEBTS,
    OWN_DEPOSITS,
    SLOTS,
    STOLEN,
    BookTables,
    Lots,
    Reserves,
    Touched,
)

MATERIAL = 0.01  # share of all debt from which a shortfall is a failure, not an accident
ANY = 1.0  # shortfall from which there is any bad debt [USD]: less is rounding
LOSSES, CALLS = "Losses", "Liquidations"  # sections of a report
OF_MATERIAL = ("probability_of_shortfall", "psl")  # figures by that share
SHORT = "shortfall: debt written off, or owed beyond the collateral at the end, at the prices protocols see"
BARE = "debt without collateral, written off or still open"
BAD_DEBT = Column("bad_debt", "USD", BARE, mean_of("bad_debt", BARE), "sum", LOSSES)
SHORTFALL = Column("shortfall", "USD", SHORT.removeprefix("shortfall: "), (
    Figure("probability_of_any_bad_debt", "share_above", "paths with any bad debt: a shortfall of more than 1 USD", "share",
           ANY, label="P(any bad debt)"),
    Figure("probability_of_shortfall", "share_above", "paths whose shortfall exceeds 1 % of all debt at the start", "share",
           label="P(shortfall > 1 % of debt)"),
    Figure("psl", "yearly_share_above", "P(shortfall > 1 % of debt), p, made yearly: 1 - (1 - p)^(1 / years of the run). "
           "Assumption: every stretch of a year that is as long as the run is as risky, and independent of the others",
           "share", label="PSL (annualised)"),
    Figure("var", "quantile", f"95th percentile over paths of {SHORT}. Convention: the smallest loss that at least 95 % of "
           "paths do not exceed (a loss is positive, no interpolation, no mean taken off)", level=0.95, label="VaR (95 %)"),
    Figure("expected_shortfall", "tail_mean", "mean shortfall of the worst 5 % of paths", level=0.95,
           label="expected shortfall (5 %)"),
    Figure("var_99", "quantile", "99th percentile over paths of shortfall, by the convention of VaR (95 %)",
           level=0.99, label="VaR (99 %)"),
    Figure("evar", "entropic", "entropic value at risk of shortfall at 99 %: the least over t > 0 of t ln(mean of exp(loss / t) "
           "/ 0.01), of the sampled paths; no less than the mean of the worst 1 %, no more than the worst (Ahmadi-Javid 2012)",
           level=0.99, label="EVaR (99 %, entropic)"),
    *mean_of("shortfall", "shortfall")), "sum", LOSSES)
SEEN = ", at prices seen"

COUNTED = (  # in the order of core/outcomes.py
    Column("liquidations", "count", "liquidation calls that settled", mean_of("liquidations", "liquidation calls"), "sum", CALLS),
    Column("accounts_liquidated", "count", "accounts that were liquidated at least once",
           mean_of("accounts_liquidated", "accounts liquidated at least once"), "sum", CALLS),
    Column("repaid_debt", "USD", f"debt that liquidators repaid{SEEN}",
           mean_of("repaid_debt", f"debt repaid by liquidators{SEEN}"), "sum", CALLS),
    Column("seized_collateral", "USD", f"collateral taken from accounts, protocol fee included{SEEN}", (
        Figure("lar", "quantile", f"95th percentile over paths of collateral seized{SEEN}", level=0.95, label="LaR (95 %)"),
        *mean_of("seized_collateral", f"collateral seized{SEEN}")), "sum", CALLS),
    Column("protocol_fee", "USD", f"part of the seized collateral, or penalty beyond the debt, that the protocol kept{SEEN}"),
    Column("deficit", "USD", f"debt written off by the protocol's rules because no collateral was left{SEEN}"),
    Column("top_ups", "count", "collateral top-ups that settled"),
    Column("topped_up", "USD", f"collateral that owners added{SEEN}"),
    Column("declined", "count", "claims that liquidators found not worth a transaction, counted in every block"),
    Column("reverted", "count", "included claims that were no longer valid at their slot"),
)
SHOWN_FIRST = (SEIZED, REPAID)  # how much, before how many
assert len(COUNTED) == OUTCOMES


@kernel
def underwater(slots: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray,
               bare: np.ndarray, short: np.ndarray) -> None:
    """At the end: debt without collateral, and what accounts owe beyond their collateral, at seen prices [USD].

    price: [P, R]; bare, short: [protocols, P]. Only touched accounts can be under water: the others are healthy.
    """
    account, path, amount, signature, reserve = (touched.account, touched.path, touched.amount, book.signature,
                                                 book.reserve)
    for slot in range(slots):
        p, g = path[slot], signature[account[slot]]
        if book.margin[g]:
            continue
        number, value, debt, first = book.protocol[g], 0.0, 0.0, book.first_debt[0]
        for k in range(book.collaterals[g]):
            value += amount[slot, k] * reserves.supply_index[reserve[g, k], p] * price[p, reserve[g, k]]
        for k in range(first, first + book.debts[g]):
            debt += amount[slot, k] * reserves.borrow_index[reserve[g, k], p] * price[p, reserve[g, k]]
        if debt > 0.0 and value <= 0.0:
            bare[number, p] += debt
        short[number, p] += max(debt - value, 0.0)


@kernel
def unsold(n_lots: int, lots: Lots, touched: Touched, book: BookTables, price: np.ndarray, short: np.ndarray) -> None:
    """At the end: debt that went into lots beyond what these are worth, at seen prices [USD].

    price: [P, R]; short: [protocols, P].
    """
    for k in range(n_lots):
        if lots.open[k]:
            p, r = lots.path[k], book.reserve[book.signature[touched.account[lots.slot[k]]], lots.leg[k]]
            short[lots.protocol[k], p] += max(lots.owed[k] * price[p, lots.reserve[k]] - lots.units[k] * price[p, r], 0.0)


def loan_columns(state: State, numbers: Sequence[int]) -> list[Value]:
    """Everything about the loans of these protocols."""
    short, owed = losses(state), owed_at_start(state)
    return [value for number in numbers
            for value in (*said_of(state, number, *short, owed), *counts(state, number), *by_asset(state, number))]


def losses(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Still open at the end: debt without collateral, and debt beyond the collateral [protocols, P]."""
    bare, short = np.zeros((2, *state.ledgers.totals.shape[1:]))
    underwater(int(state.watch.counts[SLOTS]), state.pool.touched, state.book, state.reserves, state.seen.price, bare, short)
    if state.n_lots:
        unsold(state.n_lots, state.lots, state.pool.touched, state.book, state.seen.price, short)
    return bare, short


def said_of(state: State, number: int, bare: np.ndarray, short: np.ndarray, owed: float) -> list[Value]:
    """Bad debt and shortfall of one; their figures are of all lending protocols together. See `losses`; owed: [USD]."""
    booked = state.ledgers.totals[DEFICITS, number]
    years = state.step * state.step_length / YEAR
    figures = tuple(figure._replace(level=MATERIAL * owed, years=years) if figure.name in OF_MATERIAL else figure
                    for figure in SHORTFALL.figures)
    return [Value(BAD_DEBT, booked + bare[number], number),
            Value(SHORTFALL._replace(figures=figures), booked + short[number], number)]


def counts(state: State, number: int) -> list[Value]:
    """What was counted of its calls."""
    order = [*SHOWN_FIRST, *(i for i in range(OUTCOMES) if i not in SHOWN_FIRST)]
    return [Value(COUNTED[i], state.ledgers.totals[i, number], number) for i in order]


def by_asset(state: State, number: int) -> list[Value]:
    """Units of each of its assets: seized (protocol fee included), repaid, written off."""
    booked, book, first = state.ledgers.booked, state.book, int(state.book.first_debt[0])
    held, owed = (set(np.unique(book.reserve[:, legs][used]).tolist()) for legs, used in (
        (slice(None, first), np.arange(first) < book.collaterals[:, None]),
        (slice(first, None), np.arange(book.reserve.shape[1] - first) < book.debts[:, None])))
    seized = Column("seized", ASSET, "units seized, protocol fee included")
    repaid = Column("repaid", ASSET, "units that liquidators repaid")
    written_off = Column("written_off", ASSET, "units written off because no collateral was left")
    out: list[Value] = []
    for r in of_protocol(state, number):
        asset, gone = int(state.reserves.asset[r]), booked[DEFICIT, r] + booked[COVERED, r] - booked[STOLEN, r]
        if r in held:
            out.append(Value(seized, booked[OWN_DEPOSITS, r] - booked[DEPOSITS, r], number, asset))
        if r in owed:
            out += [Value(repaid, booked[OWN_DEBTS, r] - booked[DEBTS, r] - booked[DEFICIT, r] - booked[COVERED, r]
                          + booked[STOLEN, r], number, asset),
                    Value(written_off, gone, number, asset)]
    return out


def owed_at_start(state: State) -> float:
    """What all accounts of lending protocols owe at the start, at prices seen [USD]."""
    tree, start, book = state.tree, state.markets.start, state.book
    unit = [float(tree.log_rate[a] + sum(start[m] for m in tree.chain[a, :tree.length[a]])) for a in state.seen.unit]
    return debt_of(book, np.exp(state.seen.start + np.array(unit)))


def debt_of(book: BookTables, price: np.ndarray) -> float:
    """What all accounts of lending protocols owe [USD]. price: [R] USD a unit."""
    first, lent = int(book.first_debt[0]), book.margin[book.signature] == 0
    reserve = book.reserve[book.signature[lent]][:, first:]
    return float((book.amount[lent, first:] * price[reserve]).sum())

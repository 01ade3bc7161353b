"""How hard auto-deleveraging hit whom: columns from the list of positions that it closed, whoever closed them.

    severity         haircuts / (haircuts + deficits booked - what the fund paid): the part of what was left that winners paid
    profit taken     haircuts / profit of what was closed, at the mark (funding aside)
    largest haircut  the highest such share of one account
    largest part     the highest share of all haircuts of the path that one account bore
    coverability     lowest ratio of winners' profits to the deficit, over the positions that ADL was to close; below 1 no
                     rule covers it
    overshoot, fairness_regret    summed over those positions: |H - B| and |max h - min(B / U, 1)| B, as in analysis/adl.py
All are nan on paths where nobody was closed.
"""

from __future__ import annotations

import numpy as np

from delever.core.columns import Column, Figure, Reduce, Value, never_as_nan, worth
from delever.core.exchange_tables import COVERABILITY, FAIRNESS_REGRET, INSURANCE, OVERSHOOT
from delever.core.state import State
from delever.core.tables import COVERED, DEFICIT

PATHS = "; over the paths with auto-deleveraging"


def hit(name: str, unit: str, label: str, words: str, reduce: Reduce = "mean_where") -> Column:
    """A column of the paths on which somebody was closed."""
    return Column(name, unit, words.removeprefix("mean ").removeprefix("median ").removeprefix("of "),
                  (Figure(name, reduce, words + PATHS, label=label),))


COLUMNS = (
    hit("adl_accounts", "count", "accounts deleveraged", "mean number of accounts that auto-deleveraging closed or cut",
        "mean_positive"),
    hit("adl_severity", "share", "severity of ADL",
        "mean severity: haircuts, as a share of all that accounts fell short of and the fund did not pay"),
    hit("adl_profit_taken", "share", "profit taken by ADL",
        "mean of haircuts as a share of the profit, since entry and funding aside, of what was closed"),
    hit("adl_largest_haircut", "share", "largest haircut",  # without bound where somebody with next to no profit is closed
        "median of the highest such share of one account; above 1 he lost more than his profit", "median_where"),
    hit("adl_largest_part", "share", "largest part borne",
        "mean of the highest share of all haircuts of a path that one account bore"),
    hit("adl_coverability", "ratio", "coverability",
        "mean of the lowest ratio of winners' profits to the deficit, over positions to be closed"),
    hit("adl_overshoot", "USD", "overshoot of ADL",
        "mean overshoot regret: how far haircuts were from what each position lacked, summed"),
    hit("adl_fairness_regret", "USD", "fairness regret",
        "mean fairness regret: largest share of a profit taken, less the smallest possible, times the deficit, summed"),
)


def closing_columns(state: State, number: int, section: str) -> list[Value]:
    """COLUMNS of one protocol."""
    n, paths, closings = state.n_closings, state.paths, state.closings
    mine = np.flatnonzero(state.book.protocol[state.book.signature[closings.account[:n]]] == number)
    path, account = closings.path[:n][mine], closings.account[:n][mine]
    haircut, profit = closings.haircut[:n][mine] * closings.in_usd[:n][mine], profits(state)[mine]
    accounts = len(state.book.signature)
    key, of = np.unique(path * accounts + account, return_inverse=True)
    winner = key // max(accounts, 1)  # [winners] path; sums are in the order of the closings, which is a path's own
    lost, made = (np.bincount(of, values, len(key)) for values in (haircut, np.maximum(profit, 0.0)))
    total, earned = (np.bincount(path, values, paths) for values in (haircut, np.maximum(profit, 0.0)))
    booked = worth(state, state.ledgers.booked[DEFICIT] + state.ledgers.booked[COVERED], number)
    rest = np.maximum(booked - state.safety.served[INSURANCE, number], 0.0)
    largest, part = np.full(paths, np.nan), np.full(paths, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.fmax.at(largest, winner, np.where(made > 0.0, lost / made, np.nan))
        np.fmax.at(part, winner, np.where(total[winner] > 0.0, lost / total[winner], np.nan))
        ratios = [np.where(whole > 0.0, total / whole, np.nan) for whole in (total + rest, earned)]
    some, rounds = np.bincount(path, minlength=paths) > 0, state.safety.rounds[:, number]
    values = [np.bincount(winner, minlength=paths), *(np.where(some, x, np.nan) for x in (*ratios, largest, part)),
              never_as_nan(rounds[COVERABILITY]), *(np.where(some, rounds[row], np.nan) for row in (OVERSHOOT, FAIRNESS_REGRET))]
    return [Value(column._replace(section=section), x, number) for column, x in zip(COLUMNS, values, strict=True)]


def profits(state: State) -> np.ndarray:
    """Profit of each part that ADL closed, at the mark, since the entry price of the book [closings], USD.

    Funding aside; nan of an arbitrageur, whose entry price moves as he trades.
    """
    tables, n = state.book, state.n_closings
    if not n:
        return np.zeros(0)
    account, reserve, units = state.closings.account[:n], state.closings.reserve[:n], state.closings.units[:n]
    signature, first = tables.signature[account], int(tables.first_debt[0])
    same = (tables.reserve[signature, first:] == reserve[:, None]) & (tables.amount[account, first:] * units[:, None] > 0.0)
    leg = first + same.argmax(axis=1)  # of a perp that is held both ways the side that was closed
    size = tables.amount[account, leg]
    with np.errstate(divide="ignore", invalid="ignore"):
        entry = np.where(tables.margin[signature] == 1, tables.cost[account, leg] / size, np.nan)
    profit: np.ndarray = units * (marks(state) - entry) * state.closings.in_usd[:n]
    return profit


def marks(state: State) -> np.ndarray:
    """The mark of the perp at each closing [closings], unit: haircut = units x (mark - price)."""
    n = state.n_closings
    price: np.ndarray = state.closings.price[:n] + state.closings.haircut[:n] / state.closings.units[:n]
    return price

"""Clearing between those who hold each other's paper: who can pay how much once everybody pays what he can.

Sources: Eisenberg and Noe (2001), "Systemic risk in financial systems"; Rogers and Veraart (2013), "Failure and rescue in an
interbank network", whose costs of default are `alpha` and `beta` here.

    due       p' = sum over j of owes[i, j] + outside            share   Pi[i, j] = owes[i, j] / p'[i]
    pays      p = p'                                             if cash + Pi^T p >= p'
              p = alpha cash + beta Pi^T p                       if not: in default, all creditors alike

Payments that satisfy this need not be unique, so both ends are given: in the *greatest* vector everybody is believed until he
cannot pay, in the *least* nobody until he can. Between them lies what belief alone decides. Both are exact, by solving the linear
equations of a set of defaulters until the set stands, at most N times: Rogers and Veraart's algorithm from above, and from below
the least payments of those not yet known to be solvent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from delever.analysis.amounts import Floats, amounts, names_of, part, square
from delever.analysis.tables import Column, table
from delever.run.result import Result

ROUNDING = 1e-12  # of what is due: a shortfall below it is rounding, and no default


@dataclass(frozen=True)
class Claims:
    """Who owes whom, and what there is to pay with. Axes: N debtors."""

    due: Floats  # [N] USD
    share: Floats  # [N, N] of what a row pays, the part that goes to a column
    cash: Floats  # [N] USD, what is there before anybody pays
    alpha: float  # share of his cash that a defaulter's creditors get
    beta: float  # share of what he receives that they get

    def short(self, paid: Floats) -> NDArray[np.bool_]:
        """Who cannot pay what is due if these payments [N] USD are made."""
        return self.cash + self.share.T @ paid < self.due * (1.0 - ROUNDING)


@dataclass(frozen=True, repr=False)
class Clearing(Result):
    """Both clearing vectors.

    table: a row a debtor: due, cash, what he receives and pays by the greatest and by the least vector, the round in which he
    defaults as others' payments fail (0: whatever others pay; null: he does not), equity after clearing by the greatest.
    payments: a row a debt: who pays whom, due, paid by the greatest vector, by the least.
    """

    table: pa.Table
    payments: pa.Table

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    @property
    def unique(self) -> bool:
        """Whether both vectors are one."""
        return self.table["pays"].to_pylist() == self.table["pays at least"].to_pylist()

    def __repr__(self) -> str:
        def defaults(name: str) -> int:
            return sum(self.table[name].to_pylist())

        return (f"Clearing of {self.table.num_rows} debtors: {defaults('defaults')} default by the greatest vector, "
                f"{defaults('defaults at least')} by the least")


def clear(owes: ArrayLike, cash: ArrayLike, outside: ArrayLike = 0.0, alpha: float = 1.0, beta: float = 1.0,
          names: Sequence[str] | None = None) -> Clearing:
    """The greatest and the least clearing vector.

    owes: [N, N] USD, a row owes to a column; cash: [N] USD; outside: [N] USD owed to others, who rank alike; alpha, beta: shares
    of cash and of what is received that remain for a defaulter's creditors. Those without debts are creditors alone: they pay 0.

    >>> clear([[0, 2.2], [2.2, 0]], [1, 1], alpha=0.5, beta=0.5).table.select(["pays", "pays at least"]).to_pydict()
    {'pays': [2.2, 2.2], 'pays at least': [1.0, 1.0]}
    """
    owed = square("owes", owes)
    claims = claims_of(owed, amounts("cash", cash, len(owed)), amounts("outside", outside, len(owed)), alpha, beta)
    most, rounds = greatest(claims)
    fewest = least(claims)
    called = names_of(names, len(owed))
    got, got_least = claims.share.T @ most, claims.share.T @ fewest
    debtors, creditors = np.nonzero(owed)
    return Clearing(
        table(
            Column("name", "", called),
            Column("due", "USD", claims.due),
            Column("cash", "USD", claims.cash),
            Column("receives", "USD", got, "by the greatest clearing vector; so are pays, defaults, round and equity"),
            Column("pays", "USD", most),
            Column("defaults", "", [found is not None for found in rounds]),
            Column("round", "", rounds, "0: he defaults whatever others pay; 1: because those of 0 do; and so on", pa.int64()),
            Column("equity", "USD", np.where(claims.short(most), 0.0, claims.cash + got - most), "what is left for owners"),
            Column("receives at least", "USD", got_least, "by the least clearing vector, in which nobody is believed to pay "
                   "before he can"),
            Column("pays at least", "USD", fewest),
            Column("defaults at least", "", claims.short(fewest)),
        ),
        table(
            Column("debtor", "", [called[i] for i in debtors], kind=pa.string()),
            Column("creditor", "", [called[j] for j in creditors], kind=pa.string()),
            Column("due", "USD", owed[debtors, creditors]),
            Column("paid", "USD", (most[:, None] * claims.share)[debtors, creditors]),
            Column("paid at least", "USD", (fewest[:, None] * claims.share)[debtors, creditors]),
        ),
    )


def claims_of(owed: Floats, cash: Floats, outside: Floats, alpha: float = 1.0, beta: float = 1.0) -> Claims:
    """The claims of amounts that were checked. owed: [N, N] USD; cash, outside: [N] USD."""
    due = owed.sum(axis=1) + outside
    share = np.divide(owed, due[:, None], out=np.zeros_like(owed), where=due[:, None] > 0.0)
    return Claims(due, share, cash, part("alpha", alpha), part("beta", beta))


def greatest(claims: Claims) -> tuple[Floats, list[int | None]]:
    """The greatest clearing vector [N] USD, and of each debtor the round of his default.

    Nobody is in default; while somebody cannot pay, he is, and what defaulters pay is solved anew.
    """
    rounds: list[int | None] = [None] * len(claims.due)
    paid, down, count = claims.due.copy(), np.zeros(len(claims.due), bool), 0
    while (claims.short(paid) & ~down).any():
        for i in np.flatnonzero(claims.short(paid) & ~down):
            rounds[i] = count
        down |= claims.short(paid)
        paid, count = defaulters_pay(claims, down), count + 1
    return paid, rounds


def defaulters_pay(claims: Claims, down: NDArray[np.bool_]) -> Floats:
    """What is paid [N] USD if these [N] are in default: x = alpha cash + beta Pi^T p; all others pay what is due."""
    paid = np.where(down, 0.0, claims.due)
    into = claims.share[:, down].T  # a row a defaulter
    fixed = claims.alpha * claims.cash[down] + claims.beta * into @ paid
    paid[down] = np.linalg.solve(np.eye(int(down.sum())) - claims.beta * into[:, down], fixed)
    return np.clip(paid, 0.0, claims.due)  # of rounding


def least(claims: Claims) -> Floats:
    """The least clearing vector [N] USD.

    Nobody is solvent; whoever can pay out of the least that the others pay is, and that is solved anew.
    """
    solvent = np.zeros(len(claims.due), bool)
    while True:
        paid = least_capped(claims, solvent)
        able = solvent | ~claims.short(paid)
        if (able == solvent).all():
            return paid
        solvent = able


def least_capped(claims: Claims, solvent: NDArray[np.bool_]) -> Floats:
    """The least p [N] USD with p = p' of the solvent and p = min(p', alpha cash + beta Pi^T p) of the others.

    Those whom no money reaches pay nothing: neither they nor anybody on a way to them has cash or is solvent. Among the rest p is
    unique, because money that comes into a closed circle stays there, and so is found from above: clearing without costs.
    """
    source = (claims.due > 0.0) & (solvent | (claims.alpha * claims.cash > 0.0))
    reached = source if claims.beta == 0.0 else flows(claims, source)
    back = np.where(solvent, claims.due, claims.alpha * claims.cash)
    inner = Claims(np.where(reached, claims.due, 0.0), np.where(solvent, 0.0, claims.beta * claims.share), back, 1.0, 1.0)
    paid, _ = greatest(inner)
    return paid


def flows(claims: Claims, source: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those [N] who pay something if these do: on a way of debts from them, and owing something."""
    reached, edges = source, claims.share > 0.0
    while True:
        wider = reached | (edges[reached].any(axis=0) & (claims.due > 0.0))
        if (wider == reached).all():
            return reached
        reached = wider

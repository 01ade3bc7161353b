"""What of a run's losses goes back to which first cause, along `cause`: the transaction that led to each transaction.

Paths are played again, one by one (run/replay.py). A transaction's first cause is where the chain of its causes ends: a
transaction that followed from no other of its step, but from outside prices and events, such as a large order, an answer of a
feed, or the liquidation of whoever those reached first. What a block adds to a figure goes to the first causes of its
liquidations:

    liquidated   collateral seized: in proportion to what each got
    loss         written off: in proportion, of accounts that have nothing left, if there are such; owed beyond the collateral at
                 the end: to the first causes of the account's own liquidations, of a lot to that of its auction

and what has none, to *outside*: who was never liquidated and is under water, debts that events made. Of exchanges, whose engines
act off chain and have no cause, all is their engine's. Figures are those of `contagion`, and parts add up to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from delever.analysis.contagion import FIGURES, LIQUIDATED, LOSS, Tell, liquidated, loss, vaults
from delever.analysis.tables import Column, table
from delever.core.loans import losses
from delever.core.outcomes import DEFICITS, SEIZED
from delever.core.phase import Kind
from delever.core.state import State
from delever.core.tables import EXECUTED, SLOTS
from delever.engine.probes import fresh_prices
from delever.model.errors import InputError
from delever.run.assemble import Model, log_usd, phases
from delever.run.collect import mechanisms_of
from delever.run.outcomes import tabulate_paths
from delever.run.recorder import Recorder, Row
from delever.run.replay import model_of, play
from delever.run.result import Result

OUTSIDE, ENGINE = 0, -1  # first causes that are no transaction
ROUNDING = 1e-12  # of a figure
Parts = dict[int, float]  # first cause, a number -> share of 1, or USD


@dataclass(frozen=True, repr=False)
class Attribution(Result):
    """Losses by first cause, means over the paths looked at, each as much as it counts.

    table: a row a kind of first cause, of whose protocol, and affected protocol: liquidated and loss, the largest first.
    causes: the same, a row a transaction. totals: a row a protocol: both figures, which the rows of either add up to.
    """

    table: pa.Table
    causes: pa.Table
    totals: pa.Table
    paths: tuple[int, ...]

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def __repr__(self) -> str:
        lost, many = sum(self.totals["loss"].to_pylist()), len(self.paths)
        what = f"path {self.paths[0]}" if many == 1 else f"{many:,} paths, means"
        return f"Attribution of {what}: {lost:,.0f} USD lost, by {self.causes.num_rows:,} first causes"


def attribution(run: Any, paths: int | Sequence[int] | None = None, progress: Tell | None = None) -> Attribution:
    """Losses of a run by first cause. run: the Run, or its folder; paths: numbers, all if not given; errors as of `replay`."""
    return attribute(model_of(run), paths, progress)


def attribute(model: Model, paths: int | Sequence[int] | None = None, progress: Tell | None = None) -> Attribution:
    """The same for a model."""
    chosen = [paths] if isinstance(paths, int) else list(range(model.world.scenario.paths) if paths is None else paths)
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError("names none, or one twice", "paths", ", ".join(map(str, chosen)), "give each once")
    found = []
    for done, path in enumerate(chosen):
        if progress is not None:
            progress("replaying", done, len(chosen))
        found.append(seen_of(model, path))
    return tabulated(found)


class Seen(NamedTuple):
    """What was seen of one path."""

    path: int
    lost: dict[tuple[str, str, int], float]  # (figure, protocol, first cause) -> USD
    totals: dict[tuple[str, str], float]  # (figure, protocol) -> USD
    told: dict[int, Row]  # transactions by number
    weight: float  # how much the path counts


def seen_of(model: Model, path: int) -> Seen:
    """One path, played again."""
    chunk = phases(model, 1, ())
    witness = Witness(model, list(chunk.kinds))
    state = play(model, path, chunk, witness)
    fresh_prices(state)
    witness.close(state)
    columns, start = tabulate_paths(model, mechanisms_of(chunk), state), vaults(model)
    totals = {(figure, name): value for name in model.world.protocols for figure, value in (
        (LIQUIDATED, float(liquidated(columns, name)[0])), (LOSS, float(loss(columns, name, start[name])[0])))}
    return Seen(path, completed(witness.lost, totals, model.world.exchanges), totals, witness.told, float(state.weight[0]))


def completed(found: Mapping[tuple[str, str, int], float], totals: Mapping[tuple[str, str], float], exchanges: Sequence[str]
              ) -> dict[tuple[str, str, int], float]:
    """What was found of lending protocols; what no liquidation was seen to lose is outside's, all of an exchange its engine's."""
    lost = {key: usd for key, usd in found.items() if key[1] not in exchanges}
    for (figure, name), total in totals.items():
        known = [usd for key, usd in lost.items() if key[:2] == (figure, name)]
        left, first = total - sum(known), ENGINE if name in exchanges else OUTSIDE
        if abs(left) > ROUNDING * total or not known:
            lost[figure, name, first] = lost.get((figure, name, first), 0.0) + left
    return lost


# --- what is seen of a path ----------------------------------------------------------------------------------------------


class Witness(Recorder):
    """Follows causes, and shares out what each block adds to the figures of lending protocols."""

    def __init__(self, model: Model, kinds: list[Kind]) -> None:
        super().__init__(model, kinds)
        self.told: dict[int, Row] = {}  # transactions by number
        self.first: dict[int, int] = {}  # of each the first cause
        self.counted = np.zeros((2, len(self.protocols)))  # so far [figure, protocol]: SEIZED, DEFICITS
        self.lost: dict[tuple[str, str, int], float] = {}  # (figure, protocol, first cause) -> USD
        self.of_account: dict[int, Parts] = {}  # what was seized of each, by first cause

    def record(self, state: State) -> None:
        """After a block."""
        rows = state.transactions
        numbered = sorted((i for i in range(state.n_rows) if rows.number[i] > 0), key=lambda i: int(rows.number[i]))
        for i in numbered:
            number, cause = int(rows.number[i]), int(rows.cause[i])
            self.told[number] = self.row(state, i)
            self.first[number] = self.first.get(cause, cause) or number
        now = state.ledgers.totals[[SEIZED, DEFICITS], :, 0]
        grown, self.counted = now - self.counted, now.copy()
        for n in np.flatnonzero((grown != 0.0).any(axis=0)).tolist():
            calls = [i for i in numbered if rows.state[i] == EXECUTED and int(rows.protocol[i]) == n
                     and self.kinds[int(rows.kind[i])].liquidates]
            self.share(state, n, calls, float(grown[0, n]), float(grown[1, n]))

    def share(self, state: State, protocol: int, calls: Sequence[int], seized: float, written_off: float) -> None:
        """Share out what a block added [USD] among its liquidations, rows of transactions."""
        weights = [self.worth(state, i) for i in calls]
        accounts = [int(self.kinds[int(state.transactions.kind[i])].accounts(state, np.array([i]))[0]) for i in calls]
        firsts = [self.first[int(state.transactions.number[i])] for i in calls]
        self.add(LIQUIDATED, protocol, shares(firsts, weights), seized)
        total = sum(weights)
        for account, first, weight in zip(accounts, firsts, weights, strict=True):
            if account >= 0 and total > 0.0:
                add_to(self.of_account.setdefault(account, {}), first, weight / total * seized)
        if written_off != 0.0:
            bare = self.emptied(state, accounts)
            left = [weight if gone or not any(bare) else 0.0 for weight, gone in zip(weights, bare, strict=True)]
            self.add(LOSS, protocol, shares(firsts, left), written_off)

    def worth(self, state: State, i: int) -> float:
        """What a transaction got [USD], at market prices."""
        asset, units = int(state.transactions.get_asset[i]), float(state.transactions.get[i])
        return units * float(np.exp(log_usd(self.model.layout, asset, state.markets.price[:, 0]))) if asset >= 0 else 0.0

    def emptied(self, state: State, accounts: Iterable[int]) -> list[bool]:
        """Which of these accounts have no collateral left."""
        touched, slots = state.pool.touched, int(state.watch.counts[SLOTS])
        amounts = {int(account): touched.amount[slot] for slot, account in enumerate(touched.account[:slots])}
        of = state.book.collaterals[state.book.signature]
        return [account in amounts and bool((amounts[account][:of[account]] <= 0.0).all()) for account in accounts]

    def add(self, figure: str, protocol: int, parts: Mapping[int, float], usd: float) -> None:
        """Add USD to first causes, in these shares."""
        for first, part in parts.items():
            key = figure, self.protocols[protocol], first
            self.lost[key] = self.lost.get(key, 0.0) + part * usd

    def close(self, state: State) -> None:
        """At the end: what is still owed beyond the collateral, at prices seen."""
        short, of = losses(state)[1][:, 0], {n: Parts() for n in range(len(self.protocols))}
        touched, book, price = state.pool.touched, state.book, state.seen.price[0]
        supply, borrow = state.reserves.supply_index[:, 0], state.reserves.borrow_index[:, 0]
        for slot in range(int(state.watch.counts[SLOTS])):
            account = int(touched.account[slot])
            g, first_debt = int(book.signature[account]), int(book.first_debt[0])
            if book.margin[g]:
                continue
            held, owed = slice(0, int(book.collaterals[g])), slice(first_debt, first_debt + int(book.debts[g]))
            value = float((touched.amount[slot, held] * (supply * price)[book.reserve[g, held]]).sum())
            debt = float((touched.amount[slot, owed] * (borrow * price)[book.reserve[g, owed]]).sum())
            own = self.of_account.get(account, {})
            for first, part in shares(list(own), list(own.values())).items():
                add_to(of[int(book.protocol[g])], first, part * max(debt - value, 0.0))
        lots = state.lots
        for k in np.flatnonzero(lots.open[:state.n_lots]).tolist():
            r = book.reserve[book.signature[touched.account[lots.slot[k]]], lots.leg[k]]
            cause = int(lots.cause[k])
            add_to(of[int(lots.protocol[k])], self.first.get(cause, OUTSIDE),
                   max(float(lots.owed[k] * price[lots.reserve[k]] - lots.units[k] * price[r]), 0.0))
        for n, parts in of.items():
            if short[n] > 0.0:
                self.add(LOSS, n, shares(list(parts), list(parts.values())), float(short[n]))


def shares(firsts: Sequence[int], weights: Sequence[float]) -> Parts:
    """First causes by weight, adding up to 1; alike where nothing has weight; all outside's where there are none."""
    if not firsts:
        return {OUTSIDE: 1.0}
    total = sum(weights)
    parts: Parts = {}
    for i, first in enumerate(firsts):
        add_to(parts, first, weights[i] / total if total > 0.0 else 1.0 / len(firsts))
    return parts


def add_to(parts: Parts, first: int, value: float) -> None:
    """Add to what is there."""
    parts[first] = parts.get(first, 0.0) + value


# --- tables --------------------------------------------------------------------------------------------------------------

Key = tuple[Any, ...]
Losses = dict[Key, dict[str, float]]  # what stands in a row -> figure -> USD


def tabulated(seen: Sequence[Seen]) -> Attribution:
    """Both tables, the largest losses first, and the totals."""
    kinds: Losses = {}
    single: Losses = {}
    count = sum(one.weight for one in seen)
    for path, lost, _, told, weight in seen:
        for (figure, affected, first), usd in lost.items():
            row = told.get(first)
            kind = ("engine" if first == ENGINE else "outside") if row is None else row.kind
            of = (affected if first == ENGINE else "") if row is None else row.protocol
            one = (path, None, "", "", None) if row is None else (path, first, row.about, row.actor, row.time)
            for rows, key in ((kinds, (kind, of, affected)), (single, (kind, of, affected, *one))):
                rows.setdefault(key, dict.fromkeys(FIGURES, 0.0))[figure] += usd * weight / count
    names = list(dict.fromkeys(name for _, name in seen[0].totals))
    totals = {key: sum(one.totals[key] * one.weight for one in seen) / count for key in seen[0].totals}
    whole = {figure: sum(totals[figure, name] for name in names) for figure in FIGURES}
    heads = (("first cause", pa.string()), ("of", pa.string()), ("affected", pa.string()))
    more = (("path", pa.int64()), ("number", pa.int64()), ("about", pa.string()), ("actor", pa.string()), ("time", pa.float64()))
    return Attribution(
        losses_table(kinds, whole, heads),
        losses_table(single, whole, (*heads, *more)),
        table(Column("protocol", "", names, kind=pa.string()),
              *(Column(figure, "USD", [totals[figure, name] for name in names], kind=pa.float64()) for figure in FIGURES)),
        tuple(one.path for one in seen),
    )


MEANINGS = {"first cause": "kind of the transaction that a chain of causes begins with; outside: none; engine: an exchange's "
            "own, off chain", "of": "its protocol, if it is about an account", "affected": "whose loss it is",
            "number": "as `delever replay` numbers it"}


def losses_table(rows: Losses, whole: Mapping[str, float], heads: Sequence[tuple[str, pa.DataType]]) -> pa.Table:
    """The largest losses first, then the most liquidated. whole: what shares are of."""
    found = sorted(((key, row) for key, row in rows.items() if any(row.values())),
                   key=lambda item: (-item[1][LOSS], -item[1][LIQUIDATED]))
    columns = [Column(name, "s" if name == "time" else "", [key[i] for key, _ in found], MEANINGS.get(name, ""), kind)
               for i, (name, kind) in enumerate(heads)]
    for figure in FIGURES:
        columns.append(Column(figure, "USD", [row[figure] for _, row in found], kind=pa.float64()))
    for figure in FIGURES:
        part = [row[figure] / whole[figure] if whole[figure] > 0.0 else 0.0 for _, row in found]
        columns.append(Column(f"share of {figure}", "share", part, kind=pa.float64()))
    return table(*columns)

"""What is kept of a chunk: one row a path, units in the schema."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.core.jit import kernel
from delever.core.outcomes import DEFICITS, OUTCOME_COLUMNS
from delever.core.seen_prices import price_all
from delever.core.state import State
from delever.core.tables import (
    ADDED,
    COVERED,
    DEBTS,
    DEFICIT,
    DEPOSITS,
    HOLDERS,
    SLOTS,
    STOLEN,
    BookTables,
    Lots,
    Reserves,
    Touched,
)
from delever.engine.conservation import LIMIT, residual
from delever.model.exchange import is_exchange
from delever.run.assemble import Model
from delever.run.exchange_outcomes import Column, by_exchange, by_waterfall

OF_BOTH = ("liquidations", "accounts_liquidated")  # what lending and exchanges count alike


class ConservationError(RuntimeError):
    """Value was made or lost: a fault of the program, never of the input. `path`: where."""

    def __init__(self, message: str, path: int) -> None:
        super().__init__(message, path)
        self.message, self.path = message, path

    def __str__(self) -> str:
        return self.message


@kernel
def underwater(slots: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray, bare: np.ndarray,
               short: np.ndarray) -> None:
    """At the end: debt without collateral, and what accounts owe beyond their collateral, at seen prices [USD].

    price: [P, R]; bare, short: [protocols, P]. Only touched accounts can be under water: the others are healthy.
    """
    account, path, amount, signature, reserve = (touched.account, touched.path, touched.amount, book.signature,
                                                 book.reserve)
    for slot in range(slots):
        p, g = path[slot], signature[account[slot]]
        if book.margin[g]:
            continue  # nobody on an exchange is left below zero: it is booked
        value, debt, first = 0.0, 0.0, book.first_debt[0]
        for k in range(book.collaterals[g]):
            value += amount[slot, k] * reserves.supply_index[reserve[g, k]] * price[p, reserve[g, k]]
        for k in range(first, first + book.debts[g]):
            debt += amount[slot, k] * reserves.borrow_index[reserve[g, k]] * price[p, reserve[g, k]]
        if debt > 0.0 and value <= 0.0:
            bare[book.protocol[g], p] += debt
        short[book.protocol[g], p] += max(debt - value, 0.0)


@kernel
def unsold(n_lots: int, lots: Lots, touched: Touched, book: BookTables, price: np.ndarray, short: np.ndarray) -> None:
    """At the end: debt that went into lots beyond what these are worth, at seen prices [USD].

    price: [P, R]; short: [protocols, P].
    """
    for k in range(n_lots):
        if lots.open[k]:
            p, r = lots.path[k], book.reserve[book.signature[touched.account[lots.slot[k]]], lots.leg[k]]
            short[lots.protocol[k], p] += max(lots.owed[k] * price[p, lots.reserve[k]] - lots.units[k] * price[p, r], 0.0)


def tabulate_paths(model: Model, state: State) -> pa.Table:
    """Outcomes of a chunk, one row a path."""
    slots = int(state.watch.counts[SLOTS])
    worst = residual(state, slots)
    if float(worst.max(initial=0.0)) > LIMIT:
        a, p = np.unravel_index(int(worst.argmax()), worst.shape)
        raise ConservationError(f"path {state.first_path + int(p)}: {model.layout.assets[int(a)]} is not conserved, "
                                f"residual {worst[a, p]:.3g} of turnover (limit {LIMIT:g}); this is a fault of the program",
                                state.first_path + int(p))
    touched = np.bincount(state.pool.touched.path[:slots], minlength=state.paths)
    columns: list[Column] = [("path", "number", state.first_path + np.arange(state.paths)),
                             ("accounts_touched", "count", touched),
                             *by_protocol(model, state, slots), *by_reserve(model, state), *by_waterfall(model, state),
                             *by_exchange(model, state), *by_path(model, state),
                             *by_market(model, state)]
    for name, sold, leak in zip(model.layout.assets, state.tally.forced, worst, strict=True):
        columns += [(f"forced_sales.{name}", name, sold), (f"residual.{name}", "share", leak)]
    schema = pa.schema([pa.field(name, pa.int64() if column.dtype.kind == "i" else pa.float64(),
                                 metadata={"unit": unit}) for name, unit, column in columns])
    return pa.table([pa.array(column) for _, _, column in columns], schema=schema)


def by_protocol(model: Model, state: State, slots: int) -> list[Column]:
    """Outcomes of each protocol; money in USD at the prices it saw."""
    protocols = list(model.world.protocols)
    state.seen.stamp[:] = -1
    price_all(state)
    bare, short = np.zeros((len(protocols), state.paths)), np.zeros((len(protocols), state.paths))
    underwater(slots, state.pool.touched, state.book, state.reserves, state.seen.price, bare, short)
    if state.n_lots:
        unsold(state.n_lots, state.lots, state.pool.touched, state.book, state.seen.price, short)
    totals = state.ledgers.totals
    out: list[Column] = []
    for outcome, table in zip(OUTCOME_COLUMNS, totals, strict=True):
        unit = "USD" if outcome.unit == "seen" else outcome.unit
        out += [(f"{outcome.name}.{name}", unit, row) for name, row in zip(protocols, table, strict=True)
                if not is_exchange(model.world.protocols[name]) or outcome.name in OF_BOTH]
    for name, no_collateral, negative, booked in zip(protocols, bare, short, totals[DEFICITS], strict=True):
        if not is_exchange(model.world.protocols[name]):
            out += [(f"bad_debt.{name}", "USD", booked + no_collateral), (f"shortfall.{name}", "USD", booked + negative)]
    return out


def by_reserve(model: Model, state: State) -> list[Column]:
    """Units of each asset of each protocol: seized (protocol fee included), repaid, written off."""
    booked, first = state.ledgers.booked, int(state.book.first_debt[0])
    held, owed = (set(np.unique(state.book.reserve[:, legs][used]).tolist()) for legs, used in (
        (slice(None, first), np.arange(first) < state.book.collaterals[:, None]),
        (slice(first, None), np.arange(state.book.reserve.shape[1] - first) < state.book.debts[:, None])))
    out: list[Column] = []
    for r, (protocol, asset) in enumerate(model.positions.reserves):
        if is_exchange(model.world.protocols[protocol]):
            continue
        if r in held:
            out.append((f"seized.{protocol}.{asset}", asset, booked[ADDED, r] - booked[DEPOSITS, r]))
        if r in owed:
            out += [(f"repaid.{protocol}.{asset}", asset, 0.0 - booked[DEBTS, r] - booked[DEFICIT, r] - booked[COVERED, r]
                     + booked[STOLEN, r]),
                    (f"written_off.{protocol}.{asset}", asset, booked[DEFICIT, r] + booked[COVERED, r] - booked[STOLEN, r])]
    return out


def by_path(model: Model, state: State) -> list[Column]:
    """What has no protocol."""
    tree, tally, usd = model.layout.tree, state.tally, np.zeros(state.paths)
    liquidators = [HOLDERS + i for i, actor in enumerate(model.world.actors.values()) if getattr(actor, "bids", False)]
    for a in range(len(model.layout.assets)):
        log_price = np.full(state.paths, tree.log_rate[a])
        for m in tree.chain[a, :tree.length[a]]:
            log_price += state.markets.price[m]
        for holder in liquidators:  # row by row: NumPy's sum adds a single column in another order, which moves a bit
            units = state.ledgers.tokens[holder, a]
            if len(state.bridges.fee):  # what is in flight is still his, also over a dead bridge
                units = units + state.purses.coming[:, holder - HOLDERS, a].sum(0)
            usd += units * np.exp(log_price)
    return [("liquidator_profit", "USD", usd), ("cascade_length", "blocks", tally.longest),
            ("oracle_answers", "count", tally.answers), ("reverted", "count", tally.reverted),
            ("gas", "native", tally.gas), ("found_no_room", "count", tally.unfit), ("health_checks", "count", tally.looked)]


def by_market(model: Model, state: State) -> list[Column]:
    """Prices, and how far they fell."""
    out: list[Column] = []
    markets = state.markets
    for m, pair in enumerate(model.layout.pairs):
        out += [(f"lowest.{pair}", "share", np.expm1(markets.lowest[m])),
                (f"lowest_outside.{pair}", "share", np.expm1(markets.lowest_exogenous[m])),
                (f"last_price.{pair}", pair.split("/")[1], np.exp(markets.price[m])),
                (f"extrapolated.{pair}", model.layout.markets[m], markets.extrapolated[m])]
    return out

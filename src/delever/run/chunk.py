"""One chunk of paths from start to end: what a thread does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.core.jit import kernel
from delever.core.outcomes import OUTCOME_COLUMNS
from delever.core.state import State
from delever.core.tables import LIQUIDATORS, BookTables, Reserves, Touched
from delever.engine.boundary import SLOTS, price_paths
from delever.engine.conservation import LIMIT, residual
from delever.engine.probes import Extremes, History, Trace
from delever.engine.step import step
from delever.run.assemble import Model, new_state, phases


@dataclass(frozen=True)
class ChunkResult:
    """One row a path, and what merges by adding."""

    first_path: int
    paths: pa.Table
    history: np.ndarray  # [quantities, BINS, BUCKETS] number of paths
    trace: list[tuple[float, ...]]


class ConservationError(RuntimeError):
    """Value was made or lost: a fault of the program, never of the input."""


def simulate(model: Model, first_path: int, count: int, traced: list[int]) -> ChunkResult:
    """Paths first_path .. first_path + count - 1."""
    state, history, trace = run_state(model, first_path, count, traced)
    return ChunkResult(first_path, tabulate_paths(model, state), history.counts, trace.rows)


def run_state(model: Model, first_path: int, count: int, traced: list[int]) -> tuple[State, History, Trace]:
    """The state of a chunk at the end."""
    state = new_state(model, first_path, count)
    history, trace = History(model.steps), Trace(traced)
    chunk = phases(model, count, (Extremes(), history, trace) if traced else (Extremes(), history))
    for _ in range(model.steps):
        step(chunk, state)
    return state, history, trace


@kernel
def underwater(slots: int, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray, bare: np.ndarray,
               short: np.ndarray) -> None:
    """At the end: debt without collateral, and what accounts owe beyond their collateral, at seen prices [USD].

    price: [P, R]; bare, short: [protocols, P]. Only touched accounts can be under water: the others are healthy.
    """
    for slot in range(slots):
        p, g = touched.path[slot], book.signature[touched.account[slot]]
        value, debt, first = 0.0, 0.0, book.first_debt[0]
        for k in range(book.collaterals[g]):
            value += touched.amount[slot, k] * reserves.supply_index[book.reserve[g, k]] * price[p, book.reserve[g, k]]
        for k in range(first, first + book.debts[g]):
            debt += touched.amount[slot, k] * reserves.borrow_index[book.reserve[g, k]] * price[p, book.reserve[g, k]]
        if debt > 0.0 and value <= 0.0:
            bare[book.protocol[g], p] += debt
        short[book.protocol[g], p] += max(debt - value, 0.0)


def tabulate_paths(model: Model, state: State) -> pa.Table:
    """Outcomes of a chunk, one row a path, units in the schema."""
    ledgers, tally, markets, layout = state.ledgers, state.tally, state.markets, model.layout
    slots = int(state.watch.count[SLOTS])
    worst = residual(state, slots)
    if float(worst.max(initial=0.0)) > LIMIT:
        a, p = np.unravel_index(int(worst.argmax()), worst.shape)
        raise ConservationError(f"path {state.first_path + p}: {layout.assets[a]} is not conserved, residual "
                                f"{worst[a, p]:.3g} of turnover (limit {LIMIT:g}); this is a fault of the program")
    every = np.arange(state.paths)
    state.sight.stamp[:] = -1
    price_paths(every, every, state.sight, layout.tree, markets.price)
    protocols = list(model.world.protocols)
    bare, short = np.zeros((len(protocols), state.paths)), np.zeros((len(protocols), state.paths))
    underwater(slots, state.pool.touched, state.book, state.reserves, state.sight.price, bare, short)
    touched = np.bincount(state.pool.touched.path[:slots], minlength=state.paths)
    columns: list[tuple[str, str, np.ndarray]] = [("path", "number", state.first_path + np.arange(state.paths)),
                                                  ("accounts_touched", "count", touched)]
    for outcome, table in zip(OUTCOME_COLUMNS, ledgers.totals, strict=True):
        unit = {"seen": "USD"}.get(outcome.unit, outcome.unit)
        columns += [(f"{outcome.name}.{name}", unit, row) for name, row in zip(protocols, table, strict=True)]
    deficit = ledgers.totals[[c.name for c in OUTCOME_COLUMNS].index("deficit")]
    for name, no_collateral, negative, booked in zip(protocols, bare, short, deficit, strict=True):
        columns += [(f"bad_debt.{name}", "USD", booked + no_collateral), (f"shortfall.{name}", "USD", booked + negative)]
    log_price = np.array([[layout.tree.log_rate[a]] for a in range(len(layout.assets))]) + np.array(
        [sum((markets.price[m] for m in layout.tree.chain[a, :layout.tree.length[a]]), np.zeros(state.paths))
         for a in range(len(layout.assets))])
    usd = np.zeros(state.paths)
    for units, price in zip(ledgers.tokens[LIQUIDATORS], np.exp(log_price), strict=True):
        usd += units * price  # row by row: NumPy's sum adds a single column in another order, which moves a bit
    columns += [("liquidator_profit", "USD", usd), ("cascade_length", "blocks", tally.longest),
                ("oracle_answers", "count", tally.answers), ("reverted", "count", tally.reverted),
                ("gas", "native", tally.gas), ("found_no_room", "count", tally.unfit), ("health_checks", "count", tally.looked)]
    for m, pair in enumerate(layout.pairs):
        fall, outside = np.expm1(markets.lowest[m]), np.expm1(markets.lowest_exogenous[m])
        columns += [(f"lowest.{pair}", "share", fall), (f"lowest_outside.{pair}", "share", outside),
                    (f"last_price.{pair}", pair.split("/")[1], np.exp(markets.price[m])),
                    (f"extrapolated.{pair}", layout.markets[m], markets.extrapolated[m])]
    for a, name in enumerate(layout.assets):
        columns += [(f"forced_sales.{name}", name, tally.forced[a]), (f"residual.{name}", "share", worst[a])]
    schema = pa.schema([pa.field(name, pa.int64() if column.dtype.kind == "i" else pa.float64(),
                                 metadata={"unit": unit}) for name, unit, column in columns])
    return pa.table([pa.array(column) for _, _, column in columns], schema=schema)

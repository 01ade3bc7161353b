"""What is kept of a chunk: one row a path, in the columns that the mechanisms declare and a few of the run's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from delever.core.columns import Column, Figure, Value
from delever.core.elementary import FARTHEST
from delever.core.phase import Phase
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.errors import InputError
from delever.run.assemble import Model
from delever.run.collect import collect, field_of
from delever.run.reach import FARTHEST_TRADED, REMEDY

PATH = Column("path", "number", "of the path")
WEIGHT = Column("weight", "number", "how much the path counts: its likelihood as the world states it, over that as it was drawn")
TOUCHED = Column("accounts_touched", "count", "accounts that came into reach of liquidation")
LOOKED = Column("health_checks", "count", "exact health checks")
RESIDUAL = Column("residual", "share", "violation of conservation, as a share of turnover", (Figure(
    "conservation_residual", "largest",
    "largest violation of conservation of any asset on any path, as a share of its turnover"),),
    over="largest", section="Soundness of the run")


FAR_APART = "numbers of the world are too large, too small or too far apart: see its amounts, prices, volatilities and events"


class ConservationError(RuntimeError):
    """Value was made or lost: a fault of the program, never of the input. `path`: where."""

    def __init__(self, message: str, path: int) -> None:
        super().__init__(message, path)
        self.message, self.path = message, path

    def __str__(self) -> str:
        return self.message


def tabulate_paths(model: Model, mechanisms: Sequence[Phase], state: State) -> pa.Table:
    """Outcomes of a chunk, one row a path."""
    slots = int(state.watch.counts[SLOTS])
    check_seen(model, state)
    leaks = conserved(model, state, slots)
    touched = np.bincount(state.pool.touched.path[:slots], minlength=state.paths)
    values = [Value(PATH, state.first_path + np.arange(state.paths)), Value(WEIGHT, state.weight),
              Value(TOUCHED, touched), *collect(mechanisms, state),
              Value(LOOKED, state.tally.looked), *(Value(RESIDUAL, leak, asset=a) for a, leak in enumerate(leaks))]
    check_outcomes(model, state, values)
    return pa.table([pa.array(value.values) for value in values], schema=pa.schema([field_of(model, v) for v in values]))


def check_outcomes(model: Model, state: State, values: Sequence[Value]) -> None:
    """No price has left, no outcome is infinite, and none is NaN but of what may not happen: a figure of that would be none."""
    check_moves(model, state, state.markets.price - state.markets.start[:, None], FARTHEST)
    for value in values:
        if value.values.dtype.kind != "f":
            continue
        may_lack = any(figure.reduce.endswith("_where") for figure in value.column.figures)
        wrong = np.isinf(value.values) if may_lack else ~np.isfinite(value.values)
        if wrong.any():
            raise InputError("is beyond what can be reckoned with", f"path {state.first_path + int(wrong.argmax())}",
                             field_of(model, value).name, FAR_APART)


def check_seen(model: Model, state: State) -> None:
    """What protocols see has at no time been further from where it was than accounts can be watched, on any path."""
    reserve = int(state.seen.beyond[0]) - 1
    if reserve >= 0:
        check_moves(model, state, state.markets.lowest - state.markets.lowest_exogenous, FARTHEST_TRADED)  # says where, if it is
        protocol, asset = model.positions.reserves[reserve]
        raise InputError("has moved further than can be reckoned with", f"price of {asset} as {protocol} sees it",
                         remedy=f"{REMEDY}, smaller orders or deeper venues")


def check_moves(model: Model, state: State, moved: np.ndarray, most: float) -> None:
    """No price is further than `most` from where it was [log]. moved: [M, P]."""
    far = np.nan_to_num(np.abs(moved), nan=np.inf)
    if far.max(initial=0.0) > most:
        m, p = (int(number) for number in np.unravel_index(int(far.argmax()), far.shape))
        where = f"path {state.first_path + p}, price of {model.layout.rows[m]}"
        raise InputError("has moved further than can be reckoned with", where,
                         remedy=f"{REMEDY}, smaller orders or deeper venues")


def conserved(model: Model, state: State, slots: int) -> np.ndarray:
    """Violations of conservation [A, P], shares of turnover; an error where one is more than rounding."""
    worst = residual(state, slots)
    if float(np.nanmax(worst, initial=0.0)) > LIMIT:
        check_moves(model, state, state.markets.lowest - state.markets.lowest_exogenous, FARTHEST_TRADED)
        a, p = np.unravel_index(int(np.nanargmax(worst)), worst.shape)
        raise ConservationError(f"path {state.first_path + int(p)}: {model.layout.assets[int(a)]} is not conserved, "
                                f"residual {worst[a, p]:.3g} of turnover (limit {LIMIT:g}); this is a fault of the program",
                                state.first_path + int(p))
    return worst

"""The positions that were closed against their owners' will, a row each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.core.closings import marks, profits
from delever.core.state import State
from delever.run.assemble import Model


def deleveraged_positions(model: Model, state: State) -> pa.Table:
    """The positions that ADL closed, a row each, by path and then as they came. time: the end of the step [s]."""
    n, positions = state.n_closings, model.positions
    order = np.argsort(state.closings.path[:n], kind="stable")
    account, reserve = state.closings.account[:n][order], state.closings.reserve[:n][order]
    mark, units, in_usd = marks(state)[order], state.closings.units[:n][order], state.closings.in_usd[:n][order]
    sense, price = positions.sense[reserve], state.closings.price[:n][order]
    names = list(model.world.protocols)
    of = [names[p] for p in positions.protocol[account].tolist()]
    called = [positions.accounts[a] for a in account.tolist()]
    legs = positions.book.legs.select(["protocol", "account", "owner"])
    legs = legs.filter(pc.is_in(legs["account"], pa.array(sorted(set(called)), pa.string())))
    owners = {(row["protocol"], row["account"]): row["owner"] for row in legs.to_pylist()}
    columns: list[tuple[str, str, pa.Array]] = [
        ("path", "number", pa.array(state.first_path + state.closings.path[:n][order])),
        ("time", "s", pa.array(state.closings.step[:n][order] * state.step_length)),
        ("protocol", "", pa.array(of, pa.string())), ("account", "", pa.array(called, pa.string())),
        ("owner", "", pa.array([owners[key] for key in zip(of, called, strict=True)], pa.string())),
        ("perp", "", pa.array([positions.reserves[r][1] for r in reserve.tolist()], pa.string())),
        ("units", "units", pa.array(units * sense)), ("price", "USD", pa.array(quoted(price, sense, in_usd))),
        ("mark", "USD", pa.array(quoted(mark, sense, in_usd))), ("notional", "USD", pa.array(np.abs(units) * mark * in_usd)),
        ("haircut", "USD", pa.array(state.closings.haircut[:n][order] * in_usd)),
        ("profit", "USD", pa.array(profits(state)[order]))]
    return pa.table([column for _, _, column in columns], schema=pa.schema(
        [pa.field(name, column.type, metadata={"unit": unit} if unit else None) for name, unit, column in columns]))


def quoted(price: np.ndarray, sense: np.ndarray, in_usd: np.ndarray) -> np.ndarray:
    """USD a unit; of an inverse perp USD a coin, as its exchange says it: one over what a dollar is worth in the coin."""
    return np.where(sense > 0.0, price * in_usd, np.divide(1.0, price, out=np.full(len(price), np.inf), where=price != 0.0))

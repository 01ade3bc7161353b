"""Every transaction of one path of what is shown."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from delever.run.replay import replay_model
from delever.web.desk.state import Desk
from delever.web.desk.walls import csv

MOST = 400  # rows that are listed


def transactions(desk: Desk, which: int, path: int, kind: str = "", about: str = "") -> dict[str, Any]:
    """Rows of a path. which: of the runs that are shown; kind, about: of one kind, of one account, empty: of all."""
    table, world = replayed(desk, which, path), desk.seen()[which][1].world
    kinds = sorted(set(table["kind"].to_pylist()))
    found = narrowed(table, kind, about)
    return {"path": path, "kinds": kinds, "rows": found.slice(0, MOST).to_pylist(), "of": found.num_rows,
            "start": world.as_of.timestamp()}


def replayed(desk: Desk, which: int, path: int) -> pa.Table:
    """The path played again, unless it was the last."""
    run = desk.seen()[which][1]
    if desk.replayed is None or desk.replayed[:2] != (which, path):
        desk.replayed = (which, path, replay_model(run.model, path))
    return desk.replayed[2]


def narrowed(table: pa.Table, kind: str, about: str) -> pa.Table:
    """Those of a kind, and of an account."""
    if kind:
        table = table.filter(pc.equal(table["kind"], kind))
    return table.filter(pc.equal(table["about"], about)) if about else table


def transactions_csv(desk: Desk, which: int, path: int) -> bytes:
    """All of them as a file."""
    return csv(replayed(desk, which, path))

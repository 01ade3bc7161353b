"""How what mechanisms declare grew over time: a row a path, time and protocol, and what of it is typical."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.core.columns import Column, Value
from delever.engine.probes import Timeline
from delever.run.assemble import Model
from delever.run.estimates import OneEach, ordered_at

AT_MOST = 12  # times that a digest shows
WORTH = 0.01  # a change worth showing, share of the largest value of its column
KEYS = 3  # leading columns: path, time, protocol


def timeline_table(model: Model, first_path: int, timeline: Timeline) -> pa.Table | None:
    """What the probe saw of a chunk, by path, then time, then protocol; none where no protocol declares an amount.

    0 where a protocol has no such column: the field's metadata say which have it.
    """
    first = timeline.rows[0] if timeline.rows else []
    watched = sorted({value.protocol for value in first if value.protocol >= 0})
    if not watched:
        return None
    columns = {value.column.name: value.column for value in first if value.protocol >= 0}
    names, order = list(model.world.protocols), list(columns)
    times, paths = len(timeline.steps), len(first[0].values)
    seen = np.zeros((times, len(order), len(watched), paths))
    for t, row in enumerate(timeline.rows):
        for value in row:
            if value.protocol >= 0:
                seen[t, order.index(value.column.name), watched.index(value.protocol)] = value.values
    time = np.tile(np.repeat(np.array(timeline.steps) * model.step_length, len(watched)), paths)
    of = pa.array([names[number] for number in watched], pa.string()).take(
        pa.array(np.tile(np.arange(len(watched)), times * paths)))
    fields = [pa.field("path", pa.int64()), pa.field("time", pa.float64(), metadata={"unit": "s"}),
              pa.field("protocol", pa.string()), *(field_of(columns[name], first, names) for name in order)]
    return pa.table([pa.array(np.repeat(first_path + np.arange(paths), times * len(watched))), pa.array(time), of,
                     *(pa.array(np.ascontiguousarray(seen[:, u].transpose(2, 0, 1)).ravel()) for u in range(len(order)))],
                    schema=pa.schema(fields))


def field_of(column: Column, first: list[Value], names: list[str]) -> pa.Field:
    """A column of the timeline, and whose it is."""
    mine = sorted({names[value.protocol] for value in first if value.protocol >= 0 and value.column.name == column.name})
    when = "then" if column.stock else "up to then"
    return pa.field(column.name, pa.float64(), metadata={
        "unit": column.unit, "meaning": f"{column.meaning}, {when}", "label": column.label or column.name.replace("_", " "),
        "protocols": json.dumps(mine), "stock": "yes" if column.stock else ""})


def uses(timeline: pa.Table, protocol: str = "") -> list[pa.Field]:
    """The columns behind the keys; of a protocol, those that it has."""
    fields = list(timeline.schema)[KEYS:]
    return [field for field in fields if not protocol or protocol in json.loads(field.metadata[b"protocols"])]


def medians(timeline: pa.Table, protocol: str, w: OneEach = None) -> pa.Table:
    """Medians over paths of one protocol, a row a time. A median of sums need not be the sum of medians.

    w: [paths] how much each path counts; None: all alike.
    """
    mine = timeline.filter(pc.equal(timeline["protocol"], protocol))
    time = np.unique(mine["time"].to_numpy())
    columns = {"time": time}
    for use in uses(timeline):  # rows are by path, then time
        values = mine[use.name].to_numpy().reshape(-1, len(time))
        columns[use.name] = np.median(values, axis=0) if w is None else ordered_at(values.T, 0.5, w)
    kept = [mine.schema.field(name) for name in columns]
    return pa.table([pa.array(values) for values in columns.values()], schema=pa.schema(kept))


def digest(timeline: pa.Table, protocol: str, w: OneEach = None, most: int = AT_MOST) -> pa.Table:
    """The medians before and after the largest changes, at most `most` times, and at the end."""
    table = medians(timeline, protocol, w)
    values = np.array([table[use.name].to_numpy() for use in uses(timeline)])  # [uses, times]
    scale = np.abs(values).max(axis=1, initial=0.0)[:, None]
    change = (np.abs(np.diff(values, axis=1)) / np.where(scale > 0.0, scale, 1.0)).max(axis=0, initial=0.0)  # from time to time
    shown = {table.num_rows - 1}
    for i in np.argsort(-change, kind="stable").tolist():
        more = shown | {i, i + 1}
        if change[i] < WORTH or len(more) > most:
            break
        shown = more
    return table.take(pa.array(sorted(shown)))

"""How the use of a default waterfall grew over time: a row a path, time and protocol, and what of it is typical."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.engine.probes import USES, Timeline
from delever.run.assemble import Model

AT_MOST = 12  # times that a digest shows
WORTH = 0.01  # a change worth showing, share of the largest value of its column
MEANINGS = {
    "liquidated": "positions that the engine closed up to then, at marks",
    "taken_over": "positions that the backstop vault took over up to then, at marks",
    "deleveraged": "positions of winners that ADL closed up to then, at marks",
    "haircut": "what ADL cost winners up to then, against the mark",
    "insurance_fund": "deficits that the insurance fund paid up to then",
    "backstop": "equity below zero that the vault took over up to then",
    "adl": "haircuts that the layer ADL imposed up to then",
    "socialised_loss": "deficits taken from accounts or claims up to then",
    "fund_left": "what the insurance fund holds then, at prices seen",
    "vault_equity": "what the backstop vault is worth then, collateral after haircuts",
}
assert tuple(MEANINGS) == USES


def timeline_table(model: Model, first_path: int, timeline: Timeline) -> pa.Table:
    """What the probe saw of a chunk, by path, then time, then protocol."""
    names = list(model.world.protocols)
    times, watched = len(timeline.steps), len(timeline.protocols)
    seen = np.array(timeline.rows).reshape(times, len(USES), watched, -1)  # [times, USES, protocols, P]
    paths = seen.shape[3]
    path = np.repeat(first_path + np.arange(paths), times * watched)
    time = np.tile(np.repeat(np.array(timeline.steps) * model.step_length, watched), paths)
    of = pa.array([names[number] for number in timeline.protocols], pa.string()).take(
        pa.array(np.tile(np.arange(watched), times * paths)))
    fields = [pa.field("path", pa.int64()), pa.field("time", pa.float64(), metadata={"unit": "s"}),
              pa.field("protocol", pa.string())]
    fields += [pa.field(use, pa.float64(), metadata={"unit": "USD", "meaning": MEANINGS[use]}) for use in USES]
    columns = [np.ascontiguousarray(seen[:, u].transpose(2, 0, 1)).ravel() for u in range(len(USES))]
    return pa.table([pa.array(path), pa.array(time), of, *map(pa.array, columns)], schema=pa.schema(fields))


def medians(timeline: pa.Table, protocol: str) -> pa.Table:
    """Medians over paths of one protocol, a row a time. A median of sums need not be the sum of medians."""
    mine = timeline.filter(pc.equal(timeline["protocol"], protocol))
    time, at = np.unique(mine["time"].to_numpy(), return_inverse=True)
    columns = {"time": time}
    for use in USES:
        values = mine[use].to_numpy()
        columns[use] = np.array([np.median(values[at == i]) for i in range(len(time))])
    kept = [mine.schema.field(name) for name in columns]
    return pa.table([pa.array(values) for values in columns.values()], schema=pa.schema(kept))


def digest(timeline: pa.Table, protocol: str, most: int = AT_MOST) -> pa.Table:
    """The medians before and after the largest changes, at most `most` times, and at the end."""
    table = medians(timeline, protocol)
    values = np.array([table[use].to_numpy() for use in USES])  # [USES, times]
    scale = np.abs(values).max(axis=1, initial=0.0)[:, None]
    change = (np.abs(np.diff(values, axis=1)) / np.where(scale > 0.0, scale, 1.0)).max(axis=0, initial=0.0)  # from time to time
    shown = {table.num_rows - 1}
    for i in np.argsort(-change, kind="stable").tolist():
        more = shown | {i, i + 1}
        if change[i] < WORTH or len(more) > most:
            break
        shown = more
    return table.take(pa.array(sorted(shown)))

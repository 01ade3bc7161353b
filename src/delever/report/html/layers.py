"""How the default waterfall of each exchange, or of a lending protocol that has one, was used up over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.report.html.figure import Figure, Given, html_table, pct, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed
from delever.report.numbers import moment
from delever.run.timeline import uses

TINTS = ("c1", "alt", "c3", "c2", "c4")


def layers(given: Given) -> list[Figure]:
    """One a protocol on whose paths a layer bore something."""
    run = given.run
    if not run.timeline.num_columns:
        return []
    return [made for name in run.world.protocols if (made := of_protocol(given, name)) is not None]


def of_protocol(given: Given, name: str) -> Figure | None:
    """What its layers had borne, mean over paths."""
    run, losses = given.run, given.losses
    wanted = {one.rpartition(".")[0]: one for one in run.paths.column_names if one.endswith(f".{name}")}
    fields = [use for use in uses(run.timeline, name) if use.name in wanted and use.name in bearing(given, name)]
    mine = run.timeline.filter(pc.equal(run.timeline["protocol"], name))
    if not fields or not mine.num_rows:
        return None
    time, at = np.unique(mine["time"].to_numpy(), return_inverse=True)
    mean = {use.name: np.bincount(at, mine[use.name].to_numpy()) / np.bincount(at) for use in fields}  # [times]
    if not any(values.max() > 0.0 for values in mean.values()):
        return None
    hours = np.concatenate([[0.0], time / 3600.0])
    said = {use.name: (use.metadata or {})[b"label"].decode() for use in fields}
    rows, below = [], np.zeros(len(hours))
    for i, use in enumerate(fields):
        above = below + np.concatenate([[0.0], mean[use.name]])
        rows += [
            {
                "t": float(t),
                "y0": float(a),
                "y1": float(b),
                "c": C[TINTS[i % len(TINTS)]],
                "who": said[use.name],
                "d": f"after {moment(t * 3600.0)}: {said[use.name]} had borne {usd(float(b - a))}",
            }
            for t, a, b in zip(hours, below, above, strict=True)
        ]
        below = above

    dry = ran_dry(given, name, said)
    marks = [{"t": when / 3600.0} for _, _, when in dry]

    def make(narrow: bool) -> Any:
        alt = needed()
        x = alt.X(
            "t:Q",
            title="hours since the start",
            axis=alt.Axis(tickCount=5 if narrow else 8),
            scale=alt.Scale(domain=[0, float(hours[-1])], nice=False),
        )
        y = alt.Y("y0:Q", title="USD", axis=alt.Axis(labelExpr=MONEY, tickCount=4))
        area = (
            chart(rows)
            .mark_area(opacity=0.9, aria=False)
            .encode(x=x, y=y, y2="y1:Q", color=alt.Color("c:N", scale=None), detail="who:N")
        )
        dots = chart(rows).mark_point(opacity=0, size=60, filled=True).encode(x=x, y="y1:Q", description="d:N")
        rules = [chart(marks).mark_rule(strokeDash=[2, 3], aria=False).encode(x="t:Q")] if marks else []
        return alt.layer(area, dots, *rules).properties(height=210 if narrow else 240)

    first = max(mean, key=lambda one: float(mean[one][-1]))
    table = pa.table(
        [pa.array(time)] + [pa.array(mean[use.name]) for use in fields],
        schema=pa.schema(
            [pa.field("time", pa.float64(), metadata={"unit": "s"})]
            + [pa.field(said[use.name], pa.float64(), metadata={"unit": "USD"}) for use in fields]
        ),
    )
    whole = sum(float(values[-1]) for values in mean.values())
    return Figure(
        f"layers-{name}",
        f"{said[first][:1].upper()}{said[first][1:]} bears {pct(float(mean[first][-1]) / whole)} of what the waterfall of {name} "
        "pays",
        f"What each layer of the default waterfall of {name} had borne up to then, mean over paths, USD",
        drawn(make),
        (
            ("Means", "add up; medians would not"),
            ("Order", "of the layers, from below"),
            *dry_notes(dry),
            ("Horizon", given.horizon),
            ("Paths", f"{len(losses.total):,}"),
            ("Source", "timeline.parquet"),
        ),
        html_table(table, f"Use of the default waterfall of {name}, mean over paths"),
        [(TINTS[i % len(TINTS)], said[use.name], "solid") for i, use in enumerate(fields)],
    )


def dry_notes(dry: list[tuple[str, float, float]]) -> list[tuple[str, str]]:
    """Which layer could first not serve in full, and when."""
    if not dry:
        return []
    told = "; ".join(f"{label}: {moment(when)}, on {pct(share)} of paths" for label, share, when in dry)
    return [("Could not serve in full", f"{told}. Median time over those paths, exact to the block; dotted")]


def ran_dry(given: Given, name: str, said: dict[str, str]) -> list[tuple[str, float, float]]:
    """(layer, share of paths, median time over them [s]) of those that could not serve in full, in the order of time.

    Times are those of the paths, to the block, and not of the bins that are drawn.
    """
    found = []
    for layer, label in said.items():
        column = f"{layer}_dry.{name}"
        if column in given.run.paths.column_names:
            when = np.asarray(given.run.paths[column], float)
            when = when[~np.isnan(when)]
            if len(when):
                found.append((label, len(when) / given.run.paths.num_rows, float(np.median(when))))
    return sorted(found, key=lambda one: one[2])


def bearing(given: Given, name: str) -> set[str]:
    """Columns of layers that bear losses of a protocol."""
    from delever.analysis.bearers import BORE
    from delever.run.collect import declared

    return {
        one.column.name
        for one in declared(given.run.paths)
        if one.protocol == name and any(figure.under == BORE for figure in one.column.figures)
    }

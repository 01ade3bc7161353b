"""Every input of a world, and of what kind it is: measured, estimated, assumed, or what the scenario asks.

As the world's `inputs` state it. Where they do not: prices and events are the scenario's; who acts and which rules stop others
are assumed; parameters that the catalog cites are measured, as cited; of everything else it is not stated, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from delever.analysis.inputs import inputs
from delever.analysis.tables import Column, table
from delever.model.origin import PARTS, Origin
from delever.model.world import World

SCENARIO, ASSUMED, MEASURED, UNSTATED = "scenario", "assumed", "measured", "not stated"


class Row(NamedTuple):
    """One input."""

    key: str  # as in `inputs` and `ages`
    what: str  # as reports call it
    how: str
    source: str


def origins(world: World) -> pa.Table:
    """A row an input: what it is, of what kind, its source, from when and how old against the world's date [s]."""
    rows, ages = list(rows_of(world)), {one.name: one for one in inputs(world)}
    dated = [ages.get(row.key) for row in rows]
    return table(
        Column("input", "", [row.key for row in rows], kind=pa.string()),
        Column("what", "", [row.what for row in rows], kind=pa.string()),
        Column("kind", "", [row.how for row in rows], "measured, estimated, assumed, scenario; or not stated", pa.string()),
        Column("source", "", [row.source for row in rows], kind=pa.string()),
        Column("as_of", "", [one.as_of if one else None for one in dated], kind=pa.timestamp("s", "UTC")),
        Column("age", "s", [one.age if one else None for one in dated], "before the world's date", pa.float64()))


def rows_of(world: World) -> Iterator[Row]:
    """Inputs by part, in the world's order."""
    for kind, part in PARTS.items():
        for name in getattr(world, part):
            yield row(world, f"{kind}:{name}", f"{kind} of {name}" if part == "protocols" else f"{kind} {name}",
                      *by_default(world, kind, name))
    yield row(world, "execution", "order of execution", ASSUMED, f"{world.execution.mode}")
    yield row(world, "prices", "outside prices", SCENARIO, type(world.scenario.prices).kind)
    if world.scenario.events:
        yield row(world, "events", "events", SCENARIO, ", ".join(dict.fromkeys(type(one).kind for one in world.scenario.events)))
    for key in (*world.inputs, *world.ages):  # what is no part of a world has a name of the user's
        if key.partition(":")[0] not in PARTS and key not in ("execution", "prices", "events"):
            yield row(world, key, key.replace(":", " "), UNSTATED, "")


def by_default(world: World, kind: str, name: str) -> tuple[str, str]:
    """(kind, source) of what nobody stated."""
    if kind in ("actor", "policy"):
        return ASSUMED, type(getattr(world, PARTS[kind])[name]).kind
    if kind == "parameters" and isinstance(world.protocols[name].parameters, str):
        return MEASURED, f"catalog, {world.protocols[name].parameters}"
    book = world.protocols[name].book if kind == "book" else None
    return UNSTATED, book if isinstance(book, str) else ""


def row(world: World, key: str, what: str, how: str, source: str) -> Row:
    """As stated, or by default."""
    stated: Origin | None = world.inputs.get(key)
    return Row(key, what, how, source) if stated is None else Row(key, stated.label or what, stated.how, stated.source or source)

"""What breaks a limit, of a run: few things are tried, so that it takes a bounded time; kept beside the run and read again.

Tried are, of some assets, the price of each and of all together, a sale of each, and pushes of feeds that are made of them.
Where the run's own events break the limit, it is asked without them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from delever.analysis.joint_shocks import ALL
from delever.analysis.levers import Timing, levers
from delever.analysis.reverse import ALREADY, POINTS, SCHEMA, Reverse, Tell, reverse
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.store import keep_beside, kept_beside
from delever.run.stress import Run

KEPT, KEPT_POINTS = "reverse.parquet", "reverse-points.parquet"  # beside a run
SAID = b"delever.reverse"  # metadata: what is no column
FEEDS = 2  # that are pushed, at most
WAYS = ("shock", "order", "oracle")
WITHOUT = "the scenario’s own events break it by themselves, so it is asked without them"


def reverse_of(run: Run, limit: str, assets: Sequence[str], progress: Tell | None = None) -> Reverse:
    """What breaks the limit on half of at most 20 paths. assets: whose prices, sales and feeds are tried."""
    known = kept_reverse(run)
    if known is not None and " ".join(limit.split()) == known.limit:
        return known
    found, said = reverse(run.world, limit, ways(run.model, assets), progress=progress), list[str]()
    if ALREADY in found.table["found"].to_pylist() and run.world.scenario.events:
        world: World = run.world.replace("scenario.events", "[]")
        found, said = reverse(world, limit, ways(assemble(world), assets), progress=progress), [WITHOUT]
    more = {"name": found.name, "limit": " ".join(limit.split()), "definition": found.definition, "share": found.share,
            "paths": found.paths, "horizon": found.horizon, "timing": found.timing, "said": (*said, *found.said)}
    kept = found.table.replace_schema_metadata({SAID: json.dumps(more).encode()})
    if run.folder is not None:
        keep_beside(run.folder, run.manifest, KEPT, kept)
        keep_beside(run.folder, run.manifest, KEPT_POINTS, found.points)
    return read(kept, found.points)


def kept_reverse(run: Run) -> Reverse | None:
    """The answer that lies beside a run; None: it was not asked."""
    tables = [None if run.folder is None else kept_beside(run.folder, run.manifest, name) for name in (KEPT, KEPT_POINTS)]
    return None if tables[0] is None or tables[1] is None else read(tables[0], tables[1])


def read(table: pa.Table, points: pa.Table) -> Reverse:
    """As it is kept."""
    said = json.loads(table.schema.metadata[SAID])
    return Reverse(said["name"], said["limit"], said["definition"], said["share"], said["paths"], said["horizon"],
                   Timing(*said["timing"]), table.cast(SCHEMA), points.cast(POINTS), tuple(said["said"]))


def ways(model: Model, assets: Sequence[str]) -> list[str]:
    """What is tried, as `reverse` names it: of all that it would try by itself what has to do with these assets."""
    feeds = [name for name, feed in model.world.feeds.items() if str(getattr(feed, "of", "")).partition("/")[0] in assets]
    mine = {*assets, ALL, *feeds[:FEEDS]}
    return list(dict.fromkeys(f"{one.by} {one.of}" for one in levers(model, WAYS, Timing()) if one.of in mine))

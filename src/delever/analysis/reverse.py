"""Reverse stress: the smallest and the cheapest thing that breaks a stated limit.

For each thing that may be done (levers.py), over paths that are the same for every size (common random numbers):

    size      smallest s with   share of paths on which the limit is broken at s >= share asked for
    bracket   (largest size below that does not, s]      known to 1 %
    interval  of s, 95 %: the same for the ranks of paths between which the share lies (order statistics, as of a quantile)

A coarse grid is walked to its end first, so that it is known whether larger sizes break the limit too; between sizes of the grid
nobody looks. The interval takes for granted that a path on which a size breaks the limit is one on which larger ones do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.critical import PATHS
from delever.analysis.edges import CLOSE, Edge, first_edge, relapses
from delever.analysis.levers import WAYS, Lever, Timing, levers
from delever.analysis.samples import plainly, run_model, with_events
from delever.analysis.stated_limits import Limit, parse_limit
from delever.model.errors import InputError
from delever.model.quantity import SHARE
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.estimates import share
from delever.run.plots import by_size
from delever.run.result import Result

ROUGH = 1.02  # of the bracket of an end of the interval
USUAL = ("shock", "order", "oracle", "outage")
OUTSIDE = 0.025  # on either side of an interval of 95 %
ALREADY, BREAKS, HOLDS = "already", "breaks", "holds"
Tell = Callable[[str, int, int], None]
SCHEMA = pa.schema([
    pa.field(name, kind, metadata={key: text for key, text in (("unit", unit), ("meaning", meaning)) if text})
    for name, kind, unit, meaning in (
        ("by", pa.string(), "", ""), ("of", pa.string(), "", ""), ("sign", pa.int64(), "", ""), ("what", pa.string(), "", ""),
        ("found", pa.string(), "", "already: broken before anything is done; holds: at no size tried"),
        ("size", pa.float64(), "", "smallest that breaks the limit, in `unit`"), ("unit", pa.string(), "", ""),
        ("bracket_low", pa.float64(), "", "largest size below it that does not"),
        ("low", pa.float64(), "", "95 % interval of the size over paths; nan: too few paths, or a figure over all of them"),
        ("high", pa.float64(), "", ""),
        ("largest_tried", pa.float64(), "", ""), ("share", pa.float64(), "share", "paths on which the size breaks it"),
        ("share_low", pa.float64(), "share", "95 % interval"), ("share_high", pa.float64(), "share", ""),
        ("paths", pa.int64(), "1", ""),
        ("monotone", pa.bool_(), "", "every larger size of the grid breaks it too"),
        ("holds_again_at", pa.list_(pa.float64()), "", "larger sizes that do not"),
        ("cost_usd", pa.float64(), "USD", "what the attacker loses; nan: not priced"),
        ("capital_usd", pa.float64(), "USD", "what he must have at hand"), ("cost_of", pa.string(), "", ""),
        ("deviations", pa.float64(), "1", "standard deviations of the scenario's prices over its horizon; nan: it states none"))])
POINTS = pa.schema([("by", pa.string()), ("of", pa.string()), ("sign", pa.int64()), ("size", pa.float64()), ("unit", pa.string()),
                    ("paths", pa.int64()), ("share", pa.float64())])


@dataclass(frozen=True, repr=False)
class Reverse(Result):
    """What breaks a limit.

    table: a row a thing that may be done, by its kind, of a kind the smallest first (orders by their worth).
    points: every size that was run; of a path-by-path limit the share of its paths that break it.
    """

    name: str
    limit: str
    definition: str
    share: float  # of paths on which it must break
    paths: int
    horizon: float  # [s]
    timing: Timing
    table: pa.Table
    points: pa.Table
    said: tuple[str, ...]

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: sizes with their intervals, a panel a kind."""
        return by_size(alt, self.table)

    @property
    def cheapest(self) -> pa.Table:
        """Rows that break the limit and have a price, the cheapest first."""
        rows = [row for row in self.table.to_pylist() if row["found"] == BREAKS and not math.isnan(row["cost_usd"])]
        return pa.Table.from_pylist(sorted(rows, key=lambda row: float(row["cost_usd"])), schema=SCHEMA)

    def __repr__(self) -> str:
        broken = sum(row != HOLDS for row in self.table["found"].to_pylist())
        return f"Reverse stress of {self.name}: {self.limit}; {broken} of {self.table.num_rows} break it"


def reverse(world: World, limit: str, by: str | Iterable[str] = USUAL, share: float | str = 0.5, paths: int | None = None,
            at: float = 0.0, lasting: float = 600.0, progress: Tell | None = None) -> Reverse:
    """The smallest size of each thing that breaks a limit, and what it costs.

    limit: see stated_limits.py. by: "shock", "order", "oracle", "outage", "congestion", alone or with a name: "order stETH",
    "shock all", "shock ETH -30 %, WBTC -20 %". share: of paths on which the limit must break, 0.5: the median. paths: at most
    20 of the world's, if not told otherwise. at: when [s]; lasting: of a push or a crowd [s]. The world's own events stay.
    """
    least = SHARE.read(share)
    if least <= 0.0:
        raise InputError("is 0", "share", share, "a limit breaks on more than no path: 50 % is the median")
    if not 0.0 <= at < world.scenario.horizon:
        raise InputError(f"is {at:g} s", "at", at, f"the run ends after {world.scenario.horizon:g} s: name a moment before")
    if lasting <= 0.0:
        raise InputError(f"is {lasting:g} s", "lasting", lasting, "a push lasts for a time")
    model, count = assemble(plainly(world)), min(world.scenario.paths, PATHS if paths is None else max(1, paths))
    timing = Timing(at, lasting)
    chosen = levers(model, [by] if isinstance(by, str) else list(by), timing)
    if not chosen:
        raise InputError("finds nothing that can be done", "by", by, f"choose of {', '.join(WAYS)} what this world has")
    base = run_model(model, 0, count)
    found = parse_limit(limit, model, base)
    already = Point(found.broken(base))
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    said: list[str] = []
    for number, lever in enumerate(chosen):
        if progress is not None:
            progress(f"{lever.by}: {lever.name}", number, len(chosen))
        search = Search(model, lever, found, already, count, least)
        rows.append(search.row())
        points += search.rows()
        said += lever.said
    rows.sort(key=lambda row: (WAYS.index(row["by"]), *_rank(row)))
    said += _warnings(rows, world, count, least)
    return Reverse(world.name, found.text, found.definition, least, count, world.scenario.horizon, timing,
                   pa.Table.from_pylist(rows, schema=SCHEMA), pa.Table.from_pylist(points, schema=POINTS),
                   tuple(dict.fromkeys(said)))


def _rank(row: dict[str, Any]) -> tuple[bool, float]:
    """Among those of its kind: what breaks the limit first, by size; orders of several assets by what they are worth."""
    size = row["capital_usd"] if row["by"] == "order" and row["found"] == BREAKS else row["size"]
    return row["found"] == HOLDS, 0.0 if row["found"] == HOLDS else float(size)


def _warnings(rows: Sequence[dict[str, Any]], world: World, paths: int, least: float) -> Iterable[str]:
    if any(row["found"] == ALREADY for row in rows):
        own = "; the world's own events stay: set scenario.events=[] to ask without them" if world.scenario.events else ""
        yield f"the limit is broken before anything is done{own}"
    for row in rows:
        if row["found"] == BREAKS and not row["monotone"]:
            again = [f"{size * 100.0:.6g} %" if row["unit"] == "share" else f"{size:.6g} {row['unit']}"
                     for size in row["holds_again_at"]]
            yield f"{row['by']}, {row['what']}: not monotone, the limit holds again at {', '.join(again)}"
    if paths * min(least, 1.0 - least) < 3.0 and paths > 1 and least < 1.0:
        yield f"a share of {least * 100:g} % of {paths} paths rests on very few of them: take more"


def ranks(paths: int, least: float) -> tuple[int, int]:
    """Ranks, from 1, between which the value lies that a share of all paths does not exceed, with 95 %; 0, paths + 1: too few.

    The number of paths at or below it is binomial:  P(B < low) <= 2.5 %  and  P(B >= high) <= 2.5 %.

    >>> ranks(20, 0.5), ranks(3, 0.5), ranks(20, 1.0)
    ((6, 15), (0, 4), (20, 21))
    """
    if least >= 1.0:
        return paths, paths + 1
    log_all, odds = math.lgamma(paths + 1), (math.log(least), math.log1p(-least))
    chance = [math.exp(log_all - math.lgamma(k + 1) - math.lgamma(paths - k + 1) + k * odds[0] + (paths - k) * odds[1])
              for k in range(paths + 1)]
    below = list(accumulate(chance))  # P(B <= k)
    low = sum(part <= OUTSIDE for part in below)
    above = list(accumulate(reversed(chance)))  # P(B >= paths - k)
    return low, paths + 1 - sum(part <= OUTSIDE for part in above)


@dataclass
class Point:
    """What was found at one size: whether each path that was run breaks the limit."""

    broken: np.ndarray = field(default_factory=lambda: np.empty(0, np.bool_))  # [paths so far]; of a figure over all paths [1]


class Search:
    """One thing, at one size after the other."""

    def __init__(self, model: Model, lever: Lever, limit: Limit, already: Point, paths: int, least: float) -> None:
        """least: share of paths on which the limit must break."""
        self.model, self.lever, self.limit, self.already, self.paths, self.least = model, lever, limit, already, paths, least
        self.points: dict[float, Point] = {}
        self.needed = max(1, math.ceil(least * paths - 1e-9)) if limit.by_path else 1
        self.ends = ranks(paths, least)

    def breaks(self, size: float, needed: int) -> bool:
        """Whether a size breaks the limit on so many paths; no more are run than decide it, all where it asks for more."""
        point = self.points.setdefault(size, Point())
        if not self.limit.by_path:
            if not len(point.broken):
                point.broken = self.limit.broken(self.outcomes(size, 0, self.paths))
            return bool(point.broken.any())
        done = len(point.broken)
        everything = needed > self.paths
        while (hit := int(point.broken.sum())) < needed and done < self.paths:
            if not everything and hit + self.paths - done < needed:
                break
            until = self.paths if everything else min(self.paths, max(2 * done, done + needed - hit))
            point.broken = np.append(point.broken, self.limit.broken(self.outcomes(size, done, until)))
            done = until
        return hit >= needed

    def outcomes(self, size: float, first: int, last: int) -> pa.Table:
        """Paths first .. last - 1 under it, beside the world's own events."""
        events = [*self.model.world.scenario.events, *self.lever.events(size)]
        return run_model(with_events(self.model, events), first, last)

    def edge(self, needed: int, close: float) -> Edge | None:
        """The bracket for so many paths."""
        return first_edge(self.lever.grid, lambda size: self.breaks(size, needed), close, self.lever.apart)

    def interval(self) -> Edge:
        """Of the size, over paths, its ends known to 2 %; nan: paths are too few, or an end lies beyond what was tried."""
        found = []
        for end, rank in enumerate(self.ends):
            if not self.limit.by_path or not 1 <= rank <= self.paths:
                found.append(math.nan)
            elif int(self.already.broken.sum()) >= rank:
                found.append(0.0)
            else:
                edge = self.edge(rank, ROUGH)
                found.append(math.nan if edge is None else edge[end])
        return found[0], found[1]

    def row(self) -> dict[str, Any]:
        """What is found."""
        lever = self.lever
        row: dict[str, Any] = {
            "by": lever.by, "of": lever.of, "sign": lever.sign, "what": lever.name, "found": HOLDS, "unit": lever.unit,
            "largest_tried": lever.grid[-1], **dict.fromkeys(("size", "bracket_low", "low", "high"), math.nan),
            **dict.fromkeys(("cost_usd", "capital_usd", "deviations", "share", "share_low", "share_high"), math.nan),
            "monotone": None, "holds_again_at": [], "paths": 0, "cost_of": ""}
        if int(self.already.broken.sum()) >= self.needed:
            return row | {"found": ALREADY, "size": 0.0, "bracket_low": 0.0} | self.shares(self.already)
        edge = self.edge(self.needed, CLOSE)
        if edge is None:
            return row | {"cost_of": lever.cost(lever.grid[-1]).said}
        again = relapses(lever.grid, edge, lambda size: self.breaks(size, self.needed))
        low, high = self.interval()
        self.breaks(edge[1], self.paths + 1)  # on all paths: a share of those that decided it would be biased
        cost = lever.cost(edge[1])
        return row | {
            "found": BREAKS, "size": edge[1], "bracket_low": edge[0], "low": low, "high": high,
            "monotone": not again, "holds_again_at": again, "cost_usd": cost.loss, "capital_usd": cost.capital,
            "cost_of": cost.said, "deviations": lever.deviations(edge[1])} | self.shares(self.points[edge[1]])

    def shares(self, point: Point) -> dict[str, Any]:
        """On how many paths a point breaks the limit."""
        if not self.limit.by_path:
            return {"paths": self.paths}
        hit, low, high = share(point.broken)
        return {"share": hit, "share_low": low, "share_high": high, "paths": len(point.broken)}

    def rows(self) -> list[dict[str, Any]]:
        """Every size that was run."""
        lever, one = self.lever, not self.limit.by_path
        return [{"by": lever.by, "of": lever.of, "sign": lever.sign, "size": size, "unit": lever.unit,
                 "paths": self.paths if one else len(point.broken), "share": float(point.broken.mean())}
                for size, point in sorted(self.points.items()) if len(point.broken)]

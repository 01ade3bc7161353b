"""Asked and done: what a world states, beside what of it was read, used and came about; and findings where nothing did.

    rows, accounts          of each book: read, and used
    feeds, venues, assets   stated, and used by anything
    order, event, policy    how much was asked for, what came about in the mean over paths, on which share of the paths at all
    actor                   the same, for information alone

What came about the mechanisms say, in columns whose values have a `place` (core/columns.py); one that says nothing of itself has
no number here. What had no effect on any path is a warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from delever.model.finding import LEVELS, OK, WARN, Finding
from delever.model.oracle import compose
from delever.model.world import World
from delever.run.assemble import Model
from delever.run.collect import Declared, declared, numbers
from delever.run.estimates import effective, mean_at
from delever.run.figures import counted
from delever.run.store import describe

FEWEST = 10  # paths of a tail that an interval may rest on
SAME = 1e-9  # relative difference that is rounding
WORDS = re.compile(r"[^\s/*()\[\]{},:;=]+")  # names in a text


class Asked(NamedTuple):
    """One thing that a world states."""

    kind: str  # rows, accounts, feeds, venues, assets, order, event, policy, actor
    where: str  # its place in the world
    what: str
    asked: float  # nan: no amount
    done: float  # mean over paths where there are paths; nan: it says nothing of itself
    unit: str
    ran: float = math.nan  # share of the paths on which anything of it came about
    whole: float = math.nan  # share of the paths on which all of it did
    left: str = ""  # what was left out, and why


COLUMNS = pa.schema([
    pa.field("kind", pa.string()), pa.field("where", pa.string()), pa.field("what", pa.string()),
    pa.field("asked", pa.float64()), pa.field("done", pa.float64()), pa.field("unit", pa.string()),
    pa.field("ran", pa.float64(), metadata={"unit": "share"}), pa.field("whole", pa.float64(), metadata={"unit": "share"}),
    pa.field("left", pa.string())])
FINDINGS = pa.schema([(name, pa.string()) for name in ("level", "code", "what", "where", "value", "remedy")])


def asked_table(rows: Iterable[Asked]) -> pa.Table:
    """A row a thing; what is not known is null."""
    return pa.Table.from_pylist([{name: None if isinstance(value, float) and math.isnan(value) else value
                                  for name, value in row._asdict().items()} for row in rows], schema=COLUMNS)


def findings_table(found: Iterable[Finding]) -> pa.Table:
    """A row a finding, worst first."""
    ordered = sorted(found, key=lambda one: LEVELS.index(one.level))
    return pa.Table.from_pylist([{**one._asdict(), "what": one.what} for one in ordered], schema=FINDINGS)


# --- what is stated -------------------------------------------------------------------------------------------------------


def stated(model: Model) -> list[Asked]:
    """Books, feeds, venues and assets, before any path is run."""
    world, positions = model.world, model.positions
    found = [Asked("rows", f"protocols.{one.protocol}.book", f"rows of {one.file}", one.read, one.used, "rows", left=one.left)
             for one in model.source.rows]
    owes = positions.tables.debts[positions.tables.signature] > 0
    for number, name in enumerate(world.protocols):
        mine = positions.protocol == number
        idle = int((mine & ~owes).sum())
        found.append(Asked("accounts", f"protocols.{name}.book", "accounts that owe or hold a position", int(mine.sum()),
                           int((mine & owes).sum()), "accounts", left=f"{idle:,} hold collateral alone" if idle else ""))
    assets, venues = in_use(model)
    for part, used in (("feeds", feeds_in_use(world)), ("venues", venues), ("assets", assets)):
        names = getattr(world, part)
        if names:
            idle_ones = [name for name in names if name not in used]
            found.append(Asked(part, part, f"{part} that anything uses", len(names), len(names) - len(idle_ones), part,
                               left=", ".join(idle_ones)))
    return found


def feeds_in_use(world: World) -> set[str]:
    """Feeds that an oracle is composed of, or that an actor looks at."""
    seen = {name for rows in world.oracles.values() for asset, text in rows.items()
            for name, _ in compose(text, asset, world.assets, world.feeds).feeds}
    seen |= {str(getattr(actor, "feed", "")) for actor in world.actors.values()}
    return seen | {part for name in seen & set(world.feeds) for part in getattr(world.feeds[name], "parts", tuple)()}


def in_use(model: Model) -> tuple[set[str], set[str]]:
    """Assets that somebody holds or names, with what they are priced in; and the venues where they trade."""
    world = model.world
    assets = {asset for _, asset in model.positions.reserves} | {protocol.unit for protocol in world.protocols.values()}
    sales = [event for event in world.scenario.events if hasattr(event, "order") or hasattr(event, "into")]
    looked_at = [world.feeds[name] for name in feeds_in_use(world) if name in world.feeds]
    for part in (world.networks, world.actors, world.policies, sales, looked_at):
        assets |= names_in(describe(part)) & set(world.assets)
    venues: set[str] = set()
    while True:
        more = set().union(*(names_in(describe(world.assets[name])) for name in assets if name in world.assets))
        trading = {name for name, venue in world.venues.items() if str(getattr(venue, "pair", "")).partition("/")[0] in assets}
        more |= set().union(*(names_in(describe(world.venues[name])) for name in trading))
        if (more & set(world.assets)) <= assets and trading == venues:
            return assets, venues
        assets, venues = assets | (more & set(world.assets)), trading


def names_in(value: Any) -> set[str]:
    """All words of plain JSON, keys too."""
    if isinstance(value, str):
        return set(WORDS.findall(value))
    if isinstance(value, Mapping):
        return set().union(*(names_in(key) | names_in(inner) for key, inner in value.items()))
    return set().union(*map(names_in, value)) if isinstance(value, (list, tuple)) else set()


# --- what came about ------------------------------------------------------------------------------------------------------


def came_about(world: World, paths: pa.Table) -> list[Asked]:
    """Events, policies and actors, by what their mechanisms say of each path."""
    said: dict[str, list[Declared]] = {}
    for one in declared(paths):
        for place in filter(None, one.place.split(", ")):
            said.setdefault(place, []).append(one)
    places = [*((f"scenario.events.{n}", "order" if hasattr(event, "order") else "event", event)
                for n, event in enumerate(world.scenario.events)),
              *((f"policies.{name}", "policy", policy) for name, policy in world.policies.items()),
              *((f"actors.{name}", "actor", actor) for name, actor in world.actors.items())]
    return [row for place, kind, spec in places for row in outcomes(kind, place, spec, said.get(place, []), paths)]


def outcomes(kind: str, place: str, spec: Any, said: Sequence[Declared], paths: pa.Table) -> Iterator[Asked]:
    """A row a column that is of it. That an actor gave or got anything counts where he says nothing better."""
    w = counted(paths)
    better = [one for one in said if one.column.name != "acted"] or said
    for one in better:
        values = np.nan_to_num(numbers(paths, one.field))
        whole = np.abs(values) >= abs(one.asked) * (1.0 - SAME)  # never where no amount is asked for
        yield Asked(kind, place, f"{spec.kind}: {one.column.meaning}", one.asked, float(mean_at(values, w)), one.column.unit,
                    float(mean_at(values != 0.0, w)), math.nan if math.isnan(one.asked) else float(mean_at(whole, w)))
    if not said:
        yield Asked(kind, place, str(spec.kind), math.nan, math.nan, "", left="it says nothing of what it did")


# --- findings -------------------------------------------------------------------------------------------------------------

FAR = 0.01  # share of paths beyond var_99
NEVER = {"order": "order.never_ran", "event": "event.no_effect", "policy": "policy.never_acted"}
IN_PART = {"order": "order.in_part", "event": "event.in_part"}
UNUSED = {"feeds": "feed.unused", "venues": "venue.unused", "assets": "asset.unused"}
REMEDIES = {
    "order": "see that its chain, market and venue are open to it, that it bids enough, and that somebody buys what it sells",
    "event": "see that what it changes is not so already, is in force within the run, and is read by anybody",
    "policy": "see that what it looks at moves so far on any path, or leave it out",
}


def findings_of(world: World, rows: Sequence[Asked]) -> list[Finding]:
    """What had no effect, or lost a part on every path."""
    found = []
    low = {one.where.removesuffix(".fee"): one for one in underbidding(world)}
    for row in rows:
        if row.kind in UNUSED and row.left:
            found.append(Finding(WARN, UNUSED[row.kind], row.where, row.left, "use them, or leave them out"))
        elif row.kind in NEVER and row.ran == 0.0:
            bid = low.get(row.where)
            value, remedy = (row.what, REMEDIES[row.kind]) if bid is None else (f"{row.what}; it bids {bid.value}", bid.remedy)
            found.append(Finding(WARN, NEVER[row.kind], row.where, value, remedy))
        elif row.kind in IN_PART and row.whole == 0.0:
            value = f"{row.what}: {row.done:,.6g} of {row.asked:,.6g} {row.unit} in the mean"
            found.append(Finding(WARN, IN_PART[row.kind], row.where, value,
                                 "see that all of it falls into the run, and that there is room for it"))
    return found


def notes_found(notes: Iterable[str]) -> Iterator[Finding]:
    """What readers of exchanges' answers left out, in these words, and what they could not know. notes: `PROTOCOL: ...`."""
    for note in notes:
        name, _, text = note.partition(": ")
        level, code = (WARN, "row.left_out") if "left out" in text else (OK, "book.unsaid")
        yield Finding(level, code, f"protocols.{name}.book", text, "see delever.ingest.positions")


def few_paths(summary: pa.Table) -> list[Finding]:
    """Figures whose intervals say little, together."""
    weak = [f"{row['figure']} ({row['tail']})" for row in summary.to_pylist() if row["tail"] is not None and row["tail"] < FEWEST]
    return [Finding(OK, "figure.few_paths", "summary", ", ".join(weak), "run more paths")] if weak else []


def drawn_around(paths: pa.Table, summary: pa.Table) -> list[Finding]:
    """That paths count by weights, and what they are worth; a warning where fewer tell of the worst 1 % than drawn plainly."""
    w = counted(paths)
    if w is None:
        return []
    said = f"for means {len(w):,} paths are worth {effective(w):,.0f} that count alike; weights {w.min():.3g} to {w.max():.3g}"
    return [Finding(OK, "paths.weighted", "scenario.tail", said, "figures, history and prices count by them"),
            *(Finding(WARN, "paths.drawn_in_vain", "scenario.tail",
                      f"{row['figure']} rests on paths worth {row['tail']:,}, drawn plainly on {FAR * len(w):,.0f}",
                      "take a smaller move, another stretch, or leave it out")
              for row in summary.to_pylist() if row["figure"] == "var_99" and row["tail"] < FAR * len(w))]


def underbidding(world: World) -> Iterator[Finding]:
    """Who bids less than the least bid of his chain, and so is never included."""
    chains = {name: network for name, network in world.networks.items() if hasattr(network, "base_fee")}
    bidders = [*((f"feeds.{name}", feed) for name, feed in world.feeds.items()),
               *((f"actors.{name}", actor) for name, actor in world.actors.items()),
               *((f"scenario.events.{n}", event) for n, event in enumerate(world.scenario.events))]
    for where, spec in bidders:
        fee, named = getattr(spec, "fee", None), getattr(spec, "network", None)
        for name in [named] if named is not None else chains:
            least = getattr(chains.get(name), "base_fee", 0.0)
            if fee is not None and fee < least:
                yield Finding(WARN, "bid.too_low", f"{where}.fee",
                              f"{fee:g} gwei on {name}, where {least:g} is least", f"write `fee: {1.5 * least:g} gwei`")

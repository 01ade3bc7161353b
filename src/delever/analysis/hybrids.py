"""Worlds between two worlds: some groups of fields as in the one, the others as in the other.

    prices      assets, venues and their data, how prices move, the date
    positions   books, cash and debts of reserves; protocols, and parameters of assets, that only one of both has
    parameters  rules, risk parameters, waterfalls, rates, oracles, feeds, networks, actors, policies, execution
    scenario    horizon, step, paths, seed, events, by what outcomes are judged
What a mixture cannot hold is refused by the world itself (InputError).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from delever.model.dump import texts
from delever.model.errors import InputError
from delever.model.parameters import look_up
from delever.model.scenario import Scenario
from delever.model.spec import Spec
from delever.model.world import Protocol, World
from delever.run.store import describe
from delever.worlds import resolve

PRICES, POSITIONS, PARAMETERS, SCENARIO = GROUPS = ("prices", "positions", "parameters", "scenario")
OF_WORLD = {"as_of": PRICES, "ages": PRICES, "assets": PRICES, "venues": PRICES, "liquidity": PRICES, "feeds": PARAMETERS,
            "oracles": PARAMETERS, "networks": PARAMETERS, "actors": PARAMETERS, "policies": PARAMETERS, "execution": PARAMETERS}
STOCKS = ("book", "cash", "borrowed")  # of a protocol: its positions


def group_of(field: str, a: World, b: World) -> str:
    """The group that a dotted field of one of two worlds belongs to."""
    first, *rest = field.split(".")
    if first == "scenario":
        return PRICES if rest[:1] == ["prices"] else SCENARIO
    if first != "protocols":
        return OF_WORLD.get(first, PARAMETERS)
    name = rest[0]
    if name not in a.protocols or name not in b.protocols or (rest[1:2] and rest[1] in STOCKS):
        return POSITIONS
    if rest[1:2] == ["parameters"] and len(rest) > 2:
        sets = [look_up(world.protocols[name].parameters) for world in (a, b)]
        return PARAMETERS if all(rest[2] in one for one in sets) else POSITIONS
    return PARAMETERS


def hybrid(a: World, b: World, groups: Iterable[str]) -> World:
    """The world a with these groups as in b. Names of files are those of whose world they come from."""
    taken = frozenset(groups)
    if not taken:
        return a
    if taken >= {*GROUPS}:
        return b
    one, other = anchored(a, b), anchored(b, a)
    sides = {group: other if group in taken else one for group in GROUPS}
    fields = {name: getattr(sides[group], name) for name, group in OF_WORLD.items()}
    scenario = sides[SCENARIO].scenario.fields() | {"prices": sides[PRICES].scenario.prices}
    holders, ruled = sides[POSITIONS], sides[PARAMETERS]
    made = {"name": a.name, **fields, "scenario": Scenario(**scenario),
            "protocols": {name: _protocol(name, holders, ruled) for name in holders.protocols}}
    try:
        world = World(**made)
    except InputError:  # what the other still refers to stays known
        also = one if sides[PRICES] is other else other
        kept = {name: {**getattr(also, name), **made[name]} for name in ("assets", "venues")}
        world = World(**{**made, **kept})
    own = None if a.own_files is None or b.own_files is None else frozenset(
        {*a.own_files, *b.own_files, *texts(describe(one)), *texts(describe(other))})
    return world.located(a.folder, resolve, own)


def _protocol(name: str, holders: World, ruled: World) -> Protocol:
    """A protocol with the stocks of the one world and the rules of the other; of the one alone, where the other has none."""
    mine = holders.protocols[name]
    if name not in ruled.protocols:
        return mine
    theirs = ruled.protocols[name]
    stocks = {part: getattr(mine, part) for part in STOCKS}
    if describe(mine.parameters) == describe(theirs.parameters):
        return Protocol(**theirs.fields() | stocks)
    listed = {**look_up(mine.parameters), **look_up(theirs.parameters)}
    return Protocol(**theirs.fields() | stocks | {"parameters": listed})


def anchored(world: World, other: World) -> World:
    """The world with the names of its files in full, where the other's lie elsewhere."""
    if world.folder is None or world.folder == other.folder:
        return world
    whole: World = _in_full(world, world.folder)
    return whole.located(world.folder, resolve, world.own_files)


def _in_full(value: Any, folder: Path) -> Any:
    """Texts that name something beside the world's file, in full."""
    if isinstance(value, Spec):
        return type(value)(**{name: _in_full(inner, folder) for name, inner in value.fields().items()})
    if isinstance(value, Mapping):
        return {key: _in_full(inner, folder) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(_in_full(inner, folder) for inner in value)
    if isinstance(value, str) and value and len(value) < 4096 and "\0" not in value and (folder / value).is_file():
        return str(folder / value)
    return value

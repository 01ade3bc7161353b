"""What a desk keeps: one world, models of its variations, its runs; and what there is to see of a world before it is asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from delever.analysis.comparison import changed
from delever.analysis.inputs import inputs
from delever.analysis.joint_shocks import bases
from delever.analysis.words import numbers
from delever.model.asset import price_usd
from delever.model.errors import InputError
from delever.model.relative import OF_SHARES, quantity_at
from delever.model.spec import Spec
from delever.model.world import World
from delever.report.html.figure import plain
from delever.report.numbers import TIMES, duration, human, percent
from delever.run.assemble import Model, assemble
from delever.run.store import describe, fingerprint
from delever.run.stress import Run, open_run, stress
from delever.worlds import load, with_settings

Settings = Sequence[tuple[str, str]]  # field, value as it is typed
Tell = Callable[[str, int, int], None]

MODELS, RUNS = 6, 24  # that are kept
FIELDS = 150  # of a group that are listed; others are set by their path
OLD = ("scenario", "venues", "actors", "protocols", "policies", "oracles", "feeds", "networks", "execution", "rates", "assets")


@dataclass
class Desk:
    """The state of the process."""

    base: World | None = None
    opened: tuple[str, str] = ("", "")  # kind, path
    folder: Path = Path()  # of runs
    threads: int | None = None
    models: OrderedDict[str, Model] = field(default_factory=OrderedDict)
    runs: OrderedDict[str, Run] = field(default_factory=OrderedDict)
    given: list[Run] = field(default_factory=list)  # runs that were opened, not made
    shown: list[tuple[str, Run]] = field(default_factory=list)  # label, run: what the page shows figures of
    replayed: tuple[int, int, pa.Table] | None = None  # which of them, path, transactions
    tell: Tell = lambda stage, done, of: None
    part: Callable[[Any], None] = lambda value: None

    def open(self, kind: str, paths: Sequence[str]) -> None:
        """Load a world, or runs, unless they are here."""
        if (kind, *paths) == self.opened:
            return
        if kind == "run":
            self.given = [open_run(path) for path in paths]
            self.base = self.given[0].world
            self.shown = [(Path(path).name, run) for path, run in zip(paths, self.given, strict=True)]
        else:
            self.given, self.base, self.shown = [], load(paths[0]), []
        self.models.clear()
        self.runs.clear()
        self.opened = (kind, *paths)  # type: ignore[assignment]

    @property
    def loaded(self) -> World:
        """The world as it was loaded. InputError: none is."""
        if self.base is None:
            raise InputError("is not open", "world", None, "open one first")
        return self.base

    def seen(self) -> list[tuple[str, Run]]:
        """What the page shows figures of. InputError: nothing, or a process that has ended had it."""
        if not self.shown:
            raise InputError("is not here", "run", None, "run; what was finished before is not run again")
        return self.shown

    def world(self, settings: Settings) -> World:
        """The world with fields changed."""
        return with_settings(self.loaded, dict(settings))

    def model(self, settings: Settings) -> Model:
        """The same, assembled; the last ones are kept."""
        key = repr(sorted(settings))
        if key not in self.models:
            self.models[key] = assemble(self.world(settings))
        self.models.move_to_end(key)
        while len(self.models) > MODELS:
            self.models.popitem(last=False)
        return self.models[key]

    def run(self, world: World, label: str) -> Run:
        """Its run: one that is kept, or made; what an earlier one has finished is not run again."""
        key = fingerprint(describe(world))
        for run in self.given:
            if run.world == world:
                return run
        if key not in self.runs:
            tell = self.tell

            def said(stage: str, done: int, of: int) -> None:
                tell(f"{label}: {stage}", done, of)

            self.runs[key] = stress(world, self.folder / key[:16], self.threads, progress=said)
        self.runs.move_to_end(key)
        while len(self.runs) > RUNS:
            self.runs.popitem(last=False)
        return self.runs[key]


def look(desk: Desk, kind: str, paths: Sequence[str], folder: str, threads: int | None) -> dict[str, Any]:
    """Open a world; what there is to see of it."""
    desk.folder, desk.threads = Path(folder), threads
    desk.open(kind, paths)
    world = desk.loaded
    model = desk.model(())
    assets = [name for name in bases(model) if not (world.assets[name].perp or world.assets[name].is_option)]
    pegged = [name for name in model.layout.markets if name in world.assets and name not in assets
              and not (world.assets[name].perp or world.assets[name].is_option)]
    return {
        "name": world.name,
        "as_of": f"{world.as_of.astimezone(UTC):%d %B %Y, %H:%M} UTC",
        "apart": [f"{one.name.partition(':')[2]}: {one.text}" for one in inputs(world)
                  if one.name.startswith("venue:") and one.age is not None and "as old as" not in one.text],
        "assets": [*assets, *pegged],
        "start": {name: price_usd(name, world.assets) for name in [*assets, *pegged]},
        "protocols": list(world.protocols),
        "lending": list(world.lending),
        "accounts": len(model.positions.accounts),
        "paths": world.scenario.paths,
        "horizon": plain(duration(world.scenario.horizon)),
        "groups": parameters(world),
        "runs": [label for label, _ in desk.shown],
    }


def changes(desk: Desk, settings: Settings) -> list[dict[str, str]]:
    """What the settings change: field, before, after. InputError: one cannot be."""
    world = desk.world(settings)
    desk.model(settings)
    return [{key: row[key] for key in ("field", "before", "after")} for row in changed(desk.loaded, world, "")]


def parameters(world: World) -> list[dict[str, Any]]:
    """Groups of fields that may be set, each with what it is now, its unit and its meaning."""
    for name in world.protocols:
        world = world.spelled_out(["protocols", name, "parameters", ""])
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, options in [*((path, ()) for path in numbers(world)), *choices(world, "")]:
        groups.setdefault(path.split(".")[0], []).append(parameter(world, path, options))
    names = sorted(groups, key=lambda name: (OLD.index(name) if name in OLD else len(OLD), name))
    return [{"name": name, "fields": groups[name][:FIELDS], "more": max(0, len(groups[name]) - FIELDS)} for name in names]


def parameter(world: World, path: str, options: Sequence[str]) -> dict[str, Any]:
    """One field."""
    keys = path.split(".")
    found = quantity_at(world, keys)
    value, unit = (found.value, found.unit.unit if found.unit else "") if found else (None, "")
    share = unit in OF_SHARES and isinstance(value, (int, float))
    now = percent(float(value)) if share and value is not None else human(value, unit)
    return {"path": path, "words": " ".join(keys[1:]) or path, "now": plain(now),
            "unit": "" if share or unit in TIMES else unit, "meaning": meaning(world, keys), "options": list(options)}


def meaning(node: Any, keys: Iterable[str]) -> str:
    """What the spec says of the field at a path."""
    text = ""
    for key in keys:
        if isinstance(node, BaseModel):
            info = type(node).model_fields.get(key)
            text = (info.description or text) if info is not None else text
            node = getattr(node, key, None)
        elif isinstance(node, Mapping):
            node = node.get(key)
        elif isinstance(node, tuple):
            node = node[int(key)] if key.isdecimal() and int(key) < len(node) else None
    return text


def choices(node: Any, path: str) -> list[tuple[str, tuple[str, ...]]]:
    """Paths of fields that are one of several words."""
    if isinstance(node, Spec):
        out = []
        for name, info in type(node).model_fields.items():
            here = f"{path}.{name}" if path else name
            words = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
            if words and all(isinstance(word, str) for word in words) and name != "kind":
                out.append((here, tuple(words)))
            else:
                out += choices(getattr(node, name), here)
        return out
    if isinstance(node, Mapping):
        return [one for key, inner in node.items() for one in choices(inner, f"{path}.{key}")]
    if isinstance(node, tuple):
        return [one for place, inner in enumerate(node) for one in choices(inner, f"{path}.{place}")]
    return []

"""What one browser looks at, and what is computed for it: nothing here is shared with another.

Two workers answer: a quick one (walls, accounts, changes) and a long one (runs, replays, reports), so that a wall follows every
change while a run goes on. Of changes that come faster than answers only the last is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from delever.model.errors import InputError, StoppedError
from delever.web.sources import Source
from delever.web.view import SPANS, View
from delever.web.worker import CancelledError, Worker

ORDER = ("world", "changes", "wall", "at", "account", "figures", "log")  # in which what is stale is asked anew
IDLE, RUNNING, RESULTS = "idle", "running", "results"


@dataclass
class Variant:
    """A what-if that stands beside the world."""

    label: str
    settings: tuple[tuple[str, str], ...]
    without: tuple[str, str] | None = None  # protocol, account that is left out


@dataclass
class Session:
    """The state of one browser. `shown` is called with the names of what has changed."""

    sources: Mapping[str, Source]
    view: View
    threads: int | None = None
    shown: Callable[..., None] = lambda *names: None
    quick: Worker = field(default_factory=Worker)
    long: Worker = field(default_factory=Worker)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="delever-")))
    own: dict[str, Source] = field(default_factory=dict)  # dropped by this browser
    world: dict[str, Any] = field(default_factory=dict)
    changed: list[dict[str, str]] = field(default_factory=list)
    wall: dict[str, Any] = field(default_factory=dict)
    at: dict[str, Any] = field(default_factory=dict)
    legs: list[dict[str, Any]] = field(default_factory=list)
    kept: list[Variant] = field(default_factory=list)
    without: tuple[str, str] | None = None
    result: dict[str, Any] = field(default_factory=dict)
    result_of: list[Variant] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    no_figures: str = ""
    log: dict[str, Any] = field(default_factory=dict)
    state: str = IDLE
    progress: tuple[str, int, int] = ("", 0, 0)
    error: str = ""
    bad_field: str = ""
    dirty: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    running: asyncio.Task[None] | None = None

    # --- what is open --------------------------------------------------------------------------------------------------

    @property
    def known(self) -> dict[str, Source]:
        """All that may be opened."""
        return {**self.sources, **self.own}

    @property
    def source(self) -> Source:
        """What is open."""
        known = self.known
        return known.get(self.view.source) or next(iter(known.values()))

    async def open(self, name: str) -> None:
        """Another world; what was of the old one goes."""
        await self.cancel()
        self.view = View(source=name if name in self.known else "", unit=self.view.unit)
        self.kept, self.without, self.result, self.result_of, self.figures, self.log = [], None, {}, [], [], {}
        self.state, self.error, self.bad_field = IDLE, "", ""
        self.want("world")
        self.shown("answer", "figures", "log", "message")

    def want(self, *names: str) -> None:
        """Ask anew for these, as soon as may be; asked for twice they are answered once."""
        self.dirty |= set(names)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._work())

    async def settled(self) -> None:
        """Wait until nothing is stale and no run goes on."""
        for task in (self.task, self.running):
            if task is not None:
                await task

    async def _work(self) -> None:
        while self.dirty:
            name = next(name for name in ORDER if name in self.dirty)
            self.dirty.discard(name)
            try:
                await getattr(self, f"_{name}")()
            except CancelledError:
                continue
            except (InputError, StoppedError) as error:
                self.fail(str(error))
            self.shown(name)

    def fail(self, text: str, field: str = "") -> None:
        """Say what is wrong; what was shown before stays."""
        self.error, self.bad_field = text.removeprefix("--set "), field
        self.shown("message")

    # --- the quick worker ----------------------------------------------------------------------------------------------

    def _opening(self) -> dict[str, Any]:
        source = self.source
        return {"kind": source.kind, "paths": source.paths, "folder": str(self.folder), "threads": self.threads}

    async def _world(self) -> None:
        self.world = await self.quick.ask("look", **self._opening())
        self.long.first = self._opening()
        assets = self.world["assets"]
        if self.view.asset not in assets:
            self.view = replace(self.view, asset=assets[0] if assets else "")
        self.view = replace(self.view, others=tuple((name, move) for name, move in self.view.others if name in assets))
        if self.view.settings:
            await self._changes()
        self.dirty |= {"wall", "at"} | ({"account"} if self.view.account else set())
        self.shown("world")
        if self.source.kind == "run" and not self.result:
            self.run()

    async def _changes(self) -> None:
        try:
            self.changed = await self.quick.ask("changes", settings=self.view.settings)
        except InputError as error:  # of a link: the world as it is is better than nothing
            self.view = replace(self.view, settings=())
            self.changed = []
            self.fail(str(error))

    async def set(self, path: str, value: str) -> None:
        """Change a field, or take its change back. What cannot be is said, and changes nothing."""
        settings = dict(self.view.settings)
        settings.pop(path, None)
        if value.strip():
            settings[path] = value.strip()
        wanted = tuple(settings.items())
        try:
            changed = await self.quick.ask("changes", settings=wanted)
        except CancelledError:
            return
        except (InputError, StoppedError) as error:
            self.fail(str(error), path)
            return
        self.view, self.changed, self.error, self.bad_field = replace(self.view, settings=wanted), changed, "", ""
        self.shown("changes", "message", "answer")
        self.want("wall", "at", *(["account"] if self.view.account else []))

    def _asked(self) -> dict[str, Any]:
        view = self.view
        others = {name: move for name, move in view.others if name != view.asset and move != 0.0}
        return {"settings": view.settings, "asset": view.asset, "others": others}

    async def _wall(self) -> None:
        if self.view.asset:
            self.wall = await self.quick.ask("wall", span=SPANS[self.view.span], **self._asked())

    async def _at(self) -> None:
        if self.view.asset:
            self.at = await self.quick.ask("at", shock=self.view.shock, **self._asked())

    async def _account(self) -> None:
        view = self.view
        self.legs = await self.quick.ask("account", settings=view.settings, protocol=view.protocol, account=view.account)

    # --- the long worker -----------------------------------------------------------------------------------------------

    def variants(self) -> list[Variant]:
        """What stands beside the world: those kept, and what is set now where it is something."""
        now = Variant("yours", self.view.settings, self.without)
        return [*self.kept, *([now] if now.settings or now.without else [])]

    def paths(self) -> int:
        """Paths of what would be run."""
        set_to = [value for one in self.variants() for name, value in one.settings if name == "scenario.paths"]
        return int(set_to[-1]) if set_to and set_to[-1].isdecimal() else int(self.world.get("paths", 0))

    def keep(self, label: str) -> None:
        """What is set now becomes a variant of its own, under a label."""
        label = label.strip() or f"variant {len(self.kept) + 1}"
        taken = {"world", "yours", *(one.label for one in self.kept)}
        number, wanted = 2, label
        while label in taken:
            label, number = f"{wanted} ({number})", number + 1
        if self.result_of == self.variants() and len(self.result.get("labels", ())) > 1:  # the same figures under its new name
            self.result_of = [*self.result_of[:-1], replace(self.result_of[-1], label=label)]
            self.result = {**self.result, "labels": [*self.result["labels"][:-1], label]}
        self.kept.append(Variant(label, self.view.settings, self.without))
        self.view, self.changed, self.without = replace(self.view, settings=()), [], None
        self.shown("world", "changes", "answer")
        self.want("wall", "at", *(["account"] if self.view.account else []))

    def run(self) -> None:
        """Begin, unless a run goes on already."""
        if self.running is None or self.running.done():
            self.state, self.progress, self.error, self.bad_field = RUNNING, ("starting", 0, 0), "", ""
            self.shown("answer", "message", "status")
            self.running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        variants = self.variants()
        asked = [{"label": one.label, "settings": one.settings, "without": one.without} for one in variants]

        def part(value: dict[str, Any]) -> None:
            self.result, self.result_of, self.figures, self.log = value, variants, [], {}
            self.shown("answer")

        def tell(stage: str, done: int, of: int) -> None:
            self.progress = (stage, done, of)
            self.shown("status")

        try:
            await self.long.ask("run", variants=asked, tell=tell, part=part)
        except CancelledError:
            pass
        except (InputError, StoppedError) as error:
            self.fail(str(error))
        self.state = RESULTS if self.result else IDLE
        self.shown("answer", "status")
        if self.result and self.long.process is not None:  # one that heeded no interrupt has taken its runs with it
            self.want("log", "figures")

    async def cancel(self) -> None:
        """End the run; what it has finished stays."""
        if self.running is not None and not self.running.done():
            await self.long.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.running

    async def _figures(self) -> None:
        self.figures, self.no_figures = [], ""
        try:
            self.figures = await self.long.ask("figures")
        except InputError as error:
            self.no_figures = str(error)

    def path(self) -> int:
        """The path whose transactions are shown."""
        chosen = self.view.path
        return int(chosen) if chosen.isdecimal() else int(self.result.get(chosen, 0))

    async def _log(self) -> None:
        if self.result:
            about = self.view.account if self.view.mine else ""
            self.log = await self.long.ask("transactions", which=len(self.result["labels"]) - 1, path=self.path(),
                                           kind=self.view.kind, about=about)

    async def file(self, what: str) -> tuple[bytes, str]:
        """A file to save, and its name. InputError, StoppedError: it cannot be made."""
        name, view = self.world.get("name", "world"), self.view
        if what == "wall":
            return await self.quick.ask("wall_csv", span=SPANS[view.span], **self._asked()), f"{name}-wall-{view.asset}.csv"
        if what == "positions":
            return await self.quick.ask("positions_csv", settings=view.settings), f"{name}-positions.csv"
        if not self.result:
            raise InputError("has no run yet", what, None, "run first")
        if what == "report":
            return await self.long.ask("report", labels=self.result["labels"][1:]), f"{name}-report.html"
        path = self.path()
        data = await self.long.ask("transactions_csv", which=len(self.result["labels"]) - 1, path=path)
        return data, f"{name}-path-{path}.csv"

    def command(self) -> str:
        """What is set now, as a command."""
        source = self.source
        world = source.name if source.kind == "world" and source.name not in self.own else "WORLD"
        parts = ["delever", "stress", world]
        for name, value in self.view.settings:
            parts += ["--set", f"{name}={value}"]
        return shlex.join(parts)

    async def close(self) -> None:
        """The browser is gone."""
        for task in (self.task, self.running):
            if task is not None:
                task.cancel()
        await asyncio.gather(self.quick.end(), self.long.end())
        await asyncio.to_thread(shutil.rmtree, self.folder, True)

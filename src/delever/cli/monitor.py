"""`delever monitor`: the figures of a world again and again, for Prometheus and Grafana, or as messages."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delever.cli.arguments import Force, Json, Outside, Set, WorldArgument
from delever.cli.options import load_world, not_there, parse_settings, user_errors
from delever.cli.variants import with_file

if TYPE_CHECKING:
    from delever.model.world import World as Model
    from delever.monitor.alerts import Told
    from delever.monitor.metrics import Sample

PORT = 9464
PATIENCE = 300.0  # for the command before a look [s]


def add_to(app: typer.Typer) -> None:
    """The command of this file."""
    app.command()(monitor)


@dataclass(frozen=True)
class Source:
    """Where the world comes from, at every look anew."""

    text: str
    settings: list[str]
    files: list[Path]
    before: str

    def read(self) -> Model:
        """The world as it is now. InputError or OSError: not now."""
        if self.before:
            self._prepare()
        common = parse_settings(self.settings)
        world = load_world(self.text, common)
        for file in self.files:
            world = with_file(world, file, common)
        return world

    def _prepare(self) -> None:
        from delever.model.errors import InputError

        try:
            done = subprocess.run(shlex.split(self.before), capture_output=True, text=True, timeout=PATIENCE, check=False)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise InputError("cannot be run", "--before", self.before, str(error)) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise InputError(f"ended with {done.returncode}", "--before", self.before, last)


def monitor(
    world: WorldArgument,
    every: Annotated[str, typer.Option(metavar="TIME", help='Time between looks: "1m", "30 s".')] = "1m",
    overlay: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="FILE", help="Lay the fields of a file over the world at every look, e.g. prices that "
                     "another program writes; may be given several times."),
    ] = None,
    before: Annotated[
        str,
        typer.Option(metavar="COMMAND", help="Run a command before every look, e.g. a `delever import` that fetches the book."),
    ] = "",
    asset: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSET", help="Asset whose walls are looked at, in place of those that most collateral hangs on."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address at which figures are given; at any but 127.0.0.1 others can read them.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of http://HOST:PORT/metrics.")] = PORT,
    notify: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Tell people, without Prometheus: an address as Apprise writes them, mailto://, "
                     "slack://, ...; may be given several times."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write alerts.yaml, prometheus.yaml and board.json for Prometheus and Grafana; stop."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, print the figures and what would be told, and stop.")] = False,
    force: Force = False,
    settings: Set = None,
    allow_outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Look at a world again and again; give its figures to Prometheus, and tell people what nears a threshold."""
    with user_errors():
        interval = _interval(every)
        if write is not None:
            _write(write, interval, port)
            return
        source = Source(world, settings or [], overlay or [], before)
        if once:
            _look(source, asset or [], as_json)
            return
        _needed(["prometheus_client", *(["apprise"] if notify else [])])
        _watch(source, interval, asset or [], (host, port), notify or [])


def _interval(text: str) -> float:
    from delever.model.errors import InputError
    from delever.model.quantity import TIME_UNITS, Unit

    try:
        return Unit("s", "a time", "'1m' or '30 s'", {**TIME_UNITS, "m": 60.0}, low=1.0, high=86400.0).read(text)
    except InputError as error:
        raise error.at("--every") from None


def _needed(packages: Sequence[str]) -> None:
    from delever.model.errors import InputError

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError("needs what is not installed", "monitor", ", ".join(missing), 'pip install "delever[monitor]"')


def _write(folder: Path, every: float, port: int) -> None:
    from delever.monitor.board import files
    from delever.report.files import write_text

    made = files(every, port)
    for name in made:
        not_there(folder / name, "--write")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        write_text(text, folder / name)
        typer.echo(str(folder / name))


def _look(source: Source, assets: Sequence[str], as_json: bool) -> None:
    """One look, for people or as JSON."""
    from delever.monitor.alerts import RULES, Alarms
    from delever.monitor.look import look
    from delever.report.files import json_document

    now = datetime.now(UTC)
    found = look(source.read(), now, assets)
    told = Alarms([rule._replace(lasting=0.0) for rule in RULES]).judge(found, now.timestamp())
    if as_json:
        typer.echo(json_document("monitor", _json(found, told)))
    else:
        _report(found, told).print()


def _json(found: Sequence[Sample], told: Sequence[Told]) -> dict[str, Any]:
    return {"figures": [{"name": one.metric.name, "labels": dict(zip(one.metric.labels, one.labels, strict=True)),
                         "value": one.value} for one in found],
            "told": [{"severity": one.severity, "text": one.text} for one in told]}


def _report(found: Sequence[Sample], told: Sequence[Told]) -> Any:
    from delever.report.document import Remark, Remarks, Report, Section, column, table_of

    rows = [(one.metric.name.removeprefix("delever_"), ", ".join(one.labels), f"{one.value:.6g}") for one in found]
    remarks = tuple(Remark(one.severity, one.text) for one in told)
    sections: list[Any] = [Remarks("What would be told", remarks)] if told else []
    sections.append(Section("Figures", table_of(
        column("figure", [row[0] for row in rows]), column("of", [row[1] for row in rows]),
        column("value", [row[2] for row in rows], right=True))))
    return Report("One look", tuple(sections), () if told else ("Nothing has passed a threshold.",))


def _watch(source: Source, every: float, assets: Sequence[str], at: tuple[str, int], notify: Sequence[str]) -> None:
    from delever.model.errors import InputError
    from delever.monitor.watch import Watch, messages, serve

    def say(line: str) -> None:
        print(f"delever: {line}", file=sys.stderr, flush=True)

    def told(rows: list[Told]) -> None:
        for one in rows:
            say(f"{one.severity}: {one.text}")
        send(rows)

    send: Callable[[list[Told]], None] = messages(notify) if notify else lambda rows: None
    watch = Watch(source.read, every, assets, tell=told)
    try:
        end = serve(watch, *at)
    except OSError as error:
        raise InputError("cannot be listened at", "--port", f"{at[0]}:{at[1]}", f"{error.strerror}; name another") from None
    say(f"figures at http://{at[0]}:{at[1]}/metrics, a look every {every:g} s; Ctrl-C ends it")
    try:
        watch.run(Event(), say)
    finally:
        end()

"""What the commands share: overrides, the world's file, user errors as one line."""

from __future__ import annotations

import math
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from delever import examples
from delever.cli.progress import Tell

if TYPE_CHECKING:
    from delever.model.quantity import Unit
    from delever.model.world import World
    from delever.run.stress import Run

USER_ERROR = 2  # exit code of a mistake in the input
STRICT = 3  # of a command with warnings, where --strict asks for it
STOPPED = 75  # of a run that ended from outside and may be tried again: EX_TEMPFAIL of sysexits.h
BY_SIGNAL = 128  # with the number of the signal added, as shells count
OUTSIDE: ContextVar[bool] = ContextVar("allow_outside", default=False)  # the option of every command that reads a world
FORCE: ContextVar[bool] = ContextVar("force", default=False)  # the option of every command that writes a file

_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass
class Warm:
    """What a shell keeps from line to line."""

    text: str  # the WORLD that its commands are about
    world: World  # as it is now
    run: Run | None = None  # of that world or an earlier one, in memory

    def run_of(self, world: World, threads: int | None, tell: Tell) -> Run:
        """The run that is kept, if it is of this world; else it is made."""
        if self.run is None or self.run.world != world:
            from delever.run.stress import stress

            self.run = stress(world, threads=threads, progress=tell, keep=False)
        return self.run


WARM: ContextVar[Warm | None] = ContextVar("warm", default=None)


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what is no mistake of ours into one line on stderr and an exit code; a mistake of ours keeps its traceback."""
    try:
        with warnings.catch_warnings():
            otherwise, warnings.showwarning = warnings.showwarning, lambda *warning: _say(otherwise, *warning)
            yield
    except KeyboardInterrupt:
        raise interrupted("interrupted") from None
    except Exception as error:
        from delever.model.errors import InputError, StoppedError

        if not isinstance(error, (InputError, StoppedError)):
            raise
        line = " ".join(str(error).split())
        print("\n".join([f"delever: {line}", *getattr(error, "lines", ())]), file=sys.stderr)
        raise typer.Exit(STOPPED if isinstance(error, StoppedError) else USER_ERROR) from None


def _say(otherwise: Callable[..., None], message: Warning | str, category: type[Warning], *where: Any) -> None:
    """A warning about a run's folder as a line; others as they are."""
    from delever.model.errors import RunWarning

    if issubclass(category, RunWarning):
        print(f"delever: {message}", file=sys.stderr)
    else:
        otherwise(message, category, *where)


_ended_by: list[int] = [signal.SIGINT]  # the signal behind a KeyboardInterrupt


def heed_signals() -> None:
    """Let SIGTERM end a command as Ctrl-C does, unless whoever started it has it ignored."""
    def end(number: int, frame: object) -> None:
        _ended_by[0] = number
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)


def interrupted(line: str) -> typer.Exit:
    """Say so; the exit with the code that shells give to the signal."""
    print(f"delever: {line}", file=sys.stderr)
    return typer.Exit(BY_SIGNAL + _ended_by[0])


def end_if_strict(findings: Iterable[Mapping[str, Any]], strict: bool) -> None:
    """With --strict a command that has anything above a note ends with its own exit code, and lists it on stderr."""
    if not strict:
        return
    found = [f"{row['code']} ({row['where']})" for row in findings if row["level"] != "ok"]
    if found:
        print(f"delever: --strict: {len(found)} warning{'s' if len(found) > 1 else ''}: {', '.join(found)}", file=sys.stderr)
        raise typer.Exit(STRICT)


def parse_settings(settings: Sequence[str], option: str = "--set") -> dict[str, str]:
    """`path=value` texts as a mapping."""
    from delever.model.errors import InputError

    chosen: dict[str, str] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path.strip() or not value.strip():
            raise InputError("is not PATH=VALUE", option, text, "write for example actors.liquidators.rule=always")
        if path.strip() in chosen:
            raise InputError("is set twice", option, path.strip(), "keep one")
        chosen[path.strip()] = value.strip()
    return chosen


def parse_memory(text: str) -> float:
    """GiB of a text such as "2 GiB" or "500 MB"."""
    from delever.model.errors import InputError

    match = re.fullmatch(r"\s*(\d{1,3}(?:,\d{3})+(?:\.\d*)?|[0-9._]+)\s*([A-Za-z]*)\s*", text)
    try:
        size = float(match[1].replace(",", "").replace("_", "")) * _BYTES[match[2]] / 2**30 if match else 0.0
    except (KeyError, ValueError):
        size = 0.0
    if not 0.0 < size < math.inf:
        raise InputError("is no size", "--memory", text, 'write a size with its unit, for example "2 GiB"')
    return size


def parse_paths(text: str, option: str = "--trace") -> list[int]:
    """Path numbers of a text such as "0,17"."""
    from delever.ingest.numbers import whole
    from delever.model.errors import InputError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    numbers = [None if len(part) > 1 and part[0] == "0" else whole(part) for part in parts]  # 1,000 is no list
    known = {number for number in numbers if number is not None}
    if not numbers or None in numbers:
        raise InputError("is no list of paths", option, text, 'write path numbers from 0, for example "0,17"')
    return sorted(known)


def heed_outside(allowed: bool) -> None:
    """What --allow-outside says of the worlds that the command reads."""
    OUTSIDE.set(allowed)


def heed_force(allowed: bool) -> None:
    """What --force says of the files that the command writes."""
    FORCE.set(allowed)


def check_output(path: Path | None, suffixes: Collection[str]) -> None:
    """Refuse a file that cannot be written, before the work; one that is there already is written over with --force alone."""
    from delever.report.files import check_target

    check_target(path, suffixes)
    if path is not None:
        not_there(path, "output file")


def not_there(path: Path, where: str) -> None:
    """Refuse a file that is there already, unless --force says otherwise."""
    from delever.model.errors import InputError

    if os.path.lexists(path) and not FORCE.get():
        raise InputError("is there already", where, str(path), "name another file, or write over it with --force")


def world_file(text: str) -> Path:
    """The world a user means: a path, or the name of an embedded world where there is no such path."""
    path = Path(text)
    from delever.ingest.files import exists

    if not exists(path) and text in examples.names():
        return examples.example(text)
    return path


def baseline_of(world: World, threads: int | None, tell: Tell) -> World | Run:
    """What variants are compared with: in a shell a run that it keeps."""
    warm = WARM.get()
    return world if warm is None else warm.run_of(world, threads, tell)


def load_world(text: str, settings: Mapping[str, str]) -> World:
    """The world with its overrides; in a shell the one that it keeps. Files outside of its folder: with --allow-outside."""
    from delever.worlds import load, with_settings

    warm = WARM.get()
    if warm is not None and text == warm.text:
        return with_settings(warm.world, settings)
    return load(world_file(text), set=settings, allow_outside=OUTSIDE.get())


def share(text: str, option: str, quantity: Unit) -> float:
    """A share, or a change, as it is typed."""
    from delever.model.errors import InputError

    try:
        return quantity.read(text)
    except InputError as error:
        raise error.at(option) from None

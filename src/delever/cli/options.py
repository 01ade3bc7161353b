"""What the commands share: overrides, the world's file, user errors as one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from delever import examples

if TYPE_CHECKING:
    from delever.model.world import World

USER_ERROR = 2  # exit code of a mistake in the input
INTERRUPTED = 130  # the shell's code for Ctrl-C

_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn a mistake in the input into one line on stderr and exit code 2; a mistake of ours keeps its traceback."""
    try:
        yield
    except Exception as error:
        from delever.model.errors import InputError

        if not isinstance(error, InputError):
            raise
        line = " ".join(str(error).split())
        print(f"delever: {line}", file=sys.stderr)
        raise typer.Exit(USER_ERROR) from None


def parse_settings(settings: Sequence[str], option: str = "--set") -> dict[str, str]:
    """`path=value` texts as a mapping."""
    from delever.model.errors import InputError

    chosen: dict[str, str] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path.strip() or not value.strip():
            raise InputError("is not PATH=VALUE", option, text, "write for example actors.liquidators.rule=always")
        chosen[path.strip()] = value.strip()
    return chosen


def parse_memory(text: str) -> float:
    """GiB of a text such as "2 GiB" or "500 MB"."""
    from delever.model.errors import InputError

    match = re.fullmatch(r"\s*([0-9.,_]+)\s*([A-Za-z]*)\s*", text)
    try:
        size = float(match[1].replace(",", "").replace("_", "")) * _BYTES[match[2]] / 2**30 if match else 0.0
    except (KeyError, ValueError):
        size = 0.0
    if size <= 0:
        raise InputError("is no size", "--memory", text, 'write a size with its unit, for example "2 GiB"')
    return size


def parse_paths(text: str, option: str = "--trace") -> list[int]:
    """Path numbers of a text such as "0,17"."""
    from delever.model.errors import InputError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise InputError("is no list of paths", option, text, 'write path numbers from 0, for example "0,17"')
    return sorted({int(part) for part in parts})


def world_file(text: str) -> Path:
    """The world a user means: a path, or the name of an embedded world where there is no such path."""
    path = Path(text)
    if not path.exists() and text in examples.names():
        return examples.example(text)
    return path


def load_world(text: str, settings: Mapping[str, str]) -> World:
    """The world with its overrides."""
    from delever.worlds import load

    return load(world_file(text), set=settings)

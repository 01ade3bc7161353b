"""What may be opened: the worlds and runs that were named at the start, the embedded ones, and what a browser dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from delever import examples
from delever.model.errors import InputError
from delever.run.store import MANIFEST
from delever.worlds import file_of


@dataclass(frozen=True)
class Source:
    """Something that can be opened, by a name that says nothing of where it lies."""

    name: str
    kind: str  # world, run
    paths: tuple[str, ...]  # of runs several: variants on the same paths


def sources_of(texts: Sequence[str]) -> dict[str, Source]:
    """By name, those given first. Runs are one source: the first is what the others are compared with."""
    found: dict[str, Source] = {}
    runs = [text for text in texts if (Path(text) / MANIFEST).is_file()]
    for text in texts:
        path = Path(text)
        if text in runs:
            if text == runs[0]:
                keep(found, Source(path.resolve().name, "run", tuple(str(Path(run).resolve()) for run in runs)))
        elif path.exists():
            file = file_of(path).resolve()
            if not file.is_file():
                raise InputError("holds no world and no run", "serve", text, "name a folder with a world.yaml, or of a run")
            keep(found, Source(file.parent.name if path.is_dir() else file.stem, "world", (str(file),)))
        elif text in examples.names():
            keep(found, embedded(text))
        else:
            raise InputError("is not there", "serve", text, f"name a world, a run, or one of {', '.join(examples.names())}")
    for name in examples.names():
        if name not in found:
            keep(found, embedded(name))
    return found


def embedded(name: str) -> Source:
    """A world of the package."""
    return Source(name, "world", (str(examples.example(name)),))


def keep(found: dict[str, Source], source: Source) -> None:
    """Under its name; a second of that name is numbered."""
    name, again = source.name, 2
    while name in found:
        name, again = f"{source.name} ({again})", again + 1
    found[name] = Source(name, source.kind, source.paths)

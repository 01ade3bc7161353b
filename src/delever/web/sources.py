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
        if text in runs:
            if text == runs[0]:
                keep(found, Source(Path(text).resolve().name, "run", tuple(str(Path(run).resolve()) for run in runs)))
            continue
        path = Path(text)
        if not path.exists():
            if text not in examples.names():
                raise InputError("is not there", "serve", text, f"name a world, a run, or one of {', '.join(examples.names())}")
            continue
        file = file_of(path).resolve()
        if not file.is_file():
            raise InputError("holds no world and no run", "serve", text, "name a folder with a world.yaml, or of a run")
        keep(found, Source(file.parent.name if path.is_dir() else file.stem, "world", (str(file),)))
    for name in [*(text for text in texts if text in examples.names()), *examples.names()]:
        if name not in found:
            found[name] = Source(name, "world", (str(examples.example(name)),))
    return found


def keep(found: dict[str, Source], source: Source) -> None:
    """Under its name; a second of that name is numbered."""
    name, again = source.name, 2
    while name in found:
        name, again = f"{source.name} ({again})", again + 1
    found[name] = Source(name, source.kind, source.paths)

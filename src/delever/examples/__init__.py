"""Worlds that ship inside the package, so that a first run needs no data: `delever stress first`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """The worlds that are here."""
    return sorted(file.parent.name for file in FOLDER.glob("*/world.yaml"))


def example(name: str) -> Path:
    """The folder of an embedded world, for `load`."""
    if name not in names():
        raise KeyError(f"there is no embedded world {name!r}; there are: {', '.join(names())}")
    return FOLDER / name

"""Run folders, complete or stopped in the middle, that are damaged and then opened, resumed or played again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import mutate
from tests.fuzz.corpus import FOLDER, WORLDS
from tests.fuzz.inputs import keyed

from delever.run.replay import replay
from delever.run.store import Store
from delever.run.stress import stress

RUN_WORLD = WORLDS[1].replace("scenario.paths", 6)
WHOLE, HALF = FOLDER / "whole", FOLDER / "half"


class _Stopped(Exception):
    """A run that ends in the middle."""


class Folder(NamedTuple):
    """A run's folder, and what is done to it: (file, change, seed)."""

    source: Path
    damage: tuple[tuple[str, int], ...] = ()


def runs() -> list[Folder]:
    """A complete run and one that was stopped."""
    if not WHOLE.exists():
        stress(RUN_WORLD, WHOLE, threads=1, chunk=2)
        add, done = Store.add, [0]

        def stopping(self: Store, result: Any) -> None:
            add(self, result)
            done[0] += 1
            if done[0] == 2:
                raise _Stopped

        Store.add = stopping  # type: ignore[method-assign]
        try:
            stress(RUN_WORLD, HALF, threads=1, chunk=2)
        except _Stopped:
            pass
        finally:
            Store.add = add  # type: ignore[method-assign]
    return [Folder(WHOLE), Folder(HALF)]


def damaged(value: Folder, rng: Random) -> Folder:
    """One file more that is flipped, cut, taken away, or another's."""
    files = sorted(str(path.relative_to(value.source)) for path in value.source.rglob("*") if path.is_file())
    return value._replace(damage=(*value.damage, (rng.choice(files), rng.randrange(2**32))))


def of_run(value: Folder, rng: Random) -> Any:
    """Opened or resumed, or a path of it played again."""
    folder = FOLDER / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(value.source, folder)
    for name, seed in value.damage:
        own, path = Random(seed), folder / name
        if not path.exists():
            continue
        kind = own.randrange(6)
        if kind == 0:
            path.unlink()
        elif kind == 1:
            others = sorted(one for one in WHOLE.iterdir() if one.is_file())
            shutil.copy(own.choice(others), path)
        elif kind == 2 and path.suffix == ".json" and path.read_bytes() == (value.source / name).read_bytes():
            changed = keyed(mutate.tree)(json.loads(path.read_text(encoding="utf-8")), own)
            path.write_text(json.dumps(changed, default=str), encoding="utf-8")
        else:
            path.write_bytes(mutate.raw(path.read_bytes(), own))
    if rng.random() < 0.3:
        return replay(folder, rng.randrange(3))
    return stress(RUN_WORLD, folder, threads=1, chunk=2).tables

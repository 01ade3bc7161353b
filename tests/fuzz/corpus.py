"""What inputs start from: worlds of the package with little to run, and what is done with a world that stands."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from delever import worlds
from delever.analysis import check, wall
from delever.analysis.words import numbers as fields_of
from delever.model.load import mapping_from_yaml
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.stress import stress

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(tempfile.mkdtemp(prefix="delever-fuzz-"))  # where inputs are laid down; removed at the end
SMALL = 60  # steps x paths that are run


def template(kind: str) -> Path:
    """The folder of a world that people start from, with few paths and steps, and a short book."""
    folder = FOLDER / kind
    source = ROOT / "src" / "delever" / ("examples" if kind == "first" else "templates") / kind
    if not folder.exists():
        shutil.copytree(source, folder)
        text = (folder / "world.yaml").read_text(encoding="utf-8")
        for old in ("horizon: 24 h", "step: 5 min", "paths: 500", "paths: 200", "at: 6 h"):
            new = {"h": "horizon: 1 h", "s": "step: 10 min", "p": "paths: 2", "a": "at: 20 min"}[old[0]]
            text = text.replace(old, new)
        (folder / "world.yaml").write_text(text, encoding="utf-8")
    return folder


def world_texts() -> list[str]:
    """Worlds of the package, and of the examples as far as they are small."""
    own = [(template(kind) / "world.yaml").read_text(encoding="utf-8") for kind in KINDS]
    more = [ROOT / "examples" / name for name in ("stablecoins/sound.yaml", "crvusd/world.yaml", "aave_and_perps/world.yaml")]
    return own + [path.read_text(encoding="utf-8") for path in more]


worlds.resolve = cache(worlds.resolve)  # which lists folders every time
KINDS = ("first", "lending", "perps", "both")
MAPPINGS = [mapping_from_yaml(text, "world.yaml") for text in world_texts()]
WORLDS = [worlds.load(template(kind)) for kind in KINDS]
MODELS = [assemble(world) for world in WORLDS]
FIELDS = [fields_of(world) for world in WORLDS]


def located(world: World) -> World:
    """A world of a mapping, whose files lie where those of its template do."""
    kinds = [kind for kind in KINDS if kind == world.name] or ["both"]
    return world.located(FOLDER / kinds[0], worlds.resolve, frozenset())


def looked_at(world: World, rng: Random) -> Any:
    """What is done with a world that stands: mostly little."""
    chance = rng.random()
    if chance < 0.08:
        return vars(check(world)) | {"model": None}
    if chance < 0.11:
        return wall(world, next(iter(world.assets)), "-20%")
    if chance < 0.13 and world.scenario.steps * world.scenario.paths <= SMALL:
        run = stress(world, threads=1, keep=False)
        return run.tables
    return None

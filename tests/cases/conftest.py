"""Public reports as small inputs: shared/cases beside the data sets. Missing, tests fail in CI and are skipped elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

DATA = Path(os.environ.get("DELEVER_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
CASES = DATA.parent / "cases"


class Case:
    """A folder: its world as it is written today, what is expected of it."""

    def __init__(self, folder: Path, world: str) -> None:
        self.folder, self.world = folder, folder / world

    @property
    def expected(self) -> dict[str, Any]:
        """What the report says."""
        found: dict[str, Any] = json.loads((self.folder / "expected.json").read_text())
        return found


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Case]:
    """The case of a name, in a folder of its own; a case may have several worlds, whose books are named like them."""

    def copied(name: str, world: str = "world.yaml") -> Case:
        source = CASES / name
        if not source.exists():
            message = f"no case at {source}: set DELEVER_DATA to the folder of data sets, beside which the cases stand"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
        target = tmp_path / name
        shutil.copytree(source, target)
        if (target / world).exists():
            today = as_of_today(yaml.safe_load((target / world).read_text()))
            (target / world).write_text(yaml.safe_dump(today, sort_keys=False))
            book = target / world.replace("world.yaml", "book.csv")
            if book.exists() and not (target / "book.csv").exists():
                shutil.copy(book, target / "book.csv")
        return Case(target, world)

    return copied


def as_of_today(world: dict[str, Any]) -> dict[str, Any]:
    """A world of before actors and events had names: `liquidators`, `borrowers` and `shocks` as they are written now."""
    actors = dict(world.get("actors", {}))
    for kind in ("liquidators", "borrowers"):
        stated = world.pop(kind, None)
        if stated:
            actors[kind] = {"kind": kind, **stated}
    shocks = world["scenario"].pop("shocks", [])
    if shocks:
        world["scenario"]["events"] = [{"at": shock["at"], "kind": "price", "change": shock["price"]} for shock in shocks]
    return world | ({"actors": actors} if actors else {})

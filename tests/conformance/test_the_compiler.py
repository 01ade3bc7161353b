"""The compiler, and what all mechanisms are asked at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.house import every_kind, whole, world_with
from delever import worlds
from delever.analysis import check, liquidation_prices, wall
from delever.core import jit

TESTS = Path(__file__).resolve().parents[1]
CODE = "import json; from conformance.house import every_kind, whole; " \
       "print(json.dumps({'.'.join(one): whole(*one)[0] for one in every_kind()}))"


def fresh(code: str, **environment: str) -> str:
    """The last line that another process says."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path, **environment},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_compiler_changes_no_bit_of_any_mechanism() -> None:
    """All in one process, with the kernels as plain Python."""
    interpreted = json.loads(fresh(CODE, NUMBA_DISABLE_JIT="1"))
    assert {name: whole(*name.split(".", 1))[0] for name in interpreted} == interpreted


WALLS = "import json, sys; sys.modules['numba'] = None\n" \
        "from conformance.house import every_kind; from conformance.test_the_compiler import looked_at\n" \
        "print(json.dumps({'.'.join(one): looked_at(*one) for one in every_kind()}))"


def looked_at(role: str, kind: str) -> str:
    """What a check, a wall and a list of positions say of the small world with a mechanism."""
    world = world_with(role, kind)
    found = wall(world, "ETH", "-60%..0%")
    said = [check(world).findings, found.table, found.accounts, liquidation_prices(world)]
    return hashlib.sha256(repr([one.to_pylist() for one in said]).encode()).hexdigest()


def test_a_check_and_a_wall_of_any_mechanism_load_no_compiler_and_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "FEW", -1)  # here they are compiled
    found = json.loads(fresh(WALLS, NUMBA_DISABLE_JIT="0"))
    calls = {name: text for name, text in found.items() if name.startswith("protocols.")}
    assert {name: looked_at(*name.split(".", 1)) for name in calls} == calls


def test_every_role_has_its_conformance_test() -> None:
    asked = {file.stem.removeprefix("test_") for file in Path(__file__).parent.glob("test_*.py")}
    assert asked == {"the_compiler", *worlds.ROLES}
    assert {role for role, _ in every_kind()} == set(worlds.ROLES)

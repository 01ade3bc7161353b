"""The compiler, and what all mechanisms are asked at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conformance.house import every_kind, whole
from delever import worlds

TESTS = Path(__file__).resolve().parents[1]
CODE = "import json; from conformance.house import every_kind, whole; " \
       "print(json.dumps({'.'.join(one): whole(*one)[0] for one in every_kind()}))"


def test_the_compiler_changes_no_bit_of_any_mechanism() -> None:
    """All in one process, with the kernels as plain Python."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", CODE], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    interpreted = json.loads(done.stdout.splitlines()[-1])
    assert {name: whole(*name.split(".", 1))[0] for name in interpreted} == interpreted


def test_every_role_has_its_conformance_test() -> None:
    asked = {file.stem.removeprefix("test_") for file in Path(__file__).parent.glob("test_*.py")}
    assert asked == {"the_compiler", *worlds.ROLES}
    assert {role for role, _ in every_kind()} == set(worlds.ROLES)

"""A golden world: the same bits with the compiler off, and figures that a reviewer can read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from delever.run.stress import stress
from run.small import bits, everything

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "paths.txt"
TESTS = Path(__file__).resolve().parents[1]
HEAD = "# Two paths of the worlds in tests/run/small.py: column, path 0, path 1. UPDATE_GOLDEN=1 writes it anew.\n"
PATHS = 2


def floats(mode: str) -> list[str]:
    """Every value of every table of the run, exactly."""
    run = stress(everything(mode, paths=PATHS), keep=False, trace=[0, 1], threads=1)
    return [f"{table} {name} {content.hex()}" for table in ("paths", "history", "trace", "summary")
            for name, content in bits(getattr(run, table)).items()]


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_the_compiler_changes_no_bit(mode: str) -> None:
    """The kernels run as plain Python, whole: this is also what covers and debugs them."""
    code = f"from run.test_golden import floats; print('\\n'.join(floats({mode!r})))"
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    interpreted, compiled = done.stdout.split("\n")[:-1], floats(mode)
    assert len(interpreted) > 100
    assert [line for line in interpreted if line not in compiled] == []
    assert interpreted == compiled


def figures() -> str:
    """The text of the golden file."""
    out = HEAD
    for mode in ("sequential", "batched"):
        paths = stress(everything(mode, paths=PATHS), keep=False).paths
        out += f"\n{mode}\n"
        for name in paths.column_names:
            if not name.startswith(("residual.", "health_checks")):
                out += f"  {name}: " + ", ".join(repr(value) for value in paths[name].to_pylist()) + "\n"
    return out


def by_name(text: str) -> list[str]:
    """The lines of each part of the golden file, sorted."""
    parts = (part.strip("\n").splitlines() for part in text.split("\n\n"))
    return [line for part in parts for line in sorted(part, key=lambda line: line.partition(":")[0])]


def test_the_golden_paths_are_as_they_were() -> None:
    """Counts exactly, amounts to 1e-9: set-up uses the exp and log of NumPy, whose last bit differs by machine.

    By name: who declares a column, and when he is asked for it, is none of its business.
    """
    found = figures()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(found)
    expected = by_name(GOLDEN.read_text())
    assert [line.partition(":")[0] for line in by_name(found)] == [line.partition(":")[0] for line in expected]
    for ours, theirs in zip(by_name(found), expected, strict=True):
        if ": " not in ours or ours.startswith("#"):
            continue
        a, b = ([float(value) for value in line.partition(": ")[2].split(", ")] for line in (ours, theirs))
        exact = "." not in ours.partition(": ")[2]
        assert a == (b if exact else pytest.approx(b, rel=1e-9, abs=1e-9)), ours

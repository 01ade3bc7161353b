"""What whoever touches one mechanism waits for: its test in a fresh process, with that mechanism changed.

    python -m benchmarks.edit_loop [--of protocols/aave.py:protocols/test_aave.py ...]

The package and its tests are copied, the tests run until nothing has to be compiled, a comment is added to the mechanism,
and the tests run once more. Seconds are the processor's, of the process and what it starts: a busy machine adds none.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MECHANISMS = {"protocols/aave.py": "protocols/test_aave.py", "protocols/pro_rata.py": "protocols/test_pro_rata.py",
              "venues/stableswap.py": "venues/test_stableswap.py", "oracles/mark.py": "oracles/test_mark.py",
              "actors/arbitrageurs.py": "actors/test_arbitrageurs.py", "waterfall/adl.py": "waterfall/test_adl.py"}


def cpu_seconds(command: list[str], env: dict[str, str], folder: Path) -> float:
    """Of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def kept(cache: Path) -> dict[str, int]:
    """Kernels in the cache, and how many versions of each."""
    names = [file.name.rpartition("-")[0] for file in cache.rglob("*.nbi")]
    return {name: names.count(name) for name in names}


def edits(mechanisms: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One row a mechanism."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("src", "tests", "examples"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        cache = folder / "cache"
        env = {**os.environ, "DELEVER_CACHE": str(cache), "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder / 'tests'}"}
        for mechanism, test in mechanisms.items():
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{test}"]
            first = cpu_seconds(command, env, folder)
            again, before = cpu_seconds(command, env, folder), kept(cache)
            with (folder / "src" / "delever" / mechanism).open("a", encoding="utf-8") as file:
                file.write("# a remark\n")
            edited = cpu_seconds(command, env, folder)
            anew = sorted(name for name, count in kept(cache).items() if count > before.get(name, 0))
            yield {"benchmark": "edit", "mechanism": mechanism, "test": test, "first": round(first, 1),
                   "nothing_changed": round(again, 1), "mechanism_changed": round(edited, 1), "compiled_anew": anew}


def main() -> None:
    """Print one JSON object a mechanism."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--of", nargs="+", metavar="MECHANISM:TEST", help=f"default: {' '.join(MECHANISMS)}, each with its test")
    a = p.parse_args()
    mechanisms = dict(pair.split(":") for pair in a.of) if a.of else MECHANISMS
    for row in edits(mechanisms):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

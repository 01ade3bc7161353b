"""The page for whoever adds a mechanism: its examples run, with the compiler and without, and the package stays as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "mechanisms.md"
NAMES = re.findall(r"^# file: (\S+)$", PAGE.read_text(), re.MULTILINE)
ROLES = ("protocols", "venues", "oracles", "networks", "actors", "policies", "prices", "events", "waterfall",
         "rates")


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter: mechanisms of the page's own are known nowhere else."""
    return subprocess.run([sys.executable, *arguments], env={**os.environ, **variables}, capture_output=True, text=True,
                          check=False)


def test_the_page_has_an_example_of_every_role() -> None:
    assert {name.split("/")[0] for name in NAMES} == set(ROLES)


def test_every_example_of_the_page_runs_and_the_compiler_changes_no_bit() -> None:
    """In the page's world: conserved after every step, the same one path at a time, and something is changed by it."""
    plain, compiled = python(str(ROOT / "docs" / "page.py"), NUMBA_DISABLE_JIT="1"), python(str(ROOT / "docs" / "page.py"))
    assert plain.returncode == 0, plain.stderr
    assert compiled.returncode == 0, compiled.stderr
    lines = compiled.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == NAMES
    assert lines == plain.stdout.splitlines()


LIST = "from delever import worlds; print(*worlds.kinds('prices'))"


def test_a_folder_of_ones_own_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "prices").mkdir()
    spec = "class Still(LogNormal):\n    kind: ClassVar[str] = 'still'\n"
    head = "from typing import ClassVar\nfrom delever.prices.lognormal import LogNormal\n"
    (tmp_path / "prices" / "still.py").write_text(head + spec)
    assert python("-c", LIST, DELEVER_MECHANISMS=str(tmp_path)).stdout.split() == ["lognormal", "replay", "still"]
    assert python("-c", LIST, DELEVER_MECHANISMS="").stdout.split() == ["lognormal", "replay"]
    hashed = f"{LIST}; from delever.core.jit import source_hash; print(source_hash())"
    one = python("-c", hashed, DELEVER_MECHANISMS=str(tmp_path)).stdout.splitlines()[-1]
    (tmp_path / "prices" / "still.py").write_text(head + "# changed\n" + spec)
    assert python("-c", hashed, DELEVER_MECHANISMS=str(tmp_path)).stdout.splitlines()[-1] != one  # a run knows what made it


@pytest.mark.parametrize(("folder", "said"), [
    ("nowhere", "DELEVER_MECHANISMS is no folder: '{}'; name one that holds folders such as actors/ or policies/"),
    ("taken", "{}/prices/replay.py is the name of a mechanism already: 'replay'; give the file another name")])
def test_a_folder_that_cannot_be_meant_is_refused(tmp_path: Path, folder: str, said: str) -> None:
    if folder == "taken":
        (tmp_path / folder / "prices").mkdir(parents=True)
        (tmp_path / folder / "prices" / "replay.py").write_text("")
    done = python("-c", LIST, DELEVER_MECHANISMS=str(tmp_path / folder))
    before, _, behind = said.partition("'{}'")  # a long path is cut where it is shown as a value
    assert (before or str(tmp_path)).format(tmp_path / folder) in done.stderr
    assert behind.format(tmp_path / folder) in done.stderr

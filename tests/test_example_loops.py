"""examples/loops: a sale that four rounds bear and twelve do not, and what leaving early does, as docs/loops.md says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "loops"


@pytest.fixture(scope="module")
def cascade() -> ModuleType:
    spec = importlib.util.spec_from_file_location("loops_cascade", FOLDER / "cascade.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_same_equity_bears_the_sale_in_four_rounds_and_not_in_twelve(cascade: ModuleType) -> None:
    four, twelve = (cascade.figures(rounds, "stay", paths=2) for rounds in (4, 12))
    assert four["accounts called"] == 0.0 == four["bad debt (k USD)"]
    assert four["lowest price"] > 0.9 > 0.75 > twelve["lowest price"]
    assert twelve["accounts called"] == cascade.ACCOUNTS and twelve["bad debt (k USD)"] > 500.0


def test_who_leaves_makes_the_cascade_at_eight_rounds_and_is_saved_at_twenty(cascade: ModuleType) -> None:
    stay, leave = (cascade.figures(8, owners, paths=2) for owners in ("stay", "flash"))
    assert stay["accounts called"] == 0.0 < leave["accounts called"]
    assert leave["lowest price"] < stay["lowest price"] - 0.1
    stay, leave = (cascade.figures(20, owners, paths=2) for owners in ("stay", "flash"))
    assert leave["bad debt (k USD)"] < 0.1 * stay["bad debt (k USD)"]
    assert leave["left (m USD)"] > 10.0


def test_the_pages_figures_are_what_the_script_prints(cascade: ModuleType) -> None:
    """A row of the table in docs/loops.md."""
    page = (FOLDER.parents[1] / "docs" / "loops.md").read_text().splitlines()
    said = next(line.strip("| ").split(" | ")[2:] for line in page if line.startswith("| 8 | flash |"))
    assert said == [cascade.shown(name, value) for name, value in cascade.figures(8, "flash").items()]

"""examples/crvusd: forty loans without data; with them a thousand borrowers beside what became of the real ones."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import delever as dl

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "crvusd"
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
NEEDED = ("crvusd_2023-11", "llamalend_2024", "oracles")
with_data = pytest.mark.skipif(not all((DATA / name).is_dir() for name in NEEDED) and not os.environ.get("CI"),
                               reason="the data of crvUSD are not here (DELEVER_DATA)")


def script(name: str) -> ModuleType:
    """A script of the example."""
    spec = importlib.util.spec_from_file_location(f"crvusd_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    return script("history")


def test_its_loans_are_the_drawn_ones() -> None:
    lines = (FOLDER / "loans.csv").read_text().splitlines()
    assert lines[1:] == [",".join(map(str, row)) for row in script("draw").rows()]


def test_its_world_sells_on_the_way_down_and_buys_back_on_the_way_up() -> None:
    run = dl.stress(dl.load(FOLDER, set={"scenario.paths": 2}), keep=False)
    converted = np.array(run.timeline["converted"].to_pylist()).reshape(2, -1)
    assert (converted.max(axis=1) > 0.05).all() and (converted[:, -1] < converted.max(axis=1)).all()
    assert np.mean(run.paths["soft_bought_back.crvusd.ETH"].to_numpy()) > 5.0
    assert np.mean(run.paths["soft_liquidation_loss.crvusd.ETH"].to_numpy()) > 0.0
    assert max(float(run.paths[name].to_numpy().max()) for name in run.paths.column_names if name.startswith("residual.")) < 1e-9


def test_its_keepers_shorten_a_depeg_and_the_second_versions_do_not_make_it_shallower() -> None:
    """As docs/crvusd.md says, on fewer paths."""
    peg = script("peg")
    alone, _, second, first = (peg.figures(changes, paths=2) for changes in peg.CASES.values())
    off = "minutes more than 0.1 % off"
    assert max(first[off], second[off]) < 0.7 * alone[off]
    assert second["highest price"] == pytest.approx(alone["highest price"], abs=2e-4)
    assert first["highest price"] < alone["highest price"] - 1e-3
    assert second["lowest price"] < alone["lowest price"] - 1e-3
    assert second["minted"] == pytest.approx(second["burned"], rel=1e-9) and second["burned"] > 1e6
    assert second["keepers' profit"] > first["keepers' profit"] > 0.0
    assert second["highest rate"] > 0.13


def test_the_pages_figures_are_what_the_script_prints() -> None:
    """A column of the table in docs/crvusd.md."""
    peg, name = script("peg"), "keepers, rate by the peg"
    page = (ROOT / "docs" / "crvusd.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in page if line.startswith("| ")]
    head = next(n for n, row in enumerate(rows) if row[0] == "no keepers, 10 % a year")
    said = {row[0]: row[1 + rows[head].index(name)] for row in rows[head + 1:]}
    assert said == {
        figure: peg.shown(figure, value) for figure, value in peg.figures(peg.CASES[name]).items()}


@with_data
def test_a_thousand_borrowers_stand_two_weeks_beside_the_real_ones(history: ModuleType, tmp_path: Path) -> None:
    """Nothing is lost, and most of the loans that others close are near the limit from the start: more than really were."""
    found, real = history.figures(history.WINDOWS[0], tmp_path), history.history(history.WINDOWS[0])
    print(found, real)
    assert found["loans"] == 1000 and found["residual"] < 1e-9
    assert found["lowest price"] < 0.95 and found["arbitrages"] > 100 and found["bad debt [USD]"] == 0.0
    assert (real["open"], real["forced-liquidation"]) == (280, 4)
    assert real["forced-liquidation"] / real["open"] < found["closed by others"] / found["loans"] < 0.15


@with_data
def test_the_prices_are_the_rounds_in_force(history: ModuleType) -> None:
    time, usd = history.prices(history.WINDOWS[0])
    assert time[0] == 0.0 and (np.diff(time) > 0).all() and time[-1] < 14 * 86400.0
    assert usd[0] == pytest.approx(2350.6) and usd.min() < 2200.0

"""examples/maker_black_thursday: its files say what its code makes, and nothing of March but what is given is read."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "maker_black_thursday"
MODULES = ("day", "fit", "inputs", "make_world", "predict")
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data") / "maker_2020-03"
pytestmark = pytest.mark.skipif(not DATA.is_dir() and not os.environ.get("CI"),
                                reason="the data of March 2020 are not here (DELEVER_DATA)")


@pytest.fixture(scope="module")
def example() -> Iterator[Callable[[str], ModuleType]]:
    """The example's modules by name; they import one another as scripts of one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELEVER_DATA", str(DATA.parent))
        patch.syspath_prepend(str(FOLDER))
        for name in MODULES:
            importlib.sys.modules.pop(name, None)  # type: ignore[attr-defined]
        yield importlib.import_module
    for name in MODULES:
        importlib.sys.modules.pop(name, None)  # type: ignore[attr-defined]


FIRST, SECOND = "predictions-2026-12-01.json", "predictions-2026-12-01-second.json"  # what is judged is the second


def predicted(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


def test_estimates_of_keepers_are_those_of_the_calm_months(example: Callable[[str], ModuleType]) -> None:
    fit = example("fit")
    assert fit.fit() == json.loads((FOLDER / "keepers.json").read_text())
    assert max(lot.bid_at for lot in fit.calm()) < 0.0, "nothing later than February"


def test_the_page_gives_the_estimates(example: Callable[[str], ModuleType]) -> None:
    page, found = (ROOT / "docs" / "black_thursday.md").read_text(), json.loads((FOLDER / "keepers.json").read_text())
    for name in ("discount", "spread"):
        assert f"| {100 * found[name]['estimate']:.2f} % | {100 * found[name]['standard_error']:.2f} % |" in page
    for share in found["fee_shares"].values():
        assert f"| {100 * share['estimate']:.1f} % | {100 * share['standard_error']:.1f} % |" in page
    seen = found["oracle"]
    assert f"of {seen['pokes']} pokes" in page
    assert f"{100 * seen['mean']:.2f} % ± {100 * seen['standard_deviation']:.2f} %".replace("-", "−") in page
    assert 60.0 * seen["minutes_after_the_hour"] == example("day").MINUTE_OF_POKE
    assert f"{found['locked']['estimate']:,.0f} DAI" in page


def test_the_world_is_what_its_code_makes(example: Callable[[str], ModuleType], tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make_world.py", "--to", str(tmp_path)])
    example("make_world").main()
    made, kept = (yaml.safe_load((folder / "world.yaml").read_text()) for folder in (tmp_path, FOLDER))
    assert made == kept


def test_vaults_fall_due_in_the_order_of_their_lots(example: Callable[[str], ModuleType]) -> None:
    given, day = example("inputs").given(), example("day")
    for steepness in (1.0, 2.5):
        due = day.triggers(given, steepness)
        assert (np.diff(due) < 0.0).all()
        assert due[-1] >= given.osm[:, 1].min() * (1.0 - 1e-9)


def test_a_morning_of_it_conserves_value_and_closes_lots_once_the_oracle_falls(example: Callable[[str], ModuleType]) -> None:
    predict = example("predict")
    hours = predict.simulate(np.full(len(example("day").Unknown._fields), 0.5), hours=8)
    assert hours.shape == (8, 3)
    assert hours[:3].sum() == 0.0, "the oracle has not fallen below what it had been in March"
    assert hours[:, 0].sum() > 0.0


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_the_predictions_keep_to_the_format(name: str, example: Callable[[str], ModuleType]) -> None:
    predictions = predicted(name)
    assert name.startswith(f"predictions-{predictions['made']}")
    assert predictions["inputs_sha256"] == example("inputs").hashes()
    assert predictions["fitted_on"] == ["maker_2020-03: auctions of 2019-11 to 2020-02"]
    assert re.search(r"commit [0-9a-f]{7}", predictions["method"])
    assert predictions["quantiles"] == [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    assert len({(row["quantity"], row["of"]) for row in predictions["rows"]}) == len(predictions["rows"])
    for row in predictions["rows"]:
        assert len(row["values"]) == 7
        assert (np.diff(row["values"]) >= 0.0).all()
        assert re.fullmatch(r"total|2020-03-1[123](T\d\d)?", row["of"])
        if row["unit"] == "share of 1":
            assert 0.0 <= row["values"][0] <= row["values"][-1] <= 1.0


def test_the_page_gives_the_predictions_and_the_score() -> None:
    page = (ROOT / "docs" / "black_thursday.md").read_text()
    row = {(r["quantity"], r["of"]): r["values"] for r in predicted(SECOND)["rows"]}
    shown = {"lots closed": "{:,.0f}", "share of lots won for nothing": "{:.0%}", "DAI shortfall": "{:.2f} m"}
    for of, said in (("total", "in all"), ("2020-03-12", "2020-03-12"), ("2020-03-13", "2020-03-13")):
        for quantity, show in shown.items():
            low, mid, high = (show.format(row[quantity, of][k] / (1e6 if quantity == "DAI shortfall" else 1)) for k in (0, 3, 6))
            assert f"| {quantity}, {said} | {low} | {mid} | {high} |".replace("%", " %") in page
    score = json.loads((FOLDER / "keepers.json").read_text())["scored"]
    assert f"CRPS {score['crps']:.4f} of log price, against {score['crps_at_market']:.4f}" in page
    assert f"{score['in_80_interval']:.0%} within".replace("%", " %") in page

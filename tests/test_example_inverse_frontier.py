"""examples/inverse_frontier: the bad debt is in the book, and the rules cannot call on what has no collateral."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

import delever as dl
from delever.ingest import inverse_frontier
from delever.model.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "inverse_frontier"
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
with_data = pytest.mark.skipif(not all((DATA / name).is_dir() for name in ("inverse_frontier_2024-04", "crvusd_2023-11"))
                               and not os.environ.get("CI"), reason="the data of Inverse Frontier are not here (DELEVER_DATA)")


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    spec = importlib.util.spec_from_file_location("inverse_story", FOLDER / "story.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@with_data
def test_most_of_what_is_owed_has_no_collateral_and_two_accounts_owe_it(story: ModuleType) -> None:
    now = story.state(dl.load(FOLDER), 0.0)
    assert (now["below 1"], now["insolvent"], now["large"]) == (77, 58, 2)
    assert now["bad debt"] == pytest.approx(16_187_328.6, rel=1e-6) and now["owed"] == pytest.approx(18_061_697.1, rel=1e-6)
    assert now["of the large"] > 0.98 * now["bad debt"]


@with_data
def test_a_fall_shrinks_bad_debt_owed_in_coins_and_makes_more_accounts_insolvent(story: ModuleType) -> None:
    world = dl.load(FOLDER)
    now, fallen = story.state(world, 0.0), story.state(world, -0.4)
    assert fallen["bad debt"] < now["bad debt"] and fallen["insolvent"] > now["insolvent"]
    assert story.callable_debt(world, -0.4) < 0.01 * fallen["their debt"]


@with_data
def test_a_stress_conserves_value_and_clears_next_to_nothing(story: ModuleType) -> None:
    found = story.stress(dl.load(FOLDER, set={"scenario.paths": 1}))
    assert found["residual"] < 1e-9 and 0 < found["accounts"] < 20
    assert found["shortfall"] > 10e6


def test_markets_not_entered_back_nothing() -> None:
    rows = {"account": ["a", "a", "b"], "market": [1, 0, 2], "supplied": [2.0, 5.0, 0.0],
            "borrowed": [0.0, 0.0, 3.0], "entered": [1, 0, 1]}
    legs, _ = inverse_frontier.read(lambda name: pa.table(rows), "book")
    assert [tuple(leg.values()) for leg in legs.to_pylist()] == [("a", "ETH", "collateral", 2.0), ("b", "WBTC", "debt", 3.0)]


def test_another_part_and_another_file_are_answered_by_one_line() -> None:
    with pytest.raises(InputError, match="is no part of the data set"):
        inverse_frontier.read(lambda name: pa.table({}), "v3")
    with pytest.raises(InputError, match="has no column"):
        inverse_frontier.read(lambda name: pa.table({"account": ["a"]}), "book")

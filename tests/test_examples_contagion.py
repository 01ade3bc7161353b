"""The world of Aave and a perp exchange: its drawn book is what draw.py draws, and crashes cross in both directions."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

import delever as dl
from delever.model.book import Book

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "aave_and_perps"
AAVE = {"aave": ["aave_v2", "aave_v3"]}


@pytest.fixture
def world() -> Iterator[Any]:
    """The example's; skipped without its data, but not where CI runs."""
    data = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
    if not (data / "aave_steth_2023-06").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no data in {data}: set DELEVER_DATA")
        pytest.skip("set DELEVER_DATA to the folder with aave_steth_2023-06")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELEVER_DATA", str(data))
        yield dl.load(FOLDER, set={"scenario.paths": 2, "scenario.horizon": "1 h"})


def test_the_drawn_book_is_what_the_script_draws() -> None:
    assert runpy.run_path(str(FOLDER / "draw.py"))["table"]() == (FOLDER / "perps.csv").read_text(encoding="utf-8")


def test_each_side_of_the_drawn_book_is_the_open_interest() -> None:
    drawn = runpy.run_path(str(FOLDER / "draw.py"))
    legs = Book.read(FOLDER / "perps.csv", protocol="perps").legs
    legs = legs.filter(pc.and_(pc.equal(legs["side"], "position"), pc.not_equal(legs["account"], "basis")))
    for side in (pc.greater(legs["amount"], 0.0), pc.less(legs["amount"], 0.0)):
        units = pc.sum(pc.abs(legs["amount"].filter(side))).as_py()
        assert units * drawn["PRICE"] == pytest.approx(drawn["OPEN_INTEREST"], rel=1e-6)


def test_the_aave_half_is_the_other_examples(world: Any) -> None:
    other = dl.load(ROOT / "examples" / "aave_steth")
    assert {name: world.protocols[name] for name in other.protocols} == other.protocols
    assert {name: world.feeds[name] for name in other.feeds} == other.feeds
    assert {name: world.venues[name] for name in other.venues} == other.venues
    assert {name: world.oracles[name] for name in other.oracles} == other.oracles
    people = ("liquidators", "borrowers")
    assert [world.actors[name] for name in people] == [other.actors[name] for name in people]
    assert world.networks == other.networks


def test_a_crash_in_aave_reaches_the_exchange_and_would_not_without_aaves_selling(world: Any) -> None:
    rows = {(row["affected"], row["figure"]): row for row in dl.contagion(world, AAVE).table.to_pylist()}
    assert rows["aave", "liquidated"]["in all"] > 0.0
    for figure in ("liquidated", "loss"):
        row = rows["perps", figure]
        assert row["in all"] > 0.0
        assert row["without it"] == 0.0


def test_a_crash_on_the_exchange_reaches_aave(world: Any) -> None:
    sale = {"at": "10 min", "over": "10 min", "kind": "order", "order": "sell 40,000 ETH-PERP"}
    crash = world.replace("scenario.events", (sale,))
    rows = {(row["affected"], row["figure"]): row for row in dl.contagion(crash, AAVE).table.to_pylist()}
    assert rows["perps", "liquidated"]["in all"] > 0.0
    assert rows["aave", "liquidated"]["from there"] > 0.0

"""When each layer first bore anything, when it ran dry, and since when nobody funds what is owed: to the block, minutes apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from delever.engine.probes import BINS, FINE, ROWS, fine_bins
from delever.model.world import World
from delever.run.stress import Run, stress
from waterfall.small import Row, exchange

MINUTE, DAY = 60, 86_400
# Longs of a unit each. At 88 USD a lacks 2 USD, at 75 USD b lacks 8, at 65 USD c lacks 5.
LONGS: list[Row] = [("a", "BTC-PERP", 1.0, 100.0, 10.0), ("b", "BTC-PERP", 1.0, 100.0, 17.0), ("c", "BTC-PERP", 1.0, 100.0, 30.0),
                    ("w", "BTC-PERP", -3.0, 100.0, 900.0)]
WATERFALL: list[Any] = [{"kind": "insurance_fund", "start": {"USD": 5.0}}, {"kind": "backstop", "equity": 20.0}]


def world() -> World:
    """A day of minutes; three falls within seven of them. The fund has 5 USD, the vault 20 and loses 10 at the last fall."""
    falls = [(10, -0.12), (13, 75.0 / 88.0 - 1.0), (17, 65.0 / 75.0 - 1.0)]
    events = [{"at": at * MINUTE, "kind": "price", "change": {"BTC": change}} for at, change in falls]
    return exchange(LONGS, WATERFALL, 0.0, scenario={"horizon": DAY, "events": events, "paths": 3})


@pytest.fixture(scope="module")
def run() -> Run:
    return stress(world(), keep=False, threads=1)


def test_layers_that_run_dry_four_minutes_apart_are_told_apart_to_the_block(run: Run) -> None:
    at = {name: run.paths[f"{name}.ex"].to_pylist() for name in (
        "insurance_fund_began", "insurance_fund_dry", "backstop_began", "backstop_dry", "residual_shortfall_began")}
    assert at == {"insurance_fund_began": [11 * MINUTE] * 3, "insurance_fund_dry": [14 * MINUTE] * 3,
                  "backstop_began": [14 * MINUTE] * 3, "backstop_dry": [18 * MINUTE] * 3,
                  "residual_shortfall_began": [18 * MINUTE] * 3}
    assert run.paths["residual_shortfall.ex"].to_pylist() == pytest.approx([2.0] * 3)  # the fund had 3 USD left for it
    found = dict(zip(run.summary["figure"].to_pylist(), run.summary["value"].to_pylist(), strict=True))
    assert found["residual_shortfall_began.ex"] == 18 * MINUTE


def test_the_timeline_shows_what_each_bore_and_what_nobody_does_minute_by_minute(run: Run) -> None:
    mine = run.timeline.filter(pc.equal(run.timeline["path"], 0))
    time = mine["time"].to_numpy()
    np.testing.assert_allclose(np.diff(time), DAY / FINE)
    bore = {name: dict(zip(time.tolist(), mine[name].to_pylist(), strict=True))
            for name in ("insurance_fund", "backstop", "residual_shortfall")}
    assert [round(bore[name][12 * MINUTE], 9) for name in bore] == [2.0, 0.0, 0.0]
    assert [round(bore[name][18 * MINUTE], 9) for name in bore] == [2.0, 8.0, 5.0]
    assert [round(bore[name][24 * MINUTE], 9) for name in bore] == [5.0, 8.0, 2.0]
    stays = run.history.filter(pc.equal(run.history["quantity"], "residual_shortfall")).to_pylist()
    first = min(row["time"] for row in stays if row["at_least"] > 0.0)
    assert first == 18 * MINUTE and sum(row["paths"] for row in stays if row["time"] == first) == 3


@pytest.mark.parametrize("chunk", [1, 2])
def test_bins_are_those_of_the_run_whatever_its_chunks(run: Run, chunk: int) -> None:
    other = stress(world(), keep=False, threads=1, chunk=chunk)
    for name in ("paths", "timeline", "history"):
        assert repr(getattr(other, name).to_pydict()) == repr(getattr(run, name).to_pydict())  # nan is not equal to itself


@pytest.mark.parametrize(("steps", "paths", "bins"), [
    (1440, 100, FINE), (1440, 10_000, BINS), (720, 100, 120), (100, 100, BINS), (10_000, 2_000, ROWS // 2_000),
    (10_000, 0, FINE)])
def test_the_size_is_bounded(steps: int, paths: int, bins: int) -> None:
    assert fine_bins(steps, paths) == bins
    assert bins == BINS or bins * paths <= ROWS

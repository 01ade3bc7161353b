"""The twin of a run: the same outside, nobody liquidated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import delever as dl
from delever.run.stress import Run, stress
from run.small import everything, fall, loan, one_market, unlike


def selling(**scenario: object) -> Run:
    """A loan that a fall of 5 % makes due, whose collateral is sold to makers: 1,000 units are a log-move of 1."""
    world = one_market(loan("a", 100.0, 84_000.0), venues={"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 1000.0}},
                       scenario={"events": [fall(0.05)], "paths": 2, **scenario})
    return stress(world, keep=False, threads=1)


def test_what_nobody_sells_by_force_moves_no_price() -> None:
    """By hand: the fall of 5 % alone in the twin, the sale of what was seized on top of it in the run."""
    run = selling()
    found = dl.twin(run)
    row = found.markets.to_pylist()[0]
    assert row["nobody liquidated"] == pytest.approx(-0.05)
    sold = float(run.paths["forced_sales.ETH"][0].as_py())
    assert sold > 0.0
    assert row["as it is"] == pytest.approx(0.95 * np.exp(-sold / 1000.0) - 1.0, rel=1e-3)
    assert row["made by liquidations"] == pytest.approx(row["nobody liquidated"] - row["as it is"])
    assert row["deeper on"] == 1.0


def test_the_outside_is_the_same_and_nobody_is_liquidated() -> None:
    run = stress(everything(paths=6), keep=False, threads=1)
    twin = run.twin()
    outside = [name for name in run.paths.column_names if name.startswith("lowest_outside.")]
    assert unlike(run.paths.select(outside), twin.paths.select(outside)) == []
    assert sum(run.paths["liquidations.first"].to_pylist()) > 0 and not any(twin.paths["liquidations.first"].to_pylist())
    drawn = [[row for row in one.prices.to_pylist() if row["series"].startswith("outside.")] for one in (run, twin)]
    assert drawn[0] == drawn[1]


def test_it_is_kept_beside_the_run_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stress(dl.load(dl.example("first"), set={"scenario.paths": 2, "scenario.horizon": "7 h"}), tmp_path / "run", threads=1)
    first = run.twin()
    monkeypatch.setattr("delever.run.twin.run_chunks", None)  # nothing is run again
    again = dl.open_run(tmp_path / "run").twin()
    assert unlike(again.paths, first.paths) == [] and again.prices.equals(first.prices)
    assert unlike(again.summary, first.summary) == []


def test_where_nothing_happens_liquidations_make_nothing() -> None:
    found = dl.twin(stress(one_market(loan("a", 1.0, 100.0)), keep=False, threads=1))
    assert found.markets["made by liquidations"].to_pylist() == [0.0]
    assert found.losses["made by liquidations"].to_pylist() == [0.0]

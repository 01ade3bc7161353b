"""examples/compound_v2: the book gives back the totals of its source, and a fall of 40 % makes the rules call on it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.analysis.valuation import legs_of
from delever.ingest import compound_v2
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.run.assemble import assemble

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "compound_v2"
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
with_data = pytest.mark.skipif(not all((DATA / name).is_dir() for name in ("compound_v2_2023-05", "crvusd_2023-11"))
                               and not os.environ.get("CI"), reason="the data of Compound v2 are not here (DELEVER_DATA)")


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELEVER_DATA", str(DATA))


@with_data
def test_the_book_gives_back_the_totals_of_its_source() -> None:
    """Debt and weighted collateral of each of 8,851 accounts, to 5e-8, from the world's own prices and thresholds."""
    world, source = dl.load(FOLDER), Source(None)
    totals = source.table("compound_v2_2023-05/accounts.csv.gz").to_pydict()
    dollars = 1.0 / dict(zip(*source.table("compound_v2_2023-05/markets.csv").select(["asset", "price_eth"]).to_pydict().values(),
                             strict=True))["USDC"]
    row = {account: i for i, account in enumerate(totals["account"])}
    sums = {"collateral": np.zeros(len(row)), "debt": np.zeros(len(row))}
    terms = world.protocols["compound"].parameters
    for leg in source.book("compound_v2_2023-05/book").legs.to_pylist():
        weight = terms[leg["asset"]].liquidation_threshold if leg["side"] == "collateral" else 1.0
        sums[leg["side"]][row[leg["account"]]] += leg["amount"] * world.assets[leg["asset"]].price * weight
    assert len(row) == 8851
    np.testing.assert_allclose(sums["debt"] / dollars, totals["debt_eth"], rtol=5e-8)
    np.testing.assert_allclose(sums["collateral"] / dollars, totals["weighted_collateral_eth"], rtol=5e-8, atol=1e-15)


@with_data
def test_its_legs_are_those_of_21771_rows() -> None:
    legs = legs_of(assemble(dl.load(FOLDER)))
    assert legs.accounts == 8851


@with_data
def test_a_quick_fall_makes_the_rules_call_and_conserves_value() -> None:
    run = dl.stress(dl.load(FOLDER, set={"scenario.paths": 1, "scenario.events.0.at": "1 min",
                                         "scenario.events.0.over": "1 min", "scenario.horizon": "4 min"}), keep=False)
    paths = {name: float(run.paths[name].to_numpy()[0]) for name in run.paths.column_names
             if name.startswith(("residual.", "liquidations.", "forced_sales.ETH", "lowest.ETH"))}
    assert paths["liquidations.compound"] > 50 and paths["forced_sales.ETH"] > 1000.0
    assert paths["lowest.ETH/USD"] < -0.40
    assert max(value for name, value in paths.items() if name.startswith("residual.")) < 1e-9


def test_another_part_and_another_file_are_answered_by_one_line() -> None:
    with pytest.raises(InputError, match="is no part of the data set"):
        compound_v2.read(lambda name: pa.table({}), "v3")
    with pytest.raises(InputError, match="has no column"):
        compound_v2.read(lambda name: pa.table({"account": ["a"]}), "book")

"""Compound v3's sets are what the deployment files say."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from delever import worlds
from delever.catalog import get
from ingest.conftest import source  # noqa: F401  a fixture

NAMES = {"WETH": "ETH"}
HISTORY = "compound_v3_liquidations/compound_v3_liquidations_2025-09_2025-10.csv"


@pytest.mark.parametrize("market", ["usdc", "usdt"])
def test_factors_caps_and_the_storefront_are_the_files(market: str, source: Any) -> None:  # noqa: F811
    stated = json.loads(source.read("risk_parameters/compound_v3_configurations.json"))[f"mainnet/{market}"]
    ours = get(f"compound-v3-ethereum-{market}")
    rules: Any = worlds.kinds("protocols")["comet"](version=market)
    assert (rules.base, rules.store_front) == (stated["baseToken"], stated["storeFrontPriceFactor"])
    assert rules.target == float(stated["targetReserves"]) / 1e6
    assert set(ours) == {NAMES.get(name, name) for name in stated["assets"]} | {stated["baseToken"]}
    for name, theirs in stated["assets"].items():
        values = ours[NAMES.get(name, name)]
        assert (values["loan_to_value"], values["liquidation_threshold"]) == (theirs["borrowCF"], theirs["liquidateCF"])
        assert 1.0 / (1.0 + values["incentive"]) == pytest.approx(theirs["liquidationFactor"], rel=1e-15)
        assert values["liquidation_threshold"] * (1.0 + values["incentive"]) < 1.0, "at the threshold the credit covers the debt"
        units, _, power = theirs["supplyCap"].partition("e")
        assert (values.get("supply_cap", 0), power) == (int(units), theirs["decimals"])


def test_the_incentive_of_absorptions_in_2025_is_that_of_the_storefront(source: Any) -> None:  # noqa: F811
    """60 % x (1 / factor - 1) of the credit: of ten of the 44 at a factor of 93 %, which is LINK's; others were voted on."""
    rows = csv.DictReader(io.StringIO(source.read(HISTORY).decode()))
    found = [(float(row["available_incentive_usd"]), float(row["value_liquidated_usd"])) for row in rows]
    link = 0.6 * get("compound-v3-ethereum-usdt")["LINK"]["incentive"]
    assert len(found) == 44
    assert sum(abs(got / value - link) < 5e-5 + 0.005 / value for got, value in found) >= 10
    assert sum(abs(got / value - 0.6 / 3.0) < 5e-5 + 0.005 / value for got, value in found) >= 1, "COMP's factor is 75 %"

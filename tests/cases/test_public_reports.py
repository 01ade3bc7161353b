"""Public reports and worked examples: what they say comes out, or one line says what to do instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import delever as dl
from cases.conftest import Case
from delever.analysis.margin_prices import liquidation_price_binance, liquidation_price_hyperliquid, margin_tiers
from delever.ingest.positions import read_positions
from delever.model.errors import InputError

Get = Callable[..., Case]


def hit(case: Case, asset: str, shock: str) -> int:
    """Accounts that a shock puts below 1 or below maintenance."""
    return int(sum(dl.wall(dl.load(case.world), asset=asset, shocks=shock).totals["accounts"].to_pylist()))


def played(case: Case) -> dict[str, Any]:
    """The one path of a case."""
    found: dict[str, Any] = dl.stress(dl.load(case.world), keep=False, threads=1).paths.to_pylist()[0]
    return found


@pytest.mark.parametrize(
    "name",
    [
        "01_hl_isolated_set",
        "02_cross_other_maintenance",
        "05b_withdrawn_profit_smallest",
        "07_multi_asset_haircut",
        "08_bybit_uta_collateral",
    ],
)
def test_a_wall_begins_where_the_report_says(case: Get, name: str) -> None:
    found = case(name)
    for said, accounts in found.expected["wall accounts"].items():
        asset, shock = said.split()
        assert hit(found, asset, shock) == accounts, said


def test_an_isolated_position_of_hyperliquid_is_liquidated_where_it_says(case: Get) -> None:
    """liquidationPx of the answer itself, from size, margin and the maximum leverage."""
    found = case("01_hl_isolated_set")
    for answer in json.loads((found.folder / "book.json").read_text()).values():
        position = answer["assetPositions"][0]["position"]
        size, entry = float(position["szi"]), float(position["entryPx"])
        equity = float(position["leverage"]["rawUsd"]) + size * entry
        price = liquidation_price_hyperliquid(entry, size, equity, margin_tiers([0.0], [0.5 / position["maxLeverage"]]))
        assert price == pytest.approx(float(position["liquidationPx"]), rel=1e-6)


def test_a_closing_fee_in_the_rate_gives_gate_s_price(case: Get) -> None:
    said = case("03_gate_fee_in_maintenance").expected
    price = liquidation_price_binance(said["wallet"], said["size"], said["entry"], margin_tiers([0.0], [said["rate"]]))
    assert price == pytest.approx(said["liquidation"], abs=0.05)


def test_added_margin_moves_a_whale_s_liquidation_price(case: Get) -> None:
    said = case("04_hl_whale_added_margin").expected
    for more, price, close in ((0.0, said["liq_before"], 0.5), (10e6, said["liq_after_adding_10m"], 1.0)):
        margin, tiers = said["margin_usd"] + more, margin_tiers([0.0], [said["rate"]])
        assert liquidation_price_hyperliquid(said["entry"], said["size_eth"], margin, tiers) == pytest.approx(price, abs=close)


def test_a_coin_that_is_counted_at_its_haircut_liquidates_where_binance_says(case: Get) -> None:
    said = case("07_multi_asset_haircut").expected
    price = liquidation_price_binance(said["counted_margin"], 1.0, 20000.0, margin_tiers([0.0], [0.004]))
    assert price == pytest.approx(said["liquidation_price"], abs=1e-3)


def test_a_health_factor_of_a_third_above_one_bears_a_quarter(case: Get) -> None:
    found = case("16_aave_hf")
    assert (hit(found, "ETH", "-25 %"), hit(found, "ETH", "-25.01 %")) == (0, 1)
    assert found.expected["health_factor"] == pytest.approx(10_000 * 0.8 / 6_000, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "columns", "within"),
    [
        ("17_aave_v2_two_collaterals", {"repaid.p.DAI": "repaid", "seized_collateral.p": "seized_YFI_usd"}, 1e-9),
        ("20_morpho_docs", {"repaid.p.L": "repaid", "seized.p.C": "seized"}, 1e-5),
        ("20b_morpho_bad_debt", {"bad_debt.p": "bad_debt", "socialised_loss.p": "socialised"}, 1e-9),
        ("21_venus_docs", {"repaid.p.L": "repaid", "seized.p.C": "seized"}, 1e-9),
        ("22_crv_bad_debt", {"bad_debt.p": "bad_debt_usd"}, 0.02),
        ("25_dydx_adl_engine", {"haircut.x": "haircut"}, 1e-9),
    ],
)
def test_a_liquidation_does_what_the_report_says(case: Get, name: str, columns: dict[str, str], within: float) -> None:
    found = case(name)
    row = played(found)
    for column, said in columns.items():
        assert row[column] == pytest.approx(found.expected[said], rel=within), column


@pytest.mark.parametrize(("side", "column"), [("long", "long liquidated at s"), ("short", "short liquidated")])
def test_funding_is_paid_by_longs_and_received_by_shorts(case: Get, side: str, column: str) -> None:
    found = case("26_funding_sign", f"fund_{side}_world.yaml")
    row, said = played(found), found.expected[column]
    assert (row["first_liquidation.x"] == said) if said else row["accounts_liquidated.x"] == 0.0


def answer(found: Case) -> Any:
    return json.loads((found.folder / "book.json").read_text())


def test_coins_of_a_unified_account_are_in_the_book(case: Get) -> None:
    found = case("08_bybit_uta_collateral")
    rows = [
        f"{row['collateral_asset']} {row['collateral']:g}"
        for row in read_positions(answer(found)).to_pylist()
        if row["collateral"]
    ]
    wanted = [said.replace("USDT", "USD") for said in found.expected["rows"]]
    assert sorted(rows) == sorted(wanted)


def test_both_sides_of_a_hedge_stand_in_the_book(case: Get) -> None:
    """Maintenance counts both: 2 x 24,991 x 0.0002812 at Binance's 1.5 % of that contract is 2 x 0.10541."""
    found = case("10_hedge_mode")
    table = read_positions(answer(found), instruments={"SATSUSDT": "SATS-PERP"})
    assert table["size"].to_pylist() == [24_991_000.0, -24_991_000.0, None]  # the symbol is a thousand of the coin
    assert sum(abs(size) for size in table["size"].to_pylist()[:2]) * 0.0002812 / 1000 * 0.015 == pytest.approx(
        2 * 0.10541203, rel=1e-6
    )


def test_contracts_paid_in_a_coin_are_refused_among_dollars_and_right_on_their_own(case: Get) -> None:
    found = case("11_coin_m_binance")
    with pytest.raises(InputError, match="has contracts that are paid in BTC: 'BTCUSD_PERP'; an exchange with `unit: BTC` lists"):
        dl.check(dl.load(found.world))
    row = read_positions(answer(found)).to_pylist()[0]
    assert row["size"] == 100_000 * 100.0  # USD


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "13_hl_unified",
            'a unified account holds it in spot; give {"state": clearinghouseState, "spot": spotClearinghouseState}',
        ),
        (
            "14_binance_account_v3",
            "has no entry prices, which version 3 of the account leaves out: 'BTCUSDT'; give {\"positionRisk\": GET",
        ),
    ],
)
def test_what_an_answer_does_not_have_is_asked_for(case: Get, name: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        read_positions(case(name).folder / "book.json")
    assert line in str(caught.value)

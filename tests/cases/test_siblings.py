"""Inputs of the same kinds as the public reports: accounts that nobody watches, coins as collateral, rows of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import delever as dl
from delever.model.errors import InputError

HEAD = "account,instrument,size,entry_price,margin_mode,collateral,collateral_asset\n"


def world(folder: Path, book: str | Any, *, unit: str = "USD", **parameters: Any) -> Any:
    """A world with an exchange `x` of ETH and BTC perps; the book as rows of CSV, or an answer."""
    name = "book.csv" if isinstance(book, str) else "book.json"
    (folder / name).write_text(HEAD + book if isinstance(book, str) else json.dumps(book))
    perps = (
        {"ETH-COIN": {"maintenance": "1 %"}}
        if unit == "ETH"
        else {"ETH-PERP": {"max_leverage": 50}, "BTC-PERP": {"max_leverage": 50}}
    )
    stated = {
        "name": "sibling",
        "as_of": "2024-01-01T00:00:00Z",
        "assets": {
            "ETH": {"price": "100 USD"},
            "BTC": {"price": "1000 USD"},
            "BNB": {"price": "500 USD"},
            "ETH-PERP": {"perp": "ETH"},
            "BTC-PERP": {"perp": "BTC"},
            "ETH-COIN": {"perp": "ETH", "inverse": True},
        },
        "protocols": {
            "x": {
                "rules": "exchange",
                "unit": unit,
                "book": name,
                "parameters": perps | parameters,
                "waterfall": ["socialised_loss"],
            }
        },
        "scenario": {
            "horizon": "5 min",
            "step": "1 min",
            "paths": 1,
            "seed": 1,
            "prices": {"kind": "lognormal", "volatility": {"ETH": "0 %"}},
        },
    }
    (folder / "world.yaml").write_text(yaml.safe_dump(stated))
    return dl.load(folder)


def hit(of: Any, asset: str, shock: str) -> int:
    return int(sum(dl.wall(of, asset=asset, shocks=shock).totals["accounts"].to_pylist()))


def played(of: Any) -> dict[str, Any]:
    found: dict[str, Any] = dl.stress(of, keep=False, threads=1).paths.to_pylist()[0]
    return found


def test_an_account_without_positions_that_owes_is_a_loss_from_the_start(tmp_path: Path) -> None:
    """b owes 30 and holds nothing: the loss is booked and shared, whether or not anything moves."""
    row = played(world(tmp_path, "a,ETH-PERP,1,100,cross,50,USD\nb,,,,cross,-30,USD\n"))
    assert row["deficit_booked.x"] == pytest.approx(30.0, rel=1e-12)
    assert row["socialised_loss.x"] == pytest.approx(30.0, rel=1e-12)


def test_what_an_account_without_positions_has_beside_its_debt_is_sold_first(tmp_path: Path) -> None:
    row = played(
        world(tmp_path, "a,ETH-PERP,1,100,cross,50,USD\nb,,,,cross,-530,USD\nb,,,,cross,1,BNB\n", BNB={"haircut": "0 %"})
    )
    assert row["deficit_booked.x"] == pytest.approx(30.0, rel=1e-9)


def test_accounts_with_cash_alone_are_healthy(tmp_path: Path) -> None:
    row = played(world(tmp_path, "a,ETH-PERP,1,100,cross,50,USD\nb,,,,cross,30,USD\n"))
    assert (row["deficit_booked.x"], row["liquidations.x"], row["health_checks"]) == (0.0, 0.0, 0)


def test_a_balance_below_zero_backed_by_profit_is_no_remainder(tmp_path: Path) -> None:
    """One unit from 80, at 100 worth 20 of profit, 5 of it withdrawn: E = 15 - 100 s, M = 1 % of (1 - s) 100: s = 14/99."""
    profit = world(tmp_path, "a,ETH-PERP,1,80,cross,-5,USD\n")
    assert (hit(profit, "ETH", "-14.1 %"), hit(profit, "ETH", "-14.2 %")) == (0, 1)
    assert dl.stress(profit, keep=False, threads=1).summary.num_rows > 0


def test_a_coin_account_may_owe_its_coin(tmp_path: Path) -> None:
    """10,000 dollars of an inverse long from 80: 125 coins paid for, worth 100 at 100: E = 25 - 20 = 5 coins, M = 1."""
    coin = world(tmp_path, "a,ETH-COIN,10000,80,cross,-20,ETH\n", unit="ETH")
    assert (hit(coin, "ETH", "-3.8 %"), hit(coin, "ETH", "-4 %")) == (0, 1)  # 125 - 20 - 100 / (1 - s) = 1 / (1 - s): s = 4 / 105


def test_a_book_without_any_dollar_is_a_book(tmp_path: Path) -> None:
    """One BNB counts 475 behind ten ETH from 100: E = 475 - 1000 s, M = 10 (1 - s): s = 465/990."""
    coins = world(tmp_path, "a,ETH-PERP,10,100,cross,1,BNB\n", BNB={"haircut": "5 %"})
    assert (hit(coins, "ETH", "-46.9 %"), hit(coins, "ETH", "-47.0 %")) == (0, 1)
    assert played(coins)["deficit_booked.x"] == 0.0


def test_a_borrowed_coin_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="owes 1 BNB; only USD may be owed"):
        dl.check(world(tmp_path, "b,,,,cross,-1,BNB\n", BNB={"haircut": "5 %"}))


def bybit(**coins: Any) -> dict[str, Any]:
    listed = [{"symbol": "ETHUSDT", "side": "Sell", "size": "1", "avgPrice": "100", "tradeMode": 0}]
    return {
        "positions": {"retCode": 0, "result": {"category": "linear", "list": listed}},
        "info": {"retCode": 0, "result": {"marginMode": "REGULAR_MARGIN"}},
        "wallet": {
            "retCode": 0,
            "result": {
                "list": [
                    {"accountType": "UNIFIED", "coin": [{"coin": coin, "walletBalance": units} for coin, units in coins.items()]}
                ]
            },
        },
    }


def test_a_coin_in_a_unified_wallet_counts_or_is_asked_for(tmp_path: Path) -> None:
    """Without the BNB 20 dollars bear a rise of 18.8 %, with it 495: 490 %."""
    counted = world(tmp_path, bybit(USDT="20", BNB="1"), BNB={"haircut": "5 %"})
    assert (hit(counted, "ETH", "+480 %"), hit(counted, "ETH", "+495 %")) == (0, 1)
    with pytest.raises(InputError, match="has 1 BNB as collateral that the world does not know; state what it counts for"):
        dl.check(world(tmp_path, bybit(USDT="20", BNB="1")))


def test_what_a_reader_leaves_out_is_a_finding(tmp_path: Path) -> None:
    answer = bybit(USDT="20", BNB="1")
    answer["wallet"]["result"]["list"][0]["coin"][1]["collateralSwitch"] = False
    found = dl.check(world(tmp_path, answer, BNB={"haircut": "5 %"})).findings.to_pylist()
    assert "own: 1 BNB left out, it is switched off as collateral" in [str(row["value"]) for row in found]


def test_the_two_sides_of_an_isolated_hedge_are_liquidated_apart(tmp_path: Path) -> None:
    rows = [
        {"symbol": "ETHUSDT", "positionSide": side, "positionAmt": amount, "entryPrice": "100", "isolatedWallet": "11"}
        for side, amount in (("LONG", "1"), ("SHORT", "-1"))
    ]
    hedge = world(tmp_path, rows)
    assert [hit(hedge, "ETH", shock) for shock in ("-5 %", "-12 %", "+12 %")] == [0, 1, 1]


def test_coin_contracts_of_another_coin_are_read_on_their_own_exchange(tmp_path: Path) -> None:
    row = {"symbol": "ETHUSD_PERP", "positionAmt": "-10", "entryPrice": "100", "isolatedWallet": "0"}
    answer = {"positionRisk": [row], "balance": [{"asset": "ETH", "crossWalletBalance": "0.5"}]}
    model = world(tmp_path, answer, unit="ETH")
    assert dl.check(model)
    with pytest.raises(InputError, match="has contracts that are paid in ETH: 'ETHUSD_PERP'; an exchange with `unit: ETH`"):
        dl.check(world(tmp_path, answer))
    mixed = {**answer, "positionRisk": [row, {**row, "symbol": "BTCUSD_PERP"}]}
    with pytest.raises(
        InputError, match="has contracts margined in BTC, and x counts in ETH; give the world an exchange with `unit: BTC`"
    ):
        dl.check(world(tmp_path, mixed, unit="ETH"))


def test_a_unified_account_of_two_perps_is_margined_by_its_spot(tmp_path: Path) -> None:
    positions = [
        {"position": {"coin": coin, "szi": size, "entryPx": price, "unrealizedPnl": "0", "leverage": {"type": "cross"}}}
        for coin, size, price in (("ETH", "1", "100"), ("BTC", "0.1", "1000"))
    ]
    state = {"crossMarginSummary": {"accountValue": "0.0"}, "assetPositions": positions}
    with pytest.raises(InputError, match="unified account holds it in spot"):
        dl.check(world(tmp_path, state))
    spot = {"balances": [{"coin": "USDC", "total": "22"}]}
    assert [hit(world(tmp_path, {"state": state, "spot": spot}), "ETH", shock) for shock in ("-20 %", "-21 %")] == [0, 1]


def test_an_isolated_position_of_version_3_asks_for_entry_prices_too(tmp_path: Path) -> None:
    row = {"symbol": "ETHUSDT", "positionAmt": "1", "isolatedWallet": "10", "isolatedMargin": "10"}
    with pytest.raises(InputError, match="has no entry prices, which version 3 of the account leaves out"):
        dl.check(world(tmp_path, {"positions": [row], "assets": []}))


def test_names_of_accounts_are_text(tmp_path: Path) -> None:
    accounts = dl.wall(
        world(tmp_path, "007,ETH-PERP,1,100,cross,5,USD\n1e5,ETH-PERP,-1,100,cross,5,USD\n"), asset="ETH", shocks="-50 %"
    ).accounts
    assert accounts["account"].to_pylist() == ["007"]


LENDING = """\
protocol,account,asset,side,amount,emode
aave,a,ETH,collateral,10,{emode}
aave,a,USDC,debt,700,{emode}
spark,b,ETH,collateral,10,0
spark,b,USDC,debt,790,0
"""


def lending(folder: Path, *names: str, category: int = 0, **parameters: Any) -> Any:
    (folder / "book.csv").write_text(LENDING.format(emode=category))
    terms = {
        "ETH": {"liquidation_threshold": 0.8, "incentive": 0.05, **parameters},
        "USDC": {"liquidation_threshold": 0.8, "incentive": 0.05},
    }
    stated = {
        "name": "lends",
        "as_of": "2024-01-01T00:00:00Z",
        "assets": {"ETH": {"price": 100.0}, "USDC": {"price": 1.0}},
        "protocols": {name: {"rules": "aave.v3_3", "book": "book.csv", "parameters": terms} for name in names},
        "scenario": {"horizon": 300, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}},
    }
    (folder / "world.yaml").write_text(yaml.safe_dump(stated))
    return dl.load(folder)


def test_rows_of_another_protocol_are_not_one_s_own(tmp_path: Path) -> None:
    totals = dl.wall(lending(tmp_path, "aave", "spark"), asset="ETH", shocks="-2 %").totals
    assert dict(zip(totals["protocol"].to_pylist(), totals["accounts"].to_pylist(), strict=True)) == {"aave": 0, "spark": 1}
    with pytest.raises(
        InputError, match="row 4, column protocol is of another protocol than aave: 'spark'; a protocol of the world takes"
    ):
        dl.check(lending(tmp_path, "aave"))


def test_an_e_mode_category_without_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"protocols\.aave\.parameters\.ETH: e-mode category 2 has no parameters; write `emode: \{2:"
    ):
        dl.check(lending(tmp_path, "aave", "spark", category=2))
    other = {"emode": {1: {"liquidation_threshold": 0.9, "incentive": 0.01}}}
    with pytest.raises(InputError, match="e-mode category 2 has no parameters"):
        dl.check(lending(tmp_path, "aave", "spark", category=2, **other))
    known = lending(tmp_path, "aave", "spark", category=1, **other)
    assert dl.wall(known, asset="ETH", shocks="-20 %").totals["accounts"].to_pylist() == [0, 1]

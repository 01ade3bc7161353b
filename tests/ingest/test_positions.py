"""Exports of exchanges become the plain long table: the margin paid in, so that equity is what the exchange says it is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from delever.ingest.positions import COLUMNS, DOLLARS, read_positions
from delever.model.book import Book
from delever.model.errors import InputError

# The example of the documentation: info endpoint, perpetuals, clearinghouseState.
HYPERLIQUID: dict[str, Any] = {
    "assetPositions": [
        {
            "position": {
                "coin": "ETH",
                "cumFunding": {"allTime": "514.085417", "sinceChange": "0.0", "sinceOpen": "0.0"},
                "entryPx": "2986.3",
                "leverage": {"rawUsd": "-95.059824", "type": "isolated", "value": 20},
                "liquidationPx": "2866.26936529",
                "marginUsed": "4.967826",
                "maxLeverage": 50,
                "positionValue": "100.02765",
                "returnOnEquity": "-0.0026789",
                "szi": "0.0335",
                "unrealizedPnl": "-0.0134",
            },
            "type": "oneWay",
        }
    ],
    "crossMaintenanceMarginUsed": "0.0",
    "crossMarginSummary": {
        "accountValue": "13104.514502", "totalMarginUsed": "0.0", "totalNtlPos": "0.0", "totalRawUsd": "13104.514502",
    },
    "marginSummary": {
        "accountValue": "13109.482328", "totalMarginUsed": "4.967826", "totalNtlPos": "100.02765", "totalRawUsd": "13009.454678",
    },
    "time": 1708622398623,
    "withdrawable": "13104.514502",
}
# The examples of the documentation, without fields that are not read: Position Information V3 (hedge mode: one side of
# each symbol is held) and Futures Account Balance V3.
BINANCE: dict[str, Any] = {
    "positionRisk": [
        {"symbol": "ADAUSDT", "positionSide": "LONG", "positionAmt": "30", "entryPrice": "0.385", "markPrice": "0.41047590",
         "unRealizedProfit": "0.76427700", "isolatedMargin": "0", "marginAsset": "USDT", "isolatedWallet": "0"},
        {"symbol": "COMPUSDT", "positionSide": "SHORT", "positionAmt": "-1.000", "entryPrice": "70.92841",
         "markPrice": "49.72023376", "unRealizedProfit": "21.20817624", "isolatedMargin": "0", "marginAsset": "USDT",
         "isolatedWallet": "0"},
    ],
    "balance": [{"accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903", "crossWalletBalance": "23.72469206",
                 "crossUnPnl": "0.00000000", "availableBalance": "23.72469206", "marginAvailable": True}],
}
# The documentation's example is an inverse contract; this is the same answer of a linear one.
BYBIT: dict[str, Any] = {
    "retCode": 0,
    "result": {
        "list": [
            {"positionIdx": 0, "symbol": "BTCUSDT", "side": "Sell", "size": "0.5", "avgPrice": "27464.5", "tradeMode": 1,
             "leverage": "10", "positionBalance": "1380.63", "markPrice": "28224.5", "unrealisedPnl": "-380"},
            {"positionIdx": 0, "symbol": "ETHUSDT", "side": "", "size": "0", "avgPrice": "0", "tradeMode": 1,
             "leverage": "10", "positionBalance": "0", "markPrice": "1830", "unrealisedPnl": "0"},
        ],
        "nextPageCursor": "", "category": "linear",
    },
}
WALLET = {"retCode": 0, "result": {"list": [{"coin": [{"coin": "USDT", "walletBalance": "5000"},
                                                     {"coin": "BTC", "walletBalance": "0.25"}]}]}}


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_equity_of_a_hyperliquid_state_is_what_the_exchange_says() -> None:
    table = read_positions(HYPERLIQUID, account="0x31ca", instruments={"ETH": "ETH-PERP"})
    assert table.schema == COLUMNS
    position, cash = table.to_pylist()
    assert (position["account"], position["instrument"], position["margin_mode"]) == ("0x31ca", "ETH-PERP", "isolated")
    assert (position["size"], position["entry_price"]) == (0.0335, 2986.3)
    mark = 100.02765 / 0.0335  # positionValue / szi
    equity = position["collateral"] + position["size"] * (mark - position["entry_price"])
    assert equity == pytest.approx(4.967826, rel=1e-12)  # marginUsed: of an isolated position its equity
    assert rows(table)[1] == ("0x31ca", "", None, None, "cross", 13104.514502, "USD")
    assert equity + cash["collateral"] == pytest.approx(13109.482328, rel=1e-12)  # marginSummary.accountValue


def test_profit_of_cross_positions_is_not_paid_in_twice() -> None:
    state = copy.deepcopy(HYPERLIQUID)
    state["assetPositions"][0]["position"]["leverage"] = {"type": "cross", "value": 20}
    state["crossMarginSummary"]["accountValue"] = "1000"
    position, cash = read_positions(state).to_pylist()
    assert (position["margin_mode"], position["collateral"]) == ("cross", 0.0)
    assert cash["collateral"] == 1000 + 0.0134


def test_a_book_is_made_of_an_export() -> None:
    table = read_positions(HYPERLIQUID, account="a", instruments={"ETH": "ETH-PERP"})
    legs = Book.from_table(table, protocol="hyperliquid").legs.to_pylist()
    assert [(leg["account"], leg["owner"], leg["side"], leg["asset"]) for leg in legs] == [
        ("a/ETH-PERP", "a", "position", "ETH-PERP"), ("a/ETH-PERP", "a", "collateral", "USD"), ("a", "a", "collateral", "USD"),
    ]


def test_binance_positions_share_the_cross_wallet() -> None:
    table = read_positions(BINANCE, instruments={"ADAUSDT": "ADA-PERP", "COMPUSDT": "COMP-PERP"})
    assert rows(table) == [
        ("own", "ADA-PERP", 30, 0.385, "cross", 0, "USD"),
        ("own", "COMP-PERP", -1, 70.92841, "cross", 0, "USD"),
        ("own", "", None, None, "cross", 23.72469206, "USD"),
    ]


def test_an_isolated_position_of_binance_has_its_own_wallet() -> None:
    answer = copy.deepcopy(BINANCE)
    answer["positionRisk"][0] |= {"isolatedWallet": "5", "isolatedMargin": "5.764277"}
    assert rows(read_positions(answer))[0] == ("own", "ADAUSDT", 30, 0.385, "isolated", 5, "USD")


def test_version_2_of_binance_s_account_has_both_parts() -> None:
    account = {"assets": BINANCE["balance"], "positions": [{**row, "isolated": False} for row in BINANCE["positionRisk"]]}
    assert read_positions(account) == read_positions(BINANCE)
    account["positions"][0] = {"symbol": "ADAUSDT", "positionAmt": "30", "entryPrice": "0.385", "isolated": True}
    with pytest.raises(InputError, match="account own has an isolated position without isolatedWallet: 'ADAUSDT'"):
        read_positions(account)


def test_isolated_positions_of_bybit_need_no_wallet() -> None:
    assert rows(read_positions(BYBIT)) == [("own", "BTCUSDT", -0.5, 27464.5, "isolated", 1380.63, "USD")]


def test_the_account_says_the_margin_mode_of_a_unified_account() -> None:
    cross = {"positions": BYBIT, "wallet": WALLET, "info": {"result": {"marginMode": "REGULAR_MARGIN"}}}
    assert rows(read_positions(cross, collateral={**DOLLARS, "BTC": "BTC"})) == [
        ("own", "BTCUSDT", -0.5, 27464.5, "cross", 0, "USD"),
        ("own", "", None, None, "cross", 5000, "USD"),
        ("own", "", None, None, "cross", 0.25, "BTC"),
    ]
    assert read_positions(cross) == read_positions(cross, collateral={**DOLLARS, "BTC": "BTC"})  # coins keep their names
    assert len(read_positions(cross, collateral={**DOLLARS, "BTC": ""})) == 2  # left out on purpose
    with pytest.raises(InputError, match=r"account own has 0\.25 BTC as collateral that the world does not know"):
        read_positions(cross, collateral=DOLLARS)
    isolated = {**cross, "info": {"result": {"marginMode": "ISOLATED_MARGIN"}}}
    assert read_positions(isolated) == read_positions(BYBIT)


def test_files_of_all_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"anna": HYPERLIQUID, "bob": BINANCE}))
    table = read_positions(tmp_path / "state.json")
    assert table["account"].to_pylist() == ["anna", "anna", "bob", "bob", "bob"]
    (tmp_path / "positions.csv").write_text("account,instrument,size,entry_price,margin_mode,collateral\na,B,1,2,cross,3\n")
    assert read_positions(tmp_path / "positions.csv")["size"].to_pylist() == [1]
    assert read_positions(table) is table


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda state: state["assetPositions"][0]["position"].update(coin="EHT"),
         "export, account own: unknown instrument: 'EHT'; did you mean ETH?"),
        (lambda state: state["assetPositions"].append(copy.deepcopy(state["assetPositions"][0])),
         "export, account own has an instrument twice: 'ETH'; a perp is held once each way: net what stands on one side"),
        (lambda state: state["assetPositions"][0]["position"].pop("szi"),
         "export, account own is not as documented: \"KeyError 'szi'\"; give the answer as the exchange sent it"),
        (lambda state: state["assetPositions"][0]["position"].update(entryPx=None),
         "export, account own: entryPx is empty: 'ETH'; give the answer as the exchange sent it"),
        (lambda state: state["assetPositions"][0]["position"].update(entryPx="12,5"),
         "export, account own: entryPx is no number: '12,5'; it is of ETH: export it anew"),
        (lambda state: state["assetPositions"][0]["position"].update(coin=5),
         "export, account own: coin is no name: 5; give the answer as the exchange sent it"),
        (lambda state: state.pop("crossMarginSummary"),
         "export is no export of positions; known are answers of Hyperliquid, Binance, Bybit, OKX, BitMEX, dYdX, ccxt, see "
         "delever.ingest.positions"),
        (lambda state: (state["assetPositions"].clear(), state["crossMarginSummary"].update(accountValue="0")),
         "export has no positions; export an account that holds some"),
    ],
)
def test_an_export_that_cannot_be_meant_is_answered(change: Any, line: str) -> None:
    state = copy.deepcopy(HYPERLIQUID)
    change(state)
    with pytest.raises(InputError) as caught:
        read_positions(state, instruments={"ETH": "ETH-PERP", "BTC": "BTC-PERP"})
    assert str(caught.value).startswith(line)  # known names may follow


def test_bybit_without_what_is_needed_is_answered() -> None:
    inverse = copy.deepcopy(BYBIT)
    inverse["result"]["category"] = "inverse"
    with pytest.raises(InputError, match="account own has contracts that are neither linear nor inverse: 'BTCUSDT'"):
        read_positions(inverse)
    with pytest.raises(InputError, match="account own has cross positions without a wallet"):
        read_positions({"positions": BYBIT, "info": {"result": {"marginMode": "REGULAR_MARGIN"}}})


@pytest.mark.parametrize(("name", "text", "line"), [
    ("p.json", "[", "p.json is not JSON: 'Expecting value: line 1 column 2 (char 1)'; get it anew"),
    ("p.xlsx", "", "p.xlsx is no table of positions: '.xlsx'; give a .csv, .parquet or .json file"),
    ("p.parquet", "", "p.parquet cannot be read as Parquet: 'Parquet file size is 0 bytes'"),
])
def test_a_file_that_cannot_be_read_is_answered(tmp_path: Path, name: str, text: str, line: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_positions(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path}/{line}")

"""Each exchange's answers, as documented: what is read, what is left out and named, what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from delever.ingest.answers import DOLLARS
from delever.ingest.positions import Reading, read_export
from delever.model.book import Book
from delever.model.errors import InputError


def read(value: Any, **settings: Any) -> Reading:
    return read_export(value, **settings)


def rows(value: Any, **settings: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read(value, **settings).table.to_pylist()]


def refusal(value: Any, **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_export(value, **settings)
    line = str(caught.value)
    assert "\n" not in line
    return line


# --- Hyperliquid ---------------------------------------------------------------------------------------------


def state(value: str, kind: str = "cross", coin: str = "BTC", size: str = "0.05") -> dict[str, Any]:
    leverage = {"type": kind, "value": 5} | ({"rawUsd": "-4000"} if kind == "isolated" else {})
    position = {"coin": coin, "szi": size, "leverage": leverage, "entryPx": "100000", "unrealizedPnl": "10"}
    return {"crossMarginSummary": {"accountValue": value}, "assetPositions": [{"type": "oneWay", "position": position}]}


SPOT = {"balances": [{"coin": "USDC", "token": 0, "total": "1500", "hold": "0"}, {"coin": "HYPE", "total": "3", "hold": "0"}]}


def test_collateral_of_a_unified_account_is_in_spot() -> None:
    assert 'unified account holds it in spot; give {"state"' in refusal(state("0.0"))
    found = read({"state": state("0.0"), "spot": SPOT})
    assert found.table["collateral"].to_pylist() == [0.0, 1500.0]
    assert "left out, back no position in USDC: HYPE 3" in found.notes[1]
    assert read({"clearinghouseState": state("0.0"), "spotClearinghouseState": SPOT}).table == found.table


def test_spot_of_a_plain_account_backs_nothing() -> None:
    found = read({"state": state("500"), "spot": SPOT})
    assert found.table["collateral"].to_pylist() == [0.0, 490.0]
    assert "spot balances left out" in found.notes[0]
    assert "portfolio margin" in refusal({"state": state("500"), "abstraction": "portfolioMargin"})


def test_isolated_is_never_read_as_cross() -> None:
    assert rows(state("0", "isolated"))[0][4:6] == ("isolated", 1000.0)  # -4000 + 0.05 x 100000
    assert "margin mode that is not known: 'strict'" in refusal(state("100", "strict"))


def test_a_thousand_of_a_coin_is_a_thousand_of_it() -> None:
    (row, _) = rows(state("500", coin="kPEPE", size="-7"), instruments={"PEPE": "PEPE-PERP"})
    assert row[1:4] == ("PEPE-PERP", -7000.0, 100.0)
    own = {"1000PEPEUSDT": "1000PEPE-PERP", "PEPE": "PEPE-PERP"}  # a world that has the contract itself
    assert rows(binance("1000PEPEUSDT", "2", "0.01"), instruments=own)[0][1:4] == ("1000PEPE-PERP", 2.0, 0.01)


# --- Binance -------------------------------------------------------------------------------------------------


def risk(symbol: str, amount: str, price: str, **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "positionAmt": amount, "entryPrice": price, "isolatedWallet": "0", "positionSide": "BOTH"} | more


def balance(**units: str) -> list[dict[str, Any]]:
    return [{"asset": asset, "crossWalletBalance": units[asset]} for asset in units]


def binance(symbol: str, amount: str, price: str, **units: str) -> dict[str, Any]:
    return {"positionRisk": [risk(symbol, amount, price)], "balance": balance(**(units or {"USDT": "100"}))}


def test_both_sides_of_a_hedged_symbol_are_positions() -> None:
    answer = {
        "positionRisk": [risk("BTCUSDT", "2", "100", positionSide="LONG"), risk("BTCUSDT", "-3", "90", positionSide="SHORT")],
        "balance": balance(USDT="10"),
    }
    found = read(answer, instruments={"BTCUSDT": "BTC-PERP"}).table
    assert found["size"].to_pylist() == [2.0, -3.0, None]
    assert Book.from_table(found, protocol="x").number_of_accounts == 1


def test_contracts_of_two_dollars_are_two_accounts_unless_assets_are_shared() -> None:
    answer = {
        "positionRisk": [risk("BTCUSDT", "1", "100"), risk("BTCUSDC", "-1", "100")],
        "balance": balance(USDT="10", USDC="20"),
    }
    table = read(answer).table
    assert sorted(table["account"].to_pylist()) == ["own/USDC", "own/USDC", "own/USDT", "own/USDT"]
    assert set(table["owner"].to_pylist()) == {"own"}
    shared = rows({**answer, "multiAssetsMargin": True})
    assert {row[0] for row in shared} == {"own"} and [row[5] for row in shared] == [0.0, 0.0, 10.0, 20.0]
    line = refusal({**answer, "multiAssetsMargin": True}, instruments={"BTCUSDT": "BTC-PERP", "BTCUSDC": "BTC-PERP"})
    assert "BTCUSDT and BTCUSDC are two instruments, and the world has one: 'BTC-PERP'; give the world a perp of each" in line


def test_a_balance_that_may_or_may_not_back_positions_is_asked_for() -> None:
    answer = binance("BTCUSDT", "1", "100", USDT="10", BNB="2")
    line = refusal(answer, collateral={**DOLLARS, "BNB": "BNB"})
    assert "does not say whether balances are shared: 'BNB'; add \"multiAssetsMargin\"" in line
    assert len(rows({**answer, "multiAssetsMargin": True}, collateral={**DOLLARS, "BNB": "BNB"})) == 3
    left = read({**answer, "multiAssetsMargin": False}, collateral={**DOLLARS, "BNB": "BNB"})
    assert left.table.num_rows == 2 and left.notes == ("own: 2 BNB left out, backs no position",)
    assert "taken to back no position" in read(answer).notes[0]


def test_version_3_of_the_account_asks_for_entry_prices() -> None:
    account = {"assets": balance(USDT="23"), "positions": [{"symbol": "BTCUSDT", "positionAmt": "1.000", "isolatedWallet": "0"}]}
    assert "has no entry prices, which version 3 of the account leaves out: 'BTCUSDT'; give {\"positionRisk\"" in refusal(account)
    both = {"positionRisk": [risk("BTCUSDT", "1", "30000")], "account": account}
    assert [row[2:4] for row in rows(both)] == [(1.0, 30000.0), (None, None)]


def test_an_isolated_margin_without_wallet_is_what_is_there_less_the_profit() -> None:
    row = risk("BTCUSDT", "1", "100", marginType="isolated", isolatedMargin="15", unRealizedProfit="5")
    assert rows([row])[0][4:6] == ("isolated", 10.0)  # a bare list: no cross position needs a wallet
    assert "has cross positions without balances: 'BTCUSDT'" in refusal([risk("BTCUSDT", "1", "100")])


def test_parts_that_are_empty_are_no_obstacle_and_errors_of_the_exchange_are_named() -> None:
    assert rows({"positionRisk": [], "balance": balance(USDT="-5")})[0][5:] == (-5.0, "USD")
    assert "positionRisk is an error of the exchange: 'Invalid API-key'" in refusal(
        {"positionRisk": {"code": -2015, "msg": "Invalid API-key"}, "balance": balance(USDT="1")}
    )
    assert "is empty" in refusal(binance("BTCUSDT", "", "100"))


# --- Bybit ---------------------------------------------------------------------------------------------------


def bybit(
    *positions: dict[str, Any], mode: str | None = "REGULAR_MARGIN", category: str = "linear", kind: str = "UNIFIED", **coins: Any
) -> dict[str, Any]:
    listed = [{"side": "Buy", "tradeMode": 0, "avgPrice": "100", "positionBalance": "7"} | row for row in positions]
    wallet = [{"coin": coin, **({"walletBalance": value} if isinstance(value, str) else value)} for coin, value in coins.items()]
    out: dict[str, Any] = {
        "positions": {"retCode": 0, "result": {"category": category, "list": listed}},
        "wallet": {"retCode": 0, "result": {"list": [{"accountType": kind, "coin": wallet}]}},
    }
    return out | ({"info": {"retCode": 0, "result": {"marginMode": mode}}} if mode else {})


def test_coins_of_a_unified_account_are_collateral_as_far_as_they_are_switched_on() -> None:
    answer = bybit(
        {"symbol": "BTCUSDT", "size": "1", "side": "Sell"},
        USDT="50",
        XRP="1000",
        SOL={"walletBalance": "3", "collateralSwitch": False},
        MNT={"walletBalance": "4", "marginCollateral": "false"},
    )
    found = read(answer, collateral={**DOLLARS, "XRP": "XRP"})
    assert [row["collateral"] for row in found.table.to_pylist()] == [0.0, 50.0, 1000.0]
    assert [note.split(" left out")[0] for note in found.notes] == ["own: 3 SOL", "own: 4 MNT"]
    assert "has 1000 XRP as collateral that the world does not know; state what it counts for" in refusal(
        answer, collateral=DOLLARS
    )


def test_borrowed_coins_are_refused_by_name_and_borrowed_dollars_are_owed() -> None:
    borrowed = bybit(
        {"symbol": "BTCUSDT", "size": "1"},
        USDT={"walletBalance": "5", "spotBorrow": "30"},
        XRP={"walletBalance": "100", "spotBorrow": "120"},
    )
    assert "account own: owes 20 XRP; borrowed coins are not modelled" in refusal(borrowed)
    dollars = bybit({"symbol": "BTCUSDT", "size": "1"}, USDT={"walletBalance": "5", "spotBorrow": "30"}, BTC="1")
    assert [row[5] for row in rows(dollars)] == [0.0, -25.0, 1.0]


def test_a_unified_account_says_its_margin_mode_or_is_refused() -> None:
    assert "does not say whether margin is cross or isolated: 'BTCUSDT'" in refusal(
        bybit({"symbol": "BTCUSDT", "size": "1"}, mode=None, USDT="5")
    )
    isolated = read(bybit({"symbol": "BTCUSDT", "size": "1"}, mode="ISOLATED_MARGIN", USDT="5"))
    assert isolated.table.num_rows == 1 and isolated.table["collateral"].to_pylist() == [7.0]
    assert "5 USDT left out" in isolated.notes[0]
    assert "is in portfolio margin" in refusal(bybit({"symbol": "BTCUSDT", "size": "1"}, mode="PORTFOLIO_MARGIN", USDT="5"))


def test_a_part_that_is_true_or_false_is_no_answer_however_the_answer_is_nested() -> None:
    assert "margin is no answer that is known" in refusal({"positions": bitmex()["positions"], "margin": True})
    deep: Any = bitmex()
    for _ in range(2000):
        deep = [deep]
    assert "export is nested too deep for an export" in refusal(deep)


def test_inverse_contracts_are_margined_in_their_coin() -> None:
    classic = bybit(
        {"symbol": "BTCUSD", "size": "500"},
        {"symbol": "ETHUSD", "size": "30", "side": "Sell"},
        mode=None,
        category="inverse",
        kind="CONTRACT",
        BTC="2",
        ETH="1",
    )
    assert rows(classic, coin="BTC") == [
        ("own", "BTCUSD", 500.0, 100.0, "cross", 0.0, "BTC"),
        ("own", "", None, None, "cross", 2.0, "BTC"),
    ]
    assert "contracts margined in several coins: 'BTC, ETH'" in refusal(classic)
    alone = bybit({"symbol": "BTCUSD", "size": "500"}, category="inverse", BTC="2")
    assert rows(alone)[0][2] == 500.0
    beside = bybit({"symbol": "BTCUSD", "size": "500"}, category="inverse", BTC="2", USDT="100")
    assert "has contracts paid in their coin that share margin with BTC, USDT: 'BTCUSD'" in refusal(beside)


# --- OKX -----------------------------------------------------------------------------------------------------


def okx(level: str | None = "3", **more: Any) -> dict[str, Any]:
    position = {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "pos": "-20",
        "posSide": "net",
        "avgPx": "60000",
        "mgnMode": "cross",
        "margin": "",
        "ccy": "",
    } | more
    listed = [
        {"instId": "BTC-USDT-SWAP", "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "settleCcy": "USDT"},
        {"instId": "BTC-USD-SWAP", "ctVal": "100", "ctMult": "1", "ctType": "inverse", "settleCcy": "BTC"},
    ]
    details = [
        {"ccy": "USDT", "cashBal": "900"},
        {"ccy": "ETH", "cashBal": "2"},
        {"ccy": "OKB", "cashBal": "9", "collateralEnabled": False},
    ]
    out = {"positions": [position], "balance": [{"details": details}], "instruments": listed, "config": [{"acctLv": level}]}
    return {name: {"code": "0", "msg": "", "data": data} for name, data in out.items() if level or name != "config"}


def test_contracts_of_okx_are_counted_in_units() -> None:
    found = read(okx())
    assert [tuple(row.values())[1:6] for row in found.table.to_pylist()] == [
        ("BTC-USDT-SWAP", -0.2, 60000.0, "cross", 0.0),
        ("", None, None, "cross", 900.0),
        ("", None, None, "cross", 2.0),
    ]
    assert found.notes == ("own: 9 OKB left out, it is not enabled as collateral",)
    assert [row[5] for row in rows(okx("2"))] == [0.0, 900.0]  # single-currency margin: ETH backs nothing
    short = rows(okx("2", pos="20", posSide="short", mgnMode="isolated", margin="150"))[0]
    assert (short[2], short[4], short[5]) == (-0.2, "isolated", 150.0)
    assert rows(okx("2", instId="BTC-USD-SWAP", pos="5", mgnMode="isolated", margin="0.01"))[0][2:7] == (
        500.0,
        60000.0,
        "isolated",
        0.01,
        "BTC",
    )


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            {name: part for name, part in okx().items() if name != "instruments"},
            "counts contracts, and what one is stands in public/inst",
        ),
        (okx("4"), "is in portfolio margin: 'acctLv 4'"),
        (okx(instType="OPTION", instId="BTC-USD-240101-60000-C"), "has a position of type OPTION: 'BTC-USD-240101-60000-C'"),
        (okx(instType="MARGIN"), "has a position of type MARGIN"),
        (
            {name: part for name, part in okx().items() if name != "balance"},
            "has cross positions without balances: 'BTC-USDT-SWAP'",
        ),
        (
            {"positions": {"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}},
            "is an error of the exchange: 'Invalid OK-ACCESS-KEY'",
        ),
    ],
)
def test_what_okx_cannot_be_read_for_is_named(answer: Any, line: str) -> None:
    assert line in refusal(answer)


# --- BitMEX --------------------------------------------------------------------------------------------------


def bitmex(**more: Any) -> dict[str, Any]:
    row = {
        "symbol": "XBTUSD",
        "underlying": "XBT",
        "quoteCurrency": "USD",
        "currency": "XBt",
        "currentQty": 5000,
        "crossMargin": True,
        "avgEntryPrice": 50000,
        "homeNotional": 0.1,
        "posMargin": 20_000_000,
    } | more
    return {
        "positions": [row],
        "margin": [{"currency": "XBt", "walletBalance": 150_000_000}, {"currency": "USDt", "walletBalance": 0}],
    }


def test_bitmex_counts_satoshi_and_contracts_of_a_dollar() -> None:
    assert rows(bitmex()) == [
        ("own", "XBTUSD", 5000.0, 50000.0, "cross", 0.0, "BTC"),
        ("own", "", None, None, "cross", 1.5, "BTC"),
    ]
    isolated = rows(bitmex(crossMargin=False))
    assert [row[5] for row in isolated] == [0.2, pytest.approx(1.3)]  # what the position has is no longer in the wallet
    linear = rows(
        bitmex(
            symbol="XBTUSDT",
            quoteCurrency="USDT",
            currency="USDt",
            currentQty=-3000,
            homeNotional=0.003,
            crossMargin=False,
            posMargin=40_000_000,
        )
    )
    assert linear[0][2:7] == (-0.003, 50000.0, "isolated", 40.0, "USD")
    assert "has a quanto contract, paid in bitcoin for another coin: 'ETHUSD'" in refusal(
        bitmex(symbol="ETHUSD", underlying="ETH")
    )
    assert "does not say whether margin is cross or isolated" in refusal(bitmex(crossMargin=None))


# --- dYdX ----------------------------------------------------------------------------------------------------


def subaccount(number: int, side: str, size: str, quote: str, way: str = "LONG") -> dict[str, Any]:
    return {
        "address": "dydx1",
        "subaccountNumber": number,
        "equity": "0",
        "openPerpetualPositions": {
            "BTC-USD": {"market": "BTC-USD", "status": "OPEN", "side": side, "size": size, "entryPrice": "100"}
        },
        "assetPositions": {"USDC": {"symbol": "USDC", "side": way, "size": quote}},
    }


def test_each_subaccount_of_dydx_is_an_account_of_one_owner() -> None:
    answer = {"subaccounts": [subaccount(0, "SHORT", "-2", "500"), subaccount(128, "LONG", "3", "250", "SHORT")]}
    found = read({"0xme": answer}).table
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("0xme", "BTC-USD", -2.0, 100.0, "cross", 0.0, "USD", "0xme"),
        ("0xme", "", None, None, "cross", 300.0, "USD", "0xme"),
        ("0xme/128", "BTC-USD", 3.0, 100.0, "cross", 0.0, "USD", "0xme"),
        ("0xme/128", "", None, None, "cross", 50.0, "USD", "0xme"),
    ]
    assert rows({"subaccount": subaccount(0, "LONG", "1", "0")})[1][5] == 100.0


@pytest.mark.parametrize("symbol", [None, 5, "", " "])
def test_a_symbol_that_is_no_text_is_named(symbol: Any) -> None:
    assert "symbol is no name" in refusal({"positionRisk": [risk(symbol, "1", "100")], "balance": balance(USDT="1")})


def test_what_is_nested_without_end_is_no_export() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"info": deep}
    assert "export" in refusal(deep)


# --- ccxt ----------------------------------------------------------------------------------------------------


def ccxt(wallet: Any = None, **more: Any) -> dict[str, Any]:
    position = {
        "symbol": "BTC/USDT:USDT",
        "side": "short",
        "contracts": 30.0,
        "contractSize": 0.01,
        "entryPrice": 60000.0,
        "info": {},
        "marginMode": "cross",
        "collateral": 70.0,
        "unrealizedPnl": 10.0,
    } | more
    return {
        "positions": [position],
        "balance": {"info": wallet or {}, "free": {}, "used": {}, "total": {"USDT": 800.0, "BTC": 0.0}},
    }


def test_ccxt_s_structures_are_read_and_the_exchange_s_own_wallet_is_preferred() -> None:
    found = read(ccxt())
    assert [row["size"] for row in found.table.to_pylist()] == [pytest.approx(-0.3), None]
    assert "could not know whether totals have the profit" in found.notes[0]
    own = read(ccxt(wallet={"positions": [], "assets": balance(USDT="790")}))
    assert own.table["collateral"].to_pylist()[1] == 790.0 and own.notes == ()
    assert rows(ccxt(marginMode="isolated"))[0][4:6] == ("isolated", 60.0)
    assert rows(ccxt(marginMode="isolated", info={"isolatedWallet": "61"}))[0][5] == 61.0
    assert rows(ccxt(symbol="BTC/USD:BTC", contractSize=100.0, marginMode="isolated", collateral=0.2, unrealizedPnl=0.0))[0][
        2:7
    ] == (-3000.0, 60000.0, "isolated", 0.2, "BTC")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"marginMode": None}, "does not say whether margin is cross or isolated: 'BTC/USDT:USDT'"),
        ({"contractSize": None}, "does not say what a contract is"),
        ({"side": None}, "has a position without a side"),
        ({"symbol": "ETH/USD:BTC"}, "has a quanto contract"),
        ({"symbol": "BTC/USD:BTC-240101-60000-C"}, "is no swap or future"),
    ],
)
def test_what_ccxt_does_not_say_is_refused_by_name(change: dict[str, Any], line: str) -> None:
    assert line in refusal(ccxt(**change))


def test_wallets_that_ccxt_only_passes_on_are_asked_for() -> None:
    unified = {"retCode": 0, "result": {"list": [{"accountType": "UNIFIED", "coin": [{"coin": "USDT", "walletBalance": "9"}]}]}}
    assert "ccxt calls every position of a unified account cross" in refusal(ccxt(wallet=unified))
    assert "unified account holds it in spot" in refusal(ccxt(wallet=state("0.0")))


# --- several accounts ----------------------------------------------------------------------------------------


def test_accounts_of_several_exchanges_stand_in_one_file_under_their_names() -> None:
    found = read(
        {"007": state("500"), "b": {"positionRisk": [risk("BTCUSDT", "1", "9")], "balance": balance(USDT="1")}, "c": okx()}
    )
    assert list(dict.fromkeys(found.table["account"].to_pylist())) == ["007", "b", "c"]
    assert found.exchanges == ("Hyperliquid", "Binance", "OKX")
    assert "mixes answers of Hyperliquid and Binance; name each account" in refusal(
        {"state": state("5"), "balance": balance(USDT="1")}
    )
    assert "is a list of several accounts (state)" in refusal([state("5"), state("6")])
    assert "c is no answer that is known" in refusal({"a": state("5"), "c": {"x": 1}})


def test_a_linear_contract_called_like_an_inverse_one_is_merely_unknown() -> None:
    assert "unknown instrument: 'BTC-USD'" in refusal(
        {"subaccount": subaccount(0, "LONG", "1", "0")}, instruments={"ETH": "ETH-PERP"}
    )

"""Positions fetched through ccxt from recorded servers on localhost, with keys that are nowhere to be seen afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from delever.cli.main import app
from delever.ingest.ccxt_fetch import fetch
from delever.ingest.positions import read_export
from delever.model.errors import InputError
from ingest.recorded import Asked, serving
from ingest.test_exchanges import okx

KEYS = {"apiKey": "THE-KEY", "secret": "THE-SECRET", "password": "THE-PASS", "enableRateLimit": False}


def keys(folder: Path, value: Any) -> Path:
    file = folder / "keys.json"
    file.write_text(json.dumps(value))
    return file


def at(address: str, *apis: str, **more: Any) -> dict[str, Any]:
    """ccxt's settings for a server."""
    return KEYS | {"urls": {"api": dict.fromkeys(apis, address)}} | more


def of_okx(asked: Asked) -> Any:
    """OKX's answers; of its futures nothing is listed."""
    part = {"positions": "positions", "balance": "balance", "config": "config", "instruments": "instruments"}[
        asked.path.rpartition("/")[2]
    ]
    return {"code": "0", "msg": "", "data": []} if asked.query.get("instType") == "FUTURES" else okx()[part]


def typed(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["import", *words, "--as", "perps"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_an_exchange_s_own_answers_are_signed_fetched_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 contracts of 0.01 BTC short, behind 900 USDT and 2 ETH, as where the answers are files."""
    monkeypatch.chdir(tmp_path)
    with serving(of_okx) as server:
        file = keys(tmp_path, at(server.address, "rest", verbose=True))  # which would print what is sent
        words = ("--exchange", "okx", "--keys", str(file), "--account", "desk", "--out", "book.csv", "--save", "answers.json")
        code, out, err = typed(*words)
    assert (code, err) == (0, "")
    assert "read      okx: OKX, 1 accounts, 1 positions" in out
    assert Path("book.csv").read_text().splitlines()[1:] == [
        '"desk","BTC-USDT-SWAP",-0.2,60000,"cross",0,"USD"',
        '"desk","",,,"cross",900,"USD"',
        '"desk","",,,"cross",2,"ETH"',
    ]
    signed = next(asked for asked in server.asked if asked.path.endswith("/account/positions"))
    assert signed.headers["OK-ACCESS-KEY"] == "THE-KEY" and signed.headers["OK-ACCESS-SIGN"]
    assert all(asked.body is None for asked in server.asked)  # nothing but reading
    for text in (out, *(path.read_text() for path in tmp_path.iterdir() if path != file)):
        assert "THE-" not in text
    again = json.loads(typed("answers.json", "--json")[1])
    assert again["read"] == ["answers.json: OKX, 1 accounts, 1 positions"]


def test_keys_come_from_the_environment_and_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKX_APIKEY", "THE-KEY")
    code, _, err = typed("--exchange", "okx")
    line = "delever: the environment has no OKX_SECRET, OKX_PASSWORD; set it, or name a file with --keys"
    assert code == 2 and err.startswith(line)
    with pytest.raises(InputError, match=r"keys\.json, a has no password"):
        fetch("okx", keys(tmp_path, {"a": {"apiKey": "x", "secret": "y"}}))


def test_sub_accounts_stand_in_one_book_under_their_names(tmp_path: Path) -> None:
    with serving(of_okx) as server:
        both = {"desk 1": at(server.address, "rest"), "desk 2": at(server.address, "rest", apiKey="OTHER-KEY")}
        found, unknown = fetch("okx", keys(tmp_path, both))
    assert list(found) == ["desk 1", "desk 2"] and unknown == []
    assert {asked.headers.get("OK-ACCESS-KEY") for asked in server.asked} == {"THE-KEY", "OTHER-KEY", None}
    table = read_export(found).table
    assert list(dict.fromkeys(table["account"].to_pylist())) == ["desk 1", "desk 2"]


def of_bybit(asked: Asked) -> Any:
    """Three pages of USDT contracts, none in USDC, one inverse contract of 100 USD."""
    if asked.path.endswith("/account/info"):
        return {"retCode": 0, "result": {"marginMode": "ISOLATED_MARGIN"}}
    if asked.path.endswith("/wallet-balance"):
        wallet = {"accountType": "UNIFIED", "coin": [{"coin": "USDT", "walletBalance": "50"}]}
        return {"retCode": 0, "result": {"list": [wallet]}}
    page = int(asked.query.get("cursor", "0"))
    rows: list[dict[str, str]] = []
    if asked.query.get("settleCoin") == "USDT" and page < 3:
        rows = [{"symbol": f"{'ABC'[page]}USDT", "size": "1", "side": "Buy", "avgPrice": "9", "positionBalance": "2"}]
    result = {"category": asked.query["category"], "list": rows, "nextPageCursor": str(page + 1) if rows else ""}
    return {"retCode": 0, "result": result}


def test_pages_are_asked_for_until_there_are_none(tmp_path: Path) -> None:
    with serving(of_bybit) as server:
        found, _ = fetch("bybit", keys(tmp_path, at(server.address, "private", params={"memberId": 7})), "own")
    table = read_export(found).table
    assert [name for name in table["instrument"].to_pylist() if name] == ["AUSDT", "BUSDT", "CUSDT"]
    asked = [(one.query.get("settleCoin"), one.query.get("cursor")) for one in server.asked if one.path.endswith("/list")]
    assert asked == [("USDT", None), ("USDT", "1"), ("USDT", "2"), ("USDT", "3"), ("USDC", None), (None, None)]
    assert server.asked[0].query["memberId"] == "7"  # what the file says goes along


def of_hyperliquid(asked: Asked) -> Any:
    assert asked.body["user"] == "0xabc"
    position = {"coin": "ETH", "szi": "-2", "entryPx": "2000", "leverage": {"type": "cross"}, "unrealizedPnl": "10"}
    state = {"assetPositions": [{"position": position}], "crossMarginSummary": {"accountValue": "1010"}}
    answers = {"clearinghouseState": state, "spotClearinghouseState": {"balances": []}, "userAbstraction": "default"}
    return answers[asked.body["type"]]


def test_hyperliquid_needs_an_address_and_no_key(tmp_path: Path) -> None:
    with serving(of_hyperliquid) as server:
        settings = {"walletAddress": "0xabc", "urls": {"api": {"public": server.address}}, "enableRateLimit": False}
        found, unknown = fetch("hyperliquid", keys(tmp_path, settings))
    rows = [tuple(row.values())[1:6] for row in read_export(found).table.to_pylist()]
    assert rows == [("ETH", -2.0, 2000.0, "cross", 0.0), ("", None, None, "cross", 1000.0)]  # 1010 less the profit of 10
    assert unknown == ["positions on builder-deployed markets: the main exchange alone is asked"]
    with pytest.raises(InputError, match="has a privateKey; it can do more than read: take it out"):
        fetch("hyperliquid", keys(tmp_path, {"walletAddress": "0xabc", "privateKey": "0x1"}))


def of_binance(asked: Asked) -> Any:
    """A long of 1 BTC on USD-M behind 9000 USDT; on COIN-M 3 contracts of 100 USD behind half a bitcoin."""
    linear = asked.path.startswith("/fapi")
    if asked.path.endswith("/multiAssetsMargin"):
        return {"multiAssetsMargin": False}
    if asked.path.endswith("/balance"):
        asset, units = ("USDT", "9000") if linear else ("BTC", "0.5")
        return [{"asset": asset, "balance": units, "crossWalletBalance": units}]
    symbol, size = ("BTCUSDT", "1") if linear else ("BTCUSD_PERP", "3")
    return [{"symbol": symbol, "positionAmt": size, "entryPrice": "60000", "marginType": "cross", "isolatedWallet": "0"}]


@pytest.mark.parametrize(
    ("name", "apis", "rows"),
    [
        ("binanceusdm", {"fapiPrivateV3": "/fapi/v3", "fapiPrivate": "/fapi/v1"}, [("BTCUSDT", 1.0, 0.0), ("", None, 9000.0)]),
        ("binancecoinm", {"dapiPrivate": "/dapi/v1"}, [("BTCUSD_PERP", 300.0, 0.0), ("", None, 0.5)]),
    ],
)
def test_binance_s_two_exchanges_are_fetched_by_their_names(tmp_path: Path, name: str, apis: dict[str, str], rows: Any) -> None:
    with serving(of_binance) as server:
        settings = KEYS | {"urls": {"api": {api: server.address + path for api, path in apis.items()}}}
        found, unknown = fetch(name, keys(tmp_path, settings))
    table = read_export(found).table.select(["instrument", "size", "collateral"])
    assert [tuple(row.values()) for row in table.to_pylist()] == rows and unknown == []
    assert all(asked.headers["X-MBX-APIKEY"] == "THE-KEY" and "signature" in asked.query for asked in server.asked)


def of_kraken(asked: Asked) -> Any:
    """An exchange without a reader here: what ccxt makes of a linear position of 3 ETH."""
    listed = {"symbol": "PF_ETHUSD", "type": "flexible_futures", "tradeable": True, "contractSize": 1, "base": "ETH",
              "quote": "USD", "tickSize": 0.1, "contractValueTradePrecision": 3, "marginLevels": []}  # fmt: skip
    position = {"side": "long", "symbol": "PF_ETHUSD", "price": "2000", "size": "3", "unrealizedPnl": "12"}
    wallet = {"currencies": {"USD": {"quantity": 5000, "available": 4000}}, "type": "multiCollateralMarginAccount"}
    return {
        "instruments": {"result": "success", "instruments": [listed]},
        "openpositions": {"result": "success", "openPositions": [position]},
        "accounts": {"result": "success", "accounts": {"flex": wallet}},
    }[asked.path.rpartition("/")[2]]


def test_of_other_exchanges_what_ccxt_unifies_is_read(tmp_path: Path) -> None:
    with serving(of_kraken) as server:
        settings = at(f"{server.address}/", "public", "private", secret="QUJD")
        found, unknown = fetch("krakenfutures", keys(tmp_path, settings))
    assert [asked.path for asked in server.asked] == ["/v3/instruments", "/v3/openpositions", "/v3/accounts"]
    line = 'contracts that ccxt does not ask krakenfutures for by default, as in other coins: say "params" in the keys'
    assert unknown == [line]
    reading = read_export(found)
    assert reading.exchanges == ("ccxt",)
    assert [tuple(row.values())[1:6] for row in reading.table.to_pylist()] == [
        ("ETH/USD:USD", 3.0, 2000.0, "cross", 0.0),
        ("", None, None, "cross", 5000.0),
    ]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ((401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY THE-KEY"}), "AuthenticationError of the exchange"),
        ((200, {"code": "50114", "msg": "THE-SECRET of THE-PASS"}), "of the exchange"),
        ((503, {}), "of the exchange"),
        ((200, ["THE-KEY"]), "of the exchange"),
    ],
)
def test_what_an_exchange_says_is_told_without_keys(tmp_path: Path, answer: Any, line: str) -> None:
    with serving(lambda asked: answer) as server, pytest.raises(InputError) as caught:
        fetch("okx", keys(tmp_path, at(server.address, "rest")))
    said = str(caught.value)
    assert said.startswith("okx, account own: ") and line in said and "THE-" not in said and caught.value.__cause__ is None


@pytest.mark.parametrize("wrong", [{"urls": {"api": 5}}, {"timeout": "soon"}, {"params": [1]}, {"options": 3}])
def test_settings_that_ccxt_cannot_take_are_one_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with serving(of_okx) as server, pytest.raises(InputError) as caught:
        fetch("okx", keys(tmp_path, at(server.address, "rest") | wrong))
    assert "THE-" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("okex", "--exchange is no exchange of ccxt: 'okex'; did you mean"),
        ("binance", "--exchange is several exchanges: 'binance'; write binanceusdm for USD-M, binancecoinm for COIN-M"),
    ],
)
def test_an_exchange_that_is_not_one_is_asked_about(name: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        fetch(name)
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(("text", "line"), [("{THE-KEY", "it is not JSON"), ("[]", "has no keys"), ("{}", "has no keys")])
def test_a_file_of_keys_that_cannot_be_read_is_not_shown(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        fetch("okx", file)
    assert line in str(caught.value) and "THE-" not in str(caught.value)


def test_without_ccxt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--exchange needs what talks to exchanges; install the extra `exchange` \(ccxt\)"):
        fetch("okx")

"""Positions as exchanges export them, as the plain long table that a book is read from.

`read_positions` takes that table (.csv, .parquet), or one exchange's answers as JSON, which it tells by their keys:

- *Hyperliquid*, `POST /info {"type": "clearinghouseState", "user": ...}`: assetPositions[].position {coin, szi, entryPx,
  leverage {type, rawUsd}, unrealizedPnl}, crossMarginSummary {accountValue}.
  https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals
- *Binance USD-M*, `{"positionRisk": GET /fapi/v3/positionRisk, "balance": GET /fapi/v3/balance}`: symbol, positionAmt,
  entryPrice, isolatedWallet; asset, crossWalletBalance. Or `GET /fapi/v2/account`, which has both as positions and assets.
  https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Position-Information-V3
  https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Futures-Account-Balance-V3
  https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api/Account-Information-V2
- *Binance COIN-M*, the same keys of `/dapi/v1/positionRisk` and `/dapi/v1/balance`, or `GET /dapi/v1/account`: symbols such as
  BTCUSD_PERP, positionAmt in contracts of 100 USD (BTC) or 10 USD (any other coin), wallets in coins. Each coin is a margin
  account of its own, so of several one is to be named.
  https://developers.binance.com/docs/derivatives/coin-margined-futures/trade/rest-api/Position-Information
  https://developers.binance.com/docs/derivatives/coin-margined-futures/account/rest-api/Account-Information
- *Bybit*, `{"positions": GET /v5/position/list, "wallet": GET /v5/account/wallet-balance, "info": GET /v5/account/info}`:
  symbol, side, size, avgPrice, positionBalance, tradeMode; coin, walletBalance; marginMode.
  https://bybit-exchange.github.io/docs/v5/position
  https://bybit-exchange.github.io/docs/v5/account/wallet-balance
  https://bybit-exchange.github.io/docs/v5/account/account-info

Several accounts stand in one file as `{"name of the account": its answer, ...}`. Numbers are texts in all three.
Collateral is what was paid in and realised, without the profit of open positions: equity then follows the mark.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from delever.model.errors import InputError, nearest

COLUMNS = pa.schema([
    ("account", pa.string()), ("instrument", pa.string()), ("size", pa.float64()), ("entry_price", pa.float64()),
    ("margin_mode", pa.string()), ("collateral", pa.float64()), ("collateral_asset", pa.string()),
])  # size [units of the perp], entry_price [USD a unit], collateral [units of its asset]
# Assumption, not an estimate: a dollar of a stablecoin is a dollar. An exchange's asset -> the world's.
COIN_M = re.compile(r"(?P<coin>[0-9A-Z]+)USD_(PERP|\d{6})")  # symbols of Binance COIN-M
CONTRACT, OF_BTC = 10.0, 100.0  # what one of its contracts is [USD]: "contractSize" of /dapi/v1/exchangeInfo
DOLLARS = {"USDT": "USD", "USDC": "USD", "FDUSD": "USD", "BUSD": "USD", "USD": "USD"}

Row = tuple[str, str, float | None, float | None, str, float, str]  # a row of COLUMNS
Names = Mapping[str, str]


def read_positions(source: pa.Table | str | Path | Mapping[str, Any], *, account: str = "own", instruments: Names | None = None,
                   collateral: Names = DOLLARS, coin: str | None = None) -> pa.Table:
    """The plain long table for `Book.from_table(table, protocol=...)`: account, instrument, size, entry_price, ...

    account: who the one account of an export is. instruments: the exchange's symbol -> the perp in the world; without
    it symbols stay as they are. collateral: the exchange's asset -> the asset in the world; balances in assets that it
    does not name are left out. coin: of coin-margined accounts the one whose contracts and wallet are meant; not needed where
    positions are in one alone.
    """
    if isinstance(source, pa.Table):
        return source
    if isinstance(source, Mapping):
        return from_export(source, account=account, instruments=instruments, collateral=collateral, coin=coin)
    path, where = Path(source), str(source)
    readers: dict[str, Callable[[io.BytesIO], Any]] = {
        ".csv": pyarrow.csv.read_csv, ".parquet": pyarrow.parquet.read_table, ".json": json.load,
    }
    if path.suffix not in readers:
        raise InputError("is no table of positions", where, path.suffix, "give a .csv, .parquet or .json file")
    try:
        value = readers[path.suffix](io.BytesIO(path.read_bytes()))
    except (OSError, ValueError) as error:  # Arrow's errors and JSON's are ValueErrors
        reason = str(error).splitlines()[0].rpartition("'<Buffer>': ")[2]
        raise InputError("cannot be read", where, reason, "get it anew") from None
    if path.suffix != ".json":
        return value
    return from_export(value, where, account=account, instruments=instruments, collateral=collateral, coin=coin)


def from_export(value: Any, where: str = "export", *, account: str = "own", instruments: Names | None = None,
                collateral: Names = DOLLARS, coin: str | None = None) -> pa.Table:
    """The same of an exchange's answers, already parsed; `where` names them in errors."""
    rows: list[Row] = []
    for name, answer in _by_account(value, account, where).items():
        place = f"{where}, account {name}"
        try:
            found = _of_coin(_reader(answer)(answer, name, collateral), coin)
        except InputError as error:
            raise error.at(place) from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            remedy = "give the answer as the exchange sent it"
            raise InputError("is not as documented", place, f"{type(error).__name__} {error}", remedy) from None
        rows += _renamed(found, instruments, place)
    if not rows:
        raise InputError("has no positions", where, remedy="export an account that holds some")
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=COLUMNS)


def _by_account(value: Any, account: str, where: str) -> dict[str, Any]:
    """Account -> answer: of the one account, or of each that is named."""
    if isinstance(value, Mapping):
        if _is_known(value):
            return {account: value}
        if value and all(isinstance(answer, Mapping) and _is_known(answer) for answer in value.values()):
            return {str(name): answer for name, answer in value.items()}
    remedy = "known are Hyperliquid's clearinghouseState, Binance's and Bybit's answers, see delever.ingest.positions"
    raise InputError("is no export of positions", where, remedy=remedy)


def _is_known(answer: Mapping[str, Any]) -> bool:
    return any(keys <= answer.keys() for keys in EXPORTS)


def _reader(answer: Mapping[str, Any]) -> Callable[[Any, str, Names], list[Row]]:
    return next(reader for keys, reader in EXPORTS.items() if keys <= answer.keys())


def _renamed(rows: Iterable[Row], instruments: Names | None, where: str) -> list[Row]:
    """Transactions with the world's names; one row for each position."""
    out: list[Row] = []
    seen: set[tuple[str, bool]] = set()
    for row in rows:
        symbol = row[1]
        if not symbol:
            out.append(row)
            continue
        if instruments is not None and symbol not in instruments:
            paid_in = COIN_M.fullmatch(symbol)
            if paid_in:
                coin = paid_in["coin"]
                remedy = f"an exchange with `unit: {coin}` lists its inverse perps: `{{perp: {coin}, inverse: true}}`"
                raise InputError(f"has contracts that are paid in {coin}", where, symbol, remedy)
            raise InputError("unknown instrument", where, symbol, nearest(symbol, instruments))
        name = symbol if instruments is None else instruments[symbol]
        short = (row[2] or 0.0) < 0.0
        if (name, short) in seen:
            remedy = "a perp is held once each way: net what stands on one side"
            raise InputError("has an instrument twice", where, symbol, remedy)
        seen.add((name, short))
        out.append((row[0], name, *row[2:]))
    return out


def _of_coin(rows: list[Row], coin: str | None) -> list[Row]:
    """The rows of one coin, where there are contracts margined in coins: each of these is an account of its own."""
    coins = sorted({row[6] for row in rows if COIN_M.fullmatch(row[1])})
    if not coins:
        return rows
    if coin is None and len(coins) > 1:
        raise InputError("has contracts margined in several coins", value=", ".join(coins),
                         remedy=f"each coin is an account of its own: name one, such as coin={coins[0]!r}")
    return [row for row in rows if row[6] == (coin or coins[0])]


def hyperliquid(state: Mapping[str, Any], account: str, collateral: Names = DOLLARS) -> list[Row]:
    """Transactions of a clearinghouseState.

    rawUsd of an isolated position is its equity less its value, so the margin paid in = rawUsd + szi x entryPx. The
    cross account's = accountValue - sum of unrealizedPnl over its positions. All in USDC.
    """
    rows: list[Row] = []
    profit = 0.0  # USD, of cross positions
    for entry in state["assetPositions"]:
        position = entry["position"]
        size = float(position["szi"])
        if size == 0.0:
            continue
        price, isolated = float(position["entryPx"]), position["leverage"]["type"] == "isolated"
        paid = float(position["leverage"]["rawUsd"]) + size * price if isolated else 0.0
        profit += 0.0 if isolated else float(position["unrealizedPnl"])
        rows.append((account, position["coin"], size, price, "isolated" if isolated else "cross", paid, collateral["USDC"]))
    cash = float(state["crossMarginSummary"]["accountValue"]) - profit
    return rows + _cash(account, {"USDC": cash}, collateral)


def binance_account(answer: Mapping[str, Any], account: str, collateral: Names = DOLLARS) -> list[Row]:
    """Transactions of GET /fapi/v2/account; isolated positions need isolatedWallet, which the documentation shows in v3 alone."""
    return binance({"positionRisk": answer["positions"], "balance": answer["assets"]}, account, collateral)


def binance(answer: Mapping[str, Any], account: str, collateral: Names = DOLLARS) -> list[Row]:
    """Transactions of positionRisk and balance. isolatedWallet is the margin paid in, isolatedMargin has the profit in it.

    Of COIN-M sizes become USD, and margin and wallets are in the coin, whatever `collateral` names.
    """
    rows: list[Row] = []
    kinds = [COIN_M.fullmatch(position["symbol"]) for position in answer["positionRisk"]]
    if any(kinds):
        collateral = {entry["asset"]: entry["asset"] for entry in answer["balance"]} | {
            kind["coin"]: kind["coin"] for kind in kinds if kind} | {name: of for name, of in collateral.items() if of != "USD"}
    for position in answer["positionRisk"]:
        size = float(position["positionAmt"])
        if size == 0.0:
            continue
        wallet = position.get("isolatedWallet")
        isolated = position.get("isolated") is True or position.get("marginType") == "isolated" or float(wallet or 0.0) != 0.0
        if isolated and wallet is None:
            remedy = "give {positionRisk: [...], balance: [...]}, whose rows have it"
            raise InputError("has an isolated position without isolatedWallet", value=position["symbol"], remedy=remedy)
        paid, mode = (float(wallet), "isolated") if isolated else (0.0, "cross")
        inverse = COIN_M.fullmatch(position["symbol"])
        asset = collateral[inverse["coin"] if inverse else position.get("marginAsset", "USDT")]
        if inverse:
            size *= OF_BTC if inverse["coin"] == "BTC" else CONTRACT
        rows.append((account, position["symbol"], size, float(position["entryPrice"]), mode, paid, asset))
    return rows + _cash(account, {entry["asset"]: float(entry["crossWalletBalance"]) for entry in answer["balance"]}, collateral)


def bybit_positions(answer: Mapping[str, Any], account: str, collateral: Names = DOLLARS) -> list[Row]:
    """Transactions of GET /v5/position/list alone: enough where all positions are isolated."""
    return bybit({"positions": answer}, account, collateral)


def bybit(answer: Mapping[str, Any], account: str, collateral: Names = DOLLARS) -> list[Row]:
    """Transactions of position/list, wallet-balance and account/info.

    "tradeMode: UTA2.0, UTA1.0 (except inverse): deprecated, always 0, check Get Account Info to know the margin mode":
    so `info` decides where it is given. positionBalance is initial margin plus closing fee, without profit. Of an account
    with isolated margin the rest of the wallet backs no position and is left out.
    """
    result = answer["positions"]["result"]
    if result.get("category", "linear") != "linear":
        remedy = "only linear contracts, settled in USDT or USDC, are known"
        raise InputError("has contracts that are not linear", value=result["category"], remedy=remedy)
    mode = answer["info"]["result"]["marginMode"] if "info" in answer else None
    rows: list[Row] = []
    for position in result["list"]:
        size = float(position["size"] or 0.0)
        if size == 0.0:
            continue
        isolated = mode == "ISOLATED_MARGIN" if mode is not None else position["tradeMode"] == 1
        paid, kept = (float(position["positionBalance"]), "isolated") if isolated else (0.0, "cross")
        signed = size if position["side"] == "Buy" else -size
        rows.append((account, position["symbol"], signed, float(position["avgPrice"]), kept, paid, "USD"))
    if all(row[4] == "isolated" for row in rows):
        return rows
    if "wallet" not in answer:
        remedy = "give {positions: ..., wallet: ..., info: ...}: answers of position/list, wallet-balance, account/info"
        raise InputError("has cross positions without a wallet", remedy=remedy)
    coins = {coin["coin"]: float(coin["walletBalance"]) for coin in answer["wallet"]["result"]["list"][0]["coin"]}
    return rows + _cash(account, coins, collateral)


def _cash(account: str, balances: Mapping[str, float], collateral: Names) -> list[Row]:
    """A row for each balance that is not nothing, in assets that count."""
    return [(account, "", None, None, "cross", balance, collateral[asset])
            for asset, balance in balances.items() if balance != 0.0 and asset in collateral]


# Keys that an answer is told by -> its reader.
EXPORTS: dict[frozenset[str], Callable[[Any, str, Names], list[Row]]] = {
    frozenset({"assetPositions", "crossMarginSummary"}): hyperliquid,
    frozenset({"positionRisk", "balance"}): binance,
    frozenset({"positions", "assets"}): binance_account,
    frozenset({"retCode", "result"}): bybit_positions,
    frozenset({"positions"}): bybit,
}

"""Days of the past: found by date or name, cited, and what the price data say of them."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from delever.catalog.days import DAYS, SOURCES, find

DATA = Path(os.environ.get("DELEVER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
NEEDED = ("prices_4h_crises", "binance_perps_daily_2022_2023", "crash_days", "prices", "compound_v2_2023-05", "hyperliquid_daily",
          "crash_2025-10-10", "usdc_depeg_2023-03", "anchor_2022-05", "oracles")
Bar = tuple[str, float, float, float]  # ISO time, open, low, close
Series = list[Bar]


def rows(name: str) -> list[dict[str, str]]:
    content = (DATA / name).read_bytes()
    return list(csv.DictReader(io.StringIO((gzip.decompress(content) if name.endswith(".gz") else content).decode())))


def bars(name: str, time: str) -> dict[str, Series]:
    found: dict[str, Series] = defaultdict(list)
    for row in rows(name):
        found[row["coin"]].append((row[time], float(row["open"]), float(row["low"]), float(row["close"])))
    return found


def samples(prices: Iterable[tuple[str, float]]) -> Series:
    """Each opens where the one before was."""
    known = sorted(prices)
    before = [known[0][1], *(price for _, price in known)]
    return [(time, start, price, price) for start, (time, price) in zip(before, known, strict=False)]


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def minutes_10() -> dict[str, Series]:
    return {"ETH": [(row["t"], float(row["price_open"]), float(row["price_low"]), float(row["price_close"]))
                    for row in rows("crash_days/eth_gas_uniswap_10m.csv.gz") if row["price_open"]]}


def hourly() -> dict[str, Series]:
    return {asset: samples((iso(int(row["timestamp"]) / 1e3), float(row["USD_price"])) for row in rows(f"prices/{name}_usd.csv"))
            for asset, name in {"BTC": "WBTC", "ETH": "WETH", **{n: n for n in ("AAVE", "CRV", "LINK", "MKR", "UNI")}}.items()}


def hourly_2023() -> dict[str, Series]:
    table = rows("compound_v2_2023-05/hourly_prices_2023-02-24_2023-03-27.csv")
    return {asset: samples((row["hour_utc"], float(row[asset])) for row in table if row[asset])
            for asset in table[0] if asset != "hour_utc"}


def minutes(venue: str) -> dict[str, Series]:
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in rows("crash_2025-10-10/spot_1m.csv.gz"):
        if row["venue"] == venue:
            found[row["coin"]].append((row["time_utc"], float(row["close"])))
    return {coin: samples(prices) for coin, prices in found.items()}


def kraken() -> dict[str, Series]:
    table = pq.read_table(DATA / "usdc_depeg_2023-03" / "prices.parquet", columns=["kraken_usdcusd", "__index_level_0__"])
    return {"USDC": samples((row["__index_level_0__"].isoformat(), row["kraken_usdcusd"]) for row in table.to_pylist()
                            if row["kraken_usdcusd"] is not None)}


def steth() -> dict[str, Series]:
    rounds = rows("oracles/chainlink_stETHETH_2022-01_2024-01.csv")
    return {"stETH": samples((iso(int(row["update"])), float(row["answer"])) for row in rounds if row["update"] != "0")}


READERS: dict[str, Callable[[], dict[str, Series]]] = {
    "bars_4h": lambda: bars("prices_4h_crises/ohlcv_4h.csv.gz", "time_utc"),
    "daily": lambda: bars("binance_perps_daily_2022_2023/ohlc_daily_spot.csv.gz", "date"),
    "minutes_10": minutes_10,
    "hourly": hourly,
    "hourly_2023": hourly_2023,
    "bybit": lambda: bars("hyperliquid_daily/prices_daily_2023-06_2025-05.csv.gz", "date"),
    **{venue: lambda venue=venue: minutes(venue) for venue in ("coinbase", "gemini", "binance")},  # type: ignore[misc]
    "kraken": kraken,
    "ust": lambda: {"UST": samples((row["time_utc"], float(row["ust_usd"]))
                                   for row in rows("anchor_2022-05/ust_usd_hourly.csv"))},
    "luna": lambda: {"LUNA": samples((iso(int(row["blockchainTimestamp"])), float(row["oraclePrice"]))
                                     for row in rows("oracles/luna_usd_oracle_2022-05-09_11.csv"))},
    "steth": steth,
}


@pytest.mark.skipif(not all((DATA / name).is_dir() for name in NEEDED) and not os.environ.get("CI"),
                    reason="the price data are not here (DELEVER_DATA)")
@pytest.mark.parametrize("cited", SOURCES)
def test_every_move_is_what_the_data_say(cited: str) -> None:
    series, seen = READERS[cited](), 0
    for day in DAYS:
        for asset, move in day.moves.items():
            if move.cited == cited:
                those = [bar for bar in series[asset] if bar[0].startswith(str(day.date))]
                start, low, close = those[0][1], min(bar[2] for bar in those), those[-1][3]
                assert move.low == pytest.approx(min(low, start) / start - 1.0, abs=0.00051), (day, asset)
                assert move.close == pytest.approx(close / start - 1.0, abs=0.00051), (day, asset)
                seen += 1
    assert seen


def test_black_thursday_by_hand() -> None:
    """ETH from 194.61 to 101.2 and 107.82 USD, BTC from 7,934.58 to 4,410 and 4,800."""
    moves = DAYS[0].moves
    assert (moves["ETH"].low, moves["ETH"].close) == (round(101.2 / 194.61 - 1.0, 3), round(107.82 / 194.61 - 1.0, 3))
    assert (moves["BTC"].low, moves["BTC"].close) == (round(4410.0 / 7934.58 - 1.0, 3), round(4800.0 / 7934.58 - 1.0, 3))


def test_days_are_fewer_than_twenty_in_order_and_no_two_have_a_name_in_common() -> None:
    """An error lists at most nineteen names (model/errors.py)."""
    assert len(DAYS) < 20
    assert [day.date for day in DAYS] == sorted({day.date for day in DAYS})
    names = [name.casefold() for day in DAYS for name in day.names]
    assert len(names) == len(set(names))
    for day in DAYS:
        assert {"BTC", "ETH"} <= set(day.moves)
        assert all(-1.0 < move.low <= min(move.close, 0.0) for move in day.moves.values())


@pytest.mark.parametrize("text", ["2020-03-12", "day 2020-03-12", "12 March 2020", "12 mar 2020", "March 12, 2020", "Mar 12 2020",
                                  "BLACK  thursday", " black thursday "])
def test_a_day_is_found_by_date_and_by_name(text: str) -> None:
    found = find(text)
    assert found is not None and found.date == date(2020, 3, 12)


@pytest.mark.parametrize("text", ["", "day", "12 March 2021", "31 February 2022", "thursday", "ETH -30 %"])
def test_what_is_no_day_of_it_is_not_found(text: str) -> None:
    assert find(text) is None

"""Public data of perpetual exchanges: open interest, books, liquidations, accounts; every column named with its unit.

Three data sets and one list of facts, all gathered from public repositories (their notes say which): crash_2025-10-10,
hyperliquid_daily and hyperliquid_accounts, binance_perps_daily_2022_2023, cex_oi_4h, perp_event_facts. A file is opened
through a `Source`, so its hash is kept; what it calls its columns is turned into names that say the unit, and symbols of
contracts on a thousand coins (1000PEPE, kPEPE) into the coin, their prices into the price of one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.ingest.source import Source
from delever.model.errors import InputError, nearest

CRASH = "crash_2025-10-10"
PRICES = ("open_usd", "high_usd", "low_usd", "close_usd", "price_usd", "index_price_usd")
THOUSAND = re.compile(r"^(?:1000|k(?=[A-Z]))")  # a contract on a thousand coins, by venue
LEVELS = (0.01, 0.02, 0.03, 0.04, 0.05)  # distance from the mid of the depth columns, share


@dataclass(frozen=True)
class File:
    """One file: where it is, and column of the file -> name with unit. Columns not named here are left out."""

    path: str
    columns: Mapping[str, str]


def _bars(quote: str = "usd") -> dict[str, str]:
    return {name: f"{name}_{quote}" for name in ("open", "high", "low", "close")}


FILES: dict[str, File] = {
    "open_interest": File(f"{CRASH}/open_interest_by_venue_2005utc.csv", {
        "coin": "coin", "venue": "venue", "oi_usd": "open_interest_usd", "oi_coins": "open_interest_coins"}),
    "contracts": File(f"{CRASH}/contracts_2005utc.csv", {
        "coin": "coin", "venue": "venue", "instrument": "instrument", "price": "price_usd", "index_price": "index_price_usd",
        "volume_usd_24h": "volume_usd_per_day", "open_interest_usd": "open_interest_usd",
        "funding_pct": "funding_pct_per_interval"}),
    "funding": File(f"{CRASH}/funding_2005utc.csv", {
        "coin": "coin", "hyperliquid_funding_pct": "hyperliquid_funding_pct_per_interval",
        "hyperliquid_interval_h": "hyperliquid_interval_h", "binance_funding_pct": "binance_funding_pct_per_interval",
        "binance_interval_h": "binance_interval_h"}),
    "coins_30d": File(f"{CRASH}/hyperliquid_coins_30d_mean.csv", {
        "coin": "coin", "max_leverage": "max_leverage", "oi_30d_mean_usd_m": "open_interest_usd_m",
        "volume_30d_mean_usd_m_per_day": "volume_usd_m_per_day", "slippage_3k_usd_bps": "slippage_3k_usd_bps",
        "slippage_30k_usd_bps": "slippage_30k_usd_bps", "cex_spot_volume_usd_m_per_day": "spot_volume_usd_m_per_day"}),
    "spot_1m": File(f"{CRASH}/spot_1m.csv.gz", {"time_utc": "time_utc", "venue": "venue", "coin": "coin", **_bars()}),
    "spot_5s": File(f"{CRASH}/spot_5s_2045_2200.csv.gz", {
        "time_utc": "time_utc", "venue": "venue", "coin": "coin", **_bars()}),
    "binance_perp_5m": File(f"{CRASH}/binance_usdm_perp_5m.csv.gz", {"time_utc": "time_utc", "symbol": "coin", **_bars()}),
    "binance_btc_mark_1m": File(f"{CRASH}/binance_btcusd_coinm_mark_1m_10-09_10-10.csv.gz", {
        "time_utc": "time_utc", **_bars()}),
    "binance_btc_depth": File(f"{CRASH}/binance_btcusdt_perp_depth_to_1520utc.csv.gz", {
        "time_utc": "time_utc", **{f"{side}_{k}pct_usd": f"{side}_within_{k}pct_usd" for side in ("bid", "ask")
                                   for k in range(1, 6)}}),
    "leaderboard": File("hyperliquid_accounts/leaderboard_2025-05-23.csv.gz", {
        "account_value_usd": "account_value_usd", "month_volume_usd": "month_volume_usd"}),
    "binance_daily_state": File("binance_perps_daily_2022_2023/state_daily.csv.gz", {
        "date": "date", "coin": "coin", "close": "close_usd", "oi_usd": "open_interest_usd",
        "volume_usd": "volume_usd_per_day"}),
    "binance_daily_liquidations": File("binance_perps_daily_2022_2023/liquidations_daily_2022-01_2022-10.csv.gz", {
        "date": "date", "coin": "coin", "long_liq_usd": "long_liquidated_usd", "short_liq_usd": "short_liquidated_usd"}),
    "binance_daily_spot": File("binance_perps_daily_2022_2023/ohlc_daily_spot.csv.gz", {
        "date": "date", "coin": "coin", **_bars()}),
    "hyperliquid_daily_liquidations": File("hyperliquid_daily/liquidated_by_coin_2023-06_2024-12.csv.gz", {
        "date": "date", "coin": "coin", "liquidated_usd": "liquidated_usd"}),
    "hyperliquid_daily_totals": File("hyperliquid_daily/totals_2023-06_2024-12.csv", {
        "date": "date", "hlp_pnl_usd": "vault_profit_usd", "volume_usd": "volume_usd_per_day",
        "liquidated_usd": "liquidated_usd"}),
    "hyperliquid_daily_prices": File("hyperliquid_daily/prices_daily_2023-06_2025-05.csv.gz", {
        "date": "date", "coin": "coin", **_bars()}),
    "hyperliquid_universe": File("hyperliquid_daily/universe_2025-04.csv", {
        "name": "coin", "maxLeverage": "max_leverage", "oi_usd": "open_interest_usd", "dayNtlVlm": "volume_usd_per_day"}),
    "bars_4h": File("cex_oi_4h/ohlc_4h.csv.gz", {"time_utc": "time_utc", "coin": "coin", **_bars()}),
    "binance_depth_4h": File("cex_oi_4h/binance_depth_1pct_to_2025-10-10T20.csv.gz", {
        "time_utc": "time_utc", "coin": "coin", "bids_usd": "bid_within_1pct_usd", "asks_usd": "ask_within_1pct_usd"}),
    "open_interest_4h": File("cex_oi_4h/oi_by_venue_4h_to_2025-10-10T20.csv.gz", {
        "time_utc": "time_utc", "coin": "coin", "price": "price_usd", "HYPERLIQUID": "hyperliquid_usd",
        "BINANCE": "binance_usd"}),
    "liquidations_4h": File("cex_oi_4h/liquidations_by_venue_4h_snapshots_to_2025-08.csv.gz", {
        "snapshot_utc": "time_utc", "coin": "coin", "venue": "venue", "long_liq_usd_4h": "long_liquidated_usd_4h",
        "short_liq_usd_4h": "short_liquidated_usd_4h"}),
}


# --- one coin under several names ----------------------------------------------------------------------------------


def coin_of(symbol: str) -> str:
    """The coin of a contract: PEPE of 1000PEPE and of kPEPE.

    >>> [coin_of(name) for name in ("1000SHIB", "kBONK", "BTC", "KAS")]
    ['SHIB', 'BONK', 'BTC', 'KAS']
    """
    return THOUSAND.sub("", symbol)


def coins_per_unit(symbol: str) -> float:
    """How many coins the price of a contract's symbol is of: 1000 or 1."""
    return 1.0 if coin_of(symbol) == symbol else 1000.0


# --- reading ---------------------------------------------------------------------------------------------------------


def read(source: Source, name: str) -> pa.Table:
    """The file of that name in FILES, its columns named with units; coins and their prices brought to one coin."""
    if name not in FILES:
        raise InputError("no reader for the file", "perp_markets", name, nearest(name, list(FILES)))
    file = FILES[name]
    table = source.table(file.path)
    for column in file.columns:
        if column not in table.column_names:
            raise InputError("has no column", file.path, column, "it needs " + ", ".join(file.columns))
    table = table.select(list(file.columns)).rename_columns(list(file.columns.values()))
    return _one_coin(table) if "coin" in table.column_names else table


def _one_coin(table: pa.Table) -> pa.Table:
    symbols = table["coin"].to_pylist()
    unit = np.array([coins_per_unit(symbol) for symbol in symbols])
    for column in PRICES:
        if (unit > 1.0).any() and column in table.column_names:
            price = column_of(table, column) / unit
            table = table.set_column(table.column_names.index(column), column, pa.array(price))
    return table.set_column(table.column_names.index("coin"), "coin", pa.array([coin_of(symbol) for symbol in symbols]))


def column_of(table: pa.Table, name: str) -> np.ndarray:
    """A column of numbers; cells without a value are NaN."""
    return np.asarray(pc.fill_null(pc.cast(table[name], pa.float64()), np.nan).to_numpy(), np.float64)


def times_of(table: pa.Table, name: str = "time_utc") -> np.ndarray:
    """A column of times or days [s since 1970, UTC]."""
    return np.asarray(table[name].to_numpy().astype("datetime64[s]").astype(np.int64))


def of(table: pa.Table, **values: str) -> pa.Table:
    """The rows whose columns have these values."""
    for name, value in values.items():
        table = table.filter(pc.equal(table[name], value))
    return table


def before(table: pa.Table, time: str, name: str = "time_utc") -> pa.Table:
    """The rows stamped earlier than a time (UTC): what a forecast made then may know."""
    return table.filter(pa.array(times_of(table, name) < seconds(time)))


def seconds(time: str) -> int:
    """Seconds since 1970 of a time in UTC.

    >>> seconds("2025-10-10T20:45")
    1760129100
    """
    return int(np.datetime64(time, "s").astype(np.int64))


def facts(source: Source, event: str) -> dict[str, float]:
    """The numbers known of an event: quantity -> value in the unit that the file gives; times of day are left out."""
    table = of(source.table("perp_event_facts/inputs.csv"), event=event)
    out: dict[str, float] = {}
    for quantity, value in zip(table["quantity"].to_pylist(), table["value"].to_pylist(), strict=True):
        try:
            out[quantity] = float(value)
        except ValueError:
            continue  # a time of day or a sum written out
    if not out:
        raise InputError("no facts of the event", "perp_event_facts/inputs.csv", event, "take a name of its column `event`")
    return out


# --- margin tiers ----------------------------------------------------------------------------------------------------


def hyperliquid_tiers(source: Source) -> dict[str, list[tuple[float, float]]]:
    """Margin tiers of March 2026: coin -> [(from this notional on [USD], maximum leverage)], rising notional.

    The maintenance margin is half of the initial margin at the maximum leverage of the tier.
    """
    table = source.table("risk_parameters/hyperliquid_universe_2026-03_DERIVED.csv")
    tiers: dict[str, list[tuple[float, float]]] = {}
    for symbol, text in zip(table["coin"].to_pylist(), table["tiers_lowerbound_maxlev"].to_pylist(), strict=True):
        if text:
            tiers[coin_of(symbol)] = [(float(floor), float(leverage)) for floor, leverage in ast.literal_eval(text)]
    return tiers


def binance_first_tiers(source: Source) -> dict[str, tuple[float, float]]:
    """USDT contracts of October 2024: coin -> (maximum leverage, maintenance margin rate as share) of the first tier."""
    name = "risk_parameters/binance_leverage_tiers_2024-10.json"
    tiers = source.json(name)
    return {coin_of(symbol.split("/")[0]): (float(rows[0]["maxLeverage"]), float(rows[0]["maintenanceMarginRate"]))
            for symbol, rows in tiers.items() if symbol.endswith(":USDT")}


# --- daily series as arrays -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bars:
    """Bars of one coin on a grid without gaps in it; a missing bar is NaN."""

    first: int  # start of the first bar [s since 1970]
    length: int  # of a bar [s]
    prices: np.ndarray  # [4, bars] open, high, low, close, USD


def bars(table: pa.Table, coins: Sequence[str], length: int, time: str = "time_utc") -> dict[str, Bars]:
    """The bars of each coin that the table has, bars of `length` [s]."""
    names, stamps = np.array(table["coin"].to_pylist()), times_of(table, time)
    prices = np.array([column_of(table, name) for name in ("open_usd", "high_usd", "low_usd", "close_usd")])
    out = {}
    for coin in coins:
        mine = names == coin
        if mine.any():
            slot = (stamps[mine] - stamps[mine].min()) // length
            grid = np.full((4, int(slot.max()) + 1), np.nan)
            grid[:, slot] = prices[:, mine]
            out[coin] = Bars(int(stamps[mine].min()), length, grid)
    return out

"""The feeds that leverage is estimated from: Binance 2022, coin by coin, and Hyperliquid 2023-2024, in total.

Left out: nothing by event. The days are those on which the feed, the open interest of the day before and the day's low
and high all exist; they hold the falls of May, June and November 2022 and of August 2024 as they hold quiet days.
Hyperliquid's statistics give no open interest: it is taken as `OI_PER_VOLUME` x the week's mean volume, by coin in the shares
of April 2025 (the one day with both); that is an input uncertainty and the fit's bootstrap draws its level.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.analysis.leverage import Feed, worst_moves
from delever.ingest import perp_markets as pm
from delever.ingest.source import Source

DAY = 86_400  # s
LEVEL_SPREAD = 0.35  # assumption, not an estimate: log error of Hyperliquid's open interest over volume, 2023-24
COINS = 20  # largest of Hyperliquid with prices, that its total is explained by
VOLUME_DAYS = 7  # of the mean volume
MIN_VOLUME = 50e6  # USD a day: before, a handful of accounts made the total


def binance(source: Source) -> Feed:
    """Nine coins, January to October 2022: longs and shorts liquidated over the open interest of the day before."""
    spot, state = pm.read(source, "binance_daily_spot"), pm.read(source, "binance_daily_state")
    told = pm.read(source, "binance_daily_liquidations")
    coins = sorted(set(spot["coin"].to_pylist()))
    tiers = pm.binance_first_tiers(source)
    held = _by_day(state, "open_interest_usd")
    longs, shorts = _by_day(told, "long_liquidated_usd"), _by_day(told, "short_liquidated_usd")
    falls: list[np.ndarray] = []
    rises: list[np.ndarray] = []
    floor: list[float] = []
    day: list[int] = []
    observed: list[tuple[float, float]] = []
    for coin, bars in pm.bars(spot, coins, DAY, "date").items():
        first, fall, rise = _moves(bars)
        leverage, maintenance = tiers[coin]
        for k in range(fall.shape[2]):
            date = first + k
            if (coin, date) in longs and held.get((coin, date - 1), 0.0) > 0.0 and not np.isnan(fall[1, 1, k]):
                falls.append(fall[:, :, k])
                rises.append(rise[:, :, k])
                floor.append(1.0 / leverage - maintenance)
                day.append(date)
                observed.append((longs[coin, date] / held[coin, date - 1], shorts[coin, date] / held[coin, date - 1]))
    seen = np.array(observed)
    rows = len(day)
    return Feed("Binance 2022", np.stack(falls, axis=2), np.stack(rises, axis=2), np.array(floor), np.ones(rows),
                np.arange(rows), np.array(day), seen[:, 0], seen[:, 1], complete=False)


def hyperliquid(source: Source) -> Feed:
    """The day's total over coins, June 2023 to December 2024, once volume is above MIN_VOLUME."""
    totals, prices = pm.read(source, "hyperliquid_daily_totals"), pm.read(source, "hyperliquid_daily_prices")
    universe = pm.read(source, "hyperliquid_universe")
    held = dict(zip(universe["coin"].to_pylist(), pm.column_of(universe, "open_interest_usd").tolist(), strict=True))
    leverage = dict(zip(universe["coin"].to_pylist(), pm.column_of(universe, "max_leverage").tolist(), strict=True))
    priced = set(prices["coin"].to_pylist())
    coins = sorted((coin for coin in held if coin in priced and held[coin] > 0.0), key=lambda coin: -held[coin])[:COINS]
    moves = {coin: _moves(bars) for coin, bars in pm.bars(prices, coins, DAY, "date").items()}
    per_volume = float(np.nansum(list(held.values())) / np.nansum(pm.column_of(universe, "volume_usd_per_day")))
    day, volume = pm.times_of(totals, "date") // DAY, pm.column_of(totals, "volume_usd_per_day")
    liquidated = pm.column_of(totals, "liquidated_usd")
    falls: list[np.ndarray] = []
    rises: list[np.ndarray] = []
    terms: list[tuple[float, float, int]] = []  # floor, share, group
    days: list[int] = []
    observed: list[float] = []
    for k in range(VOLUME_DAYS, len(day)):
        mean = float(np.nanmean(volume[k - VOLUME_DAYS : k]))
        here = [coin for coin in coins if _has(moves[coin], int(day[k]))]
        if mean < MIN_VOLUME or not here or not np.isfinite(liquidated[k]):
            continue
        whole = sum(held[coin] for coin in here)
        for coin in here:
            first, fall, rise = moves[coin]
            falls.append(fall[:, :, day[k] - first])
            rises.append(rise[:, :, day[k] - first])
            terms.append((0.5 / leverage[coin], held[coin] / whole, len(days)))
        days.append(int(day[k]))
        observed.append(liquidated[k] / (per_volume * mean))
    floor, share, group = np.array(terms).T
    return Feed("Hyperliquid 2023-24", np.stack(falls, axis=2), np.stack(rises, axis=2), floor, share, group.astype(int),
                np.array(days), np.array(observed), None, complete=True)


def _moves(bars: pm.Bars) -> tuple[int, np.ndarray, np.ndarray]:
    """First day [days since 1970], worst falls and worst rises."""
    return (bars.first // DAY, *worst_moves(bars.prices.mean(axis=0), bars.prices[2], bars.prices[1]))


def _has(moves: tuple[int, np.ndarray, np.ndarray], day: int) -> bool:
    k = day - moves[0]
    return 0 < k < moves[1].shape[2] and not np.isnan(moves[1][1, 1, k])


def _by_day(table: pa.Table, column: str) -> dict[tuple[str, int], float]:
    days = (pm.times_of(table, "date") // DAY).tolist()
    return dict(zip(zip(table["coin"].to_pylist(), days, strict=True), pm.column_of(table, column).tolist(), strict=True))

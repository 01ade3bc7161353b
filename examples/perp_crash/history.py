"""What a coin's price did in the month before 20:45, and how deep its book was.

BTC, ETH, SOL and XRP: 4 h bars, then 5 min closes of the day. Other coins: 5 min closes of 10 October where a venue has them;
before, `beta` times the mean log return of ETH and SOL (by regression on daily prices to May 2025 where the coin has them,
the median of these elsewhere). Only entry prices and what has been liquidated already hang on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import evening as observed
import numpy as np
import pyarrow as pa

from delever.ingest import perp_markets as pm
from delever.ingest.source import Source

DAYS = 30
GRID = 300  # s
MAJORS = ("BTC", "ETH", "SOL", "XRP")
DAY = 86_400  # s
TODAY = pm.seconds("2025-10-10")
NEAR_MID = 30.0  # bps of slippage of 30k USD above which the 30-day mean tells of a few empty books, not of the book


@dataclass(frozen=True)
class History:
    """Log prices less that of 20:45, on a grid that ends at 20:45."""

    log_price: np.ndarray  # [times, coins]
    price: np.ndarray  # [coins] at 20:45, USD; 1 where unknown
    low: np.ndarray  # [times, coins] lowest from then on
    high: np.ndarray  # [times, coins]

    def opened(self, coin: int, side: float, turnover: float, number: int, random: np.random.Generator
               ) -> tuple[np.ndarray, np.ndarray]:
        """Log entry prices, and worst log moves against them until 20:45, of positions opened at rate `turnover` a day."""
        last = len(self.log_price) - 1
        age = np.minimum(random.exponential(-1.0 / np.log1p(-turnover), number), DAYS)  # days
        at = np.maximum(last - np.round(age * DAY / GRID).astype(int), 0)
        entry = self.log_price[at, coin]
        extreme = self.low[at, coin] if side > 0 else self.high[at, coin]
        return entry, side * (entry - extreme)


def read(source: Source, coins: tuple[str, ...]) -> History:
    """The month before 20:45 of each coin."""
    times = np.arange(observed.START - DAYS * DAY, observed.START + 1, GRID)
    slow = pm.before(pm.read(source, "bars_4h"), "2025-10-10T20:45")
    major = {coin: _interpolated(pm.of(slow, coin=coin), 4 * 3600, times) for coin in MAJORS}
    market = 0.5 * (major["ETH"] + major["SOL"])
    betas = _betas(source, coins)
    prices = np.ones(len(coins))
    paths = np.zeros((len(times), len(coins)))
    today = times >= TODAY + GRID
    perps, minutes = pm.read(source, "binance_perp_5m"), pm.read(source, "spot_1m")
    for c, coin in enumerate(coins):
        path = major[coin] if coin in major else betas.get(coin, float(np.median(list(betas.values())))) * market
        bars, length = _today(perps, minutes, coin)
        if bars.num_rows:
            path = path.copy()
            fine = _interpolated(bars, length, times)
            path[~today] += fine[today][0] - path[today][0]
            path[today] = fine[today]
            prices[c] = float(np.exp(path[-1]))
        paths[:, c] = path - path[-1]
    low = np.minimum.accumulate(paths[::-1], axis=0)[::-1]
    high = np.maximum.accumulate(paths[::-1], axis=0)[::-1]
    return History(paths, prices, low, high)


def _today(perps: pa.Table, minutes: pa.Table, coin: str) -> tuple[pa.Table, int]:
    """Bars of 10 October before 20:45, and their length [s]: the perp's, else a spot venue's."""
    bars = pm.before(pm.of(perps, coin=coin), "2025-10-10T20:45")
    if bars.num_rows:
        return bars, 300
    for venue in observed.VENUES:
        bars = pm.before(pm.of(minutes, coin=coin, venue=venue), "2025-10-10T20:45")
        if bars.num_rows:
            return bars, 60
    return bars, 60


def _interpolated(bars: pa.Table, length: int, times: np.ndarray) -> np.ndarray:
    """Log closes at these times [s since 1970]."""
    ends, close = pm.times_of(bars) + length, np.log(pm.column_of(bars, "close_usd"))
    order = np.argsort(ends, kind="stable")
    return np.interp(times, ends[order], close[order])


def _betas(source: Source, coins: tuple[str, ...]) -> dict[str, float]:
    """Regression of daily log returns on the mean of ETH's and SOL's, on the last 180 days of prices to May 2025."""
    daily = pm.bars(pm.read(source, "hyperliquid_daily_prices"), [*coins, "ETH", "SOL"], DAY, "date")
    returns = {coin: np.diff(np.log(bars.prices[3]))[-180:] for coin, bars in daily.items()}
    market = 0.5 * (returns["ETH"] + returns["SOL"])
    out = {}
    for coin, own in returns.items():
        both = market[-len(own):]
        some = np.isfinite(own) & np.isfinite(both)
        if some.sum() >= 60:
            out[coin] = float(np.sum(own[some] * both[some]) / np.sum(both[some] ** 2))
    return out


def depth(source: Source, means: pa.Table, order: np.ndarray) -> np.ndarray:
    """Depth within 1 % of Hyperliquid's books, one side [coins, USD].

    BTC, ETH and SOL (30k USD do not leave the best price there): Binance's depth within 1 %, the median of its last 60
    readings before 20:45, in proportion to the two venues' volumes. Others: 27k USD over the difference between the slippage of
    30k and 3k, read as a straight book; where that is not sensible, the value regressed on volume.
    """
    volume = pm.column_of(means, "volume_usd_m_per_day")
    rise = pm.column_of(means, "slippage_30k_usd_bps") - pm.column_of(means, "slippage_3k_usd_bps")
    sensible = (rise > 0.0) & (rise < NEAR_MID)
    straight = np.where(sensible, 27e3 * 100.0 / (2.0 * np.where(sensible, rise, 1.0)), np.nan)
    slope, level = np.polyfit(np.log(volume[sensible]), np.log(straight[sensible]), 1)
    out = np.where(sensible, straight, np.exp(level + slope * np.log(np.maximum(volume, 1e-3))))
    quotes = pm.before(pm.read(source, "binance_depth_4h"), "2025-10-10T20:45")
    contracts = pm.read(source, "contracts")
    for row in order:
        coin = means["coin"][int(row)].as_py()
        if coin in ("BTC", "ETH", "SOL"):
            mine = pm.of(quotes, coin=coin)
            sides = pm.column_of(mine, "bid_within_1pct_usd"), pm.column_of(mine, "ask_within_1pct_usd")
            traded = [float(np.nansum(pm.column_of(pm.of(contracts, coin=coin, venue=venue), "volume_usd_per_day")))
                      for venue in ("Hyperliquid", "Binance")]
            out[row] = float(np.median(0.5 * (sides[0] + sides[1])[-60:])) * traded[0] / traded[1]
    return np.asarray(out[order])


def depth_shape(source: Source) -> np.ndarray:
    """Depth within 1, 2, 3, 4, 5 % over that within 1 % [5]: Binance's BTC perp on the day to 15:20, median of both sides."""
    table = pm.before(pm.read(source, "binance_btc_depth"), "2025-10-10T20:45")
    sides = [np.array([pm.column_of(table, f"{side}_within_{k}pct_usd") for k in range(1, 6)]) for side in ("bid", "ask")]
    shape = np.median(np.concatenate([side / side[0] for side in sides], axis=1), axis=1)
    return np.maximum.accumulate(shape + 1e-6 * np.arange(5))

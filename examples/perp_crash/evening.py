"""The evening of 10 October 2025: the index of each coin from 20:45 to 22:00 UTC, and where it comes from.

Hyperliquid's own oracle is not public. What stands for it, coin by coin, the first that exists:
- `spot`: closes of 5 s bars, the last trade held: Coinbase, else Binance's spot, else Gemini (thin; its gaps in BTC above
  a minute are filled with Binance's coin-margined mark, 1 min closes);
- `perp`: Binance's USD-M perp, 5 min closes, whose falls that evening were several times those of spot: its log moves times
  a share, drawn from the shares measured on the coins that have both;
- `other`: no price at all: in each draw the path of a coin drawn at random from those of `spot` and `perp`, BTC, ETH aside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.ingest import perp_markets as pm
from delever.ingest.source import Source

START, END = pm.seconds("2025-10-10T20:45"), pm.seconds("2025-10-10T22:00")
STEP = 10  # s
VENUES = ("coinbase", "binance", "gemini")
LONG_GAP = 60  # s without a trade in BTC after which the mark stands in
MAJORS = ("BTC", "ETH")  # never stand for another coin


@dataclass(frozen=True)
class Evening:
    """Observed paths and what they are."""

    coins: tuple[str, ...]
    origin: dict[str, str]  # coin -> "spot coinbase", "perp binance", "other"
    log_move: np.ndarray  # [steps + 1, coins] log price less that of 20:45; NaN for "other"
    shares: np.ndarray  # [coins with both] spot's largest fall over the perp's, log over log

    def paths(self, random: np.random.Generator) -> np.ndarray:
        """Log moves of one draw [steps + 1, coins]: shares and stand-ins drawn."""
        out = self.log_move.copy()
        for c, coin in enumerate(self.coins):
            if self.origin[coin].startswith("perp"):
                out[:, c] *= random.choice(self.shares)
        standing_in = [c for c, coin in enumerate(self.coins) if self.origin[coin] != "other" and coin not in MAJORS]
        for c, coin in enumerate(self.coins):
            if self.origin[coin] == "other":
                out[:, c] = out[:, random.choice(standing_in)]
        return out


def read(source: Source, coins: tuple[str, ...]) -> Evening:
    """The evening of these coins."""
    times = np.arange(START, END + 1, STEP)
    fine, minutes = pm.read(source, "spot_5s"), pm.read(source, "spot_1m")
    perps, mark = pm.read(source, "binance_perp_5m"), pm.read(source, "binance_btc_mark_1m")
    known = set(zip(fine["venue"].to_pylist(), fine["coin"].to_pylist(), strict=True))
    perp_coins = set(perps["coin"].to_pylist())
    moves, origin, shares = [], {}, []
    for coin in dict.fromkeys([*coins, *sorted(perp_coins)]):
        venue = next((venue for venue in VENUES if (venue, coin) in known), None)
        spot = None if venue is None else _spot(fine, minutes, venue, coin, times)
        if spot is not None and coin == "BTC":
            spot = _filled(spot, fine, str(venue), mark, times)
        perp = _held(pm.of(perps, coin=coin), 300, times) if coin in perp_coins else None
        if spot is not None and perp is not None:
            shares.append((spot - spot[0]).min() / (perp - perp[0]).min())
        if coin in coins:
            origin[coin] = f"spot {venue}" if spot is not None else "perp binance" if perp is not None else "other"
            path = spot if spot is not None else perp if perp is not None else np.full(len(times), np.nan)
            moves.append(path - path[0])
    return Evening(coins, origin, np.column_stack(moves), np.clip(np.array(shares), 0.0, 1.0))


def _held(bars: pa.Table, length: int, times: np.ndarray) -> np.ndarray:
    """Log close of the last bar that has ended by each time [s since 1970]."""
    ends, close = pm.times_of(bars) + length, pm.column_of(bars, "close_usd")
    order = np.argsort(ends, kind="stable")
    at = np.searchsorted(ends[order], times, side="right") - 1
    return np.log(close[order][np.maximum(at, 0)])


def _spot(fine: pa.Table, minutes: pa.Table, venue: str, coin: str, times: np.ndarray) -> np.ndarray:
    """Before the first 5 s bar the minute bars hold."""
    bars = pm.of(fine, venue=venue, coin=coin)
    path, first = _held(bars, 5, times), pm.times_of(bars).min() + 5
    earlier = pm.of(minutes, venue=venue, coin=coin)
    if earlier.num_rows:
        path[times < first] = _held(earlier, 60, times[times < first])
    return path


def _filled(path: np.ndarray, fine: pa.Table, venue: str, mark: pa.Table, times: np.ndarray) -> np.ndarray:
    """Where the last trade is older than LONG_GAP the mark's moves carry on from it."""
    stamps = np.sort(pm.times_of(pm.of(fine, venue=venue, coin="BTC"))) + 5
    last = stamps[np.maximum(np.searchsorted(stamps, times, side="right") - 1, 0)]
    carried = path + _held(mark, 60, times) - _held(mark, 60, last)
    return np.where(times - last > LONG_GAP, carried, path)

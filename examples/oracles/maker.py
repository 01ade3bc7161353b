"""How far an `osm` feed is from Maker's own oracle, February and March 2020: ETH/USD, in basis points of what Maker's shows.

    DELEVER_DATA=... python examples/oracles/maker.py

    at its pokes     the price shown from a poke on, against the market at the poke before
    on time          half past each hour, what Maker's shows against what a feed does whose pokes come `first` past each hour
Nothing is fitted but `first`, the median minute of Maker's pokes on odd days; even days are scored in the second row.
"""

from __future__ import annotations

import csv
from datetime import datetime

import numpy as np
from rounds import MINUTE, even, folder, row

HOP = 3600.0  # [s]
CRASH = tuple(datetime.fromisoformat(day + "T00:00:00+00:00").timestamp() for day in ("2020-03-12", "2020-03-14"))


def read(name: str, time: str, price: str) -> np.ndarray:
    """Seconds since 1970 and USD [rows, 2]."""
    with (folder() / "maker_2020-03" / name).open(encoding="utf-8") as file:
        return np.array([[datetime.fromisoformat(line[time].replace("Z", "+00:00")).timestamp(), float(line[price])]
                         for line in csv.DictReader(file)])


def series() -> tuple[np.ndarray, np.ndarray]:
    """The market every five minutes, and Maker's price from each poke on."""
    return (read("eth_dai_usd_5m.csv", "datetime", "eth_usd"),
            read("osm_eth_usd.csv", "time_utc_interpolated", "osm_eth_usd"))


def at(table: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Prices in force."""
    return table[np.searchsorted(table[:, 0], time, side="right") - 1, 1]


def errors() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Times [s] and the feed's error [bp] of both comparisons."""
    market, shown = series()
    at_pokes = 1e4 * (at(market, shown[:-1, 0]) / shown[1:, 1] - 1.0)
    first = float(np.median(shown[~even(shown[:, 0]), 0] % HOP // MINUTE)) * MINUTE
    half = np.arange(shown[0, 0] // HOP + 3.0, shown[-1, 0] // HOP) * HOP + HOP / 2.0
    half = half[even(half)]
    on_time = 1e4 * (at(market, half - HOP / 2.0 + first - HOP) / at(shown, half) - 1.0)
    return {"at its pokes": (shown[1:, 0], at_pokes), f"on time, first: {first / MINUTE:.0f} min": (half, on_time)}


def tables() -> list[str]:
    """As docs/oracles.md has it."""
    out = [row("osm against Maker's", "when", "prices", "median error", "95 %"), row(*["---"] * 5)]
    for name, (time, error) in errors().items():
        crash = (time >= CRASH[0]) & (time < CRASH[1])
        for when, mine in (("outside 12-13 March", error[~crash]), ("12-13 March", error[crash])):
            out.append(row(name, when, f"{len(mine):,}", *(f"{np.quantile(np.abs(mine), q):.1f} bp" for q in (0.5, 0.95))))
    return out


if __name__ == "__main__":
    print("\n".join(tables()))

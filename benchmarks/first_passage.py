"""First passage judged: closed forms, with and without the correction for looking once a step, against the engine's own paths.

    python -m benchmarks.first_passage [--seeds 40] [--paths 4000] [--looks 12,48,288]

A loan, a short, a loan of one coin against another, a long and a short perp, at distances of 0.5 to 2.5 standard deviations of
a day. For each number of looks a day and each seed all are simulated, and it is counted how often the 95 % interval holds the
closed form; then means over all seeds are compared: probability, time if reached, delta, gamma, vega.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

import delever as dl
from delever import worlds
from delever.model.book import Book
from delever.model.world import World

ETH, BTC, VOLATILITY = 1000.0, 20_000.0, {"ETH": 0.8, "BTC": 0.6}
DAY, THRESHOLD = 1.0 / 365.0, 0.85
FAR = (0.5, 1.0, 1.5, 2.0, 2.5)  # standard deviations of a day
COMPARED = ("probability", "time_if_reached", "delta", "gamma", "vega")


def legs() -> Iterator[tuple[str, str, str, float]]:
    """(account, asset, side, amount) of loans."""
    for far in FAR:
        eth = math.exp(-far * VOLATILITY["ETH"] * math.sqrt(DAY))
        yield from ((f"loan {far:g}", "ETH", "collateral", 10.0), (f"loan {far:g}", "USD", "debt", 10.0 * ETH * THRESHOLD * eth))
        yield from ((f"short {far:g}", "USD", "collateral", 1e4), (f"short {far:g}", "ETH", "debt", 1e4 * THRESHOLD * eth / ETH))
        yield from ((f"ratio {far:g}", "BTC", "collateral", 1.0), (f"ratio {far:g}", "ETH", "debt", BTC / ETH * THRESHOLD * eth))


def world(looks: int, seed: int, paths: int) -> World:
    """So many looks a day."""
    account, asset, side, amount = zip(*legs(), strict=True)
    terms = {"liquidation_threshold": THRESHOLD, "incentive": 0.05}
    traders = [(f"{name} perp {far:g}", sign * 10.0,
                10.0 * ETH * (1.0 - math.exp(-sign * far * VOLATILITY["ETH"] * math.sqrt(DAY))) * sign + 200.0)
               for far in FAR for name, sign in (("long", 1.0), ("short", -1.0))]
    held = Book.from_table(pa.table({
        "account": [t[0] for t in traders], "instrument": ["ETH-PERP"] * len(traders), "size": [t[1] for t in traders],
        "entry_price": [ETH] * len(traders), "margin_mode": ["cross"] * len(traders), "collateral": [t[2] for t in traders]}),
        protocol="perps")
    return worlds.load({
        "name": "first passage", "as_of": "2024-01-01T00:00:00Z",
        "assets": {"ETH": {"price": ETH}, "BTC": {"price": BTC}, "ETH-PERP": {"perp": "ETH"}},
        "protocols": {"pool": {"rules": "aave.v3_0", "book": Book.from_table(pa.table(
            {"account": account, "asset": asset, "side": side, "amount": amount}), protocol="pool"),
            "parameters": dict.fromkeys(("ETH", "BTC", "USD"), terms)},
            "perps": {"rules": "hyperliquid", "book": held, "parameters": {"ETH-PERP": {"max_leverage": 25}}}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "scenario": {"horizon": 86_400, "step": 86_400 / looks, "paths": paths, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": VOLATILITY, "drift": {"ETH": 0.5},
                                "correlation": {"BTC/ETH": 0.6}}}})


def judge(looks: int, seeds: int, paths: int) -> None:
    """Print how often intervals hold, and how far means are apart."""
    told, always = (dl.first_passage(world(looks, 1, 1), continuous=one).accounts.to_pylist() for one in (False, True))
    inside, without, total = np.zeros(len(told)), np.zeros(len(told)), np.zeros((len(told), len(COMPARED)))
    counted = np.zeros(total.shape)
    for seed in range(1, seeds + 1):
        for i, row in enumerate(dl.first_passage(world(looks, seed, paths), simulate=True).accounts.to_pylist()):
            inside[i] += row["low"] <= told[i]["probability"] <= row["high"]
            without[i] += row["low"] <= always[i]["probability"] <= row["high"]
            values = np.array([np.nan if row[name] is None else row[name] for name in COMPARED])
            total[i] += np.nan_to_num(values)
            counted[i] += np.isfinite(values)
    print(f"{looks} looks a day, {seeds} x {paths:,} paths: the 95 % interval holds the corrected closed form in "
          f"{inside.sum() / (seeds * len(told)):.1%} of cases, the uncorrected in {without.sum() / (seeds * len(told)):.1%}")
    mean = total / np.maximum(counted, 1.0)
    for i, row in enumerate(told):
        print(f"  {row['account']:16s}", *(f"{name} {one(row[name])} ({one(mean[i, k])})" for k, name in enumerate(COMPARED)),
              f"inside {inside[i] / seeds:.0%}, uncorrected {without[i] / seeds:.0%}", sep="  ")


def one(value: Any) -> str:
    """Four digits."""
    return f"{value:.4g}"


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--paths", type=int, default=4000)
    parser.add_argument("--looks", default="12,48,288")
    asked = parser.parse_args()
    for looks in asked.looks.split(","):
        judge(int(looks), asked.seeds, asked.paths)


if __name__ == "__main__":
    main()

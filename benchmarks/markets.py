"""The speed law of isolated markets: three hundred of Morpho run at half the speed of one at least, with the same accounts.

    python -m benchmarks.markets [--many 300] [--accounts 20000] [--repeat 5] [--rate constant adaptive]

Loans of USD on ETH, dealt out over the markets, each of which has a borrow rate of its own, constant or of a curve that moves;
ETH falls on the crash day. CPU time of one chunk, one and many taken in turn; the ratio of medians is that of speeds.
`assemble_s` is what it costs to read and lay out the world.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.protocols import FALLS, seconds
from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.warm import every_kernel

LLTV = 0.86


def make_book(market: np.ndarray, debt: np.ndarray, health: np.ndarray) -> Book:
    """Loans with a column that says their market. All [accounts]; debt in USD."""
    who = pa.array([f"a{i:06d}" for i in range(len(debt))])
    legs = [pa.table({"market": [f"m{m:03d}" for m in market], "account": who, "asset": [asset] * len(debt),
                      "side": [side] * len(debt), "amount": amount})
            for asset, side, amount in (("ETH", "collateral", health * debt / LLTV / 2000.0), ("USD", "debt", debt))]
    return Book.from_table(pa.concat_tables(legs), protocol="morpho")


def make_world(rate: str, markets: int, accounts: int, day: str, paths: int, seed: int = 7) -> World:
    """One day of minutes; debts log-normal around 20,000 USD, health 1.01 + log-normal around 0.5 (assumptions)."""
    rng = np.random.default_rng(seed)
    debt, health = rng.lognormal(np.log(20_000.0), 1.5, accounts), 1.01 + rng.lognormal(np.log(0.5), 0.8, accounts)
    terms: dict[str, Any] = {"collateral": "ETH", "loan": "USD", "liquidation_threshold": LLTV, "oracle": "eth"}
    curve = {"rate": "adaptive", "cash": 1e7} if rate == "adaptive" else {}
    events = [{"at": "8 h", "over": "4 h", "kind": "price", "change": {"ETH": -FALLS[day]}}] if FALLS[day] else []
    return worlds.load({
        "name": day, "as_of": "2025-01-01T00:00:00Z", "assets": {"ETH": {"price": 2000.0}},
        "protocols": {"morpho": {
            "rules": "morpho.v1", "book": make_book(np.arange(accounts) % markets, debt, health),
            "markets": {f"m{m:03d}": terms | (curve or {"borrow_rate": 0.02 + 0.0001 * m}) for m in range(markets)}}},
        "feeds": {"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": 3600, "deviation": 0.005}},
        "venues": {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 1e5, "half_life": 3600}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "execution": {"mode": "batched"},
        "scenario": {"horizon": "24 h", "step": "1 min", "paths": paths, "seed": seed, "events": events,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.6}}},
    })


def measure(rate: str, many: int, accounts: int, day: str, paths: int, repeat: int) -> dict[str, Any]:
    """One and many in turn; medians."""
    models: dict[int, Model] = {}
    laid: dict[int, float] = {}
    for count in (1, many):
        begun = time.process_time()
        models[count] = assemble(make_world(rate, count, accounts, day, paths))
        laid[count] = time.process_time() - begun
        every_kernel(models[count])
    taken: dict[int, list[float]] = {count: [] for count in models}
    liquidations = {}
    for _ in range(repeat):
        for count, model in models.items():
            spent, liquidations[count] = seconds(model, paths)
            taken[count].append(spent)
    ns = {count: statistics.median(times) / paths / models[count].steps * 1e9 for count, times in taken.items()}
    return {"benchmark": "markets", "rate": rate, "day": day, "accounts": accounts, "paths": paths, "markets": many,
            "assemble_s": {count: round(spent, 1) for count, spent in laid.items()},
            "liquidations": {count: round(n, 1) for count, n in liquidations.items()},
            "ns_per_path_step": {count: round(value, 1) for count, value in ns.items()}, "speed": round(ns[1] / ns[many], 2)}


def main() -> None:
    """Print a JSON object a rate and day."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rate", nargs="+", choices=("constant", "adaptive"), default=["constant", "adaptive"])
    p.add_argument("--many", type=int, default=300)
    p.add_argument("--accounts", type=int, default=20_000)
    p.add_argument("--paths", type=int, nargs=2, default=[512, 64], help="of the quiet day, of the crash")
    p.add_argument("--repeat", type=int, default=5)
    a = p.parse_args()
    for rate in a.rate:
        for day, paths in zip(FALLS, a.paths, strict=True):
            print(json.dumps(measure(rate, a.many, a.accounts, day, paths, a.repeat)), flush=True)


if __name__ == "__main__":
    main()

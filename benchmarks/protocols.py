"""The speed laws of protocols: one hundred of one kind cost at most 1.5 times one, and five kinds three times, with the same
accounts in all.

    python -m benchmarks.protocols [--kind aave.v3_0] [--many 100] [--accounts 20000] [--repeat 5]
    python -m benchmarks.protocols --five

Loans of USD on ETH, dealt out over the protocols; ETH falls on the crash day. CPU time of one chunk, one and many taken in turn,
so that what else the machine does falls on both alike; the ratio of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.chunk import simulate
from delever.run.warm import every_kernel

FALLS = {"quiet": 0.0, "crash": 0.2}
TERMS = {"liquidation_threshold": 0.8, "incentive": 0.05, "borrow_rate": 0.04}
FIVE: dict[str, dict[str, Any]] = {
    "aave": {"rules": "aave.v3_0"},
    "compound": {"rules": "compound.v2"},
    "comet": {"rules": {"kind": "comet", "base": "USD", "store_front": 0.6, "target": "20m", "reserves": "2m"}},
    "euler": {"rules": {"kind": "euler", "version": "v2", "most_discount": 0.15}},
    "maker": {"rules": "clip.eth_a_2022_02"},
}


def make_book(name: str, mine: np.ndarray, debt: np.ndarray, health: np.ndarray) -> Book:
    """The loans of these accounts. debt: [accounts] USD; health: [accounts]."""
    who = pa.array([f"a{i:06d}" for i in mine])
    legs = [pa.table({"protocol": [name] * len(mine), "account": who, "asset": [asset] * len(mine), "side": [side] * len(mine),
                      "amount": amount})
            for asset, side, amount in (("ETH", "collateral", health[mine] * debt[mine] / 0.8 / 2000.0),
                                        ("USD", "debt", debt[mine]))]
    return Book.from_table(pa.concat_tables(legs))


def make_world(kinds: dict[str, dict[str, Any]], accounts: int, day: str, paths: int, seed: int = 7) -> World:
    """One day of minutes; debts log-normal around 20,000 USD, health 1.01 + log-normal around 0.5 (assumptions)."""
    rng = np.random.default_rng(seed)
    debt, health = rng.lognormal(np.log(20_000.0), 1.5, accounts), 1.01 + rng.lognormal(np.log(0.5), 0.8, accounts)
    events = [{"at": "8 h", "over": "4 h", "kind": "price", "change": {"ETH": -FALLS[day]}}] if FALLS[day] else []
    return worlds.load({
        "name": day, "as_of": "2025-01-01T00:00:00Z", "assets": {"ETH": {"price": 2000.0}},
        "protocols": {name: {"parameters": {"ETH": TERMS, "USD": TERMS},
                             "book": make_book(name, np.arange(i, accounts, len(kinds)), debt, health)} | rules
                      for i, (name, rules) in enumerate(kinds.items())},
        "feeds": {"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": 3600, "deviation": 0.005}},
        "oracles": {name: {"ETH": "eth"} for name in kinds},
        "venues": {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 1e5, "half_life": 3600}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "execution": {"mode": "batched"},
        "scenario": {"horizon": "24 h", "step": "1 min", "paths": paths, "seed": seed, "events": events,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.6}}},
    })


def seconds(model: Model, paths: int) -> tuple[float, float]:
    """(CPU time of a chunk of so many paths [s], liquidations a path)."""
    begun = time.process_time()
    table = simulate(model, 0, paths, []).paths
    spent = time.process_time() - begun
    return spent, sum(float(np.mean(table[name].to_numpy())) for name in table.column_names if name.startswith("liquidations."))


def alike(kind: str, count: int) -> dict[str, dict[str, Any]]:
    """So many protocols of a kind."""
    return {f"p{i:03d}": {"rules": kind} for i in range(count)}


def measure(kind: str, others: dict[str, dict[str, Any]], accounts: int, day: str, paths: int, repeat: int) -> dict[str, Any]:
    """One and many in turn; medians."""
    many = len(others)
    models = {len(kinds): assemble(make_world(kinds, accounts, day, paths)) for kinds in (alike(kind, 1), others)}
    for model in models.values():
        every_kernel(model)
    taken: dict[int, list[float]] = {count: [] for count in models}
    liquidations = {}
    for _ in range(repeat):
        for count, model in models.items():
            spent, liquidations[count] = seconds(model, paths)
            taken[count].append(spent)
    ns = {count: statistics.median(times) / paths / models[count].steps * 1e9 for count, times in taken.items()}
    return {"benchmark": "protocols", "kind": kind, "day": day, "accounts": accounts, "paths": paths, "protocols": many,
            "pairs": {count: len(model.index.falling) for count, model in models.items()},
            "liquidations": {count: round(n, 1) for count, n in liquidations.items()},
            "ns_per_path_step": {count: round(value, 1) for count, value in ns.items()}, "ratio": round(ns[many] / ns[1], 2)}


def main() -> None:
    """Print a JSON object a day."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--kind", default="aave.v3_0")
    p.add_argument("--many", type=int, default=100)
    p.add_argument("--five", action="store_true", help="five kinds instead of many of one")
    p.add_argument("--accounts", type=int, default=20_000)
    p.add_argument("--paths", type=int, nargs=2, default=[512, 64], help="of the quiet day, of the crash")
    p.add_argument("--repeat", type=int, default=5)
    a = p.parse_args()
    for day, paths in zip(FALLS, a.paths, strict=True):
        print(json.dumps(measure(a.kind, FIVE if a.five else alike(a.kind, a.many), a.accounts, day, paths,
                                 a.repeat)), flush=True)


if __name__ == "__main__":
    main()

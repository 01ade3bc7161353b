"""Reverse stress judged: how often the 95 % interval of a smallest shock contains the true one.

    python -m benchmarks.reverse_intervals [--repetitions 400] [--paths 20] [--share 0.5]

One loan on a volatile coin, called when it falls by 25 %. A shock at the start multiplies every price of a path, so that the
smallest shock of a path is 1 - 0.75 / (its lowest price / the first), and the true smallest shock for a share of paths is that
quantile over very many. Each repetition has a seed of its own.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.analysis.reverse import reverse
from delever.analysis.samples import run_model
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import assemble

PRICE, FALL, MANY = 2000.0, 0.25, 20_000  # USD; at which the loan is called; paths of the truth


def world_of(seed: int, paths: int) -> World:
    """The loan, under a seed."""
    terms = {"liquidation_threshold": 0.8, "incentive": 0.05}
    legs = pa.table({"account": ["a", "a"], "side": ["collateral", "debt"], "asset": ["ETH", "USDC"],
                     "amount": [10.0, 10.0 * 0.8 * PRICE * (1.0 - FALL)]})
    return worlds.load({
        "name": "loan", "as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": PRICE}, "USDC": {"price": 1}},
        "protocols": {"pool": {"rules": "aave.v3_0", "parameters": {"ETH": terms, "USDC": terms},
                               "book": Book.from_table(legs, protocol="pool")}},
        "venues": {"makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": 1e9}}, "networks": {},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "execution": {"mode": "batched"},
        "scenario": {"horizon": "24 h", "step": "1 h", "paths": paths, "seed": seed,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": "100 %"}}}})


def main() -> None:
    """Print how often the interval held the truth, and how wide it was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--paths", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.5)
    asked = parser.parse_args()
    lowest = 1.0 + np.asarray(run_model(assemble(world_of(10**6, MANY)), 0, MANY)["lowest.ETH/USD"])
    truth = float(np.quantile(1.0 - (1.0 - FALL) / lowest, asked.share))
    rows = [reverse(world_of(seed, asked.paths), "liquidations > 0.5", "shock ETH", asked.share, asked.paths).table.to_pylist()[0]
            for seed in range(asked.repetitions)]
    held = np.array([row["low"] <= truth <= row["high"] for row in rows])
    print(json.dumps({
        "repetitions": len(rows), "paths": asked.paths, "share": asked.share, "true_smallest_shock": truth,
        "mean_found": float(np.mean([row["size"] for row in rows])), "interval_holds_it": float(held.mean()),
        "mean_width": float(np.mean([row["high"] - row["low"] for row in rows]))}, indent=2))


if __name__ == "__main__":
    main()

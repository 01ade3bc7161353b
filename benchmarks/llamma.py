"""What LLAMMA costs: the same borrowers in the same world, in a fixed-spread lending protocol and in bands of LLAMMA.

    python -m benchmarks.llamma [--loans 1000] [--paths 512 128] [--repeat 5]

One day of minutes, quiet and with a fall of a quarter. CPU time of one chunk, the two taken in turn, so that what else the
machine does falls on both alike; speed is the ratio of medians, fixed spread over LLAMMA: 1 is as fast, 0.5 half the speed.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.in_turn import in_turn, means
from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import assemble

FALLS = {"quiet": 0.0, "crash": 0.25}
RULES = {"fixed spread": ("aave.v3_0", 0.86, 0.05), "llamma": ("llamma", 0.94, 0.0)}
MOST = {4: 0.87, 10: 0.85, 20: 0.81, 50: 0.7}  # share of its value that may be borrowed against, by bands
PRICE = 2000.0


def make_book(count: int, seed: int = 7) -> Book:
    """Sizes log-normal around 7 ETH, debts 20 to 97 % of what may be borrowed, most loans in 4 or 10 bands (assumptions)."""
    rng = np.random.default_rng(seed)
    held, bands = rng.lognormal(2.0, 1.3, count), rng.choice(list(MOST), count, p=[0.45, 0.45, 0.05, 0.05])
    owed = held * PRICE * np.array([MOST[int(n)] for n in bands]) * rng.uniform(0.2, 0.97, count)
    return Book.from_table(pa.concat_tables([pa.table({
        "protocol": ["lender"] * count, "account": [f"a{i:05d}" for i in range(count)], "asset": [asset] * count,
        "side": [side] * count, "amount": amount, "bands": bands.astype(np.int32)})
        for asset, side, amount in (("ETH", "collateral", held), ("USD", "debt", owed))]))


def make_world(kind: str, loans: int, day: str, paths: int) -> World:
    """One protocol of the kind, one venue, an average of the market as its oracle."""
    rules, threshold, incentive = RULES[kind]
    terms = {"ETH": {"liquidation_threshold": threshold, "incentive": incentive},
             "USD": {"liquidation_threshold": 0.8, "incentive": 0.05, "borrow_rate": 0.06}}
    events = [{"at": "8 h", "over": "4 h", "kind": "price", "change": {"ETH": -FALLS[day]}}] if FALLS[day] else []
    return worlds.load({
        "name": day, "as_of": "2024-01-12T00:00:00Z", "assets": {"ETH": {"price": PRICE}},
        "protocols": {"lender": {"rules": rules, "parameters": terms, "book": make_book(loans)}},
        "feeds": {"eth": {"kind": "ema", "of": "ETH/USD"}}, "oracles": {"lender": {"ETH": "eth"}},
        "venues": {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 2e5, "half_life": 1800}},
        "actors": {"liquidators": {"kind": "liquidators"}},
        "scenario": {"horizon": "24 h", "step": "1 min", "paths": paths, "seed": 7, "events": events,
                     "prices": {"kind": "lognormal", "volatility": {"ETH": 0.6}}}})


def measure(loans: int, day: str, paths: int, repeat: int) -> dict[str, Any]:
    """The two in turn."""
    ns, happened = in_turn({kind: assemble(make_world(kind, loans, day, paths)) for kind in RULES}, paths, repeat)
    return {"benchmark": "llamma", "day": day, "loans": loans, "paths": paths,
            "happened": {kind: means(table, "arbitrages.", "liquidations.", "soft_loans.") for kind, table in happened.items()},
            "ns_per_path_step": {kind: round(value, 1) for kind, value in ns.items()},
            "speed": round(ns["fixed spread"] / ns["llamma"], 2)}


def main() -> None:
    """Print a JSON object a day."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--loans", type=int, default=1000)
    p.add_argument("--paths", type=int, nargs=2, default=[512, 128], help="of the quiet day, of the crash")
    p.add_argument("--repeat", type=int, default=5)
    a = p.parse_args()
    for day, paths in zip(FALLS, a.paths, strict=True):
        print(json.dumps(measure(a.loans, day, paths, a.repeat)), flush=True)


if __name__ == "__main__":
    main()

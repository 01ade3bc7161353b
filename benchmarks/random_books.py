"""Branching ratios judged: random worlds in which the engine plays what delever.criticality says of them.

    python -m benchmarks.random_books [--worlds 200] [--first 0]

Loans whose liquidation prices lie at random in a fall of 45 %, evenly in its log (a Poisson process), on one or two protocols
that call a loan once and whole (one called in parts is called again further down, and n rises with the fall), sold on one venue
of the same depth at every price. The depth is such that n is the number drawn: in a third of the worlds below 0.75, in a third
above 1.25, in a third below 0.6 but for one stretch of 2 to 6 % where it is above 1.5. A shock falls on each; the engine (market
feeds, everybody called, sales of a block at once) says what is sold.

    subcritical     n < 0.8 at every level: all that a forced sale leads to should be n / (1 - n) of it on average, with n the
                    mean over all levels, whether the shock gets there or not
    supercritical   n > 1.2 across a band of 2 %: a shock to its middle should lower the price by more than the band beyond itself
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

import numpy as np
import pyarrow as pa

from delever import worlds
from delever.analysis import criticality, wall
from delever.model.book import Book
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.work import run_chunks

PRICE, DEEPEST = 2000.0, 0.6  # USD; log fall within which loans are liquidated: 45 %
LOANS, MEAN = 4000, 8.0  # loans of a book, coins of a loan
BAND, ABOVE, BELOW = 0.02, 1.2, 0.8  # levels are a band apart
LEVELS = "-30%..0%"
NORMAL = 1.96  # quantile of a 95 % interval


def draw(seed: int) -> tuple[World, float, float]:
    """(a world without its shock, the n it is drawn for, the shock)."""
    rng = np.random.default_rng(seed)
    even, lumpy = seed % 3 == 0, seed % 3 == 2
    n = rng.uniform(0.2, 0.75) if even else rng.uniform(0.2, 0.6) if lumpy else rng.uniform(1.25, 2.0)
    loans = int(rng.poisson(LOANS))
    threshold, incentive = rng.uniform(0.6, 0.85), rng.uniform(0.02, 0.12)
    falls = rng.uniform(0.0, DEEPEST, loans)
    if lumpy:
        start, wide, more = rng.uniform(0.0, 0.2), rng.uniform(BAND, 3.0 * BAND), rng.uniform(1.5, 2.5) / n - 1.0
        falls = np.append(falls, start + rng.uniform(0.0, wide, int(rng.poisson(LOANS * more * wide / DEEPEST))))
    coins = rng.gamma(4.0, MEAN / 4.0, len(falls))
    debts = coins * threshold * PRICE * np.exp(-falls)
    names = ["one", "two"][: rng.integers(1, 3)]
    of = rng.integers(0, len(names), len(falls))
    depth = LOANS / DEEPEST * MEAN * threshold * (1.0 + incentive) / n  # units of ETH that lower the log price by 1
    terms = {"liquidation_threshold": threshold, "incentive": incentive}
    return worlds.load({
        "name": f"random {seed}", "as_of": "2024-01-01T00:00:00Z",
        "assets": {"ETH": {"price": PRICE}, "USDC": {"price": 1.0}},
        "protocols": {name: {"rules": {"kind": "fixed_spread", "close_factor": 1.0}, "parameters": {"ETH": terms, "USDC": terms},
                             "book": book(name, coins[of == i], debts[of == i])} for i, name in enumerate(names)},
        "venues": {"makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": depth}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "execution": {"mode": "batched", "rounds": 2000},
        "scenario": {"horizon": "1 min", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}},
    }), n, -float(rng.uniform(0.01, 0.05))


def book(name: str, coins: np.ndarray, debts: np.ndarray) -> Book:
    """Loans of USDC on ETH."""
    count = len(coins)
    return Book.from_table(pa.table({
        "account": [f"a{i:05d}" for i in range(count)] * 2, "side": ["collateral"] * count + ["debt"] * count,
        "asset": ["ETH"] * count + ["USDC"] * count, "amount": [*coins, *debts]}), protocol=name)


def played(world: World, shock: float) -> tuple[float, float]:
    """What the engine makes of a shock: (units sold by force, how far the price fell of itself, share)."""
    model = assemble(world.replace("scenario.events", [{"at": 0, "kind": "price", "change": {"ETH": shock}}]))
    paths = run_chunks(model, [(0, 1)], 1)[0].paths
    lowest = float(paths["lowest.ETH/USD"][0].as_py())  # share, from the start
    return float(paths["forced_sales.ETH"][0].as_py()), 1.0 - (1.0 + lowest) / (1.0 + shock)


def judged(seed: int) -> dict[str, Any]:
    """One world: what was foretold, what came."""
    world, drawn, shock = draw(seed)
    ratios = np.array(criticality(world, "ETH", LEVELS, BAND).levels["n"].to_pylist()[:-1])
    row: dict[str, Any] = {"seed": seed, "drawn": drawn, "n": float(ratios.mean()), "lowest": float(ratios.min()),
                           "highest": float(ratios.max())}
    if row["highest"] < BELOW:
        sold, _ = played(world, shock)
        due = sum(wall(world, "ETH", shock).table["liquidatable_collateral"].to_pylist())
        row |= {"due": due, "offspring": sold - due}
    elif row["highest"] > ABOVE:
        row["fell"] = played(world, -BAND * (int(np.argmax(ratios > ABOVE)) + 0.5))[1]
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Offspring of the subcritical against n / (1 - n), all sales of all worlds counted alike; falls of the supercritical."""
    calm, wild = [row for row in rows if "due" in row], [row["fell"] for row in rows if "fell" in row]
    n, due, came = (np.array([row[name] for row in calm]) for name in ("n", "due", "offspring"))
    found: dict[str, Any] = {"worlds": len(rows)}
    if len(calm) > 1:
        share, foretold = due / due.sum(), n / (1.0 - n)
        gap = share * (came / due - foretold) * len(calm)  # whose mean is the difference of the means
        found["subcritical"] = {
            "worlds": len(calm), "offspring": round(float(came.sum() / due.sum()), 4),
            "foretold": round(float(share @ foretold), 4), "difference": round(float(gap.mean()), 4),
            "interval": round(float(NORMAL * gap.std(ddof=1) / np.sqrt(len(gap))), 4)}
    if wild:
        found["supercritical"] = {"worlds": len(wild), "band": BAND, "median_fall": round(statistics.median(wild), 4),
                                  "beyond_the_band": sum(fell > BAND for fell in wild)}
    return found


def main() -> None:
    """Print a line a world and the summary, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    a = parser.parse_args()
    rows = [judged(seed) for seed in range(a.first, a.first + a.worlds)]
    print("\n".join(map(json.dumps, [*rows, summary(rows)])))


if __name__ == "__main__":
    main()

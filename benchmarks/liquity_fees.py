"""The fee of Liquity's redemptions against the 419 of April to September 2021: each foretold from those before it.

    python -m benchmarks.liquity_fees [--data FOLDER]

    fee ahead     base rate of the last fee, decayed by the minutes since, + LUSD redeemed / (beta x supply), + floor
    supply        is not in the data: the median of what the last nine fees that rose by more than a basis point imply, each
                  LUSD / (beta x rise); nothing is foretold before there are nine

Nothing after a redemption is used for its fee, but for how far it is off. Half-lives other than the contract's 12 h say whether
the data could tell: the best of a grid, and its 95 % interval over days drawn with replacement. Beside them what knows no rules:
the fee before, and the floor.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from delever.protocols.liquity import Liquity
from delever.protocols.liquity_formulas import decayed, redemption_fee

TERMS = Liquity()
GRID = np.arange(6.0, 24.5, 0.5)  # half-lives [h]
ROSE, LAST = 1e-4, 9  # rise of the base rate that says something of the supply; how many of them count
DRAWS, DAY = 2000, 86_400
POINT = 1e-4  # a basis point


class Redemption(NamedTuple):
    """One, as it was."""

    at: float  # [s]
    lusd: float
    fee: float  # share of the collateral


def read(folder: Path) -> list[Redemption]:
    """In their order."""
    with (folder / "liquity_redemptions" / "redemptions_2021-04_2021-09.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [Redemption(float(row["timestamp"]), float(row["lusd_redeemed_approx"]), float(row["ethFee"]) / float(row["ethSent"]))
            for row in rows]


def ahead(rows: list[Redemption], half_life: float) -> np.ndarray:
    """The fee of each redemption, foretold from those before; nan where nothing is. half_life: [h]. Returns [rows]."""
    implied: list[float] = []
    out = np.full(len(rows), np.nan)
    for i in range(1, len(rows)):
        before, now = rows[i - 1], rows[i]
        base = decayed(max(before.fee - TERMS.fee_floor, 0.0), now.at - before.at, half_life * 3600.0)
        if len(implied) >= LAST:
            base_then = base + now.lusd / (TERMS.beta * statistics.median(implied[-LAST:]))
            out[i] = redemption_fee(base_then, TERMS.fee_floor)
        rise = now.fee - TERMS.fee_floor - base
        if rise > ROSE:
            implied.append(now.lusd / (TERMS.beta * rise))
    return out


def off(rows: list[Redemption], foretold: np.ndarray) -> np.ndarray:
    """By how much, without sign [basis points]."""
    return np.abs(foretold - np.array([row.fee for row in rows])) / POINT


def best(rows: list[Redemption], errors: np.ndarray) -> tuple[float, float, float]:
    """(half-life of the least mean error, the ends of its 95 % interval) [h]. errors: [half-lives, rows that all foretell]."""
    days = np.array([row.at for row in rows]) // DAY
    days = np.unique(days, return_inverse=True)[1].ravel()
    sums = np.array([np.bincount(days, row) for row in errors])  # [half-lives, days]
    drawn = np.random.default_rng(0).integers(0, sums.shape[1], (DRAWS, sums.shape[1]))
    ends = np.quantile(GRID[sums[:, drawn].sum(2).argmin(0)], [0.025, 0.975])
    return float(GRID[errors.sum(1).argmin()]), float(ends[0]), float(ends[1])


def judge(rows: list[Redemption]) -> dict[str, Any]:
    """Every figure; errors in basis points, of the redemptions that all half-lives foretell."""
    foretold = {half_life: ahead(rows, half_life) for half_life in GRID}
    errors = np.array([off(rows, found) for found in foretold.values()])
    known = np.isfinite(errors).all(0)
    errors, some = errors[:, known], [row for row, one in zip(rows, known, strict=True) if one]
    fees = np.array([row.fee for row in rows])
    rules = errors[int(np.flatnonzero(TERMS.half_life / 3600.0 == GRID)[0])]
    before, floor = (off(rows, other)[known] for other in (np.append(np.nan, fees[:-1]), np.full(len(rows), TERMS.fee_floor)))
    half_life, low, high = best(some, errors)
    return {"redemptions": len(rows), "foretold": len(some), "fees_bp": [float(fees.min() / POINT), float(fees.max() / POINT)],
            "rules": {"mean": float(rules.mean()), "median": float(np.median(rules)), "95th": float(np.quantile(rules, 0.95))},
            "fee_before": float(before.mean()), "floor": float(floor.mean()),
            "half_life_h": {"best": half_life, "from": low, "to": high}}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DELEVER_DATA", ".")), help="folder of data sets")
    print(json.dumps(judge(read(parser.parse_args().data)), indent=2))


if __name__ == "__main__":
    main()

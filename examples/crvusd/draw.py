"""Draws loans.csv: forty loans, some of them close to what they may borrow.

    python examples/crvusd/draw.py

Sizes are log-normal around 10 ETH, bands 4, 10 or 50, debts 30 to 97 % of what the collateral may borrow (assumptions).
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PRICE, LOANS = 2350.60, 40
MOST = {4: 0.88, 10: 0.85, 50: 0.7}  # share of its value that a collateral may borrow, by bands


def rows(seed: int = 20240102) -> list[tuple[str, str, str, float, int]]:
    """(account, asset, side, amount, bands) of each leg."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(LOANS):
        held, bands = round(float(rng.lognormal(2.3, 1.0)), 4), int(rng.choice(list(MOST), p=[0.45, 0.45, 0.1]))
        owed = round(held * PRICE * MOST[bands] * float(rng.uniform(0.3, 0.97)), 2)
        out += [(f"loan{i:02d}", "ETH", "collateral", held, bands), (f"loan{i:02d}", "crvUSD", "debt", owed, bands)]
    return out


if __name__ == "__main__":
    with (HERE / "loans.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("account", "asset", "side", "amount", "bands"))
        writer.writerows(rows())

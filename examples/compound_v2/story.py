"""The figures of this example's README: the book, its walls, and what a fall of 40 % leaves.

    DELEVER_DATA=... python examples/compound_v2/story.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

import delever as dl

HERE = Path(__file__).resolve().parent
FALLS = (-0.1, -0.2, -0.3, -0.4, -0.5, -0.6)
COINS = ("ETH", "WBTC", "BAT", "UNI", "COMP", "LINK", "AAVE", "SUSHI", "YFI", "ZRX", "WBTC_old", "REP")
DECIDED: dict[str, dict[str, Any]] = {  # one setting at a time
    "as it is": {},
    "liquidators always act": {"actors.liquidators.rule": "always"},
    "room for 5 calls a block": {"networks.ethereum.room": 5},
    "the market is the oracle": {"oracles": {}, "feeds": {}},
    "a close factor of 100 %": {"protocols.compound.rules.close_factor": 1.0},
    "no outside buyer": {"venues.weth_usd.half_life": None, "venues.wbtc_usd.half_life": None},
}


def wall(world: dl.World, fall: float) -> dict[str, float]:
    """What a fall of every coin reaches [USD]: debt of accounts below health 1, and what one call each may repay of it."""
    found = dl.wall(world, None, ", ".join(f"{coin} {fall:.0%}" for coin in COINS))
    return {"accounts": float(len(set(found.accounts["account"].to_pylist()))),
            **{name: float(pc.sum(found.table[name]).as_py()) for name in ("eligible_debt_usd", "liquidatable_debt_usd")}}


def stress(world: dl.World, fields: dict[str, Any] | None = None) -> dict[str, float]:
    """Means over the paths of one stress test."""
    for path, value in (fields or {}).items():
        world = world.replace(path, value)
    paths = dl.stress(world, keep=False).paths
    names = {"accounts": "accounts_liquidated.compound", "calls": "liquidations.compound", "bad debt": "bad_debt.compound",
             "shortfall": "shortfall.compound", "forced ETH": "forced_sales.ETH", "forced WBTC": "forced_sales.WBTC",
             "lowest ETH": "lowest.ETH/USD"}
    return {**{name: float(np.mean(paths[column].to_numpy())) for name, column in names.items()},
            "residual": max(float(np.max(paths[name].to_numpy())) for name in paths.column_names if name.startswith("residual."))}


def main() -> None:
    """Print both tables."""
    world = dl.load(HERE)
    print("| every coin falls by | accounts below health 1 | their debt | of it one call each may repay |\n|---|---|---|---|")
    for fall in FALLS:
        row = wall(world, fall)
        print(f"| {-fall:.0%} | {row['accounts']:,.0f} | {row['eligible_debt_usd'] / 1e6:,.2f} m USD | "
              f"{row['liquidatable_debt_usd'] / 1e6:,.2f} m USD |")
    print("\n| -40 % in two hours | accounts liquidated | calls | forced sales of ETH | of WBTC | lowest ETH, of start | "
          "bad debt | shortfall |\n|---|---|---|---|---|---|---|---|")
    for name, fields in DECIDED.items():
        row = stress(world, fields)
        print(f"| {name} | {row['accounts']:,.0f} | {row['calls']:,.0f} | {row['forced ETH']:,.0f} | {row['forced WBTC']:,.0f} | "
              f"{1 + row['lowest ETH']:.3f} | {row['bad debt'] / 1e6:,.3f} m USD | {row['shortfall'] / 1e6:,.3f} m USD |")


if __name__ == "__main__":
    main()

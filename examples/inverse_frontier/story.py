"""The figures of this example's README: where the bad debt is, what a fall adds to it.

    DELEVER_DATA=... python examples/inverse_frontier/story.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

import delever as dl
from delever.analysis.valuation import legs_of
from delever.model.asset import price_usd
from delever.run.assemble import assemble

HERE = Path(__file__).resolve().parent
COINS = ("ETH", "WBTC", "m03", "m04", "m05", "m06", "m08", "m09")  # what is no dollar and is held or owed
FALLS = (-0.1, -0.2, -0.3, -0.4, -0.5, -0.6)
LARGE = 1e6  # USD owed beyond all collateral
DECIDED: dict[str, dict[str, Any]] = {
    "as it is": {}, "a close factor of 100 %": {"protocols.frontier.rules.close_factor": 1.0},
    "an incentive of 20 %": {"protocols.frontier.parameters.ETH.incentive": 0.2,
                             "protocols.frontier.parameters.WBTC.incentive": 0.2},
}


def accounts(world: dl.World, move: float = 0.0) -> dict[str, list[float]]:
    """Account -> [collateral, backing, debt], USD, if every coin of COINS moves so."""
    terms, found = world.protocols["frontier"].parameters, {}
    price = {name: price_usd(name, world.assets) * (1.0 + move * (asset.peg in COINS or name in COINS))
             for name, asset in world.assets.items()}
    for leg in assemble(world).positions.book.legs.to_pylist():
        row, value = found.setdefault(leg["account"], [0.0, 0.0, 0.0]), leg["amount"] * price[leg["asset"]]
        if leg["side"] == "debt":
            row[2] += value
        else:
            row[0] += value
            row[1] += value * terms[leg["asset"]].liquidation_threshold
    return found


def state(world: dl.World, move: float) -> dict[str, float]:
    """Accounts below 1 and what they owe, those that owe more than they hold, and the bad debt [USD]."""
    rows = list(accounts(world, move).values())
    short = [debt - held for held, _, debt in rows if debt > held]
    return {"owed": sum(debt for _, _, debt in rows), "held": sum(held for held, _, _ in rows),
            "below 1": sum(debt > backing for _, backing, debt in rows),
            "their debt": sum(debt for _, backing, debt in rows if debt > backing),
            "insolvent": len(short), "bad debt": sum(short), "large": sum(short_ > LARGE for short_ in short),
            "of the large": sum(short_ for short_ in short if short_ > LARGE)}


def callable_debt(world: dl.World, move: float) -> float:
    """Debt that one call each may repay after the fall [USD]."""
    found = dl.wall(world, None, ", ".join(f"{coin} {move:.0%}" for coin in COINS))
    return float(pc.sum(found.table["liquidatable_debt_usd"]).as_py())


def stress(world: dl.World, fields: dict[str, Any] | None = None) -> dict[str, float]:
    """Means over the paths of one stress test."""
    for path, value in (fields or {}).items():
        world = world.replace(path, value)
    paths = dl.stress(world, keep=False).paths
    names = {"accounts": "accounts_liquidated.frontier", "calls": "liquidations.frontier", "bad debt": "bad_debt.frontier",
             "shortfall": "shortfall.frontier", "ETH": "forced_sales.ETH", "WBTC": "forced_sales.WBTC"}
    return {**{name: float(np.mean(paths[column].to_numpy())) for name, column in names.items()},
            "residual": max(float(np.max(paths[name].to_numpy())) for name in paths.column_names if name.startswith("residual."))}


def main() -> None:
    """Print the tables."""
    world = dl.load(HERE)
    now = state(world, 0.0)
    print(f"{legs_of(assemble(world)).accounts} accounts hold {now['held'] / 1e6:.2f} m USD and owe "
          f"{now['owed'] / 1e6:.2f} m USD; "
          f"{now['insolvent']} owe more than they hold, by {now['bad debt'] / 1e6:.3f} m USD, of which {now['large']} owe "
          f"{now['of the large'] / 1e6:.3f} m USD.\n")
    print("| every coin falls by | below health 1 | their debt | of it one call each may repay | owe more than they hold | "
          "bad debt |")
    print("|---|---|---|---|---|---|")
    for move in (0.0, *FALLS):
        row, called = state(world, move), callable_debt(world, move) if move else float("nan")
        print(f"| {abs(move):.0%} | {row['below 1']} | {row['their debt'] / 1e6:.3f} m USD | "
              + ("" if move == 0.0 else f"{called / 1e6:.3f} m USD")
              + f" | {row['insolvent']} | {row['bad debt'] / 1e6:.3f} m USD |")
    print("\n| -40 % in an hour | accounts liquidated | calls | forced sales of ETH | of WBTC | bad debt | shortfall |")
    print("|---|---|---|---|---|---|---|")
    for name, fields in DECIDED.items():
        row = stress(world, fields)
        print(f"| {name} | {row['accounts']:,.1f} | {row['calls']:,.1f} | {row['ETH']:,.1f} | {row['WBTC']:,.2f} | "
              f"{row['bad debt'] / 1e6:,.3f} m USD | {row['shortfall'] / 1e6:,.3f} m USD |")


if __name__ == "__main__":
    main()

"""What peg keepers and the rate do for crvUSD's price: the world of peg.yaml without them, with each, on the same draws.

    python examples/crvusd/peg.py

How far crvUSD trades from one dollar in the first pool over a day in which it is bought and then sold, and what that costs whom.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import delever as dl

HERE = Path(__file__).resolve().parent
PATHS = 8
KEEPERS = ("keeper_usdc", "keeper_usdt")
FLAT: dict[str, Any] = {"protocols.crvusd.rates": {}, "protocols.crvusd.parameters.crvUSD.borrow_rate": 0.1}
NOBODY: dict[str, Any] = {f"actors.{name}": None for name in KEEPERS}
FIRST: dict[str, Any] = {f"actors.{name}.{field}": value for name in KEEPERS for field, value in (
    ("alpha", 1.0), ("beta", 0.0), ("deviation", None), ("worst", None))}
CASES: dict[str, dict[str, Any]] = {
    "no keepers, 10 % a year": FLAT | NOBODY,
    "no keepers, rate by the peg": NOBODY | {"protocols.crvusd.rates.crvUSD.keepers": []},
    "keepers, rate by the peg": {},
    "keepers of the first version": FIRST,
}


def figures(changes: dict[str, Any], paths: int = PATHS) -> dict[str, float]:
    """Means over paths: price of crvUSD in the pool `usdc`, keepers' units and profit, rate a year."""
    world = dl.load(HERE / "peg.yaml", set={"scenario.paths": paths})
    for path, value in sorted(changes.items(), reverse=True):  # a rate's keepers before the keepers
        world = world.replace(path, value)
    run = dl.stress(world, keep=False, trace=list(range(paths)))
    price = run.trace["price.crvUSD/USD"].to_numpy().reshape(paths, -1)
    table = run.paths

    def mean(prefix: str) -> float:
        found = [table[name].to_numpy() for name in table.column_names if name.startswith(prefix)]
        return float(np.mean(np.sum(found, axis=0))) if found else 0.0

    return {"highest price": float(price.max(axis=1).mean()), "lowest price": float(price.min(axis=1).mean()),
            "minutes more than 0.1 % off": float((abs(price - 1.0) > 1e-3).sum(axis=1).mean()),
            "minted": mean("keeper_minted"), "burned": mean("keeper_burned"),
            "keepers' profit": mean("keeper_profit"), "callers' share": mean("keeper_callers"),
            "rate at the end": mean("borrow_rate") or 0.1, "highest rate": mean("highest_borrow_rate") or 0.1}


def shown(name: str, value: float) -> str:
    """As the table has it."""
    return f"{value:.4f}" if "price" in name else f"{value:.2%}" if "rate" in name else f"{value:,.0f}"


def main() -> None:
    """Print a table."""
    found = {name: figures(changes) for name, changes in CASES.items()}
    print("| |", " | ".join(found), "|")
    print("|---|" + "---|" * len(found))
    for name in next(iter(found.values())):
        print(f"| {name} |", " | ".join(shown(name, one[name]) for one in found.values()), "|")


if __name__ == "__main__":
    main()

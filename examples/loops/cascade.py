"""What loops do to a cascade: the same equity wound up by more and more rounds, a sale of a third of the pool, on the same draws.

    python examples/loops/cascade.py

Each row enters forty positions at the venues of world.yaml (`dl.loop`), puts them into its book and runs it: with owners who
stay, and with owners who leave below a health factor of 1.03, round by round or by flash.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

import delever as dl

HERE = Path(__file__).resolve().parent
ROUNDS, ACCOUNTS, EQUITY, LTV = (4, 8, 12, 20), 40, 50.0, 0.92  # equity: stETH of each account
LEAVE = {"kind": "recursive", "protocol": "aave", "collateral": "stETH", "debt": "ETH", "low": 1.03, "slippage": 0.002}


def wound_up(world: dl.World, rounds: int) -> tuple[Any, dl.World]:
    """A position of so many rounds, and the world with forty of it in its book."""
    loop = dl.loop(world, "aave", "stETH", "ETH", EQUITY, rounds, LTV)
    base = pyarrow.csv.read_csv(HERE / "book.csv")
    legs = pa.concat_tables([base, loop.legs(ACCOUNTS)], promote_options="permissive")
    return loop, world.replace("protocols.aave.book", dl.Book.from_table(legs, protocol="aave"))


def figures(rounds: int, owners: str, paths: int | None = None) -> dict[str, float]:
    """What comes of it; owners: stay, rounds, flash."""
    loop, world = wound_up(dl.load(HERE), rounds)
    if owners != "stay":
        world = world.replace("actors.owners", LEAVE | {"by": owners})
    if paths is not None:
        world = world.replace("scenario.paths", paths)
    run = dl.stress(world, keep=False)

    def mean(name: str) -> float:
        return float(np.mean(run.paths[name].to_numpy())) if name in run.paths.column_names else 0.0

    return {"leverage": loop.leverage, "called from": loop.called, "lost beyond": loop.lost, "entry cost": loop.entry_cost,
            "lowest price": 1.0 + mean("lowest.stETH/ETH"), "accounts called": mean("accounts_liquidated.aave"),
            "seized (m USD)": mean("seized_collateral.aave") / 1e6, "left (m USD)": mean("unwound.owners") / 1e6,
            "bad debt (k USD)": mean("bad_debt.aave") / 1e3}


def shown(name: str, value: float) -> str:
    """As the table has it."""
    if name in ("called from", "lost beyond", "entry cost"):
        return f"{value:.2%}"
    return f"{value:.4f}" if name == "lowest price" else f"{value:.1f}"


def main() -> None:
    """Print a table."""
    first = True
    for rounds in ROUNDS:
        for owners in ("stay", "rounds", "flash"):
            found = figures(rounds, owners)
            if first:
                print("| rounds | owners |", " | ".join(found), "|")
                print("|---|---|" + "---|" * len(found))
                first = False
            print(f"| {rounds} | {owners} |", " | ".join(shown(name, value) for name, value in found.items()), "|", flush=True)


if __name__ == "__main__":
    main()

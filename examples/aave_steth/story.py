"""The figures of this example's README: what a large holder's exit does to everyone else's loans.

    DELEVER_DATA=... python examples/aave_steth/story.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import delever as dl

HERE = Path(__file__).resolve().parent
SIZES = (25_000, 50_000, 100_000, 150_000)
PATHS = 20  # of the realistic world
DECIDED_AT = 100_000  # stETH: where the two worlds part
OF_WORLD: dict[str, dict[str, Any]] = {  # what decides: one setting of the realistic world at a time
    "as it is": {},
    "the pool is the oracle": {"feeds.steth_eth": {"kind": "market", "of": "stETH/ETH"}},
    "no outside buyer": {"venues.curve.half_life": None},
    "an outside buyer with a half-life of 1 h": {"venues.curve.half_life": "1 h"},
    "liquidators always act": {"actors.liquidators.rule": "always"},
    "batched execution": {"execution.mode": "batched"},
    "nobody tops up": {"borrowers": None},
    "remainder collateral moves with ETH": {
        "assets.rest_collateral": {"peg": "ETH", "ratio": 1 / 1719.57, "seizable": False}},
}
OF_SPIRAL: dict[str, dict[str, Any]] = {  # ... and of the textbook
    "as it is": {},
    "a late feed: 0.5 % or 24 h": {
        "feeds.steth_eth": {"kind": "push", "of": "stETH/ETH", "heartbeat": "24 h", "deviation": "0.5 %"}},
    "an outside buyer with a half-life of 16 h": {"venues.curve.half_life": "16 h"},
    "an outside buyer with a half-life of 1 h": {"venues.curve.half_life": "1 h"},
    "liquidators act only if it pays": {"actors.liquidators.rule": "profitable"},
    "sequential execution": {"execution.mode": "sequential"},
}


def effect(world: Any, size: int) -> dict[str, float]:
    """One exit: forced sales of stETH it sets off, deepest price, bad debt; means over paths."""
    if size:
        world = world.replace("scenario.events", ({"at": 0.0, "kind": "order", "order": f"sell {size} stETH"},))
    run = dl.stress(world, keep=False)

    def mean(name: str) -> float:
        return float(np.mean(run.paths[name].to_numpy()))

    def total(name: str) -> float:
        return sum(mean(column) for column in run.paths.column_names if column.startswith(name + "."))

    return {"forced": mean("forced_sales.stETH"), "price": 1.0 + mean("lowest.stETH/ETH"), "bad": total("bad_debt"),
            "shortfall": total("shortfall"), "accounts": total("accounts_liquidated"),
            "profit": mean("liquidator_profit"), "cascade": mean("cascade_length")}


def changed(world: Any, fields: dict[str, Any]) -> Any:
    """The world with some fields replaced."""
    for path, value in fields.items():
        world = world.replace(path, value)
    return world


def table(title: str, rows: dict[str, dict[str, float]]) -> None:
    """One Markdown table."""
    print(f"\n### {title}\n")
    print("| exit | forced sales | accounts liquidated | lowest stETH/ETH, of start | bad debt | shortfall | longest cascade |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['forced']:,.0f} stETH | {row['accounts']:,.1f} | {row['price']:.4f} | "
              f"{row['bad'] / 1e6:,.2f} m USD | {row['shortfall'] / 1e6:,.2f} m USD | {row['cascade']:,.0f} blocks |")


def main() -> None:
    """Print every table of the README."""
    spiral = dl.load(HERE / "spiral.yaml")
    real = dl.load(HERE).replace("scenario.paths", PATHS)
    for title, world in (("Textbook: spiral.yaml", spiral), (f"As the data allow: world.yaml, {PATHS} paths", real)):
        table(title, {f"{size:,} stETH" if size else "none": effect(world, size) for size in (0, *SIZES)})
    for title, start, changes in (("world.yaml", real, OF_WORLD), ("spiral.yaml", spiral, OF_SPIRAL)):
        table(f"What decides: {title} with one setting changed, {DECIDED_AT:,} stETH",
              {name: effect(changed(start, fields), DECIDED_AT) for name, fields in changes.items()})
    print("\n### How large an exit may be\n")
    for name, world in (("spiral.yaml", spiral), ("world.yaml", real)):
        found = dl.find_critical(world, "sell N stETH")
        for key in ("runaway", "bad_debt"):
            size = found[key]
            print(f"- {name}, {key}: " + (f"{size:,.0f} stETH" if size is not None else
                                          f"not up to {found['largest_tried']:,.0f} stETH"))


if __name__ == "__main__":
    main()

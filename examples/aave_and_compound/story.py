"""The figures of this example's README: an exit from stETH and a fall of ether, in each protocol alone and in one world.

    DELEVER_DATA=... python examples/aave_and_compound/story.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import delever as dl

HERE = Path(__file__).resolve().parent
FALL = dict.fromkeys(("ETH", "WBTC", "BAT", "UNI", "COMP", "LINK", "AAVE"), -0.35)
EVENTS: dict[str, tuple[dict[str, Any], ...]] = {
    "an exit of 100,000 stETH": ({"at": 0.0, "kind": "order", "order": "sell 100000 stETH"},),
    "ether and the like fall by 35 % in an hour": ({"at": 0.0, "over": "1 h", "kind": "price", "change": FALL},),
}
ALONE = {"both": (), "Aave alone": ("compound",), "Compound alone": ("aave_v2", "aave_v3")}


def world(missing: tuple[str, ...], events: tuple[dict[str, Any], ...]) -> dl.World:
    """The world without the positions of some protocols, with these events."""
    made = dl.load(HERE).replace("scenario.horizon", "2 h").replace("scenario.events", events)
    for where in ("oracles", "inputs", "ages", "protocols"):
        kept = {name: value for name, value in getattr(made, where).items() if name.removeprefix("book:") not in missing}
        made = made.model_copy(update={where: kept})
    return made


def effect(made: dl.World) -> dict[str, float]:
    """Means over paths."""
    paths = dl.stress(made, keep=False).paths

    def total(prefix: str) -> float:
        return sum(float(np.mean(paths[name].to_numpy())) for name in paths.column_names if name.startswith(prefix))

    return {"accounts of Aave": total("accounts_liquidated.aave"), "of Compound": total("accounts_liquidated.compound"),
            "ETH": total("forced_sales.ETH"), "stETH": total("forced_sales.stETH"), "lowest ETH": 1 + total("lowest.ETH/USD"),
            "lowest stETH": 1 + total("lowest.stETH/ETH"), "shortfall": total("shortfall."), "residual": total("residual.")}


def main() -> None:
    """Print the table."""
    print("| what happens | protocols | liquidated: Aave | Compound | forced sales of ETH | of stETH | lowest ETH | "
          "lowest stETH/ETH | shortfall |\n|---|---|---|---|---|---|---|---|---|")
    for event, events in EVENTS.items():
        for name, missing in ALONE.items():
            row = effect(world(missing, events))
            print(f"| {event} | {name} | {row['accounts of Aave']:,.0f} | {row['of Compound']:,.0f} | {row['ETH']:,.0f} | "
                  f"{row['stETH']:,.0f} | {row['lowest ETH']:.3f} | {row['lowest stETH']:.3f} | "
                  f"{row['shortfall'] / 1e6:,.2f} m USD |")


if __name__ == "__main__":
    main()

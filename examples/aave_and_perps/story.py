"""The figures of this example's README: a crash that begins on one side, and what of the other's loss came from there.

    DELEVER_DATA=... python examples/aave_and_perps/story.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import delever as dl

HERE = Path(__file__).resolve().parent
AAVE = {"aave": ["aave_v2", "aave_v3"]}
CRASHES: dict[str, tuple[dict[str, Any], ...]] = {
    "It begins in Aave: somebody sells 104,000 stETH": ({"at": "10 min", "kind": "order", "order": "sell 104,000 stETH"},),
    "It begins on the exchange: somebody sells 40,000 ETH-PERP": (
        {"at": "10 min", "over": "10 min", "kind": "order", "order": "sell 40,000 ETH-PERP"},),
}
TOLD = 1  # the path that is told
MINUTES = (9, 11, 15, 20, 25, 30, 45, 60, 120, 360)  # at which it is told
SPOT = (0, 30_000, 50_000, 70_000, 100_000)  # ETH of the arbitrageur
NAMES = {"aave": "Aave", "perps": "exchange", "liquidated": "liquidated", "loss": "lost"}


def told(world: Any, path: int) -> None:
    """One path as a table of moments."""
    trace = dl.stress(world.replace("scenario.paths", path + 1), keep=False, trace=[path], threads=1).trace.to_pylist()
    print("| minute | stETH/ETH | ETH/USD | ETH-PERP/USD | liquidations, Aave | liquidations, exchange |")
    print("|---|---|---|---|---|---|")
    for row in trace:
        minute = round(row["time"] / 60)
        if minute in MINUTES:
            aave = sum(row[f"liquidations.{name}"] for name in AAVE["aave"])
            print(f"| {minute} | {row['price.stETH/ETH']:.4f} | {row['price.ETH/USD']:,.0f} | {row['price.ETH-PERP/USD']:,.0f} | "
                  f"{aave:,.0f} | {row['liquidations.perps']:,.0f} |")


def attributed(world: Any) -> None:
    """What came from where."""
    print("| whose | in all | without the other's forced selling | from there, with 95 % interval | share | paths |")
    print("|---|---|---|---|---|---|")
    for row in dl.contagion(world, AAVE).table.to_pylist():
        share = "–" if row["share"] is None else f"{100 * row['share']:.0f} %"
        print(f"| {NAMES[row['affected']]}, {NAMES[row['figure']]} | {millions(row['in all'])} | {millions(row['without it'])} | "
              f"{millions(row['from there'])} ({millions(row['low'])} to {millions(row['high'])}) | {share} | "
              f"{100 * row['paths']:.0f} % |")


def borne(world: Any) -> None:
    """Who bore the exchange's loss, and when each layer ran dry."""
    paths = dl.stress(world, keep=False).paths

    def column(name: str) -> np.ndarray:
        return np.asarray(paths[f"{name}.perps"].to_numpy(), float)

    print("| layer of the exchange | bore, mean over paths | ran dry on | first, median |")
    print("|---|---|---|---|")
    for layer in ("insurance_fund", "backstop", "adl"):
        dry = column(f"{layer}_dry")
        when = f"{np.nanmedian(dry) / 60:.0f} min" if np.isfinite(dry).any() else "–"
        share = 100 * np.isfinite(dry).mean()
        print(f"| {layer.replace('_', ' ')} | {millions(column(layer).mean())} | {share:.0f} % of paths | {when} |")
    print(f"| nobody | {millions(column('residual_shortfall').mean())} | | |")


def millions(usd: float) -> str:
    """An amount of USD."""
    return f"{usd / 1e6 + 0.0:,.2f} m USD"


def main() -> None:
    """Print every table of the README."""
    world = dl.load(HERE)
    for title, shocks in CRASHES.items():
        crash = world.replace("scenario.events", shocks)
        print(f"\n## {title}\n")
        told(crash, TOLD)
        print()
        attributed(crash)
        print()
        borne(crash)
    print("\n## What decides: the arbitrageur's spot, where it begins on the exchange\n")
    print("| ETH he may sell | Aave liquidated, from the exchange's forced selling | Aave lost, from there |")
    print("|---|---|---|")
    for units in SPOT:
        table = dl.contagion(crash.replace("actors.basis.spot", units), AAVE).table.to_pylist()
        came = {row["figure"]: row["from there"] for row in table if row["affected"] == "aave"}
        print(f"| {units:,} | {millions(came['liquidated'])} | {millions(came['loss'])} |")


if __name__ == "__main__":
    main()

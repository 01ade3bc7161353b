"""A thousand borrowers of crvUSD against ETH through two weeks of January 2024, beside what became of the real ones.

    DELEVER_DATA=... python examples/crvusd/history.py

Loans: states of borrowers on crvUSD's WETH market (crvusd_2023-11: debt, collateral, bands; when each was is not known), those
that could be opened at the price of the start, one of each collateral and number of bands, evenly taken. Prices: Chainlink's
rounds (oracles). Beside them: loans of that market that were open at the start of the two weeks (llamalend_2024), and how many of
these were closed by others within them. Health and what was converted are not in the data.
"""

from __future__ import annotations

import csv
import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import delever as dl
from delever.model.book import Book
from delever.protocols.llamma_formulas import effective

HERE = Path(__file__).resolve().parent
WINDOWS = ("2024-01-02T00:00:00Z", "2024-01-12T00:00:00Z")  # the wick of 3 January; a slow fall of 15 %
DAYS, LOANS, MARKET = 14, 1000, "weth"
LEAST = 100.0  # crvUSD owed; smaller loans are dust
PATHS = 4  # all see the same prices: one would do


def data(*names: str) -> Path:
    """A file of the data sets."""
    return Path(os.environ["DELEVER_DATA"]).joinpath(*names)


def moment(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def prices(start: str) -> tuple[np.ndarray, np.ndarray]:
    """Chainlink's ETH/USD from the start on: (seconds from the start, USD); the first is the answer in force then."""
    with data("oracles", "chainlink_ETHUSD_2023-04_2024-01.csv").open() as file:
        rounds = sorted({int(row["update"]): float(row["answer"]) / 1e8 for row in csv.DictReader(file)}.items())
    time, usd = np.array(rounds).T
    time = time - moment(start).timestamp()
    first = int(np.searchsorted(time, 0.0, side="right")) - 1
    last = int(np.searchsorted(time, DAYS * 86400.0, side="right"))
    time[first] = 0.0
    return time[first:last], usd[first:last]


def loans(price: float, count: int = LOANS) -> Book:
    """Borrowers that could have opened their loans at this price, evenly over the states in the order of the file."""
    seen: dict[tuple[float, int], float] = {}
    with data("crvusd_2023-11", "crvusd_borrower_states_DERIVED.csv").open() as file:
        for row in csv.DictReader(file):
            held, owed, bands = float(row["collateral_units"]), float(row["debt_crvusd"]), int(row["n_bands"])
            mine = row["market"] == MARKET and held > 0.0 and owed >= LEAST and 4 <= bands <= 50
            if mine and owed <= effective(held, bands, 0.09, 100.0) * price:
                seen[held, bands] = owed
    every = list(seen.items())
    chosen = [every[i] for i in np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)]
    legs = [{"account": f"b{i:04d}", "asset": asset, "side": side, "amount": amount, "bands": bands}
            for i, ((held, bands), owed) in enumerate(chosen)
            for asset, side, amount in (("ETH", "collateral", held), ("crvUSD", "debt", owed))]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="crvusd")


def world(start: str, folder: Path, count: int = LOANS, days: float = DAYS) -> dl.World:
    """The world of world.yaml with these loans and these prices; the folder takes the table of prices."""
    time, usd = prices(start)
    table = folder / "prices.csv"
    table.write_text("time,ETH\n" + "".join(f"{t:.0f},{p:.8f}\n" for t, p in zip(time, usd, strict=True)))
    changes: dict[str, Any] = {
        "as_of": start, "assets.ETH.price": float(usd[0]), "protocols.crvusd.book": loans(float(usd[0]), count),
        "scenario.events": [], "scenario.prices": {"kind": "replay", "data": str(table)}, "scenario.horizon": f"{days} d",
        "scenario.paths": PATHS}
    made = dl.load(HERE)
    for path, value in changes.items():
        made = made.replace(path, value)
    return made


def history(start: str) -> dict[str, int]:
    """Of the real loans open at the start: how many there were, and how many ended how within the two weeks."""
    begin = moment(start)
    with gzip.open(data("llamalend_2024", "loans_to_2024-02-29.csv.gz"), "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["market"] == MARKET]
    there = [row for row in rows if moment(row["start_utc"]) < begin
             and not (row["end_utc"] and moment(row["end_utc"]) < begin)]
    ended = [row["status"] for row in there if row["end_utc"] and moment(row["end_utc"]) < begin + timedelta(days=DAYS)]
    how = ("forced-liquidation", "self-liquidation", "repaid")
    return {"open": len(there), **{status: ended.count(status) for status in how}}


def figures(start: str, folder: Path, count: int = LOANS, days: float = DAYS) -> dict[str, float]:
    """What becomes of the loans in the world."""
    run = dl.stress(world(start, folder, count, days), keep=False)
    timeline = run.timeline.to_pydict()

    def mean(name: str) -> float:
        return float(np.mean(run.paths[name].to_numpy()))

    return {"loans": float(len(run.model.positions.accounts)), "lowest price": 1.0 + mean("lowest_outside.ETH/USD"),
            "closed by others": mean("liquidations.crvusd"), "arbitrages": mean("arbitrages.crvusd.ETH"),
            "in soft liquidation at the end": mean("soft_loans.crvusd.ETH"), "converted at most": max(timeline["converted"]),
            "soft liquidation loss [USD]": mean("soft_liquidation_loss.crvusd.ETH"), "bad debt [USD]": mean("bad_debt.crvusd"),
            "least health": float(np.nanmin(run.paths["least_health.crvusd.ETH"].to_numpy())),
            "residual": max(mean(name) for name in run.paths.column_names if name.startswith("residual."))}


def main() -> None:
    """Print both windows."""
    from tempfile import TemporaryDirectory

    for start in WINDOWS:
        with TemporaryDirectory() as folder:
            found, real = figures(start, Path(folder)), history(start)
        print(f"{start}, {DAYS} days")
        for name, value in found.items():
            print(f"  {name:32} {value:,.4g}")
        print(f"  share closed by others           {found['closed by others'] / found['loans']:.2%}")
        print(f"  really: {real}, closed by others {real['forced-liquidation'] / real['open']:.2%}")


if __name__ == "__main__":
    main()

"""The forecast of 10 October 2025 from what stood before 20:45 UTC, with that evening's observed spot as the index.

    DELEVER_DATA=... python examples/perp_crash/forecast.py --dated 2026-11-21

Writes predictions-DATE.json and sensitivity-DATE.json beside this file; page.py shows them. Two ways (exchange.py): `index` is
the observed spot, which forced selling here does not move; `impact on spot`, an upper bound, lets it fall further.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import draws
import exchange
import history
import inputs
import numpy as np

import delever
from delever.ingest.source import Source

HERE = Path(__file__).resolve().parent
MAIN = ("liquidated", "deleveraged", "vault loss")
INTERVAL = (0.1, 0.9)  # quantiles of draws; in the sensitivity table, of the input
SETTINGS: dict[str, tuple[str, tuple[Any, Any]]] = {  # field of exchange.Settings -> what it is, the two values tried
    "limit": ("setting: limit price of market orders, instead of fillable", ("bankruptcy", "none")),
    "far": ("setting: depth added beyond 5 % [factor]", (0.5, 2.0)),
    "wall": ("setting: where any amount trades, as chosen and at five times the index [log]", (1.1, 1.6)),
    "alarm": ("setting: fall of the median coin at which depth goes [log]", (0.01, 0.04)),
}
DEFINITIONS = {
    "liquidated": "positions that left owners fallen below maintenance, at the mark: books, vault, or closed against winners",
    "deleveraged": "positions of healthy owners closed against a fallen account or a fallen vault, at the mark",
    "share of open interest": "both sides' dollars over one side's open interest at 20:45: at unchanged prices at most 2",
    "vault loss": "equity at the start less cash and positions at 22:00, at marks, at most all; there is no insurance fund",
    "shortfall that nothing bears": "what accounts and the vault owe at 22:00 that neither the vault nor deleveraging has borne",
    "haircut of deleveraged accounts": "what closing at bankruptcy prices cost them against the mark",
    "coins whose mark doubles": "perps whose mark once exceeds twice its start: books with nothing left but the wall",
}


class Point(NamedTuple):
    """A point of the sensitivity table: an input or setting at its lower (0) or upper (1) value."""

    name: str
    end: int
    quantile: Mapping[str, float]
    settings: exchange.Settings


def rows_of(answers: list[draws.Answers]) -> list[dict[str, Any]]:
    """Transactions of the predictions file: totals, then coins."""
    order = sorted(answers[0], key=lambda key: key[0] != draws.ALL)
    return [_row(coin, quantity, np.array([answer[coin, quantity] for answer in answers])) for coin, quantity in order]


def _row(coin: str, quantity: str, values: np.ndarray) -> dict[str, Any]:
    """One prediction: median and 80 % interval. A delay that never ends counts as infinite and is written null."""
    unit = draws.UNITS[quantity]
    low, mid, high = (float(v) for v in np.quantile(values, [INTERVAL[0], 0.5, INTERVAL[1]], method="nearest"))
    told = {"median": mid, "low": low, "high": high}
    row = {"coin": coin, "quantity": quantity, "unit": unit, **{k: v if np.isfinite(v) else None for k, v in told.items()}}
    return row | ({"share of draws in which it happens": float(np.isfinite(values).mean())} if unit == "s" else {})


def points_of() -> list[Point]:
    """All at their median; then one input at a time at either end of its interval; then one setting at a time."""
    chosen = exchange.CHOSEN
    out = [Point("", 0, {}, chosen)]
    out += [Point(name, k, {name: end}, chosen) for name in inputs.UNCERTAIN for k, end in enumerate(INTERVAL)]
    return out + [Point(name, k, {}, replace(chosen, **{name: value}))
                  for name, (_, values) in SETTINGS.items() for k, value in enumerate(values)]


def sensitivity(points: list[Point], results: list[draws.Result], books: int) -> list[dict[str, Any]]:
    """A row an input: its two values, and the medians over books of each main answer at them; first, all at their median."""
    told = {(point.name, point.end): results[k * books:(k + 1) * books] for k, point in enumerate(points)}

    def answers(name: str, end: int, quantity: str) -> np.ndarray:
        return np.array([answer[draws.ALL, quantity] for answer, _ in told[name, end]])

    rows: list[dict[str, Any]] = [
        {"input": "the book, all inputs at their median: lowest and highest", "low": None, "high": None,
         "median": {name: float(np.median(answers("", 0, name))) for name in MAIN},
         **{name: [float(answers("", 0, name).min()), float(answers("", 0, name).max())] for name in MAIN}}]
    for name in (*inputs.UNCERTAIN, *SETTINGS):
        drawn = name in inputs.UNCERTAIN
        low, high = (told[name, k][0][1][name] for k in (0, 1)) if drawn else SETTINGS[name][1]
        rows.append({"input": inputs.UNCERTAIN[name] if drawn else SETTINGS[name][0], "low": low, "high": high,
                     **{quantity: [float(np.median(answers(name, k, quantity))) for k in (0, 1)] for quantity in MAIN}})
    return rows


def hash_of(files: dict[str, str]) -> str:
    """One hash of all that the forecast read: data by name, and the fit."""
    lines = [f"{name} {digest}" for name, digest in sorted(files.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def header(dated: str, draws_: int) -> dict[str, Any]:
    """What a reader must know to make the file again."""
    source = Source(None)
    inputs.read(source)
    history.depth_shape(source)
    files = source.hashes | {"leverage.json": hashlib.sha256((HERE / "leverage.json").read_bytes()).hexdigest()}
    return {"made": dated, "as_of": "2025-10-10T20:45:00Z", "until": "2025-10-10T22:00:00Z", "seed": draws.SEED, "draws": draws_,
            "interval": "10 % to 90 % of draws",
            "versions": {"delever": delever.__version__, "python": platform.python_version()}
            | {name: version(name) for name in ("numpy", "numba", "pyarrow")},
            "inputs_sha256": hash_of(files), "files": files, "definitions": DEFINITIONS}


def main() -> None:
    """Both ways and the sensitivity, written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=240)
    parser.add_argument("--books", type=int, default=30, help="books at each point of the sensitivity table")
    parser.add_argument("--dated", required=True, help="date on which it is made, YYYY-MM-DD")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--to", type=Path, default=HERE, help="folder for the two files")
    arguments = parser.parse_args()
    head, points = header(arguments.dated, arguments.draws), points_of()
    drawn: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        for way in exchange.WAYS:
            start = time.time()
            tasks = [draws.Task(way, number) for number in range(arguments.draws)]
            drawn[way] = rows_of([answers for answers, _ in pool.map(draws.simulate, tasks, chunksize=4)])
            print(f"{way}: {arguments.draws} draws in {time.time() - start:.0f} s", flush=True)
        start = time.time()
        tasks = [draws.Task(exchange.WAYS[0], number, point.quantile, point.settings)
                 for point in points for number in range(arguments.books)]
        results = list(pool.map(draws.simulate, tasks, chunksize=4))
        print(f"sensitivity: {len(results)} runs in {time.time() - start:.0f} s")
    table = sensitivity(points, results, arguments.books)
    _write(arguments.to / f"predictions-{arguments.dated}.json",
           head | {"rows": drawn[exchange.WAYS[0]], "upper_bound_rows": drawn[exchange.WAYS[1]]})
    _write(arguments.to / f"sensitivity-{arguments.dated}.json", {
        "made": arguments.dated, "seed": draws.SEED, "books": arguments.books, "way": exchange.WAYS[0],
        "quantiles": list(INTERVAL), "rows": table})


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path.name}")


if __name__ == "__main__":
    main()

"""flox's workload: isolated positions of one symbol through a day of marks, beside flox and beside a sorted list.

    python -m benchmarks.flox [--positions 100000] [--paths 64] [--rival FILE] > figures.json

FILE is flox_bench.py (it needs PyPI's flox-py). Everybody gets the same book and marks. flox replays the first path alone; the
sorted list (sorted_liquidations.py) and delever replay all of them, the list on one thread. Of the first path the ids are
compared mark by mark and the fund at its end, of the others how many fell.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.case import measure
from benchmarks.sorted_liquidations import Events, replay, sort_book
from delever import worlds
from delever.core.state import State
from delever.core.tables import HIT, SLOTS
from delever.engine.step import step
from delever.model.book import Book
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state

ROOT = Path(__file__).resolve().parent.parent
DAYS = {"calm": (0.0, 0.02), "crash": (-0.15, 0.08)}  # drift and log-volatility of the day
START, STEP, SYMBOL = 100.0, 60.0, "BTC-PERP"


def draw_marks(paths: int, steps: int, drift: float, volatility: float) -> np.ndarray:
    """Marks [path, mark] after START; each path's realised day is the drift."""
    noise = np.random.default_rng(4).standard_normal((paths, steps))
    noise -= noise.mean(axis=1, keepdims=True)
    return np.asarray(START * np.exp(np.cumsum(np.log1p(drift) / steps + volatility / np.sqrt(steps) * noise, axis=1)))


def draw_book(positions: int, short_share: float) -> np.ndarray:
    """Quantity, entry price, equity [3, position] in hundred-millionths, as flox keeps them."""
    rng = np.random.default_rng(7)
    notional, leverage = rng.lognormal(np.log(10_000.0), 1.0, positions), rng.uniform(2.0, 50.0, positions)
    side = np.where(rng.random(positions) < short_share, -1.0, 1.0)
    return np.rint(1e8 * np.array([side * notional / START, np.full(positions, START), notional / leverage])) / 1e8


def make_model(book: np.ndarray, marks: np.ndarray, fund: float, folder: Path) -> Model:
    """The workload as a world: one step a mark."""
    paths, steps = marks.shape
    prices = np.column_stack([np.full(paths, START), marks])
    pq.write_table(pa.table({"time": np.tile(STEP * np.arange(steps + 1.0), paths), "BTC": prices.ravel(),
                             "path": np.repeat(np.arange(paths), steps + 1)}), folder / "marks.parquet")
    count = book.shape[1]
    names = pa.array([f"{i:07d}" for i in range(count)])
    legs = pa.concat_tables([
        pa.table({"protocol": ["exchange"] * count, "account": names, "asset": [asset] * count, "side": [side] * count,
                  "amount": amount, "entry_price": pa.array(entry, pa.float64())})
        for asset, side, amount, entry in (("USD", "collateral", book[2], [None] * count),
                                           (SYMBOL, "position", book[0], book[1]))])
    return assemble(worlds.load({
        "name": "flox", "as_of": "2025-10-10T00:00:00Z", "assets": {"BTC": {"price": START}, SYMBOL: {"perp": "BTC"}},
        "feeds": {"mark": {"kind": "mark", "of": f"{SYMBOL}/USD", "formula": "index"}},
        "oracles": {"exchange": {SYMBOL: "mark"}},
        "protocols": {"exchange": {"rules": "flox", "waterfall": [{"kind": "insurance_fund", "start": {"USD": fund}}],
                                   "parameters": {SYMBOL: {"tiers": [{"floor": 0.0, "maintenance": 0.005}]}},
                                   "book": Book.from_table(legs)}},
        "scenario": {"horizon": STEP * steps, "step": STEP, "paths": paths, "seed": 1,
                     "prices": {"kind": "replay", "data": str(folder / "marks.parquet")}}}))


class Journal:
    """A probe of path 0: hash of the ids closed, as flox_bench.py makes it, and the fund."""

    def __init__(self) -> None:
        self.ids, self.hit, self.fund = hashlib.sha256(), np.zeros(0, np.int64), 0.0

    def observe(self, state: State) -> None:
        """Once a step."""
        touched, slots, n = state.pool.touched, int(state.watch.counts[SLOTS]), state.n_closings
        hit = np.sort(touched.account[:slots][touched.flags[:slots] & HIT != 0])
        note(self.ids, np.setdiff1d(hit, self.hit, assume_unique=True),
             state.closings.account[:n][state.closings.step[:n] == state.step])
        self.hit, self.fund = hit, float(state.safety.fund[state.margins.cash[0], 0])


def note(ids: Any, liquidated: np.ndarray, deleveraged: np.ndarray) -> None:
    """One mark's ids."""
    ids.update(liquidated.astype("<u8").tobytes() + b"|" + deleveraged.astype("<u8").tobytes() + b"\n")


def first_path(model: Model) -> tuple[str, float]:
    """Hash of the ids and the fund of delever's path 0."""
    journal = Journal()
    chunk = phases(model, 1, (journal,))
    state = new_state(model, 0, 1, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    return journal.ids.hexdigest(), journal.fund


def hash_of(events: Events) -> str:
    """The same of the sorted list."""
    ids = hashlib.sha256()
    for t in range(len(events.fund)):
        note(ids, events.liquidated[events.first_liquidated[t]:events.first_liquidated[t + 1]],
             events.deleveraged[events.first_deleveraged[t]:events.first_deleveraged[t + 1]])
    return ids.hexdigest()


def run_rival(rival: Path, book: np.ndarray, marks: np.ndarray, fund: float, folder: Path, repeat: int) -> dict[str, Any]:
    """flox's report of one path; marks: [mark]."""
    np.savetxt(folder / "book.csv", book.T, delimiter=",", fmt="%.17g", header="quantity,entry_price,equity", comments="")
    np.savetxt(folder / "marks.txt", np.concatenate([[START], marks]), fmt="%.17g")
    command = [sys.executable, str(rival), "1", str(folder / "marks.txt"), "--positions-in", str(folder / "book.csv"),
               "--fund", str(fund), "--repeat", str(repeat)]
    report: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return report


def compare(day: str, short_share: float, fund: float, a: argparse.Namespace) -> dict[str, Any]:
    """All three on one workload; rates in positions x marks / s."""
    book, marks = draw_book(a.positions, short_share), draw_marks(a.paths, a.marks, *DAYS[day])
    work = book.shape[1] * marks.shape[1]
    rows = sort_book(*book, 0.005)
    events, seconds = [replay(rows, path, fund) for path in marks], []
    for _ in range(a.repeat):
        begun = time.perf_counter()
        for path in marks:
            replay(rows, path, fund)
        seconds.append(time.perf_counter() - begun)
    with tempfile.TemporaryDirectory() as name:
        model = make_model(book, marks, fund, Path(name))
        ours, table = measure(model, a.threads, None, a.repeat)
        ids, left = first_path(model)
        theirs = run_rival(a.rival, book, marks[0], fund, Path(name), a.repeat) if a.rival else None
    calls = table["liquidations.exchange"].to_numpy()
    sorted_rate = a.paths * work / statistics.median(seconds)
    result = {"day": day, "threads": a.threads, "seconds": ours["seconds"], "cpu_per_wall": ours["cpu_per_wall"],
              "liquidations_per_s": ours["liquidations_per_s"], "short_share": short_share, "fund": fund,
              "positions": a.positions, "marks": a.marks,
              "paths": a.paths, "liquidated": int(calls[0]), "deleveraged": int(events[0].first_deleveraged[-1]),
              "position_marks_per_s": ours["account_steps_per_s"], "sorted_position_marks_per_s": float(f"{sorted_rate:.4g}"),
              "of_sorted": round(ours["account_steps_per_s"] / sorted_rate, 3),
              "paths_with_equal_liquidations": sum(int(e.first_liquidated[-1]) == n
                                                   for e, n in zip(events, calls.tolist(), strict=True)),
              "same_ids_as_sorted": ids == hash_of(events[0]), "fund_difference": abs(left - float(events[0].fund[-1]))}
    if theirs:
        rate = theirs["position_marks_per_s"]
        result |= {"flox_position_marks_per_s": float(f"{rate:.4g}"), "of_flox": round(ours["account_steps_per_s"] / rate, 1),
                   "same_ids_as_flox": ids == theirs["outcome"]["event_sha256"],
                   "fund_difference_to_flox": abs(left - theirs["outcome"]["fund_end"])}
    return result


def report(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every workload."""
    for day in DAYS:
        for short_share in (0.0, 0.5):
            for fund in a.funds:
                print(f"flox's workload, {day}, {short_share:.0%} short, fund {fund:g} USD", file=sys.stderr, flush=True)
                yield {"benchmark": "flox", **compare(day, short_share, fund, a)}


def main() -> None:
    """Print one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--positions", type=int, default=100_000)
    p.add_argument("--marks", type=int, default=1440)
    p.add_argument("--paths", type=int, default=64)
    p.add_argument("--funds", type=float, nargs="+", default=[1e6], help="insurance funds to try [USD]")
    p.add_argument("--threads", type=int, default=1, help="delever's workers; the others have one")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--rival", type=Path, default=None, help="flox_bench.py; without it flox itself is left out")
    print(json.dumps(list(report(p.parse_args())), indent=1))


if __name__ == "__main__":
    main()

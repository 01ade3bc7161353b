"""One measured case in a process of its own, so that its peak memory is its own: prints one JSON object."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.books import make_book, make_world
from benchmarks.like_for_like import make_world as like_for_like
from benchmarks.perps import make_book as make_positions
from benchmarks.perps import make_world as make_exchange
from delever.protocols.aave import Aave
from delever.protocols.pro_rata import ProRata
from delever.run.assemble import Model, assemble
from delever.run.chunk import ChunkResult
from delever.run.work import SLOT_BYTES, Dispenser, run_chunks


def cpu_seconds() -> float:
    """Of this process and of its workers that have ended."""
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def measure(model: Model, threads: int, chunk: int | None, repeat: int) -> tuple[dict[str, Any], pa.Table]:
    """Seconds of all paths of the model, compilation and assembly left out; median of `repeat` runs after one that warms."""
    paths = model.world.scenario.paths
    wall, cpu = [], []
    results: list[ChunkResult] = []
    run_chunks(model, [(0, min(paths, threads))], threads, 4.0, chunk=chunk)
    for _ in range(repeat):
        w, c = time.perf_counter(), cpu_seconds()
        results = run_chunks(model, [(0, paths)], threads, 4.0, chunk=chunk)
        wall.append(time.perf_counter() - w)
        cpu.append(cpu_seconds() - c)
    table = pa.concat_tables([result.paths for result in results])
    seconds, accounts = statistics.median(wall), len(model.positions.accounts)
    column = {name: float(np.mean(table[name].to_numpy())) for name in table.column_names}
    liquidations = sum(v for k, v in column.items() if k.startswith("liquidations."))
    hit = sum(v for k, v in column.items() if k.startswith("accounts_liquidated."))
    per_path = Dispenser(model, [(0, paths)], 4.0, threads, chunk).path_bytes + column["accounts_touched"] * SLOT_BYTES
    return {"threads": threads, "paths": paths, "steps": model.steps, "accounts": accounts, "seconds": round(seconds, 4),
            "spread": [round(min(wall), 4), round(max(wall), 4)], "cpu_per_wall": round(statistics.median(cpu) / seconds, 2),
            "ns_per_path_step": round(seconds / paths / model.steps * 1e9, 1),
            "account_steps_per_s": float(f"{paths * model.steps * accounts / seconds:.4g}"),
            "liquidations_per_s": round(liquidations * paths / seconds), "share_liquidated": round(hit / accounts, 5),
            "per_path": {"liquidations": round(liquidations, 1), "touched": round(column["accounts_touched"], 1),
                         "health_checks": round(column["health_checks"], 1),
                         "oracle_answers": round(column.get("oracle_answers", 0.0), 1)},
            "kib_per_path": round(per_path / 1024.0, 1),  # by which chunks are sized
            "largest_residual": max(float(np.max(table[n].to_numpy())) for n in table.column_names
                                    if n.startswith("residual."))}, table


def full_step(a: argparse.Namespace) -> dict[str, Any]:
    """Venues, push oracles and liquidators on the twelve-asset book."""
    start = time.perf_counter()
    book, units = make_book(a.accounts, 7)
    rules = ProRata(close_factor=.5, dust=1.0, full_below=.95) if a.rules == "pro_rata" else Aave(version="v3_0")
    world = make_world(book, units, rules, a.scenario, a.paths, a.mode, curves=a.curves == "yes",
                       terms=a.terms == "yes")
    made = time.perf_counter()
    model = assemble(world)
    built = time.perf_counter() - made
    row, _ = measure(model, a.threads, a.chunk, a.repeat)
    return {"scenario": a.scenario, "mode": a.mode, "rules": a.rules, "curves": a.curves, "terms": a.terms,
            "signatures": len(model.positions.tables.collaterals), "pairs": len(model.index.falling),
            "book_s": round(made - start, 2), "assemble_s": round(built, 2), **row}


def cross_margin(a: argparse.Namespace) -> dict[str, Any]:
    """Cross-margined accounts over thirty perps."""
    model = assemble(make_exchange(*make_positions(a.accounts, 7), a.scenario, a.paths))
    row, table = measure(model, a.threads, a.chunk, a.repeat)
    column = {name: float(np.mean(table[f"{name}.perps"].to_numpy())) for name in ("liquidated", "deleveraged")}
    return {"scenario": a.scenario, "instruments": len(model.layout.follows), "pairs": len(model.index.falling),
            "signatures": len(model.positions.tables.collaterals),
            **{f"{name}_usd": round(usd) for name, usd in column.items()}, **row}


def dense_model(a: argparse.Namespace) -> dict[str, Any]:
    """The dense baseline's model on its exact inputs; outcomes a path, to be compared."""
    with np.load(a.inputs) as file:
        inputs = {name: file[name] for name in file.files}
    with tempfile.TemporaryDirectory() as folder:
        model = assemble(like_for_like(inputs, Path(folder)))
        row, table = measure(model, a.threads, a.chunk, a.repeat)
    bad = table["shortfall.lending"].to_numpy()
    return {**row, "liquidations": table["liquidations.lending"].to_numpy().astype(int).tolist(), "bad_debt": bad.tolist()}


def main() -> None:
    """`python -m benchmarks.case full|dense|perps ...`"""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("kind", choices=("full", "dense", "perps"))
    p.add_argument("--accounts", type=int, default=100_000)
    p.add_argument("--scenario", default="quiet")
    p.add_argument("--rules", choices=("pro_rata", "aave"), default="pro_rata")
    p.add_argument("--mode", choices=("batched", "sequential"), default="batched")
    p.add_argument("--curves", choices=("no", "yes"), default="no", help="reserves with cash, and rates that answer")
    p.add_argument("--terms", choices=("no", "yes"), default="no", help="thresholds and incentives that follow volatility")
    p.add_argument("--paths", type=int, default=512)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--chunk", type=int)
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--inputs", type=Path)
    a = p.parse_args()
    report = {"full": full_step, "dense": dense_model, "perps": cross_margin}[a.kind](a)
    of_workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if a.threads > 1 else 0
    report["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report["peak_memory_of_a_worker_mib"] = of_workers // 1024
    print(json.dumps(report))


if __name__ == "__main__":
    main()

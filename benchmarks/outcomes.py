"""What the outcomes people are judged by cost, beside the same run without them: CPU time of one worker, in turn.

    python -m benchmarks.outcomes [--accounts 20000] [--paths 32] [--repeat 9] [--only with|without] > figures.json

A crash of loans on twelve assets, and one of cross-margined accounts on thirty perps; compilation is left out. `--only without`
knows no word of them, so that it also runs where they are not: an older version beside this one says what they cost where nobody
asks. CPU time, since others may use the machine; medians of `repeat` rounds, and their quickest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.books import make_book, make_world
from benchmarks.perps import make_book as make_positions
from benchmarks.perps import make_world as make_exchange
from delever.model.world import World
from delever.protocols.aave import Aave
from delever.run.assemble import Model, assemble
from delever.run.chunk import simulate
from delever.run.warm import every_kernel


def loans(accounts: int, paths: int) -> World:
    """Market falls of a day, with venues, push oracles and liquidators."""
    book, units = make_book(accounts, 7)
    return make_world(book, units, Aave(version="v3_0"), "crash", paths, "batched")


def perps(accounts: int, paths: int) -> World:
    """The same day of an exchange with a fund and auto-deleveraging."""
    book, interest = make_positions(accounts, 7)
    return make_exchange(book, interest, "crash", paths)


def seconds(models: Mapping[str, Model], paths: int, repeat: int) -> dict[str, dict[str, float]]:
    """CPU time of all paths of each, one round after the other so that what the machine does falls on all [s]."""
    for model in models.values():
        every_kernel(model)
        simulate(model, 0, 2, [])
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(repeat):
        for name, model in models.items():
            begun = time.process_time()
            simulate(model, 0, paths, [])
            taken[name].append(time.process_time() - begun)
    return {name: {"median_s": round(statistics.median(some), 4), "quickest_s": round(min(some), 4)}
            for name, some in taken.items()}


def measure(world: World, only: str | None, repeat: int) -> dict[str, Any]:
    """Of one world."""
    models: dict[str, Model] = {}
    if only != "with":
        models["without"] = assemble(world)
    if only != "without":
        models["with"] = assemble(world.replace("scenario.judged", {}))
    found: dict[str, Any] = seconds(models, world.scenario.paths, repeat)
    if len(models) > 1:
        found["ratio"] = {key: round(found["with"][key] / found["without"][key], 3) for key in found["with"]}
    return found


def main() -> None:
    """Figures of both worlds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--paths", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--only", choices=("with", "without"))
    a = parser.parse_args()
    found = {name: measure(make(a.accounts, a.paths), a.only, a.repeat) for name, make in (("loans", loans), ("perps", perps))}
    print(json.dumps({"accounts": a.accounts, "paths": a.paths, "repeat": a.repeat, **found}, indent=1))


if __name__ == "__main__":
    main()

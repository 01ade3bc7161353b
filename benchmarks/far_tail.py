"""How many paths a 99.9 % quantile takes, drawn around a move and drawn as stated, at the same error.

    python -m benchmarks.far_tail [--paths 10000] [--repeat 200] [--truth 10000000]

Worlds of benchmarks/far_world.py. The truth is the quantile of 10^7 paths drawn as stated, of a seed of its own. Then runs of
`paths` paths, `repeat` of each kind, each of other paths: their errors against the truth, as a root mean square, and the ratio of
mean squares, which is how many times fewer paths are needed (errors fall with the root of the paths; measured besides at a tenth
of the paths). `held` is how often the 95 % interval holds the truth. The move is tuned to these worlds: three falls over a day
and three over four were tried at 100,000 paths, and this one looked best; it alone was run against the truth.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from benchmarks.far_world import shortfalls, world
from delever.prices.base import plainly
from delever.run.assemble import assemble
from delever.run.estimates import Weights, ordered_at, quantile, tail_mean, tail_mean_at

LEVEL = 0.999
TAIL = {"change": {"ETH": "-15 %"}, "over": "1 d", "plain": "10 %"}
SEED_OF_TRUTH, SEED = 77, 1


def truth(name: str, paths: int) -> tuple[float, float, float]:
    """(VaR, ES, CPU seconds)."""
    begun = time.process_time()
    x = np.concatenate([found for found, _ in shortfalls(assemble(world(name, seed=SEED_OF_TRUTH)), 0, paths)])
    return float(ordered_at(x, LEVEL)), float(tail_mean_at(x, LEVEL)), time.process_time() - begun


def errors(name: str, tail: dict[str, Any] | None, paths: int, repeat: int, true: tuple[float, float]) -> dict[str, Any]:
    """Of so many runs of so many paths."""
    model, found, held = assemble(world(name, seed=SEED, tail=tail)), [], []
    begun = time.process_time()
    for run in range(repeat):
        x, w = (np.concatenate(part) for part in zip(*shortfalls(model, run * paths, (run + 1) * paths), strict=True))
        numbers = np.arange(run * paths, (run + 1) * paths)
        drawn = None if tail is None else Weights(w, plainly(numbers, model.world.scenario.tail.plain))
        both = quantile(x, LEVEL, drawn), tail_mean(x, LEVEL, drawn)
        found.append([one[0] for one in both])
        held.append([not (one[1] > value or one[2] < value) for one, value in zip(both, true, strict=True)])
    mean_square = ((np.array(found) - true) ** 2).mean(0)
    return {"paths": paths, "rmse": (mean_square**0.5).tolist(), "bias": (np.mean(found, 0) - true).tolist(),
            "held": np.mean(held, 0).tolist(), "cpu_s": round(time.process_time() - begun, 1)}


def compared(name: str, a: argparse.Namespace) -> dict[str, Any]:
    """One world. Figures: VaR, ES."""
    var, shortfall, seconds = truth(name, a.truth)
    true = var, shortfall
    plain = errors(name, None, a.paths, a.repeat, true)
    drawn = errors(name, TAIL, a.paths, a.repeat, true)
    fewer = errors(name, TAIL, a.paths // 10, a.repeat, true)
    squares = [np.array(one["rmse"]) ** 2 for one in (plain, drawn, fewer)]
    return {"world": name, "figures": [f"VaR {LEVEL:.1%}", f"ES {LEVEL:.1%}"], "truth": true, "truth_paths": a.truth,
            "truth_cpu_s": round(seconds, 1), "tail": TAIL, "plain": plain, "drawn": drawn, "drawn_with_a_tenth": fewer,
            "fewer_paths": (squares[0] / squares[1]).round(1).tolist(),
            "error_of_a_tenth": np.sqrt(squares[2] / squares[0]).round(3).tolist()}


def main() -> None:
    """Print a line a world, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--truth", type=int, default=10_000_000)
    parser.add_argument("--worlds", nargs="+", default=["one loan", "a cascade"])
    a = parser.parse_args()
    for name in a.worlds:
        print(json.dumps(compared(name, a)), flush=True)


if __name__ == "__main__":
    main()

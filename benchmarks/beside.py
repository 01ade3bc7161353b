"""What stands beside a run, as a share of the run: CPU time, and the work that it is counted in. `python -m benchmarks.beside`.

Needs DELEVER_DATA for the real books.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

import delever as dl
from delever.analysis.budget import Budget
from delever.run.warm import every_kernel

EXAMPLES = Path(__file__).parents[1] / "examples"
WORLDS = (("first", dl.example("first"), 500), ("aave_steth", EXAMPLES / "aave_steth", 200),
          ("aave_and_perps", EXAMPLES / "aave_and_perps", 20))


def main(chosen: list[str]) -> None:
    """A row a world."""
    print("| world | paths | run, s of CPU | beside, s of CPU | share | share allowed | paths, owners |")
    print("|---|---|---|---|---|---|---|")
    for name, world, paths in WORLDS:
        if chosen and name not in chosen:
            continue
        loaded = dl.load(world).replace("scenario.paths", paths)
        warm = dl.stress(loaded.replace("scenario.paths", 1), keep=False, threads=1)
        every_kernel(warm.model)
        dl.concentration(warm, n=1)  # compiled
        start = process_time()
        run = dl.stress(loaded, keep=False, threads=1)
        middle = process_time()
        found = dl.concentration(run)
        took, beside = middle - start, process_time() - middle
        budget, said = Budget(run), found.schema.metadata
        print(f"| {name} | {paths} | {took:.2f} | {beside:.2f} | {beside / took:.2f} | {budget.allowed / budget.whole:.2f} | "
              f"{said[b'paths'].decode()}, {found.num_rows - 1} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a state of its own for every path costs: the twelve-asset book with and without cash, rates and terms that move.

    python -m benchmarks.state [--accounts 100000] [--paths 256 64] [--repeat 7]

One day of minutes, quiet and with a crash (benchmarks/books.py). Speed is the ratio of medians of CPU time, without
over with: 1 is as fast, 0.8 four fifths of the speed.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.books import make_book, make_world
from benchmarks.in_turn import in_turn, means
from delever.protocols.aave import Aave
from delever.run.assemble import assemble

WITH = {"without": {}, "cash and rates": {"curves": True}, "terms": {"terms": True}, "both": {"curves": True, "terms": True}}


def measure(accounts: int, day: str, paths: int, repeat: int) -> dict[str, Any]:
    """The four in turn."""
    book, units = make_book(accounts, 7)
    models = {name: assemble(make_world(book, units, Aave(version="v3_0"), day, paths, "batched", **more))
              for name, more in WITH.items()}
    ns, happened = in_turn(models, paths, repeat)
    return {"benchmark": "state", "day": day, "accounts": accounts, "paths": paths,
            "happened": {name: means(table, "liquidations.") for name, table in happened.items()},
            "ns_per_path_step": {name: round(value, 1) for name, value in ns.items()},
            "speed": {name: round(ns["without"] / value, 2) for name, value in ns.items()}}


def main() -> None:
    """Print a JSON object a day."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--accounts", type=int, default=100_000)
    p.add_argument("--paths", type=int, nargs=2, default=[256, 64], help="of the quiet day, of the crash")
    p.add_argument("--repeat", type=int, default=7)
    a = p.parse_args()
    for day, paths in zip(("quiet", "crash"), a.paths, strict=True):
        print(json.dumps(measure(a.accounts, day, paths, a.repeat)), flush=True)


if __name__ == "__main__":
    main()

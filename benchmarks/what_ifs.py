"""How long a what-if of the page takes on a book of 10,000 accounts: what its processes do for it, without the browser.

    python -m benchmarks.what_ifs [--accounts 10000] [--times 5]

The embedded world with so many borrowers, a seventh of them liquidated on a path. `wall`: a parameter is changed, checked,
the wall and the chosen price are drawn up anew. `coarse`: 20 paths of the world and of what is changed, with their paired
intervals; the world's own are kept, so from the second what-if on only those of the change are run. Both after a first one, which
compiles. Seconds of the processor, all workers together, and of the clock; medians.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import delever as dl
from delever.web.desk.runs import run
from delever.web.desk.state import Desk, Settings, changes, look
from delever.web.desk.walls import at, wall

FIELD = "protocols.aave.parameters.ETH.liquidation_threshold"
DEPTH = ("reserves: {ETH: 36_000, USD: 90_000_000}", "reserves: {ETH: 3_600_000, USD: 9_000_000_000}")  # so that not all fall


def world(folder: Path, accounts: int) -> Path:
    """The embedded world with a larger book."""
    draw = random.Random(1)
    text = (dl.example("first") / "world.yaml").read_text(encoding="utf-8")
    (folder / "world.yaml").write_text(text.replace(*DEPTH), encoding="utf-8")
    lines = ["account,asset,side,amount"]
    for number in range(accounts):
        held, health = draw.lognormvariate(1.5, 1.2), 1.03 + 1.5 * draw.random()
        lines += [f"a{number},ETH,collateral,{held:.4f}", f"a{number},USDC,debt,{held * 2500 * 0.83 / health:.2f}"]
    (folder / "book.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "world.yaml"


def processor() -> float:
    """Seconds so far, of this process and of those it has waited for."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, of the clock."""
    cpu, clock = processor(), time.monotonic()
    work()
    return processor() - cpu, time.monotonic() - clock


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, desk = Path(name), Desk()
        look(desk, "world", (str(world(folder, asked.accounts)),), str(folder / "runs"), None)

        def drawn(settings: Settings) -> None:
            changes(desk, settings)
            wall(desk, settings, "ETH", "-60%..0%", {})
            at(desk, settings, "ETH", -0.3, {})

        def coarse(settings: Settings) -> None:
            run(desk, [{"label": "yours", "settings": (*settings, ("scenario.paths", "20")), "without": None}])

        found = {}
        for kind, work in (("wall", drawn), ("coarse", coarse)):
            times = [timed(lambda n=n, work=work: work(((FIELD, f"{82 - n / 10} %"),))) for n in range(asked.times + 1)]
            found[kind] = {"first_clock": times[0][1], "cpu": statistics.median(one[0] for one in times[1:]),
                           "clock": statistics.median(one[1] for one in times[1:])}
    print(json.dumps({"accounts": asked.accounts, **found}, indent=1))


if __name__ == "__main__":
    main()

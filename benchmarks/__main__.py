"""Every figure of docs/benchmarks.md, as JSON: speed as ratios against baselines measured beside it.

    python -m benchmarks [--quick] [--only full dense perps flox start edit] [--baselines DIR] > figures.json

The baselines are programs that stand beside the project: dense_baseline.py (every account, every step), index_prototype.py
(the boundary index alone, with the smallest model that cascades) and flox_bench.py (PyPI's flox-py). Nothing else should run
meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.edit_loop import MECHANISMS, edits

ROOT = Path(__file__).resolve().parent.parent
DENSE = {  # drift and volatility of the day, paths
    "quiet": ("0", "0.03", 1024),
    "crash": ("-0.2", "0.03", 128),
    "severe": ("-0.25", "0.03", 64),
}


def run(*command: str, env: dict[str, str] | None = None) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def say(text: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def case(kind: str, **options: object) -> dict[str, Any]:
    """One case of ours."""
    flags = [part for name, value in options.items() if value is not None for part in (f"--{name}", str(value))]
    report: dict[str, Any] = json.loads(run(sys.executable, "-m", "benchmarks.case", kind, *flags))
    return report


def full(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The full step, beside the prototype of the index."""
    prototype = a.baselines / "index_prototype.py"
    for accounts in a.accounts:
        for scenario in ("quiet", "crash", "severe"):
            for threads in a.threads:
                paths = 4096 if scenario == "quiet" else min(256, max(16, 12_800_000 // accounts))
                say(f"full step, {accounts:,} accounts, {scenario}, {threads} thread(s)")
                ours = case("full", accounts=accounts, scenario=scenario, threads=threads, paths=paths, repeat=a.repeat)
                theirs = json.loads(run(sys.executable, str(prototype), "--accounts", str(accounts), "--scenarios", scenario,
                                        "--threads", str(threads), "--dense-paths", "0", "--repeat", str(a.repeat)))
                base = theirs["rows"][0]
                yield {"benchmark": "full step", **ours, "baseline": "index_prototype",
                       "baseline_ns_per_path_step": base["ns_per_path_step"],
                       "baseline_liquidations_per_s": base["liquidations_per_s"],
                       "baseline_share_liquidated": base["share_liquidated"],
                       "baseline_peak_memory_mib": theirs["peak_memory_mib"],
                       "ratio": round(base["ns_per_path_step"] / ours["ns_per_path_step"], 3)}
    for more in ({"mode": "sequential"}, {"rules": "aave"}, {"rules": "aave", "mode": "sequential"},
                 {"rules": "aave", "curves": "yes"}, {"rules": "aave", "curves": "yes", "terms": "yes"}):
        for scenario in ("quiet", "crash"):
            say(f"full step, {scenario}, {more}")
            yield {"benchmark": "full step", **case("full", accounts=100_000, scenario=scenario, threads=1, repeat=a.repeat,
                                                    paths=256 if scenario == "quiet" else 64, **more)}


def dense(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Like for like: the dense baseline's model on its exact inputs."""
    script = str(a.baselines / "dense_baseline.py")
    for scenario, (drift, volatility, paths) in DENSE.items():
        with tempfile.TemporaryDirectory() as folder:
            inputs = str(Path(folder) / "inputs.npz")
            common = ["--accounts", "100000", "--paths", str(paths), "--drift", drift, "--vol", volatility]
            if scenario == "severe":
                common += ["--jump", "-0.1"]  # a gap that no liquidation could forestall, so that there is bad debt
            run(sys.executable, script, *common, "--inputs-out", inputs)
            for threads in a.threads:
                say(f"like for like, {scenario}, {threads} thread(s)")
                ours = case("dense", inputs=inputs, threads=threads, repeat=a.repeat)
                base = json.loads(run(sys.executable, script, *common, "--inputs-in", inputs, "--engine", "numba-blocked",
                                      "--threads", str(threads), "--repeat", str(a.repeat)))
                same = [x == y for x, y in zip(ours.pop("liquidations"), base["per_path"]["liquidations"], strict=True)]
                bad = base["per_path"]["bad_debt"]
                gap = max(abs(x - y) / max(abs(y), 1.0) for x, y in zip(ours.pop("bad_debt"), bad, strict=True))
                yield {"benchmark": "like for like", "scenario": scenario, **ours, "baseline": "dense_baseline, blocked",
                       "baseline_seconds": round(base["wall_s_median"], 4), "baseline_bad_debt": base["bad_debt"],
                       "paths_with_equal_liquidations": sum(same), "largest_bad_debt_difference": gap,
                       "ratio": round(base["wall_s_median"] / ours["seconds"], 2)}


def perps(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """100,000 cross-margined accounts over thirty perps."""
    for scenario in ("quiet", "crash"):
        for threads in a.threads:
            say(f"cross margin, {scenario}, {threads} thread(s)")
            yield {"benchmark": "cross margin", **case("perps", accounts=100_000, scenario=scenario, threads=threads,
                                                       paths=512 if scenario == "quiet" else 64, repeat=a.repeat)}


def flox(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """flox's workload beside flox and beside a list sorted by liquidation price."""
    for threads in a.threads:
        say(f"flox's workload, {threads} thread(s)")
        yield from json.loads(run(sys.executable, "-m", "benchmarks.flox", "--threads", str(threads), "--paths", "512",
                                  "--rival", str(a.baselines / "flox_bench.py"), "--repeat", str(a.repeat)))


def start(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What a user waits for: help, a first-ever run, the next one. Needs DELEVER_DATA for the example."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "DELEVER_CACHE": str(Path(folder) / "cache")}
        example = str(ROOT / "examples" / "aave_steth")
        commands = {"delever --help": ["--help"],
                    "first-ever stress of examples/aave_steth": ["stress", example, "--out", f"{folder}/1"],
                    "next stress of examples/aave_steth": ["stress", example, "--out", f"{folder}/2", "--seed", "8"]}
        for name, arguments in commands.items():
            say(name)
            repeat = 5 if arguments == ["--help"] else 1
            seconds = []
            for _ in range(repeat):
                begun = time.perf_counter()
                run(sys.executable, "-m", "delever", *arguments, env=env)
                seconds.append(time.perf_counter() - begun)
            yield {"benchmark": "start", "command": name, "seconds": round(sorted(seconds)[repeat // 2], 3)}


def edit(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What a developer waits for: the test of a mechanism that was touched."""
    say("edit loop")
    yield from edits(MECHANISMS)


def main() -> None:
    """Print one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="100,000 accounts, one thread, one repetition")
    p.add_argument("--only", nargs="+", choices=("full", "dense", "perps", "flox", "start", "edit"),
                   default=["start", "dense", "full", "perps", "flox"])
    p.add_argument("--baselines", type=Path, default=ROOT.parent / "shared" / "bench", help="folder of the baselines")
    p.add_argument("--accounts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--keep", type=Path, help="file that is written anew after every case, so that nothing measured is lost")
    a = p.parse_args()
    if a.quick:
        a.accounts, a.threads, a.repeat = [100_000], [1], 1
    kinds = {"full": full, "dense": dense, "perps": perps, "flox": flox, "start": start, "edit": edit}
    beside = set(a.only) - {"start", "perps", "edit"}  # cases that are run beside a baseline
    if beside and not (a.baselines / "dense_baseline.py").exists():
        p.error(f"{a.baselines} holds no dense_baseline.py: name the folder with --baselines, or --only start perps edit")
    with tempfile.TemporaryDirectory() as folder:  # the prototype's compiled code goes beside a copy of it
        for file in a.baselines.glob("*.py"):
            shutil.copy(file, folder)
        a.baselines = Path(folder) if beside else a.baselines
        report: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count(),
                                  "rows": []}
        for kind in a.only:
            for row in kinds[kind](a):
                report["rows"].append(row)
                if a.keep:
                    a.keep.write_text(json.dumps(report, indent=1))  # what is measured stays, whatever comes
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

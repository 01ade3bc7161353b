"""The tables of docs/benchmarks.md from the JSON of `python -m benchmarks`:  python -m benchmarks.page figures.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def table(header: list[str], rows: list[list[object]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)])


def short(row: dict[str, Any]) -> list[object]:
    """What every measured row shows."""
    memory = max(row["peak_memory_mib"], row["peak_memory_of_a_worker_mib"])
    return [f"{row['seconds']:.2f}", f"{row['ns_per_path_step']:,.0f}", f"{row['account_steps_per_s'] / 1e9:.1f}",
            f"{row['liquidations_per_s']:,}", f"{row['share_liquidated']:.1%}", f"{memory:,}"]


SHORT = ["seconds", "ns a path-step", "bn account-steps/s", "liquidations/s", "liquidated", "peak MiB a process"]


def rules_of(row: dict[str, Any]) -> str:
    """What was measured, in words."""
    more = [words for name, words in (("curves", "rates that answer"), ("terms", "terms that move")) if row.get(name) == "yes"]
    return ", ".join([str(row["rules"]), *more])


def main() -> None:
    """Print the tables."""
    report = json.loads(Path(sys.argv[1]).read_text())
    rows = report["rows"]
    print(f"Python {report['python']}, {report['machine']}, {report['cores']} cores.\n")
    print("### Start\n")
    print(table(["command", "seconds"], [[r["command"], r["seconds"]] for r in rows if r["benchmark"] == "start"]))
    print("\n### Like for like with the dense scan\n")
    print(table(["day", "workers", "paths", *SHORT, "dense scan, seconds", "**ratio**", "paths with equal liquidations",
                 "largest difference of bad debt"],
                [[r["scenario"], r["threads"], r["paths"], *short(r), r["baseline_seconds"], f"**{r['ratio']}**",
                  f"{r['paths_with_equal_liquidations']} of {r['paths']}", f"{r['largest_bad_debt_difference']:.1e}"]
                 for r in rows if r["benchmark"] == "like for like"]))
    print("\n### The full step beside the prototype of the index\n")
    full = [r for r in rows if r["benchmark"] == "full step"]
    print(table(["accounts", "day", "workers", "paths", *SHORT, "prototype, ns", "its liquidated", "**ratio**"],
                [[f"{r['accounts']:,}", r["scenario"], r["threads"], r["paths"], *short(r),
                  f"{r['baseline_ns_per_path_step']:,.0f}", f"{r['baseline_share_liquidated']:.1%}", f"**{r['ratio']}**"]
                 for r in full if "ratio" in r]))
    print("\n### Cross margin: 100,000 accounts, thirty perps\n")
    print(table(["day", "workers", "paths", *SHORT], [[r["scenario"], r["threads"], r["paths"], *short(r)]
                                                      for r in rows if r["benchmark"] == "cross margin"]))
    print("\n### flox's workload: one symbol, 100,000 isolated positions, 1,440 marks\n")
    print(table(["day", "short", "workers", "liquidated a path", "bn position-marks/s", "flox", "**times flox**", "sorted list",
                 "**of the sorted list**", "same ids as flox, as the list", "fund differs by, USD"],
                [[r["day"], f"{r['short_share']:.0%}", r["threads"], f"{r['liquidated']:,}",
                  f"{r['position_marks_per_s'] / 1e9:.1f}", f"{r['flox_position_marks_per_s'] / 1e9:.3f}", f"**{r['of_flox']}**",
                  f"{r['sorted_position_marks_per_s'] / 1e9:.1f}", f"**{r['of_sorted']}**",
                  f"{r['same_ids_as_flox']}, {r['same_ids_as_sorted']}", f"{r['fund_difference_to_flox']:.1e}"]
                 for r in rows if r["benchmark"] == "flox"]))
    print("\n### Other rules, and sequential execution, 100,000 accounts, one worker\n")
    print(table(["rules", "execution", "day", "paths", *SHORT],
                [[rules_of(r), r["mode"], r["scenario"], r["paths"], *short(r)] for r in full if "ratio" not in r]))


if __name__ == "__main__":
    main()

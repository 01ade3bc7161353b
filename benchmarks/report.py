"""What a report of a large book takes: CPU time of one process and size of the file.

    python -m benchmarks.report [--accounts 1000000] [--paths 4] > figures.json

Loans on twelve assets and a day with a crash. The run itself is left out, and so are imports and compilation, by a report of a
small book before. CPU time, since others may use the machine.
"""

from __future__ import annotations

import argparse
import json
import time

from benchmarks.outcomes import loans
from delever.report.html.page import html_report
from delever.run.stress import stress

SMALL = 500  # accounts of the book before


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--paths", type=int, default=4)
    a = parser.parse_args()
    small, large = (stress(loans(accounts, a.paths), keep=False, threads=1) for accounts in (SMALL, a.accounts))
    html_report(small)
    begun = time.process_time()
    text = html_report(large)
    print(json.dumps({"accounts": a.accounts, "paths": a.paths, "cpu_s": round(time.process_time() - begun, 2),
                      "size_mb": round(len(text.encode()) / 1e6, 3)}))


if __name__ == "__main__":
    main()

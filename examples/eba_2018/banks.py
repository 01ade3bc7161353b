"""Forty-eight banks of the EBA's exercise of 2018: government bonds fall, who falls below his ratio sells, prices follow.

    DELEVER_DATA=... python examples/eba_2018/banks.py [--write FOLDER]

Balance sheets (eba_2018: equity, leverage ratio, debt securities, government bonds) as in Farmer, Kleinnijenhuis,
Nahai-Williamson and Wetzer (2020), who publish the code and the results that are printed beside ours. Assumptions of theirs, not
estimates: cash is 5 % of assets; debt securities that are not government bonds are one corporate bond; half of what is owed are
loans that can be paid back. `--write` leaves balances.csv, which `delever deleverage` reads, and the picture.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

import delever as dl
from delever.analysis.fire_sales import Rule, Sheets, by_fall, sheets, sheets_table
from delever.report.files import write_table, write_text
from delever.report.lines import line_chart

SHOCK = {"government bonds": 0.2}
FALLS = [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1]  # of the price, when a twentieth of all is sold
CASH = 0.05  # of assets; assumption of the source
TARGETING = Rule(buffer=1.0)
PUBLISHED = {("threshold", 0.0): (7, 0.6051), ("threshold", 0.01): (18, 0.9145), ("threshold", 0.05): (44, 0.9961),
             ("targeting", 0.0): (7, 0.7905), ("targeting", 0.01): (13, 0.9470)}  # failed; sold, share of 1


def banks(file: Path) -> Sheets:
    """Their balance sheets, millions of euros. Government bonds are stated as a sum: a+b."""
    rows = [line.split() for line in file.read_text().splitlines()[1:] if line.strip()]
    equity, ratio, securities = np.array([[float(value) for value in row[1:4]] for row in rows]).T
    government = np.array([sum(float(part) for part in row[4].split("+")) for row in rows])
    size = equity / ratio * 100.0
    owed = (size - equity) / 2.0
    return sheets(np.column_stack([government, securities - government]), CASH * size, size - securities - CASH * size, owed,
                  owed, [row[0] for row in rows], ["government bonds", "corporate bonds"])


def beside(mode: str, table: pa.Table) -> pa.Table:
    """With what was published."""
    found = [PUBLISHED.get((mode, fall), (None, None)) for fall in table["fall"].to_pylist()]
    return table.append_column("published failed", pa.array([row[0] for row in found], pa.int64())).append_column(
        pa.field("published sold", pa.float64(), metadata={"unit": "share"}), pa.array([row[1] for row in found], pa.float64()))


def main(arguments: list[str]) -> None:
    """Both ways of deleveraging, printed."""
    given = banks(Path(os.environ["DELEVER_DATA"], "eba_2018", "EBA_2018.csv"))
    found = {"threshold": by_fall(given, SHOCK, FALLS).table, "targeting": by_fall(given, SHOCK, FALLS, TARGETING).table}
    for mode, table in found.items():
        dl.show(beside(mode, table), f"{len(given.names)} banks, government bonds -20 %, {mode}")
    if arguments[:1] == ["--write"]:
        folder = Path(arguments[1])
        folder.mkdir(parents=True, exist_ok=True)
        write_table(sheets_table(given), folder / "balances.csv")
        lines = {f"{mode}: {name}": [float(value) / (len(given.names) if name == "failed" else 1.0)
                                     for value in table[name].to_pylist()]
                 for mode, table in found.items() for name in ("failed", "sold")}
        below = "fall of the price when 5 % of all is sold"
        write_text(line_chart("Banks that failed and bonds sold, share of all", below, FALLS, lines), folder / "banks.svg")


if __name__ == "__main__":
    main(sys.argv[1:])

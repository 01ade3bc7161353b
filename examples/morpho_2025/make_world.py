"""Writes the world of this folder, all that is not known at its middle: world.yaml, book.csv and prices.csv.

    DELEVER_DATA=... python examples/morpho_2025/make_world.py     # then: delever stress examples/morpho_2025

book.csv and prices.csv are made of raw series and are not committed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import inputs
import pyarrow.csv
import week
import yaml
from simulate import SEED, WEEK

HERE = Path(__file__).resolve().parent
HEADER = """\
# Two markets of Morpho, those who supply them, and what these have elsewhere, from 3 November 2025, 23:00 UTC, to the 11th.
# Written by make_world.py, which makes book.csv and prices.csv too, from DELEVER_DATA. docs/november_2025.md: where figures
# come from, which are estimates of the days before and which assumptions. All of them are at their middle here.
"""


def main() -> None:
    """The three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=HERE, help="folder for the files")
    to: Path = parser.parse_args().to
    found, (start, end) = week.estimates(WEEK.fit), (inputs.moment(WEEK.as_of), inputs.moment(WEEK.until))
    drawn = week.unknown(found, None)
    pyarrow.csv.write_csv(week.book(start, drawn, found), to / "book.csv")
    pyarrow.csv.write_csv(week.prices(start, end), to / "prices.csv")
    stated = week.world(WEEK.as_of, WEEK.until, drawn, found,
                        {"morpho": "book.csv", "elsewhere": "book.csv", "prices": "prices.csv"}, SEED)
    text = yaml.safe_dump(stated, sort_keys=False, width=120, default_flow_style=None)
    (to / "world.yaml").write_text(HEADER + text, encoding="utf-8")
    print("written: world.yaml, book.csv, prices.csv")


if __name__ == "__main__":
    main()

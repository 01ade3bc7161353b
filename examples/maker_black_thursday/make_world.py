"""Writes the world of this folder, all that is not known at its median: world.yaml, book.csv and prices.csv.

    DELEVER_DATA=... python examples/maker_black_thursday/make_world.py     # then: delever stress examples/maker_black_thursday

book.csv and prices.csv are made of raw series and are not committed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import day
import inputs
import numpy as np
import pyarrow.csv
import yaml

HEADER = """\
# Maker's ETH-A vaults from 11 March 2020, 23:00 UTC, to 14 March 00:00: the lots of that month as vaults, the market and the
# gas of the day. Written by make_world.py, which makes book.csv and prices.csv too, from DELEVER_DATA. docs/black_thursday.md:
# where figures come from, which are estimates of calm months and which assumptions. All of them are at their median here.
"""


def main() -> None:
    """The three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=day.HERE, help="folder for the files")
    to: Path = parser.parse_args().to
    given, keepers = inputs.given(), day.known_keepers()
    drawn = day.unknown(np.full(len(day.Unknown._fields), 0.5), keepers)
    pyarrow.csv.write_csv(day.book(given, drawn.steepness), to / "book.csv")
    pyarrow.csv.write_csv(day.prices(given), to / "prices.csv")
    stated = day.world(given, drawn, keepers, {"book": "book.csv", "prices": "prices.csv"})
    text = yaml.safe_dump(stated, sort_keys=False, width=120, default_flow_style=None)
    (to / "world.yaml").write_text(HEADER + text, encoding="utf-8")
    print("written: world.yaml, book.csv, prices.csv")


if __name__ == "__main__":
    main()

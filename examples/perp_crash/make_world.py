"""Draws the world of this folder: world.yaml, book.csv and index.parquet, the same files every time.

    DELEVER_DATA=... python examples/perp_crash/make_world.py     # then: delever stress examples/perp_crash

One book, all uncertain inputs at their median. Only the index differs between paths: of coins without spot it is drawn
(evening.py). Figures of world.yaml are rounded to six digits; index.parquet is made of raw series and is not committed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import book
import draws
import exchange
import inputs
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import yaml

HERE = Path(__file__).resolve().parent
PATHS = 24
BOOK, INDEX = "book.csv", "index.parquet"
DIGITS = 6
HEADER = """\
# A perp exchange on 10 October 2025, 20:45 UTC, to 22:00: Hyperliquid's 40 largest coins. Written by make_world.py, which also
# makes index.parquet ({paths} draws of that evening's index) from DELEVER_DATA; docs/forecast.md says where figures come from.
# All uncertain inputs at their median. Paths share the book, the depth and the vault: they differ by the index of coins without
# spot alone, so intervals over paths are far too narrow for a forecast: that is forecast.py's. Numbers are USD, units of a coin,
# and seconds; changes of depth are shares.
"""
COMMENTS = {
    "assets": "USD at 20:45; coins without any price: 1, so a unit is a dollar of that moment",
    "protocols": "tiers: docs/forecast.md; equity: the press's figure, five eighths usable (assumption); limit: assumption",
    "feeds": "Hyperliquid's mark, of the replayed index and the perp's book",
    "venues": "units within a price of the mid: within 5 % an estimate, beyond it an assumption",
    "scenario": "depth is withdrawn when the median coin is down 2 %: assumption",
}


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=HERE, help="folder for the files")
    folder: Path = parser.parse_args().to
    known, _ = draws.prepared()
    drawn = inputs.at(known, {}, inputs.index_at(known, 0.5, draws.SEED))
    legs = book.book(known, drawn, inputs.generator(draws.SEED, 0))
    (folder / "world.yaml").write_text(text(known, drawn, legs), encoding="utf-8")
    pyarrow.csv.write_csv(slim(legs), folder / BOOK, pyarrow.csv.WriteOptions(quoting_style="none"))
    pyarrow.parquet.write_table(paths_of_index(known, drawn), folder / INDEX)
    print(f"{legs.num_rows:,} legs, {PATHS} paths of the index; written: world.yaml, {BOOK}, {INDEX}")


def text(known: inputs.Known, drawn: inputs.Inputs, legs: pa.Table) -> str:
    """world.yaml: a section a field of the world."""
    world = dict(exchange.world_of(known, drawn, legs, INDEX, draws.prepared()[1], exchange.WAYS[0]))
    world["protocols"] = {name: protocol | {"book": BOOK} for name, protocol in world["protocols"].items()}
    world["scenario"] = world["scenario"] | {"paths": PATHS}
    parts = [HEADER.format(paths=PATHS)]
    for name, section in world.items():
        if not section:
            continue
        comment = f"# {COMMENTS[name]}\n" if name in COMMENTS else ""
        style = None if isinstance(section, dict) else False
        parts.append(comment + yaml.safe_dump({name: rounded(section)}, sort_keys=False, default_flow_style=style, width=130))
    return "\n".join(parts)


def rounded(value: Any) -> Any:
    """The same with numbers of six digits."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def slim(legs: pa.Table) -> pa.Table:
    """The book without what the reader sales in, amounts and prices of six digits as text."""
    def short(column: str) -> pa.Array:
        return pa.array(["" if value is None else f"{value:.{DIGITS}g}" for value in legs[column].to_pylist()])

    kept = legs.select(["account", "asset", "side"])
    return kept.append_column("amount", short("amount")).append_column("entry_price", short("entry_price"))


def paths_of_index(known: inputs.Known, drawn: inputs.Inputs) -> pa.Table:
    """PATHS draws of the index, one below the other."""
    tables = []
    for path in range(PATHS):
        moves = known.evening.paths(inputs.generator(draws.SEED, path))
        columns = {coin: known.price[c] * np.exp(moves[:, c]) for c, coin in enumerate(known.coins)}
        time = exchange.index_table(known, drawn)["time"]
        tables.append(pa.table({"path": np.full(len(time), path), "time": time, **columns}))
    return pa.concat_tables(tables)


if __name__ == "__main__":
    main()

"""What a user gets wrong: one clear line on stderr, exit code 2, and nothing half-written.

The lines stand in bad_input.txt, as a user reads them; `...` stands for the folder that the test works in.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

from delever.cli.main import app
from delever.run.stress import stress
from delever.worlds import load

GOLDEN = Path(__file__).parent / "bad_input.txt"
HEAD = "# What is wrong, and the one line that says so. UPDATE_GOLDEN=1 writes this file anew.\n"

WORLD = """\
as_of: 2024-01-01T00:00:00Z
assets:
  ETH: {price: 1000 USD}
  BTC: {price: 40000 USD}
  stETH: {peg: ETH, ratio: 1}
protocols:
  aave:
    rules: aave.v3_0
    book: book.csv
    parameters:
      ETH: {liquidation_threshold: 83 %, incentive: 5 %}
      stETH: {liquidation_threshold: 80 %, incentive: 5 %}
venues:
  pool: {kind: constant_product, pair: ETH/USD, reserves: {ETH: 1000, USD: 1_000_000}}
  curve: {kind: stableswap, pair: stETH/ETH, A: 30, balances: {stETH: 100, ETH: 100}, fee: 0.04 %}
scenario:
  horizon: 1 h
  step: 30 min
  paths: 2
  seed: 7
  prices: {kind: lognormal, volatility: {ETH: 80 %, BTC: 60 %, stETH: 5 %}, correlation: {ETH/BTC: 0.5}}
  events:
    - {at: 0, kind: price, change: {ETH: -20 %}}
"""
BOOK = """\
account,asset,side,amount,liquidation_threshold
anna,ETH,collateral,10,
anna,USD,debt,7000,
bob,stETH,collateral,20,0.75
bob,USD,debt,9000,
carl,ETH,collateral,1,
carl,USD,debt,100,
"""
Prepare = Callable[[Path], list[str] | None]  # gets the folder of the world; may say what else is typed
CASES: dict[str, Prepare] = {}


def case(title: str) -> Callable[[Prepare], Prepare]:
    def keep(prepare: Prepare) -> Prepare:
        CASES[title] = prepare
        return prepare

    return keep


def edits(name: str, old: str, new: str) -> Prepare:
    """A change of one of the files."""

    def prepare(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} must stand once in {name}"
        (folder / name).write_text(text.replace(old, new))

    return prepare


def holds(text: str) -> Prepare:
    """Another book."""

    def prepare(folder: Path) -> None:
        (folder / "book.csv").write_text(text)

    return prepare


CASES |= {
    "a column is misspelt": edits("book.csv", "side,amount,", "side,amuont,"),
    "an asset of the book is unknown": edits("book.csv", "bob,stETH", "bob,stEHT"),
    "a side is unknown": edits("book.csv", "anna,USD,debt", "anna,USD,debts"),
    "an amount is negative": edits("book.csv", "7000", "-7000"),
    "an amount is NaN": edits("book.csv", "7000", "nan"),
    "an amount is infinite": edits("book.csv", "7000", "inf"),
    "an amount is no number": edits("book.csv", "7000", "7k"),
    "an amount is missing": edits("book.csv", "7000", ""),
    "a threshold is 75 instead of 0.75": edits("book.csv", "0.75", "75"),
    "a threshold is negative": edits("book.csv", "0.75", "-0.75"),
    "an account stands twice": edits("book.csv", "carl,ETH,collateral,1,", "anna,ETH,collateral,1,"),
    "a row has a column too few": edits("book.csv", "carl,ETH,collateral,1,", "carl,ETH,collateral"),
    "the book has no debt": holds("".join(line for line in BOOK.splitlines(keepends=True) if "debt" not in line)),
    "the book has no rows": holds(BOOK.splitlines(keepends=True)[0]),
    "the book is empty": holds(""),
    "the book is not there": edits("world.yaml", "book: book.csv", "book: bokk.csv"),
    "a collateral has no parameters": edits("world.yaml", "stETH: {liquidation_threshold: 80 %, incentive: 5 %}", ""),
    "a threshold is 83 instead of 83 %": edits("world.yaml", "83 %", "83"),
    "a share is above 100 %": edits("world.yaml", "83 %", "183 %"),
    "an asset is unknown": edits("world.yaml", "peg: ETH", "peg: EHT"),
    "a field is unknown": edits("world.yaml", "horizon: 1 h", "horizn: 1 h"),
    "a field is missing": edits("world.yaml", "  seed: 7\n", ""),
    "zero paths": edits("world.yaml", "paths: 2", "paths: 0"),
    "half a path": edits("world.yaml", "paths: 2", "paths: 2.5"),
    "zero depth: an empty pool": edits("world.yaml", "ETH: 1000, USD", "ETH: 0, USD"),
    "zero depth: an empty StableSwap pool": edits("world.yaml", "balances: {stETH: 100", "balances: {stETH: 0"),
    "zero depth: more than all of it lost": edits(
        "world.yaml", "kind: price, change: {ETH: -20 %}", "kind: depth, change: {ETH/USD: -150 %}"),
    "zero depth: no quote": edits("world.yaml", "kind: constant_product, pair: ETH/USD, reserves: {ETH: 1000, USD: 1_000_000}",
                                  "kind: depth_table, pair: ETH/USD, bids: [[0, 0.9]], asks: [[1, 1.1]]"),
    "depth of a market without a venue": edits(
        "world.yaml", "kind: price, change: {ETH: -20 %}", "kind: depth, change: {BTC/USD: -50 %}"),
    "a price falls by more than everything": edits("world.yaml", "ETH: -20 %", "ETH: -120 %"),
    "a correlation above 1": edits("world.yaml", "ETH/BTC: 0.5", "ETH/BTC: 1.5"),
    "correlations that contradict each other": edits("world.yaml", "ETH/BTC: 0.5",
                                                     "ETH/BTC: 0.9, BTC/stETH: 0.9, ETH/stETH: -0.9"),
    "a correlation without a volatility": edits("world.yaml", "ETH: 80 %, BTC", "BTC"),
    "not YAML": edits("world.yaml", "assets:", "assets: ]"),
    "the world is not there": lambda folder: ["stress", "wrold"],
    "a path to trace that is not run": lambda folder: ["stress", "world", "--trace", "2"],
    "an unknown setting": lambda folder: ["stress", "world", "--set", "actors.liquidators.rul=always"],
    "a setting with a wrong value": lambda folder: ["stress", "world", "--set", "actors.liquidators.rule=alway"],
    "zero paths on the command line": lambda folder: ["stress", "world", "--paths", "0"],
    "an order of nothing": lambda folder: ["stress", "world", "--order", "sell 0 stETH"],
    "an order of an unknown asset": lambda folder: ["stress", "world", "--order", "sell 5 stEHT"],
}


def as_parquet(folder: Path) -> Path:
    """The book as Parquet."""
    parquet.write_table(csv.read_csv(folder / "book.csv"), folder / "book.parquet")
    edits("world.yaml", "book: book.csv", "book: book.parquet")(folder)
    return folder / "book.parquet"


@case("a column is missing")
def without_amounts(folder: Path) -> None:
    holds("".join(",".join(line.split(",")[:3]) + "\n" for line in BOOK.splitlines()))(folder)


@case("a Parquet book is cut off")
def cut_off(folder: Path) -> None:
    book = as_parquet(folder)
    book.write_bytes(book.read_bytes()[:-100])


@case("a Parquet book is something else")
def something_else(folder: Path) -> None:
    as_parquet(folder).write_text(BOOK)


@case("a Parquet book is a folder")
def a_folder(folder: Path) -> None:
    as_parquet(folder).unlink()
    (folder / "book.parquet").mkdir()


@case("a Parquet book has NaN")
def parquet_nan(folder: Path) -> None:
    book = as_parquet(folder)
    table = parquet.read_table(book)
    amount = pa.array([math.nan if value == 9000 else value for value in table["amount"].to_pylist()], pa.float64())
    parquet.write_table(table.set_column(3, "amount", amount), book)


@case("the run folder is that of another world")
def another_world(folder: Path) -> None:
    stress(load(folder, set={"scenario.seed": 8}), folder.parent / "run")


@case("the run folder holds something else")
def not_a_run(folder: Path) -> None:
    (folder.parent / "run").mkdir()
    (folder.parent / "run" / "thesis.tex").write_text("the only copy")


@case("the run folder is a file")
def a_file(folder: Path) -> None:
    (folder.parent / "run").write_text("")


def named(name: str) -> Prepare:
    """A world with such a name, as YAML quotes it."""
    return edits("world.yaml", "as_of:", f'name: "{name}"\nas_of:')


CASES["the world's name is a path"] = named("/tmp/elsewhere/EVIL")
CASES["the world's name goes up"] = named("..")
CASES["the world's name is a path on Windows"] = named("up\\\\and\\\\away")
CASES["the world's name has a NUL"] = named("a\\0b")
CASES["the world's name has a line break"] = named("a\\nb")
CASES["the world's name is empty"] = named(" ")
CASES["the world's name is too long"] = named("x" * 300)


@case("the run's folder is a link")
def linked(folder: Path) -> None:
    (folder.parent / "run").symlink_to("elsewhere")


@case("the run's parts are a link")
def parts_linked(folder: Path) -> None:
    stress(load(folder), folder.parent / "run")
    (folder.parent / "run" / "parts").symlink_to(folder)


@case("a table of the run has changed")
def table_changed(folder: Path) -> None:
    stress(load(folder), folder.parent / "run")
    (folder.parent / "run" / "paths.parquet").write_bytes(b"PAR1")


@case("the run's manifest is damaged")
def damaged(folder: Path) -> None:
    another_world(folder)
    (folder.parent / "run" / "manifest.json").write_text('{"world')


EXCHANGE = """\
as_of: 2025-10-10T20:45:00Z
assets:
  BTC: {price: 100k USD}
  BTC-PERP: {perp: BTC}
protocols:
  perps:
    rules: hyperliquid
    book: positions.csv
    unit: USD
    parameters:
      BTC-PERP: {tiers: [{floor: 0 USD, max_leverage: 40}, {floor: 150m USD, max_leverage: 20}]}
    waterfall: [insurance_fund, {kind: backstop, equity: 1m USD}, adl]
scenario:
  horizon: 1 h
  step: 30 min
  paths: 2
  seed: 7
  prices: {kind: lognormal, volatility: {BTC: 60 %}}
"""
POSITIONS = """\
account,instrument,size,entry_price,margin_mode,collateral
anna,BTC-PERP,1,101000,isolated,9000
bob,BTC-PERP,-2,98000,cross,30000
"""


def on_an_exchange(name: str = "world.yaml", old: str = "", new: str = "") -> Prepare:
    """A world with a margin exchange, and a change of one of its files."""

    def prepare(folder: Path) -> None:
        (folder / "world.yaml").write_text(EXCHANGE)
        (folder / "positions.csv").write_text(POSITIONS)
        if old:
            edits(name, old, new)(folder)

    return prepare


CASES |= {
    "tiers out of order": on_an_exchange("world.yaml", "150m USD", "0 USD"),
    "margins of tiers out of order": on_an_exchange("world.yaml", "max_leverage: 20", "max_leverage: 50"),
    "an exchange that counts in another unit": on_an_exchange("world.yaml", "unit: USD", "unit: BTC"),
    "a perp of an unknown asset": on_an_exchange("world.yaml", "perp: BTC", "perp: BCT"),
    "a layer of the waterfall is unknown": on_an_exchange("world.yaml", "kind: backstop", "kind: backstpo"),
    "a layer that is not there is left out": lambda folder: (
        on_an_exchange()(folder) or ["stress", "world", "--set", "protocols.perps.waterfall.backstpo=null"]),
    "an event of a perp": lambda folder: (
        on_an_exchange()(folder) or ["stress", "world", "--set", "scenario.events=[{kind: price, change: {BTC-PERP: -0.1}}]"]),
    "a size without entry price": on_an_exchange("positions.csv", "-2,98000", "-2,"),
    "a margin mode is unknown": on_an_exchange("positions.csv", "isolated", "isolatd"),
    "an instrument is unknown": on_an_exchange("positions.csv", "bob,BTC-PERP", "bob,BTC-PREP"),
    "leverage above the tier": on_an_exchange("positions.csv", "101000,isolated,9000", "100000,isolated,2000"),
    "a debt on an exchange": on_an_exchange("world.yaml", "positions.csv", "book.csv"),
}


def expected() -> dict[str, str]:
    """The golden lines by title."""
    text = GOLDEN.read_text().removeprefix(HEAD) if GOLDEN.exists() else ""
    return dict(block.split("\n", 1) for block in text.strip().split("\n\n") if block)


def write_world(folder: Path) -> None:
    """The world without a mistake."""
    (folder / "world").mkdir()
    (folder / "world" / "world.yaml").write_text(WORLD)
    (folder / "world" / "book.csv").write_text(BOOK)


def prepared(title: str, folder: Path) -> list[str]:
    """A folder with the case in it; what is typed there."""
    write_world(folder)
    return (CASES[title](folder / "world") or ["stress", "world"]) + ["--out", "run"]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, and every empty folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def readable(line: str, folder: Path) -> str:
    """Without the name of the test's folder."""
    return line.replace(str(folder.resolve()), "...").replace(str(folder), "...")


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine on which nothing has been set up."""
    monkeypatch.delenv("DELEVER_DATA", raising=False)


@pytest.mark.parametrize("title", CASES)
def test_a_mistake_is_one_clear_line_and_nothing_is_written(title: str, elsewhere: Path) -> None:
    typed = prepared(title, elsewhere)
    before = contents(elsewhere)
    result = CliRunner().invoke(app, typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert contents(elsewhere) == before
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("delever: ")
    line, *paste = readable(result.stderr.removesuffix("\n"), elsewhere).split("\n")
    assert bool(paste) == line.endswith(":")  # lines of a world, where it says so
    if os.environ.get("UPDATE_GOLDEN"):
        lines = expected() | {title: line}
        GOLDEN.write_text(HEAD + "".join(f"\n{name}\n{lines[name]}\n" for name in CASES if name in lines))
    assert line == expected()[title]


def test_the_golden_file_has_no_line_that_is_not_tested() -> None:
    assert list(expected()) == list(CASES)


def test_the_world_of_these_tests_is_right(elsewhere: Path) -> None:
    write_world(elsewhere)
    result = CliRunner().invoke(app, ["stress", "world", "--out", "run"])
    assert (result.exit_code, (elsewhere / "run" / "paths.parquet").exists()) == (0, True)


@pytest.mark.parametrize("command", [["check", "world"], ["wall", "world", "--asset", "ETH", "--shock", "-5%"]])
@pytest.mark.parametrize("title", ["a column is missing", "an amount is NaN", "a Parquet book is cut off",
                                   "a threshold is 83 instead of 83 %"])
def test_every_command_says_the_same(command: list[str], title: str, elsewhere: Path) -> None:
    prepared(title, elsewhere)
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert readable(result.stderr.rstrip("\n"), elsewhere) == expected()[title]


@pytest.mark.parametrize("title", ["an amount is negative", "zero depth: more than all of it lost", "a Parquet book is cut off",
                                   "the run folder is that of another world"])
def test_so_it_is_typed_in_a_shell(title: str, elsewhere: Path) -> None:
    """In a process of its own: nothing else reaches stderr, and the shell sees the code."""
    typed = prepared(title, elsewhere)
    before = contents(elsewhere)
    done = subprocess.run([sys.executable, "-m", "delever", *typed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert readable(done.stderr, elsewhere) == expected()[title] + "\n"
    assert contents(elsewhere) == before


def test_the_exchange_of_these_tests_is_right(elsewhere: Path) -> None:
    write_world(elsewhere)
    on_an_exchange()(elsewhere / "world")
    result = CliRunner().invoke(app, ["stress", "world", "--out", "run"])
    assert (result.exit_code, (elsewhere / "run" / "paths.parquet").exists()) == (0, True)

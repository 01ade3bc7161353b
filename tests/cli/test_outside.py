"""A world from a stranger: files below its folder alone, names that a folder can have, numbers that can be reckoned with."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from delever.cli.main import app

WORLD = """\
name: small
as_of: 2024-01-01T00:00:00Z
assets:
  ETH: {price: 1000 USD}
protocols:
  pool:
    rules: aave.v3_0
    book: book.csv
    parameters:
      ETH: {liquidation_threshold: 83 %, incentive: 5 %}
venues:
  market: {kind: constant_product, pair: ETH/USD, reserves: {ETH: 1000, USD: 1_000_000}}
scenario:
  horizon: 1 h
  step: 30 min
  paths: 2
  seed: 7
  prices: {kind: lognormal, volatility: {ETH: 80 %}}
"""
BOOK = "account,asset,side,amount\nanna,ETH,collateral,10\nanna,USD,debt,7000\n"


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELEVER_DATA", raising=False)


@pytest.fixture
def place(elsewhere: Path) -> Path:
    """world/world.yaml, its book, and mine/book.csv beside it."""
    for name in ("world", "mine"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "book.csv").write_text(BOOK)
    (elsewhere / "world" / "world.yaml").write_text(WORLD)
    return elsewhere


def typed(*words: str) -> tuple[int, str]:
    """Exit code, and what stands on stderr."""
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


def change(place: Path, old: str, new: str) -> None:
    assert WORLD.count(old) == 1
    (place / "world" / "world.yaml").write_text(WORLD.replace(old, new))


COMMANDS = [["check"], ["wall", "--asset", "ETH", "--shock", "-30%"], ["stress", "--no-concentration"],
            ["compare", "--set", "scenario.prices.volatility.ETH=x2"], ["sweep", "--over", "scenario.prices.volatility.ETH=x2"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_command_reads_a_file_outside_unless_it_is_told_to(command: list[str], place: Path) -> None:
    change(place, "book: book.csv", "book: ../mine/book.csv")
    code, line = typed(command[0], "world", *command[1:])
    assert code == 2 and line.count("\n") == 1
    assert "protocols.pool.book is outside of the world's folder: '../mine/book.csv'; put it there or below DELEVER_DATA" in line


def test_a_file_outside_is_read_where_the_user_says_so(place: Path) -> None:
    change(place, "book: book.csv", "book: ../mine/book.csv")
    assert typed("check", "world", "--allow-outside") == (0, "")
    (place / "world" / "world.yaml").write_text(WORLD)
    assert typed("check", "world", "--set", f"protocols.pool.book={place}/mine/book.csv") == (0, "")  # he named it himself


def test_what_a_file_that_is_laid_over_names_is_not_what_the_user_named(place: Path) -> None:
    (place / "over.yaml").write_text("protocols: {pool: {book: ../mine/book.csv}}\n")
    code, line = typed("compare", "world", "--what", "other", "--with", "over.yaml")
    assert code == 2 and "is outside of the world's folder" in line


@pytest.mark.parametrize(("old", "new", "said"), [
    ("name: small", "name: ../EVIL", "name is no name of a folder: '../EVIL'"),
    ("name: small", "name: /tmp/EVIL", "name is no name of a folder"),
    ("name: small", "name: .EVIL", "name is no name of a folder"),
    ("name: small", f"name: {'x' * 300}", "name is too long"),
    ("name: small", 'name: "\\ud800"', "name has a sign that is no character"),
    ("book: book.csv", f"book: {'a' * 5000}.csv", "protocols.pool.book: file not found"),
    ("book: book.csv", "book: /dev/zero", "protocols.pool.book is outside"),
    ("horizon: 1 h", "horizon: 1e300 h", "scenario.horizon is too large to reckon with: '1e300 h'"),
    ("horizon: 1 h", "horizon: 1e6 d", "4.8e+07 steps of 1800 s; at most 5,000,000 steps are run"),
    ("paths: 2", "paths: 1e300", "scenario.paths is '1e300'; at most"),
    ("seed: 7", "seed: 1" + "0" * 400, "scenario.seed is not a whole number"),
    ("price: 1000 USD", "price: 1" + "0" * 400, "assets.ETH.price is too large to reckon with"),
    ("price: 1000 USD", "price: 5e-324", "assets.ETH.price is too small to reckon with: '5e-324'"),
    ("volatility: {ETH: 80 %}", "volatility: {ETH: 1e300 %}", "scenario.prices.volatility.ETH is too large to reckon with"),
    ("volatility: {ETH: 80 %}", "volatility: {ETH: 200000 %}", "from -1000 to 1000"),
    ("{kind: lognormal, volatility: {ETH: 80 %}}", "lognormal\n  events: [{at: 0, kind: price, change: {ETH: 1e31 %}}, {at: 1, "
     "kind: price, change: {ETH: 1e31 %}}]", "larger moves of prices than can be reckoned with: 'by a factor of exp(134)'"),
    ("volatility: {ETH: 80 %}", "volatility: {ETH: 80 %}, correlation: {ETH/ETH: .nan}", "ETH/ETH is NaN or infinite"),
    ("reserves: {ETH: 1000", "reserves: {ETH: 1e-45", "too far from the outside price at the start"),
    ("as_of: 2024-01-01T00:00:00Z", "as_of: 0001-01-01T00:00:00+14:00", "as_of is not of our time"),
    ("as_of: 2024-01-01T00:00:00Z", "as_of: 9999-12-31T23:59:59-14:00", "as_of is not of our time"),
    ("as_of: 2024-01-01T00:00:00Z", "as_of: 0000-01-01T00:00:00Z", "line 2, column 8 is not YAML: 'it is no timestamp'"),
])
def test_what_cannot_be_meant_is_one_line(old: str, new: str, said: str, place: Path) -> None:
    change(place, old, new)
    code, line = typed("stress", "world")
    assert code == 2 and line.count("\n") == 1 and said in line
    assert sorted(path.name for path in place.iterdir()) == ["mine", "world"]  # no run folder, here or elsewhere


@pytest.mark.parametrize(("setting", "said"), [
    ("scenario.prices={kind: lognormal, volatility: {ETH: 10 %, ETH: 90 %}}", "ETH stands twice"),
    ("scenario={null: 1}", "a key is not a name"),
    ("scenario.prices=" + "[" * 3000, "more than 50 blocks stand within each other"),
    ("protocols.pool.book=\ud800", "has a sign that is no character"),
    ("scenario.events.²=1 %", "unknown kind of events"),
    ("scenario.paths=" + "9" * 5000, "is not a whole number"),
    ("assets.ETH.price=x1e200", "assets.ETH.price is too large to reckon with: 'x1e200'"),
])
def test_a_setting_that_cannot_be_meant_is_one_line(setting: str, said: str, place: Path) -> None:
    code, line = typed("check", "world", "--set", setting)
    assert code == 2 and line.count("\n") == 1 and said in line


@pytest.mark.parametrize(("content", "said"), [
    (gzip.compress(BOOK.encode(), mtime=0), "book.csv is compressed; end its name with .csv.gz"),
    (BOOK.replace("amount", "account").encode(), "book.csv: a column stands twice: 'account'"),
    (BOOK.replace("7000", "1e308").encode(), "row 3, column amount is too large to reckon with: 1e+308"),
    (BOOK.replace("7000", "5e-324").encode(), "row 3, column amount is too small to reckon with: 5e-324"),
    (BOOK.encode("utf-16"), "book.csv cannot be read as CSV"),
])
def test_a_book_that_cannot_be_read_is_one_line(content: bytes, said: str, place: Path) -> None:
    (place / "world" / "book.csv").write_bytes(content)
    code, line = typed("check", "world")
    assert code == 2 and line.count("\n") == 1 and said in line


def test_an_order_that_moves_the_price_out_of_reach_is_a_line_and_no_figure(place: Path) -> None:
    code, line = typed("stress", "world", "--order", "sell 1e29 ETH")
    assert code == 2 and "price of ETH/USD has moved further than can be reckoned with" in line
    assert line == typed("stress", "world", "--order", "sell 1e9 ETH")[1]  # a million times the pool
    assert typed("stress", "world", "--order", "sell 1e6 ETH", "--no-concentration")[0] == 0

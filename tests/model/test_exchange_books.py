"""Books of positions: rows of legs, the plain long table, and what an exchange could not have let stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from delever.model.book import LEGS, Book
from delever.model.checks import check_book
from delever.model.errors import InputError
from delever.model.world import World

from .exchange import TEXT, load

ENTRY = "write what a unit was opened at, in USD"
NAME = "add it to protocols.perps.parameters, or correct the name:"
COLUMNS = ("account", "owner", "asset", "side", "amount", "entry_price")
BOOK = """account,asset,side,amount,entry_price
ann,USD,collateral,20000,
ann,BTC-PERP,position,-2,101000
bob,ETH,collateral,10,
bob,ETH-PERP,position,50,3900
bob,BTC-PERP,position,0.1,99000
"""
Read = Callable[[str], Book]


@pytest.fixture
def world() -> World:
    return load(TEXT)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(text: str) -> Book:
        (tmp_path / "book.csv").write_text(text)
        return Book.read(tmp_path / "book.csv", "perps")

    return from_text


def test_positions_are_signed_and_have_an_entry_price(read: Read, world: World) -> None:
    book = read(BOOK)
    assert book.legs.schema.equals(LEGS, check_metadata=True)
    assert book.legs["amount"].to_pylist() == [20000, -2, 10, 50, 0.1]
    assert book.legs["entry_price"].to_pylist() == [None, 101000, None, 3900, 99000]
    check_book(book, world, "book.csv", "perps")
    assert world.replace("protocols.perps.book", book).protocols["perps"].book == book


@pytest.mark.parametrize("name", ["copy.csv", "copy.parquet"])
def test_a_book_of_positions_comes_back_as_it_was_written(read: Read, tmp_path: Path, name: str) -> None:
    book = read(BOOK)
    book.write(tmp_path / name)
    assert Book.read(tmp_path / name) == book


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("-2,101000", "-2,", f"book.csv, row 3, column entry_price: size without entry price; {ENTRY}"),
        ("-2,101000", "-2,0", f"book.csv, row 3, column entry_price is not above 0; {ENTRY}"),
        ("-2,101000", "0,101000", "book.csv, row 3, column amount is 0; leave out what is not held"),
        ("20000,", "20000,1", "book.csv, row 2, column entry_price has no meaning here: '1'; it belongs to side position"),
        ("20000,", "-20000,", "book.csv, row 2, column amount is negative: -20000.0; amounts are positive, the side says which "
         "way; only rows labelled remainder are signed"),
    ],
)
def test_a_bad_position_is_answered_with_its_row(read: Read, tmp_path: Path, old: str, new: str, line: str) -> None:
    assert BOOK.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(BOOK.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path}/{line}")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("bob,BTC-PERP", "bob,BTC-PREP", "b.csv, account bob: unknown instrument: 'BTC-PREP'; did you mean BTC-PERP?"),
        ("bob,BTC-PERP", "bob,BTC", "b.csv, account bob: unknown instrument: 'BTC'; did you mean BTC-PERP?"),
        ("bob,ETH,", "bob,wstETH,", f"b.csv, account bob: unknown collateral: 'wstETH'; {NAME} did you mean stETH?"),
        ("ETH-PERP,position,50,3900", "USD,debt,50,", "b.csv, account bob has a debt: 'USD'; perps is a margin exchange: the "
         "other side of its collateral is `position`"),
        ("20000", "1500", "b.csv, account ann: leverage above the tier: '57.14'; BTC-PERP allows 40 from 0 USD on: add "
         "collateral or correct size and entry price"),
    ],
)
def test_a_book_that_the_exchange_could_not_have_is_refused(read: Read, world: World, old: str, new: str, line: str) -> None:
    assert BOOK.count(old) == 1
    with pytest.raises(InputError) as caught:
        check_book(read(BOOK.replace(old, new)), world, "b.csv", "perps")
    assert str(caught.value).startswith(line)


def test_lending_holds_no_positions(read: Read, world: World) -> None:
    with pytest.raises(InputError, match="account ann has a position: 'BTC-PERP'; aave lends: the other side of its collateral"):
        check_book(read(BOOK), world, "b.csv", "aave")


def one_position(size: float, entry: float, cash: float) -> Book:
    legs = [{"account": "a", "asset": "USD", "side": "collateral", "amount": cash, "entry_price": None},
            {"account": "a", "asset": "BTC-PERP", "side": "position", "amount": size, "entry_price": entry}]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="perps")


@pytest.mark.parametrize(
    ("size", "entry", "cash", "allowed"),
    [
        (1, 100_000, 2500, True),  # opened at 40x just now
        (1, 100_000, 2500 - 45, True),  # and paid a taker's fee of 0.045 %
        (1, 100_000, 2000, False),  # 50x
        (-1, 100_000, 2000, False),
        (1, 101_000, 2600, True),  # 62x now, as it has lost 1000; it was opened at 39x
        (1, 50_000, 100, True),  # 500x by what was paid in, but 2x by equity: opened out of profits
        (1000, 100_000, 2_500_000, True),  # 100m USD at 40x
        (2000, 100_000, 5_000_000, False),  # 200m USD at 40x, where 20x is allowed
        (2000, 100_000, 10_000_000, True),
    ],
)
def test_leverage_is_that_of_the_tier(world: World, size: float, entry: float, cash: float, allowed: bool) -> None:
    book = one_position(size, entry, cash)
    if allowed:
        check_book(book, world, "b", "perps")
        return
    with pytest.raises(InputError, match="account a: leverage above the tier"):
        check_book(book, world, "b", "perps")


def test_collateral_counts_after_its_haircut(world: World, read: Read) -> None:
    """40 ETH-PERP are 160,000 USD; 1.7 ETH are 6800 USD, enough at 25x before the haircut of 10 % and not after it."""
    book = read("account,asset,side,amount,entry_price\na,ETH,collateral,1.7,\na,ETH-PERP,position,40,4000\n")
    with pytest.raises(InputError, match=r"leverage above the tier: '26\.14'"):
        check_book(book, world, "b", "perps")
    check_book(book, world.replace("protocols.perps.parameters.ETH.haircut", 0), "b", "perps")


# --- the plain long table ----------------------------------------------------------------------------------------

POSITIONS = """account,instrument,size,entry_price,margin_mode,collateral,collateral_asset
alice,BTC-PERP,0.5,101000,isolated,5500,
alice,ETH-PERP,-10,4200,cross,1000,
alice,BTC-PERP,0.25,99000,cross,,
alice,,,,cross,20000,
007,ETH-PERP,1,4000,cross,1,ETH
"""


def test_rows_become_accounts_by_their_margin_mode(read: Read, world: World) -> None:
    book = read(POSITIONS)
    rows = zip(*(book.legs[name].to_pylist() for name in COLUMNS), strict=True)
    assert list(rows) == [
        ("alice/BTC-PERP", "alice", "BTC-PERP", "position", 0.5, 101000),
        ("alice/BTC-PERP", "alice", "USD", "collateral", 5500, None),
        ("alice", "alice", "ETH-PERP", "position", -10, 4200),
        ("alice", "alice", "USD", "collateral", 21000, None),
        ("alice", "alice", "BTC-PERP", "position", 0.25, 99000),
        ("007", "007", "ETH-PERP", "position", 1, 4000),
        ("007", "007", "ETH", "collateral", 1, None),
    ]
    assert book.legs["protocol"].unique().to_pylist() == ["perps"]
    check_book(book, world, "positions.csv", "perps")


def test_a_balance_that_losses_have_eaten_is_a_signed_remainder(read: Read) -> None:
    legs = read("account,instrument,size,entry_price,margin_mode,collateral\na,BTC-PERP,1,90000,cross,-500\n").legs
    rows = [(leg["side"], leg["amount"], leg["label"]) for leg in legs.to_pylist()]
    assert rows == [("position", 1, ""), ("collateral", -500, "remainder")]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("-10,4200", "-10,", ", row 3, column entry_price: size without entry price; " + ENTRY),
        ("-10,4200", ",4200", ", row 3, column size: instrument without size; write the units held, short below 0"),
        ("-10,4200", "0,4200", ", row 3, column size is 0; leave the instrument empty: the row is collateral alone"),
        ("-10,4200", "-10,-1", ", row 3, column entry_price is not above 0: '-1'; " + ENTRY),
        ("-10,4200", "ten,4200", ", row 3, column size is not a number: 'ten'; write a number without unit or commas"),
        ("isolated", "isolatd", ", row 2, column margin_mode is 'isolatd'; did you mean isolated?"),
        ("alice,,,,cross", "alice,,,,isolated", ", row 5, column instrument: isolated without instrument; name the perp that it "
         "is the margin of, or write cross"),
        ("alice,,,,cross", "alice,,2,1,cross", ", row 5, column instrument: position without instrument; name the perp, or leave "
         "size and entry_price empty"),
        ("cross,20000", "cross,0", ", row 5, column collateral: neither position nor collateral: '0'; leave the row out"),
        ("cross,1,ETH", "cross,-1,ETH", ", row 6, column collateral is negative: '-1'; only a balance in USD may be owed"),
        ("alice,BTC-PERP,0.25", "alice,ETH-PERP,-0.25", ", row 4, column account: account alice stands twice in perps with cross "
         "ETH-PERP; keep one of rows 3 and 4, or their sum"),
        ("instrument,size", "instrument,sise", ": unknown column: 'sise'; did you mean size?"),
        ("margin_mode,", "margin_mod,", ": unknown column: 'margin_mod'; did you mean margin_mode?"),
    ],
)
def test_a_bad_row_of_positions_is_answered(read: Read, tmp_path: Path, old: str, new: str, line: str) -> None:
    assert POSITIONS.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(POSITIONS.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'book.csv'}{line}")

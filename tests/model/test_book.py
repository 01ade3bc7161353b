"""Books are read, checked row by row, and written whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.ingest.numbers import fault
from delever.model.book import ACCOUNTS, LEGS, REMAINDER, Book
from delever.model.checks import check_book
from delever.model.errors import InputError
from delever.model.world import World

GOOD = """protocol,account,asset,side,amount,liquidation_threshold,label
aave,alice,stETH,collateral,10,0.83,
aave,alice,ETH,debt,5,,
aave,bob,stETH,collateral,20.5,,
aave,bob,USDC,debt,1000,,
aave,bob,ETH,collateral,-0.25,0.8,remainder
"""


def is_number(value: float) -> bool:
    return fault(value) is None


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Book]:
    def from_text(text: str) -> Book:
        (tmp_path / "book.csv").write_text(text)
        return Book.read(tmp_path / "book.csv")

    return from_text


@pytest.fixture
def book(read: Callable[[str], Book]) -> Book:
    return read(GOOD)


def test_a_book_has_all_columns_with_their_units(book: Book) -> None:
    assert book.legs.schema.equals(LEGS, check_metadata=True)
    assert book.accounts.schema.equals(ACCOUNTS, check_metadata=True)
    assert book.legs["owner"].to_pylist() == book.legs["account"].to_pylist()
    assert book.legs["liquidation_threshold"].to_pylist() == [0.83, None, None, None, 0.8]
    assert (book.protocols, book.assets, book.number_of_accounts) == (["aave"], ["stETH", "ETH", "USDC"], 2)


@pytest.mark.parametrize("name", ["copy.csv", "copy.parquet"])
def test_a_book_comes_back_as_it_was_written(book: Book, tmp_path: Path, name: str) -> None:
    totals = pa.table({"protocol": ["aave"], "account": ["bob"], "reported_health": [1.25], "unit": ["ETH"]})
    book = Book.from_table(book.legs, totals)
    book.write(tmp_path / name)
    again = Book.read(tmp_path / name)
    assert again == book
    assert again.fingerprint() == book.fingerprint()
    assert not list(tmp_path.glob("*.part"))


@given(st.floats(0, 1e12).filter(is_number), st.floats(-1e6, 1e6).filter(is_number))
def test_any_amount_to_reckon_with_survives_a_table(amount: float, remainder: float) -> None:
    sides = [("debt", 1.0, ""), ("collateral", amount, ""), ("collateral", remainder, REMAINDER)]
    leg: dict[str, Any] = {"protocol": "p", "account": "a", "asset": "ETH"}
    rows = [{**leg, "side": side, "amount": units, "label": label} for side, units, label in sides]
    book = Book.from_table(pa.Table.from_pylist(rows))
    assert book.legs["amount"].to_pylist() == [1.0, amount, remainder]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("alice,stETH,collateral,10", "alice,stETH,collateral,-10",
         ", row 2, column amount is negative: -10.0; amounts are positive, the side says which way; only rows labelled "
         "remainder are signed"),
        ("20.5", "NaN", ", row 4, column amount is NaN or infinite: nan; write a number or leave the row out"),
        ("20.5", "inf", ", row 4, column amount is NaN or infinite: inf; write a number or leave the row out"),
        ("20.5", "many", ", row 4, column amount is not a number: 'many'; write a number without unit or commas"),
        ("20.5", "", ", row 4, column amount is empty; write its units of the asset"),
        ("0.83", "83", ", row 2, column liquidation_threshold is 83; it is a share, so 0.83"),
        ("0.83", "-0.83", ", row 2, column liquidation_threshold is -0.83; it is a share from 0 to 1"),
        ("0.83", "8300", ", row 2, column liquidation_threshold is 8300; it is a share from 0 to 1"),
        ("ETH,debt", "ETH,dept", ", row 3, column side is 'dept'; did you mean debt?"),
        ("0.8,remainder", "0.8,remander", ", row 6, column label is 'remander'; did you mean remainder?"),
        ("aave,alice,ETH", "aave,,ETH", ", row 3, column account is empty; write its name"),
        ("aave,bob,stETH,collateral,20.5,,", "aave,alice,stETH,collateral,20.5,,",
         ", row 4, column account: account alice stands twice in aave with collateral stETH; keep one of rows 2 and 4, "
         "or their sum"),
        ("side,amount", "side,amonut", ": unknown column: 'amonut'; did you mean amount?"),
        (GOOD[63:], "", " has no rows; a book needs accounts"),
    ],
)
def test_a_bad_row_is_answered_with_file_row_column_and_remedy(
    read: Callable[[str], Book], tmp_path: Path, old: str, new: str, line: str
) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(GOOD.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'book.csv'}{line}")


def test_a_missing_column_is_named_with_those_that_are_there(book: Book) -> None:
    with pytest.raises(InputError, match=r"b\.csv: a column is missing: 'side'; add it \(collateral, debt or position\)"):
        Book.from_table(book.legs.drop_columns("side"), where="b.csv")


def test_a_book_without_debt_is_refused(book: Book) -> None:
    collateral = [row for row in book.legs.to_pylist() if row["side"] == "collateral"]
    with pytest.raises(InputError, match="book has no debt; nobody can be liquidated"):
        Book.from_table(pa.Table.from_pylist(collateral, LEGS))


def test_an_account_whose_totals_stand_twice_is_refused(book: Book) -> None:
    totals = pa.table({"protocol": ["aave"] * 2, "account": ["bob"] * 2})
    with pytest.raises(InputError, match=r"book \(accounts\), row 3, column account: account bob stands twice in aave"):
        Book.from_table(book.legs, totals)


@pytest.mark.parametrize("name", ["book.csv", "book.parquet"])
@pytest.mark.parametrize("keep", [0, 30, -9])
def test_a_truncated_file_is_answered_in_one_line(book: Book, tmp_path: Path, name: str, keep: int) -> None:
    path = tmp_path / name
    book.write(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError) as caught:
        Book.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_of_another_kind_is_answered(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        Book.read(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"is neither \.csv nor \.parquet"):
        Book.read(tmp_path / "none.xlsx")


def test_two_books_with_one_account_do_not_join(book: Book) -> None:
    with pytest.raises(InputError, match="account alice stands twice in aave"):
        Book.concat([book, book])


def test_books_join_by_protocol_and_part_again(book: Book) -> None:
    other = Book.from_table(book.legs.drop_columns("protocol"), protocol="spark")
    both = Book.concat([book, other])
    assert both.number_of_accounts == 4
    assert both.of("aave").legs.equals(book.legs)
    assert both.without("bob", "spark").number_of_accounts == 3
    assert both.without("bob").number_of_accounts == 2


def test_an_asset_of_the_book_that_the_world_lacks_is_answered(book: Book, world: World) -> None:
    check_book(book, world, "book.csv")
    wrong = book.legs.to_pylist()
    wrong[3]["asset"] = "UDSC"
    legs = pa.Table.from_pylist(wrong, LEGS)
    with pytest.raises(InputError, match=r"book\.csv, row 5, column asset: unknown asset: 'UDSC'; did you mean USDC\?"):
        check_book(Book(legs, book.accounts), world, "book.csv")
    with pytest.raises(InputError, match="book of aave, row 5, column asset: unknown asset"):
        world.replace("protocols.aave.book", Book(legs, book.accounts))


def test_a_dictionary_encoded_table_is_read_like_a_plain_one(book: Book) -> None:
    encoded = book.legs.set_column(1, "account", book.legs["account"].dictionary_encode())
    assert Book.from_table(encoded) == book

"""Tables of one's own: columns of any names, numbers as people write them; nothing dropped without a word."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.ingest.own_book import Imported, lending, perps
from delever.ingest.own_cells import number
from delever.ingest.own_columns import match
from delever.ingest.own_files import Sheet, read_file
from delever.ingest.own_totals import beside, hold, totals_of
from delever.model.book import Book
from delever.model.errors import InputError


def sheet(text: str, folder: Path, name: str = "book.csv") -> Sheet:
    (folder / name).write_text(text)
    found = read_file(folder / name)
    assert isinstance(found, Sheet)
    return found


def imported(
    text: str,
    folder: Path,
    kind: str = "lending",
    said: dict[str, str] | None = None,
    fill: dict[str, str] | None = None,
    name: str = "book.csv",
) -> Imported:
    read = sheet(text, folder, name)
    return (lending if kind == "lending" else perps)(read, match(read.columns, kind, said or {}, read.where), fill or {})


LOANS = """\
Wallet;Token;Type;Balance;Value (USD);Liq. Threshold
007;ETH;Supply;1.000,5;3301650;83 %
007;USDC;Borrow;2.000.000,00;2000000;
009;USDC;deposit;0;0;
"""


def test_columns_of_other_names_are_recognised_and_the_rest_is_named(tmp_path: Path) -> None:
    read = sheet(LOANS, tmp_path)
    columns = match(read.columns, "lending", {}, "book.csv")
    assert dict(columns.of) == {
        "account": "Wallet",
        "asset": "Token",
        "side": "Type",
        "amount": "Balance",
        "liquidation_threshold": "Liq. Threshold",
    }
    assert columns.unused == ("Value (USD)",)  # what it is worth is no number of units
    found = lending(read, columns, {})
    assert found.table.to_pylist() == [
        {"account": "007", "owner": "007", "asset": "ETH", "side": "collateral", "amount": 1000.5, "liquidation_threshold": 0.83},
        {"account": "007", "owner": "007", "asset": "USDC", "side": "debt", "amount": 2e6, "liquidation_threshold": None},
    ]
    assert (found.read, found.dropped) == (3, ("1 rows without an amount: 009 (row 4)",))
    assert Book.from_table(found.table, protocol="p").number_of_accounts == 1


def test_a_mapping_overrides_what_is_guessed(tmp_path: Path) -> None:
    read = sheet("user,account,asset,side,amount\na,b,ETH,debt,1\n", tmp_path)
    assert match(read.columns, "lending", {}, "x").of["account"] == "account"
    assert match(read.columns, "lending", {"user": "account", "account": ""}, "x").of["account"] == "user"
    for said, line in (
        ({"usr": "account"}, "--map names a column that is not there: 'usr'; did you mean user?"),
        ({"user": "acount"}, "--map makes user a column that is not known: 'acount'; did you mean account?"),
        ({"user": "account", "account": "account"}, "--map makes two columns account: 'user, account'; keep one"),
    ):
        with pytest.raises(InputError) as caught:
            match(read.columns, "lending", said, "x")
        assert line in str(caught.value)


def test_a_row_may_be_a_loan_and_its_collateral(tmp_path: Path) -> None:
    text = "borrower,collateral_token,collateral_amount,loan_token,loan_amount,lltv\nx,ETH,3,USDC,4000,0.86\ny,ETH,1,USDC,,0.86\n"
    found = imported(text, tmp_path)
    assert [tuple(row.values())[2:5] for row in found.table.to_pylist()] == [
        ("ETH", "collateral", 3.0),
        ("USDC", "debt", 4000.0),
        ("ETH", "collateral", 1.0),
    ]
    assert found.table["liquidation_threshold"].to_pylist() == [0.86, None, 0.86]


def test_interest_stands_with_a_loan_or_with_either_leg_of_it(tmp_path: Path) -> None:
    rows = ("account,asset,side,amount,interest rate\na,WETH,supply,2,\na,BOLD,debt,3000,0.04\n",
            "account,asset,side,amount,annual_interest_rate\na,WETH,supply,2,0.04\na,BOLD,debt,3000,\n",
            "account,collateral asset,collateral,debt asset,debt,interestRate\na,WETH,2,BOLD,3000,0.04\n")
    for text in rows:
        rates = imported(text, tmp_path).table["interest_rate"].to_pylist()
        assert max(rate or 0.0 for rate in rates) == 0.04, text


def test_without_sides_the_sign_says_which_and_it_is_told(tmp_path: Path) -> None:
    found = imported("account,asset,amount\na,ETH,2\na,USDC,(1000)\n", tmp_path)
    assert found.table["side"].to_pylist() == ["collateral", "debt"]
    assert "the file names no sides: below zero was read as debt, above as collateral" in found.unknown


def test_rows_of_one_leg_are_added_up_and_on_other_terms_refused(tmp_path: Path) -> None:
    found = imported("account,asset,side,amount,lt\na,ETH,debt,2,\na,ETH,debt,3,\n", tmp_path)
    assert found.table["amount"].to_pylist() == [5.0] and found.dropped == ()
    (note,) = found.notes
    assert (note.code, note.warns) == ("row.summed", True)
    assert "1 row of an account" in note.value and "a ETH debt (rows 2, 3)" in note.value and "repeat" not in note.value
    with pytest.raises(InputError, match="row 3, column account: a has ETH twice on other terms"):
        imported("account,asset,side,amount,lt\na,ETH,supply,2,0.8\na,ETH,supply,3,0.7\n", tmp_path)


def test_a_row_that_is_there_twice_is_named_and_said_to_be(tmp_path: Path) -> None:
    rows = "".join(f"a{n},ETH,supply,{n + 1}\n" * (2 if n < 8 else 1) for n in range(9))
    (note,) = imported(f"account,asset,side,amount\n{rows}", tmp_path).notes
    assert "8 rows" in note.value and "a0 ETH collateral (rows 2, 3)" in note.value and "and 2 more" in note.value
    assert "8 of them repeat an amount" in note.value


def test_an_address_is_one_in_whatever_letter_case_and_a_name_is_what_it_is(tmp_path: Path) -> None:
    text = """account,owner,asset,side,amount
0xAB,0xFf,ETH,supply,2
0xab,0xff,0xC0,borrow,3
0xaB,0xff,0xc0,borrow,4
Alice,,ETH,supply,1
alice,,ETH,supply,1
"""
    found = imported(text, tmp_path)
    rows = [tuple(row.values()) for row in found.table.to_pylist()]
    assert rows == [("0xab", "0xff", "ETH", "collateral", 2.0), ("0xab", "0xff", "0xc0", "debt", 7.0),
                    ("Alice", "Alice", "ETH", "collateral", 1.0), ("alice", "alice", "ETH", "collateral", 1.0)]
    notes = {note.code: note for note in found.notes}
    assert set(notes) == {"row.summed", "address.joined"}
    assert "2 written in more than one letter case, each counted as one: 0xab, 0xff" in notes["address.joined"].value


def test_the_world_s_name_of_an_address_holds_in_any_letter_case_and_rows_meet_under_it(tmp_path: Path) -> None:
    read = sheet("account,asset,side,amount\na,0xC0,debt,3\na,0xc0,debt,4\na,USDC,debt,5\n", tmp_path)
    found = lending(read, match(read.columns, "lending", {}, "x"), {}, {"0xc0": "USDC"})
    assert [tuple(row.values())[2:] for row in found.table.to_pylist()] == [("USDC", "debt", 12.0)]


def test_traders_whose_addresses_differ_in_letter_case_are_one(tmp_path: Path) -> None:
    text = "account,instrument,size,entry_price,margin_mode,collateral\n0xAB,A,1,9,cross,5\n0xab,B,1,9,cross,0\n"
    found = imported(text, tmp_path, "perps")
    assert found.table["account"].to_pylist() == ["0xab", "0xab"] and [note.code for note in found.notes] == ["address.joined"]


POSITIONS = """\
Trader,Symbol,Side,Qty,Avg Price,Margin Mode,Margin
01,BTC-PERP,Long,2,"95,000",Cross,30000
02,BTC-PERP,Sell,2,94000,iso,20000
03,,,,,,-15
04,,,0,,,
"""


def test_positions_are_signed_by_their_side_and_keep_their_margin_mode(tmp_path: Path) -> None:
    found = imported(POSITIONS, tmp_path, "perps")
    assert [tuple(row.values()) for row in found.table.to_pylist()] == [
        ("01", "BTC-PERP", 2.0, 95000.0, "cross", 30000.0),
        ("02", "BTC-PERP", -2.0, 94000.0, "isolated", 20000.0),
        ("03", "", None, None, "cross", -15.0),
    ]
    assert found.dropped == ("1 rows without size and collateral: 04 (row 5)",)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "Margin Mode",
            "Comment",
            "no column is known to be margin_mode; unused columns: Comment; say which with --map THEIRS=margin_mode",
        ),
        ("Cross", "portfolio", "row 2, column Margin Mode is no word that is known here: 'portfolio'; known: cross"),
        ("Long,2", "Long,-2", "row 2, column Qty is below zero and its side is long: -2.0"),
        ("Long,2", "Long,two", "row 2, column Qty is not a number: 'two'"),
        ("01,BTC-PERP", "01,", "row 2, column Symbol is empty; name what the size is of"),
        ("Trader", "Qty", "a column stands twice: 'Qty'"),
        ("iso,20000", "iso", "row 3 has 6 cells and the header 7"),
    ],
)
def test_what_is_not_said_is_not_guessed(tmp_path: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        imported(POSITIONS.replace(old, new, 1), tmp_path, "perps")
    assert line in str(caught.value)


def test_files_of_all_kinds_hold_the_same(tmp_path: Path) -> None:
    text = "account,asset,side,amount\n007,ETH,debt,2\n"
    wanted = imported(text, tmp_path).table
    assert imported(text.replace(",", "\t"), tmp_path, name="a.tsv").table == wanted
    assert imported("\ufeff" + text, tmp_path, name="a.txt").table == wanted
    assert (
        imported('{"account": "007", "asset": "ETH", "side": "debt", "amount": "2"}\n', tmp_path, name="a.jsonl").table == wanted
    )
    pyarrow.parquet.write_table(
        pa.table({"account": ["007"], "asset": ["ETH"], "side": ["debt"], "amount": [2.0]}), tmp_path / "a.parquet"
    )
    read = read_file(tmp_path / "a.parquet")
    assert lending(read, match(read.columns, "lending", {}, ""), {}).table == wanted


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.ods", "x", "is no table that can be read: '.ods'; give one of .csv"),
        ("a.csv", "", "has no rows"),
        ("a.csv", "account\n", "has no rows"),
        ("a.parquet", "x", "cannot be read"),
        ("a.jsonl", "{", "line 1 is not JSON"),
        ("a.json", "[" * 100_000, "is nested too deep"),
    ],
)
def test_a_file_that_is_no_table_is_answered(tmp_path: Path, name: str, text: str, line: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_file(tmp_path / name)
    assert line in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is not None, reason="openpyxl is installed")
def test_a_spreadsheet_names_the_extra_that_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(
        InputError, match=r"a\.xlsx is Excel, whose reader is not installed; install the extra `excel` \(openpyxl\)"
    ):
        read_file(tmp_path / "a.xlsx")


def test_a_spreadsheet_is_read_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of a spreadsheet are floats: an account 7.0 is 7, and text stays text."""
    sheets = {
        "loans": [
            ("account", "asset", "side", "amount"),
            ("007", "ETH", "debt", 2.5),
            (None, None, None, None),
            (8.0, "ETH", "debt", 1),
        ],
        "notes": [("x",), ("y",)],
    }

    class Workbook:
        sheetnames = tuple(sheets)

        def __getitem__(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(iter_rows=lambda values_only: iter(sheets[name]))

    monkeypatch.setitem(
        sys.modules, "openpyxl", SimpleNamespace(load_workbook=lambda file, read_only, data_only: Workbook(), __spec__=1)
    )
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    read = read_file(tmp_path / "a.xlsx")
    assert isinstance(read, Sheet) and read.rows == (("007", "ETH", "debt", "2.5"), ("8", "ETH", "debt", "1"))
    with pytest.raises(InputError, match=r"a\.xlsx has no such sheet: 'loan'; known: loans, notes"):
        read_file(tmp_path / "a.xlsx", "loan")


def test_totals_are_reconciled_or_refused(tmp_path: Path) -> None:
    table = imported(LOANS, tmp_path).table
    assert totals_of(table) == {
        "accounts": 1.0,
        "rows": 2.0,
        "collateral.ETH": 1000.5,
        "collateral": 1000.5,
        "debt.USDC": 2e6,
        "debt": 2e6,
    }
    assert [one.found for one in beside(table, {"collateral": "1,000.5", "debt.USDC": "2m"})] == [1000.5, 2e6]
    for given_, line in (
        ({"debt": "2100000"}, "debt does not add up: the book has 2,000,000 and 2,100,000 was given"),
        ({"dept": "1"}, "--total dept is no total of this book"),
        ({"debt": ""}, "--total debt has no number"),
    ):
        with pytest.raises(InputError) as caught:
            hold(beside(table, given_), 1e-4, "--total", "was given", "see")
        assert line in str(caught.value)
    several = imported("account,asset,side,amount\na,ETH,debt,2\na,BTC,debt,3\n", tmp_path).table
    with pytest.raises(
        InputError, match=r"debt is in several assets, whose units do not add up; say of which: debt\.BTC, debt\.ETH"
    ):
        beside(several, {"debt": "5"})


@given(st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: round(value, 4)))
def test_numbers_are_read_as_they_are_written(value: float) -> None:
    for text in (repr(value), f"{value:,.4f}", f" ${value} "):
        assert number(text, "x") == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("text", ["1,23,4", "12a", "inf", "--1", "1e999", "1.2.3,4,5x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="number"):
        number(text, "x")


def test_a_balance_in_every_row_of_an_account_is_asked_for(tmp_path: Path) -> None:
    read = sheet("id,market,position,avg entry,mode,balance\n1,A,2,9,cross,50\n1,B,-1,9,cross,50\n2,A,1,9,cross,50\n", tmp_path)
    columns = match(read.columns, "perps", {}, "x")
    with pytest.raises(
        InputError, match=r"1 states the same collateral in each of its 2 cross rows: 50\.0; cross collateral adds up: write"
    ):
        perps(read, columns, {})
    once = perps(read, columns, {}, "once")
    assert once.table["collateral"].to_pylist() == [50.0, 0.0, 50.0]
    assert once.dropped == ("1 balances that were stated before: 1",)
    assert perps(read, columns, {}, "each").table["collateral"].to_pylist() == [50.0, 50.0, 50.0]

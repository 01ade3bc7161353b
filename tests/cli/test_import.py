"""`delever import` and `delever init`, as somebody types them who sees them for the first time."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.cli.main import app

LOANS = "Wallet,Token,Type,Balance,Value USD\n007,ETH,Supply,5,10000\n007,USDC,Borrow,6000,6000\n008,ETH,Supply,0,0\n"
POSITIONS = "trader,symbol,qty,entry,mode,margin\n01,BTC-PERP,1,95000,cross,9000\n02,BTC-PERP,-1,95000,isolated,9000\n"
RISK = [{"symbol": "BTCUSDT", "positionAmt": "1", "entryPrice": "95000", "isolatedWallet": "0"}]
BALANCE = [{"asset": "USDT", "crossWalletBalance": "9000"}]


def typed(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_book_of_any_columns_is_read_shown_and_written(elsewhere: Path) -> None:
    Path("loans.csv").write_text(LOANS)
    code, out, _ = typed(
        "import", "loans.csv", "--as", "lending", "--out", "book.parquet", "--total", "collateral=5", "--total", "debt.USDC=6k"
    )
    assert code == 0
    assert out.splitlines() == [
        "read      loans.csv: 3 rows",
        "column    Wallet is account",
        "column    Token is asset",
        "column    Type is side",
        "column    Balance is amount",
        "dropped   loans.csv: 1 rows without an amount: 008 (row 4) [row.left_out]",
        "dropped   loans.csv: columns Value USD [row.left_out]",
        "unknown   owners: each account counts as a person of its own [book.unsaid]",
        "unknown   liquidation thresholds: those of the world's parameters [book.unsaid]",
        "total     accounts 1",
        "total     rows 2",
        "total     collateral.ETH 5",
        "total     debt.USDC 6,000, given 6,000: reconciled",
        "total     collateral 5, given 5: reconciled",
        "total     debt 6,000",
        "written   book.parquet",
    ]
    assert pyarrow.parquet.read_table("book.parquet")["account"].to_pylist() == ["007", "007"]


def test_machines_read_the_same(elsewhere: Path) -> None:
    Path("loans.csv").write_text(LOANS)
    code, out, _ = typed("import", "loans.csv", "--as", "lending", "--json", "--total", "debt=6000")
    said = json.loads(out)
    assert code == 0 and said["columns"]["loans.csv"]["Wallet"] == "account" and said["columns"]["loans.csv"]["Value USD"] == ""
    assert said["reconciled"] == [{"total": "debt", "given": 6000.0, "found": 6000.0}] and said["out"] is None
    assert said["dropped"] == ["loans.csv: 1 rows without an amount: 008 (row 4)", "loans.csv: columns Value USD"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("loans.csv", "--as", "landing"), "delever: --as is no kind of book: 'landing'; did you mean lending?"),
        (
            ("loans.csv", "--as", "lending", "--total", "debt=7000"),
            "delever: --total: debt does not add up: the book has 6,000 and 7,000",
        ),
        (("loans.csv", "--as", "lending", "--map", "Wallet=asset"), "delever: loans.csv: no column is known to be account"),
        (("loans.csv", "--as", "lending", "--map", "Wallet"), "delever: --map is not NAME=VALUE: 'Wallet'"),
        (
            ("loans.csv", "--as", "lending", "--fill", "sde=debt"),
            "delever: --fill is no column of a book: 'sde'; did you mean side?",
        ),
        (("loans.csv", "--as", "lending", "--out", "loans.csv"), "delever: --out is what is read: 'loans.csv'"),
        (("loans.csv", "--as", "lending", "--out", "book.xls"), "delever: book.xls is neither .csv nor .parquet"),
        (("loans.csv", "--as", "perps"), "delever: loans.csv: no column is known to be"),
        (("none.csv", "--as", "perps"), "delever: none.csv cannot be read: 'there is no such file'"),
        (("risk.json", "--as", "lending"), "delever: risk.json is an exchange's answer and no table; write --as perps"),
        (("risk.json", "--as", "perps"), "delever: risk.json, account own has cross positions without balances: 'BTCUSDT'; give"),
        (("risk.json", "loans.csv", "--as", "perps"), "delever: risk.json, loans.csv: mixes tables and answers of an exchange"),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_nothing_is_written(elsewhere: Path, words: tuple[str, ...], line: str) -> None:
    Path("loans.csv").write_text(LOANS)
    Path("risk.json").write_text(json.dumps(RISK))
    code, out, err = typed("import", *words)
    assert (code, err.count("\n")) == (2, 1) and (out == "" or "written   nothing" in out)
    assert err.startswith(line)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["loans.csv", "risk.json"]
    assert Path("loans.csv").read_text() == LOANS


def test_answers_in_files_of_their_own_are_one_account(elsewhere: Path) -> None:
    Path("risk.json").write_text(json.dumps(RISK))
    Path("balance.json").write_text(json.dumps(BALANCE))
    words = ("--as", "perps", "--account", "desk", "--name", "BTCUSDT=BTC-PERP", "--out", "book.csv")
    code, out, _ = typed("import", "risk.json", "balance.json", *words)
    assert code == 0 and "read      risk.json, balance.json: Binance, 1 accounts, 1 positions" in out
    assert Path("book.csv").read_text().splitlines()[1:] == [
        '"desk","BTC-PERP",1,95000,"cross",0,"USD"',
        '"desk","",,,"cross",9000,"USD"',
    ]


def test_the_same_answer_twice_is_two_accounts_named_by_their_files(elsewhere: Path) -> None:
    for name in ("a", "b"):
        Path(f"{name}.json").write_text(json.dumps({"positionRisk": RISK, "balance": BALANCE}))
    code, out, _ = typed("import", "a.json", "b.json", "--as", "perps", "--total", "accounts=2", "--out", "book.csv")
    assert code == 0 and "2 accounts, 2 positions" in out
    assert [line.split(",")[0] for line in Path("book.csv").read_text().splitlines()[1:]] == ['"a"', '"a"', '"b"', '"b"']


def test_files_of_one_name_in_folders_are_accounts_named_by_these(elsewhere: Path) -> None:
    """None is lost: a file read later does not take the place of one that is called as it."""
    for name in ("d0", "d1"):
        Path(name).mkdir()
        Path(name, "risk.json").write_text(json.dumps(RISK))
        Path(name, "balance.json").write_text(json.dumps(BALANCE))
    files = [f"{name}/{part}.json" for name in ("d0", "d1") for part in ("risk", "balance")]
    code, out, _ = typed("import", *files, "--as", "perps", "--total", "accounts=2", "--out", "book.csv")
    assert code == 0 and "2 accounts, 2 positions" in out
    assert [line.split(",")[0] for line in Path("book.csv").read_text().splitlines()[1:]] == ['"d0"', '"d0"', '"d1"', '"d1"']
    Path("d0", "again.json").write_text(json.dumps(RISK))
    twice = typed("import", *files, "d0/again.json", "--as", "perps", "--out", "b.csv")[2]
    assert "d0 has the same answer of two accounts" in twice


def test_rows_of_another_protocol_are_left_out_by_name(elsewhere: Path) -> None:
    Path("book.csv").write_text("protocol,account,asset,side,amount\naave,a,ETH,debt,1\nspark,b,ETH,debt,2\n")
    code, out, _ = typed("import", "book.csv", "--as", "lending", "--protocol", "aave", "--out", "own.csv")
    assert code == 0 and "dropped   1 rows of other protocols: spark" in out
    assert len(Path("own.csv").read_text().splitlines()) == 2
    assert typed("import", "book.csv", "--as", "lending", "--protocol", "aavee")[2].startswith(
        "delever: --protocol: no row is of it: 'aavee'; did"
    )


@pytest.mark.parametrize("flags", [("--lending",), ("--perps",), ("--lending", "--perps")])
def test_a_new_folder_runs_as_it_is(elsewhere: Path, flags: tuple[str, ...]) -> None:
    code, out, _ = typed("init", "mine", *flags)
    assert code == 0 and "next: delever check mine" in out and (elsewhere / "mine" / "README.md").exists()
    assert typed("check", "mine")[0] == 0
    code, out, _ = typed("wall", "mine", "--asset", "ETH", "--shock", "-50%", "--json")
    assert code == 0 and json.loads(out)
    few = ("--set", "scenario.paths=2", "--set", "scenario.events=[]", "--set", "scenario.horizon=30 min")
    assert typed("stress", "mine", "--out", "run", "--no-concentration", *few)[0] == 0


def test_nothing_is_written_over_and_without_a_terminal_it_must_be_said(elsewhere: Path) -> None:
    Path("mine").mkdir()
    (Path("mine") / "thesis.tex").write_text("the only copy")
    assert typed("init", "mine", "--lending")[2] == "delever: mine is not empty; name a new folder: nothing is written over\n"
    assert typed("init", "other")[2] == "delever: init: say what is to be stressed; write --lending, --perps or both flags\n"
    assert not Path("other").exists()


def test_an_imported_template_is_the_template(elsewhere: Path) -> None:
    """What init leaves is a book that import takes, and the world of init takes what import writes."""
    typed("init", "mine", "--lending", "--perps")
    assert typed("import", "mine/book.csv", "--as", "lending", "--out", "mine/book.csv.new.csv")[0] == 0
    Path("mine/book.csv.new.csv").replace("mine/book.csv")
    assert typed("import", "mine/positions.csv", "--as", "perps", "--out", "new.csv", "--total", "accounts=5")[0] == 0
    Path("new.csv").replace("mine/positions.csv")
    assert typed("check", "mine")[0] == 0


def test_python_does_the_same_in_one_call(elsewhere: Path) -> None:
    Path("loans.csv").write_text(LOANS)
    found = dl.import_book(["loans.csv"], "lending", mapping={"Value USD": ""}, names={"ETH": "WETH"})
    assert found.columns["loans.csv"]["Wallet"] == "account" and found.table["asset"].to_pylist() == ["WETH", "USDC"]
    assert dl.Book.from_table(found.table, protocol="pool").number_of_accounts == 1


def test_a_row_that_a_book_refuses_is_answered_before_anything_is_written(elsewhere: Path) -> None:
    Path("loans.csv").write_text("account,asset,side,amount,lt\na,ETH,supply,1,83\na,USDC,debt,1,\n")
    code, _, err = typed("import", "loans.csv", "--as", "lending", "--out", "book.csv")
    assert code == 2 and not Path("book.csv").exists()
    assert err == "delever: loans.csv as read, row 2, column liquidation_threshold is 83; it is a share, so 0.83\n"


def test_a_total_that_is_refused_is_shown_beside_all_that_the_book_has(elsewhere: Path) -> None:
    Path("loans.csv").write_text(LOANS)
    given = ("--total", "debt=7000", "--total", "collateral=5", "--total", "accounts=3")
    code, out, err = typed("import", "loans.csv", "--as", "lending", *given, "--out", "book.csv")
    assert code == 2 and not Path("book.csv").exists()
    for line in ("total     debt 6,000, given 7,000: 14.286% apart", "total     collateral 5, given 5: reconciled",
                 "total     accounts 1, given 3: 66.667% apart", "total     debt.USDC 6,000", "total     rows 2",
                 "dropped   loans.csv: 1 rows without an amount: 008 (row 4) [row.left_out]",
                 "written   nothing: a total does not add up"):
        assert line in out.splitlines()
    assert "debt does not add up: the book has 6,000 and 7,000 was given, 14.286% apart, accounts does not add up" in err


def test_names_that_may_be_one_are_a_finding_of_an_import_and_of_a_check(elsewhere: Path) -> None:
    Path("loans.csv").write_text("user,asset,side,amount\nAlice,ETH,supply,9\nalice,USDC,debt,10\nalice,ETH,supply,9\n")
    assert typed("init", "mine", "--lending")[0] == 0
    code, out, err = typed("import", "loans.csv", "--as", "lending", "--out", "mine/book.csv", "--strict")
    assert code == 3 and "alike     loans.csv: Alice and alice: each counts as one of its own [account.alike]" in out
    assert "account.alike (loans.csv)" in err
    found = json.loads(typed("check", "mine", "--json")[1])["findings"]
    assert [row["value"] for row in found if row["code"] == "account.alike"] == [
        "Alice and alice: each counts as one of its own"]


def test_a_folder_each_whatever_its_files_are_called(elsewhere: Path) -> None:
    for name in ("d0", "d1"):
        Path(name).mkdir()
        Path(name, f"risk of {name}.json").write_text(json.dumps(RISK))
        Path(name, f"balance of {name}.json").write_text(json.dumps(BALANCE))
    files = sorted(map(str, elsewhere.glob("d*/*.json")))
    code, out, _ = typed("import", *files, "--as", "perps", "--total", "accounts=2", "--out", "book.csv")
    assert code == 0 and "2 accounts, 2 positions" in out
    assert {line.split(",")[0] for line in Path("book.csv").read_text().splitlines()[1:]} == {'"d0"', '"d1"'}


def test_accounts_by_name_in_one_file(elsewhere: Path) -> None:
    parts = {"positionRisk": RISK, "balance": BALANCE}
    Path("accounts.json").write_text(json.dumps({"desk 1": parts, "desk 2": parts}))
    assert typed("import", "accounts.json", "--as", "perps", "--total", "accounts=2", "--out", "book.csv")[0] == 0
    assert {line.split(",")[0] for line in Path("book.csv").read_text().splitlines()[1:]} == {'"desk 1"', '"desk 2"'}

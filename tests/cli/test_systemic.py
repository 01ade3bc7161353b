"""`delever deleverage` and `delever clear`: figures are the library's, mistakes are one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from delever.cli.main import app

BALANCES = "name,cash,other,loans,owed,bond\na,5,15,90,4,80\nb,80,,,,20\n"
DEBTS, MEANS = "debtor,creditor,amount\na,b,2.2\nb,a,1\nb,a,1.2\n", "name,cash\na,1\nb,1\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("balances.csv", BALANCES), ("debts.csv", DEBTS), ("means.csv", MEANS)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140"})


def test_deleveraging_prints_and_draws(files: Path) -> None:
    result = invoke("deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "0 %, 5 %", "--chart", "out.svg")
    assert result.exit_code == 0, result.output
    for text in ("By price impact", "bond -3 %", "target 5 %, buffer 4 %, least 3 %", "of 2, after 6 steps"):
        assert text in result.output
    drawn = (files / "out.svg").read_text()
    assert drawn.startswith("<svg") and drawn.count("<polyline") == 2 and "Failed and sold" in drawn


def test_one_impact_shows_every_holder(files: Path) -> None:
    result = invoke("deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "0 %", "--steps", "2", "--json")
    found = json.loads(result.output)
    assert found["shock"] == {"bond": -0.03}
    assert found["holders"][0]["paid_back"] == pytest.approx(25.6)  # see tests/analysis/test_fire_sales.py
    assert [row["failed"] for row in found["by_step"]] == [0, 0, 0]
    assert found["by_fall"][0]["sold"] == pytest.approx(20.6 / 0.97 / 100.0)
    shown = invoke("deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "0 %")
    assert "Step by step" in shown.output and "Holders" in shown.output


def test_ratios_are_options(files: Path) -> None:
    found = json.loads(invoke("deleverage", "balances.csv", "--shock", "bond=-3 %", "--least", "4 %", "--buffer", "4 %",
                              "--json").output)
    assert found["by_fall"][0]["failed"] == 1  # 3.69 %


def test_clearing_prints_both_vectors_and_draws(files: Path) -> None:
    result = invoke("clear", "debts.csv", "means.csv", "--alpha", "50 %", "--beta", "50 %", "--json", "--chart", "out.svg")
    found = json.loads(result.output)
    assert [(row["pays"], row["pays_at_least"]) for row in found["debtors"]] == [(2.2, 1.0), (2.2, 1.0)]  # Rogers and Veraart
    assert not found["unique"]
    assert "by the greatest vector" in (files / "out.svg").read_text()
    shown = invoke("clear", "debts.csv", "means.csv")
    assert "Both vectors are one." in shown.output and "Payments" in shown.output


def test_creditors_need_no_row_among_the_means(files: Path) -> None:
    (files / "debts.csv").write_text("debtor,creditor,amount\na,c,4\n")
    found = json.loads(invoke("clear", "debts.csv", "means.csv", "--json").output)
    assert [(row["name"], row["receives"]) for row in found["debtors"]] == [("a", 0.0), ("b", 0.0), ("c", 1.0)]


@pytest.mark.parametrize(("arguments", "says"), [
    (("deleverage", "balances.csv", "--shock", "bund=-3 %"), "did you mean bond"),
    (("deleverage", "balances.csv", "--shock", "bond=3 %"), "is no fall"),
    (("deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "100 %"), "is the whole price"),
    (("deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "5"), "so 0.05"),
    (("deleverage", "means.csv", "--shock", "bond=-3 %"), "has no asset"),
    (("deleverage", "nowhere.csv", "--shock", "bond=-3 %"), "nowhere.csv"),
    (("deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "5 %", "--chart", "out.svg"), "has one value alone"),
    (("deleverage", "balances.csv", "--shock", "bond=-3 %", "--chart", "out.png"), "end its name in .svg"),
    (("clear", "means.csv", "means.csv"), "misses a column: 'debtor'"),
    (("clear", "debts.csv", "debts.csv"), "misses a column: 'name'"),
    (("clear", "debts.csv", "means.csv", "--alpha", "150 %"), "--alpha"),
])
def test_a_mistake_is_one_line(files: Path, arguments: tuple[str, ...], says: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("file", "text", "arguments", "says"), [
    ("balances.csv", BALANCES.replace("80\n", "much\n", 1), ("deleverage", "balances.csv", "--shock", "bond=-3 %"),
     "row 2, column bond is not a number"),
    ("debts.csv", DEBTS.replace("2.2", "two"), ("clear", "debts.csv", "means.csv"), "or nothing for 0"),
    ("means.csv", MEANS + "a,2\n", ("clear", "debts.csv", "means.csv"), "stands twice: 'a'"),
    ("debts.csv", DEBTS + "a,a,1\n", ("clear", "debts.csv", "means.csv"), "nobody owes himself"),
])
def test_a_mistake_in_a_file_is_one_line(files: Path, file: str, text: str, arguments: tuple[str, ...], says: str) -> None:
    (files / file).write_text(text)
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr and len(result.stderr.strip().splitlines()) == 1

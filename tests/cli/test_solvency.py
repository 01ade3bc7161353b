"""`delever solvency`: what is printed, written and drawn is what the call returns."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis import Solvency
from delever.cli.main import app
from delever.report import picture, solvency_json, solvency_report


@pytest.fixture(scope="module")
def found() -> Solvency:
    return dl.solvency(dl.load(dl.example("first")), "all -30 %")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["solvency", *arguments])


def test_json_and_csv_hold_every_protocol(found: Solvency, tmp_path: Path) -> None:
    file = tmp_path / "equity.csv"
    result = invoke("first", "--shock", "all -30 %", "--csv", str(file), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said.items() >= json.loads(json.dumps(solvency_json("first", found))).items()
    assert pyarrow.csv.read_csv(file)["equity_exit_usd"].to_pylist() == pytest.approx(found.table["equity_exit_usd"].to_pylist())
    assert len(said["accounts"]) == said["protocols"][-1]["short_exit"]


def test_the_report_says_the_finding_first(found: Solvency) -> None:
    lines = invoke("first", "--shock", "all -30 %").stdout.splitlines()
    said = "After all -30 %: 11.4M USD of 58.8M USD owed are short at exit prices; the oracles' prices show 147k USD of it"
    assert lines[:2] == ["Solvency of first after all -30 %", said]
    for heading in ("Equity by protocol", "Where it is sold, -30 %", "Who is short at exit", "To know"):
        assert heading in lines


def test_without_a_shock_it_is_now() -> None:
    now = dl.solvency(dl.load(dl.example("first")))
    report = solvency_report("first", now)
    assert report.lead == "2.52M USD of 61.1M USD owed are short at exit prices; the oracles' prices show nothing of it"
    assert "Where it is sold, now" in [section.heading for section in report.sections]
    dl.show(now)


def test_where_everybody_could_pay_that_is_said() -> None:
    deep = dl.load(dl.example("first")).replace("venues.eth_pool.reserves", {"ETH": 36e6, "USD": 90e9})
    report = solvency_report("deep", dl.solvency(deep))
    assert report.lead == "Nothing is short at exit prices: everybody who owes could pay"
    assert "Who is short at exit" not in [section.heading for section in report.sections]


def test_the_picture_has_a_bar_of_each_price(found: Solvency, tmp_path: Path) -> None:
    file = tmp_path / "short.svg"
    assert invoke("first", "--shock", "all -30 %", "--chart", str(file)).exit_code == 0
    assert file.read_text() == picture(found)
    texts = [element.text for element in ET.fromstring(picture(found)).iter("{http://www.w3.org/2000/svg}text")]
    assert {"Owed beyond what stands against it after all -30 %", "at exit prices", "at market prices", "at oracle prices",
            "aave", "11.4M"} <= set(texts)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--asset", "ETH"], "is shocked by nothing"), (["--shock", "-30%"], "names no asset"), (["--shock", "ETHH -5 %"], "ETH?"),
    (["--shock", "all -5 %", "--chart", "n.png"], ".svg")])
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    result = invoke("first", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1

"""`delever limits`: what is printed, written and drawn is what the call returns."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.limits import Limits
from delever.cli.main import app
from delever.report import limits_json, limits_report, picture


@pytest.fixture(scope="module")
def found() -> Limits:
    return dl.static_checks(dl.load(dl.example("first")))


def invoke(*arguments: str, command: str = "limits") -> Any:
    return CliRunner().invoke(app, [command, *arguments])


def test_json_and_csv_hold_every_cap(found: Limits, tmp_path: Path) -> None:
    file = tmp_path / "factors.csv"
    result = invoke("first", "--csv", str(file), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said.items() >= json.loads(json.dumps(limits_json("first", found))).items()
    assert pyarrow.csv.read_csv(file)["factor"].to_pylist() == pytest.approx(found.factors["factor"].to_pylist())
    assert said["shock"] == "all -20 %"


def test_the_report_says_the_finding_first(found: Limits) -> None:
    lines = invoke("first").stdout.splitlines()
    warned = found.findings["level"].to_pylist().count("warn")
    assert lines[:2] == ["Limits of first", f"{warned} limits are exceeded, on 3 of 3 terms of collateral"]
    for heading in ("Findings", "Terms against oracles and spirals", "Caps against depth", "Supplied and owed",
                    "Highest collateral factor by cap, after all -20 %", "Which collateral backs which debt"):
        assert heading in lines
    dl.show(found)
    assert repr(found).startswith("Limits: 7 findings on 3 terms of collateral; 25% of a cap")


def test_where_no_limit_is_exceeded_that_is_said() -> None:
    deep = dl.load(dl.example("first")).replace("venues.eth_pool.reserves", {"ETH": 36e9, "USD": 90e12}).replace(
        "venues.btc_pool.reserves", {"WBTC": 3e9, "USD": 127.5e12})
    report = limits_report("deep", dl.static_checks(deep, shock="ETH -1 %"))
    assert report.lead == "No term and no cap of 3 is beyond its limit"


def test_caps_of_ones_own_are_those_shown() -> None:
    said = json.loads(invoke("first", "--asset", "ETH", "--caps", "10k, 20k", "--share", "10 %", "--json").stdout)
    assert [row["cap"] for row in said["factors"]] == [10_000.0, 20_000.0]
    assert said["share"] == 0.1


def test_the_picture_has_a_line_a_collateral(found: Limits, tmp_path: Path) -> None:
    file = tmp_path / "factors.svg"
    assert invoke("first", "--chart", str(file)).exit_code == 0
    assert file.read_text() == picture(found)
    root = ET.fromstring(picture(found))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 3
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"aave ETH", "aave USDC", "aave WBTC", "cap, times what is supplied now"} <= set(texts)


def test_strict_ends_with_its_own_code() -> None:
    result = invoke("first", "--strict")
    assert result.exit_code == 3
    assert "limit.supply_beyond_depth (protocols.aave.parameters.ETH)" in result.stderr


@pytest.mark.parametrize("word", ["toxic frontier", "limit.free_option", "solvency gap", "collateral factor"])
def test_words_and_codes_are_explained(word: str) -> None:
    result = invoke(word, command="explain")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 2


@pytest.mark.parametrize(("arguments", "said"), [
    (["--caps", "10k"], "of no asset"), (["--asset", "ETH", "--caps", "many"], "--caps"), (["--asset", "ETHH"], "mean ETH?"),
    (["--share", "0 %"], "is 0"), (["--slippage", "120 %"], "slippage"), (["--shock", "ETH -20%..0%"], "several steps"),
    (["--chart", "n.png"], ".svg"), (["--asset", "ETH", "--caps", "10k", "--chart", "n.svg"], "one value alone")])
def test_mistakes_are_one_line(arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("first", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1

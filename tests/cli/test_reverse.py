"""`delever reverse`: what is printed, written and drawn is what the call returns; mistakes are one line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.reverse import Reverse
from delever.cli.main import app
from delever.report import picture
from delever.report.reverse import headline, reverse_chart, reverse_json, reverse_report, said

CALM = ("--set", "scenario.events=[]", "--set", "scenario.horizon=20 min", "--paths", "2")
WAYS = ["order ETH", "oracle eth_usd", "outage ethereum"]


@pytest.fixture(scope="module")
def found() -> Reverse:
    world = dl.load(dl.example("first"), set={"scenario.events": "[]", "scenario.horizon": "20 min", "scenario.paths": "2"})
    return dl.reverse(world, "liquidations > 0.5", WAYS, paths=2)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["reverse", *arguments])


def test_json_csv_and_picture_hold_every_row(found: Reverse, tmp_path: Path) -> None:
    file, picture = tmp_path / "found.csv", tmp_path / "found.svg"
    result = invoke("first", *CALM, "--limit", "liquidations > 0.5", "--by", ", ".join(WAYS), "--json", "--csv", str(file),
                    "--chart", str(picture))
    assert result.exit_code == 0, result.output
    read = json.loads(result.stdout)
    assert [row["size"] for row in read["levers"]][:2] == found.table["size"].to_pylist()[:2]
    assert read["cheapest"] == reverse_json(found)["cheapest"]
    assert pyarrow.csv.read_csv(file)["what"].to_pylist() == found.table["what"].to_pylist()
    texts = [node.text for node in ET.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")]
    assert {"ETH sold", "eth_usd pushed down", "holds up to 20 min"} <= set(texts)


def test_the_finding_comes_first_and_what_holds_is_listed(found: Reverse, capsys: pytest.CaptureFixture[str]) -> None:
    first = found.table.to_pylist()[0]
    assert headline(found).startswith(f"liquidations > 0.5: the smallest that break it are ETH sold {said(first['size'], 'ETH')}")
    dl.show(found)
    printed = capsys.readouterr().out
    assert "ethereum down: up to 20 min" in printed
    assert "as if it looked at this venue alone" in " ".join(printed.split())
    assert "ETH sold" in reverse_report(found).markdown()
    assert picture(found) == reverse_chart(found)
    assert reverse_chart(found).count("<circle") == sum(row == "breaks" for row in found.table["found"].to_pylist())


def test_what_is_not_monotone_is_marked() -> None:
    """A fall so deep that nothing is worth seizing repays less."""
    result = invoke("first", *CALM, "--limit", "repaid.aave.USDC > 20m", "--by", "shock ETH")
    assert any(line.startswith("ETH falls") and " * " in line for line in result.stdout.splitlines())
    assert "not monotone, the limit holds again at 60 %, 95 %" in result.stdout


def test_its_words_are_explained() -> None:
    for word, says in (("reverse stress", "smallest size"), ("limit", "any bad debt"), ("graceful", "above 2"),
                       ("cost", "slippage and fees"), ("latency", "heartbeat")):
        result = CliRunner().invoke(app, ["explain", word])
        assert result.exit_code == 0
        assert says in " ".join(result.stdout.split())


def test_a_notebook_draws_it(found: Reverse) -> None:
    pytest.importorskip("altair")
    rows = found.plot().to_dict()["data"]["values"]
    assert [row["what"] for row in rows] == [row["what"] for row in found.table.to_pylist() if row["found"] == "breaks"]


@pytest.mark.parametrize(("options", "said"), [
    (["--limit", "all is well"], "delever: limit is no limit: 'all is well'; write \"any bad debt\""),
    (["--limit", "any bad debt", "--by", "shok ETH"], "did you mean shock"),
    (["--limit", "any bad debt", "--share", "0 %"], "delever: share is 0"),
    (["--limit", "any bad debt", "--at", "30 min"], "delever: at is 1800 s"),
    (["--limit", "any bad debt", "--lasting", "soon"], "delever: --lasting is not a number: 'soon'"),
    (["--limit", "any bad debt", "--chart", "found.png"], "found.png")])
def test_mistakes_are_one_line(options: list[str], said: str) -> None:
    result = invoke("first", *CALM, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1

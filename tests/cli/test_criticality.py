"""`delever criticality`: what is printed, written and drawn is what the call returns."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis import Criticality
from delever.cli.main import app
from delever.report import criticality_chart, criticality_json, criticality_report
from delever.report.criticality import few

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found() -> Criticality:
    return dl.criticality(dl.load(dl.example("first")), "ETH", "-40%", "4 %")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["criticality", *arguments])


def test_json_and_csv_hold_every_level(found: Criticality, tmp_path: Path) -> None:
    file = tmp_path / "levels.csv"
    result = invoke("first", "--asset", "ETH", "--shock", "-40%", "--step", "4 %", "--csv", str(file), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said.items() >= json.loads(json.dumps(criticality_json("first", found))).items()
    assert [row["n"] for row in said["levels"]] == found.levels["n"].to_pylist()
    assert pyarrow.csv.read_csv(file)["n"].to_pylist()[:-1] == pytest.approx(found.levels["n"].to_pylist()[:-1])
    assert said["above_1"] == found.runs.to_pylist()
    assert set(said["definitions"]) == {"n", "lpd", "spiral"}


def test_the_report_says_the_finding_first_and_marks_levels_above_one(found: Criticality) -> None:
    result = invoke("first", "--asset", "ETH", "--shock", "-40%", "--step", "4 %")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["Criticality of first: ETH",
                         "Selling feeds on itself from 2,100.00 to 1,600.00 USD: n is up to 4.79, at 1,700.00 USD (-32 %)"]
    marked = [line.split()[0] for line in lines if " * " in line and line.startswith("-")]
    above = [row["shock"] for row in found.levels.to_pylist()[:-1] if row["n"] > 1.0]
    assert marked == [f"{shock * 100:.0f}" for shock in above]
    for heading in ("Branching ratio by price", "What a shock of this size comes to", "Where n is above 1",
                    "Branching matrix at -32 %", "Forced selling against replenishment"):
        assert heading in lines
    assert "strongest loop, by itself 4.79 a turn: aave: ETH for USDC -> aave: ETH for USDC" in result.stdout


def test_where_nothing_feeds_on_itself_that_is_said(found: Criticality) -> None:
    calm = dl.criticality(dl.load(dl.example("first")), "ETH", "-12%", "4 %")
    report = criticality_report("first", calm)
    assert report.lead == "Selling does not feed on itself down to -12 %: n is at most 0.242, at 2,300.00 USD (-8 %)"
    assert "Where n is above 1" not in [section.heading for section in report.sections]
    assert repr(calm) == "Criticality of ETH: n up to 0.242 at -0.08, above 1 on 0 stretches"
    dl.show(calm)


def test_columns_say_their_unit(found: Criticality) -> None:
    for table in (found.levels, found.runs, found.matrix, found.pace):
        assert isinstance(table, pa.Table)
        for field in table.schema:
            assert b"unit" in (field.metadata or {}) or pa.types.is_string(field.type), field.name


def test_the_picture_is_as_high_as_n_and_shades_what_is_above_one(found: Criticality) -> None:
    root = ET.fromstring(criticality_chart("first <&>", found))
    curves = {line.get("stroke-dasharray"): line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")}
    drawn = [float(point.split(",")[1]) for point in curves[None]][::2]
    n = found.levels["n"].to_pylist()[:-1]
    bottom = drawn[0]  # n = 0 at the start
    one = next(float(line.attrib["y1"]) for line in root.iter(f"{SVG}line")
               if line.get("stroke") == "#222222" and line.get("y1") == line.get("y2"))
    for height, value in zip(drawn, n, strict=True):
        assert (bottom - height) / (bottom - one) == pytest.approx(min(value, 4.0), abs=0.01)
    shaded = [box for box in root.iter(f"{SVG}rect") if box.get("fill-opacity") == "0.12"]
    assert len(shaded) == sum(value > 1.0 for value in n)
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert any("cut at 4, n goes to 4.79" in words for words in texts)
    assert any("first <&>" in words for words in texts)


def test_long_tables_are_thinned_from_their_end() -> None:
    rows = [{"at": i} for i in range(60)]
    shown, said = few(rows)
    assert [row["at"] for row in shown] == list(range(3, 60, 4))
    assert said == ("one in 4 of the levels; --json holds all",)
    assert few(rows[:16]) == (rows[:16], ())


@pytest.mark.parametrize(("arguments", "said"), [
    (["--asset", "ETH", "--shock", "-20%..20%"], "goes both ways"), (["--asset", "ETH", "--chart", "n.png"], ".svg"),
    (["--asset", "ETHH"], "did you mean ETH?"), ([], "names no asset")])
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    result = invoke("first", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1

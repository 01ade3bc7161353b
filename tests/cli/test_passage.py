"""`delever passage`: what is printed, written and drawn is what the call returns."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis import FirstPassage
from delever.cli.main import app
from delever.model.errors import InputError
from delever.report import passage_chart, passage_json, passage_report
from delever.report.passage import LEVELS, between, chance, nearest, read_at
from run.small import loan, one_market

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found() -> FirstPassage:
    return dl.first_passage(dl.load(dl.example("first")), paths=8, events=False)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["passage", *arguments])


def test_json_csv_and_parquet_hold_every_account(found: FirstPassage, tmp_path: Path) -> None:
    csv, parquet, curve = tmp_path / "accounts.csv", tmp_path / "accounts.parquet", tmp_path / "curve.csv"
    result = invoke("first", "--no-events", "--paths", "8", "--csv", str(csv), "--parquet", str(parquet), "--curve", str(curve),
                    "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said.items() >= json.loads(json.dumps(passage_json("first", found))).items()
    assert len(said["accounts"]) == 40
    assert pyarrow.csv.read_csv(csv)["probability"].to_pylist() == pytest.approx(found.accounts["probability"].to_pylist())
    assert pyarrow.parquet.read_table(parquet)["delta"].to_pylist() == found.accounts["delta"].to_pylist()
    assert pyarrow.csv.read_csv(curve)["side"].to_pylist() == found.curve["side"].to_pylist()


def test_the_report_says_the_finding_first_and_how_each_was_told(found: FirstPassage) -> None:
    result = invoke("first", "--no-events", "--paths", "8")
    lines = result.stdout.splitlines()
    assert lines[0] == "First passage in first, 24 h"
    accounts = between(found.book.to_pylist()[-4])
    assert lines[1].startswith(f"{accounts} of 40 accounts are expected to reach their boundary within 24 h")
    assert "accounts in closed form: 35, simulated: 5, on 8 price paths" in result.stdout
    for heading in ("What of the book reaches its boundary", "Who reaches it first", "What moves the probability", "By leverage",
                    "Convexity of ruin", "By when"):
        assert heading in lines
    dl.show(found)


def test_events_are_said_to_cost_the_closed_forms() -> None:
    result = invoke("first", "--paths", "2")
    assert "35 accounts have a closed form but for the scenario's price events" in " ".join(result.stdout.split())


def test_accounts_are_shown_by_probability_and_small_ones_are_said_to_be(found: FirstPassage) -> None:
    shown = [row["probability"] for row in nearest(found.accounts)]
    assert shown == sorted(shown, reverse=True)
    assert min(shown) >= 1e-6
    assert (chance(1e-9), chance(0.0), chance(0.25)) == ("< 0.0001 %", "0 %", "25 %")


def test_what_is_simulated_has_an_interval_and_what_is_not_has_none() -> None:
    row = {"expected": 9.66, "low": 9.3, "high": 10.02, "now": 0.0, "whole": 40.0}
    assert between(row) == "9.66 (9.3 to 10)"
    assert between(row | {"low": 9.66, "high": 9.66}) == "9.66"
    assert between(row | {"low": None, "high": None}) == "about 9.66"
    assert between(row | {"low": -1.0}) == "9.66 (0 to 10)"
    one = dl.first_passage(dl.load(dl.example("first")), paths=1).book.to_pylist()
    assert all(row["low"] is None for row in one)
    closed = dl.first_passage(one_market(loan("a", 10.0, 8_000.0), scenario={"prices": {
        "kind": "lognormal", "volatility": {"ETH": 0.8}}})).book.to_pylist()
    assert all(row["low"] == row["expected"] == row["high"] for row in closed)


def test_curves_are_read_where_probabilities_are_round(found: FirstPassage) -> None:
    rows = read_at(found.curve)
    kinds = {(row["protocol"], row["price"], row["side"]) for row in rows}
    assert kinds == {("aave", "ETH/USD", "loan against it"), ("aave", "WBTC/USD", "loan against it"),
                     ("aave", "ETH/USD", "loan of it")}
    for kind in kinds:
        mine = [row["probability"] for row in rows if (row["protocol"], row["price"], row["side"]) == kind]
        assert mine == pytest.approx(LEVELS, rel=0.2)


def test_columns_say_their_unit(found: FirstPassage) -> None:
    for table in (found.accounts, found.times, found.leverage, found.curve):
        for field in table.schema:
            assert b"unit" in (field.metadata or {}) or pa.types.is_string(field.type), field.name
    assert repr(found).startswith("First passage within 86400 s: ")
    assert "probability" in found._repr_html_()


def test_the_picture_has_a_line_a_kind_and_a_point_an_account(found: FirstPassage) -> None:
    root = ET.fromstring(passage_chart("first <&>", found))
    lines = [line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")]
    assert len(lines) == 2 * 3
    heights = [float(point.split(",")[1]) for point in lines[-1]]
    assert heights == sorted(heights, reverse=True)  # more leverage, more probable
    drawn = [row for row in found.accounts.to_pylist() if row["move"] is not None]
    likely = [row for row in drawn if row["probability"] >= 1e-6]
    assert len(list(root.iter(f"{SVG}circle"))) == len(drawn) + len(likely)
    assert any("first <&>" in (element.text or "") for element in root.iter(f"{SVG}text"))


def test_a_notebook_draws_it(found: FirstPassage) -> None:
    altair = pytest.importorskip("altair")
    assert isinstance(found.plot(), altair.LayerChart)


def test_a_book_that_no_price_reaches_is_said_to_be_one() -> None:
    world = one_market([("a", "USD", "collateral", 2.0), ("a", "USD", "debt", 1.0)])
    empty = dl.first_passage(world)
    assert passage_report("it", empty).lead == "0 of 1 accounts are expected to reach their boundary within 10 min: 0 USD of debt"
    with pytest.raises(InputError, match="nothing to draw"):
        passage_chart("it", empty)
    passage_report("it", empty).print()


@pytest.mark.parametrize(("arguments", "said"), [
    (["--asset", "ETHH"], "did you mean ETH?"), (["--chart", "p.png"], ".svg"), (["--horizon", "7 min"], "whole number of steps"),
    (["--horizon", "soon"], "horizon"), (["--curve", "x.json"], ".csv")])
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    result = invoke("first", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1

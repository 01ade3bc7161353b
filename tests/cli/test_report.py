"""Renderers on small tables: nothing that the table says is lost on the way to a reader."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from rich.console import Console

from delever.model.errors import InputError
from delever.report import (
    Report,
    Section,
    check_json,
    check_report,
    check_target,
    has_errors,
    json_text,
    stress_json,
    stress_report,
    wall_json,
    wall_report,
    write_summary,
    write_table,
)

SUMMARY = pa.table(
    {
        "figure": ["bad debt, mean", "liquidations, mean", "worst price fall"],
        "value": [1_234_567.0, 12.0, 0.314],
        "unit": ["USD", "", "share"],
        "definition": ["debt that no collateral backs", "calls that were included", "of ETH | beyond the outside one"],
        "low": [1_100_000.0, 11.0, math.nan],
        "high": [1_300_000.0, 13.0, math.nan],
        "horizon": ["24 h", "24 h", "24 h"],
    }
)
WALL = pa.table(
    [pa.array(["aave"]), pa.array(["stETH"]), pa.array([2.5e6]), pa.array([1_250.0])],
    schema=pa.schema(
        [
            pa.field("protocol", pa.string()),
            pa.field("collateral", pa.string()),
            pa.field("eligible_collateral_usd", pa.float64()),
            pa.field("eligible_collateral", pa.float64(), metadata={"unit": "stETH", "meaning": "all that they hold"}),
        ]
    ),
)


@dataclass(frozen=True)
class FakeRun:
    summary: pa.Table
    paths: pa.Table
    folder: Path | None
    concentration: pa.Table | None = None


@dataclass(frozen=True)
class FakeWall:
    table: pa.Table
    accounts: pa.Table


@dataclass(frozen=True)
class FakeCheck:
    findings: pa.Table
    prices: pa.Table
    inputs: pa.Table


def run(folder: Path | None = None) -> Any:
    return FakeRun(SUMMARY, pa.table({"bad_debt": [0.0, 1.0]}), folder)


def check(level: str) -> Any:
    finding = pa.table({"level": [level], "where": ["book aave, row 3"], "remedy": ["drop it"]})
    prices = pa.table({"protocol": ["aave"], "asset": ["ETH"], "feed": ["eth_usd"], "price": [2500.0]})
    inputs = pa.table({"input": ["book:aave"], "as_of": [datetime(2024, 1, 15, tzinfo=UTC)]})
    return FakeCheck(finding, prices, inputs)


def printed(report: Report, width: int = 160) -> str:
    out = io.StringIO()
    report.print(Console(file=out, width=width))
    return out.getvalue()


def test_every_risk_figure_has_its_definition_and_horizon_beside_it() -> None:
    text = printed(stress_report("first", run()))
    for row in SUMMARY.to_pylist():
        assert any(row["figure"] in line and row["definition"] in line and "24 h" in line for line in text.splitlines())
    assert "1.23M" in text
    assert "31.4 %" in text
    assert "1.1M to 1.3M" in text


def test_a_narrow_terminal_loses_no_number() -> None:
    text = printed(stress_report("first", run()), width=60)
    assert "1.23M" in text
    assert "31.4 %" in text


def test_the_summary_in_the_folder_is_a_markdown_table(tmp_path: Path) -> None:
    file = write_summary(stress_report("first", run(tmp_path)), tmp_path)
    text = file.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + SUMMARY.num_rows
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert [f.name for f in tmp_path.iterdir()] == ["summary.md"]


def test_the_critical_order_is_said_in_words_and_in_json() -> None:
    critical = {"asset": "stETH", "runaway": 52_000.0, "bad_debt": None}
    text = printed(stress_report("first", run(), critical))
    assert "from 52k stETH" in text
    assert "bad debt appears at no size searched" in text
    assert json.loads(json_text(stress_json("first", run(), critical)))["critical_order"] == critical


def test_concentration_is_shown_where_the_run_has_it() -> None:
    table = pa.table({"without": ["0xabc"], "bad debt": [0.0]})
    text = printed(stress_report("first", FakeRun(SUMMARY, SUMMARY, None, table)))  # type: ignore[arg-type]
    assert "0xabc" in text


def test_a_wall_says_what_eligible_and_liquidatable_mean() -> None:
    text = printed(wall_report("first", "ETH", "-5%", FakeWall(WALL, WALL)))  # type: ignore[arg-type]
    assert "Eligible:" in text
    assert "Liquidatable:" in text
    assert "eligible collateral [USD]" in text
    assert "eligible collateral [stETH]" in text
    assert "eligible collateral: all that they hold" in text
    assert "2.5M" in text


def test_wall_json_keeps_full_numbers() -> None:
    found = json.loads(json_text(wall_json("first", "ETH", "-5%", FakeWall(WALL, WALL))))  # type: ignore[arg-type]
    assert found["wall"] == WALL.to_pylist()


def test_check_shows_findings_first_and_fails_on_errors_only() -> None:
    text = printed(check_report("first", datetime(2024, 1, 15, tzinfo=UTC), check("error")))
    assert text.index("drop it") < text.index("eth_usd") < text.index("book:aave")
    assert has_errors(check("error"))
    assert not has_errors(check("warning"))
    assert json.loads(json_text(check_json("first", check("warning"))))["inputs"][0]["as_of"].startswith("2024-01-15")


def test_brackets_in_a_cell_are_text_and_not_markup() -> None:
    assert "[bold]" in printed(Report("t", (Section("s", pa.table({"name": ["[bold]"]})),)))


def test_json_has_no_nan() -> None:
    assert json.loads(json_text({"a": math.nan, "b": math.inf, "c": [1.5, None, True]})) == {
        "a": None,
        "b": None,
        "c": [1.5, None, True],
    }


@pytest.mark.parametrize("name", ["wall.csv", "wall.parquet"])
def test_a_table_on_disk_is_the_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_table(WALL, path)
    read = pyarrow.csv.read_csv(path) if name.endswith(".csv") else pyarrow.parquet.read_table(path)
    assert read.to_pylist() == WALL.to_pylist()
    assert [f.name for f in tmp_path.iterdir()] == [name]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "wall.csv"
    path.write_text("old")
    nested = pa.table({"list": [[1, 2]]})  # CSV has no lists
    with pytest.raises(pa.ArrowInvalid):
        write_table(nested, path)
    assert path.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["wall.csv"]


@pytest.mark.parametrize(
    ("name", "remedy"), [("wall.txt", "end its name in .csv or .parquet"), ("no/wall.csv", "make the folder")]
)
def test_a_target_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, name: str, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        check_target(tmp_path / name, {".csv", ".parquet"})

"""What one types about a world with a margin exchange, and what one reads."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from rich.console import Console
from typer.testing import CliRunner

import delever as dl
from delever.cli.main import app
from delever.report import Report, check_report, json_text, stress_json, stress_report, wall_chart, wall_report
from delever.report.numbers import moment
from delever.run.stress import Run
from run.exchange_small import exchange

WORLD = """\
as_of: 2025-10-10T20:45:00Z
assets:
  ETH: {price: 4000 USD}
  ETH-PERP: {perp: ETH}
protocols:
  perps:
    rules: {kind: exchange, stages: [{stage: market, limit: bankruptcy}]}
    book: positions.csv
    parameters: {ETH-PERP: {max_leverage: 25}}
    waterfall: [{kind: insurance_fund, start: {USD: 100}}, adl, socialised_loss]
venues:
  perp: {kind: log_linear, pair: ETH-PERP/USD, depth: 50, half_life: 10 min}
scenario:
  horizon: 1 h
  step: 1 min
  paths: 4
  seed: 7
  prices: {kind: lognormal, volatility: {ETH: 80 %}}
  events: [{at: 30 min, kind: price, change: {ETH: -20 %}}]
"""
POSITIONS = """\
account,instrument,size,entry_price,margin_mode,collateral
anna,ETH-PERP,10,4000,cross,2500
bob,ETH-PERP,-6,4000,isolated,9000
carl,ETH-PERP,-4,4000,cross,4000
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "world.yaml").write_text(WORLD)
    (tmp_path / "positions.csv").write_text(POSITIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture(scope="module")
def run() -> Run:
    return dl.stress(exchange(), keep=False)


def typed(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def printed(report: Report, width: int = 160) -> str:
    out = io.StringIO()
    report.print(Console(file=out, width=width))
    return out.getvalue()


def test_a_stress_test_says_who_was_closed_who_bore_it_and_when(folder: Path) -> None:
    text = typed("stress", "world.yaml", "--out", "run")
    for words in ("Positions closed on perps", "Default waterfall of perps, in its order", "insurance fund", "ADL",
                  "socialised loss", "nobody", "perps over time", "perps coin by coin", "Positions deleveraged on perps",
                  "bob/ETH-PERP", "no trader adds margin"):
        assert words in text, words
    for words in ("VaR", "bad debt", "liquidators", "borrowers", "nan", "None"):
        assert words not in text.replace("maintenance", ""), words
    for name in ("timeline", "adl", "perps", "summary", "paths"):
        assert pyarrow.parquet.read_table(folder / "run" / f"{name}.parquet").num_rows, name
    assert "Default waterfall of perps" in (folder / "run" / "summary.md").read_text()


def test_its_json_holds_every_figure_and_table(folder: Path) -> None:
    found = json.loads(typed("stress", "world.yaml", "--out", "run", "--json"))
    summary = pyarrow.parquet.read_table(folder / "run" / "summary.parquet")
    assert list(found["figures"]) == summary["figure"].to_pylist()
    assert {row["figure"] for row in found["perps"]} >= {"liquidated", "deleveraged", "haircut"}
    assert len(found["timeline_medians"]["perps"]) == 48
    hit = found["deleveraged"]["perps"]
    assert {row["account"] for row in hit} <= {"bob/ETH-PERP", "carl"} and hit[0]["side"] == "short"
    assert sum(row["haircut_usd"] for row in hit) == pytest.approx(found["figures"]["haircut.perps"]["value"], rel=1e-9)


def test_a_wall_shows_positions_and_writes_them(folder: Path) -> None:
    text = typed("wall", "world.yaml", "--asset", "ETH", "--shock", "-10%", "--csv", "wall.csv", "--accounts", "who.parquet")
    assert "Positions of accounts below maintenance margin" in text
    assert "ETH-PERP" in text and "long" in text and "Eligible:" not in text
    assert "1 account with 1 leg is below maintenance" in text
    rows = pyarrow.csv.read_csv(folder / "wall.csv").to_pylist()
    assert [(row["perp"], row["side"], row["positions_usd"]) for row in rows] == [
        ("ETH-PERP", "long", pytest.approx(36_000.0))]
    assert pyarrow.parquet.read_table(folder / "who.parquet")["account"].to_pylist() == ["anna"]


def test_a_range_of_shocks_is_a_picture_too(folder: Path) -> None:
    text = typed("wall", "world.yaml", "--asset", "ETH", "--shock", "-20%..40% by 20%", "--chart", "wall.svg")
    assert "+40 %" in text and "shortfall" in text
    assert "perps positions" in (folder / "wall.svg").read_text()


def test_check_shows_open_positions_and_margins(folder: Path) -> None:
    text = typed("check", "world.yaml")
    assert "Open positions at the start" in text and "Margin accounts at the start" in text
    assert "Accounts by health" not in text and "do not balance" not in text
    found = json.loads(typed("check", "world.yaml", "--json"))
    assert sum(row["accounts"] for row in found["margins"]) == 3


def test_a_search_for_a_critical_order_says_that_nobody_lends(folder: Path) -> None:
    result = CliRunner().invoke(app, ["stress", "world.yaml", "--out", "run", "--order", "sell N ETH", "--find-critical"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "no protocol of this world lends" in result.stderr


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("lending", [False, True])
def test_no_line_is_wider_than_the_terminal(run: Run, width: int, lending: bool) -> None:
    result = dl.stress(exchange(True), keep=False) if lending else run
    world = result.world
    reports: list[Report] = [stress_report("small", result), check_report("small", None, dl.check(world))]
    for shock in ("-20%", "-30%..30% by 10%"):
        reports.append(wall_report("small", "ETH", shock, dl.wall(world, "ETH", shock), start=4000.0))
    for report in reports:
        assert max(map(len, printed(report, width).splitlines())) <= width


def test_lending_and_exchange_stand_side_by_side() -> None:
    world = exchange(True)
    text = printed(stress_report("small", dl.stress(world, keep=False)))
    assert text.index("Losses of pool") < text.index("Positions closed on perps")
    found = dl.wall(world, "ETH", "-40%..0% by 20%")
    svg = wall_chart("small", "ETH", found, 4000.0)
    assert "pool liquidatable now" in svg and "perps positions" in svg and "perps liquidatable" not in svg
    text = " ".join(printed(wall_report("small", "ETH", "-40%..0% by 20%", found, start=4000.0)).split())
    assert "Debt and positions by shock" in text
    assert "(░), of which liquidatable (█), and positions of margin accounts (█)" in text


def test_the_layer_that_bears_most_reads_its_mean(run: Run) -> None:
    from delever.report.numbers import magnitude

    figures: dict[str, Any] = {row["figure"]: row["value"] for row in run.summary.to_pylist()}
    lines = printed(stress_report("small", run)).splitlines()
    line = next(line for line in lines if line.startswith("socialised loss"))
    assert magnitude(figures["socialised_loss.perps"]) in line


def test_json_of_a_quiet_day_has_null_for_what_did_not_happen() -> None:
    calm = dl.stress(exchange(fall=-0.001, paths=2, prices={"kind": "lognormal", "volatility": {"ETH": 0.01}}), keep=False)
    found = json.loads(json_text(stress_json("small", calm)))
    assert found["figures"]["first_adl.perps"]["value"] is None and found["deleveraged"]["perps"] == []
    text = printed(stress_report("small", calm))
    assert "perps over time" not in text and "nan" not in text.replace("maintenance", "")


def test_times_are_said_to_the_second() -> None:
    assert [moment(t) for t in (0.0, 59.0, 3620.0, 90_061.0)] == ["0 s", "59 s", "1 h 20 s", "1 d 1 h 1 min 1 s"]

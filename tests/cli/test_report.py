"""Reports of real, small results: nothing that a table says is lost on the way to a reader, at any width."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from rich.console import Console

import delever as dl
from delever.analysis import Check, Wall
from delever.model.errors import InputError
from delever.model.world import World
from delever.report import (
    Extras,
    Report,
    Section,
    check_json,
    check_report,
    check_target,
    has_errors,
    json_text,
    show,
    stress_json,
    stress_report,
    wall_json,
    wall_report,
    write_summary,
    write_table,
)
from delever.report.document import column, table_of
from delever.report.positions import adl_section
from delever.report.stress import summary_sections
from delever.run.stress import Run

WIDTHS = (80, 100, 140)
WALL = pa.table(
    [pa.array(["aave"]), pa.array(["stETH"]), pa.array([2.5e6])],
    schema=pa.schema(
        [
            pa.field("protocol", pa.string()),
            pa.field("collateral", pa.string()),
            pa.field("eligible_collateral_usd", pa.float64(), metadata={"unit": "USD", "meaning": "all that they hold"}),
        ]
    ),
)


@pytest.fixture(scope="module")
def world() -> World:
    return dl.load(dl.example("first"), set={"scenario.paths": 6})


@pytest.fixture(scope="module")
def run(world: World) -> Run:
    return dl.stress(world, keep=False)


@pytest.fixture(scope="module")
def wall(world: World) -> Wall:
    return dl.wall(world, "ETH", "-30%")


@pytest.fixture(scope="module")
def check(world: World) -> Check:
    return dl.check(world)


def printed(report: Report, width: int = 160) -> str:
    out = io.StringIO()
    report.print(Console(file=out, width=width))
    return out.getvalue()


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


# --- stress ----------------------------------------------------------------------------------------------------


def test_every_risk_figure_has_its_definition_and_horizon_beside_it(run: Run) -> None:
    lines = printed(stress_report("first", run)).splitlines()
    for row in run.summary.to_pylist():
        if row["figure"].startswith(("extra_fall", "extrapolated", "conservation")):
            continue  # markets and soundness stand in sections of their own
        start = row["definition"][:35]
        assert any(start in line and " 24 h " in line for line in lines), row["figure"]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_lost(run: Run, width: int) -> None:
    text = printed(stress_report("first", run), width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("bad debt", "VaR (95 %)", "liquidator profit", "over paths of shortfall", "24 h", "95 % interval"):
        assert words in text


def test_a_single_path_has_no_interval(world: World) -> None:
    one = dl.stress(world.replace("scenario.paths", 1), keep=False)
    assert "95 % interval" not in printed(stress_report("first", one))


def test_markets_that_no_sale_moved_are_left_out(run: Run) -> None:
    quiet = run.summary.to_pylist()
    for row in quiet:
        if row["figure"].startswith(("extra_fall", "extrapolated")):
            row["value"] = 0.0
    sections = summary_sections(pa.Table.from_pylist(quiet, schema=run.summary.schema), 6)
    assert "Markets that sales moved" not in [section.heading for section in sections]


def test_what_is_assumed_stands_at_the_bottom(run: Run) -> None:
    text = stress_report("first", run).markdown()
    assert headings(text)[-1] == "What is estimated and what is assumed"
    assert "assumed: rule profitable" in text
    assert "eth_pool 30 min" in text


def test_the_summary_in_the_folder_is_markdown_with_whole_tables(run: Run, tmp_path: Path) -> None:
    file = write_summary(stress_report("first", run), tmp_path)
    text = file.read_text(encoding="utf-8")
    losses = text.split("## Losses\n\n")[1].split("\n\n")[0].splitlines()
    assert len(losses) == 2 + 9
    assert len({row.replace("\\|", "").count("|") for row in losses}) == 1
    assert [f.name for f in tmp_path.iterdir()] == ["summary.md"]


def test_the_critical_order_is_a_section_and_in_the_json(run: Run) -> None:
    critical = {"asset": "stETH", "runaway": 52_000.0, "bad_debt": None, "largest_tried": 4e5, "paths": 3}
    extras = Extras(critical=critical)
    text = printed(stress_report("first", run, extras))
    assert "52k stETH" in text
    assert "none up to 400k stETH" in text
    assert json.loads(json_text(stress_json("first", run, extras)))["critical_order"] == critical


def test_concentration_shows_who_and_each_figure_without_each(run: Run) -> None:
    extras = Extras(concentration=dl.concentration(run, n=3).replace_schema_metadata({"paths": "6"}))
    text = printed(stress_report("first", run, extras), 80)
    assert "the 3 owners who owe most" in text
    without = text.split("Each risk figure without one of them")[1]
    assert without.index("nobody") < without.index("o40 (aave)") < without.index("o30 (aave)")
    assert "On the first 6 paths" in without
    found = json.loads(json_text(stress_json("first", run, extras)))
    assert found["concentration_paths"] == 6
    assert [row["owner"] for row in found["concentration"]][1] == "o40"


def test_figures_that_no_account_decides_are_one_line(run: Run) -> None:
    rows = dl.concentration(run, n=2).to_pylist()
    for row in rows:
        row["bad_debt"] = 5.0
    text = printed(stress_report("first", run, Extras(concentration=pa.Table.from_pylist(rows))))
    assert "Unchanged by leaving out any of them: " in text
    assert "bad debt 5" in text


def test_remainders_are_shown_both_ways_with_their_paths(run: Run) -> None:
    table = pa.table(
        {"figure": ["bad_debt"], "unit": ["USD"], "remainder constant": [1e6], "remainder moving with ETH": [2e6],
         "horizon": ["24 h"]}
    ).replace_schema_metadata({"paths": "50"})  # fmt: skip
    text = printed(stress_report("first", run, Extras(remainder=table)))
    assert "1M USD" in text and "2M USD" in text and "the first 50 paths" in text
    found = stress_json("first", run, Extras(remainder=table))["remainder"]
    assert found == {"paths": 50, "figures": {
        "remainder constant": {"bad_debt": 1e6}, "remainder moving with ETH": {"bad_debt": 2e6}}}


# --- wall ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_a_wall_has_two_tables_with_totals_in_one_piece(wall: Wall, width: int) -> None:
    text = printed(wall_report("first", "ETH", "-30%", wall, start=2500.0), width)
    eligible, liquidatable = text.split("Liquidatable now: what one call")
    assert max(map(len, text.splitlines())) <= width
    for part, words in ((eligible, ("held USD", "owed USD")), (liquidatable, ("seized USD", "repaid USD"))):
        flat = " ".join(part.split())
        assert "total" in part
        assert all(word in flat or word.split()[0] in flat for word in words)
    assert "ETH is 2,500.00 USD before the shock, 1,750.00 USD after it" in " ".join(text.split())
    for word in ("Eligible:", "Liquidatable:"):
        assert word in text


def test_rows_of_a_wall_add_up_to_the_total_shown(wall: Wall) -> None:
    shown = wall_report("first", "ETH", "-30%", wall).sections[0]
    assert isinstance(shown, Section)
    last = shown.table.to_pylist()[-1]
    total = sum(wall.table["eligible_debt_usd"].to_pylist())
    assert last["owed USD"] == dl.report.numbers.magnitude(total)  # type: ignore[attr-defined]


def test_a_range_of_shocks_is_a_row_each_with_a_bar(world: World) -> None:
    wall = dl.wall(world, "ETH", "-60%..0% by 20%")
    text = printed(wall_report("first", "ETH", "-60%..0% by 20%", wall, start=2500.0), 80)
    rows = [line for line in text.splitlines() if line.lstrip().startswith(("-60 %", "-40 %", "-20 %", "0 %"))]
    assert len(rows) == 4
    assert rows[0].count("█") + rows[0].count("░") == 24
    assert "1,000.00" in rows[0]


def test_both_treatments_are_one_line_where_they_agree(wall: Wall) -> None:
    others = {"remainder constant": wall.totals, "remainder moving with ETH": wall.totals}
    text = printed(wall_report("first", "ETH", "-30%", wall, others), 200)
    assert "The same wall, constant or moving with ETH." in text


def test_wall_json_keeps_full_numbers(wall: Wall) -> None:
    found = json.loads(json_text(wall_json("first", "ETH", "-30%", wall, {"remainder constant": wall.totals}, 2500.0)))
    assert found["wall"] == wall.table.to_pylist()
    assert found["totals"] == found["remainder"]["remainder constant"] == wall.totals.to_pylist()


# --- check -----------------------------------------------------------------------------------------------------


def with_level(check: Check, level: str) -> Check:
    finding = {"level": level, "what": "row twice", "where": "book aave, row 3", "value": "a01", "remedy": "drop it"}
    return replace(check, findings=pa.Table.from_pylist([finding]))


def test_check_shows_findings_first_then_prices_ages_and_the_book(check: Check) -> None:
    text = printed(check_report("first", None, with_level(check, "error")))
    places = [text.index(word) for word in ("drop it", "eth_usd", "book:aave", "Accounts by health")]
    assert places == sorted(places)
    assert "1 error: this world cannot be right." in text


def test_a_check_fails_on_errors_only(check: Check) -> None:
    assert has_errors(with_level(check, "error"))
    assert not has_errors(with_level(check, "warn"))


@pytest.mark.parametrize("width", WIDTHS)
def test_who_sees_which_price_is_whole_at_any_width(check: Check, width: int) -> None:
    text = printed(check_report("first", None, check), width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("eth_usd", "2,500.00", "heartbeat", "deviation", "delay", "age", "gap"):
        assert word in text


def test_check_json_has_every_table(check: Check) -> None:
    found = json.loads(json_text(check_json("first", check)))
    assert {"findings", "prices", "inputs", "health", "accounts"} <= set(found)
    assert found["sound"] is True


# --- from Python -----------------------------------------------------------------------------------------------


def test_show_prints_every_kind_of_result(run: Run, wall: Wall, check: Check, capsys: Any) -> None:
    for result, word in ((run, "Losses"), (wall, "Eligible"), (check, "Who sees"), (run.paths, "liquidations")):
        show(result)
        assert word in capsys.readouterr().out
    with pytest.raises(TypeError, match="neither a result"):
        show(3)


# --- tables ----------------------------------------------------------------------------------------------------


def test_a_table_that_is_too_wide_is_split_and_keeps_its_keys_and_numbers() -> None:
    wide = table_of(
        column("account", ["0xabc"]), *(column(f"figure {i}", [1e6 + i * 1e5], "USD") for i in range(12))
    )  # fmt: skip
    text = printed(Report("t", (Section("s", wide),)), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("0xabc") > 1
    for i in range(12):
        assert f"{1 + i / 10:.3g}M" in text


def test_meanings_and_units_of_the_schema_are_shown() -> None:
    text = printed(Report("t", (Section("s", WALL),)))
    assert "[USD]" in text
    assert "eligible collateral usd: all that they hold" in text
    assert "2.5M" in text


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


def test_a_comparison_reads_by_the_unit_of_each_row() -> None:
    table = pa.table({"figure": ["probability"], "unit": ["share"], "baseline": [0.082], "other": [0.04],
                      "definition": ["paths with bad debt"]})  # fmt: skip
    for width in (60, 120):
        text = printed(Report("", (Section("", table, under="definition"),)), width)
        assert "8.2 %" in text and "4 %" in text
        assert "paths with bad debt" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= width


def test_a_world_in_which_nobody_could_deleverage_has_no_table_of_it() -> None:
    """A protocol may have figures of its own all the same."""
    assert adl_section(pa.table({}), "pool", np.ones(3)) is None

"""compare, sweep and explain as typed; what stands beside a run; progress where there is no terminal; results in a notebook."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.comparison import Comparison
from delever.analysis.largest import concentration
from delever.cli.compare import parse_over
from delever.cli.main import app
from delever.cli.options import parse_memory, parse_paths
from delever.cli.progress import lines
from delever.cli.variants import Variant, variants_of
from delever.model.errors import InputError
from delever.report.comparison import chosen_figures, label_of
from delever.report.glossary import CALLED, WORDS, meaning_of
from delever.report.mechanisms import at_a_loss
from delever.report.reference import explain, figures
from delever.run.stress import Run

FEW = ["--paths", "4", "--threads", "1"]


@pytest.fixture(scope="module")
def run() -> Run:
    return dl.stress(dl.load(dl.example("first"), set={"scenario.paths": 6}), keep=False, threads=1)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_a_label_takes_the_settings_behind_it() -> None:
    typed = [("settings", "a=1"), ("what", "two"), ("settings", "b=2"), ("files", "c.yaml"), ("what", "words")]
    assert variants_of(typed) == [Variant(None, ["a=1"], []), Variant("two", ["b=2"], ["c.yaml"]), Variant("words", [], [])]


def test_variants_reach_the_comparison_in_the_order_typed(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("venues: {eth_pool: {fee: 1 %}}\nactors: {borrowers: {attentive: 50 %}}\n")
    result = invoke("compare", "first", *FEW, "--what", "WBTC threshold +3 points", "--what", "half", "--set",
                    "venues.eth_pool.reserves.ETH=x0.5", "--set", "actors.borrowers.attentive=-10 %", "--what", "file", "--with",
                    str(tmp_path / "more.yaml"), "--csv", str(tmp_path / "all.csv"), "--parquet", str(tmp_path / "all.parquet"),
                    "--chart", str(tmp_path / "all.svg"), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["variants"] == ["WBTC threshold +3 points", "half", "file"]
    changed = {(row["variant"], row["field"].split(".")[-1]): (row["before"], row["after"]) for row in found["settings"]}
    assert changed["WBTC threshold +3 points", "liquidation_threshold"] == ("78 %", "81 %")
    assert changed["half", "attentive"] == ("30 %", "27 %")
    assert changed["file", "fee"] == ("0.3 %", "1 %")
    assert changed["file", "attentive"] == ("30 %", "50 %")
    assert found["assumptions"][0].startswith("Nobody re-levers")
    assert pyarrow.parquet.read_table(tmp_path / "all.parquet").num_rows == len(found["differences"])
    assert pyarrow.csv.read_csv(tmp_path / "all.csv").num_rows == len(found["differences"])
    assert (tmp_path / "all.svg").read_text().count("<circle") >= 3


def test_the_report_says_what_was_changed_and_what_it_assumes() -> None:
    result = invoke("compare", "first", *FEW, "--what", "ETH threshold -2 points", "--owners", "keep-distance")
    assert result.exit_code == 0, result.output
    for text in ("What this assumes", "Owners re-lever", "83 %", "81 %", "P(any bad debt)", "P(shortfall > 1 % of debt)"):
        assert text in result.stdout


@pytest.mark.parametrize(("arguments", "line"), [
    ([], "names no variant"), (["--what", "threshold +3 points"], "may mean"), (["--set", "a.b=1"], "unknown field"),
    (["--set", "scenario.seed=8"], "common random numbers"), (["--with", "nowhere.yaml"], "cannot be read"),
    (["--set", "actors.borrowers.attentive=x9"], "would be 2.7"),
    (["--what", "x", "--set", "name=b", "--owners", "flee"], "choose"),
])
def test_a_variant_that_cannot_be_is_one_line(arguments: list[str], line: str) -> None:
    result = invoke("compare", "first", *FEW, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr and result.stderr.count("\n") == 1


def test_a_sweep_is_a_table_and_over_two_fields_a_map(tmp_path: Path) -> None:
    over = ["--over", "protocols.aave.parameters.ETH.liquidation_threshold=-2 points,83 %", "--over",
            "venues.eth_pool.reserves.ETH=18,000,x1"]
    result = invoke("sweep", "first", *FEW, *over, "--chart", str(tmp_path / "map.svg"), "--figure", "shortfall")
    assert result.exit_code == 0, result.output
    assert "as it is" in result.stdout and "Nobody re-levers" in result.stdout
    assert (tmp_path / "map.svg").read_text().count("<rect") == 1 + 4
    assert invoke("sweep", "first", *FEW, *over[:2], "--chart", str(tmp_path / "no.svg")).exit_code == 2


def test_commas_in_numbers_and_lists_separate_no_values() -> None:
    assert parse_over(["a.b=1,000,2,000", "c=[1, 2],[3, 4]", "d=x,y", "e=80 %,120 %"]) == {
        "a.b": ["1,000", "2,000"], "c": ["[1, 2]", "[3, 4]"], "d": ["x", "y"], "e": ["80 %", "120 %"]}


def test_everything_has_an_explanation() -> None:
    for name in ("adl", "waterfall.adl", "half_life", "liquidators.rule", "Scenario", "events", "shortfall", "VaR (95 %)",
                 "shortfall.aave", "insurance_fund_dry", "days", "FTX", "12 March 2020", "cascade length", "seized_collateral",
                 *WORDS, *CALLED):
        assert explain(name).sections, name
    assert meaning_of("Liquidatable") == meaning_of("liq. now") == ("liquidatable now", WORDS["liquidatable now"])
    assert figures()["evar"].figure.reduce == "entropic"
    result = invoke("explain", "liquidaters")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "did you mean liquidators?" in result.stderr
    (row,) = json.loads(invoke("explain", "constant_product.half_life", "--json").stdout)["found"][0]["rows"]
    assert (row["kept_in"], row["default"], row["range"]) == ("s", "null", "above 0")


def test_every_figure_of_a_run_can_be_explained(run: Run) -> None:
    known = figures()
    for name in run.summary["figure"].to_pylist():
        assert name in known or name.partition(".")[0] in known, name


def test_what_stands_beside_a_run_stops_at_an_interrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = concentration(run, n=4, paths=2, partial=True)
    assert whole.num_rows == 5 and whole.schema.metadata[b"owners"] == b"4" and whole.schema.metadata[b"stopped"] == b""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("delever.analysis.largest.rerun", interrupted)
    kept = concentration(run, n=4, paths=2, partial=True)
    assert kept.num_rows == 1 and kept.schema.metadata[b"stopped"] == b"interrupted"
    with pytest.raises(KeyboardInterrupt):
        concentration(run, n=4, paths=2)


def test_an_interrupt_beside_the_figures_leaves_them_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("delever.analysis.largest.concentration", interrupted)
    result = invoke("stress", "first", *FEW, "--out", str(tmp_path / "run"))
    assert result.exit_code == 130
    assert "VaR (95 %)" in result.stdout
    assert "beside the figures" in result.stderr
    assert (tmp_path / "run" / "summary.md").exists()


def test_few_paths_in_a_tail_are_said(run: Run) -> None:
    result = invoke("stress", "first", *FEW, "--no-concentration", "--no-remainder", "--out", "/dev/null/x")
    assert result.exit_code == 2
    from delever.report import stress_report

    text = stress_report("first", run).markdown()
    assert "Few paths: on fewer than 10 rest" in text and "EVaR (99 %, entropic) (1)" in text


def test_progress_off_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with lines(0.05) as tell:
        tell("simulating", 3, 10)
        time.sleep(0.2)
    said = capsys.readouterr().err.splitlines()
    assert len(said) >= 2
    assert said[0].startswith("delever: simulating 3 of 10, ")


def test_results_show_themselves_in_a_notebook(run: Run) -> None:
    world = run.world
    for result in (run, dl.wall(world, "ETH", "-30%"), dl.check(world), dl.compare(world, world)):
        assert len(repr(result)) < 200 and "\n" not in repr(result)
        assert result._repr_html_().count("<table>") == 1
        if "pandas" not in sys.modules:
            with pytest.raises(InputError, match=r"delever\[notebook\]"):
                result.to_pandas()


@pytest.mark.parametrize(("text", "values"), [
    ("100,200,300", ["100", "200", "300"]), ("5, 10, 100", ["5", "10", "100"]), ("0.5,0.75,100", ["0.5", "0.75", "100"]),
    ("1,000 USD,20,000 USD", ["1,000 USD", "20,000 USD"]), ("x0.5,x1.5", ["x0.5", "x1.5"]),
    ("-2 points,83 %", ["-2 points", "83 %"]),
    ("1000,1500,2000", ["1000", "1500", "2000"]), ("0.5,1,000", ["0.5", "1,000"]),
    ("{ETH: 1, USD: 2},x2", ["{ETH: 1, USD: 2}", "x2"]),
])
def test_commas_part_values_unless_they_are_of_one_number(text: str, values: list[str]) -> None:
    assert parse_over([f"f={text}"]) == {"f": values}


@pytest.mark.parametrize("text", ["1,500", "5,10,100", "1,500,000", "10,000,200,000", "1,500 USD,2,000 USD"])
def test_what_may_be_one_number_or_several_is_asked(text: str) -> None:
    with pytest.raises(InputError, match=r"may be one number or several.*for several.*for one"):
        parse_over([f"f={text}"])


@pytest.mark.parametrize(("read", "text"), [(parse_memory, "1,5 GiB"), (parse_memory, "2,0000 MB"), (parse_paths, "1,000"),
                                            (parse_paths, "0,017")])
def test_a_comma_is_never_left_out_of_a_number_that_has_it_elsewhere(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(InputError):
        read(text)


def test_a_memory_and_a_list_of_paths_are_what_is_written() -> None:
    assert parse_memory("1,024 MiB") == parse_memory("1 GiB") == 1.0
    assert parse_paths("0, 17,170") == [0, 17, 170]
    found = invoke("check", "first", "--set", "scenario.paths=1,5")
    assert found.exit_code == 2 and "is not a whole number" in found.stderr
    assert invoke("check", "first", "--set", "scenario.paths=1,500").exit_code == 0


def test_who_bore_what_stands_in_every_comparison_that_has_a_waterfall() -> None:
    def row(figure: str, baseline: float, value: float, under: str = "") -> dict[str, Any]:
        return {"variant": "less", "figure": figure, "label": figure.partition(".")[0], "under": under, "unit": "USD",
                "protocol": "x", "baseline": baseline, "value": value, "difference": value - baseline, "low": -1.0, "high": 1.0,
                "tail": None, "definition": "", "horizon": "1 d"}

    rows = [*(row(f"moved{i}.x", 1.0, 3.0) | {"low": 1.0} for i in range(30)), row("fund.x", 5.0, 2.0, "bore"),
            row("ADL.x", 0.0, 3.0, "bore"), row("idle.x", 0.0, 0.0, "bore")]
    table = pa.Table.from_pylist([{"figure": row["figure"]} for row in rows])
    nothing = pa.table({"variant": []})
    made = Comparison("w", ("less",), 9, table, pa.Table.from_pylist(rows), nothing, nothing, nothing)
    shown = chosen_figures(made)
    assert shown[:2] == ["fund.x", "ADL.x"] and len(shown) == 14 and "idle.x" not in shown
    assert label_of(rows[30]) == "fund bore (x)"


def test_liquidators_who_end_below_zero_are_explained_where_the_interval_says_so() -> None:
    assert at_a_loss([{"figure": "liquidator_profit", "high": -1.0}]) and not at_a_loss(
        [{"figure": "liquidator_profit", "high": 0.0}, {"figure": "bad_debt", "high": -1.0}])
    assert not at_a_loss([{"figure": "liquidator_profit", "high": float("nan")}])

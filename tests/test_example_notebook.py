"""The notebook runs from top to bottom, and every result it ends a cell with shows itself; pictures carry right numbers."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import delever as dl
from delever.analysis import Check, Comparison, Wall
from delever.model.errors import InputError
from delever.run.result import Result
from delever.run.stress import Run

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "notebook"


def shown(notebook: Path) -> tuple[list[Any], dict[str, Any]]:
    """What each cell of code ends with, as a notebook would show it; and the names that are left."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    place: dict[str, Any] = {"__name__": "__main__"}
    ends = []
    for cell in cells:
        if cell["cell_type"] == "code":
            *before, last = ast.parse("".join(cell["source"])).body
            assert isinstance(last, ast.Expr)
            exec(compile(ast.Module(before, []), str(notebook), "exec"), place)
            ends.append(eval(compile(ast.Expression(last.value), str(notebook), "eval"), place))
    return ends, place


@pytest.fixture(scope="module")
def run_through() -> tuple[list[Any], dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(FOLDER)
        return shown(FOLDER / "own_book.ipynb")


def values_of(chart: Any) -> list[dict[str, Any]]:
    """The rows that a chart carries."""
    found: list[dict[str, Any]] = chart.to_dict()["data"]["values"]
    return found


def test_every_cell_shows_something(run_through: tuple[list[Any], dict[str, Any]]) -> None:
    ends, _ = run_through
    results, charts = [end for end in ends if isinstance(end, Result)], [end for end in ends if hasattr(end, "to_dict")]
    assert [type(end) for end in results] == [Check, Wall, Run, Comparison]
    assert all("<table>" in end._repr_html_() for end in results)
    assert len(charts) == 4
    assert ends[0][0] == {"loans.csv": {"wallet": "account", "token": "asset", "type": "side", "qty": "amount"}}


def test_a_picture_of_a_wall_is_its_totals(run_through: tuple[list[Any], dict[str, Any]]) -> None:
    wall = run_through[1]["wall"]
    assert [(row["shock"], row["reached"]) for row in values_of(wall.plot())] == list(zip(
        wall.totals["shock"].to_pylist(), wall.totals["eligible_debt_usd"].to_pylist(), strict=True))
    with pytest.raises(InputError, match=r"Wall.plot: shows no figure by name: 'bad_debt'"):
        wall.plot("bad_debt")


def test_a_picture_of_a_run_is_how_often_a_loss_is_exceeded(run_through: tuple[list[Any], dict[str, Any]]) -> None:
    run = run_through[1]["run"]
    rows, seized = values_of(run.plot("seized_collateral")), sorted(run.paths["seized_collateral.aave"].to_pylist())
    assert len(rows) == len(seized) == 100
    assert [row["value"] for row in rows] == seized
    assert [row["share"] for row in rows] == pytest.approx([(100 - i) / 100 for i in range(100)])
    with pytest.raises(InputError, match=r"plot: unknown column: 'seized'; known: bad_debt, repaid_debt, seized_collateral"):
        run.plot("seized")


def test_a_picture_of_a_comparison_is_its_differences(run_through: tuple[list[Any], dict[str, Any]]) -> None:
    difference = run_through[1]["difference"]
    rows = values_of(difference.plot("liquidations"))
    wanted = [row for row in difference.differences.to_pylist() if row["figure"] == "liquidations"]
    assert [(row["variant"], row["difference"], row["low"], row["high"]) for row in rows] == [
        (row["variant"], row["difference"], row["low"], row["high"]) for row in wanted]
    assert rows[0]["difference"] > 0.0  # a lower threshold calls more accounts
    moved = {row["figure"] for row in difference.differences.to_pylist() if row["difference"]}
    by_default = {row["figure"] for row in values_of(difference.plot())}
    assert len(by_default) == 8
    assert by_default <= moved
    with pytest.raises(InputError, match=r"plot: unknown figure: 'banana'"):
        difference.plot("banana")


def test_a_picture_of_a_sweep_is_a_line_or_a_map(run_through: tuple[list[Any], dict[str, Any]]) -> None:
    world = run_through[1]["world"].replace("scenario.paths", 2)
    one = {"actors.borrowers.attentive": ["0 %", "90 %"]}
    both = {**one, "actors.liquidators.min_profit": ["0 USD", "50 USD", "100 USD"]}
    line, heat = (dl.sweep(world, over, threads=1).plot("liquidations") for over in (one, both))
    assert [row["field0"] for row in values_of(line)] == ["0 %", "90 %"]
    assert (line.to_dict()["mark"]["type"], heat.to_dict()["mark"]["type"]) == ("line", "rect")
    assert len(values_of(heat)) == 2 * 3


def test_frames_are_the_main_table(run_through: tuple[list[Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in is asked where a package is not there; the error names what to install."""
    run = run_through[1]["run"]
    monkeypatch.setitem(sys.modules, "polars", SimpleNamespace(from_arrow=lambda table: table))
    assert run.to_polars() is run.summary
    for package, method in (("pandas", "to_pandas"), ("polars", "to_polars"), ("altair", "plot")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=rf'Run.{method}: {package} is not installed.*pip install "delever\[notebook\]"'):
            getattr(run, method)()


def test_a_result_without_a_picture_says_where_there_is_one() -> None:
    found = dl.criticality(dl.load(dl.example("first")), "ETH", "-4%", step="2 %")
    with pytest.raises(InputError, match=r"Criticality\.plot has no picture in a notebook; its command draws one with --chart"):
        found.plot()

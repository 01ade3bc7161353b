"""What is typed reaches the simulator, and what it returns reaches the reader: the calls in between are watched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.cli.main import app
from delever.model.world import World
from delever.run.stress import Run


@pytest.fixture(scope="module")
def small() -> Run:
    return dl.stress(dl.load(dl.example("first"), set={"scenario.paths": 3}), keep=False)


class Below:
    """The layers below the command, which remember how they were called."""

    def __init__(self, run: Run) -> None:
        self.calls: dict[str, Any] = {}
        self.run, self.interrupt, self.level, self.times = run, False, "warn", 0

    def stress(self, world: World, out: Path | None, threads: Any, memory: Any, progress: Any, trace: Any) -> Run:
        self.calls["stress"] = (world, {"out": out, "threads": threads, "memory": memory, "trace": trace})
        progress("compiling", 0, 1)
        progress("simulating", 0, 0)
        folder = out or Path("runs/played")
        if self.interrupt:
            raise KeyboardInterrupt
        folder.mkdir(parents=True, exist_ok=True)
        return replace(self.run, folder=folder)

    def find_critical(self, world: World, order: object) -> dict[str, Any]:
        self.calls["find_critical"] = (world, order)
        return {"asset": "ETH", "runaway": 61_000.0, "bad_debt": 90_500.0}

    def concentration(self, run: Run, n: int = 10, paths: int | None = None, partial: bool = False) -> pa.Table:
        self.times += 1
        self.calls["concentration"] = (n, paths)
        return pa.table({"protocol": [None, "aave"], "owner": ["(nobody left out)", "a40"], "var": [2.0, 1.0]})

    def check(self, world: World) -> Any:
        finding = {"level": self.level, "what": "odd", "where": "book", "value": "1", "remedy": "look"}
        return replace(self.checked, findings=pa.Table.from_pylist([finding]))


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small: Run) -> Below:
    played = Below(small)
    played.checked = dl.check(small.world)  # type: ignore[attr-defined]
    monkeypatch.setattr("delever.run.stress.stress", played.stress)
    for name, home in (("check", "soundness"), ("find_critical", "critical"), ("concentration", "largest")):
        monkeypatch.setattr(f"delever.analysis.{home}.{name}", getattr(played, name))
    monkeypatch.chdir(tmp_path)
    return played


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_paths_seed_and_settings_are_overrides_of_the_world(below: Below) -> None:
    invoke("stress", "first", "--paths", "12", "--seed", "3", "--set", "actors.liquidators.rule=always")
    world = below.calls["stress"][0]
    assert (world.scenario.paths, world.scenario.seed, world.actors["liquidators"].rule) == (12, 3, "always")


def test_outcomes_are_kept_where_somebody_asks_and_a_worlds_own_windows_stand(below: Below) -> None:
    asked = []
    for more in ((), ("--outcomes",), ("--set", "scenario.judged={event_share: 2 %}", "--outcomes")):
        invoke("stress", "first", *more)
        judged = below.calls["stress"][0].scenario.judged
        asked.append(None if judged is None else judged.event_share)
    assert asked == [None, 0.05, 0.02]


def test_an_order_joins_the_shocks_and_its_critical_size_is_in_the_json(below: Below) -> None:
    result = invoke("stress", "first", "--order", "sell 50,000 ETH", "--find-critical", "--json", "--out", "here")
    world = below.calls["stress"][0]
    order = world.scenario.events[-1].order
    assert (order.amount, order.asset) == (50_000.0, "ETH")
    assert len(world.scenario.events) == 2
    assert below.calls["find_critical"] == (world, order)
    critical = json.loads(result.stdout)["critical_order"]
    assert critical == {"asset": "ETH", "runaway": 61_000.0, "bad_debt": 90_500.0}
    assert json.loads(Path("here/critical.json").read_text()) == critical


def test_an_order_of_size_n_is_searched_and_joins_nothing(below: Below) -> None:
    invoke("stress", "first", "--order", "sell N ETH", "--find-critical")
    world = below.calls["stress"][0]
    assert len(world.scenario.events) == 1
    assert below.calls["find_critical"] == (world, "sell N ETH")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--find-critical"], 'add --order "sell N stETH"'),
        (["--order", "sell N ETH"], "add --find-critical"),
        (["--order", "sell 5 stEHT"], "known: ETH, USDC, WBTC"),
        (["--order", "buy 5 ETH"], "write `sell 50,000 stETH`"),
    ],
)
def test_an_order_that_cannot_be_is_a_mistake_before_the_run(below: Below, arguments: list[str], remedy: str) -> None:
    result = invoke("stress", "first", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert remedy in result.stderr
    assert "stress" not in below.calls


def test_concentration_is_worked_out_once_and_kept(below: Below) -> None:
    first = invoke("stress", "first", "--out", "here", "--json")
    again = invoke("stress", "first", "--out", "here", "--json")
    assert below.times == 1
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert below.calls["concentration"] == (10, None)  # paths: as many as the run allows
    assert pyarrow.parquet.read_table("here/concentration.parquet")["owner"].to_pylist()[1] == "a40"


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(b"PAR1"),
    lambda path: pyarrow.parquet.write_table(pa.table({"owner": ["nobody"], "var": [0.0]}), path),
    lambda path: (path.rename("moved"), path.symlink_to(Path("moved").absolute()))])
def test_a_concentration_that_is_not_as_it_was_written_is_worked_out_anew(damage: Any, below: Below) -> None:
    invoke("stress", "first", "--out", "here")
    damage(Path("here/concentration.parquet"))
    result = invoke("stress", "first", "--out", "here", "--json")
    assert below.times == 2
    assert json.loads(result.stdout)["concentration"][1]["figures"]["var"] == 1.0


def test_concentration_can_be_left_out(below: Below) -> None:
    result = invoke("stress", "first", "--no-concentration", "--no-remainder", "--json")
    assert "concentration" not in json.loads(result.stdout)
    assert below.times == 0


def test_run_options_reach_the_run_in_its_units(below: Below) -> None:
    invoke("stress", "first", "--threads", "2", "--memory", "2 GiB", "--trace", "5,1", "--out", "here")
    assert below.calls["stress"][1] == {"out": Path("here"), "threads": 2, "memory": 2.0, "trace": [1, 5]}


def test_stress_prints_the_summary_and_leaves_it_in_the_folder(below: Below) -> None:
    result = invoke("stress", "first", "--out", "here")
    assert result.exit_code == 0
    for text in (result.stdout, Path("here/summary.md").read_text(encoding="utf-8")):
        assert "over paths of shortfall" in text
        assert "Concentration" in text


def test_without_out_the_run_chooses_its_folder_and_the_summary_goes_there(below: Below) -> None:
    result = invoke("stress", "first")
    assert below.calls["stress"][1]["out"] is None
    assert "runs/played" in result.stdout
    assert Path("runs/played/summary.md").exists()


def test_an_interrupted_run_says_how_to_go_on(below: Below) -> None:
    below.interrupt = True
    result = invoke("stress", "first", "--out", "here")
    assert result.exit_code == 130
    assert "same command" in result.stderr


def test_wall_writes_what_was_asked_for(below: Below) -> None:
    files = ["--accounts", "a.csv", "--csv", "t.csv", "--parquet", "t.parquet", "--chart", "t.svg"]
    result = invoke("wall", "first", "--asset", "ETH", "--shock", "-60%..0%", *files)
    assert result.exit_code == 0
    head = '"protocol","account","health_factor","asset","side","amount","value_usd","liquidatable"'
    assert Path("a.csv").read_text().splitlines()[0] == head
    assert len(set(pyarrow.parquet.read_table("t.parquet")["shock"].to_pylist())) > 1
    assert Path("t.csv").exists()
    assert Path("t.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--asset", "ETHH", "--shock", "-5%"],
            "delever: asset: unknown asset: 'ETHH'; did you mean ETH? known: ETH, USDC, WBTC",
        ),
        (
            ["--asset", "ETH", "--shock", "-5%", "--chart", "t.svg"],
            'delever: --chart is one shock: -0.05; a chart needs a range: --shock "-60%..0%"',
        ),
    ],
)
def test_a_mistake_below_is_one_line_and_writes_nothing(below: Below, arguments: list[str], line: str) -> None:
    result = invoke("wall", "first", *arguments, "--csv", "t.csv")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line + "\n")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(("level", "code"), [("warn", 0), ("error", 2)])
def test_check_fails_on_errors_after_printing_all(below: Below, level: str, code: int) -> None:
    below.level = level
    result = invoke("check", "first")
    assert result.exit_code == code
    assert "look" in result.stdout
